"""The options that several commands share: days, asked for one by one or as a range, and paths."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Any, TypeVar

import click

from pipeline.days import day_range, parse_day

F = TypeVar("F")


class Day(click.ParamType[dt.date]):
    """A day as YYYY-MM-DD."""

    name = "YYYY-MM-DD"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.date:
        """The day; fails as click does."""
        try:
            return value if isinstance(value, dt.date) else parse_day(value)
        except ValueError:
            formed = re.fullmatch(r"\d{4}-\d{2}-\d{2}", value, re.ASCII)
            fault = "in no calendar" if formed else "not a day of the form YYYY-MM-DD"
            self.fail(f"{value!r} is {fault}.", param, ctx)


class Moment(click.ParamType[dt.datetime]):
    """A moment in ISO form, with its offset from UTC; Z is UTC."""

    name = "YYYY-MM-DDTHH:MM:SSZ"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> dt.datetime:
        """The moment; fails as click does."""
        try:
            found = value if isinstance(value, dt.datetime) else dt.datetime.fromisoformat(value)
        except ValueError:
            found = None
        if found is None or found.tzinfo is None:
            self.fail(f"{value!r} is no time such as 2026-10-02T03:00:00Z, with its zone.", param, ctx)
        return found


class NamedPath(click.Path):
    """A file or folder that has a name: an empty one is an unset variable of a script, and no current folder."""

    def __init__(self, *, exists: bool = False, file_okay: bool = True, dir_okay: bool = True) -> None:
        super().__init__(exists=exists, file_okay=file_okay, dir_okay=dir_okay, path_type=Path)

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path; fails as click does."""
        if value in ("", b""):
            self.fail("the name is empty. Name it; the current folder is '.'.", param, ctx)
        return super().convert(value, param, ctx)


def day_options(function: F) -> F:
    """--day, --from and --to, as day, first and last."""
    for name, text in (("--to", "last day"), ("--from", "first day"), ("--day", "one day")):
        key = {"--from": "first", "--to": "last", "--day": "day"}[name]
        click.option(name, key, type=Day(), help=f"{text}, YYYY-MM-DD")(function)  # type: ignore[type-var]
    return function


Days = tuple[dt.date, dt.date]


def asked_days(day: dt.date | None, first: dt.date | None, last: dt.date | None, ends: Days) -> list[dt.date]:
    """The asked days; what is not said is taken from ends."""
    if day is not None and (first or last):
        raise click.UsageError("give --day, or --from and --to, not both.")
    if day is not None:
        return [day]
    first = first or min(ends[0], last or ends[0])
    last = last or max(ends[1], first)
    if last < first:
        raise click.UsageError(f"--from {first} lies after --to {last}.")
    return day_range(first, last)
