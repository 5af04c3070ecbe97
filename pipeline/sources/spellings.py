"""Times and counts as exports of other programs spell them, in the spelling that readers know.

Only what can be read in one way is: a date such as 11/12/2026 is not, and stays as it is. Records whose values are
plain never come here.
"""

from __future__ import annotations

from collections.abc import Callable

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
_GROUPED = (
    (r"^[0-9]{1,3}(?:,[0-9]{3})+(?:\.0+)?$", r",|\.0+$"),
    (r"^[0-9]{1,3}(?:[\x{a0}\x{2009}\x{202f}'\x{2019}_][0-9]{3})+$", r"[^0-9]"),
    (r"^[0-9]{1,3}(?:\.[0-9]{3}){2,}$", r"\."),
    (r"^[0-9]+,0{1,2}$", r",0+$"),
)
"""Digits in groups of three, as English, French, Swiss and German programs write them, and what to leave out of them. A
plain blank may part two values, and one group behind a point is a fraction elsewhere."""
DOUBTFUL = r"^[1-9][0-9]{0,2}\.[0-9]{3}$"
"""A thousand times as much in one country as in another."""
_ADDRESS = r"^(?:[01]?[0-9]{1,2}|2[0-4][0-9]|25[0-5])(?:\.(?:[01][0-9]{2}|2[0-4][0-9]|25[0-5])){3}$"
"""An IPv4 address whose numbers have three digits, which in the place of a count would be gigabytes."""
ROUNDED = r"^[0-9](?:\.[0-9]{1,5})?E\+(?:0[6-9]|[1-9][0-9])$"
"""A large number as a spreadsheet shows and saves it: 1.79513E+09 is any second of three hours."""
PADDED = r"^[0-9]{3}(?:\.[0-9]{3}){3}$"
"""An IPv4 address whose numbers have zeros before them."""
_LASTED = r"^(?:(-?[0-9]+) days? \+?)?([0-9]+):([0-9]{2}):([0-9]{2}(?:\.[0-9]+)?)$"
_UNITS = (
    "^" + "".join(rf"(?:([0-9]+(?:\.[0-9]+)?){unit})?" for unit in ("d", "h", "m", "s", "ms", "[uµμ]s", "ns")) + "$"
)
_LENGTHS = (86_400, 3_600, 60, 1, 1e-3, 1e-6, 1e-9)
"""Seconds of the units of a duration."""
_DATE, _ZONE = "[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", "[+-][0-9]{2}:?[0-9]{2}"
_TIMES = (
    (  # ISO 8601's basic form
        rf"^([0-9]{{4}})([0-9]{{2}})([0-9]{{2}})T([0-9]{{2}})([0-9]{{2}})([0-9]{{2}})((?:[.,][0-9]+)?(?:Z|{_ZONE})?)$",
        "${1}-${2}-${3}T${4}:${5}:${6}${7}",
    ),
    (
        rf"^({_DATE}[0-9:.,]+(?:Z|{_ZONE}))\[!?[A-Za-z][A-Za-z0-9_/+-]*\]$",
        "${1}",
    ),  # Java names the zone, too (RFC 9557)
    (r"^([0-9]{4})/([0-9]{2})/([0-9]{2})", "${1}-${2}-${3}"),  # 2026/11/20
    (r"^([0-9])(\.[0-9]{1,2}\.[0-9]{4}[ ,T])", "0${1}${2}"),
    (r"^([0-9]{2}\.)([0-9]\.[0-9]{4}[ ,T])", "${1}0${2}"),
    (r"^([0-9]{2})\.(0[1-9]|1[0-2])\.([0-9]{4})[ ,T]+", "${3}-${2}-${1}T"),  # 20.11.2026: with points the day is first
    (r"^([0-9]{4}-[0-9]{2}-[0-9]{2}[T ])([0-9]:)", "${1}0${2}"),
    (r"^([0-9]{9,10}),([0-9]{1,9})$", "${1}.${2}"),  # seconds since 1970 with a decimal comma
    (r"(:[0-9]{2}),([0-9]{1,9})", "${1}.${2}"),  # a decimal comma
    (rf"^({_DATE}[0-9]{{2}}:[0-9]{{2}})( ?Z| ?{_ZONE})?$", "${1}:00${2}"),  # no seconds
    (rf"^({_DATE}[0-9:.]+) (Z|{_ZONE})(?: [A-Z]{{1,5}})?$", "${1}${2}"),  # Go names the zone, too
    (rf"^({_DATE}[0-9:.]+[+-][0-9]{{2}})$", "${1}:00"),  # PostgreSQL and DuckDB: hours alone
    (rf"^({_DATE}[0-9:.]+) (?:UTC|GMT)$", "${1}Z"),
)
_KNOWN = rf"^(?:[0-9.]+|{_DATE}[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}[0-9.]*(?:Z|{_ZONE})?)$"
"""A number, or a time as ISO 8601 has it: nothing is left to do."""
_PORTAL = r"^([0-9]{1,2})/([0-9]{1,2})/([0-9]{4}),? +([0-9]{1,2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)? ([AP]M)$"
"""A date with a half of the day, as the Azure portal writes it: month first. Elsewhere that number may be the day."""
_CONSOLE = r"^([A-Z][a-z]{2}) ([0-9]{1,2}), ([0-9]{4}),? ([0-9]{1,2}:[0-9]{2}:[0-9]{2})(\.[0-9]+)?[ \x{202F}]([AP]M)$"
"""Nov 20, 2026, 8:00:00 PM, as consoles that are written in Java show a time."""
_KIBANA = r"^([A-Z][a-z]{2} [0-9]{1,2}, [0-9]{4}) @ ([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)$"

