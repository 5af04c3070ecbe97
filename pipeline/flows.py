"""A day's flows from landed parts: day attribution, counting once, byte layer and categories.

A flow belongs to the day that `pipeline.counting.attribution` gives it. A file that could not be read fails the days it
belongs to; a day for which nothing was read is stored as empty and known as such. Parsing text does not belong here.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.counting.attribution import Attribution
from pipeline.counting.layers import choose_layer, layer_name, layers_of
from pipeline.counting.once import Dropped, count_once, estimated, needs_sessions
from pipeline.counting.records import COUNTS, Rules
from pipeline.counting.slices import by_ends, cuts
from pipeline.errors import Location, SourceError
from pipeline.insight import day_facts
from pipeline.intake.landed import scan_files
from pipeline.intake.lander import landed_name
from pipeline.intake.landing import Landing
from pipeline.intake.ledger import Entry
from pipeline.intake.untold import untold
from pipeline.inventory import Inventory
from pipeline.schemas import FLOWS
from pipeline.settings import Settings
from pipeline.sources.base import RAW
from pipeline.storage import digest

STAGE_VERSION = 11
"""Raised when the same landed rows would give other flows."""

_PART = pl.Schema([*RAW.items(), ("source", pl.String()), ("source_file", pl.String()), ("ingest_id", pl.String())])


_OWN_DAYS = 3
"""Days that a log of one day spans at most: its sessions may begin on the day before and end on the day after."""
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
    made_from = landing.ledger.made_from(day, settings.counting.attribute)
    files = sorted((e.source, e.watched, p.content) for e, parts in made_from for p in parts)
    return {
        "files": digest(json.dumps(files)),
        "inventory": inventory.fingerprint(day),
        "timezone": settings.timezone,
        "counting": settings.counting.model_dump_json(),
        "stage": str(STAGE_VERSION),
    }


def failed_files(landing: Landing, day: dt.date, timezone: str) -> list[Entry]:
    """The files that could not be read and belong to a day, by their path or by their first lines."""
    return [e for _, e in sorted(landing.ledger.entries.items()) if e.fails(day, timezone)]


def build_flows(
    landing: Landing, settings: Settings, inventory: Inventory, day: dt.date, slice_rows: int = SLICE_ROWS
) -> DayFlows:
    """The flows of one day, in slices of time that each fit in memory.

    Raises:
        SourceError: a file of this day could not be read, or a source could not be listed; the message names it.
    """
    if (unlisted := untold(landing, settings.sources, day)) is not None:
        raise SourceError(unlisted.message, where=Location(day=day.isoformat()))
    if bad := failed_files(landing, day, settings.timezone):
        more = f" ({len(bad) - 1} more)" if len(bad) > 1 else ""
        raise SourceError(f"{bad[0].reason}{more}", where=Location(day=day.isoformat()))
    entries = landing.ledger.feeding(day)
    made = DayFlows(flow_inputs(landing, settings, inventory, day), _account(entries))
    part = Attribution.of(day, settings.timezone, settings.counting.attribute)
    raw = _landed_rows(landing, day, part, _rules(settings).window)
    if settings.counting.sampled == "multiplied":
        raw = raw.with_columns(estimated(c) for c in COUNTS)
    job = _Job(settings, inventory, day, part, slice_rows, landing.storage.workspace)
    made.facts["drift"] = day_facts.file_facts(entries, day)
    made.slices = _slices(raw, job, made.facts)
    return made


def _rules(settings: Settings) -> Rules:
    return Rules(dt.timedelta(seconds=settings.counting.window_seconds), settings.counting.sensors)


@dataclass(frozen=True)
class _Job:
    """What the slices of a day have in common."""

    settings: Settings
    inventory: Inventory
    day: dt.date
    part: Attribution
    slice_rows: int
    folder: Path


def _slices(raw: pl.LazyFrame, job: _Job, facts: dict[str, Any]) -> Iterator[pl.DataFrame]:
    """Conformed flows, slice by slice in time; facts are complete when the last one was taken."""
    known = _known_ends(raw, job.inventory, job.day)
    raw = _touching(raw, known, job.settings)
    here = raw.filter(job.part.holds())
    layers, dropped, tally = layers_of(here), [Dropped()], day_facts.DayTally()
    rules = _rules(job.settings)

    def counted(rows: pl.DataFrame) -> pl.DataFrame:
        flows, lost = count_once(rows, rules, job.part)
        dropped[0] = dropped[0].plus(lost)
        made = FLOWS.conform(_canonical(choose_layer(flows, layers), known))
        tally.take(made)
        return made

    times = here.select("start_time").collect(engine="streaming")["start_time"]
    stretches = cuts(times, job.slice_rows, job.part.first, job.part.end)
    if len(times) <= job.slice_rows:
        yield counted(raw.collect(engine="streaming"))
    elif job.part.rule == "start" and not needs_sessions(raw):
        for first, end in stretches:  # Records of one session start at the same instant, so that no slice parts them.
            yield counted(
                raw.filter((pl.col("start_time") >= first) & (pl.col("start_time") < end)).collect(engine="streaming")
            )
    else:
        buckets = -(-len(times) // job.slice_rows)
        yield from (FLOWS.conform(f) for f in by_ends(raw, buckets, counted, stretches, job.folder))
    facts |= {"records": len(times), "overlapping": tally.overlapping, **asdict(dropped[0])}
    facts["clocks_apart"] = tally.apart.facts()
    facts["drift"] |= tally.facts(job.inventory)
    named = layers.select("source", layer_name()).sort("source")
    facts["bytes_layers"] = dict(named.iter_rows())


def _known_ends(raw: pl.LazyFrame, inventory: Inventory, day: dt.date) -> pl.DataFrame:
    """The categories that hold on the day, of all addresses that have one: columns ip, category."""
    ends = [raw.select(ip=f"{side}_ip") for side in ("src", "dest")]
    return inventory.category_frame(pl.concat(ends).unique().collect(engine="streaming")["ip"], day)


def _touching(raw: pl.LazyFrame, known: pl.DataFrame, settings: Settings) -> pl.LazyFrame:
    """Rows of which an end is known on the day, and all of sources that keep all.

    What else was landed depends on when, and must not decide how the rest is counted.
    """
    ips = known["ip"].implode()
    keep_all = [s.name for s in settings.sources if s.keep == "all"]
    return raw.filter(pl.col("src_ip").is_in(ips) | pl.col("dest_ip").is_in(ips) | pl.col("source").is_in(keep_all))


def _landed_rows(landing: Landing, day: dt.date, part: Attribution, margin: dt.timedelta) -> pl.LazyFrame:
    """The landed rows of the day, and those near it in the same stretches of files, with their provenance.

    Of several sources, or by ends, also those of sessions that only last into it: see `Ledger.made_from`.
    """
    made_from = landing.ledger.made_from(day, part.rule)
    reaching = part.rule == "end" or len({e.source for e, _ in made_from}) > 1
    near = replace(part, first=part.first - margin, end=part.end + margin)
    near = replace(near, rule="spread") if reaching else near
    stretches = [
        (entry, file)
        for entry, parts in made_from
        for stretch in parts
        if reaching or day.isoformat() in stretch.rows
        for file in stretch.files
    ]
    paths = landing.storage.whole([landed_name(f) for _, f in stretches])
    whence = [{"source": e.source, "source_file": e.name, "ingest_id": digest(e.source, e.name)} for e, _ in stretches]
    frames = [
        rows.filter(near.holds()).with_columns(pl.col("dvc").fill_null(pl.col("source"))).select(_PART.names())
        for rows in scan_files(list(zip(paths, whence, strict=True)))
    ]
    return pl.concat(frames) if frames else pl.LazyFrame(schema=_PART)


def _canonical(flows: pl.DataFrame, known: pl.DataFrame) -> pl.DataFrame:
    """Canonical columns and the categories of both ends."""
    for side in ("src", "dest"):
        ends = flows.select(ip=f"{side}_ip")  # Joined alone, so that no other column is copied.
        named = ends.join(known, on="ip", how="left", maintain_order="left")["category"]
        flows = flows.with_columns(named.alias(f"{side}_category"))
    duration = pl.duration(microseconds=pl.col("duration"), time_unit="us")
    native = pl.col("uid") if flows["uid"].null_count() == 0 else pl.coalesce("uid", _ends())
    return flows.with_columns(
        flow_uid=pl.concat_str(pl.col("source"), pl.lit("/"), pl.col("dvc"), pl.lit("/"), native),
        end_time=pl.col("start_time") + duration,
        duration=duration,
        bytes=pl.col("total_bytes"),
        sampling_rate=pl.col("sampling_rate").fill_null(1.0),
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


def lines_read(facts: Mapping[str, Any]) -> int:
    """Lines that were read for a day, by the facts of its flows; none where every one of them was set aside."""
    lines, aside = int(facts.get("lines", 0)), int(facts.get("quarantined", 0))
    return 0 if aside and lines <= aside + int(facts.get("comments", 0)) else lines


def _account(entries: list[Entry]) -> dict[str, Any]:
    """What became of the lines of the files that fed the day, for status, checks and the UI."""
    reasons: Counter[str] = Counter()
    warnings: Counter[str] = Counter()
    for entry in entries:
        reasons.update(entry.account.quarantined)
        warnings.update(entry.account.warnings)
    accounts = [e.account for e in entries]
    own: Counter[str] = Counter()
    for entry, account in zip(entries, accounts, strict=True):
        own[entry.source] += account.records if entry.days_spanned <= _OWN_DAYS else 0
    return {
        "files": len(entries),
        "lines": sum(a.lines for a in accounts),
        "comments": sum(a.comments for a in accounts),
        "others": sum(a.others for a in accounts),
        "ignored": sum(a.ignored for a in accounts),
        "read": sum(a.flows for a in accounts),
        "lines_of_sources": {source: lines for source, lines in sorted(own.items()) if lines},
        "quarantined": sum(reasons.values()),
        "quarantined_by_reason": dict(sorted(reasons.items())),
        "warnings": dict(sorted(warnings.items())),
    }
