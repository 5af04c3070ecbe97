"""A user's own table - CSV, JSON lines or Parquet - whose columns nilometer.yaml maps to the fields of a flow.

The forms here are those of no source until a source's mapping fits them. Which mappings are allowed is checked in
`pipeline.mapping`.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

import polars as pl

from pipeline import clocks
from pipeline.errors import Location, SourceError
from pipeline.mapping import NAMES, SHAPES, ColumnMapping
from pipeline.sources import instants
from pipeline.sources.base import ReadOptions
from pipeline.sources.columns import TIMES
from pipeline.sources.declared import Contract, Decoded, Decoder, Form, Wrapped
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.formats.table_shapes import JoinedDecoder, is_odd, put_right
from pipeline.sources.records import json_decoder
from pipeline.sources.spellings import ABSENT
from pipeline.sources.texts import syslog, zone_names

_BLOCKED = ("block", "blocked", "denied", "deny", "discard", "drop", "dropped", "failure", "reject", "rejected")
_OURS = {**NAMES, **SHAPES}
_NEVER = re.compile(rb"(?!)")
_INSTANT = re.compile(r"(?<!%)(?:%%)*%(?:[:#]*z|\+|s)")
"""What in a time's format tells the instant: an offset, all of ISO 8601, or seconds since 1970."""
_NAMED_ZONE = re.compile(r"(?<!%)(?:%%)*%Z")
_PLACE = r"((?:[A-Z][A-Za-z_]+/)+[A-Z][A-Za-z_+-]*[0-9]*)"
"""The name of a zone of the IANA database."""
_ZONE = rf"(?:^|[^A-Za-z])({'|'.join(zone_names.NAMES)})(?:$|[^A-Za-z])"


def _blocked() -> pl.Expr:
    return pl.col("action").str.to_lowercase().is_in(_BLOCKED).fill_null(False)


def _told() -> pl.Expr:
    """Whether a record says anything of a flow; in JSON, other records may lie between."""
    counters = ("resp_ip_bytes", "orig_ip_bytes", "sent", "total")
    return pl.any_horizontal(pl.col(c).is_not_null() for c in ("src", "dest", *counters))


def _with_action(fields: pl.DataFrame) -> pl.DataFrame:
    return fields if "action" in fields.columns else fields.with_columns(action=pl.lit(None, pl.String))


def columns(mapping: ColumnMapping) -> dict[str, tuple[str, ...]]:
    """Our name of a field -> the table's column."""
    return {_OURS[name]: (column,) for name, column in mapping.fields}


def layout(mapping: ColumnMapping) -> Layout:
    """The layout of delimited text with these columns."""
    aliases = {ours: tuple(s.lower() for s in spelled) for ours, spelled in columns(mapping).items()}
    named = {_OURS[name]: f"{column} ({name})" for name, column in mapping.fields}

    def lacks(has: frozenset[str]) -> str:
        return ", ".join(text for ours, text in named.items() if ours not in has)

    return Layout(
        aliases=aliases,
        header=re.compile(f"(?i){re.escape(named['src'].rpartition(' (')[0])}"),
        delimiter=mapping.delimiter,
        lacks=lacks,
        unset=ABSENT,
        others=";\t|" if mapping.delimiter == "," else "",
        absent=f"no header line before it names {named['src']} and another of the mapped columns",
    )


@dataclass
class _TimedDecoder(Wrapped):
    """A decoder whose times are written in a format of their own; those that are not stay as they are."""

    time_format: str
    zone: str

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self.inner.decode(lines, reason)
        told = [c for c in TIMES if c in found.fields.columns]
        return replace(found, fields=found.fields.with_columns(self._read(found.fields[c]) for c in told))

    def _read(self, values: pl.Series) -> pl.Expr:
        text = pl.col(values.name).cast(pl.String).str.strip_chars()
        time = text.str.to_datetime(self.time_format, time_unit="us", strict=False)
        if _INSTANT.search(self.time_format):
            told = time.dt.epoch("us")
        elif _NAMED_ZONE.search(self.time_format):
            told = self._of_named(values.cast(pl.String), text, time)
        else:
            told = clocks.instants(time, self.zone).dt.epoch("us")
        return pl.coalesce(instants.as_text(told), text).alias(values.name)

    def _of_named(self, values: pl.Series, text: pl.Expr, time: pl.Expr) -> pl.Expr:
        """Epoch microseconds of times whose zones stand beside them: abbreviations, or names such as Europe/Berlin."""
        told, place = syslog.zoned_epoch(time, text.str.extract(_ZONE), None, self.zone), text.str.extract(_PLACE)
        told = pl.when(place.is_null()).then(told)
        for name in values.str.extract(_PLACE).drop_nulls().unique():
            if clocks.is_zone(name):
                told = pl.when(place == name).then(clocks.instants(time, name).dt.epoch("us")).otherwise(told)
        return told


def _timed(decoder: Callable[[ReadOptions], Decoder], mapping: ColumnMapping) -> Callable[[ReadOptions], Decoder]:
    time_format, parted = mapping.time_format, any(name.endswith(".clock") for name, _ in mapping.fields)

    def made(options: ReadOptions) -> Decoder:
        found = JoinedDecoder(decoder(options)) if parted else decoder(options)
        return found if time_format is None else _TimedDecoder(found, time_format, options.timezone)

    return made


def _derived(mapping: ColumnMapping) -> Callable[[pl.DataFrame], pl.DataFrame]:
    if not is_odd(mapping):
        return _with_action
    right = put_right(mapping)
    return lambda fields: _with_action(right(fields))


def _fitted(form: Form, options: ReadOptions) -> Form:
    if (mapping := options.mapping) is None:
        raise SourceError(
            "cannot be read as a table without its columns.",
            where=Location(key="sources.fields"),
            remedy="Map them in nilometer.yaml, such as fields: {src_ip: client, dest_ip: server, ...}.",
        )
    return replace(
        form,
        layer=mapping.layer,
        accounting=lambda: pl.lit(mapping.accounting),
        columns=columns(mapping),
        decoder=_timed(json_decoder(columns(mapping)) if form.json else delimited(layout(mapping)), mapping),
        blanks=not form.json,
        derive=_derived(mapping),
        idle=None if is_odd(mapping) else form.idle,
    )


TABLE_CSV = Form(
    name="table_csv",
    family="table",
    vendor_product="Table",
    layer="unknown",
    contract=Contract(
        "fields.bytes_in", "fields.bytes_out", "as `layer` says", "fields.start_time", "as `accounting` says"
    ),
    marks=_NEVER,
    decoder=json_decoder({}),
    fitted=_fitted,
    derive=_with_action,
    flows=lambda: _told() & ~_blocked(),
    ignored={"blocked": _blocked},
    local_time=True,
    idle=frozenset(("end", "uid", "proto", "service", "system")),
)
TABLE_JSON = replace(TABLE_CSV, name="table_json", json=True)
TABLE = (TABLE_CSV, TABLE_JSON)
"""The forms of `format: table`, which no content can tell."""
