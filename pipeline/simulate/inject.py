"""Planting thefts of a stated size into a copy of anybody's own daily table, to see whether they would be found.

The table given is never changed. Whole simulated worlds, with their own thefts, are made in `pipeline.simulate.world`.
"""

from __future__ import annotations

import datetime as dt
import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from pipeline.errors import Location, NilometerError
from pipeline.exact import INT64_MAX

_LARGEST = 10**15
LABELS = pl.Schema({"day": pl.Date, "client": pl.String, "attack_id": pl.String, "extra": pl.Int64})
"""Columns of the labels: a robbed client-day, its theft, and the bytes that were added to it."""


class InjectionError(NilometerError):
    """A theft cannot be planted into this table as asked."""


@dataclass(frozen=True, kw_only=True)
class Injection:
    """A theft to plant.

    Attributes:
        attack_id: its name in the labels.
        first: its first day; the only one, whatever weekday, when `days` is 1.
        size: what is taken a day from each client; a ramp ends with it. Up to 10^15 bytes.
        unit: of size: bytes, or `times` the client's own median over its days before `first`.
        days: working days it lasts, from `first` on.
        ramp: whether it grows by equal steps from size / days to size.
        clients: who is robbed, each on all the days; empty: drawn at random.
        hosts: how many to draw.
        past_days: days before `first` that a drawn client has at least.
    """

    attack_id: str
    first: dt.date
    size: float
    unit: Literal["bytes", "times"] = "bytes"
    days: int = 1
    ramp: bool = False
    clients: tuple[str, ...] = ()
    hosts: int = 1
    past_days: int = 1

    def __post_init__(self) -> None:
        if not 0 <= self.size <= _LARGEST or self.days < 1 or self.hosts < 1:
            raise ValueError(f"theft {self.attack_id}: size must be in 0..10^15, days and hosts at least 1")

    def on(self, weekend: Collection[int], holidays: Collection[dt.date]) -> list[dt.date]:
        """The days of the theft."""
        found, day = ([self.first] if self.days == 1 else []), self.first
        while len(found) < self.days:
            if day.isoweekday() not in weekend and day not in holidays:
                found.append(day)
            day += dt.timedelta(days=1)
        return found


def inject(
    daily: pl.DataFrame,
    thefts: Sequence[Injection],
    *,
    seed: int = 0,
    weekend: Collection[int] = (6, 7),
    holidays: Collection[dt.date] = (),
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Plant thefts into a copy of a daily table.

    Args:
        daily: one row a (day: Date, client: String), with bytes: integer, null when unknown; more columns are kept, and
            are null in rows that only a theft made.
        thefts: what to plant; no client-day can be robbed twice.
        seed: names the clients drawn at random; nobody is drawn twice.
        weekend: ISO weekdays without work.
        holidays: more days without work.

    Returns:
        The copy, sorted by day and client, with bytes as Int64 and an unknown count on a robbed day taken for 0; and
        the labels (LABELS). Bytes stop at the largest Int64; `extra` is what was really added. A theft of nothing on a
        day without a row leaves no row and no label.

    Raises:
        InjectionError: the table is of another form, or a client to rob or to draw is not there.
    """
    _check(daily)
    if set(weekend) >= set(range(1, 8)):
        raise ValueError("weekend must leave a working day")
    chance = random.Random(f"{seed}:inject")  # noqa: S311 - a simulation, nothing secret
    taken = {client for theft in thefts for client in theft.clients}
    rows: list[tuple[dt.date, str, str, int]] = []
    for theft in thefts:
        past = daily.lazy().filter(pl.col("day") < theft.first, pl.col("bytes").is_not_null())
        usual = past.group_by("client").agg(n=pl.len(), median=pl.col("bytes").median()).collect()
        clients = theft.clients or _drawn(theft, usual, taken, chance)
        taken.update(clients)
        days = theft.on(weekend, holidays)
        for client, full in zip(clients, _sizes(theft, clients, usual), strict=True):
            for step, day in enumerate(days, 1):
                rows.append((day, client, theft.attack_id, round(full * step / len(days)) if theft.ramp else full))
    return _planted(daily, pl.DataFrame(rows, schema=LABELS, orient="row"))


def _check(daily: pl.DataFrame) -> None:
    wanted = {"day": daily.schema.get("day") == pl.Date, "client": daily.schema.get("client") == pl.String}
    wanted["bytes"] = bool(daily.schema.get("bytes", pl.Null).is_integer())
    for column, fits in wanted.items():
        if not fits:
            found = daily.schema.get(column)
            what = "is missing" if found is None else f"is {found}"
            remedy = "A daily table has day (Date), client (String) and bytes (an integer)."
            raise InjectionError(f"the column {what}.", where=Location(column=column), remedy=remedy)
    if twice := daily.select("day", "client").filter(pl.struct("day", "client").is_duplicated()).head(1).rows():
        day, client = twice[0]
        raise InjectionError(
            f"{client} has several rows.", where=Location(day=str(day)), remedy="Give one measure's rows, one a day."
        )


def _drawn(theft: Injection, usual: pl.DataFrame, taken: set[str], chance: random.Random) -> tuple[str, ...]:
    known = usual.filter(pl.col("n") >= theft.past_days, pl.col("client").is_not_null())
    pool = sorted(set(known["client"].to_list()) - taken)
    if len(pool) < theft.hosts:
        raise InjectionError(
            f"{theft.attack_id}: only {len(pool)} clients with {theft.past_days} days before are left to draw "
            f"{theft.hosts} from.",
            where=Location(day=str(theft.first)),
            remedy="Choose a later day, or ask for fewer.",
        )
    return tuple(chance.sample(pool, theft.hosts))


def _sizes(theft: Injection, clients: Sequence[str], usual: pl.DataFrame) -> list[int]:
    """Bytes a day of each client."""
    if theft.unit == "bytes":
        return [round(theft.size)] * len(clients)
    medians = dict(zip(usual["client"].to_list(), usual["median"].to_list(), strict=True))
    if strange := [c for c in clients if c not in medians]:
        raise InjectionError(
            f"{theft.attack_id}: {strange[0]} has no day before that a median could be of.",
            where=Location(day=str(theft.first)),
            remedy="Give its size in bytes, or choose a later day.",
        )
    return [min(round(theft.size * medians[c]), _LARGEST) for c in clients]


def _planted(daily: pl.DataFrame, stolen: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    twice = stolen.filter(pl.struct("day", "client").is_duplicated()).sort("day", "client")
    if twice.height:
        day, client = twice.row(0)[:2]
        raise InjectionError(
            f"{client} would be robbed twice.", where=Location(day=str(day)), remedy="Keep the thefts apart."
        )
    marks = stolen.rename({"attack_id": "_attack_id", "extra": "_extra"})
    joined = daily.with_columns(_seen=True).join(marks, on=["day", "client"], how="full", coalesce=True)
    before = pl.col("bytes").cast(pl.Int128).clip(upper_bound=INT64_MAX)
    after = (before.fill_null(0) + pl.col("_extra")).clip(upper_bound=INT64_MAX)
    joined = joined.filter(pl.col("_seen") | (pl.col("_extra") > 0)).with_columns(
        bytes=pl.when(pl.col("_extra").is_null()).then(before).otherwise(after).cast(pl.Int64),
        _extra=(after - before.fill_null(0)).cast(pl.Int64),
    )
    joined = joined.sort("day", "client")
    robbed = joined.filter(pl.col("_attack_id").is_not_null())
    labels = robbed.select("day", "client", attack_id="_attack_id", extra="_extra")
    return joined.select(daily.columns), labels
