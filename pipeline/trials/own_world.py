"""A site's own client-days as a labelled world: thefts of every size are planted into a copy of them.

So methods can be judged on the traffic that they will meet (`pipeline.evaluation`), where a simulated world rests on
assumptions. Which thefts there are and who is robbed is drawn as in simulated worlds; nothing stored is changed. One
theft at one client, for a rule on trial, is `pipeline.simulate.inject`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import polars as pl

from pipeline.context.model import Context
from pipeline.detections import Rule
from pipeline.errors import ConfigError
from pipeline.evaluation.labelled import LABELS, WARMUP_DAYS
from pipeline.exact import INT64_MAX
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.simulate.attacks import FEWEST_DAYS, Fleet, Theft, plan_thefts
from pipeline.simulate.settings import Attack
from pipeline.site import Site
from pipeline.surge.clients import CLIENT, client_days

NAT = "nat"
"""The role of an address that many clients share."""
NEW = "planted"
"""Begins the name of an address that only a theft made."""
OWN_LABELS = pl.Schema(LABELS | {"extra": pl.Int64()})
"""LABELS, and the bytes that a theft added; null on rows that a known event explains."""
_WEEKEND = (6, 7)
_USUAL_BYTES = 1.5e7
"""A working day where no client has one: that of the simulator."""


@dataclass(frozen=True)
class OwnWorld:
    """What `evaluate` reads, and the thefts.

    Attributes:
        daily: day, src_ip, bytes_in, group, role: one row a client-day with traffic, that of thefts included.
        labels: OWN_LABELS: client-days of thefts, and those that the site's known events explain (cause).
        thefts: attack_id, basket, first, last, hosts, extra: one row a theft.
    """

    daily: pl.DataFrame
    labels: pl.DataFrame
    thefts: pl.DataFrame


def own_rows(site: Site, rule: Rule, days: Sequence[dt.date], context: Context) -> pl.DataFrame:
    """The site's client-days as the surge method sees them: day, src_ip, bytes_in, group, role, cause.

    Args:
        site: where the days are stored.
        rule: of method surge; says which volume.
        days: stored ones; roles and groups are those of the last.
        context: who is whom, and which days are explained (cause).
    """
    stored = site.storage.scan(DAILY_TRAFFIC, days)
    rows = client_days(stored, rule, site.inventory, max(days), context, site.groups).rows
    names = {"src_ip": "client", "bytes_in": "bytes", "group": "group", "role": "role", "cause": "explained_by"}
    return rows.filter(pl.col("bytes") > 0).select("day", **names)


def own_world(rows: pl.DataFrame, off: Sequence[dt.date], attacks: Sequence[Attack], seed: int) -> OwnWorld:
    """Plant thefts into client-days; equal arguments give equal frames.

    Args:
        rows: day, src_ip, bytes_in above 0, group, role, cause; one row a client-day.
        off: days on which little is done; what is stolen on days off is planted there.
        attacks: what to plant, after the first 45 days. An ordinary client has the role `client` and 15 working days
            with traffic in those, one with fewer is a sparse one; the role `nat` is that of gateways.
        seed: names who is robbed, and when.

    Raises:
        ConfigError: the days end before there is one to rob.
    """
    days = rows["day"].unique().sort()
    first_robbed = _first_robbed(days)
    names = rows.group_by("src_ip").agg(pl.col("group", "role").last()).sort("src_ip")
    groups = names["group"].unique().sort()
    fleet = _fleet(rows, names, days, set(off), first_robbed)
    thefts, newcomers = plan_thefts(fleet, attacks, seed)
    new = [f"{NEW}-{number + 1:03d}" for number in range(newcomers.size)]
    known = pl.DataFrame({"src_ip": new, "group": groups.gather(newcomers), "role": [CLIENT] * len(new)})
    everybody = pl.concat([names, known.cast(names.schema)])
    stolen = _stolen(thefts, days, everybody["src_ip"])
    explained = rows.filter(pl.col("cause").is_not_null()).join(stolen, on=["day", "src_ip"], how="anti")
    labels = pl.concat([stolen, explained.select("day", "src_ip", "cause")], how="diagonal")
    return OwnWorld(
        _robbed(rows, stolen, everybody),
        labels.select(OWN_LABELS.names()).cast(OWN_LABELS).sort("day", "src_ip"),
        _summary(stolen),
    )


def days_off(days: Sequence[dt.date], context: Context) -> list[dt.date]:
    """Those that the site's calendar calls off; weekends where it does not know."""
    told = {day: context.off(day) for day in days}
    return [day for day, off in told.items() if (day.isoweekday() in _WEEKEND if off is None else off)]


