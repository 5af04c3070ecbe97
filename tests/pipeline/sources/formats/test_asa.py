"""ASA teardowns: one total for both directions, and the end that began told by the connection's Built message."""

import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counting.once import count_once
from pipeline.sources.formats import asa
from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import read, reader
from tests.real_files import GOLDEN

HEAD = "<166>Nov 20 2026 00:01:00 fw1 : "
OUTSIDE, INSIDE = "203.0.113.7/50001", "10.9.0.25/993"


def built(way: str = "inbound", number: int = 100, head: str = HEAD, first: str = OUTSIDE, last: str = INSIDE) -> str:
    return (
        f"{head}%ASA-6-302013: Built {way} TCP connection {number} for outside:{first} ({first}) "
        f"to dmz:{last} (198.51.100.25/993)"
    )


def torn(number: int = 100, head: str = HEAD, first: str = OUTSIDE, last: str = INSIDE, tail: str = " TCP FINs") -> str:
    return (
        f"{head}%ASA-6-302014: Teardown TCP connection {number} for outside:{first} to dmz:{last} "
        f"duration 0:01:00 bytes 6500{tail}"
    )


def rows(*lines: str, zone: str = "UTC") -> list[dict[str, Any]]:
    return read("asa", *lines, zone=zone).rows.to_dicts()


@pytest.mark.parametrize(
    ("line", "plain"),
    [
        (torn(), True),
        (torn(head="", tail=""), True),
        (built(head="Nov 20 2026 00:01:00 Tor-B1: "), True),
        (built(way="outbound").replace("-6-302013", "-5-302013"), True),
        (torn(head=f"{torn(1, head='')} {HEAD}"), False),
        (torn(head="fw 6-302014: Teardown TCP connection 7 for a:192.0.2.1 to b:192.0.2.2 "), False),
        (built(head="fw 6-302013: Built TCP connection 7 for a:192.0.2.1 (192.0.2.1) to "), False),
        (torn(first="2001:db8::7/50001"), False),
        (torn().replace("outside:", "out:side/2:"), False),
        (torn().replace(" to dmz:", "(user, x) to dmz:"), False),
        (torn().replace("TCP", "Probe TCP", 1), False),
        (built().replace("TCP", "TCP state-bypass", 1), False),
        (torn().replace("bytes 6500", "bytes 65x"), False),
        (torn(tail=", TCP FINs"), False),
    ],
)
def test_a_plain_message_is_taken_apart_as_any_other(line: str, plain: bool) -> None:
    kinds = ((asa._PLAIN_CLOSED, asa._CLOSED), (asa._PLAIN_OPENED, asa._OPENED))
    raw = pl.Series([line])
    found = [(raw.str.extract_groups(quick)[0], raw.str.extract_groups(whole)[0]) for quick, whole in kinds]
    assert [quick == whole for quick, whole in found if quick["uid"] is not None] == [True] * plain


def test_a_teardown_has_a_total_and_no_direction_and_says_so() -> None:
    parsed = read("asa", built(), torn())
    (row,) = parsed.rows.to_dicts()
    ends = ("src_ip", "src_port", "dest_ip", "dest_port", "transport", "uid", "dvc", "orientation")
    assert [row[c] for c in ends] == ["203.0.113.7", 50_001, "10.9.0.25", 993, "tcp", "100", "fw1", "native"]
    counters = ("other_bytes_in", "other_bytes_out", "ip_bytes_in", "payload_bytes_in", "total_bytes", "other_layer")
    assert [row[c] for c in counters] == [None, None, None, None, 6_500, "unknown"]
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T00:00:00+00:00", 60_000_000)
    assert (row["src_translated_ip"], row["dest_translated_ip"]) == (None, "198.51.100.25")
    assert dict(parsed.account.warnings) == {"built": 1, "direction_unknown": 1}
    assert (parsed.account.flows, parsed.account.ignored) == (1, 1)


