"""How a source's files are read, from its settings: the one place where settings become the readers' options, or a key.

What each option does belongs to the readers.
"""

from __future__ import annotations

import datetime as dt

from pipeline import clocks
from pipeline.settings import LimitSettings, Settings, SourceSettings
from pipeline.sources.base import ReadOptions
from pipeline.sources.watch import Watch
from pipeline.storage import digest


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


def reading_key(source: SourceSettings, settings: Settings, code: int) -> str:
    """What decides how a source's lines are read, and into which days; it ends in '/'.

    Args:
        source: the source.
        settings: of the site.
        code: the version of the program's reading.
    """
    site = f"{clocks.zone_key(settings.timezone)}/{settings.counting.attribute}"
    reading = f"{code}/{site}/{source.format}/{clocks.zone_key(source.timezone)}/"
    if source.mapping is not None or source.swap_bytes:
        reading += f"{digest(repr(source.mapping), str(source.swap_bytes))}/"
    return reading if source.header is None else f"{reading}{digest(source.header)}/"
