"""What a site could know of a world's lookalikes: tickets and plans, with their faults, and which rows they explain.

Only a drawn share of the events is offered, whole events and never single rows. The draws hang on the seed and on the
event itself, so a larger share holds the smaller one, and neither order nor later rows change what is known.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b

import polars as pl

from pipeline.context.explaining import late_explanations, shared_explanations
from pipeline.evaluation.labelled import LabelledWorld
from pipeline.simulate.known import EVENTS

SEED = 20_260
"""Names the draws; one for all worlds."""
SLIPS, CONFUSED, RUMOURS = 0.1, 0.03, 0.05
"""Shares of events dated a day early or late, of events that name a colleague, and of events that never happened."""
_GAP_DAYS = 3
"""A client's labels of one cause with no longer gap, such as a weekend, are one event."""
_COMMON_SHARE, _LEAST_COMMON = 0.5, 5
"""A cause of half of a group's clients of a day is the group's; groups of fewer clients are no group."""
EXPLAINED = pl.Schema({"day": pl.Date, "src_ip": pl.String, "explained_by": pl.String})


@dataclass(frozen=True)
class Context:
    """What a detector may know beside the daily rows: `explained` (EXPLAINED), one row an explained client-day."""

    explained: pl.DataFrame


def offered(world: LabelledWorld, share: float) -> Context:
    """The context of a world when a share of 0..1 of its events is known."""
    if share <= 0:
        return Context(pl.DataFrame(schema=EXPLAINED))
    events = labelled_events(world) if world.events is None else world.events.select(EVENTS.names())
    known = [e for e in events.iter_rows() if next(_draws("offered", *e)) < share]
    return Context(explained_rows(world.daily, pl.DataFrame(known, schema=EVENTS, orient="row")))


def labelled_events(world: LabelledWorld) -> pl.DataFrame:
    """Events told from the labels of causes, with faults (EVENTS)."""
    told = world.labels.filter(pl.col("cause").is_not_null()).select("day", "src_ip", "cause").unique()
    rows = told.join(world.daily.select("day", "src_ip", "group"), on=["day", "src_ip"])
    common = _common(rows, world.daily)
    alone = rows.join(common, on=["day", "group", "cause"], how="anti", nulls_equal=True)
    shared = common.select(first="day", last="day", src_ip=pl.lit(None, pl.String), group="group", cause="cause")
    true = pl.concat([shared, _runs(alone)]).sort(EVENTS.names())
    names = _Names(world.daily)
    faulty = [e for event in true.iter_rows() for e in _with_faults(event, names)]
    return pl.DataFrame(faulty, schema=EVENTS, orient="row").sort(EVENTS.names())


def _common(rows: pl.DataFrame, daily: pl.DataFrame) -> pl.DataFrame:
    """day, group, cause of what befell a whole group; without groups, the fleet."""
    sizes = daily.group_by("day", "group").len("clients")
    counts = rows.group_by("day", "group", "cause").len("n")
    enough = (pl.col("clients") >= _LEAST_COMMON) & (pl.col("n") >= _COMMON_SHARE * pl.col("clients"))
    return counts.join(sizes, on=["day", "group"], nulls_equal=True).filter(enough).select("day", "group", "cause")


def _runs(rows: pl.DataFrame) -> pl.DataFrame:
    """One event for each run of days of a client and cause."""
    gap = pl.col("day").diff().over("src_ip", "cause").dt.total_days()
    rows = rows.sort("src_ip", "cause", "day").with_columns(run=(gap > _GAP_DAYS).fill_null(True).cum_sum())
    return (
        rows.group_by("src_ip", "cause", "run")
        .agg(first=pl.col("day").min(), last=pl.col("day").max())
        .select("first", "last", "src_ip", pl.lit(None, pl.String).alias("group"), "cause")
    )


Event = tuple[dt.date, dt.date, str | None, str | None, str]


class _Names:
    """Who else a careless record could name."""

    def __init__(self, daily: pl.DataFrame) -> None:
        last = daily.sort("day").group_by("src_ip").agg(pl.col("group").last())
        self.fleet = last["src_ip"].sort().to_list()
        self.group = dict(last.iter_rows())
        members = last.sort("src_ip").group_by("group").agg("src_ip")
        self.members = dict(members.iter_rows())

    def colleague(self, client: str, luck: float) -> str:
        """Somebody of the client's group."""
        return _pick(self.members[self.group[client]], luck)


def _with_faults(event: Event, names: _Names) -> Iterator[Event]:
    first, last, client, group, cause = event
    slip, side, confused, colleague, rumour, other, far = _draws("faults", *event)
    moved = dt.timedelta(days=0 if slip >= SLIPS else 1 if side < 0.5 else -1)
    named = names.colleague(client, colleague) if client is not None and confused < CONFUSED else client
    yield first + moved, last + moved, named, group, cause
    if rumour < RUMOURS and client is not None:
        away = dt.timedelta(days=round(far * 60) - 30)
        yield first + away, last + away, _pick(names.fleet, other), None, cause


def _pick(names: list[str], luck: float) -> str:
    return names[min(int(luck * len(names)), len(names) - 1)]


def _draws(topic: str, *facts: object) -> Iterator[float]:
    """Seven uniform numbers of 0..1 that hang on the facts alone."""
    text = "\x1f".join((topic, str(SEED), *map(str, facts)))
    numbers = blake2b(text.encode(), digest_size=56).digest()
    return (int.from_bytes(numbers[i : i + 8], "big") / 2**64 for i in range(0, 56, 8))


def explained_rows(daily: pl.DataFrame, events: pl.DataFrame) -> pl.DataFrame:
    """Which client-days the events explain (EXPLAINED), a row each, by day and client.

    An event of a client explains its days, and the day after where it came late. An event of a group or of all explains
    a row only as far as the others show it.
    """
    spans = events.with_columns(day=pl.date_ranges("first", "last")).explode("day", empty_as_null=False)
    rows = daily.select("day", "group", client="src_ip", bytes="bytes_in")
    named = spans.filter(pl.col("src_ip").is_not_null()).select("day", client="src_ip", cause="cause")
    own = rows.join(named, on=["day", "client"]).select("day", "client", "cause")
    shared = shared_explanations(rows, spans.filter(pl.col("src_ip").is_null()).select("day", "group", "cause"))
    told = pl.concat([own, late_explanations(rows, named), shared]).select("day", src_ip="client", explained_by="cause")
    return told.group_by("day", "src_ip").agg(pl.col("explained_by").min()).sort("day", "src_ip")
