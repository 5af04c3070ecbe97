"""Calendar days of the site's time zone: the partitions of every table.

A day is the calendar day in the zone, 23 or 25 hours long when clocks change. Schedules and partition objects of
Dagster do not belong here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping
from zoneinfo import ZoneInfo

import polars as pl

from pipeline import clocks


def parse_day(text: str) -> dt.date:
    """An ISO day; raises ValueError for anything else, so that no other text ever becomes a path."""
    day = dt.date.fromisoformat(text)
    if day.isoformat() != text:
        raise ValueError(f"{text!r} is not a day of the form YYYY-MM-DD")
    return day


def day_range(first: dt.date, last: dt.date) -> list[dt.date]:
    """All days from first to last, both included; empty when last lies before first."""
    return [first + dt.timedelta(days=i) for i in range((last - first).days + 1)]


def window_days(day: dt.date, lookback_days: int, start: dt.date) -> list[dt.date]:
    """The past days of a window: day - lookback .. day - 1, none before the site's start."""
    return day_range(max(day - dt.timedelta(days=lookback_days), start), day - dt.timedelta(days=1))


def day_start(day: dt.date, timezone: str) -> dt.datetime:
    """The first instant of the day in the zone, as an aware datetime of that zone."""
    return dt.datetime.combine(day, dt.time(), ZoneInfo(timezone))


def day_bounds_utc(day: dt.date, timezone: str) -> tuple[dt.datetime, dt.datetime]:
    """First instant of the day and of the next one, in UTC."""
    nxt = day + dt.timedelta(days=1)
    return day_start(day, timezone).astimezone(dt.UTC), day_start(nxt, timezone).astimezone(dt.UTC)


def day_edges(day: dt.date, timezone: str) -> str:
    """The same in a word: what a table of the day rests on, whatever data of the zone the system has."""
    return "/".join(edge.isoformat() for edge in day_bounds_utc(day, timezone))


def today(timezone: str) -> dt.date:
    """The day in progress in the zone."""
    return dt.datetime.now(ZoneInfo(timezone)).date()


def day_of(column: str, timezone: str) -> pl.Expr:
    """Expression: the site day of a UTC timestamp column."""
    return clocks.shown(pl.col(column), timezone).dt.date()


def runs_of_days(days: list[dt.date]) -> Iterator[tuple[dt.date, dt.date]]:
    """Contiguous runs (first, last) in a set of days, in order."""
    first = last = None
    for day in sorted(set(days)):
        if first is None or last is None:
            first = day
        elif (day - last).days > 1:
            yield first, last
            first = day
        last = day
    if first is not None and last is not None:
        yield first, last


_THE_DAY = "--day DAY"


def days_in_a_row(told: Mapping[dt.date, str]) -> list[tuple[str, str]]:
    """(days in words, what is said of them): days in a row of which the same is said are told together.

    A command's `--day` of each is `--from` and `--to` of all.
    """
    runs: list[tuple[dt.date, dt.date, str]] = []
    for day, text in sorted(told.items()):
        alike = text.replace(f"--day {day}", _THE_DAY)
        if runs and runs[-1][1] + dt.timedelta(days=1) == day and runs[-1][2] == alike:
            runs[-1] = (runs[-1][0], day, alike)
        else:
            runs.append((day, day, alike))
    return [_in_words(*run) for run in runs]


def _in_words(first: dt.date, last: dt.date, text: str) -> tuple[str, str]:
    if first == last:
        return f"{first}", text.replace(_THE_DAY, f"--day {first}")
    return f"{first} to {last}", text.replace(_THE_DAY, f"--from {first} --to {last}")
