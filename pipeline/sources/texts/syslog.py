"""What stands before a message in a syslog line: priority, time and host, as RFC 3164, RFC 5424 and relays write them.

Formats that travel by syslog ask here for the time of a header and for what an offset in it is worth. Where a message
begins, and what it says, belongs to the formats. Sources: RFC 3164 (section 4.1.2: local time without a year), RFC 5424
(section 6.2.3: time with an offset).
"""

from __future__ import annotations

import datetime as dt
import time
from typing import TypeVar

import polars as pl

from pipeline import clocks
from pipeline.sources import instants
from pipeline.sources.texts import zone_names

_OLDEST_FILE = 946_684_800_000_000
"""2000-01-01: what archives give their files for no time at all is before that."""
SAME_CLOCK = dt.timedelta(minutes=15)
"""Two clocks of one device differ by less; of two devices in different zones they differ by more."""

_ISO = r"(\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?Z|[+-]\d\d:?\d\d)?)"
_NAMED = r"([A-Z][a-z]{2}) +(\d{1,2}) (?:(\d{4}) )?(\d\d:\d\d:\d\d(?:\.\d+)?)(?: (\d{4}))?"
_ZONED = _NAMED + r"(?: (?:(UTC|GMT|Z)\b|(" + "|".join(zone_names.NAMES) + r")(?::| +[^ :%]+ +:)))?"
"""As Cisco's devices write it, a zone is followed by a colon, or by the host and one; else the name is a host's."""
_MESSAGE = (
    r"^(?:<\d{1,3}>|\d+ <\d{1,3}>|[A-Z][a-z]{2} +\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d|\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)"
)
_BEFORE = r"^(?:<\d{1,3}>|[A-Z][a-z]{2} [ \d]\d |\d{4}-\d\d-\d\dT)[^\t\n]*?[^\w.\t]"
_HOST = r"^(?:\d+ )?(?:<\d{1,3}>)?\d? ?(?:" + _ISO + "|" + _NAMED + r"(?: (UTC|GMT|Z)\b)?) ([^ :%]+)"
RFC3339 = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?(?:Z|[+-]\d\d:\d\d)"
_RFC3164 = r"[A-Z][a-z]{2} [ \d]\d(?: \d{4})? \d\d:\d\d:\d\d"
TAG = r"\S+ [^\s:\[]+(?:\[\d+\])?: +"
"""Host and program, and the blank before the message."""
HEADER = (
    rf"(?:<\d{{1,3}}>)?{_RFC3164} {TAG}|"
    rf"<\d{{1,3}}>(?:{RFC3339} {TAG}|\d (?:{RFC3339}|-) \S+ \S+ \S+ \S+ (?:-|\[[^\]\n]*\]) +)"
)
"""A whole header, for records of which nothing says how they begin; an alternation without a group around it."""
_TAB = "#011"
TAB = rf"(?:\t|{_TAB})"
"""A tab, as it is or as `with_tabs` knows it."""
_Text = TypeVar("_Text", pl.Series, pl.Expr)


def is_message() -> pl.Expr:
    """Whether a line (`raw`) begins as a syslog message does."""
    return pl.col("raw").str.contains(_MESSAGE)


def with_tabs(text: _Text) -> _Text:
    """Text with its tabs as they were: rsyslog writes control characters as # and three octal digits."""
    return text.str.replace_all(_TAB, "\t", literal=True)


def without_header(lines: pl.Series, begins: str) -> pl.Series:
    """Lines with what syslog put before a record that begins so taken off, and its tabs as they were."""
    shipped = lines.str.contains(_BEFORE + begins)
    if not shipped.any():
        return lines
    plain = lines.str.replace(f"{_BEFORE}({begins})", "${1}")
    return lines.zip_with(~shipped, with_tabs(plain))


def host(head: pl.Expr) -> pl.Expr:
    """The name or address after the first time of a header; a zone's name is none."""
    return head.str.extract(_HOST, 8).replace(zone_names.NAMES, None)


def offset_us(text: pl.Expr) -> pl.Expr:
    """Microseconds that the offset at the end of an ISO time is ahead of UTC; null when it has none."""
    # As an expression alone the parts would be looked for wherever they are named.
    return text.map_batches(_offset_us, return_dtype=pl.Int64, is_elementwise=True)


def _offset_us(texts: pl.Series) -> pl.Series:
    parts = texts.str.extract_groups(r"([+-])(\d\d):?(\d\d)$").struct.unnest()
    hours, minutes = (pl.col(n).cast(pl.Int64, strict=False) for n in ("2", "3"))
    ahead = (hours * 3_600 + minutes * 60) * 1_000_000
    signed = pl.when(pl.col("1") == "-").then(-ahead).otherwise(ahead)
    return parts.select(us=pl.when(texts.str.ends_with("Z")).then(0).otherwise(signed)).to_series()


def iso_text(head: pl.Expr) -> pl.Expr:
    """The last ISO time of a header, spelled as RFC 3339 does."""
    last = head.str.extract_all(_ISO).list.last()
    return last.str.replace(",", ".", literal=True).str.replace(" Z", "Z", literal=True).str.replace(" ", "T")


