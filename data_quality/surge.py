"""Profiles and faults of the surge method: of its stored scores, and of the alerts that follow from them.

A score is worked out anew from the columns it was made from; who is to have one is told by the day's traffic. Whether a
day's scores could come out otherwise by now is no fault of theirs: such a day is stale, and is not compared. What the
numbers may be is in the suites.
"""

from __future__ import annotations

import datetime as dt

import polars as pl
from polars import selectors as cs

from data_quality.compared import Profile, note
from data_quality.rows import lacks_a_value, row_of, schema_faults
from pipeline.context import Context, load_context
from pipeline.errors import NilometerError
from pipeline.methods.surge import calibrated
from pipeline.methods.surge.raw import FIRST_DAY, with_scores
from pipeline.methods.surge.slow import RECENT
from pipeline.schemas import DAILY_TRAFFIC, SURGE_SCORES
from pipeline.site import Site
from pipeline.surge import days
from pipeline.surge.clients import client_days

_KEY = ("rule_id", "client")
_ALIKE = 1e-9
"""Part of a score by which two ways to the same sum may differ."""
_WORKED_OUT = ("excess", "ratio", "t", "surprise", "slow", "new")
_PAST = ("usual", "own_avg", "own_p50", "own_p95", "own_max", "group_p50", "expected", "recent_days", "base_days")
_TRAFFIC = "daily_traffic/"
_STALE = "cannot tell: made from what has changed since; the day is stale"


def surge_faults(site: Site, day: dt.date) -> dict[str, pl.Expr]:
    """What a surge score must not be: expressions that are true of the rows in question."""
    windows = {r.id: r.surge.window for r in site.rules_of("surge")}
    window = pl.col("rule_id").replace_strict(windows, default=None, return_dtype=pl.Int64)
    first = pl.lit(day) - pl.duration(days=window)
    seen = [~pl.col(c).is_between(first, pl.lit(day), closed="left") for c in ("first_seen", "last_similar")]
    told = pl.col("expected").is_not_null()
    return {
        "nulls": lacks_a_value(SURGE_SCORES) | pl.col("bytes").is_null() | pl.col("addresses").is_null(),
        "duplicate_keys": pl.struct(_KEY).is_duplicated(),
        "other_days": pl.col("day") != day,
        "unknown_rules": ~pl.col("rule_id").is_in(list(windows)),
        "out_of_window": pl.any_horizontal(
            ~pl.col("n").is_between(0, window), pl.col("recent_days") > RECENT, pl.col("base_days") > window, *seen
        ),
        "not_finite": ~pl.all_horizontal(cs.float().is_finite().fill_null(True)),
        "impossible_values": pl.any_horizontal(
            *(pl.col(c) < 0 for c in ("bytes", *_PAST)), *(pl.col(c) <= 0 for c in ("scale", "nu", "slow_scale"))
        ),
        "absent_scores": told & (pl.any_horizontal(cs.by_name("t", "surprise").is_null()) | _lacks_new()),
    }


def _lacks_new() -> pl.Expr:
    return FIRST_DAY & pl.col("new").is_null()


def surge_scores_valid(site: Site, day: dt.date) -> Profile:
    """One score for every client and rule, of finite numbers that follow from what is stored beside them."""
    if faults := schema_faults(site, SURGE_SCORES, day):
        return {"schema_faults": faults}
    row = row_of(site.storage.scan(SURGE_SCORES, [day]), **{n: f.sum() for n, f in surge_faults(site, day).items()})
    found: Profile = {"schema_faults": 0, **row}
    if not _of_these_rules(site, day):
        for name in ("unknown_rules", "out_of_window"):
            found |= {name: None, note(name): _STALE}
    for name, rows in (("score_mismatches", mismatched), ("missing_or_extra", unscored_by_surge)):
        wrong = rows(site, day)
        found |= {name: None, note(name): _STALE} if wrong is None else {name: wrong.height}
    return found


