"""Zscaler's firewall sessions in its three formats: which way their bytes go, their times, and what is no flow."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_blocks, read_lines

RECORD = {
    "datetime": "Fri Nov 20 08:00:10 2026", "login": "a", "dept": "b c", "location": "d", "cdport": 993,
    "csport": 50_001, "sdport": 993, "ssport": 0, "csip": "10.1.0.11", "cdip": "198.51.100.25", "ssip": "203.0.113.9",
    "sdip": "0.0.0.0", "tsip": "192.0.2.1", "tunsport": 0, "tuntype": "GRE", "action": "Allow", "dnat": "No",
    "stateful": "Yes", "aggregate": "No", "nwsvc": "IMAPS", "nwapp": "imap", "proto": "TCP", "ipcat": "Other",
    "destcountry": "x", "avgduration": 9, "rulelabel": "Default Rule", "inbytes": 5_420, "outbytes": 420,
    "duration": 10, "durationms": 10_250, "numsessions": 1, "ipsrulelabel": "None", "threatcat": "None",
    "threatname": "None", "deviceowner": "NA", "devicehostname": "NA",
}  # fmt: skip


def as_json(**changes: Any) -> str:
    return json.dumps({"sourcetype": "zscalernss-fw", "event": {**RECORD, **changes}})


def as_pairs(**changes: Any) -> str:
    time, *pairs = {**RECORD, **changes}.items()
    return "\t".join([str(time[1]), *(f"{name}={value}" for name, value in pairs)])


def as_csv(**changes: Any) -> str:
    return ",".join(f'"{value}"' for value in {**RECORD, **changes}.values())


FORMATS = {"zscaler_json@{event}": as_json, "zscaler": as_pairs, "zscaler_csv": as_csv}


@pytest.mark.parametrize("encoding", FORMATS)
def test_inbytes_are_what_the_server_sent(encoding: str) -> None:
    line = FORMATS[encoding]()
    assert detect(f"{line}\n".encode(), "auto", "x") == encoding
    row = only(read(encoding, line))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["transport"], row["app"]) == (5_420, 420, "tcp", "imaps")
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T07:59:59.750000+00:00", 10_250_000)
    assert (row["src_translated_ip"], row["dest_translated_ip"]) == ("203.0.113.9", None)


def test_records_need_no_envelope_and_may_hold_text() -> None:
    plain = json.dumps({name: str(value) for name, value in RECORD.items()})
    assert detect(f"{plain}\n".encode(), "auto", "x") == "zscaler_json"
    assert only(read("zscaler_json", plain))["other_bytes_in"] == 5_420
    assert detect(f"<14>Nov 20 08:00:11 nss {as_pairs()}\n".encode(), "auto", "x") == "zscaler"


@pytest.mark.parametrize("time", ["{}", "time={}", 'time="{}"', "datetime={}", "<14>Nov 20 08:00:11 nss {}"])
@pytest.mark.parametrize("told", ["Fri Nov 20 08:00:10 2026", "2026-11-20 08:00:10"])
def test_the_time_of_pairs_may_be_in_words_or_digits_under_a_key_or_none(time: str, told: str) -> None:
    for line in (plain := as_pairs(datetime=time.format(told)), plain.replace("\t", "#011")):  # rsyslog's tab
        assert detect(f"{line}\n".encode(), "auto", "x") == "zscaler"
        row = only(read("zscaler", line))
        assert row["start_time"].isoformat() == "2026-11-20T07:59:59.750000+00:00"
        assert (row["other_bytes_in"], row["other_bytes_out"]) == (5_420, 420)


def test_a_time_is_of_the_zone_that_it_names_or_the_source_s() -> None:
    name = "zscaler_json@{event}"
    assert only(read(name, as_json(), zone="Europe/Berlin"))["start_time"].hour == 6
    assert only(read(name, as_json(tz="GMT"), zone="Europe/Berlin"))["start_time"].hour == 7
    assert only(read(name, as_json(epochtime=1_795_161_610), zone="Europe/Berlin"))["start_time"].hour == 7


@pytest.mark.parametrize("encoding", FORMATS)
def test_sums_of_several_sessions_are_nobody_s_and_refused_ones_no_flows(encoding: str) -> None:
    line = FORMATS[encoding]
    changes: list[dict[str, Any]] = [
        {"aggregate": "Yes", "numsessions": 5},
        {"action": "Block/Drop"},
        {"action": "Drop"},
    ]
    parsed = read(encoding, *(line(**c) for c in changes), line(aggregate="Yes"))
    assert parsed.rows["other_bytes_in"].to_list() == [5_420]
    assert dict(parsed.account.warnings) == {"blocked": 2, "several_ends": 1}


def test_a_label_that_pretends_to_be_a_counter_is_set_aside() -> None:
    parsed = read("zscaler", as_pairs(rulelabel="x inbytes=9"), as_pairs(), "junk")
    assert (parsed.rows.height, dict(parsed.account.quarantined)) == (1, {"bad_line": 2})


@settings(max_examples=examples(10))
@given(st.lists(st.sampled_from([as_pairs(), as_pairs()[:150], as_pairs(csip="x"), "", '"', "csip="]), max_size=6),
       st.integers(0, 6))  # fmt: skip
def test_no_lines_break_the_reader_and_blocks_read_as_the_whole(lines: list[str], at: int) -> None:
    whole, parts = read_lines("zscaler", lines), read_blocks("zscaler", [lines[:at], lines[at:]])
    assert whole.account == parts.account
    assert whole.account.balanced
