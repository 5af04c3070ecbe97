"""Measures the checks of a day's flows beside Great Expectations' own pandas engine on the same expectations.

Run: python -m benchmarks.quality [--rows N] [--pandas-rows N] [--table FILE]. Each side runs in a process of its own;
CPU is user and system time beyond the imports; pandas has its rows in memory before the clock starts, ours are read
from storage, and their results kept there.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import polars as pl

from data_quality.checks import great_expectations, run_all
from data_quality.counts import CLOSED_WORDS
from data_quality.specs import check_specs
from pipeline.schemas import FLOWS
from pipeline.settings import Settings
from pipeline.site import Site

DAY = dt.date(2026, 10, 30)
CHECKS = ("flows_valid", "flows_complete", "flow_counts")
SLICE = 500_000


def site_in(folder: Path) -> Site:
    """A site whose storage is the folder."""
    entry = {"address": "192.0.2.0/24", "category": "email_server"}
    settings = {"storage": "data", "start_date": DAY, "inventory": [entry]}
    return Site(folder, Settings.model_validate(settings), "benchmark")


def flows(rows: int) -> Iterator[pl.DataFrame]:
    """A day's flows in order of time: 100,000 clients, 20 servers and 8 sensors."""
    draw = np.random.default_rng(1)
    midnight = int(dt.datetime.combine(DAY, dt.time(), dt.UTC).timestamp()) * 1_000_000
    for first in range(0, rows, SLICE):
        n = min(SLICE, rows - first)
        span = 86_400_000_000 * n // rows
        start = np.sort(draw.integers(0, span, n)) + midnight + 86_400_000_000 * first // rows
        client = pl.Series(draw.integers(0, 100_000, n))
        told = {
            "start_time": pl.Series(start).cast(FLOWS.schema["start_time"]),
            "src_ip": pl.select(
                pl.format("10.{}.{}.{}", client // 65_536, client // 256 % 256, client % 256)
            ).to_series(),
            "dest_ip": pl.select(pl.format("192.0.2.{}", pl.Series(draw.integers(1, 21, n)))).to_series(),
            "dvc": pl.select(pl.format("sensor{}", pl.Series(draw.integers(0, 8, n)))).to_series(),
            "bytes_in": draw.integers(100, 1_000_000, n),
            "bytes_out": draw.integers(100, 10_000, n),
            "source_line": np.arange(first, first + n),
        }
        fixed = {"src_port": 50_000, "dest_port": 993, "source": "core", "source_file": "conn.log", "ingest_id": "x"}
        fixed |= {"vendor_product": "zeek", "sampling_rate": 1.0} | {c: words[0] for c, words in CLOSED_WORDS.items()}
        yield FLOWS.conform(
            pl.DataFrame(told).with_columns(
                **{name: pl.lit(value) for name, value in fixed.items()},
                flow_uid=pl.format("core/C{}", "source_line"),
                dest_category=pl.lit(pl.Series([["email_server"]])).first(),
                duration=pl.duration(microseconds=1_500_000),
                end_time=pl.col("start_time") + pl.duration(microseconds=1_500_000),
            )
        )


def ours(site: Site) -> Callable[[], int]:
    """Profiles of the day, judged and kept; how many expectations there were."""
    specs = [s for s in check_specs() if s.name in CHECKS]
    great_expectations()
    import pandas as pd

    pd.DataFrame()
    return lambda: sum(len(days[DAY].outcomes) for days in run_all(specs, site, [DAY]).values())


def pandas(site: Site) -> Callable[[], int]:
    """The same of the rows themselves, as Great Expectations would have it on a pandas frame."""
    gx = great_expectations()
    import pandas as pd

    first = pd.Timestamp(DAY, tz="UTC")
    between, known = "expect_column_values_to_be_between", "expect_column_values_to_not_be_null"
    asked = [{"type": "expect_table_row_count_to_be_between", "kwargs": {"min_value": 1}}]
    asked += [{"type": known, "kwargs": {"column": c}} for c in ("start_time", "src_ip", "dest_ip", "dvc")]
    asked += [{"type": between, "kwargs": {"column": c, "min_value": 0}} for c in ("bytes_in", "bytes_out")]
    span = {"min_value": first, "max_value": first + pd.Timedelta(days=1), "strict_max": True}
    asked.append({"type": between, "kwargs": {"column": "start_time", **span}})
    asked += [
        {"type": "expect_column_values_to_be_in_set", "kwargs": {"column": c, "value_set": list(words)}}
        for c, words in CLOSED_WORDS.items()
    ]
    asked.append({"type": known, "kwargs": {"column": "bytes_in", "mostly": 0.95}})
    columns = ["start_time", "src_ip", "dest_ip", "dvc", "bytes_in", "bytes_out", *CLOSED_WORDS]
    source = gx.get_context(mode="ephemeral").data_sources.add_pandas("flows").add_dataframe_asset("flows")
    batch = source.add_batch_definition_whole_dataframe("flows")

    rows = site.storage.scan(FLOWS, [DAY]).select(columns).collect()
    frame = pd.DataFrame({c: rows[c].to_numpy() for c in columns})
    frame["start_time"] = frame["start_time"].dt.tz_localize("UTC")

    def judge() -> int:
        report = batch.get_batch({"dataframe": frame}).validate(gx.ExpectationSuite(name="flows", expectations=asked))
        assert report.success
        return len(report.results)

    return judge


def measured(side: str, folder: Path) -> dict[str, float]:
    """CPU seconds, peak MB and expectations of one side, in a process of its own."""
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.quality", "--side", side, "--folder", str(folder)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    told: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return told


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _side(name: str, folder: Path) -> None:
    judge = {"ours": ours, "pandas": pandas}[name](site_in(folder))
    begun = _cpu()
    count = judge()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": _cpu() - begun, "mb": peak, "expectations": count}))


def table(rows: int, pandas_rows: int) -> str:
    """Both sides as Markdown."""
    lines = ["| engine | flows | expectations | CPU s | CPU s a million flows | peak MB |", "|---|---|---|---|---|---|"]
    each = {}
    for side, n in (("ours", rows), ("pandas", pandas_rows)):
        with tempfile.TemporaryDirectory() as name:
            site = site_in(Path(name))
            facts = {"lines": n, "records": n, "read": n, "others": 0, "ignored": 0, "comments": 0, "quarantined": 0}
            site.storage.write_slices(FLOWS, DAY, flows(n), inputs={}, facts=facts)
            told = measured(side, Path(name))
        each[side] = told["cpu"] / n * 1e6
        engine = "profiles" if side == "ours" else "pandas engine"
        cells = (engine, f"{n:,}", f"{told['expectations']:.0f}", f"{told['cpu']:.2f}", f"{each[side]:.2f}")
        lines.append(f"| {' | '.join(cells)} | {told['mb']:.0f} |")
    lines.append(f"| ratio a flow | | | | {each['pandas'] / each['ours']:.0f} | |")
    return "\n".join(lines)


def main() -> None:
    """Print the table, or write it between its marks in a document."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--pandas-rows", type=int, default=1_000_000)
    parser.add_argument("--table", type=Path)
    parser.add_argument("--side", choices=["ours", "pandas"])
    parser.add_argument("--folder", type=Path)
    asked = parser.parse_args()
    if asked.side:
        _side(asked.side, asked.folder)
        return
    text = table(asked.rows, asked.pandas_rows)
    print(text)
    if asked.table:
        begin, end = "<!-- quality: begin -->\n", "\n<!-- quality: end -->"
        whole = asked.table.read_text(encoding="utf-8")
        marked = re.sub(f"(?s){begin}.*{end}", lambda _: begin + text + end, whole)
        asked.table.write_text(marked, encoding="utf-8")


if __name__ == "__main__":
    main()
