"""Sophos Firewall's connections in both of its formats: which way their bytes go, their times, and what is no flow."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_blocks, read_lines

DEVICE = (
    'device="SFW" date=2026-11-20 time=08:00:10 timezone="UTC" device_name="XG" device_id=C1 log_id=010101600001 '
    'log_type="Firewall" log_component="Firewall Rule" log_subtype="Allowed" status="Allow" priority=Information '
    'duration=10 user_name="a b" application="IMAP SSL" src_ip=10.1.0.11 dst_ip=198.51.100.25 protocol="TCP" '
    "src_port=50001 dst_port=993 sent_pkts=6 recv_pkts=8 sent_bytes=420 recv_bytes=5420 tran_src_ip=203.0.113.9 "
    'tran_dst_ip= tran_dst_port=0 dir_disp="" connevent="Stop" connid="77"'
)
CENTRAL = (
    'device_name="SFW" timestamp="2026-11-20T02:00:10-0600" device_model="X" device_serial_id="C1" '
    'log_id="010101600001" log_type="Firewall" log_component="Firewall Rule" log_subtype="Allowed" log_version=1 '
    'duration=10 src_ip="10.1.0.11" dst_ip="198.51.100.25" protocol="TCP" src_port=50001 dst_port=993 '
    "packets_sent=6  packets_received=8 bytes_sent=420 bytes_received=5420 "
    'src_trans_ip="203.0.113.9" app_name="IMAP SSL" con_event="Stop" con_id="77"'
)


@pytest.mark.parametrize("before", ["", "<30>", "Nov 20 08:00:11 fw1 ", "<30>1 2026-11-20T08:00:11Z fw1 - - - - "])
@pytest.mark.parametrize("pairs", [DEVICE, CENTRAL])
def test_what_came_back_are_bytes_in(pairs: str, before: str) -> None:
    assert detect(f"{before}{pairs}\n".encode(), "auto", "x") == "sophos"
    row = only(read("sophos", before + pairs))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"]) == (5_420, 420)
    assert (row["packets_in"], row["packets_out"], row["transport"], row["app"]) == (8, 6, "tcp", "imap ssl")
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 10_000_000)
    assert (row["dvc"], row["src_translated_ip"], row["uid"]) == ("C1", "203.0.113.9", "77")


def test_a_time_in_a_zone_s_own_name_is_of_the_sources() -> None:
    row = only(read("sophos", DEVICE.replace('"UTC"', '"CET"'), zone="Europe/Berlin"))
    assert row["start_time"].isoformat() == "2026-11-20T07:00:00+00:00"


@pytest.mark.parametrize(
    ("zone", "began"), [("+08", "00:00"), ("-0330", "11:30"), ("+05:30", "02:30"), ("GMT", "08:00")]
)
def test_a_zone_that_is_an_offset_counts(zone: str, began: str) -> None:
    row = only(read("sophos", DEVICE.replace('"UTC"', f'"{zone}"'), zone="Europe/Berlin"))
    assert row["start_time"].isoformat() == f"2026-11-20T{began}:00+00:00"


@pytest.mark.parametrize(("kind", "lost"), [("Content Filtering", 0), ("Firewall", 1)])
def test_a_line_that_was_cut_in_a_quote_is_set_aside_unless_it_is_of_another_kind(kind: str, lost: int) -> None:
    parsed = read("sophos", DEVICE.replace('"Firewall"', f'"{kind}"') + ' url="/mail')
    assert (parsed.account.ignored, parsed.account.quarantined.total()) == (1 - lost, lost)


def test_records_in_between_are_cumulative_and_all_but_connections_are_no_flows() -> None:
    between = DEVICE.replace('"Stop"', '"Interim"')
    begins = DEVICE.replace('"Stop"', '"Start"')
    denied = CENTRAL.replace('"Allowed"', '"Denied"')
    silent = CENTRAL.replace("bytes_sent=420 bytes_received=5420 ", "")
    web = CENTRAL.replace('log_type="Firewall"', 'log_type="Content Filtering"')
    twice, torn = f"{DEVICE} recv_bytes=9", DEVICE.replace('"77"', '"77')
    parsed = read("sophos", between, begins, denied, silent, web, twice, torn, "junk")
    assert parsed.rows["accounting"].to_list() == ["cumulative"]
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 1, "no_counters": 1}
    assert (parsed.account.ignored, dict(parsed.account.quarantined)) == (4, {"bad_line": 3})


@settings(max_examples=examples(10))
@given(st.lists(st.sampled_from([DEVICE, CENTRAL, DEVICE[:150], CENTRAL.replace("src_ip=", "src_ip=x"), "", '"']),
                max_size=6), st.integers(0, 6))  # fmt: skip
def test_no_lines_break_the_reader_and_blocks_read_as_the_whole(lines: list[str], at: int) -> None:
    whole, parts = read_lines("sophos", lines), read_blocks("sophos", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.account.balanced
