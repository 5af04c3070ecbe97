"""Tables of the user's own: columns by mapping, in delimited text and JSON, from the settings to landed flows."""

import json
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.mapping import NAMES, ColumnMapping, check_delimiter, check_fields
from pipeline.settings import SourceSettings
from pipeline.sources.base import RAW, Block, Parsed, ReadOptions, merge
from pipeline.sources.declared import EXTRAS
from pipeline.sources.registry import READERS, detect
from pipeline.sources.watch import Watch
from pipeline.sources.zeek_columns import ALIASES
from tests.oracle.zeek import SERVER as INVENTORY
from tests.oracle.zeek import conn, jsonl, tsv
from tests.pipeline.landings import FLAT, World, settings

LATEST = 4_000_000_000_000_000
CLIENT, SERVER = "10.1.0.11", "192.0.2.25"
FIELDS = {"src_ip": "Client Addr", "dest_ip": "server", "start_time": "ts", "bytes_in": "down", "bytes_out": "up"}
ROW = {"Client Addr": CLIENT, "server": SERVER, "ts": "2026-11-20 00:00:00", "down": "5900", "up": "600", "x": "1"}


def read(text: str, name: str = "table_csv", **source: Any) -> Parsed:
    options = {"timezone": source.pop("timezone", "UTC"), "swap_bytes": source.pop("swap_bytes", False)}
    chosen = SourceSettings.model_validate(
        {"name": "t", "path": "x", "format": "table", "fields": FIELDS, "timezone": options["timezone"], **source}
    )
    data = text.encode()
    reader = READERS[name](ReadOptions(Watch(None), LATEST, mapping=chosen.mapping, **options))
    parsed = merge([reader.read(Block(data, 1, data.count(b"\n"))), reader.finish()])
    assert parsed.account.balanced
    return parsed


def table(*rows: dict[str, str], by: str = ",") -> str:
    return "".join(by.join(cells) + "\n" for cells in (ROW, *((ROW | r).values() for r in rows)))


def one(parsed: Parsed) -> dict[str, Any]:
    (row,) = parsed.rows.to_dicts()
    return row


@pytest.mark.parametrize("by", [",", ";", "\t", "|"])
def test_columns_are_read_as_the_source_names_them(by: str) -> None:
    row = one(read(table({}, by=by), delimiter=by))
    assert (row["src_ip"], row["dest_ip"], row["other_bytes_in"], row["other_bytes_out"]) == (CLIENT, SERVER, 5900, 600)
    assert (row["other_layer"], row["accounting"], row["orientation"]) == ("unknown", "final", "native")
    assert row["start_time"].isoformat() == "2026-11-20T00:00:00+00:00"


def test_json_is_read_by_dotted_paths_and_other_records_are_ignored() -> None:
    fields = {"src_ip": "net.client", "dest_ip": "net.server.ip", "start_time": "at", "sent": "n", "src_port": "sp"}
    record = {"net": {"client": SERVER, "server": {"ip": CLIENT}}, "at": 1_795_132_800, "n": 5_900, "sp": 993}
    flat = {"net.client": SERVER, "net.server.ip": CLIENT, "at": "1795132800000", "n": "5900", "sp": "993"}
    text = "".join(json.dumps(r) + "\n" for r in (record, flat, {"hello": 1}))
    parsed = read(text, "table_json", fields=fields | {"dest_port": "dp"}, layer="ip")
    assert (parsed.account.flows, parsed.account.ignored) == (2, 1)
    assert parsed.rows.select("src_ip", "ip_bytes_in", "ip_bytes_out", "orientation").unique().rows() == [
        (SERVER, None, 5_900, "unknown")
    ]


def test_layer_accounting_zone_and_the_meaning_of_in_and_out_are_the_sources() -> None:
    row = one(read(table({}), layer="payload", accounting="delta", timezone="Europe/Berlin", swap_bytes=True))
    assert (row["payload_bytes_in"], row["payload_bytes_out"], row["accounting"]) == (600, 5_900, "delta")
    assert row["start_time"].isoformat() == "2026-11-19T23:00:00+00:00"


def test_blocked_records_are_no_flows_and_unknown_bytes_are_unknown() -> None:
    parsed = read(table({"x": "Denied"}, {"x": "allowed", "down": ""}), fields=FIELDS | {"action": "x"})
    assert dict(parsed.account.warnings) == {"blocked": 1}
    assert (one(parsed)["other_bytes_in"], one(parsed)["other_bytes_out"]) == (None, 600)


def test_a_header_without_a_mapped_column_sets_its_lines_aside_and_names_it() -> None:
    parsed = read(table({}, {}), fields=FIELDS | {"bytes_in": "dwn", "dvc": "sensor"})
    assert dict(parsed.account.quarantined) == {"missing_fields": 2}
    assert set(parsed.rejects["detail"]) == {"the header lacks dwn (bytes_in), sensor (dvc)"}
    parsed = read("a,b\n1,2\n")
    assert set(parsed.rejects["detail"]) == {
        "no header line before it names Client Addr (src_ip) and another of the mapped columns"
    }


