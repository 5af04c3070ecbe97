"""What a verdict may need beside the day's rows and their baseline: which days were read, and who are peers.

Building it for a site belongs to `pipeline.stored.stages`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, field

from pipeline.groups import Groups


@dataclass(frozen=True)
class Surroundings:
    """Of one day judged."""

    days_read: frozenset[dt.date] = frozenset()
    """Days the baseline was made from whose logs were read: only there is no row the same as no traffic."""
    groups: Groups = field(default_factory=Groups)
