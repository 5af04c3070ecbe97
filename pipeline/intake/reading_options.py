"""How a source's files are read, from its settings: the one place where settings become the readers' options.

What each option does belongs to the readers.
"""

from __future__ import annotations

import datetime as dt

from pipeline.settings import LimitSettings, SourceSettings
from pipeline.sources.base import ReadOptions
from pipeline.sources.watch import Watch


def latest_us(now: dt.datetime, limits: LimitSettings) -> int:
    """The last start that is believed, in epoch microseconds."""
    return int((now + dt.timedelta(days=limits.future_days)).timestamp() * 1e6)


def options_for(source: SourceSettings, limits: LimitSettings, now: dt.datetime, watch: Watch) -> ReadOptions:
    """The options of one source; watch says which rows are kept."""
    at = latest_us(now, limits)
    return ReadOptions(
        watch,
        at,
        timezone=source.timezone,
        mapping=source.mapping,
        swap_bytes=source.swap_bytes,
        header=source.header or "",
    )
