"""Calendar days of the site's zone: bounds, clock changes, windows and runs."""

import datetime as dt
from itertools import pairwise
from zoneinfo import ZoneInfo

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.days import day_bounds_utc, day_of, day_range, day_start, parse_day, runs_of_days, window_days
from pipeline.schemas import UTC_TIME

DAY = dt.date(2026, 10, 1)
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Kathmandu",
    "Pacific/Kiritimati",
    "America/St_Johns",
]


def test_an_iso_day_is_a_day() -> None:
    assert parse_day("2026-10-01") == DAY


@pytest.mark.parametrize("text", ["20261001", "2026-W40-4", "2026-10-1", "2026-02-30", "../x", "", "2026-10-01T00:00"])
def test_no_other_text_is_a_day(text: str) -> None:
    with pytest.raises(ValueError, match=r".+"):
        parse_day(text)


def test_ranges_hold_both_ends_and_may_be_empty() -> None:
    assert day_range(DAY, DAY) == [DAY]
    assert day_range(dt.date(2026, 9, 30), DAY) == [dt.date(2026, 9, 30), DAY]
    assert day_range(DAY, dt.date(2026, 9, 30)) == []


def test_a_window_ends_the_day_before_and_begins_no_earlier_than_the_site() -> None:
    assert window_days(DAY, 2, dt.date(2026, 1, 1)) == [dt.date(2026, 9, 29), dt.date(2026, 9, 30)]
    assert window_days(DAY, 30, dt.date(2026, 9, 30)) == [dt.date(2026, 9, 30)]
    assert window_days(DAY, 30, DAY) == []


HOURS = [  # Of governments that change their minds, of years that are over.
    ("Europe/Berlin", dt.date(2026, 3, 29), 23),
    ("Europe/Berlin", dt.date(2026, 10, 25), 25),
    ("Europe/Berlin", DAY, 24),
    ("America/Havana", dt.date(2024, 3, 10), 23),
    ("America/Havana", dt.date(2024, 11, 3), 25),
    ("Australia/Lord_Howe", dt.date(2024, 4, 7), 24.5),
    ("Africa/Cairo", dt.date(2024, 4, 26), 23),
    ("UTC", dt.date(2026, 3, 29), 24),
]


@pytest.mark.parametrize(("zone", "day", "hours"), HOURS)
def test_days_are_as_long_as_the_zone_makes_them(zone: str, day: dt.date, hours: float) -> None:
    first, end = day_bounds_utc(day, zone)
    assert end - first == dt.timedelta(hours=hours)
    assert first.tzinfo is dt.UTC
    assert day_start(day, zone).astimezone(dt.UTC) == first


def test_bounds_of_a_zone_ahead_of_utc_begin_the_day_before() -> None:
    first, end = day_bounds_utc(DAY, "Europe/Berlin")
    assert (first.isoformat(), end.isoformat()) == ("2026-09-30T22:00:00+00:00", "2026-10-01T22:00:00+00:00")


MOMENTS = st.datetimes(dt.datetime(2026, 1, 1), dt.datetime(2027, 12, 31), timezones=st.just(dt.UTC))  # noqa: DTZ001


@given(MOMENTS, st.sampled_from(ZONES))
def test_a_moment_lies_within_the_bounds_of_its_day(moment: dt.datetime, zone: str) -> None:
    day = pl.DataFrame({"t": [moment]}, schema={"t": UTC_TIME}).select(day_of("t", zone)).item()
    first, end = day_bounds_utc(day, zone)
    assert first <= moment < end
    assert day == moment.astimezone(ZoneInfo(zone)).date()


@pytest.mark.parametrize("zone", ZONES)
def test_days_of_a_year_follow_each_other_without_gap(zone: str) -> None:
    bounds = [day_bounds_utc(d, zone) for d in day_range(dt.date(2026, 1, 1), dt.date(2026, 12, 31))]
    assert all(a[1] == b[0] for a, b in pairwise(bounds))


def test_runs_are_the_contiguous_stretches() -> None:
    days = [dt.date(2026, 10, d) for d in (5, 1, 2, 2, 3, 7)]
    first, fifth, seventh = (dt.date(2026, 10, d) for d in (1, 5, 7))
    assert list(runs_of_days(days)) == [(first, dt.date(2026, 10, 3)), (fifth, fifth), (seventh, seventh)]
    assert list(runs_of_days([seventh, dt.date(2026, 10, 8)])) == [(seventh, dt.date(2026, 10, 8))]
    assert list(runs_of_days([])) == []
