"""Expectations that a site states itself: one number of a day's table, its bounds, and what failing means.

The number is one SQL expression over the day's rows, given to Polars as an expression: it can name columns and
functions, but no other table, file or statement. Judging the bounds belongs to `data_quality`, which tables there are
to `pipeline.schemas`.
"""

from __future__ import annotations

import math
import re
from decimal import Decimal
from typing import Annotated, Any, Literal

import polars as pl
from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator, model_validator

from pipeline.schemas import TABLES

Judged = Literal["flows", "daily_traffic", "traffic_baseline", "anomaly_scores", "surge_scores", "alerts"]
QUALITY_TABLES = ("flows", "daily_traffic")
"""The tables whose checks may decide a day's quality: its own data, which is there before anything is scored."""
RESERVED = ("day", "day_is_stored", "check_ran", "result_is_readable")
MAX_SQL = 2_000
_FRACTION = re.compile(r"""'(?:[^']|'')*'|"(?:[^"]|"")*"|(?<![\w.])(?P<number>[0-9]+\.[0-9]*|\.[0-9]+)(?![\w.])""")
"""A number with a point, or quoted text, in which there is none."""
FAULTS = (pl.exceptions.PolarsError, pl.exceptions.PanicException)

Text = Annotated[str, Field(min_length=1, max_length=500)]
Bound = Annotated[float, Field(allow_inf_nan=False)]


class ExpectationSettings(BaseModel):
    """One expectation of the site's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: Annotated[str, Field(pattern=r"^[a-z][a-z0-9_]{0,63}$")]
    table: Judged
    value: str
    """SQL that gives one number for the day, such as count(*) FILTER (WHERE bytes_in IS NULL)."""
    min: Bound | None = None
    max: Bound | None = None
    severity: Literal["warning", "error"] | None = None
    """Without it, error where it blocks and warning elsewhere."""
    blocking: bool = False
    """Whether failing it makes the day unverified."""
    meaning: Text
    remedy: Text

    @field_validator("name")
    @classmethod
    def _free(cls, name: str) -> str:
        if name in RESERVED:
            raise ValueError(f"must not be one of: {', '.join(RESERVED)}")
        return name

    @field_validator("value")
    @classmethod
    def _one_number(cls, value: str, info: ValidationInfo) -> str:
        if table := info.data.get("table"):
            check_value(table, value)
        return value

    @field_validator("blocking")
    @classmethod
    def _may_block(cls, blocking: bool, info: ValidationInfo) -> bool:
        table = info.data.get("table")
        if blocking and table not in (None, *QUALITY_TABLES):
            raise ValueError(f"can be true for the tables {' and '.join(QUALITY_TABLES)} only")
        return blocking

    @model_validator(mode="after")
    def _bounded(self) -> ExpectationSettings:
        if self.min is None and self.max is None:
            raise ValueError("needs min, max or both")
        if self.min is not None and self.max is not None and self.max < self.min:
            raise ValueError("max must not lie below min")
        return self

    @property
    def grade(self) -> str:
        """Its severity, given or not."""
        return self.severity or ("error" if self.blocking else "warning")


def check_value(table: str, value: str) -> None:
    """Raise ValueError, with what is allowed, for SQL that gives no single number of the table."""
    if len(value) > MAX_SQL:
        raise ValueError(f"must not be longer than {MAX_SQL:,} characters")
    columns = TABLES[table].empty()
    try:
        found = _wide(columns.lazy()).select(value=_expression(value)).collect()
    except FAULTS as error:
        raise ValueError(f"cannot be computed over {table}: {first_line(error)}") from None
    kind = found.schema["value"]
    if found.height != 1 or not (kind.is_numeric() or kind in (pl.Boolean, pl.Null)):
        raise ValueError(f"must be one number of all rows of {table}, such as count(*) or max(bytes)")


def compute(rows: pl.LazyFrame, value: str) -> float:
    """The number; raises ValueError, which says why, where there is none."""
    try:
        found = _wide(rows).select(value=_expression(value)).collect(engine="streaming")
    except FAULTS as error:
        raise ValueError(f"could not be computed: {first_line(error)}") from None
    if found.height != 1:
        raise ValueError(f"gave {found.height:,} values, not one")
    return _number(found.item())


def _wide(rows: pl.LazyFrame) -> pl.LazyFrame:
    """Rows whose whole numbers neither sums nor products of a day pass: in 64 bits they would wrap."""
    return rows.with_columns(pl.col(pl.Int64).cast(pl.Int128))


def _expression(value: str) -> pl.Expr:
    """The SQL with its fractions as floats; Polars takes 1.0 for a decimal, whose quotients have six digits."""
    return pl.sql_expr(_FRACTION.sub(lambda m: m[0] if m["number"] is None else f"{m[0]}e0", value))


def _number(value: Any) -> float:
    if value is None:
        raise ValueError("gave no value, as of no rows")
    if not isinstance(value, bool | int | float | Decimal):
        raise ValueError(f"gave {type(value).__name__}, not a number")
    number = float(value)
    if not math.isfinite(number):
        raise ValueError(f"gave {number}, which is not finite, as after a division by zero")
    return number


def first_line(error: BaseException) -> str:
    """The first line of a message, cut to what a table can show."""
    return next(iter(str(error).strip().splitlines()), type(error).__name__)[:200]


def distinct(found: tuple[ExpectationSettings, ...]) -> tuple[ExpectationSettings, ...]:
    """The same, or a ValueError when two have one name."""
    names = [e.name for e in found]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ValueError(f"expectation names must be unique; given twice: {', '.join(twice)}")
    return found
