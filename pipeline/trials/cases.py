"""Running the cases that a rule carries: days of each client, the last one judged, and who must alert.

Every day from the first of any client on counts as read, and groups are subnets.
"""

from __future__ import annotations

import datetime as dt

import polars as pl

from pipeline.baseline import build_baseline
from pipeline.days import day_range
from pipeline.detections.model import GAP, Rule, RuleTest
from pipeline.methods import METHODS
from pipeline.methods.surroundings import Surroundings
from pipeline.schemas import DAILY_TRAFFIC

_LAST = dt.date(2026, 6, 30)


def case_frame(rule: Rule, case: RuleTest) -> pl.DataFrame:
    """The case as rows of DAILY_TRAFFIC, its last value on the day judged."""
    rows = [
        {"day": _LAST - dt.timedelta(days=len(values) - 1 - i), "measure": rule.measure.id, "client": c, "bytes": v}
        for c, values in case.rows.items()
        for i, v in enumerate(values)
        if v != GAP
    ]
    schema = {c: DAILY_TRAFFIC.schema[c] for c in ("day", "measure", "client", "bytes")}
    return DAILY_TRAFFIC.conform(pl.DataFrame(rows, schema=schema))


def failed_cases(rule: Rule) -> list[str]:
    """One sentence a case of the rule that does not come out as it says, with the numbers of the rule's own file."""
    failed, rule = [], rule.as_written
    for case in rule.tests:
        rows = case_frame(rule, case)
        days = day_range(_LAST - dt.timedelta(days=max(map(len, case.rows.values())) - 1), _LAST)
        past = build_baseline(rows.lazy(), _LAST, [(rule.measure, rule.lookback_days)], start=days[0], present=days)
        today = rows.filter(pl.col("day") == _LAST)
        scores = METHODS[rule.method](today, past, rule, _LAST, Surroundings(frozenset(days[:-1])))
        found = tuple(sorted(scores.filter(pl.col("state") == "alert")["client"].to_list()))
        if found != tuple(sorted(case.expect)):
            failed.append(f"case {case.name!r} expects {sorted(case.expect)} and gives {list(found)}")
    return failed
