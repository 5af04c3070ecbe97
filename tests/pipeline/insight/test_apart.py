"""Sensors whose clocks are whole half hours apart: told by flows that both tell alike, and by nothing else."""

import datetime as dt
import random
from typing import Any

import polars as pl
import pytest

from pipeline.insight.apart import ClocksApart
from pipeline.schemas import FLOWS

BEGIN = dt.datetime(2026, 10, 1, 8, tzinfo=dt.UTC)
NAMES = ("src_ip", "src_port", "dest_ip", "dest_port", "transport", "source", "dvc", "start_time", "duration")


def flow(second: float, sensor: str = "core", **more: Any) -> dict[str, Any]:
    return {
        "src_ip": "10.0.0.5",
        "src_port": 50_000,
        "dest_ip": "192.0.2.25",
        "dest_port": 993,
        "transport": "tcp",
        "source": sensor,
        "dvc": sensor,
        "start_time": BEGIN + dt.timedelta(seconds=second),
        "duration": dt.timedelta(seconds=20),
        "bytes_in": 50_000,
        "bytes_out": 2_000,
        "bytes": None,
    } | more


def facts(*rows: dict[str, Any], slices: int = 1) -> dict[str, Any]:
    told = ClocksApart()
    frame = pl.DataFrame(rows, schema={c: FLOWS.schema[c] for c in (*NAMES, "bytes_in", "bytes_out", "bytes")})
    for n in range(slices):
        told.take(frame.filter(pl.struct("src_ip", "src_port").hash() % slices == n))
    return told.facts()


def twins(n: int, later: float, jitter: float = 0, **more: Any) -> list[dict[str, Any]]:
    """Flows of core, and each once more as edge tells it."""
    draw, rows = random.Random(1), []
    for i in range(n):
        first = flow(i * 97.3, src_port=50_000 + i, bytes_in=40_000 + 991 * i)
        second = first["start_time"] + dt.timedelta(seconds=later + draw.uniform(-jitter, jitter))
        rows += [first, first | {"source": "edge", "dvc": "edge", "start_time": second} | more]
    return rows


@pytest.mark.parametrize("minutes", [30, 60, 330, 540, 840])
@pytest.mark.parametrize("slices", [1, 7])
def test_sessions_that_two_sensors_tell_half_hours_apart_are_seen(minutes: int, slices: int) -> None:
    found = facts(*twins(40, minutes * 60, jitter=50), slices=slices)
    assert found == {"flows": 40, "at": [["core", "edge", minutes, 40]]}


def test_which_clock_is_the_later_one_is_told() -> None:
    assert facts(*twins(40, -3_600))["at"] == [["edge", "core", 60, 40]]


def test_bytes_and_durations_may_differ_as_those_of_two_sensors_do() -> None:
    more = {"bytes_in": None, "bytes_out": None, "bytes": 60_000, "duration": dt.timedelta(seconds=50)}
    more["transport"] = "unknown"
    assert facts(*twins(20, 3_600, **more))["flows"] == 20


@pytest.mark.parametrize(
    "rows",
    [
        [],
        twins(40, 0, jitter=50),
        twins(40, 45 * 60, jitter=50),
        twins(40, 3_600, bytes_in=500_000),
        twins(40, 3_600, bytes_in=0, bytes_out=0),
        twins(40, 3_600, duration=dt.timedelta(minutes=5)),
        twins(40, 3_600, source="core", dvc="core"),
        twins(40, 3_600, src_port=None),
        twins(40, 3_600, dest_ip="192.0.2.26"),
    ],
    ids=["nothing", "at once", "other distances", "sizes", "empty", "durations", "one sensor", "no ports", "ends"],
)
def test_other_flows_of_two_sensors_say_nothing_of_clocks(rows: list[dict[str, Any]]) -> None:
    assert facts(*rows) == {"flows": 0, "at": []}


def test_two_sensors_of_one_source_are_two() -> None:
    assert facts(*twins(20, 3_600, source="core"))["at"] == [["core", "core/edge", 60, 20]]


def test_ports_that_are_used_again_at_any_time_are_chance() -> None:
    draw = random.Random(2)
    rows = [
        flow(draw.uniform(0, 36_000), draw.choice(["core", "edge"]), src_port=50_000 + draw.randrange(400))
        for _ in range(4_000)
    ]
    assert facts(*rows)["flows"] < 40  # Of some 1,800 neighbours of two sensors 120 lie at such distances by chance.