def test_outbound_connections_are_begun_by_the_second_end() -> None:
    (row,) = rows(built("outbound"), torn())
    assert (row["src_ip"], row["src_port"], row["dest_ip"], row["dest_port"]) == (
        "10.9.0.25",
        993,
        "203.0.113.7",
        50_001,
    )
    assert (row["src_translated_ip"], row["dest_translated_ip"]) == ("198.51.100.25", None)


@pytest.mark.parametrize(
    ("first", "last", "client", "how"),
    [
        (OUTSIDE, INSIDE, "203.0.113.7", "port_rule"),
        ("198.51.100.80/25", "10.9.0.25/40100", "10.9.0.25", "port_rule"),
        ("198.51.100.80/25", "10.9.0.25/993", "198.51.100.80", "unknown"),
        ("198.51.100.80/4000", "10.9.0.25/5000", "198.51.100.80", "unknown"),
    ],
)
def test_without_a_built_message_the_ports_tell_or_nothing_does(first: str, last: str, client: str, how: str) -> None:
    (row,) = rows(torn(first=first, last=last))
    assert (row["src_ip"], row["orientation"], row["total_bytes"]) == (client, how, 6_500)


def test_a_built_message_of_another_host_number_or_pair_of_ends_tells_nothing() -> None:
    others = (
        built("outbound", head=HEAD.replace("fw1", "fw2")),
        built("outbound", number=101),
        built("outbound", first="203.0.113.8/50001"),
        built("outbound", last="10.9.0.25/995"),
    )
    (row,) = rows(*others, torn())
    assert row["orientation"] == "port_rule"


def test_connections_are_remembered_between_blocks_until_their_teardown(monkeypatch: pytest.MonkeyPatch) -> None:
    first = reader("asa")
    read("asa", built("outbound"), built("outbound", number=101), by=first)
    later = reader("asa")
    later.resume(json.loads(json.dumps(first.state())))
    (row,) = read("asa", torn(), by=later).rows.to_dicts()
    assert (row["src_ip"], row["orientation"]) == ("10.9.0.25", "native")
    assert len(later.state()["built"]) == 1
    for bound in ("MAX_OPEN", "MAX_SAVED"):
        monkeypatch.setattr(asa, bound, 3)
        read("asa", *(built(number=n) for n in range(200, 210)), by=later)
        assert [key.split()[1] for key, *_ in later.state()["built"]] == ["207", "208", "209"]
        monkeypatch.undo()


STYLES = [
    (built(), torn(tail="")),
    (built(), torn(tail=" TCP Reset-I from dmz (bob)")),
    (built(first=OUTSIDE), torn(first=OUTSIDE + "(LOCAL\\bob)", last=INSIDE + " (EXAMPLE\\mail)")),
    (built(), torn(first=OUTSIDE + "(EXAMPLE\\bob (guest), 5:Staff)")),
    (built().replace("%ASA-", "%FTD-"), torn().replace("%ASA-", "%FTD-")),
    (built().replace("%ASA-", "%ASA-session-"), torn().replace("%ASA-", "%ASA--")),
    (built().replace("dmz:", "NP Identity Ifc:"), torn().replace("dmz:", "NP Identity Ifc:")),
    (built().replace("TCP", "UDP").replace("302013", "302015"),
     torn(tail="").replace("TCP", "UDP").replace("302014", "302016")),
    (built().replace("TCP", "Probe TCP"), torn().replace("n TCP", "n Probe TCP")),
    (built().replace("TCP", "TCP state-bypass").replace("302013", "302303"),
     torn().replace("n TCP", "n TCP state-bypass").replace("302014", "302304").replace(" bytes", ", bytes")),
]  # fmt: skip


@pytest.mark.parametrize(("start", "end"), STYLES)
def test_every_style_of_message_is_the_same_connection(start: str, end: str) -> None:
    assert detect(start.encode(), "auto", "x") == detect(end.encode(), "auto", "x") == "asa"
    (row,) = rows(start, end)
    assert (row["src_ip"], row["dest_ip"], row["dest_port"], row["total_bytes"]) == (
        "203.0.113.7",
        "10.9.0.25",
        993,
        6_500,
    )
    assert (row["orientation"], row["transport"]) == ("native", "udp" if "UDP" in end else "tcp")


