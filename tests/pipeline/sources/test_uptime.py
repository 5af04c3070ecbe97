"""Times of exporters whose clock of 32 bits began anew: they are put right by whole rounds, and by nothing else."""

import datetime as dt
import json
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources import uptime
from tests.examples import examples
from tests.pipeline.sources.lines import read

ROUND = dt.timedelta(milliseconds=2**32)
START = dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC)
END, CAME = START + dt.timedelta(seconds=30), START + dt.timedelta(seconds=31)
ENDS = {"src_addr": "10.9.0.25", "dst_addr": "10.1.0.11", "proto": "TCP", "src_port": 993, "dst_port": 51000}


def ns(at: dt.datetime) -> int:
    return (at - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) // dt.timedelta(microseconds=1) * 1_000


def iso(at: dt.datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def goflow2(start: dt.datetime, end: dt.datetime) -> tuple[str, list[str]]:
    times = {"time_received_ns": ns(CAME), "time_flow_start_ns": ns(start), "time_flow_end_ns": ns(end)}
    return "goflow2", [json.dumps({"type": "NETFLOW_V9", **times, "bytes": 5900, "packets": 6, **ENDS})]


def pmacct(start: dt.datetime, end: dt.datetime) -> tuple[str, list[str]]:
    record = {"ip_src": "10.9.0.25", "ip_dst": "10.1.0.11", "port_src": 993, "port_dst": 51000, "ip_proto": "tcp"}
    times = {"timestamp_start": start, "timestamp_end": end, "timestamp_arrival": CAME}
    text = {name: at.strftime("%Y-%m-%d %H:%M:%S.%f") for name, at in times.items()}
    return "pmacct_json", [json.dumps({"event_type": "purge", **record, **text, "packets": 6, "bytes": 5900})]


def logstash(start: dt.datetime, end: dt.datetime) -> tuple[str, list[str]]:
    told: dict[str, Any] = {
        "version": 9,
        "ipv4_src_addr": "10.9.0.25",
        "ipv4_dst_addr": "10.1.0.11",
        "l4_src_port": 993,
    }
    told |= {"l4_dst_port": 51000, "protocol": 6, "in_bytes": 5900, "in_pkts": 6}
    told |= {"first_switched": iso(start), "last_switched": iso(end)}
    return "logstash_netflow", [json.dumps({"@timestamp": iso(CAME), "netflow": told})]


def nfdump_csv(start: dt.datetime, end: dt.datetime) -> tuple[str, list[str]]:
    first, last = (at.strftime("%Y-%m-%d %H:%M:%S") for at in (start, end))
    row = (
        f"{first},{last},{(end - start).total_seconds():.3f},10.9.0.25,10.1.0.11,993,51000,TCP,...AP.SF,0,0,6,5900,0,0"
    )
    return "nfdump_csv", ["ts,te,td,sa,da,sp,dp,pr,flg,fwd,stos,ipkt,ibyt,opkt,obyt", row]


def nfdump_text(start: dt.datetime, end: dt.datetime) -> tuple[str, list[str]]:
    head = "Date first seen  Duration Proto  Src IP Addr:Port  Dst IP Addr:Port  Packets  Bytes Flows"
    lasted = (end - start).total_seconds()
    row = f"{start:%Y-%m-%d %H:%M:%S}.000 {lasted:.3f} TCP 10.9.0.25:993 -> 10.1.0.11:51000 6 5900 1"
    return "nfdump_text", [head, row]


@pytest.mark.parametrize("early", [(1, 1), (1, 0), (2, 2), (-1, 0), (-1, -1), (3, 1)])
@pytest.mark.parametrize("form", [goflow2, pmacct, logstash])
def test_times_are_put_right_by_the_rounds_that_the_record_s_own_time_tells(form: Any, early: tuple[int, int]) -> None:
    parsed = read(*_flat(form(START - early[0] * ROUND, END - early[1] * ROUND)))
    assert parsed.rows.select("start_time", "duration").rows() == [(START, 30_000_000)]
    assert parsed.account.warnings == {"clock_went_round": 1}
    assert parsed.rows.drop("source_line").equals(read(*_flat(form(START, END))).rows.drop("source_line"))


@pytest.mark.parametrize("form", [nfdump_csv, nfdump_text])
def test_a_flow_that_lasts_a_round_began_a_round_later(form: Any) -> None:
    parsed = read(*_flat(form(START - ROUND, END)))
    (row,) = parsed.rows.to_dicts()
    assert abs(row["start_time"] - START) < dt.timedelta(seconds=1)
    assert abs(row["duration"] - 30_000_000) < 1_000_000
    assert parsed.account.warnings == {"clock_went_round": 1}


@pytest.mark.parametrize("encoding", ["pmacct_json", "pmacct_csv"])
def test_an_end_that_pmacct_dates_a_round_before_its_start_is_the_wrong_one(encoding: str) -> None:
    """Its own arithmetic is of 32 bits: so is an end that the exporter's clock had not yet reached."""
    record = json.loads(pmacct(START, END - ROUND)[1][0])
    del record["timestamp_arrival"], record["event_type"]
    tables = [",".join(record).upper().replace("IP_SRC", "SRC_IP").replace("IP_DST", "DST_IP")]
    tables.append(",".join(str(v) for v in record.values()))
    parsed = read(encoding, *(tables if encoding == "pmacct_csv" else [json.dumps(record)]))
    assert parsed.rows.select("start_time", "duration").rows() == [(START, 30_000_000)]
    assert parsed.account.warnings == {"clock_went_round": 1}


@pytest.mark.parametrize("apart", [dt.timedelta(days=1), ROUND / 2, ROUND - dt.timedelta(hours=2), 5 * ROUND / 2])
@pytest.mark.parametrize("form", [goflow2, pmacct, logstash])
def test_no_other_distance_is_touched(form: Any, apart: dt.timedelta) -> None:
    parsed = read(*_flat(form(START - apart, END - apart)))
    assert parsed.rows["start_time"].to_list() == [START - apart]
    assert "clock_went_round" not in parsed.account.warnings


def test_records_beside_those_that_went_round_stay_as_they_are() -> None:
    form, lines = pmacct(START - ROUND, END - ROUND)
    parsed = read(form, *lines, *pmacct(START, END)[1], *pmacct(START - ROUND / 2, END - ROUND / 2)[1])
    assert parsed.rows["start_time"].to_list() == [START, START, START - ROUND / 2]
    assert parsed.account.warnings == {"clock_went_round": 1}


def test_a_zone_s_own_offset_at_the_right_time_counts() -> None:
    """In the summer before, the clock of the same zone was an hour ahead of its time in winter."""
    local = dt.timedelta(hours=2)
    form, lines = pmacct(START - ROUND + local, END - ROUND + local)
    winter = lines[0].replace(CAME.strftime("%H:%M:%S.%f"), (CAME + dt.timedelta(hours=1)).strftime("%H:%M:%S.%f"))
    assert read(form, winter, zone="Europe/Berlin").rows["start_time"].to_list() == [START]


def _flat(made: tuple[str, list[str]]) -> tuple[str, ...]:
    return made[0], *made[1]


@given(
    rounds=st.tuples(st.integers(-3, 3), st.integers(-3, 3)),
    lasted=st.integers(0, 3_000_000_000),
    late=st.integers(0, 500_000_000),
    start=st.integers(1_600_000_000_000_000, 1_900_000_000_000_000),
)
@settings(max_examples=examples(100), deadline=None)
def test_any_rounds_of_any_times_are_undone(rounds: tuple[int, int], lasted: int, late: int, start: int) -> None:
    end, came = start + lasted, start + lasted + late
    given_times = {
        "ts": start - rounds[0] * uptime.ROUND_US,
        "end": end - rounds[1] * uptime.ROUND_US,
        "write_ts": came,
    }
    frame = pl.DataFrame({**{k: [v] for k, v in given_times.items()}, "duration": [None]}).cast(
        {"duration": pl.Float64}
    )
    (row,) = uptime.put_right(frame, "UTC").to_dicts()
    assert (row["ts"], row["end"], row["write_ts"]) == (start, end, came)
    assert row[uptime.WENT_ROUND] == (rounds != (0, 0))
