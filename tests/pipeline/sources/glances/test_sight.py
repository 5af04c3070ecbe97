"""Lines told at a glance are what the careful reader says of them, for every format that is read so.

The careful reader is the same one without a glance. Plain lines of nobody watched are spoilt in every place with texts
of all kinds, so that nothing else in a line can excuse what is wrong in it.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks import format_files
from pipeline.inventory import Inventory
from pipeline.mapping import ColumnMapping
from pipeline.settings import InventoryEntry
from pipeline.sources import reverse
from pipeline.sources.base import Account, Parsed, ReadOptions, merge
from pipeline.sources.formats.suricata import SURICATA
from pipeline.sources.glances import matching, sight
from pipeline.sources.glances.json_parts import JsonParts
from pipeline.sources.glances.sight import Cut, Sight
from pipeline.sources.glances.templates import Maker, Slot
from pipeline.sources.records import JsonDecoder, JsonReader
from pipeline.sources.registry import READERS
from pipeline.sources.watch import Watch
from tests.examples import examples
from tests.pipeline.sources.test_zeek_agreement import blocks_of, facts

DELIMITED = {"cim_csv": ",", "vpc_text": " ", "silk": "|", "nfdump_csv": ",", "argus": ",", "table_csv": ","}
JSON = ("suricata", "ecs", "ocsf", "zeek_json", "cim_json", "vpc_json", "nfdump_json", "gcp")
BOTH = ("silk", "nfdump_csv", "nfdump_json")
"""They must show both directions first, which a few pairs of records settle here."""
PAIRS = {"fortinet": " ", "checkpoint": "|", "checkpoint quoted": "; "}
NAMES = (*JSON, *DELIMITED, *PAIRS)
NETWORKS = ("192.0.2.0/28", "10.77.0.0/16", "2001:db8:25::/48")
LATEST_US = 1_900_000_000_000_000
MAPPING = ColumnMapping(
    (
        *(("start_time", "when"), ("src_ip", "client"), ("src_port", "cport"), ("dest_ip", "server")),
        *(("dest_port", "sport"), ("bytes_in", "received"), ("bytes_out", "sent")),
    )
)

_ADDRESSES = """
192.0.2.1 192.0.2.16 192.0.2.01 192.0.2 192.0.2.300 3221225985 ::ffff:192.0.2.1 ::FFFF:C000:201 2001:db8:25::1
2001:DB8:25::1 2001:db8:26::1 2001:db8::1::2 fe80::1%eth0 :: 198.51.100.7/32 host.example.com
"""
_TIMES = """
1793577600 1793577600.5 1793577600.1234567890 1793577600123 1793577600123456 1793577600123456789 0 -1793577600 1e9
9999999999 99999999999999999999 1900000000 1900000001 2026-11-02T00:00:00Z 2026-11-02T00:00:00 2026-02-29T00:00:00Z
2026-11-31T00:00:00Z 2026-11-02T24:00:00Z 2026-11-02T23:59:60Z 2026-11-02T00:00:00.123456789Z 2026-11-02T00:00:00.5+0000
2026-11-02T00:00:00.123456+0100 2031-11-02T00:00:00.000000+0000 2031-11-02T00:00:00.000000Z 1989-11-02T00:00:00.000000Z
2028-02-29T00:00:00.000000Z 2026/11/02T00:00:00.000 2026/11/02 soon
"""
_NUMBERS = """
25 465 587 143 993 995 110 443 0 00 007 +7 -7 -0 1.0 1.5 1e3 1e400 65535 65536 999999999999999 1000000000000000
9223372036854775808 18446744073709551616 nan NaN inf 0x10 1_000
"""
_WORDS = """
- (empty) null true false None flow alert REJECT ACCEPT NODATA OK SKIPDATA deny Blocked drop tcp 6 icmp 17 start 5 4001
VPC eve dns conn conn_long DNS SRC logEvents preview # #fields innull out-null ? -> <- arp 0:1:2:3:4:5
"""
_RAW_JSON = """
null true false [] {} [1] [[1]] [null,true] ["a","b"] ["end"] ["start"] [{"a":1}] {"a":1} {"ip":"192.0.2.1"} 01 1. .5
1e5 1E400 -0 0.0 "\\u0041" "\\ud800" "\\/" "\\n" "\\x" " {} [,] 1,2 "a":1 18446744073709551616 1.7976931348623157e309
"""
ADDRESSES, TIMES, NUMBERS, WORDS, RAW_JSON = (t.split() for t in (_ADDRESSES, _TIMES, _NUMBERS, _WORDS, _RAW_JSON))
STRANGE = ["", " ", "  x", "x  ", *"\t\x00\x0b\x7f\x85\u2028\u0661é\\\"'", "a,b", "a|b"]
TEXTS = [*ADDRESSES, *TIMES, *NUMBERS, *WORDS, *STRANGE, "2026-11-02 00:00:00", "<none>", "a b", '""', '"x"']


def plain_lines(name: str) -> tuple[str, list[str]]:
    """(head of the file, lines of nobody watched)."""
    name, *quoted = name.split()
    head, template, one_way = format_files.TEXT[name]
    if quoted:
        pairs = [f'{name}:"{value}"' for name, _, value in (pair.partition("=") for pair in template.split("|"))]
        template = f"\x00134>1 <end_iso>Z gw-1 CheckPoint 1234 - [{'; '.join(pairs)}]"
    frame = next(format_files.chunks(400 if name in BOTH else 160, one_way))
    return head, [
        line
        for line in format_files.lines(frame, template).str.replace("\x00", "<")
        if "10.77." not in line and "993" not in line
    ]


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values, objects included."""
    if path:
        yield path
    if isinstance(value, dict):
        for key in value:
            yield from leaves(value[key], (*path, key))


