"""Linux's connections that ended, as conntrack prints them and ulogd writes them."""

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, ip_bytes, only, read, read_blocks, read_lines

ENDED = (
    "[1795161610.250000]\t[DESTROY] tcp      6 src=10.1.0.11 dst=203.0.113.25 sport=50001 dport=993 packets=6 "
    "bytes=420 src=10.9.0.25 dst=203.0.113.9 sport=993 dport=1024 packets=8 bytes=5420 [ASSURED] delta-time=10 id=77"
)
VYOS = (
    "Nov 20 08:00:10 gw vyos-conntrack-logger[9387]: [DESTROY] 77 tcp      6 120 CLOSE src=10.1.0.11 dst=203.0.113.25 "
    "sport=50001 dport=993 packets=6 bytes=420 src=10.9.0.25 dst=203.0.113.9 sport=993 dport=1024 packets=8 bytes=5420 "
    " [ASSURED] start=1795161600250000816 stop=1795161610250000629 delta=10.0 "
)
"""VyOS' own logger, with the times and the counters that it can be told to show."""
NEW = (
    "[1795161600.250000]\t    [NEW] tcp      6 120 SYN_SENT src=10.1.0.11 dst=203.0.113.25 sport=50001 dport=993 "
    "[UNREPLIED] src=10.9.0.25 dst=203.0.113.9 sport=993 dport=1024 id=77"
)
WRITTEN = {
    "dvc": "gw", "ct.event": 4, "ct.id": 77, "orig.ip.protocol": 6, "orig.l4.sport": 50_001, "orig.l4.dport": 993,
    "orig.raw.pktlen": 420, "orig.raw.pktcount": 6, "reply.raw.pktlen": 5_420, "reply.raw.pktcount": 8,
    "flow.start.sec": 1_795_161_600, "flow.start.usec": 250_000, "flow.end.sec": 1_795_161_610,
    "flow.end.usec": 250_000, "src_ip": "10.1.0.11", "dest_ip": "203.0.113.25", "reply.ip.saddr.str": "10.9.0.25",
    "reply.ip.daddr.str": "203.0.113.9",
}  # fmt: skip


@pytest.mark.parametrize(
    ("encoding", "line"),
    [
        ("conntrack", ENDED),
        ("conntrack", ENDED.replace("tcp      6", "ipv4     2 tcp      6")),
        ("conntrack", f"Nov 20 08:00:10 gw conntrack[5]: {ENDED}"),
        ("conntrack", VYOS),
        ("conntrack_json", json.dumps(WRITTEN)),
    ],
)
def test_the_replies_are_bytes_in_and_show_the_translated_ends(encoding: str, line: str) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == encoding
    parsed = read(encoding, line)
    row = only(parsed)
    assert ends(row) == ("10.1.0.11", 50_001, "203.0.113.25", 993)
    assert (*ip_bytes(parsed), row["packets_in"], row["packets_out"]) == (5_420, 420, 8, 6)
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00.250000+00:00", 10_000_000)
    assert (row["src_translated_ip"], row["dest_translated_ip"], row["uid"]) == ("203.0.113.9", "10.9.0.25", "77")


def test_vyos_logs_no_counters_where_it_was_not_told_to() -> None:
    silent = VYOS.replace("packets=6 bytes=420 ", "").replace("packets=8 bytes=5420 ", "")
    begun = VYOS.replace("[DESTROY] 77 ", "[NEW]     77 ")
    assert detect(f"{begun}\n{silent}\n".encode(), "auto", "x") == "conntrack"
    assert read("conntrack", begun, silent).account.warnings == {"begin": 1, "no_counters": 1}


def test_icmp_and_connections_without_an_answer_are_read() -> None:
    ping = ENDED.replace("tcp      6", "icmp     1").replace("sport=50001 dport=993", "type=8 code=0 id=5")
    ping = ping.replace("sport=993 dport=1024", "type=0 code=0 id=5")
    silent = ENDED.replace("bytes=420 src", "bytes=420 [UNREPLIED] src").replace("packets=8 bytes=5420 [ASSURED]",
                                                                                "packets=0 bytes=0")  # fmt: skip
    parsed = read("conntrack", ping, silent)
    assert parsed.rows["ip_bytes_in"].to_list() == [5_420, 0]
    assert parsed.rows["dest_port"].to_list() == [None, 993]


def test_events_of_connections_that_go_on_or_have_no_counters_are_no_flows() -> None:
    uncounted = ENDED.replace("packets=6 bytes=420 ", "").replace("packets=8 bytes=5420 ", "")
    parsed = read("conntrack", NEW, NEW.replace("    [NEW]", " [UPDATE]"), uncounted, ENDED[:90], "junk")
    assert (parsed.account.flows, parsed.account.ignored) == (0, 3)
    assert dict(parsed.account.warnings) == {"begin": 2, "no_counters": 1}
    assert dict(parsed.account.quarantined) == {"bad_line": 2}
    begun = json.dumps(WRITTEN | {"ct.event": 1})
    assert dict(read("conntrack_json", begun).account.warnings) == {"begin": 1}


@settings(max_examples=examples(10))
@given(st.lists(st.sampled_from([ENDED, NEW, ENDED[:120], ENDED.replace("src=10", "src=x"), "", "[1.5] [DESTROY]"]),
                max_size=6), st.integers(0, 6))  # fmt: skip
def test_no_lines_break_the_reader_and_blocks_read_as_the_whole(lines: list[str], at: int) -> None:
    whole, parts = read_lines("conntrack", lines), read_blocks("conntrack", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.account.balanced
