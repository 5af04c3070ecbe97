"""The power map: for every client of a day the fewest extra bytes that would make a rule alert, or why none would.

It asks the methods' own gates, solved for the volume; nothing is judged or stored here. What a site's thefts would look
like is not its business: it plants nothing.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

import polars as pl

from pipeline import exact
from pipeline.detections.budget import CHANNELS
from pipeline.detections.model import Rule
from pipeline.errors import RuleError
from pipeline.methods import seed
from pipeline.methods.others import Sums, fleet_sums
from pipeline.methods.surge.calibration import Calibration
from pipeline.schemas import DAILY_TRAFFIC, SURGE_SCORES, TRAFFIC_BASELINE, Column, Table
from pipeline.site import Site
from pipeline.surge_days import verdict_days

_INT64_MAX = 2**63 - 1
REASONS = {
    "no_history": "no known day in the window before",
    "too_few_samples": "fewer days than minimum_data_samples",
    "deviation_unknown": "one past day tells no deviation (stdev_of_one: null)",
    "masked": "the fleet's window is so short that any value hides in the deviation it makes itself",
    "beyond_counting": "only a volume that no 64 bits hold",
    "learning": "too few scored days before to tell what is rare",
    "budget_too_small": "no volume is rare enough for the budget after so few client-days",
}
"""Why no volume would make a client alert."""
POWER_MAP = Table(
    "power_map",
    "One row a (day, rule, client with traffic on the day): the fewest extra bytes that would alert.",
    (
        Column("day", pl.Date, "the day", nullable=False),
        Column("rule_id", pl.String, "the rule", nullable=False),
        Column("client", pl.String, "the client's address", nullable=False),
        Column("bytes", pl.Int64, "the day's volume; null when unknown", "bytes"),
        Column("extra", pl.Int64, "fewest bytes more that would alert, 0 where it does; null when none would", "bytes"),
        Column("bound_by", pl.String, "the gate (fleet, own) or the channel (shot, slow, new) that decides"),
        Column("reason", pl.String, "why no volume would alert: " + ", ".join(REASONS)),
    ),
    ("rule_id", "client"),
    row_group_size=16_384,
)
GRID = (*(m * 10**p for p in range(6, 12) for m in (1, 2, 5)), 10**12)
"""Sizes of thefts that coverage is told for: 1 MB to 1 TB."""


def power_map(site: Site, day: dt.date, rules: Sequence[Rule]) -> pl.DataFrame:
    """Rows of POWER_MAP of a stored day under the rules; raises StorageError when the day is not stored."""
    frames = [_stored(site, day, rule) for rule in rules]
    return POWER_MAP.conform(pl.concat([POWER_MAP.empty(), *frames]))


def _stored(site: Site, day: dt.date, rule: Rule) -> pl.DataFrame:
    if rule.method == "seed" and not rule.like_seed:
        return POWER_MAP.empty()  # Groups, one gate alone, filled days and floors have no closed form here.
    if rule.method == "seed":
        today, past = (site.storage.read_day(t, day) for t in (DAILY_TRAFFIC, TRAFFIC_BASELINE))
        return seed_power(today, past, rule, day)
    scores = site.storage.scan(SURGE_SCORES, verdict_days(site, day)).filter(pl.col("rule_id") == rule.id)
    return surge_power(scores.sort("day", "client").collect(), rule, day)


def seed_power(today: pl.DataFrame, baseline: pl.DataFrame, rule: Rule, day: dt.date) -> pl.DataFrame:
    """Rows of POWER_MAP under a rule of method seed, exact to the byte: both gates solved in whole numbers.

    What is added to a client's day moves the fleet's mean and deviation, too. An unknown volume counts as 0 with
    something added to it, and is then known.

    Args:
        today: DAILY_TRAFFIC rows of the day.
        baseline: TRAFFIC_BASELINE rows of the day.
        rule: the rule.
        day: the day.

    Raises:
        RuleError: the baseline was made without this rule's series.
    """
    if not rule.like_seed:
        raise RuleError(f"rule {rule.id} is judged otherwise than the seed, so that its power cannot be solved for.")
    now, past = seed.judged_rows(today, baseline, rule, day)
    if now.is_empty():
        return POWER_MAP.empty()
    fleet = fleet_sums(now, past, rule)
    rows = seed.beside_own_past(now, past)
    gates = rows.select("n_past_values", "sum_bytes", "sum_squares").unique()
    own = [_least_own(n, total, squares, rule) for n, total, squares in gates.iter_rows()]
    volumes = rows.select("bytes").unique()
    beside = [_least_fleet(x, fleet, rule) for x in volumes["bytes"]]
    shown = "least_own", "least_fleet", "masked"
    told = (
        rows.join(
            gates.with_columns(_counted("least_own", own)),
            on=["n_past_values", "sum_bytes", "sum_squares"],
            how="left",
            nulls_equal=True,
        )
        .join(
            volumes.with_columns(
                _counted("least_fleet", beside), pl.Series("masked", [b is None for b in beside], dtype=pl.Boolean)
            ),
            on="bytes",
            how="left",
            nulls_equal=True,
        )
        .select("client", "bytes", "n", "n_past_values", *shown)
    )
    return _told(told, rule, day)


def _least_own(n: int, total: str | None, squares: str | None, rule: Rule) -> int | None:
    """The smallest volume above the client's own gate; None when the gate is not known."""
    zero = rule.stdev_of_one == "zero"
    gate = exact.gate(n, int(total or 0), int(squares or 0), rule.own_threshold, stdev_of_one_is_zero=zero)
    return None if gate is None else max(gate + 1, 0)


