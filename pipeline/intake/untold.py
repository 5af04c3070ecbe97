"""Days of which it cannot be known what a source had, because its files, or a folder of them, cannot be listed now.

A share that is not mounted looks like a folder that is gone, and a day without its logs like a quiet one. Files are
found by `pipeline.intake.files`; a source whose logs are gone for good says so by `retired`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from pipeline.errors import SourceError
from pipeline.intake.landing import Landing
from pipeline.objects import is_url
from pipeline.settings import SourceSettings


def untold(landing: Landing, sources: Iterable[SourceSettings], day: dt.date) -> SourceError | None:
    """Why the day's flows cannot be told, by the last landing; None where they can."""
    for source in sources:
        problem = landing.unlisted.get(source.name)
        if problem is not None and (is_url(source.path) or _is_awaited(landing, source, day)):
            return problem
    return None


def _is_awaited(landing: Landing, source: SourceSettings, day: dt.date) -> bool:
    """Whether a source in folders was at work by the day, and nothing that was read of it before is of the day.

    One that never had a log may have a wrong path, of which every command tells.
    """
    if source.retired is not None and source.retired <= day:
        return False
    read = [e for e in landing.ledger.entries.values() if e.source == source.name and e.state == "landed"]
    first = min((d for e in read for d in e.days_held), default="9999")
    counted = {d for e in read if not e.left_out for d in e.days_held}  # Not what another `path` had named.
    return first <= day.isoformat() and day.isoformat() not in counted
