"""CEF and LEEF: a header between bars, then pairs of key and value, as many vendors' devices write them on request.

Sources: ArcSight's Common Event Format (equals signs and backslashes in values are escaped), QRadar's Log Event
Extended Format (pairs parted by tabs, or by what the header of version 2 names). Which keys mean what belongs to the
formats.
"""

from __future__ import annotations

import re

import polars as pl

from pipeline.sources import instants
from pipeline.sources.texts import syslog, zone_names

_HEAD = r"(?:CEF: ?\d+|LEEF: ?[\d.]+)"
_NAME = r"[A-Za-z][\w.\[\]-]*"
_CEF_VALUE = r"[| ]{key}=((?:\\.|[^\\=])*?)(?: +[A-Za-z][\w.\[\]-]*=|\s*$)"
_LEEF_VALUE = r"[|\t^]{key}=([^|\t^]*)"
_PARTED = r"LEEF: ?2[\d.]*\|(?:[^|]*\|){4}(0?x[0-9A-Fa-f]{2}|[^|\s\w])\|"
"""Version 2 of LEEF, whose header names what parts the pairs."""
_STAMP = r"^[A-Z][a-z]{2} +\d{1,2} \d{4} \d\d:\d\d:\d\d"
_OFFSET = r"(?:[.,]\d{1,9})? ?(?:GMT|UTC)?([+-])(\d{1,2})(?::?(\d\d))?$"
_UNPARTED = r"LEEF: ?[\d.]+\|[^\t^]*$"
"""LEEF without any of the usual parters."""


def spaced(extension: pl.Expr) -> pl.Expr:
    """The pairs behind a header, parted by blanks where a collector wrote semicolons between them."""
    parted = extension.str.contains(rf"^ *{_NAME}=[^ ;=]*;(?: *{_NAME}=[^;=]*;)+ *{_NAME}=")
    return pl.when(parted).then(extension.str.replace_all(rf" *; *({_NAME}=)", " ${1}")).otherwise(extension)


def plain(lines: pl.Series) -> pl.Series:
    """Lines whose pairs are parted as usual: by blanks in CEF, by tabs in LEEF, whatever their writer took."""
    lines = syslog.with_tabs(lines)
    frame, leef = lines.alias("raw").to_frame(), is_leef("raw")
    odd = frame.select((leef & pl.col("raw").str.contains(f"{_PARTED}|{_UNPARTED}")).fill_null(False)).to_series()
    if odd.any():
        lines = lines.zip_with(~odd, lines.filter(odd).map_elements(_tabbed, pl.String).gather(_places(odd)))
        frame = lines.alias("raw").to_frame()
    tabbed = pl.col("raw").str.replace_all(rf"\t+({_NAME}=)", " ${1}")
    return frame.select(pl.when(leef).then("raw").otherwise(tabbed)).to_series()


def _places(chosen: pl.Series) -> pl.Series:
    """Where each chosen row lies among the chosen ones; of others any place."""
    return pl.Series((chosen.cast(pl.Int64).cum_sum() - 1).clip(0))


def _tabbed(line: str) -> str:
    """A line of LEEF with tabs between its pairs: for what its header names, or for blanks where it names nothing."""
    if (named := re.search(_PARTED, line)) is None:
        head, bar, pairs = line.rpartition("|")
        return f"{head}{bar}" + re.sub(rf" +(?={_NAME}=)", "\t", pairs)
    told = named[1]
    parter = told if len(told) == 1 else chr(int(told.rpartition("x")[2], 16))
    return line[: named.end()] + line[named.end() :].replace(parter, "\t")


def is_headed(column: str, vendor: str) -> pl.Expr:
    """Whether lines have a header of the vendor."""
    return pl.col(column).str.contains(rf"{_HEAD}\|{vendor}\|")


def is_leef(column: str) -> pl.Expr:
    """Whether lines of either kind are LEEF."""
    return pl.col(column).str.contains(r"LEEF: ?[\d.]+\|")