def spoilt_json(line: str) -> Iterator[str]:
    """The line with each value in turn as each text, and with keys lost, renamed, doubled or moved."""
    for path in leaves(json.loads(line)):
        record = json.loads(line)
        *above, key = path
        inner = record
        for step in above:
            inner = inner[step]
        old, inner[key] = inner[key], "@@"
        marked = json.dumps(record, separators=(",", ":"))
        values = [*RAW_JSON, *(json.dumps(t, ensure_ascii=False) for t in TEXTS), *NUMBERS, *TIMES, *STRANGE]
        yield from (marked.replace('"@@"', v) for v in values)
        was, name = json.dumps(old, separators=(",", ":")), json.dumps(key)
        yield from (marked.replace('"@@"', f"{was},{name}:{v}") for v in ("null", '"192.0.2.1"', "25"))
        yield from (marked.replace(f'{name}:"@@"', f"{k}:{was}") for k in ('"x"', '"preview"', '"_source"', f"{name} "))
        yield marked.replace(f'{name}:"@@"', f'"x.y":1,{name}:{was}')
        yield marked.replace(f'{name}:"@@"', f'"{".".join(path)}":"192.0.2.1",{name}:{was}')
        del inner[key]
        yield json.dumps(record, separators=(",", ":"))
        inner[key] = old
        yield json.dumps(record, separators=(",", ":"))
        yield json.dumps({key: record})
        yield json.dumps({"_source": record, key: old})
    yield json.dumps(json.loads(line))


def spoilt_cells(line: str, delimiter: str) -> Iterator[str]:
    """The line with each cell in turn as each text, and with cells lost, doubled or swapped."""
    cells = line.split(delimiter)
    for at in range(len(cells)):
        before, after = cells[:at], cells[at + 1 :]
        texts = [*TEXTS, f" {cells[at]}", f"{cells[at]}  ", f'"{cells[at]}"', f'"{cells[at]}', f'{cells[at]}"']
        yield from (delimiter.join([*before, t, *after]) for t in texts)
        yield delimiter.join([*before, *after])
        yield delimiter.join([*before, cells[at], cells[at], *after])
        yield delimiter.join([*after, *before, cells[at]])


def spoilt_pairs(line: str, mark: str) -> Iterator[str]:
    """The line with each value in turn as each text, and with names in other letters."""
    cells = line.split(mark)
    for at, cell in enumerate(cells):
        name, sign, value = re.fullmatch(r'(.*?[\w>])([:=]"?)([^"]*)"?\]?', cell).groups()  # type: ignore[union-attr]
        close = '"' * (len(sign) - 1) + "]" * cell.endswith("]")
        texts = [f"{name}{sign}{t}{close}" for t in (*TEXTS, "src:", "src=", f"{value};", f"{value}]", "[", "CEF:0")]
        texts += [f"{name.upper()}{sign}{value}{close}", f"{name.title()}{sign}{value}{close}", f"x{cell}"]
        yield from (mark.join([*cells[:at], text, *cells[at + 1 :]]) for text in texts)


