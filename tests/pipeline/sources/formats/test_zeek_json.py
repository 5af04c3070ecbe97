"""Zeek's conn log as JSON: key spellings, kinds of values, broken lines alone, mixed streams and arrays."""

import json
from collections import Counter
from typing import Any

import pytest

from pipeline.inventory import Inventory
from pipeline.settings import InventoryEntry
from pipeline.sources.base import Block, Parsed, ReadOptions
from pipeline.sources.formats.zeek_json import ZeekJsonReader
from pipeline.sources.watch import Watch
from tests.oracle.zeek import CLIENT, SERVER, as_json, conn, jsonl

LATEST_US = 1_900_000_000_000_000
INVENTORY = Inventory([InventoryEntry(address=SERVER, category=("email_server",))])
GOOD = as_json(conn())


def reader() -> ZeekJsonReader:
    return ZeekJsonReader(ReadOptions(Watch(INVENTORY), LATEST_US))


def read(text: str | bytes, *, unterminated: bool = False) -> Parsed:
    data = text.encode() if isinstance(text, str) else text
    parsed = reader().read(Block(data, 1, data.count(b"\n") + unterminated, unterminated))
    assert parsed.account.balanced
    return parsed


def changed(**changes: Any) -> str:
    """The good record with other values; None leaves the key out."""
    record = json.loads(GOOD) | {k.replace("__", "."): v for k, v in changes.items()}
    return json.dumps({k: v for k, v in record.items() if v is not None}) + "\n"


def with_value(key: str, raw: str) -> str:
    """The good record with a value as it stands, JSON or not."""
    return changed(**{key.replace(".", "__"): "@"}).replace('"@"', raw)


def one(text: str) -> dict[str, Any]:
    parsed = read(text)
    assert parsed.rows.height == 1, parsed.rejects
    return parsed.rows.row(0, named=True)


def test_a_record_is_read_with_cim_names() -> None:
    row = one(GOOD)
    assert (row["src_ip"], row["src_port"], row["dest_ip"], row["dest_port"]) == (CLIENT, 50_000, SERVER, 993)
    assert (row["ip_bytes_in"], row["ip_bytes_out"], row["duration"], row["uid"]) == (220, 90, 1_500_000, "C1")
    assert row["start_time"].isoformat() == "2026-10-01T12:00:00+00:00"


def test_the_order_of_keys_does_not_matter() -> None:
    backwards = json.dumps(dict(reversed(json.loads(GOOD).items()))) + "\n"
    assert one(backwards) == one(GOOD)


@pytest.mark.parametrize("companion", ["", "rubbish\n"])
def test_keys_may_be_dotted_scoped_or_nested(companion: str) -> None:
    plain = json.loads(GOOD)
    ends = {k.removeprefix("id."): plain.pop(k) for k in list(plain) if k.startswith("id.")}
    scoped = json.dumps(plain | {f"id_{k}": v for k, v in ends.items()})
    nested = json.dumps(plain | {"id": ends})
    rows = read(f"{GOOD}{scoped}\n{nested}\n{companion}").rows.drop("source_line")
    assert rows.height == 3
    assert rows.n_unique() == 1


def test_a_plain_value_called_id_belongs_to_some_other_log() -> None:
    ends = json.dumps({"_path": "x509", "id": "F1", "ts": 1.0}) + "\n"
    assert (read(GOOD + ends).account.flows, read(GOOD + ends).account.ignored) == (1, 1)


def test_unknown_keys_of_any_kind_are_let_go() -> None:
    assert one(changed(community_id="1:x", tags=["a", {"b": 1}], big=10**30, geo={"cc": None})) == one(GOOD)


def test_a_key_that_comes_late_is_not_lost() -> None:
    text = changed(resp_ip_bytes=None, resp_bytes=None) * 150 + GOOD
    assert read(text).rows["ip_bytes_in"].drop_nulls().to_list() == [220]


TIMES = [1_790_856_000, 1_790_856_000.0, 1_790_856_000_000, "2026-10-01T12:00:00Z", "2026-10-01T12:00:00.000000Z"]
TIMES += ["2026-10-01T14:00:00+0200", "1790856000.0", 1_790_856_000_000_000]


@pytest.mark.parametrize("ts", TIMES)
def test_times_may_be_numbers_or_iso(ts: object) -> None:
    assert one(changed(ts=ts))["start_time"].isoformat() == "2026-10-01T12:00:00+00:00"