_CLOCK = r"([0-9]{2}:[0-9]{2}:[0-9]{2}(?:\.[0-9]+)?)"
_DAY, _NAME, _YEAR = "([0-9]{1,2})", "([A-Z][a-z]{2})", "([0-9]{4})"
_MONTH_FIRST = rf"^(?:[A-Z][a-z]{{2}},? )?{_NAME} +{_DAY},? (?:{_YEAR} )?{_CLOCK}(?: {_YEAR})?$"
"""Nov 20, 2026 08:00:00, or as C's ctime writes it: Fri Nov 20 08:00:00 2026."""
_DAY_FIRST = rf"^(?:[A-Z][a-z]{{2}}, )?{_DAY}[ /]{_NAME}[ /]{_YEAR}[ :]{_CLOCK}(?: (Z|GMT|UTC|[+-][0-9]{{4}}))?$"
"""Fri, 20 Nov 2026 08:00:00 GMT, or as web servers write it: 20/Nov/2026:08:00:00 +0000."""


def mostly(
    text: pl.Expr, plain: Callable[[pl.Series], pl.Series], odd: Callable[[pl.Expr], pl.Expr], made: pl.DataType
) -> pl.Expr:
    """What `plain` makes of texts, and `odd` of those alone of which that makes nothing: patterns cost the most."""

    def read(texts: pl.Series) -> pl.Series:
        found = plain(texts)
        if found.null_count() == texts.null_count():
            return found
        left = (found.is_null() & texts.is_not_null()).arg_true()
        return found.scatter(left, texts.gather(left).alias("text").to_frame().select(odd(pl.col("text"))).to_series())

    return text.map_batches(read, return_dtype=made, is_elementwise=True)


def plain_times(text: pl.Expr) -> pl.Expr:
    """Times with digits as ISO 8601 has them, those of Kibana and those with a month's name; all others as they are."""
    return mostly(text.str.strip_chars(), _known_times, _respelled, pl.String())


def month_assumed(texts: pl.Series) -> int:
    """Of how many times `plain_times` takes the first number for the month that may be the day as well."""
    if texts.dtype != pl.String or not texts.str.contains(_PORTAL).any():
        return 0
    first, second = (texts.str.extract(_PORTAL, n).cast(pl.Int64, strict=False) for n in (1, 2))
    return int(((first <= 12) & (second <= 12) & (first != second)).sum())


def _known_times(texts: pl.Series) -> pl.Series:
    return texts.to_frame("t").select(pl.when(pl.col("t").str.contains(_KNOWN)).then("t")).to_series()


