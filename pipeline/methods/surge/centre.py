"""What a client's day should be: its own past, drawn towards its group and role as far as it has little past.

An empirical-Bayes model of log volumes: normal between clients, normal within one, the spread within one drawn towards
its role's. How surprising a day is follows as the tail of a Student distribution. Effects of days are taken out before.
"""

from __future__ import annotations

import polars as pl

_PRIOR_FREEDOM = 6.0
"""Degrees of freedom that the role's spread counts for."""
ENOUGH_DAYS = 5
"""Clients with fewer past days say nothing of spreads."""
_GROUP_WEIGHT = 10
_ROLE_WEIGHT = 1
"""A role's own numbers count as much as the fleet's with so many clients."""
_NO_WEIGHT = 1.0
"""Stands for the numbers of a role that has no client with enough days: it is given no weight."""
_LEAST_WITHIN, _LEAST_BETWEEN = 0.01, 0.05
LEAST_CHANCE = 700.0
"""-ln of the least chance that is told: floating point has none much below, and infinite scores leave no tail."""


def histories(rows: pl.DataFrame) -> pl.DataFrame:
    """One row a client: n, m and v = number, mean and sample variance (0 below two) of its past levels."""
    past = pl.when("past").then("level")
    return rows.group_by("client", maintain_order=True).agg(
        pl.col("role", "group", "usual").first(),
        n=past.count().cast(pl.Int64),
        m=past.mean().fill_null(0.0),
        v=past.var(ddof=1).fill_null(0.0),
    )


def with_priors(clients: pl.DataFrame) -> pl.DataFrame:
    """The clients with what their like tell of them: prior (centre), within (s0^2) and between (tau^2)."""
    fleet = clients["usual"].median()
    usual, k = pl.col("usual"), pl.col("usual").count()
    roles = clients.group_by("role", maintain_order=True).agg(k.alias("k"), role_usual=usual.median())
    towards_fleet = (pl.col("k") * pl.col("role_usual").fill_null(0.0) + _ROLE_WEIGHT * pl.lit(fleet)) / (
        pl.col("k") + _ROLE_WEIGHT
    )
    groups = clients.group_by("role", "group", maintain_order=True).agg(k.alias("k_group"), group_usual=usual.median())
    towards_role = (pl.col("k_group") * pl.col("group_usual").fill_null(0.0) + _GROUP_WEIGHT * pl.col("role_prior")) / (
        pl.col("k_group") + _GROUP_WEIGHT
    )
    clients = (
        clients.join(roles.select("role", role_prior=towards_fleet), on="role", maintain_order="left", nulls_equal=True)
        .join(groups, on=["role", "group"], maintain_order="left", nulls_equal=True)
        .with_columns(prior=towards_role)
        .drop("k_group", "group_usual", "role_prior")
    )
    return clients.join(_spreads(clients), on="role", maintain_order="left", nulls_equal=True)


def _spreads(clients: pl.DataFrame) -> pl.DataFrame:
    """Variances within and between clients of each role, on a log scale drawn towards the fleet's.

    Null while no client has enough days: a guess would make scores that later ones cannot be compared with.
    """
    enough = pl.col("n") >= ENOUGH_DAYS
    away = (pl.col("m") - pl.col("prior")).filter(enough)
    own = {
        "k": enough.sum(),
        "within": pl.col("v").filter(enough).mean().fill_null(_NO_WEIGHT).clip(_LEAST_WITHIN),
        "between": (away.var(ddof=0) - (pl.col("v") / pl.col("n")).filter(enough).mean())
        .fill_null(_NO_WEIGHT)
        .clip(_LEAST_BETWEEN),
    }
    fleet = clients.select(**own).row(0, named=True)

    def drawn(name: str) -> pl.Expr:
        of_fleet = pl.lit(fleet[name] if fleet["k"] else None, pl.Float64)
        logs = pl.col("k") * pl.col(name).log() + _ROLE_WEIGHT * of_fleet.log()
        return (logs / (pl.col("k") + _ROLE_WEIGHT)).exp()

    roles = clients.group_by("role", maintain_order=True).agg(**own)
    return roles.select("role", within=drawn("within"), between=drawn("between"))


def expectations(clients: pl.DataFrame) -> pl.DataFrame:
    """The clients with centre, scale and nu of the day to come, in log bytes before the day's effect."""
    n, within = pl.col("n"), pl.col("within")
    weight = within / pl.col("between")
    freedom = (n - 1).clip(0)
    nu = _PRIOR_FREEDOM + freedom
    spread = (_PRIOR_FREEDOM * within + freedom * pl.col("v")) / nu
    return clients.with_columns(
        centre=(weight * pl.col("prior") + n * pl.col("m")) / (weight + n),
        nu=nu,
        own_scale=spread.sqrt(),
        scale=(spread * (1 + 1 / (weight + n))).sqrt(),
    )


def surprise(t: pl.Series, nu: pl.Series) -> pl.Series:
    """-ln P(Student with nu > t); null where t is, as on the very first day."""
    import scipy.stats  # noqa: PLC0415 - brings NumPy, and most commands never score

    chance = pl.Series(-scipy.stats.t.logsf(t.to_numpy(), nu.to_numpy()), dtype=pl.Float64).fill_nan(None)
    return chance.clip(None, LEAST_CHANCE)


def surprising(surprises: pl.Series, nu: pl.Series) -> pl.Series:
    """The inverse of surprise: the t of each, in deviations."""
    import scipy.stats  # noqa: PLC0415 - brings NumPy, and most commands never score

    t = scipy.stats.t.isf((-surprises).exp().to_numpy(), nu.to_numpy())
    return pl.Series("t", t, dtype=pl.Float64)