def test_a_state_bypass_connection_is_named_from_its_initiator() -> None:
    ends = "outside:203.0.113.7/5574{} to inside:10.9.0.25/5575{}"
    start = f"{HEAD}%ASA-6-302303: Built TCP state-bypass connection 11 from " + ends.format(
        " (203.0.113.7/5574)", " (10.9.0.25/5575)"
    )
    end = f"{HEAD}%ASA-6-302304: Teardown TCP state-bypass connection 11 from " + ends.format("", "")
    for tail in (" duration 0:00:10, bytes 333, idle timeout", " duration 0:00:10 bytes 333 idle timeout"):
        (row,) = rows(start, end + tail)
        assert (row["src_ip"], row["dest_ip"], row["total_bytes"]) == ("203.0.113.7", "10.9.0.25", 333)
        assert (row["orientation"], row["duration"]) == ("native", 10_000_000)


def test_ipv6_ends_are_told_from_their_interface() -> None:
    (row,) = rows(torn(first="2001:DB8::7/50001", last="2001:db8::25/993"))
    assert (row["src_ip"], row["src_port"], row["dest_ip"]) == ("2001:db8::7", 50_001, "2001:db8::25")


@pytest.mark.parametrize(
    ("head", "zone", "expected"),
    [
        ("<166>Nov 20 2026 00:01:00: ", "Europe/Berlin", "2026-11-19T23:00:00+00:00"),
        ("<166>2026-11-20T00:01:00+01:00 fw1 : ", "UTC", "2026-11-19T23:00:00+00:00"),
        ("Nov 20 00:01:01 relay Nov 20 2026 00:01:00: ", "UTC", "2026-11-20T00:00:00+00:00"),
    ],
)
def test_a_connection_starts_its_duration_before_its_teardown(head: str, zone: str, expected: str) -> None:
    (row,) = rows(torn(head=head), zone=zone)
    assert row["start_time"].isoformat() == expected


def test_a_year_that_is_only_assumed_is_told() -> None:
    parsed = read("asa", torn(head="Nov 20 00:01:00 fw1: "))
    assert dict(parsed.account.warnings) == {"direction_unknown": 1, "year_assumed": 1}


EVENT = (
    "EventPriority: Low, DeviceUUID: 854f1702-0ecf-1de8-0df9-e7e6f1185fdb, InstanceID: 2, "
    "FirstPacketSecond: 2026-11-20T00:00:05Z, ConnectionID: 4711, AccessControlRuleAction: Allow, "
    "SrcIP: 10.1.0.11, DstIP: 192.0.2.25, SrcPort: 40001, DstPort: 993, Protocol: tcp, IngressInterface: inside, "
    "Prefilter Policy: Unknown, User: EXAMPLE\\bob, UserAgent: A/5.0 (KHTML, like B), Client: IMAP client, "
    "ApplicationProtocol: IMAPS, ConnectionDuration: 50, InitiatorPackets: 9, ResponderPackets: 10, "
    "InitiatorBytes: 600, ResponderBytes: 5900, NAPPolicy: Balanced Security and Connectivity"
)


def event(text: str = EVENT, number: int = 430003) -> str:
    return f"<185>2026-11-20T00:01:00Z fw1 %FTD-1-{number}: {text}"


