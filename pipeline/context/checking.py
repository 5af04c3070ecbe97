"""Turns the text of a context input into a typed table, or names the first faulty line and how many more there are.

Days become `start` (inclusive) and `end` (exclusive), never null: a row without a bound reaches to the calendar's ends.
Addresses and networks get their one spelling; a host is a network of one address.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable

import polars as pl

from pipeline.addresses import CANONICAL_IPV4, canonical_address, canonical_network
from pipeline.context.columns import DEFAULTS, END, LAST, START, Column, Input
from pipeline.context.reading import PLACE, RawRows
from pipeline.wording import counted

_LONGEST = 200
_SLUG = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"
# A midnight behind a day may be of any zone: a day is the local one.
_DAY = r"^(\d{4}-\d\d-\d\d)(?:[T ]00:00:00(?:\.0+)?(?:Z|UTC|[+-]\d\d:?\d\d)?)?$"
_FLAGS = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
_FIRST, _NEVER = dt.date.min, dt.date.max
_WANTED = {
    "network": "must be an IPv4 or IPv6 address or CIDR, such as 192.0.2.10 or 2001:db8::/48",
    "address": "must be one IPv4 or IPv6 address, such as 192.0.2.10",
    "slug": "must be letters, digits, _ and -, at most 64",
    "text": f"must be text of at most {_LONGEST} characters without control characters",
    "flag": "must be true or false",
    "day": "must be a day such as 2026-10-01",
}
_Fault = tuple[int, str, str]
"""Place, column, what is wrong."""


def checked_rows(raw: RawRows, kind: Input) -> pl.DataFrame:
    """The typed table of an input: `kind.stored`, start, end; equal rows once, in a fixed order.

    Raises:
        ConfigError: at the first row that is not as it should be.
    """
    faults: list[_Fault] = []
    frame = raw.frame
    for column in kind.columns:
        if column.name in frame.columns:
            frame = _typed(frame, column, faults)
        else:
            frame = frame.with_columns(pl.lit(None, _dtype(column)).alias(column.name))
    if not faults:
        frame = _with_days(frame, kind).with_columns(
            pl.col(c).fill_null(v) for c, v in DEFAULTS.items() if c in kind.stored
        )
        faults += _impossible(frame, kind)
    if not faults and kind.values:
        faults += _overlaps(frame, kind, "row" if raw.numbered else "line")
    if faults:
        place, column_name, what = min(faults)
        more = f"The file has {counted(len(faults) - 1, 'more fault')}." if len(faults) > 1 else ""
        raise raw.fault(f"{what}.", place, column_name or None, more)
    columns = [*kind.stored, "start", "end"]
    return frame.select(columns).unique().sort(columns, nulls_last=True)


def _dtype(column: Column) -> pl.DataType:
    kinds: dict[str, pl.DataType] = {"day": pl.Date(), "flag": pl.Boolean()}
    return kinds.get(column.kind, pl.String())


def _typed(frame: pl.DataFrame, column: Column, faults: list[_Fault]) -> pl.DataFrame:
    """The frame with one column's values; what is not valid is added to the faults."""
    name = column.name
    value, why = _values(frame[name], column.kind)
    told = frame.select(PLACE, raw=pl.col(name), value=value, why=why)
    wrong = told.filter(pl.col("raw").is_not_null() & pl.col("value").is_null())
    faults += [(p, name, f"{w} (got {r[:80]!r})") for p, r, w in wrong.select(PLACE, "raw", "why").iter_rows()]
    if column.required:
        faults += [(p, name, "must not be empty") for p in told.filter(pl.col("raw").is_null())[PLACE]]
    return frame.with_columns(value.alias(name))


def _values(raw: pl.Series, kind: str) -> tuple[pl.Series, pl.Series]:
    """Values by row, null where there is none, and why."""
    why = pl.select(pl.repeat(_WANTED[kind], raw.len(), dtype=pl.String)).to_series()
    if kind in ("network", "address"):
        return _addresses(raw, kind)
    text, value = pl.col("raw"), pl.lit(None)
    if kind == "slug":
        value = pl.when(text.str.contains(_SLUG)).then(text)
    elif kind == "text":
        fine = (text.str.len_chars() <= _LONGEST) & ~text.str.contains(r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]")
        # One spelling of a name in which an accent is a letter's own part, or a mark behind it.
        value = pl.when(fine).then(text.str.normalize("NFC"))
    elif kind == "flag":
        value = text.str.to_lowercase().replace_strict(_FLAGS, default=None, return_dtype=pl.Boolean)
    else:
        day = text.str.extract(_DAY, 1).str.to_date("%Y-%m-%d", strict=False)
        value = pl.when(day.dt.year() >= 1).then(day)
    return raw.to_frame("raw").select(value=value).to_series(), why


