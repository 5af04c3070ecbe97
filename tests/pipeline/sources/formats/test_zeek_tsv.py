"""Zeek's tab-separated conn.log: faulty lines one by one, spellings of values, and what is kept of a record."""

from typing import Any

import polars as pl
import pytest

from pipeline.inventory import Inventory
from pipeline.settings import InventoryEntry
from pipeline.sources.base import REASONS, Block, Parsed, ReadOptions, merge
from pipeline.sources.formats.zeek_tsv import ZeekTsvReader
from pipeline.sources.registry import READERS
from pipeline.sources.watch import Watch
from tests.oracle.zeek import FIELDS, SERVER, conn, rows, tsv

LATEST_US = 1_900_000_000_000_000
INVENTORY = Inventory([InventoryEntry(address=SERVER, category=("email_server",))])


def reader(*, keep_untimed: bool = False) -> ZeekTsvReader:
    return ZeekTsvReader(ReadOptions(Watch(INVENTORY), LATEST_US, keep_untimed))


def block(data: bytes, first_line: int = 1) -> Block:
    ended = data.endswith(b"\n")
    return Block(data, first_line, data.count(b"\n") + (not ended), unterminated=not ended)


def read(data: bytes, **options: bool) -> Parsed:
    """Whole lines as one block, and a last one without its end as another, as files are read."""
    made, end = reader(**options), data.rfind(b"\n") + 1
    parts = [block(data[:end])] if end else []
    parts += [block(data[end:], data.count(b"\n") + 1)] if data[end:] else []
    parsed = merge([made.read(b) for b in parts])
    assert parsed.account.balanced
    return parsed


def received(parsed: Parsed) -> list[int | None]:
    return parsed.rows.sort("source_line")["ip_bytes_in"].to_list()


def one(data: bytes) -> dict[str, Any]:
    parsed = read(data)
    assert parsed.rows.height == 1, parsed.rejects
    return parsed.rows.row(0, named=True)


# Faulty lines, each in company of a good one

FAULTS = [
    ("too_few_fields", rows([conn()]).rsplit("\t", 1)[0] + "\n"),
    ("too_few_fields", "rubbish\n"),
    ("too_many_fields", rows([conn()])[:-1] + "\tmore\n"),
    ("too_many_fields", rows([conn(service="a\tb")])),
    ("bad_address", rows([conn(id__orig_h="-")])),
    ("bad_address", rows([conn(id__resp_h="mail.example.com")])),
    ("bad_address", rows([conn(id__orig_h="192.0.2.010")])),
    ("bad_address", rows([conn(id__orig_h="192.0.2.256")])),
    ("bad_port", rows([conn(id__resp_p="65536")])),
    ("bad_port", rows([conn(id__resp_p="-1")])),
    ("bad_port", rows([conn(id__orig_p="imap")])),
    ("bad_number", rows([conn(resp_ip_bytes="12x")])),
    ("bad_number", rows([conn(resp_ip_bytes="1.5")])),
    ("bad_number", rows([conn(resp_ip_bytes="99999999999999999999")])),
    ("bad_number", rows([conn(resp_bytes="\x00")])),
    ("bad_number", rows([conn(duration="nan")])),
    ("bad_number", rows([conn(duration="inf")])),
    ("negative_bytes", rows([conn(resp_ip_bytes="-1")])),
    ("negative_bytes", rows([conn(missed_bytes="-5")])),
    ("implausible_bytes", rows([conn(resp_ip_bytes="1000000000000001")])),
    ("untimed", rows([conn(ts="-")])),
    ("untimed", rows([conn(ts="noon")])),
    ("untimed", rows([conn(ts="nan")])),
    ("implausible_time", rows([conn(ts="0.000000")])),
    ("implausible_time", rows([conn(ts="4102444800.0")])),
]


@pytest.mark.parametrize(("reason", "line"), FAULTS, ids=[f"{i}-{r}" for i, (r, _) in enumerate(FAULTS)])
def test_a_faulty_line_is_set_aside_alone(reason: str, line: str) -> None:
    good = rows([conn()])
    parsed = read(tsv() + (good + line + good).encode())
    assert received(parsed) == [220, 220]
    assert parsed.rejects.select("source_line", "reason").rows() == [(7, reason)]
    assert parsed.rejects["raw"].to_list() == [line.removesuffix("\n")]
    assert reason in REASONS


