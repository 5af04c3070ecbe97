"""Connections of OpenShift's network observability: both directions, and once, whatever is logged beside their end."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from pipeline.counting.once import count_once
from pipeline.sources.base import Parsed
from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import ends, only, read, starts

CLIENT, SERVER = {"Addr": "10.1.0.11", "Port": 40_001}, {"Addr": "192.0.2.25", "Port": 993}
START = 1_795_161_600_250


def record(stage: str, last: float, *, of_server: bool = False, **counters: float) -> dict[str, Any]:
    """A record of a connection that began at START, until so many seconds later."""
    src, dst = (SERVER, CLIENT) if of_server else (CLIENT, SERVER)
    told = {**{f"Src{k}": v for k, v in src.items()}, **{f"Dst{k}": v for k, v in dst.items()}, "Proto": 6}
    told |= {"TimeFlowStartMs": START, "TimeFlowEndMs": START + last * 1_000, "AgentIP": "192.0.2.1"}
    return told | {"_HashId": "705baa5149302fa1", "_RecordType": stage} | counters


def counted(parsed: Parsed) -> list[dict[str, Any]]:
    kept, _ = count_once(parsed.rows.with_columns(source=pl.lit("s"), source_file=pl.lit("f")))
    return kept.to_dicts()


NEW = record("newConnection", 5, Bytes_AB=300, Bytes_BA=0, Packets_AB=3, Packets_BA=0)
BEATS = [record("heartbeat", 30, Bytes_AB=400, Bytes_BA=3_000, Packets_AB=5, Packets_BA=6),
         record("updateConnection", 40, Bytes_AB=500, Bytes_BA=5_000, Packets_AB=6, Packets_BA=7)]  # fmt: skip
END = record("endConnection", 60, Bytes_AB=600, Bytes_BA=5_900, Packets_AB=9, Packets_BA=10)
LOGS = [record("flowLog", 5, Bytes=300, Packets=3), record("flowLog", 60, Bytes=300, Packets=6),
        record("flowLog", 30, of_server=True, Bytes=3_000, Packets=6),
        record("flowLog", 60, of_server=True, Bytes=2_900, Packets=4)]  # fmt: skip
TURNED = record("endConnection", 60, of_server=True, Bytes_AB=5_900, Bytes_BA=600, Packets_AB=10, Packets_BA=9)
HALVES = [record(stage, last, of_server=server, Bytes=n // part, Packets=10)
          for server, n in ((False, 600), (True, 5_900))
          for stage, last, part in (("newConnection", 5, 3), ("updateConnection", 30, 2), ("endConnection", 60, 1))
          ]  # fmt: skip


@pytest.mark.parametrize(
    "told", [[END], [NEW, END], [NEW, *BEATS, END], [*LOGS, END], [NEW, *LOGS, *BEATS, END], LOGS, [TURNED], HALVES]
)
def test_a_connection_counts_once_with_both_directions(told: list[dict[str, Any]]) -> None:
    for lines in ([json.dumps(r) for r in told], [json.dumps(r) for r in reversed(told)]):
        assert detect(lines[0].encode() + b"\n", "auto", "x") == "goflow2"
        parsed = read("goflow2", *lines)
        assert parsed.account.warnings["no_counters"] == 0
        assert parsed.account.warnings["begin"] == sum(r["_RecordType"] == "newConnection" for r in told)
        (flow,) = counted(parsed)
        assert (flow["src_ip"], flow["src_port"], flow["dest_ip"]) == ("10.1.0.11", 40_001, "192.0.2.25")
        assert (flow["ip_bytes_in"], flow["ip_bytes_out"]) == (5_900, 600)


def test_one_that_goes_on_counts_what_its_last_beat_says() -> None:
    parsed = read("goflow2", *(json.dumps(r) for r in (NEW, *BEATS)))
    (flow,) = counted(parsed)
    assert (flow["ip_bytes_in"], flow["ip_bytes_out"]) == (5_000, 500)


def test_a_later_connection_between_the_same_ports_counts_too() -> None:
    later = END | {"TimeFlowStartMs": START + 7_200_000, "TimeFlowEndMs": START + 7_260_000}
    flows = counted(read("goflow2", json.dumps(END), json.dumps(later)))
    assert [f["ip_bytes_in"] for f in flows] == [5_900, 5_900]


def test_the_end_is_a_session_of_its_own() -> None:
    parsed = read("goflow2", json.dumps(END))
    found = only(parsed)
    assert ends(found) == ("10.1.0.11", 40_001, "192.0.2.25", 993)
    assert (found["accounting"], found["duration"], found["packets_in"]) == ("final", 60_000_000, 10)
    assert starts(parsed) == ["2026-11-20T08:00:00.250"]
