"""What a reader of an evaluation must know of the world beside its figures: what was left out, and what is too coarse.

Sentences only; nothing is refused or judged here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence

import polars as pl

from pipeline.detections.budget import PER, Params
from pipeline.methods.surge.centre import ENOUGH_DAYS
from pipeline.methods.surge.tail import RAREST
from pipeline.wording import rate

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
_LEAST_PAST, _PAST_DAYS = 3, 30
_WIDE_CLIENTS, _WIDE_SHARE = 20, 0.2
_MOST_CAUSES = 0.5
_STRANGERS = 0.5
"""From this share of client-days on that hardly any method can judge, a reader must know."""
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
    empty = [_NO_THEFT] if judged.is_empty() else []
    return (
        *told,
        *_wide(thefts, daily["src_ip"].n_unique()),
        *_ordinary(labels, daily),
        *_gaps(daily["day"].unique(), start),
        *_strangers(daily, start),
        *_unjudged(daily),
        *empty,
    )


def _wide(thefts: pl.DataFrame, clients: int) -> list[str]:
    """A theft at very many clients is mostly a word for "none": any alert on its rows would count as a hit."""
    sizes = thefts.group_by("attack_id").agg(pl.col("src_ip").n_unique(), rows=pl.len()).sort("src_ip", "attack_id")
    wide = sizes.filter((pl.col("src_ip") >= _WIDE_CLIENTS) & (pl.col("src_ip") > _WIDE_SHARE * clients))
    return [
        f"The theft {theft!r} has {rows:,} rows at {n:,} of {clients:,} clients, on which every alert is a hit: leave "
        "attack_id empty where nothing was stolen."
        for theft, n, rows in wide.tail(1).iter_rows()
    ]


def _ordinary(labels: pl.DataFrame, daily: pl.DataFrame) -> list[str]:
    """Causes on most client-days are mostly a word for "none": where it is known, nothing there alerts."""
    key = ["day", "src_ip"]
    named = labels.filter(pl.col("cause").is_not_null()).unique(key).join(daily, on=key, how="semi").height
    if named <= _MOST_CAUSES * daily.height:
        return []
    return [
        f"{named / daily.height:.0%} of the client-days have a cause; no method alerts on those that --explained makes "
        "known. Leave cause empty where nothing happened."
    ]


def _strangers(daily: pl.DataFrame, start: dt.date) -> list[str]:
    """Addresses that change all the time have no past to be compared with, which looks like a world without alerts."""
    earlier = pl.col("day") - pl.col("day").shift(_LEAST_PAST).over("src_ip", order_by="day")
    strange = (earlier > dt.timedelta(days=_PAST_DAYS)).fill_null(True)
    judged = daily.select("day", strange=strange).filter(pl.col("day") >= start)["strange"]
    share = judged.sum() / judged.len()
    if share < _STRANGERS:
        return []
    return [
        f"{share:.0%} of the client-days judged have fewer than {_LEAST_PAST} days of their client in the "
        f"{_PAST_DAYS} days before: all methods but surge cannot judge them, and surge only as new clients, beside "
        "others that it knows. Name devices in place of addresses that change."
    ]


def _unjudged(daily: pl.DataFrame) -> list[str]:
    """Where nobody is there often enough, the surge method has no spread to judge anybody by."""
    days, enough = Params().window, pl.col("day").shift(ENOUGH_DAYS - 1).over("src_ip", order_by="day")
    runs = daily.select("day", first=enough).drop_nulls().sort("day")
    seen = daily.select("day", later="day").unique("day").sort("day")
    after = runs.join_asof(seen, on="day", strategy="forward", allow_exact_matches=False)
    if after.select((pl.col("later") - pl.col("first") <= dt.timedelta(days=days)).any()).item():
        return []
    return [
        f"No client has traffic on {ENOUGH_DAYS} of the {days} days before any day: surge has nothing to judge by and "
        "alerts on nobody."
    ]


def _gaps(days: pl.Series, start: dt.date) -> list[str]:
    """Names days without traffic: a stray early day begins the warm-up, so that nothing is left to learn from."""
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


def muteness(client_days: int, days: int, budgets: Sequence[float]) -> str | None:
    """Where so few clients are seen that channels of the surge method cannot alert within a budget.

    Args:
        client_days: client-days judged.
        days: calendar days judged, of all worlds.
        budgets: those that are judged.
    """
    past = client_days * Params().calibration / days
    least = PER * RAREST / (past + 1)
    mute = {b: [c for c, share in Params().shares.items() if b * share < least] for b in budgets}
    told = [f"at a budget of {b:g} in {_channels(channels)}" for b, channels in mute.items() if channels]
    if not told:
        return None
    return (
        f"surge tells no rate below {rate(least)} a day per 10,000 clients from the {past:,.0f} client-days or so of "
        f"{Params().calibration} days, so it cannot alert {', '.join(told)}."
    )


def _channels(names: Sequence[str]) -> str:
    if len(names) == len(Params().shares):
        return "any channel"
    return f"the {'channel' if len(names) == 1 else 'channels'} {' and '.join(names)}"