def spoilt(name: str, line: str) -> list[str]:
    """The line spoilt in every place, and as a whole."""
    mark = PAIRS.get(name, DELIMITED.get(name))
    inside = spoilt_json(line) if mark is None else [*spoilt_cells(line, mark)]
    inside = [*inside, *spoilt_pairs(line, PAIRS[name])] if name in PAIRS else inside
    cut = [line[:at] for at in range(0, len(line), 7)]
    around = [f"{line} ", f" {line}", f"{line}\t", f"{line}x", f"{line},", f"{line}|", f"{line}{line}", f"\ufeff{line}"]
    return [t for t in (*inside, *cut, *around, "", "#x", "{}", "[]") if "\n" not in t and "\r" not in t]


def read(name: str, data: bytes, size: int = 1 << 24, zone: str = "UTC") -> tuple[Parsed, JsonReader]:
    entries = [InventoryEntry(address=n, category=("email_server",)) for n in NETWORKS]
    options = ReadOptions(Watch(Inventory(entries)), LATEST_US, timezone=zone, mapping=MAPPING)
    reader = READERS[name.removesuffix(" quoted")](options)
    assert isinstance(reader, JsonReader)
    parsed = merge([*(reader.read(b) for b in blocks_of(data, size)), reader.finish()])
    assert parsed.account.balanced
    return parsed, reader


@pytest.fixture(autouse=True)
def _few_pairs_settle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reverse, "_SETTLED", 100)


def check(name: str, data: bytes, size: int, zone: str = "UTC") -> int:
    """Assert that both ways say the same; how many lines were told at a glance."""
    told = list[int]()

    def noted(parsed: Parsed | None) -> Parsed | None:
        told.append(0 if parsed is None else parsed.account.others)
        return parsed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(JsonReader, "_told", lambda *_: None)
        wanted, careful = read(name, data, size, zone)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Sight, "least_lines", 1)
        made = JsonReader._told
        patch.setattr(JsonReader, "_told", lambda *a: noted(made(*a)))
        found, reader = read(name, data, size, zone)
    assert facts(found) == facts(wanted)
    assert reader.state() == careful.state()
    return sum(told)


def joined(head: str, lines: list[str], end: str = "\n") -> bytes:
    return "".join(line + end for line in [*head.splitlines(), *lines]).encode("utf-8", errors="surrogatepass")


