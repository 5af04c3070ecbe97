"""The days that a run asks for, in a form that is checked quickly against thousands of files.

A file is asked by the span of days that it may hold, or by the days that it is known to hold: going over all days for
each file would take minutes for years of hourly logs. What is known of each file is in `pipeline.intake.landing`.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left, bisect_right
from collections.abc import Collection, Iterable

Span = tuple[dt.date, dt.date]
"""First and last day."""


class Asked:
    """The days that somebody asks for."""

    def __init__(self, days: Collection[dt.date]) -> None:
        self.days = sorted(set(days))
        self._named = {day.isoformat(): day for day in self.days}

    def within(self, span: Span | None) -> list[dt.date]:
        """Those of them in a span, in order; all of them where it is not known."""
        if span is None:
            return self.days
        return self.days[bisect_left(self.days, span[0]) : bisect_right(self.days, span[1])]

    def named(self, names: Iterable[str]) -> list[dt.date]:
        """Those of them with one of the names (ISO), in order."""
        return sorted({self._named[name] for name in names if name in self._named})

    def may_be_in(self, span: Span | None) -> bool:
        """Whether one of them is in a span; of one that is not known that may be, whatever was asked for."""
        return span is None or bool(self.within(span))
