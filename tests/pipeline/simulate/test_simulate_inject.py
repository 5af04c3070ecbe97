"""The injector plants what it is asked to into a copy, and nothing else."""

import datetime as dt

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.simulate.inject import Injection, InjectionError, inject

PROFILE = settings(suppress_health_check=list(HealthCheck))
MONDAY = dt.date(2025, 1, 6)


def day(number: int) -> dt.date:
    return MONDAY + dt.timedelta(days=number)


def table(**clients: list[int | None]) -> pl.DataFrame:
    """Rows from Monday on; more columns are carried along."""
    rows = [(day(i), client, value, i) for client, values in clients.items() for i, value in enumerate(values)]
    return pl.DataFrame(
        rows, schema={"day": pl.Date, "client": pl.String, "bytes": pl.Int64, "flows": pl.Int64}, orient="row"
    )


def theft(number: int, client: str = "a", size: int = 100) -> Injection:
    return Injection(client=client, day=day(number), size=size)


def added(daily: pl.DataFrame, *thefts: Injection) -> list[tuple[int, str, int]]:
    """(day number, client, bytes added) of the copy, after a check of all its other rows by hand."""
    before = daily.clone()
    copy = inject(daily, thefts)
    assert_frame_equal(daily, before)
    robbed = {(t.day, t.client) for t in thefts}
    known = {(d, c): b for d, c, b in daily.select("day", "client", "bytes").rows()}
    assert copy.columns == daily.columns
    keys = copy.select("day", "client").rows()
    assert keys == sorted(keys)
    assert set(known) <= set(keys) <= set(known) | robbed
    found = []
    for d, c, value in copy.select("day", "client", "bytes").rows():
        if (d, c) in robbed:
            found.append(((d - MONDAY).days, c, value - (known.get((d, c)) or 0)))
        else:
            assert value == known[d, c]
    return found


def test_a_shot_is_added_to_the_days_bytes() -> None:
    assert added(table(a=[10, 20], b=[5, 5]), theft(1)) == [(1, "a", 100)]


def test_a_client_without_a_row_gets_one_and_unknown_bytes_count_as_none() -> None:
    assert added(table(a=[10, None]), theft(1), theft(4, "new")) == [
        (1, "a", 100),
        (4, "new", 100),
    ]
    copy = inject(table(a=[10]), [theft(1)])
    assert copy["flows"].to_list() == [0, None]


def test_a_theft_of_nothing_leaves_no_new_row() -> None:
    assert added(table(a=[10]), theft(0, size=0), theft(1, size=0)) == [(0, "a", 0)]


def test_bytes_stop_at_the_largest_number() -> None:
    near = 2**63 - 11
    assert added(table(a=[near]), theft(0)) == [(0, "a", 10)]


@pytest.mark.parametrize(
    ("daily", "message"),
    [
        (table(a=[1]).drop("bytes"), "column bytes: the column is missing"),
        (table(a=[1]).with_columns(pl.col("bytes").cast(pl.Float64)), "column bytes: the column is Float64"),
        (table(a=[1]).with_columns(pl.col("day").cast(pl.String)), "column day: the column is String"),
        (pl.concat([table(a=[1]), table(a=[2])]), "day 2025-01-06: a has several rows"),
    ],
)
def test_other_tables_are_refused_with_what_is_wrong(daily: pl.DataFrame, message: str) -> None:
    with pytest.raises(InjectionError, match=message):
        inject(daily, [theft(0)])


def test_thefts_that_overlap_or_make_no_sense_are_refused() -> None:
    with pytest.raises(InjectionError, match="day 2025-01-07: a would be robbed twice"):
        inject(table(a=[1]), [theft(1), theft(1, size=5)])
    for wrong in (-1, 10**15 + 1):
        with pytest.raises(ValueError, match="size must be in"):
            theft(0, size=wrong)


values = st.lists(st.none() | st.integers(0, 10**12), min_size=1, max_size=8)
places = st.tuples(st.integers(0, 9), st.sampled_from("abcde"))


@PROFILE
@given(
    clients=st.dictionaries(st.sampled_from("abcde"), values), robbed=st.dictionaries(places, st.integers(0, 10**15))
)
def test_what_is_planted_is_what_was_asked_for(
    clients: dict[str, list[int | None]], robbed: dict[tuple[int, str], int]
) -> None:
    daily = table(**clients)
    there = {((d - MONDAY).days, c) for d, c in daily.select("day", "client").rows()}
    found = added(daily, *(theft(number, client, size) for (number, client), size in robbed.items()))
    assert found == sorted((*place, size) for place, size in robbed.items() if size or place in there)
