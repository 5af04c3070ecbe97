"""Times and counts as exports of other programs spell them, in the spelling that readers know.

Only what can be read in one way is: a date such as 11/12/2026 is not, and stays as it is. Blocks whose values are
plain never come here.
"""

from __future__ import annotations

import polars as pl

ABSENT = (
    "",
    "-",
    "(empty)",
    "null",
    "NULL",
    "Null",
    "N/A",
    "n/a",
    "NaN",
    "nan",
    "none",
    "None",
    "\\N",
    "<null>",
    "<NA>",
    "NA",
    "NaT",
    "nil",
    "<nil>",
    "(null)",
    "undefined",
)
"""What exports of other programs write for nothing."""
_GROUPED = r"^\d{1,3}(?:,\d{3})+$"
_DOUBTFUL = r"^[1-9]\d{0,2}\.\d{3}$"
"""A thousand times as much in one country as in another."""
ROUNDED = r"^\d(?:\.\d{1,5})?E\+(?:0[6-9]|[1-9]\d)$"
"""A large number as a spreadsheet shows and saves it: 1.79513E+09 is any second of three hours."""
PADDED = r"^\d{3}(?:\.\d{3}){3}$"
"""An IPv4 address whose numbers have zeros before them."""
_LASTED = r"^(?:(-?\d+) days? \+?)?(\d+):(\d\d):(\d\d(?:\.\d+)?)$"
_UNITS = "^" + "".join(rf"(?:(\d+(?:\.\d+)?){unit})?" for unit in ("d", "h", "m", "s", "ms", "[uµμ]s", "ns")) + "$"
_LENGTHS = (86_400, 3_600, 60, 1, 1e-3, 1e-6, 1e-9)
"""Seconds of the units of a duration."""
_TIMES = (
    (r"^(\d{4})/(\d\d)/(\d\d)", "${1}-${2}-${3}"),  # 2026/11/20
    (r"(:\d\d),(\d{1,9})", "${1}.${2}"),  # a decimal comma
    (r"^(\d{4}-\d\d-\d\d[T ]\d\d:\d\d)( ?Z| ?[+-]\d\d:?\d\d)?$", "${1}:00${2}"),  # no seconds
    (r"^(\d{4}-\d\d-\d\d[T ][0-9:.]+) (Z|[+-]\d\d:?\d\d)(?: [A-Z]{1,5})?$", "${1}${2}"),  # Go names the zone, too
    (r"^(\d{4}-\d\d-\d\d[T ][0-9:.]+[+-]\d\d)$", "${1}:00"),  # PostgreSQL and DuckDB: hours alone
    (r"^(\d{4}-\d\d-\d\d[T ][0-9:.]+) (?:UTC|GMT)$", "${1}Z"),
)
_PORTAL = r"^(\d{1,2})/(\d{1,2})/(\d{4}),? (\d{1,2}:\d\d:\d\d)(\.\d+)? ([AP]M)$"
"""A date that only one country writes with a half of the day, as the Azure portal does."""
_KIBANA = r"^([A-Z][a-z]{2} \d{1,2}, \d{4}) @ (\d\d:\d\d:\d\d(?:\.\d+)?)$"

_CLOCK = r"(\d\d:\d\d:\d\d(?:\.\d+)?)"
_MONTH_FIRST = rf"^(?:[A-Z][a-z]{{2}},? )?([A-Z][a-z]{{2}}) +(\d{{1,2}}),? (?:(\d{{4}}) )?{_CLOCK}(?: (\d{{4}}))?$"
"""Nov 20, 2026 08:00:00, or as C's ctime writes it: Fri Nov 20 08:00:00 2026."""
_DAY_FIRST = (
    rf"^(?:[A-Z][a-z]{{2}}, )?(\d{{1,2}})[ /]([A-Z][a-z]{{2}})[ /](\d{{4}})[ :]{_CLOCK}(?: (Z|GMT|UTC|[+-]\d{{4}}))?$"
)
"""Fri, 20 Nov 2026 08:00:00 GMT, or as web servers write it: 20/Nov/2026:08:00:00 +0000."""


