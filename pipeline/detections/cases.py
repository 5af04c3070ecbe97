"""Running the cases that a rule carries: days of each client, the last one judged, and who must alert."""

from __future__ import annotations

import datetime as dt

import polars as pl

from pipeline.baseline import build_baseline
from pipeline.detections.model import Rule, RuleTest
from pipeline.methods import METHODS
from pipeline.schemas import DAILY_TRAFFIC

_LAST = dt.date(2026, 6, 30)


def case_frame(rule: Rule, case: RuleTest) -> pl.DataFrame:
    """The case as rows of DAILY_TRAFFIC, its last value on the day judged."""
    rows = [
        {"day": _LAST - dt.timedelta(days=len(values) - 1 - i), "measure": rule.measure.id, "client": c, "bytes": v}
        for c, values in case.rows.items()
        for i, v in enumerate(values)
    ]
    return DAILY_TRAFFIC.conform(pl.DataFrame(rows, schema_overrides={"bytes": pl.Int64}))


def failed_cases(rule: Rule) -> list[str]:
    """One sentence a case of the rule that does not come out as it says, with the numbers of the rule's own file."""
    failed, rule = [], rule.as_written
    for case in rule.tests:
        rows = case_frame(rule, case)
        days = sorted(set(rows["day"].to_list()))
        past = build_baseline(rows.lazy(), _LAST, [(rule.measure, rule.lookback_days)], start=days[0], present=days)
        scores = METHODS[rule.method](rows.filter(pl.col("day") == _LAST), past, rule, _LAST)
        found = tuple(sorted(scores.filter(pl.col("state") == "alert")["client"].to_list()))
        if found != tuple(sorted(case.expect)):
            failed.append(f"case {case.name!r} expects {sorted(case.expect)} and gives {list(found)}")
    return failed
