"""A day's flows from landed parts: day attribution, counting once, byte layer and categories.

A flow belongs to the day of its start in the site's zone. A file that could not be read fails the days it belongs to;
a day for which nothing was read is stored as empty and known as such. Parsing text does not belong here.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

import polars as pl

from pipeline.counting import Dropped, choose_layer, count_once, layer_name, layers_of
from pipeline.days import day_bounds_utc
from pipeline.errors import Location, SourceError
from pipeline.inventory import Inventory
from pipeline.landing import Landing
from pipeline.ledger import Entry
from pipeline.schemas import FLOWS
from pipeline.settings import Settings
from pipeline.sources.base import RAW
from pipeline.storage import checked, digest

STAGE_VERSION = 2
"""Raised when the same landed rows would give other flows."""

_PART = pl.Schema([*RAW.items(), ("source", pl.String()), ("source_file", pl.String()), ("ingest_id", pl.String())])


SLICE_ROWS = 150_000
"""Rows of a day that are worked on at once: what bounds memory, whatever the day holds."""


@dataclass
class DayFlows:
    """A day's flows, what they were made from, and what happened on the way."""

    inputs: dict[str, str]
    facts: dict[str, Any] = field(default_factory=dict)
    """Complete when the slices have been taken."""
    slices: Iterator[pl.DataFrame] = field(default_factory=lambda: iter(()))
    """Rows of FLOWS in order of time; to be taken once."""

    def collect(self) -> pl.DataFrame:
        """All slices as one frame."""
        return pl.concat([FLOWS.empty(), *self.slices])


def flow_inputs(landing: Landing, settings: Settings, inventory: Inventory, day: dt.date) -> dict[str, str]:
    """Fingerprints of all that a day's flows are made from."""
    files = sorted((e.source, e.watched, p.content) for e in feeding(landing, day) for p in e.parts_of(day))
    return {
        "files": digest(json.dumps(files)),
        "inventory": inventory.fingerprint(day),
        "timezone": settings.timezone,
        "stage": str(STAGE_VERSION),
    }


def feeding(landing: Landing, day: dt.date) -> list[Entry]:
    """The landed files that belong to a day, in order."""
    return [e for _, e in sorted(landing.ledger.entries.items()) if e.feeds(day)]


def failed_files(landing: Landing, day: dt.date, timezone: str) -> list[Entry]:
    """The files that could not be read and belong to a day, by their path or by their first lines."""
    return [e for _, e in sorted(landing.ledger.entries.items()) if e.fails(day, timezone)]


def build_flows(
    landing: Landing, settings: Settings, inventory: Inventory, day: dt.date, slice_rows: int = SLICE_ROWS
) -> DayFlows:
    """The flows of one day, in slices of time that each fit in memory.

    Raises:
        SourceError: a file of this day could not be read; the message names it.
    """
    if bad := failed_files(landing, day, settings.timezone):
        more = f" ({len(bad) - 1} more)" if len(bad) > 1 else ""
        raise SourceError(f"{bad[0].reason}{more}", where=Location(day=day.isoformat()))
    entries = feeding(landing, day)
    made = DayFlows(flow_inputs(landing, settings, inventory, day), _account(entries))
    raw = _landed_rows(landing, entries, day, settings.timezone)
    made.slices = _slices(raw, settings, inventory, day, slice_rows, made.facts)
    return made


def _slices(
    raw: pl.LazyFrame, settings: Settings, inventory: Inventory, day: dt.date, slice_rows: int, facts: dict[str, Any]
) -> Iterator[pl.DataFrame]:
    """Conformed flows, slice by slice in time; facts are complete when the last one was taken.

    Records of one session start at the same instant, so that no slice parts them.
    """
    raw = _touching(raw, settings, inventory, day)
    layers = layers_of(raw)
    dropped, records = Dropped(), 0
    for first, end in _cuts(raw, day, settings.timezone, slice_rows):
        rows = raw.filter((pl.col("start_time") >= first) & (pl.col("start_time") < end)).collect()
        counted, lost = count_once(rows)
        dropped, records = dropped.plus(lost), records + rows.height
        yield FLOWS.conform(_canonical(choose_layer(counted, layers), inventory, day))
    facts |= {
        "records": records,
        "interim": dropped.interim,
        "duplicates": dropped.duplicates,
        "paired": dropped.paired,
    }
    named = layers.select("source", layer_name()).sort("source")
    facts["bytes_layers"] = dict(named.iter_rows())