def test_rows_that_cannot_be_right_are_set_aside() -> None:
    parsed = read(table({}, {"server": ""}, {"down": "lots"}, {"ts": "soon"}))
    assert dict(parsed.account.quarantined) == {"bad_address": 1, "bad_number": 1, "untimed": 1}


@pytest.mark.parametrize(
    ("time_format", "told"),
    [
        ("%d.%m.%Y %H:%M:%S", "12.11.2026 15:00:00"),
        ("%m/%d/%Y %I:%M:%S %p", "11/12/2026 03:00:00 PM"),
        ("%d/%b/%Y:%H:%M:%S %z", "12/Nov/2026:14:00:00 +0000"),
        ("%d.%m.%Y %H:%M", "12.11.2026 15:00"),
        ("%a %b %e %H:%M:%S%.f %Y", "Thu Nov 12 15:00:00.000 2026"),
    ],
)
def test_times_are_read_as_their_format_says(time_format: str, told: str) -> None:
    parsed = read(table({"ts": told}), time_format=time_format, timezone="Europe/Berlin")
    assert one(parsed)["start_time"].isoformat() == "2026-11-12T14:00:00+00:00"
    parsed = read(
        json.dumps(ROW | {"ts": told}) + "\n", "table_json", time_format=time_format, timezone="Europe/Berlin"
    )
    assert one(parsed)["start_time"].isoformat() == "2026-11-12T14:00:00+00:00"
    assert dict(read(table({"ts": "32.13.2026"}), time_format=time_format).account.quarantined) == {"untimed": 1}


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "Asia/Kolkata", "America/New_York"])
@pytest.mark.parametrize(
    ("time_format", "told"),
    [
        ("%s", "1794492000"),
        ("%+", "2026-11-12T15:00:00+01:00"),
        ("%d.%m.%Y %H:%M:%S %z", "12.11.2026 15:00:00 +0100"),
        ("%d.%m.%Y %H:%M:%S%:z", "12.11.2026 15:00:00+01:00"),
        ("%d.%m.%Y %H:%M:%S%#z", "12.11.2026 15:00:00+01"),
        ("%d.%m.%Y %H:%M:%S %Z", "12.11.2026 09:00:00 EST"),
        ("%a %b %d %H:%M:%S %Z %Y", "Thu Nov 12 15:00:00 CET 2026"),
        ("%a %b %d %H:%M:%S %Z %Y", "Thu Nov 12 14:00:00 UTC 2026"),
        ("%d.%m.%Y %H:%M:%S %Z", "12.11.2026 15:00:00 Europe/Berlin"),
        ("%d.%m.%Y %H:%M:%S %Z", "12.11.2026 11:00:00 America/Argentina/Buenos_Aires"),
        ("%d/%b/%Y:%H:%M:%S %Z", "12/Nov/2026:09:00:00 America/New_York"),
        ("%Z %d.%m.%Y %H:%M:%S", "Etc/GMT-3 12.11.2026 17:00:00"),
    ],
)
def test_a_time_that_tells_its_zone_is_of_no_other(time_format: str, told: str, zone: str) -> None:
    parsed = read(table({"ts": told}), time_format=time_format, timezone=zone)
    assert one(parsed)["start_time"].isoformat() == "2026-11-12T14:00:00+00:00"


def test_a_zone_that_may_be_several_leaves_the_time_unknown_unless_it_is_the_sources() -> None:
    text, told = table({"ts": "12.11.2026 19:30:00 IST"}), "%d.%m.%Y %H:%M:%S %Z"
    assert one(read(text, time_format=told, timezone="Asia/Kolkata"))["start_time"].hour == 14
    assert dict(read(text, time_format=told).account.quarantined) == {"untimed": 1}
    text = table({"ts": "12.11.2026 15:00:00 Europe/Nowhere"}, {"ts": "12.11.2026 15:00:00 Europe/Paris"})
    parsed = read(text, time_format=told, timezone="Asia/Kolkata")
    assert (one(parsed)["start_time"].hour, dict(parsed.account.quarantined)) == (14, {"untimed": 1})


def test_what_only_looks_like_a_zone_in_a_format_is_none() -> None:
    text = table({"ts": "12.11.2026 15:00:00 %Z%s"})
    row = one(read(text, time_format="%d.%m.%Y %H:%M:%S %%Z%%s", timezone="Europe/Berlin"))
    assert row["start_time"].isoformat() == "2026-11-12T14:00:00+00:00"


@pytest.mark.parametrize("told", ["5", "25", "250", "250000", "250000000"])
@pytest.mark.parametrize("time_format", ["%d.%m.%Y %H:%M:%S.%f", "%d.%m.%Y %H:%M:%S%.f"])
def test_fractions_of_a_second_are_fractions_in_either_spelling(time_format: str, told: str) -> None:
    row = one(read(table({"ts": f"12.11.2026 14:00:00.{told}"}), time_format=time_format))
    assert row["start_time"].microsecond == int(told.ljust(6, "0")[:6])