def test_a_shipper_s_time_stands_for_a_start_that_it_took_away() -> None:
    stamp = "2026-10-01T08:00:00.250Z"
    moved = changed(ts=None, **{"@timestamp": stamp})
    assert one(moved)["start_time"].isoformat() == "2026-10-01T08:00:00.250000+00:00"
    own = one(GOOD)["start_time"]
    beside = read(changed(**{"@timestamp": stamp}) + moved).rows["start_time"].to_list()
    assert beside == [own, one(moved)["start_time"]]
    assert dict(read(changed(ts=None)).account.quarantined) == {"untimed": 1}


def test_absent_null_and_dash_are_unknown() -> None:
    text = changed(resp_ip_bytes=None) + with_value("resp_ip_bytes", "null") + changed(resp_ip_bytes="-")
    assert read(text).rows["ip_bytes_in"].to_list() == [None] * 3


@pytest.mark.parametrize("raw", ["220", "220.0", '"220"', "2.2e2", "22E1", '" 220 "'])
def test_whole_numbers_may_be_written_in_several_ways(raw: str) -> None:
    assert one(with_value("resp_ip_bytes", raw))["ip_bytes_in"] == 220


FAULTS = [
    ("bad_json", "rubbish\n"),
    ("bad_json", "5\n"),
    ("bad_json", '"text"\n'),
    ("bad_json", f"[{GOOD.strip()}]\n"),
    ("bad_json", GOOD.strip() + "}\n"),
    ("bad_json", GOOD.strip() + GOOD),
    ("bad_json", GOOD[:40] + "\n"),
    ("bad_json", with_value("resp_ip_bytes", "NaN")),
    ("bad_json", with_value("resp_ip_bytes", "01")),
    ("bad_json", with_value("duration", "1e400")),
    ("bad_json", with_value("uid", '"a\tb"')),
    ("bad_json", '{"a":' * 100_000 + "\n"),
    ("bad_json", GOOD[:-2] + ",}\n"),
    ("bad_number", with_value("resp_ip_bytes", "99999999999999999999")),
    ("bad_number", with_value("resp_ip_bytes", "1" * 40)),
    ("bad_number", with_value("resp_ip_bytes", "1.5")),
    ("bad_number", with_value("resp_ip_bytes", "true")),
    ("bad_number", with_value("resp_ip_bytes", "[1,2]")),
    ("bad_number", with_value("duration", '{"s":1}')),
    ("negative_bytes", with_value("resp_ip_bytes", "-1")),
    ("implausible_bytes", with_value("resp_ip_bytes", "1000000000000001")),
    ("bad_port", with_value("id.resp_p", "65536")),
    ("bad_address", with_value("id.resp_h", '"mail.example.com"')),
    ("bad_address", with_value("id.orig_h", "null")),
    ("untimed", with_value("ts", "null")),
    ("implausible_time", with_value("ts", "0")),
]


@pytest.mark.parametrize(("reason", "line"), FAULTS, ids=[f"{i}-{r}" for i, (r, _) in enumerate(FAULTS)])
def test_a_faulty_line_is_set_aside_alone(reason: str, line: str) -> None:
    parsed = read(GOOD + line + GOOD)
    assert parsed.rows["source_line"].to_list() == [1, 3]
    assert parsed.rejects.select("source_line", "reason").rows() == [(2, reason)]
    assert parsed.rejects["raw"].item() == line.strip()[:500]


def test_values_within_values_without_end_cost_their_own_line_alone() -> None:
    # How deep Python follows them differs from version to version: they are no record, or one of something else.
    account = read(GOOD + '{"a":' * 100_000 + "1" + "}" * 100_000 + "\n" + GOOD).account
    assert (account.lines, account.flows, account.ignored + account.quarantined.total()) == (3, 2, 1)


def test_bytes_that_are_not_utf8_do_not_cost_the_flow() -> None:
    parsed = read(GOOD.encode() + GOOD.encode().replace(b"C1", b"C\xe9") + GOOD.encode())
    assert (parsed.account.flows, parsed.account.quarantined) == (3, {})
    broken = read(GOOD.encode().replace(b'"C1"', b'"C\xe9'))
    assert broken.account.quarantined == {"bad_json": 1}
    assert "C\ufffd" in broken.rejects["raw"].item()


def test_a_nul_byte_spoils_its_own_line_only() -> None:
    assert read(GOOD + GOOD.replace("C1", "C\x00") + GOOD).account.quarantined == {"bad_json": 1}


