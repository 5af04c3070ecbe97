"""The power map of rules beyond the seed against trying it: groups, one gate alone, filled days, floors, no own day.

The naive reading judges the window with the volume that the map names, and with one less.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.baseline import build_baseline
from pipeline.detections.model import Rule
from pipeline.groups import Groups
from pipeline.methods.surroundings import Surroundings
from pipeline.schemas import POWER_MAP
from pipeline.trials.power import seed_power
from tests.examples import examples
from tests.oracle import rules as oracle
from tests.property.seed_cases import LARGEST, daily_frame
from tests.property.test_rules_oracle import DAY, NAMED, PROFILE, judgings, rule_of, windows


def power_of(rows: list[Any], rule: Rule, read: list[dt.date], groups: dict[str, str]) -> pl.DataFrame:
    daily, start = daily_frame(tuple(rows), rule), dt.date(2020, 1, 1)
    past = build_baseline(daily.lazy(), DAY, [(rule.measure, rule.lookback_days)], start=start, present=read)
    named = {g: [n for n, of in groups.items() if of == g] for g in groups.values()}
    around = Surroundings(frozenset(read), Groups(named))
    return seed_power(daily.filter(pl.col("day") == DAY), past, rule, DAY, around)


def test_the_extra_alerts_and_one_less_does_not_under_every_reference_fill_and_floor() -> None:
    seen: Counter[str] = Counter()

    @settings(PROFILE, max_examples=examples(400))
    @given(windows(), judgings(), st.sets(st.integers(1, 35)), st.booleans())
    def check(rows: list[Any], judging: oracle.Judging, extra: set[int], named: bool) -> None:
        groups = NAMED if named else {}
        read = sorted({d for d, _, _ in rows if d < DAY} | {DAY - dt.timedelta(days=n) for n in extra})
        power = power_of(rows, rule_of(judging), read, groups)
        assert power.schema == POWER_MAP.schema
        assert power["client"].to_list() == sorted(c for d, c, _ in rows if d == DAY and c is not None)

        def alerts(client: str, volume: int) -> bool:
            tried = [(d, c, volume if (d, c) == (DAY, client) else v) for d, c, v in rows]
            return any(v.alert for v in oracle.judge(tried, DAY, judging, read, groups) if v.client == client)

        for row in power.iter_rows(named=True):
            before = row["bytes"] or 0
            if row["extra"] is None:
                assert not alerts(row["client"], LARGEST)
            else:
                assert alerts(row["client"], before + row["extra"])
                assert row["extra"] == 0 or not alerts(row["client"], before + row["extra"] - 1)
            seen[row["reason"] or row["bound_by"]] += 1

    check()
    found = ("fleet", "group", "own", "floor", "no_history", "too_few_samples", "masked", "others_unknown")
    assert min(seen[s] for s in found) >= 5, seen


def test_no_more_ports_than_the_filter_lets_pass_are_named() -> None:
    rule = rule_of(oracle.Judging(reference="own")).model_copy(update={"field": "ports", "deviation_threshold": "3"})
    past = [(DAY - dt.timedelta(days=n), "10.0.1.1", 1 + n % 2) for n in range(1, 9)]
    rows = [*past, (DAY, "10.0.1.1", 1)]
    for allowed, least, reason in (((25, 465), None, "beyond_counting"), ((25, 465, 587), 3, None), ((), 3, None)):
        found = power_of(rows, rule.model_copy(update={"dest_port": allowed, "own_deviation_threshold": "2"}), [], {})
        assert found.select("least", "reason").rows() == [(least, reason)]