@pytest.mark.parametrize("time_format", ["%Y%m%d%H%M%S%f", "%d.%m.%Y %H:%M:%S,%f", "%f %d.%m.%Y %H:%M:%S"])
def test_a_fraction_that_would_be_nanoseconds_is_refused(time_format: str) -> None:
    with pytest.raises(ValueError, match=r"must have %\.f for a point"):
        read(table({}), time_format=time_format)


@pytest.mark.parametrize(
    "time_format", ["", "%d.%m.%Y", "%H:%M:%S", "%Q", "%d.%m.%Y %H", "YYYY-MM-DD", "%I:%M:%S %d.%m.%Y"]
)
def test_a_format_that_cannot_tell_a_time_is_refused(time_format: str) -> None:
    with pytest.raises(ValueError, match="must tell a day and a time of day"):
        read(table({}), time_format=time_format)


def test_a_delimiter_that_is_not_given_is_what_the_header_shows() -> None:
    for by in ",;\t|":
        assert one(read(table({}, by=by)))["other_bytes_in"] == 5_900
    assert dict(read(table({}, by=";"), delimiter="|").account.quarantined) == {"no_header": 2}


def test_the_content_tells_text_from_json_and_nothing_is_a_table_unasked() -> None:
    assert detect(table({}).encode(), "table", "x") == "table_csv"
    assert detect(b'{"a": 1}\n', "table", "x") == "table_json"
    with pytest.raises(SourceError, match="no known format"):
        detect(table({}).encode(), "auto", "x")


def test_a_table_without_its_columns_is_refused() -> None:
    with pytest.raises(SourceError, match=r"without its columns.*fields: \{src_ip"):
        READERS["table_csv"](ReadOptions(Watch(None), LATEST))


def test_every_field_that_can_be_mapped_is_one_that_the_readers_know() -> None:
    assert set(NAMES.values()) <= {*ALIASES, *EXTRAS, "action"}
    assert {n for n in NAMES if n not in RAW} <= {
        "end_time", "session_id", "src_port", "bytes_in", "bytes_out", "bytes", "sent"
    }  # fmt: skip


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"src": "a"}, "unknown fields src; allowed are start_time"),
        ({"src_ip": None}, "lacks src_ip"),
        ({"bytes_in": None, "bytes_out": None}, "one of bytes_in, bytes_out, bytes, sent"),
        ({"src_ip": " "}, "must name a column for src_ip"),
        ({"dest_ip": "ts.x"}, "'ts' both as a value and as what holds 'ts.x'"),
    ],
)
def test_a_mapping_that_cannot_tell_a_flow_is_refused(change: dict[str, str | None], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        check_fields({k: v for k, v in (FIELDS | change).items() if v is not None})


@pytest.mark.parametrize("text", ["", ",,", '"', "\n", "a", "1"])
def test_a_delimiter_is_one_character_that_means_nothing_else(text: str) -> None:
    with pytest.raises(ValueError, match="one character"):
        check_delimiter(text)


@pytest.mark.parametrize(
    ("source", "says"),
    [
        ({"format": "table"}, "format: table needs fields"),
        ({"format": "cim", "fields": FIELDS, "layer": "ip"}, "fields, layer can be given with format: table only"),
    ],
)
def test_fields_belong_to_tables_and_tables_need_them(source: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        SourceSettings.model_validate({"name": "t", "path": "x", **source})


@pytest.mark.parametrize(("name", "data"), [("zeek_tsv", tsv(conn())), ("zeek_json", jsonl(conn()))])
def test_bytes_are_swapped_in_every_reader(name: str, data: bytes) -> None:
    watch = Watch(None)
    lines = Block(data, 1, data.count(b"\n"))
    as_is = READERS[name](ReadOptions(watch, LATEST)).read(lines).rows
    swapped = READERS[name](ReadOptions(watch, LATEST, swap_bytes=True)).read(lines).rows
    for what in ("ip_bytes", "payload_bytes", "packets"):
        for side, other in (("in", "out"), ("out", "in")):
            assert swapped[f"{what}_{side}"].to_list() == as_is[f"{what}_{other}"].to_list()
    assert as_is["ip_bytes_in"].to_list() != swapped["ip_bytes_in"].to_list()


def test_a_table_is_landed_and_landed_anew_when_its_mapping_changes(tmp_path: Path) -> None:
    at = {"server": INVENTORY, "ts": "2026-10-01 12:00:00"}
    world = World(tmp_path, settings(FLAT, format="table", fields=FIELDS))
    world.put("t.csv", table(at).encode())
    world.land()
    assert world.received() == [5_900]
    for change, received in (
        ({"swap_bytes": True}, 600),
        ({"fields": FIELDS | {"bytes_in": "x"}}, 1),
        ({"fields": FIELDS, "layer": "ip"}, 5_900),
    ):
        world.settings = settings(FLAT, **{"format": "table", "fields": FIELDS, **change})
        assert world.land().landed == 1
        assert world.received() == [received]
    assert world.land().landed == 0


def test_a_mapping_is_compared_by_what_it_says() -> None:
    one, other = (
        SourceSettings(name="t", path="x", format="table", fields=dict(f)).mapping
        for f in (FIELDS.items(), reversed(FIELDS.items()))
    )
    assert isinstance(one, ColumnMapping)
    assert one == other