def test_what_was_wrong_is_said_with_field_and_value() -> None:
    rejects = read(tsv(conn(resp_ip_bytes="12x"), conn(id__resp_p="70000"))).rejects
    assert rejects["detail"].to_list() == ["resp_ip_bytes=12x", "dest_port=70000"]


def test_a_long_rejected_line_is_cut_to_500_bytes_between_characters() -> None:
    raw = read(tsv() + ("é" * 400 + "\n").encode()).rejects["raw"].item()
    assert raw == "é" * 250


@pytest.mark.parametrize("extra", ["\t", "\t\t"])
def test_empty_extra_fields_are_let_go(extra: str) -> None:
    assert received(read(tsv() + rows([conn()])[:-1].encode() + extra.encode() + b"\n")) == [220]


def test_one_line_too_short_and_one_too_long_do_not_make_up_for_each_other() -> None:
    short, long = rows([conn()]).rsplit("\t", 1)[0] + "\n", rows([conn()])[:-1] + "\tx\n"
    assert read(tsv() + (short + long).encode()).account.quarantined == {"too_few_fields": 1, "too_many_fields": 1}


@pytest.mark.parametrize("good_lines", [0, 3])
def test_an_extra_field_is_noticed_though_all_else_is_clean(good_lines: int) -> None:
    text = tsv(*[conn()] * good_lines) + rows([conn()])[:-1].encode() + b"\tx\n"
    assert read(text).account.quarantined == {"too_many_fields": 1}


@pytest.mark.parametrize("last", ["resp_ip_bytes", "uid", "id.resp_h", "proto", "duration", "id.resp_p"])
def test_a_last_line_whose_value_may_be_cut_short_is_not_believed(last: str) -> None:
    fields = (*(f for f in FIELDS if f != last), last)
    parsed = read(tsv(conn(), conn(), fields=fields)[:-1])
    assert received(parsed) == [220]
    assert parsed.account.quarantined == {"incomplete_last_line": 1}


def test_a_last_line_without_its_end_is_kept_when_every_value_in_use_is_whole() -> None:
    assert received(read(tsv(conn(), conn())[:-1])) == [220, 220]


@pytest.mark.parametrize("cut", [1, 30, 80])
def test_a_last_line_cut_in_its_middle_is_not_believed(cut: int) -> None:
    line = rows([conn()])[:cut].encode()
    assert read(tsv(conn()) + line).account.quarantined == {"incomplete_last_line": 1}


# Values


@pytest.mark.parametrize("mark", ["-", "(empty)", ""])
def test_absent_values_are_unknown_not_zero(mark: str) -> None:
    changes = {"resp_ip_bytes": mark, "orig_ip_bytes": mark, "duration": mark, "id__orig_p": mark, "uid": mark}
    row = one(tsv(conn(**changes)))
    assert [row[k] for k in ("ip_bytes_in", "ip_bytes_out", "duration", "src_port", "uid")] == [None] * 5


def test_escapes_become_characters_and_bad_utf8_stays_escaped() -> None:
    text = tsv(conn(uid="C\\xc3\\xa9", service="a\\x09b"), conn(uid="C\\xff"), conn(uid="raw")).replace(
        b"raw", b"r\xffw"
    )
    parsed = read(text)
    assert parsed.rows["uid"].to_list() == ["Cé", "C\\xff", "r\\xffw"]
    assert parsed.rows["app"].to_list() == ["a\tb", None, None]


def test_a_bad_byte_where_nothing_is_read_loses_nothing() -> None:
    assert received(read(tsv(conn(tunnel_parents="raw"), conn()).replace(b"raw", b"\xff\x00"))) == [220, 220]


SAME = [(SERVER, "::ffff:192.0.2.10"), ("2001:db8::25", "2001:0DB8:0:0::0025"), ("fe80::1", "fe80::1%eth0")]


@pytest.mark.parametrize(("canonical", "written"), SAME)
def test_spellings_of_one_address_are_one_address(canonical: str, written: str) -> None:
    watch = Watch(Inventory([InventoryEntry(address=canonical, category=("email_server",))]))
    made = ZeekTsvReader(ReadOptions(watch, LATEST_US))
    assert made.read(block(tsv(conn(id__resp_h=written)))).rows["dest_ip"].to_list() == [canonical]


TIMES = ["1790856000", "1790856000.000000", "1790856000000", "1790856000000000", "1790856000000000000"]
TIMES += ["2026-10-01T12:00:00Z", "2026-10-01T14:00:00+02:00", "2026-10-01T14:00:00.000000+0200", "2026-10-01 12:00:00"]