@pytest.mark.parametrize(("every", "sample"), [(47, 10), pytest.param(1, 60, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", NAMES)
def test_no_spoilt_line_is_told_otherwise_at_a_glance(
    name: str, every: int, sample: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Blocks of plain lines come first, so that there are templates; then the spoilt ones give theirs."""
    monkeypatch.setattr(sight, "_RARE", 0.0)
    monkeypatch.setattr(sight, "_SAMPLE", sample)
    head, plain = plain_lines(name)
    data = joined(head, [*plain * (2 if name in BOTH else 1), *spoilt(name, plain[7])[::every]])
    assert check(name, data, sum(len(line) + 1 for line in plain)) > 20


@pytest.mark.parametrize("name", NAMES)
def test_plain_lines_are_told_at_a_glance(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """In pieces of some lines, or all but the first in one, where their patterns would be made again and again."""
    monkeypatch.setattr(matching, "PIECE_BYTES", 1 << 13)
    monkeypatch.setattr(matching, "_REMEMBERED", 7)
    head, plain = plain_lines(name)
    assert check(name, joined(head, plain * 2, "\r\n"), 30_000 if name in BOTH else 1 << 24) > 0.5 * len(plain)


@cache
def mixed(name: str) -> tuple[str, list[str], list[str]]:
    """(head, plain lines, spoilt ones)."""
    head, plain = plain_lines(name)
    return head, plain, spoilt(name, plain[7])


@settings(max_examples=examples(10))
@given(
    st.sampled_from(["zeek_json", "cim_csv"]),
    st.lists(st.tuples(st.booleans(), st.integers(0, 10**6)), min_size=20, max_size=80),
    st.sampled_from([5_000, 1 << 24]),
    st.sampled_from(["\n", "\n", "\r\n"]),
    st.sampled_from([b"", b"\xe9", b"\xff\xfe"]),
)
def test_logs_of_plain_and_spoilt_lines_say_the_same_in_blocks_of_any_size(
    name: str, picks: list[tuple[bool, int]], size: int, end: str, broken: bytes
) -> None:
    head, plain, odd = mixed(name)
    lines = [odd[n % len(odd)] if is_odd and n % 3 else plain[n % len(plain)] for is_odd, n in picks]
    data = joined(head, lines, end)
    at = len(data) * 2 // 3
    check(name, data[:at] + broken + data[at:], size)


@pytest.mark.parametrize(
    ("zone", "hours", "told"),
    [
        ("UTC", ("2026-03-29T00", "2026-03-29T02", "2026-03-29T04"), True),
        ("Europe/Berlin", ("2026-03-29T00", "2026-03-29T02", "2026-03-29T04"), False),
        ("Europe/Berlin", ("2026-03-29T00", "2026-03-29T00", "2026-03-29T04"), False),
        ("Europe/Berlin", ("2026-03-01T00", "2026-03-29T02", "2026-11-15T04"), False),
        ("Europe/Berlin", ("2026-03-20T00", "2026-03-21T02", "2026-03-22T04"), True),
    ],
)
def test_an_hour_that_a_clock_skips_is_no_time(zone: str, hours: tuple[str, ...], told: bool) -> None:
    """02:00 to 03:00 of 29 March is no time in Berlin; one line in the middle has it, the first and last have not."""
    head, plain = plain_lines("table_csv")
    half = [hours[0]] * len(plain), [hours[2]] * len(plain)
    shown = [*half[0], hours[1], *half[1]]
    lines = [f"{hour}:{line[14:26]}{line[27:]}" for hour, line in zip(shown, plain * 3, strict=False)]
    assert (check("table_csv", joined(head, lines), 1 << 24, zone) > 0) is told


def test_a_quote_left_open_takes_plain_lines_into_its_record() -> None:
    head, plain = plain_lines("cim_csv")
    cells = plain[3].split(",")
    opened = ",".join([*cells[:7], '"open', *cells[8:]])
    closed = ",".join(['shut"', *cells[8:]])
    check("cim_csv", joined(head, [*plain[:20], opened, plain[20], closed, *plain[21:]]), 1 << 24)


def test_columns_that_change_change_what_lines_are() -> None:
    head, plain = plain_lines("cim_csv")
    other = head.replace("src_ip,src_port,dest_ip,dest_port", "dest_ip,dest_port,src_ip,src_port").rstrip("\n")
    blind = head.replace("bytes_in", "x").rstrip("\n")
    check("cim_csv", joined(head, [*plain, other, *plain, blind, *plain, head.rstrip("\n"), *plain]), 3_000)


def test_an_object_around_a_record_hides_nobody_watched() -> None:
    """Fields beside Elasticsearch's `_source` are not the record's: who is in it counts, whoever is around."""
    _, plain = plain_lines("ecs")
    inner = json.loads(plain[3])
    around = [json.dumps({**json.loads(line), "_source": inner}) for line in plain]
    seen = json.loads(json.dumps(inner))
    seen["destination"]["ip"] = "192.0.2.1"
    watched = json.dumps({**json.loads(plain[9]), "_source": seen})
    data = joined("", [*around, watched, *around])
    check("ecs", data, 1 << 24)
    assert read("ecs", data)[0].account.flows == 1


def test_a_time_that_is_refused_at_one_end_vouches_for_no_time_between() -> None:
    """Two lines of a clock that is years ahead: only the last of them is read for the span of what was told."""
    _, plain = plain_lines("suricata")
    ahead = [line.replace("2026-", year) for line, year in zip(plain[20:22], ("2031-", "2032-"), strict=True)]
    data = joined("", [*plain, *ahead, *plain])
    check("suricata", data, 1 << 24)
    assert read("suricata", data)[0].account.quarantined == {"implausible_time": 2}


@pytest.mark.parametrize(("day", "is_one"), [("02-28", True), ("02-29", False), ("04-30", True), ("04-31", False)])
def test_a_day_that_is_in_no_calendar_is_told_by_no_glance(day: str, is_one: bool) -> None:
    _, plain = plain_lines("suricata")
    before, after = ([re.sub("2026-..-..", d, line) for line in plain] for d in ("2026-02-20", "2026-05-02"))
    odd = re.sub("2026-..-..", f"2026-{day}", plain[20])
    data = joined("", [*before, odd, *after])
    assert check("suricata", data, 1 << 24) > len(plain)
    assert dict(read("suricata", data)[0].account.quarantined) == ({} if is_one else {"untimed": 1})


@pytest.mark.parametrize("name", ["cim_csv", "table_csv"])
def test_the_first_start_is_found_among_cells_with_blanks_around_them(name: str) -> None:
    """As text a blank comes before every digit, so that the one start without would look like the last."""
    head, plain = plain_lines(name)
    padded = [",".join(f" {cell} " for cell in line.split(",")) for line in plain[1:]]
    assert check(name, joined(head, [*padded * 2, plain[0], *padded]), 1 << 24) > len(plain)


def test_a_line_that_lacks_a_cell_is_no_flow_for_having_two_blanks_in_a_row() -> None:
    """Blanks in a row are one, also where a cell that decides nothing would stand between them."""
    head, plain = plain_lines("vpc_text")
    cells = plain[7].split(" ")
    gaps = [" ".join([*cells[:at], "", *cells[at + 1 :]]) for at in range(1, len(cells) - 1)]
    check("vpc_text", joined(head, [*plain, *gaps, *plain]), 1 << 24)


def test_a_template_needs_its_start_in_one_cell() -> None:
    start = Slot(frozenset(("ts",)), "2026-11-02 00:00:00", ("", ""), ".*")
    maker = Maker(" ", (), ("", ""))
    assert maker.template([start, ",x"]) is None
    assert Maker(",", (), ("", "")).template([start, ",x"]) is not None


def test_templates_of_times_that_decide_nothing_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cut that takes another field for the start is found out by the careful reader."""
    head, plain = plain_lines("suricata")
    decoder = SURICATA.decoder(ReadOptions(Watch(None), LATEST_US))
    assert isinstance(decoder, JsonDecoder)
    fields = {**decoder.fields, "ts": ("flow.end",), "end": ("flow.start",)}
    monkeypatch.setattr(JsonDecoder, "cut", lambda _: Cut(JsonParts(fields)))
    assert check("suricata", joined(head, plain), 1 << 24) == 0


@pytest.mark.parametrize(
    "more",
    [
        {"account": Account(lines=2, others=2, warnings=Counter(odd=1))},
        {"account": Account(lines=2, others=1, ignored=1)},
        {"others": pl.DataFrame({"dest_port": [993]})},
    ],
)
def test_a_line_of_which_more_is_to_be_said_makes_no_template(
    more: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    head, plain = plain_lines("suricata")
    alone: Any = JsonReader._alone
    monkeypatch.setattr(JsonReader, "_alone", lambda reader, lines: replace(alone(reader, lines), **more))
    assert check("suricata", joined(head, plain), 1 << 24) == 0


def test_records_told_at_a_glance_count_in_the_summary_behind_them() -> None:
    head, plain = plain_lines("nfdump_csv")
    sent = sum(int(line.split(",")[12]) + int(line.split(",")[14]) for line in plain)

    def summary(total: int) -> list[str]:
        names = "flows,bytes,packets,avg_bps,avg_pps,avg_bpp"
        return ["Summary", names, f"{len(plain)},{total},1,1,1,1"]

    lines = [*plain, *summary(sent), *plain, *summary(sent), *plain, *summary(sent + 1), *plain[:60]]
    data = joined(head, lines)
    # The first block shows both directions; the Summaries of the others lie within, at the end, and behind it.
    for size in (26_000, 43_000, 52_000):
        assert check("nfdump_csv", data, size) > len(plain)
        assert read("nfdump_csv", data, size)[0].account.warnings["summary_mismatch"] == 1
