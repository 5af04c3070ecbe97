"""SiLK's rwcut: columns by their titles, padded or not, who began, times and addresses in every notation."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, ip_bytes, only, read_blocks, read_lines, starts

CLIENT, SERVER = "10.1.0.11", "192.0.2.25"
TITLES = "sIP|dIP|sPort|dPort|pro|packets|bytes|flags|sTime|duration|eTime|sen"
TIME = "2026/11/20T00:00:00.083"


def row(source: str = SERVER, dest: str = CLIENT, **change: str) -> str:
    cells = {"sp": "993", "dp": "40001", "pro": "6", "packets": "10", "bytes": "5900", "flags": "FS PA", "ts": TIME}
    return "|".join([source, dest, *(cells | change).values(), "60.000", "2026/11/20T00:01:00.083", "S1"])


def silk(*lines: str) -> Any:
    return read_lines("silk", lines)


def padded(line: str) -> str:
    return "|".join(f"{cell:>24}" for cell in line.split("|")) + "|"


@pytest.mark.parametrize("change", [str, padded, lambda x: x.replace("|", ","), lambda x: x + "|"])
def test_a_record_is_read_padded_or_not_and_with_either_delimiter(change: Any) -> None:
    lines = [change(TITLES), change(row())]
    assert detect("\n".join(lines).encode(), "auto", "x") == "silk"
    parsed = silk(*lines)
    found = only(parsed)
    assert ends(found) == (CLIENT, 40_001, SERVER, 993)
    assert (found["ip_bytes_in"], found["ip_bytes_out"], found["packets_in"]) == (5_900, None, 10)
    assert (found["accounting"], found["orientation"], found["dvc"], found["duration"]) == (
        ("delta", "port_rule", "S1", 60_000_000)
    )
    assert starts(parsed) == ["2026-11-20T00:00:00.083"]


def test_titles_again_and_other_columns_are_no_rows() -> None:
    other = "sIP|dIP|sPort|dPort|protocol|bytes|sTime|dur|sensor|"
    parsed = silk(TITLES, row(), TITLES, row(), other, f"{CLIENT}|{SERVER}|40001|993|6|600|{TIME}|1.5|S0|")
    assert (parsed.account.flows, parsed.account.comments) == (3, 3)
    assert ip_bytes(parsed) == (11_800, 600)


@pytest.mark.parametrize("end", ["", "|"])
def test_without_titles_the_default_columns_are_meant(end: str) -> None:
    assert only(silk(row() + end))["ip_bytes_in"] == 5_900


@pytest.mark.parametrize(
    ("first", "flags", "ports", "expected"),
    [
        ("S", "FS PA", ("993", "40001"), (SERVER, "syn")),
        ("S  A", "FS PA", ("40001", "993"), (SERVER, "syn")),
        ("", "FS PA", ("993", "40001"), (CLIENT, "port_rule")),
        ("", "S", ("993", "40001"), (SERVER, "syn")),
        ("2", "27", ("993", "40001"), (SERVER, "syn")),
        ("18", "27", ("40001", "993"), (SERVER, "syn")),
        ("", "27", ("40001", "40002"), (CLIENT, "unknown")),
    ],
)
def test_the_first_packet_tells_who_began(
    first: str, flags: str, ports: tuple[str, str], expected: tuple[str, str]
) -> None:
    titles = TITLES + "|initialF"
    source, dest = (SERVER, CLIENT) if expected[0] == SERVER and first in ("S", "2", "") else (CLIENT, SERVER)
    line = row(source, dest, sp=ports[0], dp=ports[1], flags=flags) + f"|{first}"
    if expected[1] == "port_rule":
        line = row(SERVER, CLIENT, flags=flags) + "|"
    found = only(silk(titles, line))
    assert (found["src_ip"], found["orientation"]) == expected


@pytest.mark.parametrize(
    "time", [TIME, "2026-11-20 00:00:00.083", "1795132800.083", "11/20/2026 00:00:00.083", "2026/11/20 00:00:00.083"]
)
def test_every_notation_of_time_is_read(time: str) -> None:
    assert starts(silk(TITLES, row(ts=time))) == ["2026-11-20T00:00:00.083"]


def test_times_are_of_the_zone_of_the_source() -> None:
    assert starts(read_lines("silk", [TITLES, row()], "Europe/Berlin")) == ["2026-11-19T23:00:00.083"]


@pytest.mark.parametrize("server", ["192.0.2.25", "192.000.002.025", "3221226009"])
def test_every_notation_of_addresses_is_read(server: str) -> None:
    assert ends(only(silk(TITLES, row(server)))) == (CLIENT, 40_001, SERVER, 993)


@pytest.mark.parametrize(
    ("server", "client", "expected"),
    [
        ("c0000219", "a01000b", (SERVER, CLIENT)),
        ("C0000219", "64400001", (SERVER, "100.64.0.1")),
        ("64400001", "ac100001", ("100.64.0.1", "172.16.0.1")),
        ("20010db8000000000000000000000025", "20010db8000000000000000000000011", ("2001:db8::25", "2001:db8::11")),
        ("ffffc0000219", "ffff0a01000b", (SERVER, CLIENT)),
        ("3221226009", "5", (SERVER, "0.0.0.5")),
        (
            "42540766411282592856903984951653826597",
            "42540766411282592856903984951653826577",
            ("2001:db8::25", "2001:db8::11"),
        ),
        ("281473902969369", "281470849581067", (SERVER, CLIENT)),
    ],
)
def test_addresses_as_numbers_are_read_by_both_ends(server: str, client: str, expected: tuple[str, str]) -> None:
    found = only(silk(TITLES, row(server, client)))
    assert (found["dest_ip"], found["src_ip"]) == expected


def test_ends_that_may_be_decimal_or_hexadecimal_are_set_aside() -> None:
    parsed = silk(TITLES, row("64400001", "64400002"), row("20010000000000000000000000000025", "1"))
    assert dict(parsed.account.quarantined) == {"bad_address": 2}


def test_ipv6_and_icmp_are_read_and_icmp_has_no_ports() -> None:
    parsed = silk(TITLES, row("2001:db8::25", "2001:db8::11"), row(pro="1", sp="0", dp="771"))
    assert parsed.rows["src_ip"].to_list()[0] == "2001:db8::11"
    assert ends(parsed.rows.to_dicts()[1])[1::2] == (None, None)


def test_null_routed_records_are_ignored_by_name() -> None:
    parsed = silk(TITLES + "|type", row() + "|out", row() + "|outnull")
    assert (parsed.account.flows, parsed.account.ignored, dict(parsed.account.warnings)) == (1, 1, {"blocked": 1})


def test_a_line_that_cannot_be_right_is_set_aside_with_its_reason() -> None:
    parsed = silk(TITLES, row(), row("host.example.com"), row(bytes="x"), row(sp="99999"), "1|2", row() + "|x")
    assert dict(parsed.account.quarantined) == {
        "bad_address": 1,
        "bad_number": 1,
        "bad_port": 1,
        "too_few_fields": 1,
        "too_many_fields": 1,
    }
    assert parsed.account.balanced


def test_records_of_clients_alone_are_warned_of() -> None:
    lines = [row(CLIENT, SERVER, sp=str(40_000 + i), dp="993") for i in range(9)]
    assert silk(TITLES, *lines).account.warnings["no_reverse_counters"] == 9
    back = [row(sp="993", dp=str(40_000 + i)) for i in range(9)]
    assert not silk(TITLES, *lines, *back).account.warnings


REAL = [TITLES, padded(TITLES), row(), padded(row()), row().replace("|", ",")]


@settings(max_examples=examples(15))
@given(data=st.data())
def test_no_bytes_break_the_reader_and_every_line_is_accounted_for(data: st.DataObject) -> None:
    real = st.sampled_from(REAL).map(str.encode)
    odd = st.sampled_from([b"9" * 400, b"1e308", b'"', b"|", b",", b"-1", b"NaN", b" ", b"\xff", b"\x00", b"S A"])
    at = st.integers(0, 120)
    changed = st.builds(lambda line, i, j, new: line[:i] + new + line[i + j :], real, at, st.integers(0, 9), odd)
    lines = data.draw(st.lists(st.one_of(real, changed, st.binary(max_size=30)), min_size=1, max_size=4))
    cut = data.draw(st.integers(0, len(lines)))
    whole = read_lines("silk", lines)
    parts = read_blocks("silk", [b for b in (lines[:cut], lines[cut:]) if any(x.strip() for x in b)])
    assert whole.account.balanced
    assert whole.account.lines == len(lines)
    assert whole.rows.drop("source_line").equals(parts.rows.drop("source_line"))
    assert dict(whole.account.quarantined) == dict(parts.account.quarantined)


def test_titles_without_bytes_are_refused_with_what_to_print() -> None:
    with pytest.raises(SourceError, match=r"was printed without bytes\. Print it with rwcut --fields=.*bytes"):
        detect(b"sIP|dIP|sPort|dPort|sTime|\n10.1.0.11|10.9.0.25|50001|993|1795161600|\n", "auto", "x")