@pytest.mark.parametrize("companion", ["", "rubbish\n"])
def test_of_a_key_given_twice_the_last_value_counts(companion: str) -> None:
    twice = GOOD.strip()[:-1] + ',"resp_ip_bytes":9999}\n'
    assert read(twice + companion).rows["ip_bytes_in"].to_list() == [9999]


@pytest.mark.parametrize("companion", ["", "rubbish\n"])
def test_characters_beyond_the_basic_plane_stay_whole(companion: str) -> None:
    assert read(with_value("uid", '"\\ud83d\\ude00"') + companion).rows["uid"].to_list() == ["😀"]


def test_a_log_of_mixed_types_keeps_connections_only() -> None:
    text = changed(_path="conn") + changed(_path="dns") + changed(_path="conn_long") + changed(_path="http")
    parsed = read(text + json.dumps({"ts": 1.0, "query": "example.com"}) + "\n")
    assert parsed.rows["accounting"].to_list() == ["final", "cumulative"]
    assert parsed.account.ignored == 3


def test_a_sensor_that_is_named_is_the_device() -> None:
    assert one(changed(_system_name="tap-1", _write_ts="2026-10-01T12:00:05Z"))["dvc"] == "tap-1"


def test_blank_lines_and_windows_line_ends_are_let_go() -> None:
    parsed = read((GOOD + "\n" + GOOD + "  \n").replace("\n", "\r\n"))
    assert (parsed.account.flows, parsed.account.comments) == (2, 2)


@pytest.mark.parametrize("cut", [1, 50, len(GOOD) - 2])
def test_a_last_line_cut_short_is_not_believed(cut: int) -> None:
    assert read(GOOD[:cut], unterminated=True).account.quarantined == {"incomplete_last_line": 1}


def test_a_last_line_that_is_whole_but_for_its_end_is_kept() -> None:
    assert read(GOOD[:-1], unterminated=True).account.flows == 1


def test_a_block_of_blank_lines_holds_nothing() -> None:
    account = read("\n \n").account
    assert (account.comments, account.flows, account.quarantined) == (2, 0, Counter())


# A whole file as one array


def array(*records: str) -> Parsed:
    parsed = reader().read_array(("[" + ",\n".join(records) + "]").encode())
    assert parsed.account.balanced
    return parsed


def test_an_array_is_read_record_by_record() -> None:
    parsed = array(GOOD, "5", GOOD, with_value("resp_ip_bytes", "NaN"))
    assert parsed.rows["source_line"].to_list() == [1, 3]
    assert parsed.account.quarantined == {"bad_json": 2}


def test_an_array_says_what_its_lines_say() -> None:
    twice = GOOD.strip()[:-1] + ',"resp_ip_bytes":9999}'
    records = [GOOD.strip(), twice, with_value("uid", '"\\ud800"').strip(), changed(_path="dns").strip()]
    lines = read("".join(f"{r}\n" for r in records))
    assert array(*records).rows.equals(lines.rows)
    assert array(*records).account == lines.account


def test_a_bad_byte_in_an_array_does_not_lose_the_array() -> None:
    data = b"[" + GOOD.encode() + b"," + GOOD.encode().replace(b"C1", b"C\xe9") + b"]"
    assert reader().read_array(data).account.flows == 2


def test_an_empty_array_holds_nothing() -> None:
    assert array().account.lines == 0


def test_what_was_read_before_needs_no_memory() -> None:
    made = reader()
    made.read(Block(jsonl(conn()), 1, 1))
    assert made.state() == {}
    reader().resume({})


def test_corelights_reduced_log_is_one_of_connections_and_its_sums_of_several_are_named() -> None:
    parsed = read(changed(_path="conn_red") + changed(_path="conn_agg") + changed(_path="dns"))
    assert parsed.rows["accounting"].to_list() == ["final"]
    assert (parsed.account.ignored, dict(parsed.account.warnings)) == (2, {"aggregated": 1})


@pytest.mark.parametrize("path", ["mail_conn", "conn_2026-11-02", "conn.log"])
def test_conn_records_of_a_filter_are_read_whatever_the_site_calls_them(path: str) -> None:
    assert one(changed(_path=path)) == one(GOOD)
    footprint = json.dumps({"_path": path, "ts": 1.0, "uid": "C1", "resp_bytes": 7}) + "\n"
    assert read(footprint).account.ignored == 1
