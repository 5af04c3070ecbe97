"""What clocks in a zone show at an instant, and at which instant they showed a time, for columns of Polars.

Polars has the history of the zones compiled in, as of its own release; Python takes that of the system, or of the
package tzdata, and so do Dagster's partitions and the bounds of days. Where both agree about a zone Polars converts;
where they differ, as after a country changed its clocks, or where Polars has not heard of the zone, Python's data are
taken here, too, so that a program never has two of one day's edges. Calendar days belong to `pipeline.days`.
"""

from __future__ import annotations

import datetime as dt
import functools
from collections.abc import Callable
from dataclasses import dataclass
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

import polars as pl
from blake3 import blake3

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
_SECOND = 1_000_000
_COMPARED = (2000, 2037)
"""Years in which the two are compared: no flow log is older, and beyond both only extrapolate."""
_TOLD = (1970, 2100)
_NO_ZONES = {"localtime", "Factory"}
_STEP = dt.timedelta(days=7)
"""No zone since 2000 changed its clocks and back within a week."""


@dataclass(frozen=True)
class _Table:
    """Stretches of one offset, as Python's data have them: epoch microseconds of their starts, and the offsets."""

    starts: pl.Series
    offsets: pl.Series

    def offset_at(self, instants: pl.Series) -> pl.Series:
        """What is to be added to epoch microseconds for the time that clocks show."""
        found = _before(self.starts, instants.fill_null(0))
        return _with_nulls(instants, self.offsets.gather(found))

    def offset_behind(self, shown: pl.Series) -> pl.Series:
        """What is to be taken from a shown time: the earlier of two, null where the clocks never showed it."""
        known = shown.fill_null(0)
        ends = self.starts.slice(1) + self.offsets.head(-1)
        place = ends.search_sorted(known, side="right")
        skipped = (known < (self.starts + self.offsets).gather(place)) & (place > 0)
        return _with_nulls(shown, self.offsets.gather(place)).set(skipped, None)


def shown(instants: pl.Expr, zone: str) -> pl.Expr:
    """Expression: what clocks in the zone show at instants in UTC, without a zone."""
    table = _table(zone)
    if table is None:
        return instants.dt.convert_time_zone(zone).dt.replace_time_zone(None)
    plain = instants.dt.replace_time_zone(None)
    return plain + _microseconds(plain, table.offset_at)


def instants(shown: pl.Expr, zone: str) -> pl.Expr:
    """Expression: the instants, in UTC, of times that clocks in the zone showed.

    The earlier of two at the end of summer time, none in the hour that its beginning skips.
    """
    table = _table(zone)
    if table is None:
        return shown.dt.replace_time_zone(zone, ambiguous="earliest", non_existent="null").dt.convert_time_zone("UTC")
    return (shown - _microseconds(shown, table.offset_behind)).dt.replace_time_zone("UTC")


def is_zone(name: str) -> bool:
    """Whether it names a zone of the IANA database, of which Polars may not have heard yet.

    Not the copies with leap seconds, nor `localtime`, which is another zone on each machine.
    """
    try:
        ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        return False
    return _knows(name) or name in available_timezones() - _NO_ZONES


@functools.cache
def zone_key(zone: str) -> str:
    """The zone's name, and a mark of Python's data of it: days that were dated by others are others.

    A mark of Polars' data would not tell of an update that brings both.
    """
    if zone == "UTC":
        return zone
    return f"{zone}@{blake3(str(_stretches(zone, *_COMPARED)).encode()).hexdigest()[:16]}"


def zone_named(key: str) -> str:
    """The name in a `zone_key`."""
    return key.partition("@")[0]


def _microseconds(times: pl.Expr, offsets: Callable[[pl.Series], pl.Series]) -> pl.Expr:
    found = times.dt.epoch("us").map_batches(offsets, return_dtype=pl.Int64, is_elementwise=True)
    return pl.duration(microseconds=found)


def _before(starts: pl.Series, times: pl.Series) -> pl.Series:
    """In which stretch each time lies; what is before the first one, in that."""
    return starts.slice(1).search_sorted(times, side="right")


def _with_nulls(like: pl.Series, values: pl.Series) -> pl.Series:
    return values.set(like.is_null(), None)


@functools.cache
def _table(zone: str) -> _Table | None:
    """Python's data of the zone; None where those of Polars say the same."""
    if zone == "UTC" or (_knows(zone) and _agree(zone)):
        return None
    starts, offsets = zip(*_stretches(zone, *_TOLD), strict=True)
    return _Table(pl.Series(starts, dtype=pl.Int64), pl.Series(offsets, dtype=pl.Int64))


def _knows(zone: str) -> bool:
    """Whether Polars has the zone."""
    try:
        pl.Series([], dtype=pl.Datetime("us", "UTC")).dt.convert_time_zone(zone)
    except pl.exceptions.PolarsError:
        return False
    return True


def _agree(zone: str) -> bool:
    stretches = _stretches(zone, *_COMPARED)
    edges = [start + at for start, _ in stretches[1:] for at in (-_SECOND, 0)]
    times = pl.Series(sorted({*edges, *(_us(t) for t in _weeks(*_COMPARED))}), dtype=pl.Int64)
    known = times.cast(pl.Datetime("us", "UTC")).dt.convert_time_zone(zone).dt.replace_time_zone(None)
    starts, offsets = (pl.Series(values, dtype=pl.Int64) for values in zip(*stretches, strict=True))
    return (known.to_physical() - times).equals(offsets.gather(_before(starts, times)))


def _stretches(zone: str, first: int, last: int) -> list[tuple[int, int]]:
    """Start and offset of each stretch between two years; the first one's start is the beginning of the first year."""
    clock, found = ZoneInfo(zone), list[tuple[int, int]]()
    before, was = None, 0
    for time in _weeks(first, last):
        offset = _offset(clock, time)
        if before is None or offset != was:
            found.append((_us(time if before is None else _change(clock, before, time, was)), offset))
        before, was = time, offset
    return found


def _weeks(first: int, last: int) -> list[dt.datetime]:
    begin, end = dt.datetime(first, 1, 1, tzinfo=dt.UTC), dt.datetime(last + 1, 1, 1, tzinfo=dt.UTC)
    return [begin + n * _STEP for n in range((end - begin) // _STEP)]


def _change(clock: ZoneInfo, before: dt.datetime, after: dt.datetime, was: int) -> dt.datetime:
    """The first second between two times at which the offset is no longer what it was."""
    while after - before > dt.timedelta(seconds=1):
        middle = before + dt.timedelta(seconds=int((after - before).total_seconds()) // 2)
        before, after = (middle, after) if _offset(clock, middle) == was else (before, middle)
    return after


def _offset(clock: ZoneInfo, time: dt.datetime) -> int:
    return (time.astimezone(clock).utcoffset() or dt.timedelta()) // dt.timedelta(microseconds=1)


def _us(time: dt.datetime) -> int:
    return (time - _EPOCH) // dt.timedelta(microseconds=1)
