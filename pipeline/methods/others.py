"""The others a client is compared with: exact statistics of the fleet, or of each peer group, and their gates.

The fleet is R7 of the seed's specification; a group is the same over the clients of one group. The client's own past
and the verdict belong to `pipeline.methods.seed`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pipeline import exact
from pipeline.detections.model import Rule
from pipeline.groups import Groups

_STATISTICS = {
    "group": pl.String,
    "fleet_n": pl.Int64,
    "fleet_total": pl.Int128,
    "avg_bytes": pl.Float64,
    "stdev_bytes": pl.Float64,
    "fleet_limit": pl.Int64,
}


@dataclass(frozen=True)
class Sums:
    """Exact power sums of known values."""

    n: int
    total: int
    squares: int

    def plus(self, other: Sums) -> Sums:
        """Both together."""
        return Sums(self.n + other.n, self.total + other.total, self.squares + other.squares)

    def without(self, value: int) -> Sums:
        """All but one of the values."""
        return Sums(self.n - 1, self.total - value, self.squares - value * value)


def beside_others(rows: pl.DataFrame, past: pl.DataFrame, rule: Rule, groups: Groups) -> pl.DataFrame:
    """The day's rows with fleet_n, fleet_total, avg_bytes, stdev_bytes and gate_fleet of their fleet or group.

    Args:
        rows: rows of the day: client, bytes.
        past: TRAFFIC_BASELINE rows of the rule's series.
        rule: the rule.
        groups: the site's groups.
    """
    told = [_statistics(g, s, rule) for g, s in sums_of_others(rows, past, rule, groups).items()]
    stats = pl.DataFrame(told, schema=_STATISTICS, orient="row")
    if rule.by_group:
        rows = rows.with_columns(groups.of(rows["client"]).alias("group"))
        rows = rows.join(stats, on="group", how="left", nulls_equal=True).drop("group")
    else:
        rows = rows.join(stats.drop("group"), how="cross")
    return rows.with_columns(gate_fleet=pl.col("bytes") > pl.col("fleet_limit"))


def sums_of_others(rows: pl.DataFrame, past: pl.DataFrame, rule: Rule, groups: Groups) -> dict[str | None, Sums]:
    """R7 by group of the day's clients, where the rule compares groups; else of the whole fleet, by None."""
    return _groups(rows, past, rule, groups) if rule.by_group else {None: _fleet(rows, past, rule)}


def _statistics(group: str | None, sums: Sums, rule: Rule) -> tuple[object, ...]:
    """A row of _STATISTICS: one whole number is the gate of all clients (R10)."""
    zero = rule.stdev_of_one == "zero"
    deviation = 0.0 if zero and sums.n == 1 else exact.stdev(sums.n, sums.total, sums.squares)
    limit = exact.gate(sums.n, sums.total, sums.squares, rule.fleet_threshold, stdev_of_one_is_zero=zero)
    shown = None if limit is None else min(limit, exact.INT64_MAX)
    return group, sums.n, sums.total, exact.mean(sums.n, sums.total), deviation, shown


def _fleet(rows: pl.DataFrame, past: pl.DataFrame, rule: Rule) -> Sums:
    """All known values of the window, today's included unless the rule leaves them out."""
    counted = pl.col("scope") == "fleet"
    if rule.null_client == "literal":
        counted |= pl.col("client").is_null()
    fleet = Sums(0, 0, 0)
    if rule.fleet_includes_day:
        fleet = Sums(rows["bytes"].count(), *exact.join_limbs(*rows.select(exact.power_sums()).row(0)))
    for n, total, squares in past.filter(counted).select("n_past_values", "sum_bytes", "sum_squares").iter_rows():
        fleet = fleet.plus(Sums(n, int(total), int(squares)))
    return fleet


def _counted(rule: Rule) -> pl.Expr:
    """Whether a row of a client's past counts for the rule (R5)."""
    return pl.lit(True) if rule.null_client == "literal" else pl.col("client").is_not_null()


def _groups(rows: pl.DataFrame, past: pl.DataFrame, rule: Rule, groups: Groups) -> dict[str | None, Sums]:
    """The same of each group that has a client today; clients without an address are a group of their own."""
    today = rows.with_columns(groups.of(rows["client"]).alias("group"))
    clients = past.filter((pl.col("scope") == "client") & _counted(rule))
    clients = clients.with_columns(groups.of(clients["client"]).alias("group"))
    clients = clients.join(today.select("group").unique(), on="group", how="semi", nulls_equal=True)
    found = dict.fromkeys(today["group"].unique(), Sums(0, 0, 0))
    for (group,), mine in clients.group_by("group"):
        sums = Sums(
            int(mine["n_past_values"].sum()), exact.add_texts(mine["sum_bytes"]), exact.add_texts(mine["sum_squares"])
        )
        found[group] = sums
    if rule.fleet_includes_day:
        now = today.group_by("group").agg(pl.col("bytes").count().alias("n"), *exact.power_sums())
        for group, n, *limbs in now.iter_rows():
            found[group] = found[group].plus(Sums(n, *exact.join_limbs(*limbs)))
    return found
