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
from pipeline.groups import Groups
from pipeline.methods import seed
from pipeline.methods.others import Sums, sums_of_others
from pipeline.methods.surge.calibration import Calibration
from pipeline.methods.surroundings import Surroundings
from pipeline.schemas import DAILY_TRAFFIC, POWER_MAP, TRAFFIC_BASELINE
from pipeline.site import Site
from pipeline.storage import digest
from pipeline.stored.pruned import lost_input
from pipeline.stored.stages import score_inputs, surroundings
from pipeline.surge.days import verdict_days, verdict_rows

STAGE_VERSION = 9
REASONS = {
    "no_history": "no known day in the window before",
    "too_few_samples": "fewer days than minimum_data_samples",
    "deviation_unknown": "one past day tells no deviation (stdev_of_one: null)",
    "others_unknown": "too few known days of the fleet or group before",
    "masked": "the window of the fleet or group is so short that any value hides in the deviation it makes itself",
    "beyond_counting": "only a value that cannot be: no 64 bits hold it, or there are not so many ports",
    "learning": "too few scored days before to tell what is rare, or no client with five known days",
    "no_channel": "no channel with a share of the budget judges it: new takes clients of under 4 days, slow of more",
    "budget_too_small": "no volume of the one day is rare enough for the budget",
}
"""Why no volume would make a client alert."""
GRID = (*(m * 10**p for p in range(6, 12) for m in (1, 2, 5)), 10**12)
"""Sizes of thefts for which coverage is given: 1 MB to 1 TB."""


def power_map(site: Site, day: dt.date, rules: Sequence[Rule]) -> pl.DataFrame:
    """Rows of POWER_MAP of a stored day under the rules; raises StorageError when the day is not stored."""
    frames = [_stored(site, day, rule) for rule in rules]
    return POWER_MAP.conform(pl.concat([POWER_MAP.empty(), *frames]))


def _stored(site: Site, day: dt.date, rule: Rule) -> pl.DataFrame:
    if rule.method == "seed":
        today, past = (site.storage.read_day(t, day) for t in (DAILY_TRAFFIC, TRAFFIC_BASELINE))
        return seed_power(today, past, rule, day, surroundings(site, day))
    return surge_power(verdict_rows(site, day, rule), rule, day)


def windowless(site: Site, day: dt.date, rules: Sequence[Rule]) -> dict[str, str]:
    """Of the rules of gates those of whose window nothing can be told on a day any more, each with what was pruned.

    Its baseline is kept as it was made, for other rules or other numbers of theirs.
    """
    if not (lost := lost_input(site, TRAFFIC_BASELINE.name, day)):
        return {}
    known = set[tuple[str, int]]()
    if site.storage.has(TRAFFIC_BASELINE.name, day):
        told = site.storage.scan(TRAFFIC_BASELINE, [day]).select("measure", "lookback_days").unique()
        known = set(told.collect().iter_rows())
    return {r.id: lost for r in rules if r.method == "seed" and (r.measure.id, r.lookback_days) not in known}


def power_inputs(site: Site, day: dt.date) -> dict[str, str]:
    """What a day's power map is made from: the fingerprints of its tables, and of the rules."""
    tables = [(t, day) for t in ("daily_traffic", "traffic_baseline", "anomaly_scores")]
    if site.rules_of("surge"):
        tables += [("surge_scores", d) for d in verdict_days(site, day)]
    records = {f"{table}/{d}": site.storage.record(table, d) for table, d in tables}
    made_of = {name: r.fingerprint for name, r in records.items() if r is not None}
    asked = {k: v for k, v in score_inputs(site, day).items() if k in ("days_read", "groups")}
    return made_of | asked | {"rules": digest(*(r.fingerprint for r in site.rules)), "stage": str(STAGE_VERSION)}


def seed_power(
    today: pl.DataFrame, baseline: pl.DataFrame, rule: Rule, day: dt.date, around: Surroundings | None = None
) -> pl.DataFrame:
    """Rows of POWER_MAP under a rule of method seed, exact to the byte: every gate is solved in whole numbers.

    What is added to a client's day moves the mean and the deviation of its fleet or group, too, unless the rule leaves
    the day out of them. An unknown volume counts as 0 with something added to it, and is then known.

    Args:
        today: DAILY_TRAFFIC rows of the day.
        baseline: TRAFFIC_BASELINE rows of the day.
        rule: the rule.
        day: the day.
        around: the site's groups and the days read, for rules that ask for them.

    Raises:
        RuleError: the baseline was made without this rule's series.
    """
    now, past = seed.judged_rows(today, baseline, rule, day)
    if now.is_empty():
        return POWER_MAP.empty()
    around = around or Surroundings()
    rows = seed.beside_own_past(now, past, rule, around)
    return _told(_with_least_others(_with_least_own(rows, rule), past, rule, around.groups), rule, day)


def _with_least_own(rows: pl.DataFrame, rule: Rule) -> pl.DataFrame:
    """The rows with least_own: the smallest volume above the client's own gate; null when the gate is not known."""
    keys = ["n_past_values", "sum_bytes", "sum_squares"]
    gates = rows.select(keys).unique()
    zero = rule.stdev_of_one == "zero"
    own = [
        exact.gate(n, int(total or 0), int(squares or 0), rule.own_threshold, stdev_of_one_is_zero=zero)
        for n, total, squares in gates.iter_rows()
    ]
    known = gates.with_columns(_counted("least_own", [None if g is None else g + 1 for g in own]))
    return rows.join(known, on=keys, how="left", nulls_equal=True)


