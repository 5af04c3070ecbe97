"""The context of a site, checked: who holds an address, what a host is, what is known of a day, and fingerprints.

Look-ups are by day. Which addresses there are, and what the answers mean for scores, is for the surge method's own
modules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import polars as pl
import radix

from pipeline.content import content_fingerprint
from pipeline.storage import digest

WINDOW_INPUTS = ("entities", "known_events")
"""Inputs that count on every day of a window; the others on the day judged alone."""


@dataclass(frozen=True, eq=False)
class ContextTable:
    """One input: its rows (the input's columns, start, end), how many were written, and a hash of its bytes."""

    name: str
    file: str
    rows: int
    frame: pl.DataFrame
    fingerprint: str
    unread: tuple[str, ...] = ()
    """Columns that are not looked at."""

    def on(self, day: dt.date) -> pl.DataFrame:
        """What holds on a day, without its dates, in a fixed order."""
        valid = self.frame.filter((pl.col("start") <= day) & (day < pl.col("end"))).drop("start", "end")
        return valid.unique().sort(valid.columns, nulls_last=True)


@dataclass(frozen=True, eq=False)
class Context:
    """All inputs of a site by name; an absent one says nothing."""

    tables: Mapping[str, ContextTable]
    _digests: dict[tuple[str, dt.date], str] = field(default_factory=dict)

    def fingerprints(self, days: Sequence[dt.date], day: dt.date) -> dict[str, str]:
        """For each input that says something of the days that count: a hash of just that.

        Args:
            days: the days of the window, the day judged among them.
            day: the day judged.
        """
        found = {}
        for name in self.tables:
            said = [self._digest(name, d) for d in (days if name in WINDOW_INPUTS else [day])]
            if any(said):
                found[name] = digest(*said)
        return found

    def _digest(self, name: str, day: dt.date) -> str:
        key = (name, day)
        if key not in self._digests:
            rows = self.tables[name].on(day)
            self._digests[key] = content_fingerprint(rows) if rows.height else ""
        return self._digests[key]

    def off(self, day: dt.date) -> bool | None:
        """Whether the calendar calls the day off; None where it does not know."""
        if (table := self.tables.get("calendar")) is None:
            return None
        told = table.on(day)["off"]
        return bool(told[0]) if told.len() else None

    def with_assets(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows (day, ip) with the asset that holds the address on the day; null where none is known."""
        return rows.join(self.leases(rows["day"]), on=["day", "ip"], how="left", maintain_order="left")

    def leases(self, days: pl.Series) -> pl.DataFrame:
        """Who holds which address, with traffic or without, on each day of the span: day, ip, asset."""
        held = self._daily("entities", days)
        if held is None:
            return pl.DataFrame(schema={"day": pl.Date, "ip": pl.String, "asset": pl.String})
        return held.select("day", "asset", ip="address")

    def of_hosts(self, name: str, hosts: pl.DataFrame, day: dt.date) -> pl.DataFrame:
        """What an input (host_roles, groups) says on a day of hosts (ip, asset): their rows that it knows.

        What is said of the asset counts before what is said of its address, and the longest prefix before others.
        """
        values = ["role", "exclude"] if name == "host_roles" else ["group"]
        if (table := self.tables.get(name)) is None:
            return hosts.clear().with_columns(table_free(values))
        valid = table.on(day)
        by_asset = hosts.join(valid.filter(pl.col("asset").is_not_null()).drop("address"), on="asset")
        named = valid.filter(pl.col("address").is_not_null()).drop("asset")
        near = covering(hosts["ip"], named["address"]).sort("ip", "length", descending=[False, True])
        nearest = near.unique("ip", keep="first", maintain_order=True)
        rest = hosts.join(by_asset, on=["ip", "asset"], how="anti")
        by_address = rest.join(nearest, on="ip").join(named, left_on="network", right_on="address")
        return pl.concat([f.select(*hosts.columns, *values) for f in (by_asset, by_address)])

    def events(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The known events of each of the rows' days: day, address (a network), asset, group, cause."""
        found = self._daily("known_events", rows["day"])
        schema = {"day": pl.Date} | dict.fromkeys(("address", "asset", "group", "cause"), pl.String)
        return pl.DataFrame(schema=schema) if found is None else found.select(list(schema))

    def _daily(self, name: str, days: pl.Series) -> pl.DataFrame | None:
        """One row a day and row that holds on it, between the first and the last of the days; None without any."""
        first, last = days.min(), days.max()
        if (table := self.tables.get(name)) is None or not isinstance(first, dt.date) or not isinstance(last, dt.date):
            return None
        after = last + dt.timedelta(days=1)
        valid = table.frame.filter((pl.col("start") <= last) & (pl.col("end") > first))
        spans = pl.date_ranges(pl.col("start").clip(first), pl.col("end").clip(None, after), closed="left")
        return valid.with_columns(day=spans).drop("start", "end").explode("day", empty_as_null=False).unique()


NOTHING = Context({})
"""The context of a site that gives none."""


def table_free(values: Iterable[str]) -> list[pl.Expr]:
    """Empty columns of a look-up without a table."""
    return [pl.lit(None, pl.Boolean if v == "exclude" else pl.String).alias(v) for v in values]


def covering(ips: pl.Series, networks: pl.Series) -> pl.DataFrame:
    """Which of the networks hold which of the addresses: ip, network, length (of the prefix).

    Networks of one address are joined; only larger ones are looked up one by one.
    """
    hosts = pl.DataFrame({"ip": ips.drop_nulls().unique().sort()})
    given = pl.DataFrame({"network": networks.drop_nulls().unique().sort()})
    suffix = pl.when(pl.col("ip").str.contains(":", literal=True)).then(pl.lit("/128")).otherwise(pl.lit("/32"))
    single = hosts.with_columns(network=pl.col("ip") + suffix)
    whole = given.filter(~pl.col("network").str.contains(r"(?:\..*/32|:.*/128)$"))["network"]
    tree, pairs = radix.Radix(), []
    for network in whole:
        tree.add(network)
    if whole.len():
        pairs = [(ip, n.prefix) for ip in hosts["ip"] for n in tree.search_covering(ip)]
    found = pl.DataFrame(pairs, schema={"ip": pl.String, "network": pl.String}, orient="row")
    found = pl.concat([single.join(given, on="network"), found]).unique().sort("ip", "network")
    return found.with_columns(length=pl.col("network").str.extract(r"/(\d+)$", 1).cast(pl.Int64))
