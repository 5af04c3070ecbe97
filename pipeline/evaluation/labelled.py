"""Labelled worlds: daily bytes of clients, and labels that say which rows are thefts and which only look like it.

Frames from anywhere are brought to one form here, or refused by file, column and remedy. What is left out of judging is
told in `notes`. Nothing here looks at a method.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.errors import ConfigError, Location
from pipeline.evaluation.notes import QUIET, REPEATED, world_notes
from pipeline.evaluation.reading import read_frame
from pipeline.wording import counted

WARMUP_DAYS = 45
"""The first days of a world teach; nothing in them is judged."""
_MOST_STOLEN = 0.5
_YEARS = (1, 9998)
_EXACT = 2.0**53
"""From there on a float holds a whole number no more, but some number near it."""
MAX_DAYS = 3_660
"""Of a world, from its first to its last: what is longer holds a stray day."""
DAILY = pl.Schema({"day": pl.Date, "src_ip": pl.String, "bytes_in": pl.Int64, "group": pl.String, "role": pl.String})
"""One row a client-day with traffic; group and role may be null."""
LABELS = pl.Schema(
    {"day": pl.Date, "src_ip": pl.String, "attack_id": pl.String, "basket": pl.String, "cause": pl.String}
)
"""One row a labelled client-day and theft or cause; attack_id and basket on rows of thefts, cause on lookalikes."""
_KEY = ("day", "src_ip")


@dataclass(frozen=True)
class LabelledWorld:
    """One world: `daily` (DAILY), `labels` (LABELS), known `events` (EVENTS; None: told from the labels), `notes`."""

    daily: pl.DataFrame
    labels: pl.DataFrame
    events: pl.DataFrame | None = None
    notes: tuple[str, ...] = ()

    @property
    def first_judged(self) -> dt.date:
        """The first day after the warm-up."""
        return _first_day(self.daily) + dt.timedelta(days=WARMUP_DAYS)

    @property
    def days_judged(self) -> int:
        """Calendar days from there to the last."""
        last = self.daily["day"].max()
        assert isinstance(last, dt.date)
        return (last - self.first_judged).days + 1


def read_world(daily: Path, labels: Path) -> LabelledWorld:
    """The world of two Parquet files; raises ConfigError naming the file, and the column or why it cannot be read."""
    return make_labelled(read_frame(daily), read_frame(labels), daily_name=str(daily), labels_name=str(labels))


def make_labelled(
    daily: pl.DataFrame,
    labels: pl.DataFrame,
    *,
    events: pl.DataFrame | None = None,
    daily_name: str = "daily",
    labels_name: str = "labels",
) -> LabelledWorld:
    """The world of two frames, checked.

    Args:
        daily: day, src_ip, bytes_in, and optionally group and role.
        labels: day, src_ip, and attack_id with basket, cause, or both; a row given twice counts once.
        events: known events (EVENTS), where the world tells them itself.
        daily_name: what messages call the first frame.
        labels_name: what messages call the second frame.

    Raises:
        ConfigError: a column is missing or of another type, a value is null or negative, a client's day is there
            twice, a theft has no basket or two, no labelled client is known, or the days are too few or too far apart.
    """
    rows, given = _Frame(daily, daily_name).daily(), _Frame(labels, labels_name).labels()
    _refuse_strangers(given, rows, daily_name, labels_name)
    told = given.unique((*_KEY, "attack_id", "cause"), keep="first", maintain_order=True)
    left_out = {QUIET: rows.filter(pl.col("bytes_in") == 0).height, REPEATED: given.height - told.height}
    rows = rows.filter(pl.col("bytes_in") > 0)
    start = _checked_start(rows, daily_name)
    _refuse_all_stolen(told, rows, labels_name)
    return LabelledWorld(rows, told, events, world_notes(rows, told, start, left_out))


def _refuse_strangers(labels: pl.DataFrame, daily: pl.DataFrame, daily_name: str, labels_name: str) -> None:
    """Clients that are all unknown are spelled in another way; single ones had no traffic, which a note says."""
    clients = labels["src_ip"].unique(maintain_order=True)
    if len(clients) and not clients.is_in(daily["src_ip"].unique().implode()).any():
        raise ConfigError(
            f"no labelled client has traffic on any day; the first is {clients[0]!r}.",
            where=Location(file=labels_name, column="src_ip"),
            remedy=f"Spell clients as in {daily_name}, such as {daily['src_ip'][0]!r}.",
        )


def _refuse_all_stolen(labels: pl.DataFrame, rows: pl.DataFrame, name: str) -> None:
    """Where most client-days are of thefts, a word for "none" stands on all the others: no alert could be false."""
    thefts = labels.filter(pl.col("attack_id").is_not_null()).join(rows, on=_KEY, how="semi")
    if thefts.unique(_KEY).height <= _MOST_STOLEN * rows.height:
        return
    largest, n = thefts["attack_id"].value_counts(sort=True).row(0)
    raise ConfigError(
        f"thefts have {thefts.unique(_KEY).height / rows.height:.0%} of all client-days, {largest!r} alone "
        f"{counted(n, 'row')}.",
        where=Location(file=name, column="attack_id"),
        remedy="Leave it empty, or the rows out, where nothing was stolen.",
    )


def _checked_start(rows: pl.DataFrame, name: str) -> dt.date:
    """The first day that is judged; raises ConfigError where there is none, or where a stray day is far away."""
    where = Location(file=name, column="day")
    if rows.is_empty():
        raise ConfigError("no row has bytes.", where=Location(file=name, column="bytes_in"), remedy="Give traffic.")
    first, last = _first_day(rows), rows["day"].max()
    assert isinstance(last, dt.date)
    if (last - first).days >= MAX_DAYS:
        raise ConfigError(
            f"the days from {first} to {last} are more than {MAX_DAYS:,}, of which {rows['day'].n_unique():,} have "
            "traffic.",
            where=where,
            remedy="Take a stray day out, or judge the world in parts.",
        )
    start = first + dt.timedelta(days=WARMUP_DAYS)
    if last < start:
        raise ConfigError(
            f"the days end before {start}: the first {WARMUP_DAYS}, from {first} on, only warm up.",
            where=where,
            remedy=f"Give more than {WARMUP_DAYS} days from the first one with traffic.",
        )
    return start


def _first_day(daily: pl.DataFrame) -> dt.date:
    first = daily["day"].min()
    assert isinstance(first, dt.date)
    return first


@dataclass(frozen=True)
class _Frame:
    """A frame on its way to its schema, with the name that messages call it."""

    frame: pl.DataFrame
    name: str

    def daily(self) -> pl.DataFrame:
        rows = self._conform(DAILY, ("day", "src_ip", "bytes_in"))
        self._refuse(rows.filter(pl.col("bytes_in") < 0), "bytes_in", "is negative", "Bytes begin at 0.")
        self._refuse_twice(rows, _KEY)
        if rows.is_empty():
            raise self._error("day", "there is no row.", "Give one row a client and day with traffic.")
        return rows.sort(_KEY)

    def labels(self) -> pl.DataFrame:
        if not {"attack_id", "cause"} & set(self.frame.columns):
            raise self._error("attack_id", "this column is missing, and so is cause.", "Name thefts, or lookalikes.")
        rows = self._conform(LABELS, _KEY)
        theft = pl.col("attack_id").is_not_null()
        lost = rows.filter(theft & pl.col("basket").is_null())
        self._refuse(lost, "basket", "is null on a row of a theft", "Say the class of the theft.", "attack_id")
        baskets = rows.filter(theft).group_by("attack_id").agg(pl.col("basket").n_unique().alias("n"))
        twice = rows.join(baskets.filter(pl.col("n") > 1), on="attack_id")
        self._refuse(twice, "attack_id", "spans several baskets", "Give each theft an id of its own.", "attack_id")
        return rows.sort(*_KEY, "attack_id", "cause")

    def _conform(self, schema: pl.Schema, needed: Sequence[str]) -> pl.DataFrame:
        absent = [c for c in needed if c not in self.frame.columns]
        if absent:
            have = ", ".join(self.frame.columns) or "none"
            raise self._error(absent[0], "this column is missing.", f"Needed: {', '.join(needed)}; there: {have}.")
        columns = {c: self._column(c, schema[c]) for c in schema}
        rows = pl.DataFrame(columns, schema=schema)
        for column in needed:
            self._refuse(rows.filter(pl.col(column).is_null()), column, "is null", "Fill it in, or leave the row out.")
        return rows

    def _column(self, name: str, kind: pl.DataType) -> pl.Series:
        if name not in self.frame.columns:
            return pl.Series(name, [None] * self.frame.height, dtype=kind)
        values = _plain(self.frame[name])
        if kind == pl.String and (values.dtype.is_float() or values.dtype.is_decimal()):
            values = _numbers(values)
        remedy = f"Write the column as {_SPELLED[kind]}."
        if values.dtype != pl.Null and not _ACCEPTED[kind](values.dtype):
            raise self._error(name, f"this is {values.dtype}, not {kind}.", remedy)
        try:
            if kind == pl.Date and values.dtype == pl.String:
                return self._known_days(_midnights(values).str.to_date("%Y-%m-%d"), remedy)
            found = values.cast(kind)
            back = found.cast(values.dtype)
        except pl.exceptions.PolarsError as error:
            shown = f"a value is no {kind}{self._first_bad(values, kind)}."
            raise self._error(name, shown, remedy) from error
        if kind == pl.Date:
            self._known_days(found, remedy)
        if len(more := values.filter(back != values)):
            shown = f"(the first: {more[0]}; {counted(len(more), 'row')})"
            raise self._error(name, f"a value has more to it than {_HOLDS[kind]} holds {shown}.", remedy)
        return found if kind != pl.String else found.set(found.str.strip_chars() == "", None)

    def _known_days(self, days: pl.Series, remedy: str) -> pl.Series:
        """The days, none of which lies where a calendar has no days, or none after the warm-up."""
        far = days.filter(~days.dt.year().is_between(*_YEARS))
        if len(far):
            shown = f"(the first of year {far.dt.year()[0]}; {counted(len(far), 'row')})"
            what = f"a day lies outside of the years {_YEARS[0]} to {_YEARS[1]} {shown}."
            raise self._error(str(days.name), what, remedy)
        return days

    def _first_bad(self, values: pl.Series, kind: pl.DataType) -> str:
        text = values.dtype == pl.String
        found = _midnights(values).str.to_date("%Y-%m-%d", strict=False) if text else values.cast(kind, strict=False)
        bad = values.filter(found.is_null() & values.is_not_null())
        return f" (the first: {bad[0]!r}; {counted(len(bad), 'row')})" if len(bad) else ""

    def _refuse(self, rows: pl.DataFrame, column: str, fault: str, remedy: str, shown: str = "day") -> None:
        if not rows.is_empty():
            first = ", ".join(f"{c} {rows[c][0]}" for c in dict.fromkeys((shown, *_KEY)))
            raise self._error(column, f"this {fault} ({first}; {counted(rows.height, 'row')}).", remedy)

    def _refuse_twice(self, rows: pl.DataFrame, key: Sequence[str]) -> None:
        twice = rows.filter(pl.struct(key).is_duplicated())
        remedy = "Sum them: one row a client and day."
        self._refuse(twice.sort(key), " and ".join(key[:2]), "is there more than once", remedy)

    def _error(self, column: str, what: str, remedy: str) -> ConfigError:
        return ConfigError(what, where=Location(file=self.name, column=column), remedy=remedy)


def _numbers(values: pl.Series) -> pl.Series:
    """Whole numbers held as floats, as of a column with gaps, or as decimals; as they are where any has a fraction."""
    if values.dtype.is_decimal():
        return whole if (whole := values.cast(pl.Int128)).eq_missing(values).all() else values
    known = values.fill_nan(None)
    whole = (known.abs() < _EXACT) & (known == known.round())
    return known.cast(pl.Int64) if whole.all() else values


def _plain(values: pl.Series) -> pl.Series:
    """Times as the local ones, and as text what is a dictionary, or what its writer did not mark as text (Hive)."""
    if isinstance(values.dtype, pl.Datetime):
        return values.dt.replace_time_zone(None)
    if isinstance(values.dtype, pl.Categorical | pl.Enum):
        return values.cast(pl.String)
    if values.dtype == pl.Binary:
        with suppress(pl.exceptions.PolarsError):  # It is no text, as that of UUIDs is none.
            return values.cast(pl.String)
    return values


def _midnights(values: pl.Series) -> pl.Series:
    """Text without a midnight behind its day, whatever the zone: a day is the local one."""
    return values.str.replace(r"[ T]00:00(:00(\.0+)?)?(Z|[+-]\d\d:?\d\d)?$", "")


def _is_day(kind: pl.DataType) -> bool:
    return kind in (pl.Date, pl.String) or isinstance(kind, pl.Datetime)


def _is_name(kind: pl.DataType) -> bool:
    """Text, or whole numbers that number things."""
    return kind == pl.String or kind.is_integer()


def _is_number(kind: pl.DataType) -> bool:
    return kind.is_numeric()


_HOLDS = {pl.Date(): "a day", pl.Int64(): "a whole number", pl.String(): "a text"}
_SPELLED = {pl.Date(): "Date, or as text such as 2026-10-31", pl.Int64(): "Int64", pl.String(): "String"}
_ACCEPTED: dict[pl.DataType, Callable[[pl.DataType], bool]] = {
    pl.Date(): _is_day,
    pl.Int64(): _is_number,
    pl.String(): _is_name,
}