@pytest.mark.parametrize("text", TIMES)
def test_times_may_be_seconds_or_their_parts_or_iso(text: str) -> None:
    assert one(tsv(conn(ts=text)))["start_time"].isoformat() == "2026-10-01T12:00:00+00:00"


def test_microseconds_are_exact() -> None:
    parsed = read(tsv(*(conn(ts=f"1790856000.{us:06d}") for us in (1, 499_999, 999_999))))
    assert parsed.rows["start_time"].dt.microsecond().to_list() == [1, 499_999, 999_999]


@pytest.mark.parametrize(("text", "warning"), [("-1.5", "negative_duration"), ("1e15", "implausible_duration")])
def test_an_impossible_duration_is_unknown_and_warned_of(text: str, warning: str) -> None:
    parsed = read(tsv(conn(duration=text)))
    assert (parsed.rows["duration"].to_list(), parsed.account.warnings) == ([None], {warning: 1})


@pytest.mark.parametrize(
    ("seconds", "known"), [(4_291_300, True), (4_291_400, False), (4_298_500, False), (4_298_600, True)]
)
def test_no_flow_lasts_as_long_as_an_uptime_of_32_bits_goes_round(seconds: int, known: bool) -> None:
    """2^32 milliseconds are 4,294,967.296 s; what comes within an hour of that began before the clock went round."""
    parsed = read(tsv(conn(duration=f"{seconds}.5")))
    assert parsed.rows["duration"].is_not_null().to_list() == [known]
    assert parsed.account.warnings["implausible_duration"] == (not known)


@pytest.mark.parametrize(("days", "warned"), [(-2, 1), (-1, 0), (2, 0)])
def test_a_flow_that_begins_more_than_a_day_after_it_was_written_is_warned_of(days: int, warned: int) -> None:
    """A day is how far clocks in two zones are apart at most; a long flow is written days after its start."""
    written = f"{1_790_856_000 + days * 86_400}.000000"
    parsed = read(tsv({**conn(), "_write_ts": written}, fields=(*FIELDS, "_write_ts")))
    assert (parsed.account.flows, parsed.account.warnings["starts_after_record"]) == (1, warned)


def test_an_absurd_payload_counter_is_unknown_not_a_lost_record() -> None:
    row = one(tsv(conn(resp_bytes="5000000000000000")))
    assert (row["payload_bytes_in"], row["ip_bytes_in"]) == (None, 220)


def test_missed_bytes_and_payload_beyond_its_packets_are_warned_of() -> None:
    warnings = read(tsv(conn(resp_bytes="999", missed_bytes="7"), conn())).account.warnings
    assert warnings == {"missed_bytes": 1, "payload_above_ip": 1}


def test_a_petabyte_may_be_and_no_byte_more() -> None:
    """A payload counter beyond it is unknown; one of IP bytes sets its line aside."""
    most, more = str(10**15), str(10**15 + 1)
    parsed = read(tsv(conn(resp_ip_bytes=most, resp_bytes=most), conn(resp_bytes=more), conn(resp_ip_bytes=more)))
    told = parsed.rows.sort("source_line").select("ip_bytes_in", "payload_bytes_in").rows()
    assert told == [(10**15, 10**15), (220, None)]
    assert parsed.account.quarantined == {"implausible_bytes": 1}


_ATTEMPTS = ("S0", "REJ", "SH", "SHR", "RSTOS0", "RSTRH", "OTH")
_OPENED = ("S1", "S2", "S3", "SF", "RSTO", "RSTR", "-")


@pytest.mark.parametrize(
    ("state", "action"), [*((s, "unknown") for s in _ATTEMPTS), *((s, "allowed") for s in _OPENED)]
)
def test_attempts_count_as_flows_of_unknown_outcome(state: str, action: str) -> None:
    """Of the first nobody saw both sides of a handshake, by the states of Zeek's manual."""
    assert one(tsv(conn(conn_state=state)))["action"] == action


def test_untimed_records_are_kept_only_when_asked_for() -> None:
    text = tsv(conn(ts="-"), conn())
    assert read(text, keep_untimed=True).rows["start_time"].null_count() == 1
    assert read(text).account.quarantined == {"untimed": 1}


# Watched and others