def _first_robbed(days: pl.Series) -> dt.date:
    first, last = days.min(), days.max()
    if not isinstance(first, dt.date) or not isinstance(last, dt.date):
        raise ConfigError("no client received a byte on these days.", remedy="Choose days with traffic.")
    robbed = first + dt.timedelta(days=WARMUP_DAYS)
    if last < robbed:
        raise ConfigError(
            f"the days from {first} to {last} are too few: the first {WARMUP_DAYS} say what is usual, and thefts come "
            "after them.",
            remedy=f"Choose days up to {robbed} at least, or an earlier first one.",
        )
    return robbed


def _fleet(rows: pl.DataFrame, names: pl.DataFrame, days: pl.Series, off: set[dt.date], first_robbed: dt.date) -> Fleet:
    """The clients by name and the days with traffic as rows and columns."""
    volume = np.zeros((names.height, len(days)), np.int64)
    who, when = names["src_ip"].search_sorted(rows["src_ip"]), days.search_sorted(rows["day"])
    volume[who.to_numpy(), when.to_numpy()] = rows["bytes_in"].to_numpy()
    groups = names["group"].unique().sort()
    rest = days.is_in(list(off)).to_numpy()
    early = (days < first_robbed).to_numpy()
    ordinary = (names["role"] == CLIENT).to_numpy()
    seen = (volume[:, early & ~rest] > 0).sum(axis=1)
    return Fleet(
        volume=volume,
        off=rest,
        group=groups.search_sorted(names["group"]).to_numpy().astype(np.int64),
        groups=len(groups),
        victims={
            "client": ordinary,
            "sparse": ordinary & (seen < FEWEST_DAYS),
            "nat": (names["role"] == NAT).to_numpy(),
        },
        warmup_days=int(early.sum()),
        median_bytes=_USUAL_BYTES,
    )


def _stolen(thefts: Sequence[Theft], days: pl.Series, names: pl.Series) -> pl.DataFrame:
    """day, src_ip, attack_id, basket, extra: one row a robbed client-day."""
    rows = [
        (days[int(day)], names[int(host)], theft.attack_id, theft.attack.basket, int(theft.amounts[i, j]))
        for theft in thefts
        for i, host in enumerate(theft.hosts)
        for j, day in enumerate(theft.days)
    ]
    columns = ("day", "src_ip", "attack_id", "basket", "extra")
    schema = {c: OWN_LABELS[c] for c in columns}
    return pl.DataFrame(rows, schema=schema, orient="row").filter(pl.col("extra") > 0)


def _robbed(rows: pl.DataFrame, stolen: pl.DataFrame, names: pl.DataFrame) -> pl.DataFrame:
    """The client-days with what was stolen on top, up to the largest Int64."""
    both = rows.select("day", "src_ip", "bytes_in").join(
        stolen.select("day", "src_ip", "extra"), on=["day", "src_ip"], how="full", coalesce=True
    )
    extra = pl.col("extra").fill_null(0)
    total = pl.min_horizontal(pl.col("bytes_in").fill_null(0), INT64_MAX - extra) + extra
    return both.select("day", "src_ip", bytes_in=total).join(names, on="src_ip", how="left").sort("day", "src_ip")


def _summary(stolen: pl.DataFrame) -> pl.DataFrame:
    """One row a theft."""
    found = stolen.group_by("attack_id", "basket").agg(
        first=pl.col("day").min(),
        last=pl.col("day").max(),
        hosts=pl.col("src_ip").n_unique(),
        extra=pl.col("extra").sum(),
    )
    return found.sort("attack_id")
