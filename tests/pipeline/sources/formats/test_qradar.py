"""QRadar's flows: which way their bytes go, and that each minute of a session counts where it was."""

import json
from typing import Any

import pytest

from pipeline.counting.once import count_once
from pipeline.sources.registry import detect
from tests.pipeline.sources.forms_read import read, read_bytes, read_document, rows
from tests.pipeline.sources.lines import read as read_in_zone

CLIENT, SERVER = "10.1.0.11", "198.51.100.25"
ENDS = ("src_ip", "src_port", "dest_ip", "dest_port", "transport")
BYTES = ("other_bytes_in", "other_bytes_out")
BEGAN = 1_795_161_660_000
"""2026-11-20 08:01:00 UTC in milliseconds."""


def flow(**changes: Any) -> dict[str, Any]:
    record = {"sourceip": CLIENT, "sourceport": 50_001, "destinationip": SERVER, "destinationport": 993,
              "protocolid": 6, "sourcebytes": 420.0, "destinationbytes": 5_420.0, "sourcepackets": 6.0,
              "destinationpackets": 8.0, "firstpackettime": BEGAN, "lastpackettime": BEGAN + 30_000,
              "flowtype": 0}  # fmt: skip
    return record | changes


def test_what_the_destination_sent_are_bytes_in() -> None:
    data = json.dumps({"flows": [flow(), flow(flowtype="Standard Flow", sourceport=50_002)]}).encode()
    assert detect(data, "auto", "x") == "qradar"
    parsed = read_document("qradar", data)
    assert rows(parsed, *ENDS) == [(CLIENT, p, SERVER, 993, "tcp") for p in (50_001, 50_002)]
    assert rows(parsed, *BYTES, "packets_in", "duration") == [(5_420, 420, 8, 30_000_000)] * 2
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:01:00+00:00"


def test_names_may_be_written_in_words_of_one() -> None:
    names = {"sourceip": "sourceIP", "destinationip": "destinationIP", "sourcebytes": "sourceBytes",
             "destinationbytes": "destinationBytes", "firstpackettime": "firstPacketTime",
             "lastpackettime": "lastPacketTime"}  # fmt: skip
    record = {names.get(k, k): v for k, v in flow().items()}
    assert detect(json.dumps(record).encode(), "auto", "x") == "qradar"
    assert rows(read("qradar", record), *BYTES) == [(5_420, 420)]


def test_each_minute_of_a_long_session_is_of_its_own_day() -> None:
    """Each record has the session's first packet, and the bytes since the last record."""
    later = flow(lastpackettime=BEGAN + 86_400_000, sourcebytes=100.0, destinationbytes=9_000.0)
    parsed = read("qradar", flow(), later, later)
    starts = [t.isoformat() for t in parsed.rows["start_time"]]
    assert starts == ["2026-11-20T08:01:00+00:00", *["2026-11-21T08:00:00+00:00"] * 2]
    rows_ = parsed.rows.with_columns(source=parsed.rows["src_ip"], source_file=parsed.rows["src_ip"])
    flows, dropped = count_once(rows_)
    assert (flows["other_bytes_in"].sum(), flows["other_bytes_out"].sum(), dropped.duplicates) == (14_420, 520, 1)


def test_the_ports_decide_where_an_answer_was_met_first() -> None:
    turned = flow(sourceip=SERVER, sourceport=993, destinationip=CLIENT, destinationport=50_001, sourcebytes=5_420,
                  destinationbytes=420)  # fmt: skip
    assert rows(read("qradar", turned), *ENDS[:4], *BYTES) == [(CLIENT, 50_001, SERVER, 993, 5_420, 420)]


@pytest.mark.parametrize("kind", ["Superflow A", 1, 3, "2.0"])
def test_superflows_sum_up_many_and_count_nothing(kind: Any) -> None:
    parsed = read("qradar", flow(flowtype=kind), flow(sourcebytes=None, destinationbytes=None))
    assert parsed.rows.is_empty()
    assert dict(parsed.account.warnings) == {"aggregated": 1, "no_counters": 1}


def test_what_the_collector_had_no_room_for_is_told() -> None:
    parsed = read("qradar", flow(sourceip="127.0.0.4", destinationip="127.0.0.5", sourceport=0, destinationport=0))
    assert parsed.rows.is_empty()
    assert dict(parsed.account.warnings) == {"lost_data": 1}


AQL = "sourceip,sourceport,destinationip,destinationport,protocolid,sourcebytes,destinationbytes,firstpackettime"
CONSOLE = (
    '"First Packet Time","Last Packet Time","Source IP","Source Port","Destination IP","Destination Port",'
    '"Source Bytes","Destination Bytes","Protocol"'
)


def test_tables_are_read() -> None:
    data = f"{AQL}\n{CLIENT},50001,{SERVER},993,6,420,5420,{BEGAN}\n".encode()
    assert detect(data, "auto", "x") == "qradar_csv"
    assert rows(read_bytes("qradar_csv", data), *ENDS, *BYTES) == [(CLIENT, 50_001, SERVER, 993, "tcp", 5_420, 420)]
    shown = (
        f'"Nov 20, 2026, 9:01:00 AM","Nov 20, 2026, 9:01:30 AM","{CLIENT}","50001","{SERVER}","993","420 (C)","5,420"'
    )
    assert detect(f"{CONSOLE}\n{shown},tcp_ip\n".encode(), "auto", "x") == "qradar_csv"
    parsed = read_in_zone("qradar_csv", CONSOLE, f'{shown},"tcp_ip"', zone="Europe/Berlin")
    assert rows(parsed, *ENDS, *BYTES) == [(CLIENT, 50_001, SERVER, 993, "tcp", 5_420, 420)]
    assert (parsed.rows["start_time"][0].isoformat(), parsed.rows["duration"][0]) == (
        "2026-11-20T08:01:00+00:00",
        30_000_000,
    )