def test_flows_that_touch_no_watched_address_are_only_counted() -> None:
    parsed = read(tsv(conn(), conn(id__resp_h="203.0.113.9"), conn(id__orig_h=SERVER, id__resp_h="203.0.113.9")))
    assert (parsed.account.flows, parsed.account.others) == (2, 1)


def test_mail_traffic_of_unwatched_servers_is_summed_apart() -> None:
    parsed = read(tsv(conn(id__resp_h="203.0.113.9", id__resp_p="25"), conn(id__resp_h="203.0.113.9", id__resp_p="80")))
    assert parsed.others is not None
    assert parsed.others.select("dest_ip", "dest_port", "bytes").rows() == [("203.0.113.9", 25, 220)]


def test_the_time_span_covers_others_too_but_no_rejects() -> None:
    lines = [conn(), conn(id__resp_h="203.0.113.9", ts="1790850000.0"), conn(ts="1790950000.0", resp_ip_bytes="x")]
    assert read(tsv(*lines)).span == (1_790_850_000_000_000, 1_790_856_000_000_000)


def test_the_span_is_that_of_the_times_whichever_column_they_are_in() -> None:
    """Lines of nobody watched are told by a glance only where their first cells are the times, which sort them."""
    fields = ("uid", *(f for f in FIELDS if f != "uid"))
    lines = [conn(id__resp_h="203.0.113.9", id__resp_p="80", ts=f"17908560{n:02d}.000000") for n in range(20)]
    parsed = read(tsv(*lines, fields=fields))
    assert (parsed.account.others, parsed.span) == (20, (1_790_856_000_000_000, 1_790_856_019_000_000))


@pytest.mark.parametrize("text", ["1790856060", "1790856060000", "1790856060000000"])
def test_the_time_of_writing_may_be_in_parts_of_seconds_too(text: str) -> None:
    row = one(tsv({**conn(), "_write_ts": text}, fields=(*FIELDS, "_write_ts")))
    assert row["log_time"].isoformat() == "2026-10-01T12:01:00+00:00"


def test_a_log_lacking_a_needed_column_is_set_aside_line_by_line() -> None:
    for name, reason in (("ts", "untimed"), ("id.resp_h", "bad_address")):
        fields = tuple(f for f in FIELDS if f != name)
        assert read(tsv(conn(), conn(), fields=fields)).account.quarantined == {reason: 2}


def test_the_clean_path_is_taken_for_clean_blocks_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    slow: list[str] = []
    monkeypatch.setattr(ZeekTsvReader, "_slow", lambda self, frame, *_: slow.extend(frame["raw"]) or Parsed())
    reader().read(block(tsv(conn(), conn(service="-", duration="-"))))
    assert slow == []
    reader().read(block(tsv(conn(resp_ip_bytes="x"))))
    assert slow == [rows([conn(resp_ip_bytes="x")]).removesuffix("\n")]


def test_rows_have_the_types_that_are_stored() -> None:
    assert read(tsv(conn())).rows.schema == read(tsv(conn(resp_ip_bytes="x"))).rows.schema
    assert read(tsv(conn())).rows.schema["start_time"] == pl.Datetime("us", "UTC")


@pytest.mark.parametrize("magic", [b"\x1f\x8b", b"\x28\xb5\x2f\xfd", b"x\x01", b"x\x9c", b"x\xda"])
def test_a_block_that_begins_like_a_compressed_file_is_text_all_the_same(magic: bytes) -> None:
    for encoding in ("zeek_tsv", "suricata"):
        parsed = READERS[encoding](ReadOptions(Watch(None), 4 * 10**15)).read(Block(magic + b" x\n{}\n", 1, 2))
        assert parsed.account.balanced
        assert parsed.account.lines == 2


def test_a_field_that_the_header_names_twice_counts_where_its_values_agree() -> None:
    others = [conn(uid=f"O{n}", id__resp_h="198.51.100.80", resp_ip_bytes="7") for n in range(50)]
    text = tsv(conn(uid="C1", resp_ip_bytes="7"), conn(uid="C2", resp_ip_bytes="9"), *others).decode()
    ends = {"#fields": "\tresp_ip_bytes", "#types": "\tcount"}
    lines = [line + ends.get(line.split("\t")[0], "" if line.startswith("#") else "\t7") for line in text.splitlines()]
    parsed = read("".join(f"{line}\n" for line in lines).encode())
    assert (received(parsed), dict(parsed.account.quarantined), parsed.account.others) == ([7], {"bad_line": 1}, 50)
