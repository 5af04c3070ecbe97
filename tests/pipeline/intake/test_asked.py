"""Days as they are asked of files, against going over them one by one."""

import datetime as dt

from hypothesis import given
from hypothesis import strategies as st

from pipeline.intake.asked import Asked

FIRST = dt.date(2026, 1, 1)
DAY = st.integers(-5, 25).map(lambda n: FIRST + dt.timedelta(days=n))


@given(st.lists(DAY), DAY, DAY, st.lists(DAY))
def test_days_are_found_as_by_going_over_them(
    days: list[dt.date], first: dt.date, last: dt.date, named: list[dt.date]
) -> None:
    asked = Asked(days)
    within = [d for d in sorted(set(days)) if first <= d <= last]
    assert asked.within((first, last)) == within
    assert asked.may_be_in((first, last)) == bool(within)
    assert asked.named(d.isoformat() for d in named) == [d for d in sorted(set(days)) if d in named]


def test_of_a_span_that_nobody_can_tell_all_days_may_be() -> None:
    assert Asked([FIRST]).within(None) == [FIRST]
    assert Asked([FIRST]).may_be_in(None)
    assert Asked([]).may_be_in(None)
