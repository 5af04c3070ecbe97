"""What the abbreviation of a time zone that stands beside a device's time is worth: `CET`, `EDT`, `IST`.

An abbreviation that the source's own zone uses is that zone's. Of any other, one that is used for a single offset is
taken at its word, and one that stands for several (`IST` is India's, Israel's and Ireland's) leaves the time unknown,
which sets the record aside rather than dates it hours off. Abbreviations that are not known here say nothing.
Sources: RFC 5322 (section 4.3: EST to PDT are those of North America), the names in the IANA database.
"""

from __future__ import annotations

import datetime as dt
import functools
from zoneinfo import ZoneInfo

import polars as pl

_HOUR = 3_600_000_000
_FIRST, _LAST = 2000, 2037
_ALONE = {
    **{"UTC": 0, "GMT": 0, "Z": 0, "WET": 0, "WEST": 1, "CET": 1, "CEST": 2, "MEZ": 1, "MESZ": 2, "EET": 2, "EEST": 3},
    **{"SAST": 2, "CAT": 2, "EAT": 3, "MSK": 3, "PKT": 5, "WIB": 7, "WITA": 8, "HKT": 8, "SGT": 8, "AWST": 8},
    **{"JST": 9, "KST": 9, "ACST": 9.5, "ACDT": 10.5, "AEST": 10, "AEDT": 11, "NZST": 12, "NZDT": 13, "HST": -10},
    **{"AKST": -9, "AKDT": -8, "PST": -8, "PDT": -7, "MST": -7, "MDT": -6, "CDT": -5, "EST": -5, "EDT": -4, "BRT": -3},
}
"""Hours ahead of UTC."""
_SEVERAL = ("CST", "IST", "BST", "AST", "ADT", "GST", "SST", "WST")
"""Those of several offsets, of which none is meant everywhere."""
_CALLED = {
    **{"EST": ("AEST",), "EDT": ("AEDT",), "CST": ("ACST",), "CDT": ("ACDT",), "WST": ("AWST", "+13"), "BST": ("+06",)},
    **{"AST": ("+03",), "GST": ("+04", "-02"), "SST": ("+08",), "WIB": ("+07",), "BRT": ("-03",)},
}
"""What the IANA database calls the time that devices in some countries call so."""
NAMES = (*_ALONE, *_SEVERAL)


def offset_us(names: pl.Expr, zone: str) -> pl.Expr:
    """Microseconds that times of these zones are ahead of UTC; null where they are of the source's zone, or unknown."""
    known = {name: told for name in NAMES if (told := _told(name, zone)) is not None}
    return names.replace_strict(known, default=None, return_dtype=pl.Int64)


def is_doubtful(names: pl.Expr, zone: str) -> pl.Expr:
    """Whether a zone is not the source's, though nobody can say which it is."""
    return names.is_in(_doubtful(zone)).fill_null(value=False)


@functools.cache
def _told(name: str, zone: str) -> int | None:
    if (own := _as_own(name, zone)) is not None:
        return min(own) if len(own) == 1 else None
    return int(_ALONE[name] * _HOUR) if name in _ALONE else None


@functools.cache
def _doubtful(zone: str) -> list[str]:
    return [name for name in _SEVERAL if _as_own(name, zone) is None]


def _as_own(name: str, zone: str) -> set[int] | None:
    """The offsets that the source's zone has under the name, or what stands for it there; None where it has none."""
    own = _own(zone)
    return next((own[n] for n in (name, *_CALLED.get(name, ())) if n in own), None)


@functools.cache
def _own(zone: str) -> dict[str, set[int]]:
    """The names that a zone's clocks show, with their offsets."""
    clock, found = ZoneInfo(zone), dict[str, set[int]]()
    for year in range(_FIRST, _LAST + 1):
        for month in range(1, 13):
            time = dt.datetime(year, month, 1, tzinfo=dt.UTC).astimezone(clock)
            offset = (time.utcoffset() or dt.timedelta()) // dt.timedelta(microseconds=1)
            found.setdefault(time.tzname() or "", set()).add(offset)
    return found
