"""Clocks that were never set begin in 1970: their times are implausible in every format, and never of another year."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.mapping import ColumnMapping
from pipeline.sources import detect, instants, reader_of
from pipeline.sources.base import Block, ReadOptions, merge
from pipeline.sources.tables import TableReader, table_encoding
from pipeline.sources.watch import Watch
from tests.pipeline.sources.lines import LATEST, read
from tests.pipeline.sources.test_odd_values import RECORDS

FIREWALLS = {
    "asa": "Jan {d} 1970 12:00:00 fw : %ASA-6-302014: Teardown TCP connection 77 for outside:192.0.2.10/993 to "
    "inside:10.0.0.5/50000 duration 0:00:10 bytes 1000 TCP FINs",
    "fortinet": 'date=1970-01-{d} time=12:00:00 devname="fw" devid="FG1" logid="0000000013" type="traffic" '
    'subtype="forward" level="notice" vd="root" srcip=10.0.0.5 srcport=50000 dstip=192.0.2.10 dstport=993 proto=6 '
    'action="close" policyid=1 sessionid=77 duration=10 sentbyte=10 rcvdbyte=1000 sentpkt=1 rcvdpkt=1',
    "sophos": 'device="SFW" date=1970-01-{d} time=12:00:00 timezone="UTC" device_name="XG" device_id=C1 '
    'log_id=010101600001 log_type="Firewall" log_component="Firewall Rule" log_subtype="Allowed" status="Allow" '
    'duration=10 src_ip=10.0.0.5 dst_ip=192.0.2.10 protocol="TCP" src_port=50000 dst_port=993 sent_bytes=10 '
    'recv_bytes=1000 connevent="Stop" connid="77"',
    "sonicwall": '<134>id=firewall sn=0017C5 time="1970-01-{d} 12:00:00 UTC" fw=203.0.113.1 pri=6 c=1024 m=537 '
    'msg="Connection Closed" n=1 src=10.0.0.5:50000:X0 dst=192.0.2.10:993:X1 proto=tcp/imaps sent=10 rcvd=1000 '
    "spkt=1 rpkt=1 cdur=10000",
    "juniper": "<14>1 1970-01-{d}T12:00:00.000Z srx RT_FLOW - RT_FLOW_SESSION_CLOSE [junos@2636.1.1.1.2.26 "
    'source-address="10.0.0.5" source-port="50000" destination-address="192.0.2.10" destination-port="993" '
    'protocol-id="6" session-id-32="77" packets-from-client="1" bytes-from-client="10" packets-from-server="1" '
    'bytes-from-server="1000" elapsed-time="10"]',
    "watchguard": '1970-01-{d}T12:00:00 fw (1970-01-{d}T12:00:00) firewall: msg_id="3000-0151" Allow 1-Trusted '
    '0-External tcp 10.0.0.5 192.0.2.10 50000 993 duration="10" sent_bytes="10" rcvd_bytes="1000" (IMAPS-00)',
}
MAPPING = (("bytes_in", "rx"), ("dest_ip", "dst"), ("src_ip", "src"), ("start_time", "at"))
DAYS = ["02", "09", "15", "21"]
"""Microseconds since 1970 of which taken for milliseconds or seconds would be days of other years."""


@pytest.mark.parametrize("day", DAYS)
@pytest.mark.parametrize("name", FIREWALLS)
def test_a_firewall_whose_clock_was_never_set_logs_no_day_of_ours(name: str, day: str) -> None:
    line = FIREWALLS[name].replace("{d}", day)
    encoding = detect(line.encode() + b"\n", "auto", "fw.log")
    assert encoding is not None
    assert read(encoding, FIREWALLS[name].replace("{d}", day).replace("1970", "2026")).rows.height == 1
    parsed = read(encoding, line)
    assert (parsed.rows.height, dict(parsed.account.quarantined)) == (0, {"implausible_time": 1})


@pytest.mark.parametrize("name", [n for n, (record, _) in RECORDS.items() if "2026-11-20" in json.dumps(record)])
def test_so_it_is_of_every_format_of_json_that_writes_times_as_words(name: str) -> None:
    text = json.dumps(RECORDS[name][0])
    encoding = detect(text.encode() + b"\n", "auto", "log.json")
    assert encoding is not None and read(encoding, text).rows.height
    parsed = read(encoding, text.replace("2026-11-20", "1970-01-21"))
    assert parsed.rows.is_empty() and parsed.account.quarantined


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
@pytest.mark.parametrize("time_format", [None, "%d.%m.%Y %H:%M:%S"])
def test_so_it_is_of_a_table_of_ones_own(zone: str, time_format: str | None) -> None:
    at = ("{}-01-21 12:00:00" if time_format is None else "21.01.{} 12:00:00").format
    options = ReadOptions(
        Watch(None), LATEST, timezone=zone, mapping=ColumnMapping(MAPPING, "ip", time_format=time_format)
    )

    def told(year: int) -> dict[str, int]:
        data = f"at,src,dst,rx\n{at(2026)},10.0.0.5,192.0.2.10,7\n{at(year)},10.0.0.5,192.0.2.10,7\n".encode()
        reader = reader_of("table_csv")(options)
        parsed = merge([reader.read(Block(data, 1, 3)), reader.finish()])
        return {"flows": parsed.rows.height, **parsed.account.quarantined}

    assert told(2025) == {"flows": 2}
    assert told(1970) == {"flows": 1, "implausible_time": 1}


def test_and_of_times_of_a_column_of_parquet(tmp_path: Path) -> None:
    path = tmp_path / "own.parquet"
    rows = {"at": ["1970-01-21T12:00:00"], "src": ["10.0.0.5"], "dst": ["192.0.2.10"], "rx": [7]}
    pl.DataFrame(rows).with_columns(pl.col("at").str.to_datetime()).write_parquet(path)
    options = ReadOptions(Watch(None), LATEST, timezone="Europe/Berlin", mapping=ColumnMapping(MAPPING, "ip"))
    parsed = merge(list(TableReader(table_encoding(path, "table", path.name), options).read_table(path)))
    assert (parsed.rows.height, dict(parsed.account.quarantined)) == (0, {"implausible_time": 1})


@given(st.integers(-(10**17) + 1, 10**17 - 1))
def test_microseconds_as_text_are_the_same_instant_again(us: int) -> None:
    found = pl.DataFrame({"us": [us]}).select(text=instants.as_text(pl.col("us")))
    assert found.select(instants.epoch_us("text")).item() == us
