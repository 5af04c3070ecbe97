"""Juniper SRX session logs: which way their bytes go, their times, and what is no flow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_blocks, read_lines

PAIRS = (
    '[junos@2636.1.1.1.2.129 reason="TCP FIN" source-address="10.1.0.11" source-port="50001" '
    'destination-address="198.51.100.25" destination-port="993" connection-tag="0" service-name="junos-imaps" '
    'nat-source-address="203.0.113.9" nat-source-port="1777" nat-destination-address="198.51.100.25" '
    'nat-destination-port="993" src-nat-rule-name="N/A" protocol-id="6" policy-name="out" session-id-32="6560" '
    'packets-from-client="6" bytes-from-client="420" packets-from-server="8" bytes-from-server="5420" '
    'elapsed-time="10" application="UNKNOWN" username="N/A" roles="N/A" encrypted="UNKNOWN"]'
)
STRUCTURED = f"<14>1 2026-11-20T08:00:10.000Z srx1 RT_FLOW - RT_FLOW_SESSION_CLOSE {PAIRS}"
ENDS = "10.1.0.11/50001->198.51.100.25/993"
MOVED = "203.0.113.9/1777->198.51.100.25/993"
TAIL = "6 out trust untrust 6560 6(420) 8(5420) 10 UNKNOWN UNKNOWN N/A(N/A) ge-0/0/1.0 UNKNOWN"
HEAD = "<14>Nov 20 08:00:10 2026 srx1 RT_FLOW: "
PLAIN = f"{HEAD}RT_FLOW_SESSION_CLOSE: session closed TCP FIN: {ENDS} junos-imaps {MOVED} None None {TAIL}"
TAGGED = PLAIN.replace(ENDS, f"{ENDS} 0x0").replace(MOVED, f"{MOVED} 0x0").replace("None None", "N/A N/A N/A N/A")


@pytest.mark.parametrize(
    "line",
    [
        STRUCTURED,
        PLAIN,
        TAGGED,
        STRUCTURED.replace("_CLOSE ", "_CLOSE_LS "),
        PLAIN.replace("_CLOSE: ", "_CLOSE_LS: Lsys LS1: "),
    ],
)
def test_what_came_from_the_server_are_bytes_in(line: str) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == "juniper"
    row = only(read("juniper", line))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"]) == (5_420, 420)
    assert (row["packets_in"], row["packets_out"], row["transport"], row["app"]) == (8, 6, "tcp", "imaps")
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 10_000_000)
    assert (row["src_translated_ip"], row["dest_translated_ip"], row["dvc"]) == ("203.0.113.9", None, "srx1")
    assert (row["accounting"], row["orientation"], row["uid"]) == ("final", "native", "6560")


def test_times_of_ends_of_ipv6_and_of_the_devices_zone() -> None:
    line = PLAIN.replace("10.1.0.11/", "2001:db8::11/").replace("198.51.100.25/", "2001:db8::25/")
    row = only(read("juniper", line, zone="Europe/Berlin"))
    assert ends(row) == ("2001:db8::11", 50_001, "2001:db8::25", 993)
    assert row["start_time"].isoformat() == "2026-11-20T07:00:00+00:00"


def test_sessions_that_begin_were_denied_or_are_tracked_twice_are_no_flows() -> None:
    created = f"{HEAD}RT_FLOW_SESSION_CREATE: session created {ENDS} x {MOVED} None 6 a b c 1"
    denied = f"{HEAD}RT_FLOW_SESSION_DENY: session denied {ENDS} x 6(0) out a b"
    tracked = STRUCTURED.replace("RT_FLOW_SESSION_CLOSE", "APPTRACK_SESSION_CLOSE")
    assert detect(tracked.encode(), "auto", "x") == "juniper"  # Named, where nothing else is logged.
    volume = STRUCTURED.replace("RT_FLOW_SESSION_CLOSE", "APPTRACK_SESSION_VOL_UPDATE")
    silent = STRUCTURED.replace('bytes-from-client="420"', "").replace('bytes-from-server="5420"', "")
    parsed = read("juniper", created, denied, tracked, volume, silent, "<13>Nov 20 08:00:10 srx1 sshd[1]: hello")
    assert (parsed.account.flows, parsed.account.ignored) == (0, 6)
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 1, "apptrack": 2, "no_counters": 1}


@pytest.mark.parametrize(
    "line",
    [
        STRUCTURED.replace('username="N/A"', 'username="x" bytes-from-server="9"'),
        STRUCTURED[:-300],
        PLAIN[: PLAIN.index("8(5420)")],
        "no message at all",
    ],
)
def test_a_line_that_cannot_be_believed_is_set_aside(line: str) -> None:
    assert dict(read("juniper", line).account.quarantined) == {"bad_line": 1}


def test_a_quote_inside_a_value_makes_no_field() -> None:
    forged = STRUCTURED.replace('username="N/A"', r'username="a\" bytes-from-server=\"9"')
    assert only(read("juniper", forged))["other_bytes_in"] == 5_420


@settings(max_examples=examples(10))
@given(st.lists(st.one_of(st.sampled_from([STRUCTURED, PLAIN, PLAIN[:99], ""]), st.text(max_size=30).map(
    lambda t: "".join(t.splitlines()))), max_size=6), st.integers(0, 6))  # fmt: skip
def test_no_lines_break_the_reader_and_blocks_read_as_the_whole(lines: list[str], at: int) -> None:
    lines = [line.encode(errors="replace").decode() for line in lines]
    whole, parts = read_lines("juniper", lines), read_blocks("juniper", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.account.balanced
