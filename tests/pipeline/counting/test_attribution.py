"""Which day owns a record's bytes, by each rule, and that nothing is lost or counted twice."""

import datetime as dt
from fractions import Fraction
from typing import Any, get_args

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counting.attribution import Attribution, Rule, days_held
from pipeline.days import day_bounds_utc
from tests.examples import examples

DAY = dt.date(2026, 10, 24)
ZONE = "Europe/Berlin"
SCHEMA = pl.Schema({"start_time": pl.Datetime("us", "UTC"), "duration": pl.Int64, "bytes": pl.Int64})
MINUTE = 60_000_000


def record(start: dt.datetime, minutes: float | None, count: int | None) -> dict[str, Any]:
    return {"start_time": start, "duration": None if minutes is None else int(minutes * MINUTE), "bytes": count}


def part(rows: list[dict[str, Any]], day: dt.date, rule: str) -> pl.DataFrame:
    frame = pl.DataFrame(rows, schema=SCHEMA)
    here = Attribution.of(day, ZONE, rule)
    return here.cut(frame.filter(here.holds()), ["bytes"])


MIDNIGHT = day_bounds_utc(DAY, ZONE)[1]
SPANNING = [record(MIDNIGHT - dt.timedelta(minutes=2), 6, 90_000)]


@pytest.mark.parametrize(
    ("rule", "before", "after"), [("start", 90_000, 0), ("end", 0, 90_000), ("spread", 30_000, 60_000)]
)
def test_a_flow_that_spans_midnight_belongs_where_the_rule_says(rule: str, before: int, after: int) -> None:
    sums = [part(SPANNING, day, rule)["bytes"].sum() for day in (DAY, DAY + dt.timedelta(days=1))]
    assert sums == [before, after]


@pytest.mark.parametrize("rule", get_args(Rule))
def test_a_day_that_the_zone_left_out_has_no_flow(rule: Rule) -> None:
    day, frame = dt.date(2011, 12, 30), pl.DataFrame(SPANNING, schema=SCHEMA)
    here = Attribution.of(day, "Pacific/Apia", rule)
    shift = here.first - MIDNIGHT
    assert frame.with_columns(pl.col("start_time") + shift).filter(here.holds()).is_empty()


@pytest.mark.parametrize("rule", ["end", "spread"])
def test_no_flow_of_a_day_starts_before_it(rule: str) -> None:
    (row,) = part(SPANNING, DAY + dt.timedelta(days=1), rule).to_dicts()
    assert row["start_time"] == MIDNIGHT
    assert row["duration"] == (6 if rule == "end" else 4) * MINUTE


def test_a_flow_that_ends_at_midnight_gives_the_next_day_nothing() -> None:
    rows = [record(MIDNIGHT - dt.timedelta(minutes=2), 2, 100)]
    assert part(rows, DAY + dt.timedelta(days=1), "spread").is_empty()
    assert part(rows, DAY, "spread")["bytes"].to_list() == [100]


@pytest.mark.parametrize(("rule", "sums"), [("start", [100, 0]), ("end", [0, 100]), ("spread", [100, 0])])
def test_a_flow_that_ends_at_midnight_counts_on_one_day(rule: str, sums: list[int]) -> None:
    rows = [record(MIDNIGHT - dt.timedelta(minutes=2), 2, 100)]
    assert [part(rows, day, rule)["bytes"].sum() for day in (DAY, DAY + dt.timedelta(days=1))] == sums
    assert [int(n) for n in days_held(pl.DataFrame(rows, schema=SCHEMA), ZONE, rule).values()][-1:] == [1]


ROWS = st.lists(
    st.builds(
        record,
        st.integers(-3 * 1440, 3 * 1440).map(lambda m: MIDNIGHT + dt.timedelta(minutes=m)),
        st.one_of(st.none(), st.just(0), st.integers(0, 4 * 1440), st.floats(0, 3000)),
        st.one_of(st.none(), st.integers(0, 10**15)),
    ),
    max_size=6,
)


@settings(max_examples=examples(40))
@given(ROWS, st.sampled_from(get_args(Rule)))
def test_the_days_add_up_to_the_whole_whatever_the_rule(rows: list[dict[str, Any]], rule: str) -> None:
    held = days_held(pl.DataFrame(rows, schema=SCHEMA), ZONE, rule)
    found: dict[dt.date, list[int]] = {}
    for n in range(-5, 10):
        day = DAY + dt.timedelta(days=n)
        found[day] = part(rows, day, rule)["bytes"].drop_nulls().to_list()
        here = part(rows, day, rule).height
        assert here <= held.get(day.isoformat(), 0)
        assert here or not held.get(day.isoformat()) or rule == "spread"
    assert sum(sum(v) for v in found.values()) == sum(r["bytes"] or 0 for r in rows)


@settings(max_examples=examples(40))
@given(ROWS)
def test_a_day_gets_the_share_of_the_time_rounded_to_the_byte(rows: list[dict[str, Any]]) -> None:
    first, end = day_bounds_utc(DAY, ZONE)
    expected = []
    for row in rows:
        length = dt.timedelta(microseconds=row["duration"] or 0)
        start, stop = row["start_time"], row["start_time"] + length
        overlap = min(stop, end) - max(start, first)
        if length and overlap > dt.timedelta(0) and row["bytes"] is not None:
            expected.append(float(Fraction(row["bytes"]) * Fraction(overlap / length)))
        elif not length and first <= start < end and row["bytes"] is not None:
            expected.append(float(row["bytes"]))
    assert sorted(part(rows, DAY, "spread")["bytes"].drop_nulls().to_list()) == pytest.approx(
        sorted(expected), abs=1, rel=1e-9
    )
