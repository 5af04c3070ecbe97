"""What a reader of an evaluation must know of the world beside its figures: what was left out, and what is too coarse.

Sentences only; nothing is refused or judged here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

import polars as pl

from pipeline.detections.budget import PER

QUIET = "row of 0 bytes is no traffic and left out", "rows of 0 bytes are no traffic and left out"
REPEATED = "row of labels repeats another one and is left out", "rows of labels repeat others and are left out"
"""Of one, and of many."""
_MISSED = "theft has no row with traffic and counts as missed", "thefts have no row with traffic and count as missed"
_STRANGE = "labelled client has no traffic on any day", "labelled clients have no traffic on any day"
_SILENT = (
    "row of a theft has no traffic, so no alert can stand there",
    "rows of thefts have no traffic, so no alert can stand there",
)
_EMPTY = (
    "row of labels names neither a theft nor a cause and says nothing",
    "rows of labels name neither a theft nor a cause and say nothing",
)
_NO_THEFT = "No theft is judged: there are false alerts to tell, and no recall."


def world_notes(
    daily: pl.DataFrame, labels: pl.DataFrame, start: dt.date, left_out: Mapping[tuple[str, str], int]
) -> tuple[str, ...]:
    """Sentences on a labelled world.

    Args:
        daily: its rows with traffic.
        labels: its labels.
        start: the first day judged.
        left_out: how many rows of which kind, in words of one and of many, are in neither.
    """
    thefts, key = labels.filter(pl.col("attack_id").is_not_null()), ["day", "src_ip"]
    early = thefts.group_by("attack_id").agg(pl.col("day").min()).filter(pl.col("day") < start)
    seen, judged = thefts.join(daily, on=key, how="semi"), thefts.join(early, on="attack_id", how="anti")
    begin = f"before {start}, in the warm-up, and"
    found = dict(left_out) | {
        (f"theft begins {begin} is not judged", f"thefts begin {begin} are not judged"): early.height,
        _SILENT: thefts.height - seen.height,
        _MISSED: judged.join(seen, on="attack_id", how="anti")["attack_id"].n_unique(),
        _STRANGE: labels.join(daily, on="src_ip", how="anti")["src_ip"].n_unique(),
        _EMPTY: labels.filter(pl.col("attack_id").is_null() & pl.col("cause").is_null()).height,
    }
    told = [f"{n:,} {one if n == 1 else many}." for (one, many), n in found.items() if n]
    return (*told, *_gaps(daily["day"].unique(), start), *([_NO_THEFT] if judged.is_empty() else []))


def _gaps(days: pl.Series, start: dt.date) -> list[str]:
    """A stray early day begins the warm-up, so that nothing is left to learn from: days without traffic are told."""
    first, last = days.min(), days.max()
    assert isinstance(first, dt.date)
    assert isinstance(last, dt.date)
    absent = (last - first).days + 1 - days.len()
    early = (start - first).days - int((days < start).sum())
    text = f"{absent:,} of the {(last - first).days + 1:,} days from {first} to {last} have no traffic"
    return [f"{text}, {early} of them of the {(start - first).days} that warm up."] if absent else []


def coarseness(client_days: int, days: int, calibration: int, budget: float) -> str | None:
    """Where so few clients are seen that a budget cannot be told from the past: among n scores none is rarer than 1/n.

    Args:
        client_days: client-days judged.
        days: calendar days judged, of all worlds.
        calibration: days that tell how rare a score is.
        budget: the smallest budget that is judged.
    """
    past = client_days * calibration / days
    if past * budget >= PER:
        return None
    return (
        f"{calibration} days hold some {past:,.0f} client-days, among which no score is known to be rarer than "
        f"{PER / max(past, 1):,.0f} a day per 10,000 clients: at smaller budgets all methods but surge alert on every "
        "score higher than any before, and may cost more than the budget."
    )
