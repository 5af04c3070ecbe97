"""A user's own table: which of its columns is which field of a flow, by the names of Splunk's CIM.

Validated with the settings and handed to the readers; how tables are read belongs to `pipeline.sources.formats.table`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

NAMES: Mapping[str, str] = {
    "start_time": "ts",
    "end_time": "end",
    "log_time": "write_ts",
    "duration": "duration",
    "session_id": "uid",
    "record_id": "record_id",
    "src_ip": "src",
    "src_port": "src_port",
    "src_translated_ip": "src_nat",
    "dest_ip": "dest",
    "dest_port": "dest_port",
    "dest_translated_ip": "dest_nat",
    "transport": "proto",
    "app": "service",
    "action": "action",
    "bytes_in": "resp_ip_bytes",
    "bytes_out": "orig_ip_bytes",
    "bytes": "total",
    "sent": "sent",
    "packets_in": "resp_pkts",
    "packets_out": "orig_pkts",
    "missed_bytes": "missed_bytes",
    "sampling_rate": "sampling",
    "dvc": "system",
}
"""Field as nilometer.yaml names it -> as the readers do. `sent` are the bytes of records of one direction each, from
src to dest; `bytes` those of both directions together."""
SHAPES: Mapping[str, str] = {
    "direction": "sent_way",
    "start_time.clock": "ts_clock",
    "end_time.clock": "end_clock",
    "log_time.clock": "write_ts_clock",
}
"""The same of what puts other fields right: which way `sent` went, and times of day that have a column of their own."""
_CLOCK = ".clock"
REQUIRED = ("src_ip", "dest_ip", "start_time")
COUNTERS = ("bytes_in", "bytes_out", "bytes", "sent")
UNITS: Mapping[str, tuple[int, int]] = {
    **{"s": (1, 1), "ms": (1, 1_000), "us": (1, 1_000_000), "ns": (1, 1_000_000_000), "min": (60, 1)},
    **{"B": (1, 1), "bit": (1, 8)},
    **{f"{prefix}B": (1_000**n, 1) for n, prefix in enumerate(("k", "M", "G"), 1)},
    **{f"{prefix}iB": (1_024**n, 1) for n, prefix in enumerate(("K", "M", "G"), 1)},
}
"""Units of a column -> what its numbers are multiplied with and divided by for seconds and for bytes."""
_TIME_UNITS = ("s", "ms", "us", "ns", "min")
_PYTHONS_FRACTION = re.compile(r"(?P<before>(?<!%)(?:%%)*)\.%f")
_BARE_FRACTION = re.compile(r"(?<!%)(?:%%)*%f")
_TIME_FORMAT = "must tell a day and a time of day, such as '%d.%m.%Y %H:%M:%S' or '%m/%d/%Y %I:%M:%S %p'"


@dataclass(frozen=True)
class ColumnMapping:
    """How one source's table is read."""

    fields: tuple[tuple[str, str], ...]
    """(CIM name, the table's column; in JSON a dotted path)."""
    layer: str = "unknown"
    """What the bytes count: ip, payload, l2 or unknown."""
    accounting: str = "final"
    """How records of one session add up: final, delta or cumulative."""
    delimiter: str = ","
    time_format: str | None = None
    """How times are written, such as %m/%d/%Y %I:%M:%S %p; those written otherwise are read as ever."""
    units: tuple[tuple[str, str], ...] = ()
    """(CIM name, the unit of its numbers), where they are no seconds and no bytes."""


def check_fields(fields: dict[str, str]) -> dict[str, str]:
    """The fields; raises ValueError with what is allowed when they cannot tell a flow."""
    if unknown := [name for name in fields if name not in NAMES and name not in SHAPES]:
        allowed = ", ".join([*NAMES, "direction"])
        raise ValueError(f"has unknown fields {', '.join(unknown)}; allowed are {allowed}")
    if absent := [name for name in REQUIRED if name not in fields]:
        raise ValueError(f"lacks {', '.join(absent)}; a flow needs {', '.join(REQUIRED)} and a count of bytes")
    if not set(COUNTERS).intersection(fields):
        raise ValueError(f"lacks a count of bytes: one of {', '.join(COUNTERS)}")
    if "direction" in fields and "sent" not in fields:
        raise ValueError("has a direction without sent, the bytes that it is of")
    columns = list(fields.values())
    if blank := [name for name, column in fields.items() if not column.strip() or re.search(r'["\r\n]', column)]:
        raise ValueError(f"must name a column for {', '.join(blank)}")
    for column in columns:
        if within := next((c for c in columns if c.startswith(f"{column}.")), None):
            raise ValueError(f"has {column!r} both as a value and as what holds {within!r}")
    return fields


def in_two_columns(fields: Any) -> Any:
    """Fields whose times may be lists of two columns, of the day and of the time of day, as columns alone.

    Raises ValueError where anything else is a list.
    """
    if not isinstance(fields, Mapping):
        return fields
    found = dict[Any, Any]()
    for name, column in fields.items():
        if not isinstance(column, list):
            found[name] = column
            continue
        if f"{name}{_CLOCK}" not in SHAPES or len(column) != 2 or not all(isinstance(c, str) for c in column):
            raise ValueError(
                f"has a list for {name}; a time (start_time, end_time, log_time) may be a list of two columns, of the "
                "day and of the time of day, and all else is one column"
            )
        found[name], found[f"{name}{_CLOCK}"] = column
    return found


def check_units(units: dict[str, str]) -> dict[str, str]:
    """The units; raises ValueError with what is allowed where a field has no such unit."""
    for name, unit in units.items():
        known = _TIME_UNITS if name == "duration" else tuple(u for u in UNITS if u not in _TIME_UNITS)
        if name != "duration" and name not in (*COUNTERS, "missed_bytes"):
            raise ValueError(f"has {name}; only duration and counts of bytes ({', '.join(COUNTERS)}) have units")
        if unit not in known:
            raise ValueError(f"has {unit} for {name}; allowed are {', '.join(known)}")
    return units


def check_delimiter(text: str) -> str:
    """One character that is no quote and ends no line."""
    if len(text) != 1 or not text.isascii() or text in '"\r\n' or text.isalnum():
        raise ValueError('must be one character such as "," ";" "|" or "\\t"')
    return text


def check_header(text: str) -> str:
    """One line that names two columns at least, as it would stand above the others."""
    if len(text.split("\n")) != 1 or "\r" in text or len(re.findall(r"\w[\w.-]*", text)) < 2:
        raise ValueError("must be one line that names the columns, such as 'srcaddr dstaddr srcport dstport bytes'")
    return text


def check_time_format(text: str) -> str:
    """A format in which a time can be written and read again, to the minute at least, as spreadsheets show it.

    `.%f`, which is Python's for a fraction of a second, is `%.f` here; `%f` alone would be nanoseconds, however many
    digits there are.
    """
    text = _PYTHONS_FRACTION.sub(r"\g<before>%.f", text)
    if _BARE_FRACTION.search(text):
        raise ValueError("must have %.f for a point and the digits behind it, or %3f, %6f or %9f for so many digits")
    told = dt.datetime(2026, 11, 25, 17, 4, 9, tzinfo=dt.UTC)
    try:
        made = pl.Series([told]).dt.strftime(text.replace("%#z", "%z"))  # It is for reading alone.
        read = made.str.to_datetime(text, time_unit="us")[0]
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise ValueError(_TIME_FORMAT) from error
    if read is None or read.replace(tzinfo=dt.UTC) not in (told, told.replace(second=0)):
        raise ValueError(_TIME_FORMAT)
    return text