def _addresses(raw: pl.Series, kind: str) -> tuple[pl.Series, pl.Series]:
    """One spelling for each distinct text; plain IPv4 is recognised in bulk."""
    one: Callable[[str], tuple[str | None, str]] = _network if kind == "network" else _address
    distinct = raw.drop_nulls().unique()
    plain = distinct.filter(distinct.str.contains(CANONICAL_IPV4))
    suffix = "/32" if kind == "network" else ""
    others = [(t, *one(t)) for t in distinct.filter(~distinct.str.contains(CANONICAL_IPV4)).to_list()]
    schema = {"raw": pl.String, "value": pl.String, "why": pl.String}
    known = pl.concat(
        [
            plain.to_frame("raw").with_columns(value=pl.col("raw") + suffix, why=pl.lit("")),
            pl.DataFrame(others, schema=schema, orient="row"),
        ]
    )
    found = raw.to_frame("raw").join(known, on="raw", how="left", maintain_order="left")
    return found["value"], found["why"]


def _network(text: str) -> tuple[str | None, str]:
    try:
        return canonical_network(text), ""
    except ValueError as error:
        return None, str(error)


def _address(text: str) -> tuple[str | None, str]:
    return (None if "%" in text else canonical_address(text)), _WANTED["address"]


def _with_days(frame: pl.DataFrame, kind: Input) -> pl.DataFrame:
    after_last = pl.col(LAST) + pl.duration(days=1)
    end = pl.coalesce(END, after_last)
    if kind.one_day:
        end = pl.coalesce(end, pl.col(START) + pl.duration(days=1))
    end = pl.min_horizontal(end.fill_null(_NEVER), pl.lit(_NEVER))
    return frame.with_columns(start=pl.col(START).fill_null(_FIRST), end=end)


def _impossible(frame: pl.DataFrame, kind: Input) -> list[_Fault]:
    """Rows whose columns contradict each other."""
    faults: list[_Fault] = []

    def add(wrong: pl.Expr, column: str, what: str) -> None:
        faults.extend((place, column, what) for place in frame.filter(wrong)[PLACE])

    end = LAST if frame[LAST].count() else END
    text = "must not lie before the first day" if end == LAST else "(exclusive) must lie after valid_from"
    add(pl.col("end") <= pl.col("start"), end, f"{end} {text}")
    if not kind.subjects:
        return faults
    named = pl.sum_horizontal(pl.col(c).is_not_null() for c in kind.subjects)
    listed = " or ".join(kind.subjects)
    add(named > 1, kind.subjects[0], f"a row must name one of {listed}, not several")
    if kind.needs_subject:
        add(named == 0, kind.subjects[0], f"a row must name {listed}")
    else:
        open_end = (pl.col("start") == _FIRST) | (pl.col("end") == _NEVER)
        add((named == 0) & open_end, START, f"an event of everybody (no {listed}) needs its first and last day")
    if kind.name == "entities":
        ids = frame["asset"].unique().to_list()
        odd = [i for i in ids if canonical_address(i) is not None]
        add(pl.col("asset").is_in(odd), "asset", "must be a name, not an address, which would be taken for a client")
    return faults


def _overlaps(frame: pl.DataFrame, kind: Input, noun: str) -> list[_Fault]:
    """Rows of one subject that say different things of the same day.

    By subject and first day, a row clashes when the row that reaches farthest before it reaches into it and says
    something else; were that one to say the same, an earlier row would have clashed.
    """
    keys = list(kind.subjects) or ["all"]
    rows = frame if kind.subjects else frame.with_columns(all=0)
    says = pl.concat_str([pl.col(v).cast(pl.String) for v in kind.values], separator="\x1f")
    rows = rows.sort(*keys, "start", PLACE, nulls_last=True).with_columns(says=says)
    farthest = pl.col("end") == pl.col("end").cum_max()
    rows = rows.with_columns(
        pl.col("end").cum_max().shift(1).over(keys).alias("reach"),
        *(pl.when(farthest).then(c).forward_fill().shift(1).over(keys).alias(f"{c}_before") for c in ("says", PLACE)),
    )
    clash = rows.filter((pl.col("start") < pl.col("reach")) & (pl.col("says") != pl.col("says_before")))
    return [
        (place, kind.values[0], f"says otherwise than {noun} {before} of days that both hold")
        for place, before in clash.select(PLACE, f"{PLACE}_before").iter_rows()
    ]
