"""The injector plants what it is asked to into a copy, and says so in its labels."""

import datetime as dt
from typing import Any

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from pipeline.simulate.inject import LABELS, Injection, InjectionError, inject

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


def theft(first: int, **changes: Any) -> Injection:
    return Injection(**({"attack_id": "t", "first": day(first), "size": 100, "clients": ("a",)} | changes))


def added(daily: pl.DataFrame, *thefts: Injection, **options: Any) -> list[tuple[int, str, int]]:
    """(day number, client, extra) of the labels, after a check of the copy against them by hand."""
    before = daily.clone()
    copy, labels = inject(daily, thefts, **options)
    assert_frame_equal(daily, before)
    assert labels.schema == LABELS
    extra = {(d, c): x for d, c, _, x in labels.rows()}
    known = {(d, c): b for d, c, b in daily.select("day", "client", "bytes").rows()}
    assert copy.columns == daily.columns
    assert copy.select("day", "client").rows() == sorted(known.keys() | extra.keys())
    for d, c, value in copy.select("day", "client", "bytes").rows():
        assert value == ((known.get((d, c)) or 0) + extra[d, c] if (d, c) in extra else known[d, c])
    return [((d - MONDAY).days, c, x) for (d, c), x in sorted(extra.items())]


def test_a_shot_is_added_to_the_days_bytes() -> None:
    assert added(table(a=[10, 20], b=[5, 5]), theft(1)) == [(1, "a", 100)]


def test_a_client_without_a_row_gets_one_and_unknown_bytes_count_as_none() -> None:
    assert added(table(a=[10, None]), theft(1), theft(4, attack_id="u", clients=("new",))) == [
        (1, "a", 100),
        (4, "new", 100),
    ]
    copy, _ = inject(table(a=[10]), [theft(1)])
    assert copy["flows"].to_list() == [0, None]


def test_a_theft_of_nothing_leaves_no_new_row() -> None:
    assert added(table(a=[10]), theft(0, size=0), theft(1, size=0, attack_id="u")) == [(0, "a", 0)]


def test_times_are_of_the_clients_own_median_of_earlier_days() -> None:
    daily = table(a=[10, 30, None, 10_000, 7], b=[1, 1, 1, 1, 1])
    assert added(daily, theft(3, size=2.5, unit="times", clients=("a", "b"))) == [(3, "a", 50), (3, "b", 2)]
    with pytest.raises(InjectionError, match="a has no day before"):
        inject(daily, [theft(0, unit="times")])


def test_slow_thefts_keep_to_working_days_and_a_shot_to_its_day() -> None:
    daily = table(a=[1] * 5)
    assert [d for d, *_ in added(daily, theft(3, days=4))] == [3, 4, 7, 8]
    assert [d for d, *_ in added(daily, theft(3, days=3), weekend=(4, 5), holidays=[day(5)])] == [6, 7, 8]
    assert added(daily, theft(5)) == [(5, "a", 100)]


def test_a_ramp_grows_by_equal_steps_to_its_size() -> None:
    assert [x for *_, x in added(table(a=[1]), theft(0, days=4, ramp=True))] == [25, 50, 75, 100]


def test_clients_are_drawn_by_seed_from_those_with_enough_past_and_none_twice() -> None:
    daily = table(**{f"c{i}": [1] * (10 if i < 6 else 2) for i in range(9)})
    asked = [theft(9, attack_id=f"t{i}", clients=(), hosts=3, past_days=5) for i in range(2)]
    found = {seed: added(daily, *asked, seed=seed) for seed in range(6)}
    assert all({c for _, c, _ in rows} == {f"c{i}" for i in range(6)} for rows in found.values())
    copies = [inject(daily, asked, seed=seed)[1]["attack_id"].to_list() for seed in (0, 0, 1, 2, 3)]
    assert copies[0] == copies[1]
    assert any(copies[0] != other for other in copies[2:])
    with pytest.raises(InjectionError, match="only 0 clients with 5 days before are left"):
        inject(daily, [*asked, theft(9, attack_id="t3", clients=(), past_days=5)])


def test_bytes_stop_at_the_largest_number_and_the_label_tells_what_was_added() -> None:
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
        inject(table(a=[1]), [theft(0, days=3), theft(1, attack_id="u")])
    for wrong in ({"size": -1}, {"days": 0}, {"hosts": 0}):
        with pytest.raises(ValueError, match="size must be in"):
            theft(0, **wrong)
    with pytest.raises(ValueError, match="leave a working day"):
        inject(table(a=[1]), [], weekend=range(1, 8))


values = st.lists(st.none() | st.integers(0, 10**12), min_size=1, max_size=8)


@PROFILE
@given(
    clients=st.dictionaries(st.sampled_from("abcde"), values, min_size=2),
    first=st.integers(0, 9),
    days=st.integers(1, 9),
    ramp=st.booleans(),
    size=st.floats(0, 1e9),
    seed=st.integers(0, 5),
)
def test_what_is_planted_is_what_the_labels_say(
    clients: dict[str, list[int | None]], first: int, days: int, ramp: bool, size: float, seed: int
) -> None:
    named = theft(first, attack_id="named", days=days, ramp=ramp, size=size)
    drawn = theft(first, attack_id="drawn", clients=(), days=days, size=size, past_days=1)
    daily = table(**clients)
    past = daily.filter(pl.col("day") < day(first), pl.col("bytes").is_not_null(), pl.col("client") != "a")
    asked = [named, drawn] if past.height else [named]
    rows = added(daily, *asked, seed=seed)
    if size >= days:  # The first steps of a smaller ramp are rounded to nothing.
        assert len(rows) == days * len(asked)
        assert sum(x for _, c, x in rows if c != "a") == round(size) * days * (len(asked) - 1)