def plain_times(text: pl.Expr) -> pl.Expr:
    """Times with digits as ISO 8601 has them, those of Kibana and those with a month's name; all others as they are."""
    text = text.str.strip_chars()
    for pattern, spelled in _TIMES:
        text = text.str.replace(pattern, spelled)
    parts = text.str.extract_groups(_KIBANA)
    day = parts.struct.field("1").str.to_date("%b %d, %Y", strict=False).dt.to_string("%Y-%m-%d")
    return pl.coalesce(pl.concat_str(day, pl.lit("T"), parts.struct.field("2")), _portal(text), *_named(text), text)


def _named(text: pl.Expr) -> list[pl.Expr]:
    """Times whose month is a name as ISO 8601; null for others."""
    month, day, early, clock, late = (text.str.extract(_MONTH_FIRST, n) for n in range(1, 6))
    found = [_joined(day, month, pl.coalesce(early, late), clock, pl.lit(""))]
    day, month, year, clock, zone = (text.str.extract(_DAY_FIRST, n) for n in range(1, 6))
    return [*found, _joined(day, month, year, clock, zone.replace({"GMT": "Z", "UTC": "Z"}).fill_null(""))]


def _joined(day: pl.Expr, month: pl.Expr, year: pl.Expr, clock: pl.Expr, zone: pl.Expr) -> pl.Expr:
    date = pl.concat_str(day, month, year, separator=" ").str.to_date("%d %b %Y", strict=False)
    return pl.concat_str(date.dt.to_string("%Y-%m-%d"), pl.lit("T"), clock, zone)


def _portal(text: pl.Expr) -> pl.Expr:
    """Times of the form 11/20/2026, 8:00:00.250 PM as ISO 8601; null for others."""
    parts = text.str.extract_groups(_PORTAL)
    month, day, year, clock, fraction, half = (parts.struct.field(str(i)) for i in range(1, 7))
    whole = pl.concat_str([month, day, year, clock, half], separator=" ")
    read = whole.str.to_datetime("%m %d %Y %I:%M:%S %p", strict=False).dt.to_string("%Y-%m-%dT%H:%M:%S")
    return pl.concat_str(read, fraction.fill_null(""))


def plain_count(text: pl.Expr) -> pl.Expr:
    """Whole numbers without the commas that group their digits by three; null where a point may do the same."""
    plain = text.str.replace_all(",", "", literal=True)
    doubtful = text.str.contains(f"{_DOUBTFUL}|{ROUNDED}")
    return pl.when(text.str.contains(_GROUPED)).then(plain).when(~doubtful).then(text)


def seconds(text: pl.Expr) -> pl.Expr:
    """A duration in seconds; also one as pandas writes it (0 days 00:01:00.5), or as Go, Zed and Tenzir do (1m0.5s)."""
    days, hours, minutes, rest = (text.str.extract(_LASTED, n).cast(pl.Float64, strict=False) for n in range(1, 5))
    spans = [(text.str.extract(_UNITS, n + 1).cast(pl.Float64, strict=False), unit) for n, unit in enumerate(_LENGTHS)]
    named = pl.sum_horizontal(number.fill_null(0.0) * unit for number, unit in spans)
    return pl.coalesce(
        text.cast(pl.Float64, strict=False),
        days.fill_null(0.0) * 86_400 + hours * 3_600 + minutes * 60 + rest,
        pl.when(text.str.contains(r"^\d") & text.str.contains(_UNITS)).then(named),
    )


def plain_address(column: str) -> pl.Expr:
    """An address as it is usually written: without padding zeros, and an IPv4 address that is a number with dots."""
    text = pl.col(column)
    number = text.str.extract(r"^(\d{1,10})$").cast(pl.Int64, strict=False)
    number = pl.when(number < 2**32).then(number)
    dotted = pl.concat_str([(number // 256**i % 256).cast(pl.String) for i in (3, 2, 1, 0)], separator=".")
    padded = pl.when(text.str.contains(PADDED)).then(text.str.replace_all(r"(^|\.)0{1,2}(\d)", "${1}${2}"))
    return pl.coalesce(dotted, padded, text)