def wall_of(iso: pl.Expr) -> pl.Expr:
    """What the clock showed at an ISO time, whatever its offset."""
    return iso.str.slice(0, 19).str.to_datetime("%Y-%m-%dT%H:%M:%S", time_unit="us", strict=False)


def epoch_of(wall: pl.Expr, offset: pl.Expr, zone: str) -> pl.Expr:
    """Epoch microseconds of a clock's time: by its offset where that is known, else as a time of the zone."""
    local = clocks.instants(wall, zone).dt.epoch("us")
    return pl.coalesce(wall.dt.epoch("us") - offset, local)


def zoned_epoch(wall: pl.Expr, name: pl.Expr, offset: pl.Expr | None, zone: str) -> pl.Expr:
    """As `epoch_of`, where an abbreviation of a zone stands beside the time: null where it may be several zones'."""
    known = zone_names.offset_us(name, zone) if offset is None else offset
    return pl.when(known.is_not_null() | ~zone_names.is_doubtful(name, zone)).then(epoch_of(wall, known, zone))


def believed_offset(iso: pl.Expr, wall: pl.Expr) -> pl.Expr:
    """The offset of a header's time, where header and message show the same time of day and date.

    A relay in another zone writes its own time over a message; its offset says nothing about the device's clock.
    """
    apart = (wall_of(iso) - wall).abs()
    return pl.when(apart < SAME_CLOCK).then(offset_us(iso))


def times(heads: pl.Series, zone: str, written_us: int | None = None) -> pl.DataFrame:
    """Of headers: `time`, epoch microseconds, and `assumed`, whether its year is only the newest that can be.

    The device's own time stands last. Without an offset it is a time of the zone, unless another time in the header
    shows the same clock with an offset.

    Args:
        heads: what stands before messages.
        zone: of times without an offset.
        written_us: when the file was written last, where that is known.
    """
    frame = pl.DataFrame({"head": heads}, schema={"head": pl.String})
    once = frame.unique()
    return frame.join(
        _times(once, zone, written_us), on="head", how="left", maintain_order="left", nulls_equal=True
    ).drop("head")


def _times(frame: pl.DataFrame, zone: str, written_us: int | None) -> pl.DataFrame:
    named = pl.col("head").str.extract_groups("^.*(?:^|[^A-Za-z])" + _ZONED)
    frame = frame.with_columns(iso_text(pl.col("head")).alias("iso"), named.alias("n"))
    year = pl.coalesce(pl.col("n").struct.field("3"), pl.col("n").struct.field("5"))
    frame = frame.with_columns(year.alias("year"), _wall(year).alias("wall"))
    named_zone = pl.coalesce(pl.col("n").struct.field(f) for f in ("6", "7"))
    told = zone_names.offset_us(named_zone, zone)
    believed = pl.coalesce(told, believed_offset(pl.col("iso"), pl.col("wall")))
    own = zoned_epoch(pl.col("wall"), named_zone, believed, zone)
    fraction = pl.col("iso").str.extract(r"\.(\d{1,6})").str.pad_end(6, "0").cast(pl.Int64, strict=False).fill_null(0)
    iso = epoch_of(wall_of(pl.col("iso")), offset_us(pl.col("iso")), zone) + fraction
    frame = frame.with_columns(pl.coalesce(own, iso).alias("time"), assumed=pl.lit(value=False))
    lacking = pl.col("time").is_null() & pl.col("year").is_null() & pl.col("n").struct.field("1").is_not_null()
    if frame.select(lacking.any()).item():
        known = ~zone_names.is_doubtful(named_zone, zone)
        guessed = pl.when(lacking & known).then(_newest(told, zone, written_us))
        frame = frame.with_columns(pl.coalesce("time", guessed).alias("time"), assumed=guessed.is_not_null())
    return frame.select("head", "time", "assumed")


def _wall(year: pl.Expr) -> pl.Expr:
    """The named time of a header with a year, as the clock showed it."""
    month, day, clock = (pl.col("n").struct.field(f) for f in ("1", "2", "4"))
    text = pl.concat_str(year, pl.lit(" "), month, pl.lit(" "), day, pl.lit(" "), clock)
    return text.str.to_datetime("%Y %b %d %H:%M:%S%.f", time_unit="us", strict=False)


def _newest(offset: pl.Expr, zone: str, written_us: int | None) -> pl.Expr:
    """A time without a year, in the newest year in which it is not more than a day ahead of when it was written."""
    now = int(time.time() * 1e6)
    written = written_us if written_us is not None and _OLDEST_FILE < written_us < now else now
    latest = written + 86_400_000_000
    this = dt.datetime.fromtimestamp(latest / 1e6, dt.UTC).year
    leap = this - this % 4
    found = [epoch_of(_wall(pl.lit(str(year))), offset, zone) for year in (this, this - 1, leap, leap - 4)]
    return pl.coalesce(pl.when(f <= latest).then(f) for f in found)


def as_text(epoch_us: pl.Expr) -> pl.Expr:
    """Epoch microseconds as the text that records carry."""
    return instants.as_text(epoch_us)