def _with_least_others(rows: pl.DataFrame, past: pl.DataFrame, rule: Rule, groups: Groups) -> pl.DataFrame:
    """The rows with least_others: the smallest volume above the gate of fleet or group; null when there is none."""
    sums = sums_of_others(rows, past, rule, groups)
    rows = rows.with_columns(group=groups.of(rows["client"]) if rule.by_group else pl.lit(None, pl.String))
    gates = rows.select("group", "bytes").unique()
    least = [_least_others(volume, sums[of], rule) for of, volume in gates.iter_rows()]
    known = gates.with_columns(_counted("least_others", least))
    return rows.join(known, on=["group", "bytes"], how="left", nulls_equal=True)


def _least_others(volume: int | None, others: Sums, rule: Rule) -> int | None:
    """The smallest volume above the gate of others, of which the volume itself is part unless the rule says not."""
    if rule.fleet_includes_day:
        rest = others if volume is None else others.without(volume)
        return exact.least_beside(rest.n, rest.total, rest.squares, rule.fleet_threshold)
    zero = rule.stdev_of_one == "zero"
    sums = others.n, others.total, others.squares
    gate = exact.gate(*sums, rule.fleet_threshold, stdev_of_one_is_zero=zero)
    return None if gate is None else gate + 1


def _counted(name: str, volumes: Sequence[int | None]) -> pl.Series:
    """Whole numbers as Int128: one too large for Int64 becomes the first value beyond it."""
    return pl.Series(name, [None if v is None else min(v, exact.INT64_MAX + 1) for v in volumes], dtype=pl.Int128)


def _told(rows: pl.DataFrame, rule: Rule, day: dt.date) -> pl.DataFrame:
    asked = {"own": rule.asks_own, "group" if rule.by_group else "fleet": rule.asks_others}
    columns = {"own": "least_own", "fleet": "least_others", "group": "least_others"}
    bounds = {name: pl.col(columns[name]) for name, wanted in asked.items() if wanted}
    if rule.floor:
        bounds["floor"] = pl.lit(rule.floor, pl.Int128)
    least = pl.max_horizontal(*bounds.values())
    reason = pl.coalesce(*(pl.when(found).then(pl.lit(why)) for found, why in _obstacles(rule, least)))
    extra = (least - pl.col("bytes").fill_null(0).cast(pl.Int128)).clip(0)
    bound = pl.coalesce(*(pl.when(at == least).then(pl.lit(name)) for name, at in bounds.items()))
    can = pl.col("reason").is_null()
    return POWER_MAP.conform(
        rows.with_columns(reason=reason).select(
            day=pl.lit(day),
            rule_id=pl.lit(rule.id),
            client=pl.col("client").fill_null(seed.NULL_CLIENT),
            bytes="bytes",
            extra=pl.when(can).then(extra).cast(pl.Int64),
            least=pl.when(can).then(least).cast(pl.Int64),
            bound_by=pl.when(can).then(bound),
            reason="reason",
        )
    )


def _obstacles(rule: Rule, least: pl.Expr) -> list[tuple[pl.Expr, str]]:
    """What keeps a client from alerting with any volume, the first that holds first."""
    own, others = pl.lit(rule.asks_own), pl.lit(rule.asks_others)
    return [
        (own & (pl.col("n_past_values") == 0), "no_history"),
        (pl.col("n") < rule.minimum_data_samples, "too_few_samples"),
        (own & pl.col("least_own").is_null(), "deviation_unknown"),
        (others & pl.col("least_others").is_null(), "masked" if rule.fleet_includes_day else "others_unknown"),
        (least > rule.largest, "beyond_counting"),
    ]


def surge_power(raw: pl.DataFrame, rule: Rule, day: dt.date, calibration: Calibration | None = None) -> pl.DataFrame:
    """Rows of POWER_MAP under a rule of method surge: of each channel the smallest volume that alerts, by bisection.

    Args:
        raw: raw scores of the day and of the days that calibrate it.
        rule: the rule.
        day: the day.
        calibration: what these days say, where it is known already: it follows from no budget.
    """
    calibration = calibration or Calibration.before(raw, day, rule.surge)
    today = calibration.with_company(raw.filter(pl.col("day") == day))
    found = [calibration.reach(today, c, rule.surge.limit(c)).with_columns(bound_by=pl.lit(c)) for c in CHANNELS]
    least = pl.concat(found).sort("least", maintain_order=True).group_by("client", maintain_order=True).first()
    why = pl.coalesce(calibration.unjudged(rule.surge), pl.lit("budget_too_small"))
    extra = (pl.col("least") - pl.col("bytes")).clip(0)
    joined = today.join(least, on="client", how="left")
    return POWER_MAP.conform(
        joined.select(
            "day",
            "client",
            "bytes",
            "bound_by",
            "least",
            rule_id=pl.lit(rule.id),
            extra=extra,
            reason=pl.when(extra.is_null()).then(why),
        )
    )


def protected(power: pl.DataFrame, rules: Sequence[Rule]) -> pl.DataFrame:
    """The coverage by those rules that judge bytes: stolen bytes say nothing of flows, other ends or ports."""
    return coverage(power.filter(pl.col("rule_id").is_in([r.id for r in rules if r.in_bytes])))


def coverage(power: pl.DataFrame, sizes: Sequence[int] = GRID) -> pl.DataFrame:
    """One row a (rule, size): the share of the day's clients whose theft of so many bytes would have alerted.

    Args:
        power: rows of POWER_MAP of rules that judge bytes.
        sizes: of thefts.

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