def test_a_connection_event_tells_the_bytes_of_each_direction() -> None:
    parsed = read("asa", event(), event(EVENT.replace("FirstPacketSecond: 2026-11-20T00:00:05Z, ", "")))
    (row, other) = parsed.rows.to_dicts()
    ends = ("src_ip", "src_port", "dest_ip", "dest_port", "transport", "app", "uid", "dvc", "orientation")
    assert [row[c] for c in ends] == [
        "10.1.0.11", 40_001, "192.0.2.25", 993, "tcp", "imaps", "2/4711", "fw1", "native",
    ]  # fmt: skip
    counters = ("other_bytes_in", "other_bytes_out", "packets_in", "packets_out", "total_bytes", "duration")
    assert [row[c] for c in counters] == [5_900, 600, 10, 9, None, 50_000_000]
    assert [str(r["start_time"])[:19] for r in (row, other)] == ["2026-11-20 00:00:05", "2026-11-20 00:00:10"]
    assert dict(parsed.account.warnings) == {}
    other_name = event().replace("%FTD-", "%NGIPS-")
    assert detect(f"{other_name}\n".encode(), "auto", "x") == "asa"
    assert read("asa", other_name).rows["other_bytes_in"].to_list() == [5_900]


@pytest.mark.parametrize("late", [False, True])
def test_a_teardown_gives_way_to_the_event_of_the_same_connection(late: bool) -> None:
    teardown = torn(first="10.1.0.11/40001", last="192.0.2.25/993").replace("ASA-", "FTD-")
    lines = [event(), teardown.replace("0:01:00 bytes", "0:00:55 bytes")]
    read_rows = read("asa", *(lines[::-1] if late else lines)).rows
    found, dropped = count_once(read_rows.with_columns(source=pl.lit("s"), source_file=pl.lit("f")))
    assert (found["other_bytes_in"].to_list(), found["total_bytes"].to_list()) == ([5_900], [None])
    assert dropped.other_sensors == 1


def test_an_event_that_a_management_center_relays_is_the_same() -> None:
    event = (
        "<134>Nov 20 2026 00:01:00 fmc1 SFIMS: Protocol: TCP, SrcIP: 10.1.0.11, OriginalClientIP: ::, "
        "DstIP: 10.9.0.25, "
        "SrcPort: 50001, DstPort: 993, TCPFlags: 0x0, DE: Primary Detection Engine (x), Policy: p, ConnectType: {}, "
        "AccessControlRuleName: r, AccessControlRuleAction: {}, UserName: No Authentication Required, "
        "InitiatorPackets: 5, ResponderPackets: 6, InitiatorBytes: 600, ResponderBytes: 5900, NAPPolicy: n"
    )
    assert detect(f"{event.format('End', 'Allow')}\n".encode(), "auto", "x") == "asa"
    parsed = read("asa", event.format("End", "Allow"), event.format("Start", "Allow"), event.format("End", "Block"))
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 1}
    (row,) = parsed.rows.to_dicts()
    assert (row["src_ip"], row["dest_port"], row["other_bytes_in"], row["dvc"]) == ("10.1.0.11", 993, 5_900, "fmc1")
    assert row["start_time"].isoformat() == "2026-11-20T00:01:00+00:00"


def test_events_that_begin_or_are_blocked_or_have_no_bytes_are_no_flows_and_forged_ones_are_set_aside() -> None:
    parsed = read(
        "asa",
        event(number=430002),
        event(EVENT.replace("Action: Allow", "Action: Block with reset")),
        event(EVENT.split(", InitiatorBytes", maxsplit=1)[0]),
        event(EVENT.replace("like B", "like B, ResponderBytes: 9")),
        event(EVENT.replace("like B", "like B, SrcIP: 198.51.100.1")),
        torn(),
        event(),
    )
    assert (parsed.account.flows, parsed.account.ignored) == (2, 3)
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 1, "no_counters": 1, "direction_unknown": 1}
    assert parsed.rejects["source_line"].to_list() == [4, 5]