def part(column: str, nth: int) -> pl.Expr:
    """A field of the header, counted from 0, the vendor's name."""
    return pl.col(column).str.extract(_HEAD + r"\|(?:[^|]*\|){" + str(nth) + r"}([^|]*)")


def value(column: str, key: str) -> pl.Expr:
    """The first value of a key, null where the key is absent or has none."""
    cef = pl.col(column).str.extract(_CEF_VALUE.replace("{key}", key))
    leef = syslog.with_tabs(pl.col(column)).str.extract(_LEEF_VALUE.replace("{key}", key))
    found = pl.when(is_leef(column)).then(leef).otherwise(cef.str.replace_all(r"\\(.)", "${1}")).str.strip_chars()
    return pl.when(found != "").then(found)


def repeated(column: str, key: str) -> pl.Expr:
    """Whether a key is given more than once."""
    return syslog.with_tabs(pl.col(column)).str.count_matches(rf"[| \t^]{key}=") > 1


def wall(text: pl.Expr) -> pl.Expr:
    """A time such as `Nov 20 2026 08:00:00 GMT` as 2026-11-20 08:00:00; others as they are."""
    stamp = text.str.extract(r"^([A-Z][a-z]{2} +\d{1,2} \d{4} \d\d:\d\d:\d\d)").str.replace(" +", " ")
    named = stamp.str.to_datetime("%b %d %Y %H:%M:%S", strict=False).dt.to_string("%Y-%m-%d %H:%M:%S")
    return pl.coalesce(named, text)


def told(text: pl.Expr) -> pl.Expr:
    """Such a time as ISO 8601 has it, with the fraction and offset that it tells (`.900 +0200`, `GMT+02:00`, `+2`)."""
    fraction = text.str.extract(rf"{_STAMP}([.,]\d{{1,9}})").str.replace(",", ".", literal=True)
    sign, hours, minutes = (text.str.extract(_STAMP + _OFFSET, group) for group in (1, 2, 3))
    offset = sign + hours.str.zfill(2) + ":" + minutes.fill_null("00")
    whole = pl.concat_str(wall(text), fraction, offset, ignore_nulls=True)
    return pl.when(text.str.contains(_STAMP)).then(whole).otherwise(text)


def dated(text: pl.Expr) -> pl.Expr:
    """Times as `told` has them, and those that are seconds or milliseconds since 1970, as CEF allows."""
    number = text.str.extract(r"^(\d{10}(?:\d{3})?)$")
    since = number.str.slice(0, 10).cast(pl.Int64, strict=False)
    stamp = pl.from_epoch(since, time_unit="s").dt.to_string("%Y-%m-%d %H:%M:%S")
    fraction = number.str.slice(10).str.replace(r"^(\d+)$", ".${1}")
    return pl.coalesce(pl.concat_str(stamp, fraction, pl.lit("+00:00")), told(text))


def epoch_us(told_as: str, name: str, zone: str) -> pl.Expr:
    """Epoch microseconds of a time as `told` has it, and the abbreviation of its zone: of a doubtful one none.

    Args:
        told_as: the column of the times.
        name: the column of the abbreviations.
        zone: that of times which tell none.
    """
    offset = zone_names.offset_us(pl.col(name), zone)
    found = pl.coalesce(instants.epoch_us(told_as) - offset, instants.epoch_us(told_as, zone))
    return pl.when(~zone_names.is_doubtful(pl.col(name), zone)).then(found)


def in_utc(text: pl.Expr) -> pl.Expr:
    """Whether such a time says that it is of UTC."""
    return text.str.contains(r" (?:GMT|UTC)$").fill_null(value=False)


def zone_of(text: pl.Expr) -> pl.Expr:
    """The abbreviation of a zone at the end of such a time."""
    return text.str.extract(r"\d ([A-Z]{1,5})$")