def _respelled(text: pl.Expr) -> pl.Expr:
    for pattern, spelled in _TIMES:
        text = text.str.replace(pattern, spelled)
    parts = text.str.extract_groups(_KIBANA)
    day = parts.struct.field("1").str.to_date("%b %d, %Y", strict=False).dt.to_string("%Y-%m-%d")
    return pl.coalesce(pl.concat_str(day, pl.lit("T"), parts.struct.field("2")), *_halved(text), *_named(text), text)


def _named(text: pl.Expr) -> list[pl.Expr]:
    """Times whose month is a name as ISO 8601; null for others."""
    month, day, early, clock, late = (text.str.extract(_MONTH_FIRST, n) for n in range(1, 6))
    found = [_joined(day, month, pl.coalesce(early, late), clock, pl.lit(""))]
    day, month, year, clock, zone = (text.str.extract(_DAY_FIRST, n) for n in range(1, 6))
    return [*found, _joined(day, month, year, clock, zone.replace({"GMT": "Z", "UTC": "Z"}).fill_null(""))]


def _joined(day: pl.Expr, month: pl.Expr, year: pl.Expr, clock: pl.Expr, zone: pl.Expr) -> pl.Expr:
    date = pl.concat_str(day, month, year, separator=" ").str.to_date("%d %b %Y", strict=False)
    return pl.concat_str(date.dt.to_string("%Y-%m-%d"), pl.lit("T"), clock, zone)


def _halved(text: pl.Expr) -> list[pl.Expr]:
    """Times of the form 11/20/2026, 8:00:00.250 PM or Nov 20, 2026, 8:00:00 PM as ISO 8601; null for others."""
    found = list[pl.Expr]()
    for pattern, date in ((_PORTAL, "%m %d %Y"), (_CONSOLE, "%b %d %Y")):
        parts = text.str.extract_groups(pattern)
        month, day, year, clock, fraction, half = (parts.struct.field(str(i)) for i in range(1, 7))
        whole = pl.concat_str([month, day, year, clock, half], separator=" ")
        read = whole.str.to_datetime(f"{date} %I:%M:%S %p", strict=False).dt.to_string("%Y-%m-%dT%H:%M:%S")
        found.append(pl.concat_str(read, fraction.fill_null("")))
    return found


def plain_count(text: pl.Expr) -> pl.Expr:
    """Whole numbers without what groups their digits by three; null where that cannot be told from a fraction."""
    grouped = [pl.when(text.str.contains(shape)).then(text.str.replace_all(left, "")) for shape, left in _GROUPED]
    return pl.when(~text.str.contains(f"{DOUBTFUL}|{ROUNDED}|{_ADDRESS}")).then(pl.coalesce(*grouped, text))


def seconds(text: pl.Expr) -> pl.Expr:
    """A duration in seconds; also one as pandas writes it (0 days 00:01:00.5), or as Go, Zed and Tenzir do (1m0.5s)."""
    return mostly(text, lambda texts: texts.cast(pl.Float64, strict=False), _lasted, pl.Float64())


def _lasted(text: pl.Expr) -> pl.Expr:
    days, hours, minutes, rest = (text.str.extract(_LASTED, n).cast(pl.Float64, strict=False) for n in range(1, 5))
    spans = [(text.str.extract(_UNITS, n + 1).cast(pl.Float64, strict=False), unit) for n, unit in enumerate(_LENGTHS)]
    named = pl.sum_horizontal(number.fill_null(0.0) * unit for number, unit in spans)
    return pl.coalesce(
        days.fill_null(0.0) * 86_400 + hours * 3_600 + minutes * 60 + rest,
        pl.when(text.str.contains(r"^[0-9]") & text.str.contains(_UNITS)).then(named),
    )


def plain_address(column: str) -> pl.Expr:
    """An address as it is usually written: without padding zeros, and an IPv4 address that is a number with dots."""
    text = pl.col(column)
    number = text.str.extract(r"^([0-9]{1,10})$").cast(pl.Int64, strict=False)
    number = pl.when(number < 2**32).then(number)
    dotted = pl.concat_str([(number // 256**i % 256).cast(pl.String) for i in (3, 2, 1, 0)], separator=".")
    padded = pl.when(text.str.contains(PADDED)).then(text.str.replace_all(r"(^|\.)0{1,2}([0-9])", "${1}${2}"))
    return pl.coalesce(dotted, padded, text)