def _touching(raw: pl.LazyFrame, settings: Settings, inventory: Inventory, day: dt.date) -> pl.LazyFrame:
    """Rows that touch the day's inventory, and all of sources that keep all.

    What else was landed depends on when, and must not decide how the rest is counted.
    """
    ends = [raw.select(ip=f"{side}_ip") for side in ("src", "dest")]
    ips = pl.concat(ends).unique().collect(engine="streaming")["ip"]
    known = inventory.category_frame(ips, day)["ip"].implode()
    keep_all = [s.name for s in settings.sources if s.keep == "all"]
    return raw.filter(pl.col("src_ip").is_in(known) | pl.col("dest_ip").is_in(known) | pl.col("source").is_in(keep_all))


def _cuts(raw: pl.LazyFrame, day: dt.date, timezone: str, slice_rows: int) -> list[tuple[dt.datetime, dt.datetime]]:
    """Stretches of the day, each with about so many rows (more only where they start at the same instant)."""
    first, end = day_bounds_utc(day, timezone)
    times = raw.select("start_time").collect(engine="streaming")["start_time"].sort()
    edges = sorted({first, *times.gather_every(slice_rows, slice_rows).to_list(), end})
    return list(pairwise(edges))


def _landed_rows(landing: Landing, entries: list[Entry], day: dt.date, timezone: str) -> pl.LazyFrame:
    """The landed rows that start on the day, with their provenance."""
    first, end = day_bounds_utc(day, timezone)
    frames = [
        pl.scan_parquet(checked(landing.root / name), hive_partitioning=False)
        .filter((pl.col("start_time") >= first) & (pl.col("start_time") < end))
        .with_columns(
            source=pl.lit(entry.source),
            source_file=pl.lit(entry.name),
            ingest_id=pl.lit(digest(entry.source, entry.name)),
            dvc=pl.col("dvc").fill_null(pl.lit(entry.source)),
        )
        .select(_PART.names())
        for entry in entries
        for part in entry.all_parts
        if day.isoformat() in part.rows
        for name in part.files
    ]
    return pl.concat(frames) if frames else pl.LazyFrame(schema=_PART)


def _canonical(flows: pl.DataFrame, inventory: Inventory, day: dt.date) -> pl.DataFrame:
    """Canonical columns and the categories that hold on the day."""
    known = inventory.category_frame(pl.concat([flows["src_ip"], flows["dest_ip"]]), day)
    for side in ("src", "dest"):
        named = known.rename({"ip": f"{side}_ip", "category": f"{side}_category"})
        flows = flows.join(named, on=f"{side}_ip", how="left", maintain_order="left")
    duration = pl.duration(microseconds=pl.col("duration"), time_unit="us")
    native = pl.col("uid") if flows["uid"].null_count() == 0 else pl.coalesce("uid", _ends())
    return flows.with_columns(
        flow_uid=pl.concat_str(pl.col("source"), pl.lit("/"), pl.col("dvc"), pl.lit("/"), native),
        end_time=pl.col("start_time") + duration,
        duration=duration,
        sampling_rate=pl.lit(1.0),
    )


def _ends() -> pl.Expr:
    """What tells a flow apart where the sensor gave it no id."""
    return pl.concat_str(
        pl.col("src_ip"),
        pl.lit(":"),
        pl.col("src_port").cast(pl.String).fill_null("-"),
        pl.lit(">"),
        pl.col("dest_ip"),
        pl.lit(":"),
        pl.col("dest_port").cast(pl.String).fill_null("-"),
        pl.lit("/"),
        pl.col("transport"),
        pl.lit("@"),
        pl.col("start_time").dt.epoch("us").cast(pl.String),
    )


def _account(entries: list[Entry]) -> dict[str, Any]:
    """What became of the lines of the files that fed the day, for status, checks and the UI."""
    reasons: Counter[str] = Counter()
    warnings: Counter[str] = Counter()
    for entry in entries:
        reasons.update(entry.account.quarantined)
        warnings.update(entry.account.warnings)
    accounts = [e.account for e in entries]
    return {
        "files": len(entries),
        "lines": sum(a.lines for a in accounts),
        "comments": sum(a.comments for a in accounts),
        "others": sum(a.others for a in accounts),
        "ignored": sum(a.ignored for a in accounts),
        "quarantined": sum(reasons.values()),
        "quarantined_by_reason": dict(sorted(reasons.items())),
        "warnings": dict(sorted(warnings.items())),
    }