def test_other_messages_are_no_flows() -> None:
    parsed = read(
        "asa",
        HEAD
        + "%ASA-6-302021: Teardown ICMP connection for faddr 203.0.113.7/0 gaddr 198.51.100.25/0 laddr 10.9.0.25/0",
        HEAD + '%ASA-4-106023: Deny tcp src outside:203.0.113.7/1 dst dmz:10.9.0.25/25 by access-group "x" [0x0, 0x0]',
        "<13>Nov 20 00:01:00 host sshd[1]: another program",
        built(),
        torn(),
    )
    assert (parsed.account.flows, parsed.account.ignored) == (1, 4)
    assert dict(parsed.account.warnings) == {"built": 1, "no_counters": 1, "direction_unknown": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rubbish", "bad_line"),
        (torn()[:-20], "bad_line"),
        (built()[:-50], "bad_line"),
        (torn(first="mailhost/25"), "bad_address"),
        (torn(first="203.0.113.7/70000"), "bad_port"),
        (torn(head=""), "untimed"),
    ],
)
def test_a_line_that_cannot_be_right_is_set_aside_with_its_reason(line: str, reason: str) -> None:
    parsed = read("asa", torn(), line)
    assert (parsed.account.flows, dict(parsed.account.quarantined)) == (1, {reason: 1})
    assert parsed.rejects["source_line"].to_list() == [2]


def test_the_documented_case_knows_the_mail_server_as_a_client() -> None:
    found = rows(*(GOLDEN / "asa-302014-inbound-outbound.log").read_text().splitlines())
    assert [(r["src_ip"], r["dest_ip"], r["dest_port"], r["total_bytes"], r["orientation"]) for r in found] == [
        ("203.0.113.7", "10.9.0.25", 993, 6_500, "native"),
        ("10.9.0.25", "198.51.100.80", 25, 90_000, "native"),
        ("10.9.0.25", "198.51.100.53", 53, 218, "port_rule"),
    ]
    assert [str(r["start_time"])[11:19] for r in found] == ["00:00:00", "00:00:10", "00:00:20"]
    assert {r["other_bytes_in"] for r in found} == {None}


JUNK = st.one_of(st.binary(max_size=20), st.text("():/%-: 1Tx\t\x00é", max_size=20).map(str.encode))


@settings(max_examples=examples(25))
@given(
    cuts=st.lists(st.integers(0, 200), max_size=3),
    junk=st.lists(JUNK, max_size=4),
    at=st.integers(0, 200),
    numbers=st.lists(st.integers(-5, 10**30), max_size=3),
)
def test_no_bytes_break_the_reader_and_every_line_is_accounted_for(
    cuts: list[int], junk: list[bytes], at: int, numbers: list[int]
) -> None:
    lines = [m.encode()[:n] for n in cuts for m in (built(), torn())] + junk
    lines += [m.encode()[:at] + j + m.encode()[at:] for j in junk for m in (built(), torn())]
    lines += [event().encode()[:n] for n in cuts]
    lines += [torn(n).encode() for n in numbers] + [torn().replace("6500", str(n)).encode() for n in numbers]
    lines = [line.replace(b"\n", b" ") for line in lines]
    by = reader("asa")
    assert read("asa", *lines, torn(), by=by).account.lines == len(lines) + 1
    json.dumps(by.state())


@pytest.mark.parametrize("client", ["203.0.113.7", "2001:db8::7", "::ffff:203.0.113.7"])
@pytest.mark.parametrize("name", ["v1:outside", "VLAN10/20", "a:lan", "Gi0/0:x/1", "out-side.1", "abc"])
def test_names_of_interfaces_may_hold_colons_and_slashes(name: str, client: str) -> None:
    lines = [
        line.replace("outside:", f"{name}:") for line in (built(first=f"{client}/50001"), torn(first=f"{client}/50001"))
    ]
    (row,) = rows(*lines)
    assert (row["src_ip"], row["src_port"], row["orientation"]) == (client.removeprefix("::ffff:"), 50_001, "native")


def test_a_connection_with_state_bypass_may_have_two_blanks_before_its_duration() -> None:
    line = torn().replace("302014: Teardown TCP connection", "302304: Teardown TCP state-bypass connection")
    (row,) = rows(line.replace(" for outside", " from outside").replace("duration ", "duration  "))
    assert (row["total_bytes"], row["duration"]) == (6_500, 60_000_000)