def mismatched(site: Site, day: dt.date) -> pl.DataFrame | None:
    """Scores that do not follow from the columns beside them; None of scores of another version."""
    if not _of_this_version(site, day):
        return None
    stored = site.storage.read_day(SURGE_SCORES, day)
    again = with_scores(stored.drop("surprise"))
    return stored.filter(pl.any_horizontal(_differ(stored[c], again[c]) for c in _WORKED_OUT))


def _of_this_version(site: Site, day: dt.date) -> bool:
    record = site.storage.record("surge_scores", day)
    return record is None or record.inputs.get("stage") == str(days.STAGE_VERSION)


def _of_these_rules(site: Site, day: dt.date) -> bool:
    """Whether the rules in force are those that the scores were made by, as far as these depend on them."""
    record = site.storage.record("surge_scores", day)
    return record is None or record.inputs.get("rules") == days.rules_mark(site)


def _differ(stored: pl.Series, again: pl.Series) -> pl.Series:
    far = (stored - again).abs() > _ALIKE * again.abs().clip(1)
    return far.fill_null(False) | (stored.is_null() != again.is_null())


def unscored_by_surge(site: Site, day: dt.date) -> pl.DataFrame | None:
    """Clients without a score and scores without such a client: rule_id, client, where it is; None of a stale day."""
    try:
        context = load_context(site.root, site.settings.context)
    except NilometerError:
        return None  # `inputs_valid` says so.
    if not _of_the_same(site, day, context):
        return None
    stored = site.storage.read_day(SURGE_SCORES, day)
    parts = [pl.DataFrame(schema={"rule_id": pl.String, "client": pl.String, "only_in": pl.String})]
    for rule in site.rules_of("surge"):
        traffic = site.storage.scan(DAILY_TRAFFIC, [day])
        rows = client_days(traffic, rule, site.inventory, day, context, site.groups).rows
        want = rows.filter(pl.col("bytes").is_not_null()).select("client", "bytes")
        have = stored.filter(pl.col("rule_id") == rule.id).select("client", "bytes")
        for name, left, right in (("daily_traffic", want, have), ("surge_scores", have, want)):
            only = left.join(right, on=["client", "bytes"], how="anti", nulls_equal=True)
            parts.append(only.select(rule_id=pl.lit(rule.id), client="client", only_in=pl.lit(name)))
    return pl.concat(parts)


def _of_the_same(site: Site, day: dt.date, context: Context) -> bool:
    """Whether the day's scores were made from its traffic, rules, inventory and context as they are now."""
    record, traffic = site.storage.record("surge_scores", day), site.storage.record("daily_traffic", day)
    if record is None or traffic is None:
        return False
    made_of = {k: v for k, v in record.inputs.items() if k.startswith(_TRAFFIC)}
    settled = {k: v for k, v in record.inputs.items() if k not in made_of}
    fit = sorted(dt.date.fromisoformat(k.removeprefix(_TRAFFIC)) for k in made_of)
    return made_of.get(f"{_TRAFFIC}{day}") == traffic.fingerprint and settled == days.settled(site, day, fit, context)


def alerting(site: Site, day: dt.date) -> pl.DataFrame | None:
    """Who alerts by the stored scores: rule_id, client; None where the alerts were made from other scores or rules."""
    record = site.storage.record("alerts", day)
    if record is None or not _of_this_version(site, day) or not _judged_by_these(site, day, dict(record.inputs)):
        return None
    parts = [pl.DataFrame(schema={c: pl.String for c in _KEY})]
    for rule in site.rules_of("surge"):
        found = calibrated(days.verdict_rows(site, day, rule), [day], rule.surge).filter("alert")
        parts.append(found.select(pl.col("client").unique()).select(rule_id=pl.lit(rule.id), client="client"))
    return pl.concat(parts)


def _judged_by_these(site: Site, day: dt.date, made_from: dict[str, str]) -> bool:
    now = days.verdict_inputs(site, day, made_from)
    return {k: v for k, v in made_from.items() if k.startswith("surge_")} == now
