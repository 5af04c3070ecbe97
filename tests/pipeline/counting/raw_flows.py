"""Raw flows that differ from a common one as told, and what counting once makes of them."""

import datetime as dt
from typing import Any

import polars as pl

from pipeline.counting.once import count_once
from pipeline.counting.records import Rules
from pipeline.sources.base import RAW

NOON = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
SCHEMA = pl.Schema([*RAW.items(), ("source", pl.String()), ("source_file", pl.String())])
COMMON = {
    **{"source": "core", "source_file": "a.log", "source_line": 1, "dvc": "tap", "uid": "C1", "start_time": NOON},
    **{"src_ip": "198.51.100.7", "src_port": 50_000, "dest_ip": "192.0.2.10", "dest_port": 993, "transport": "tcp"},
    **{"duration": 10, "ip_bytes_in": 100, "ip_bytes_out": 10, "accounting": "final"},
}


def flows(*changes: dict[str, Any]) -> pl.DataFrame:
    """Raw flows that differ from a common one as told; lines are numbered."""
    return pl.DataFrame([COMMON | {"source_line": n} | c for n, c in enumerate(changes, 1)], schema=SCHEMA)


def kept(*changes: dict[str, Any]) -> list[int]:
    return sorted(count_once(flows(*changes))[0]["source_line"].to_list())


def total(*changes: dict[str, Any], rules: Rules | None = None) -> tuple[int, int, int]:
    """(flows, bytes in, bytes out) over all layers."""
    found = count_once(flows(*changes), rules or Rules())[0]
    sides = [
        pl.sum_horizontal(pl.col(f"{n}_bytes_{s}").sum() for n in ("ip", "payload", "other")) for s in ("in", "out")
    ]
    return (found.height, *found.select(a=sides[0], b=sides[1]).row(0))


def after(seconds: float) -> dict[str, Any]:
    return {"start_time": NOON + dt.timedelta(seconds=seconds)}


HALF_OUT = {"ip_bytes_in": None, "uid": None}
HALF_IN = {"ip_bytes_out": None, "uid": None}
