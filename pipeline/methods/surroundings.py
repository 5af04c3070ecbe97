"""What a verdict may need beside the day's rows and their baseline: which days were read, and who are peers.

Building it for a site belongs to `pipeline.stored.stages`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field

from pipeline.groups import Groups


@dataclass(frozen=True)
class Surroundings:
    """Of one day judged."""

    days_read: frozenset[dt.date] = frozenset()
    """Days the baseline was made from whose logs were read: only there is no row the same as no traffic."""
    groups: Groups = field(default_factory=Groups)
    untold: Mapping[str, frozenset[dt.date]] = field(default_factory=dict)
    """Series -> days of which nobody counted it: there no row of it is no traffic either."""

    def told_days(self, series: str) -> frozenset[dt.date]:
        """The days read on which no row of the series is no traffic."""
        return self.days_read - self.untold.get(series, frozenset())