def _least_fleet(volume: int | None, fleet: Sums, rule: Rule) -> int | None:
    """The smallest volume above the fleet's gate, which it is part of; None when it masks itself whatever it is."""
    rest = fleet if volume is None else Sums(fleet.n - 1, fleet.total - volume, fleet.squares - volume * volume)
    return exact.least_beside(rest.n, rest.total, rest.squares, rule.fleet_threshold)


def _counted(name: str, volumes: Sequence[int | None]) -> pl.Series:
    """Whole numbers as Int128: one that Int64 does not hold stands just beyond it."""
    return pl.Series(name, [None if v is None else min(v, _INT64_MAX + 1) for v in volumes], dtype=pl.Int128)


def _told(rows: pl.DataFrame, rule: Rule, day: dt.date) -> pl.DataFrame:
    least = pl.max_horizontal("least_own", "least_fleet")
    reason = (
        pl.when(pl.col("n_past_values") == 0)
        .then(pl.lit("no_history"))
        .when(pl.col("n") < rule.minimum_data_samples)
        .then(pl.lit("too_few_samples"))
        .when(pl.col("least_own").is_null())
        .then(pl.lit("deviation_unknown"))
        .when("masked")
        .then(pl.lit("masked"))
        .when(least > _INT64_MAX)
        .then(pl.lit("beyond_counting"))
    )
    extra = (least - pl.col("bytes").fill_null(0).cast(pl.Int128)).clip(0)
    bound = pl.when(pl.col("least_fleet") > pl.col("least_own")).then(pl.lit("fleet")).otherwise(pl.lit("own"))
    can = pl.col("reason").is_null()
    return POWER_MAP.conform(
        rows.with_columns(reason=reason).select(
            day=pl.lit(day),
            rule_id=pl.lit(rule.id),
            client=pl.col("client").fill_null(seed.NULL_CLIENT),
            bytes="bytes",
            extra=pl.when(can).then(extra).cast(pl.Int64),
            bound_by=pl.when(can).then(bound),
            reason="reason",
        )
    )


def surge_power(raw: pl.DataFrame, rule: Rule, day: dt.date) -> pl.DataFrame:
    """Rows of POWER_MAP under a rule of method surge: of each channel the smallest volume that alerts, by bisection.

    Args:
        raw: raw scores of the day and of the days that calibrate it.
        rule: the rule.
        day: the day.
    """
    calibration = Calibration.before(raw, day, rule.surge)
    today = calibration.with_company(raw.filter(pl.col("day") == day))
    found = [calibration.reach(today, c, rule.surge.limit(c)).with_columns(bound_by=pl.lit(c)) for c in CHANNELS]
    least = pl.concat(found).sort("least").group_by("client", maintain_order=True).first()
    why = "learning" if calibration.learning else "budget_too_small"
    unknown = pl.col("surprise").is_null()
    extra = (pl.col("least") - pl.col("bytes")).clip(0)
    joined = today.join(least, on="client", how="left")
    return POWER_MAP.conform(
        joined.select(
            "day",
            "client",
            "bytes",
            "bound_by",
            rule_id=pl.lit(rule.id),
            extra=extra,
            reason=pl.when(unknown).then(pl.lit("no_history")).when(extra.is_null()).then(pl.lit(why)),
        )
    )


def coverage(power: pl.DataFrame, sizes: Sequence[int] = GRID) -> pl.DataFrame:
    """One row a (rule, size): the share of the day's clients whose theft of so many bytes would have alerted.

    Returns:
        rule_id, theft_bytes, clients, protected (a share of 0..1; clients that alert without it are among them).
    """
    rows = []
    for (rule_id,), part in power.sort("rule_id").partition_by("rule_id", as_dict=True, maintain_order=True).items():
        needed = part["extra"].drop_nulls().sort()
        seen = needed.search_sorted(pl.Series(sizes, dtype=pl.Int64), side="right")
        rows += [(rule_id, x, part.height, k / part.height) for x, k in zip(sizes, seen, strict=True)]
    schema = {"rule_id": pl.String, "theft_bytes": pl.Int64, "clients": pl.Int64, "protected": pl.Float64}
    return pl.DataFrame(rows, schema=schema, orient="row")
