"""Writing simulated sessions as Suricata writes flow events into eve.json: one JSON object a line, gzipped by day.

Byte counters are written as they are given; a real Suricata counts whole frames. What the sessions are is decided in
`pipeline.simulate.sessions`.
"""

from __future__ import annotations

import datetime as dt
import gzip
import io
from pathlib import Path

import polars as pl

from pipeline.schemas import UTC_TIME

_DAY = 86_400_000_000
_TIME = "%Y-%m-%dT%H:%M:%S%.6f+0000"


def events(flows: pl.DataFrame) -> pl.DataFrame:
    """Sessions of `traffic.company_flows` as flow events (Suricata user guide, "EVE JSON format", event type flow)."""
    start = pl.col("start").cast(UTC_TIME)
    end = (pl.col("start") + pl.col("duration")).cast(UTC_TIME)
    return flows.with_row_index("_row").select(
        # The event is written when the flow's time-out has passed.
        timestamp=(end + dt.timedelta(seconds=60)).dt.strftime(_TIME),
        # Distinct within the logs, and below 2^53, which JSON readers keep.
        flow_id=pl.col("start") // _DAY * 100_000_000 + pl.col("_row"),
        event_type=pl.lit("flow"),
        src_ip="orig_h",
        src_port="orig_p",
        dest_ip="resp_h",
        dest_port="resp_p",
        proto=pl.col("proto").str.to_uppercase(),
        app_proto=pl.lit("tls"),
        flow=pl.struct(
            pkts_toserver="packets_out",
            pkts_toclient="packets_in",
            bytes_toserver="bytes_out",
            bytes_toclient="bytes_in",
            start=start.dt.strftime(_TIME),
            end=end.dt.strftime(_TIME),
            age=pl.col("duration") // 1_000_000,
            state=pl.lit("closed"),
            reason=pl.lit("timeout"),
            alerted=pl.lit(False),
        ),
        host=pl.lit("sensor1"),
    )


def write_day(flows: pl.DataFrame, folder: Path, day: dt.date) -> int:
    """One day's events in folder/YYYY-MM-DD/eve.json.gz; the lines written. The same flows give the same bytes."""
    path = folder / day.isoformat() / "eve.json.gz"
    path.parent.mkdir(parents=True, exist_ok=True)
    text, lines = io.BytesIO(), events(flows)
    lines.write_ndjson(text)
    path.write_bytes(gzip.compress(text.getvalue(), compresslevel=5, mtime=0))
    return lines.height
