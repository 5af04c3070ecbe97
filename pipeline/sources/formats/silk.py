"""SiLK's rwcut: flow records as text, columns padded and parted by pipes, or plain CSV.

Source: rwcut(1) of SiLK 3. One record tells one direction; active timeouts cut long sessions into several records.
"""

from __future__ import annotations

import ipaddress
import re
from typing import Any

import polars as pl

from pipeline.sources.declared import Contract, Decoded, Form
from pipeline.sources.delimited import Aliases, DelimitedDecoder, Layout
from pipeline.sources.glances.sight import Cut
from pipeline.sources.reverse import Evident, Reverse
from pipeline.sources.spellings import PADDED, plain_address

_COLUMNS: Aliases = {
    "ts": ("stime", "stime+msec"),
    "end": ("etime", "etime+msec"),
    "duration": ("duration", "dur", "dur+msec", "duration+msec"),
    "src": ("sip",),
    "src_port": ("sport",),
    "dest": ("dip",),
    "dest_port": ("dport",),
    "proto": ("protocol", "pro", "proto"),
    "orig_pkts": ("packets", "pkts"),
    "sent": ("bytes",),
    "flags": ("flags",),
    "first_flags": ("initialflags", "initialf"),
    "type": ("type", "typ"),
    "system": ("sensor", "sen"),
}
_DEFAULT = ("sip", "dip", "sport", "dport", "protocol", "packets", "bytes", "flags", "stime", "duration", "etime",
            "sen")  # fmt: skip
"""What rwcut prints when it is not told otherwise; used for files without titles."""
_DELIMITERS = "|,;\t"
_ODD_ADDRESS = rf"^[0-9a-fA-F]+$|{PADDED}"
_HEX = r"^[0-9a-fA-F]{1,32}$"
_MAPPED = 0xFFFF << 32
"""IPv4 as IPv6 has it, where rwcut was told to print all addresses so."""
_NULL_ROUTED = ("innull", "outnull")


def _blocked() -> pl.Expr:
    """Traffic that a router sent nowhere, as the packing rules of SiLK sort it."""
    return pl.col("type").str.to_lowercase().is_in(_NULL_ROUTED).fill_null(False)


def _time(column: str) -> pl.Expr:
    """2026/11/20T00:00:00.083 and 11/20/2026 00:00:00.083 as ISO 8601; epochs and ISO stay as they are."""
    text = pl.col(column).str.replace(r"^(\d{4})/(\d\d)/(\d\d)[T ]", "${1}-${2}-${3}T")
    return text.str.replace(r"^(\d\d)/(\d\d)/(\d{4})[T ]", "${3}-${1}-${2}T")


def _has(column: str, letter: str, bit: int) -> pl.Expr:
    """Whether TCP flags, as letters or as a number, hold one."""
    number = pl.col(column).cast(pl.Int64, strict=False)
    return pl.coalesce(number & bit != 0, pl.col(column).str.contains(letter, literal=True))


def _initiator() -> pl.Expr:
    """Who began: the flags of the first packet tell; of all packets' flags only SYN without ACK does."""
    tcp = pl.col("proto").is_in(["6", "tcp", "TCP"])
    syn, ack = _has("first_flags", "S", 2), _has("first_flags", "A", 16)
    alone = _has("flags", "S", 2) & ~_has("flags", "A", 16)
    told = pl.when(syn & ~ack).then(pl.lit("src")).when(syn & ack).then(pl.lit("dest")).when(alone).then(pl.lit("src"))
    return pl.when(tcp).then(told)


def _with_addresses(fields: pl.DataFrame, ends: list[str]) -> pl.DataFrame:
    """Records with ends that are numbers as addresses: hexadecimal where either end has a letter, else decimal.

    Two ends of at most eight digits, none of them a letter, may be either, and stay as they are.
    """
    both = pl.all_horizontal(pl.col(c).str.contains(_HEX) for c in ("src", "dest"))
    letters = pl.any_horizontal(pl.col(c).str.contains("[a-fA-F]") for c in ("src", "dest"))
    short = pl.all_horizontal(pl.col(c).str.len_bytes() <= 8 for c in ("src", "dest"))
    known = fields.with_columns(hexed=(both & letters).fill_null(False), doubted=(both & short).fill_null(False))
    told = {c: fields[c].filter(fields[c].str.contains(r"^[0-9]{11,39}$")).unique() for c in ends}
    long = {c: {text: _long_decimal(text) for text in texts} for c, texts in told.items()}
    return known.with_columns(
        pl.when("hexed")
        .then(_from_hex(c))
        .when("doubted")
        .then(c)
        .otherwise(plain_address(c).replace(long[c]))
        .alias(c)
        for c in ends
    ).drop("hexed", "doubted")


def _from_hex(column: str) -> pl.Expr:
    """A hexadecimal number as an address, an IPv4 one where it has eight digits at most."""
    text = pl.col(column)
    small = pl.when(text.str.len_bytes() <= 8).then(text).str.to_integer(base=16, dtype=pl.Int64, strict=False)
    dotted = pl.concat_str([(small // 256**i % 256).cast(pl.String) for i in (3, 2, 1, 0)], separator=".")
    grouped = text.str.zfill(32).str.replace_all("(.{4})", "${1}:").str.strip_suffix(":")
    return pl.coalesce(dotted, grouped)


def _long_decimal(text: str) -> str:
    """A decimal number of IPv6; one that may as well be hexadecimal as it stands."""
    number = int(text)
    if len(text) > 32 or number >> 32 == _MAPPED >> 32:
        return str(ipaddress.IPv6Address(number)) if number < 1 << 128 else text
    return text


class SilkDecoder(Evident):
    """Lines of rwcut as fields; what parts its columns is read from the first line."""

    def __init__(self, header: str = "") -> None:
        self._header = header
        self._cells: DelimitedDecoder | None = None
        self._delimiter, self._reverse = "", Reverse()

    def state(self) -> dict[str, Any]:
        """The delimiter, the columns in force, and the evidence of both directions."""
        cells = self._cells.state() if self._cells else None
        return {"delimiter": self._delimiter, "cells": cells, "reverse": self._reverse.state()}

    def resume(self, state: dict[str, Any]) -> None:
        """Take all of that up."""
        self._reverse = Reverse(**state["reverse"])
        if state["cells"] is not None:
            self._begin(state["delimiter"]).resume(state["cells"])

    def unfinished(self) -> list[tuple[int, str]]:
        """No record spans lines."""
        return []

    def _begin(self, delimiter: str, columns: tuple[str, ...] = _DEFAULT) -> DelimitedDecoder:
        header = re.compile(r"(?i)(?:^|[|,;\t])\s*sip\s*(?:$|[|,;\t])")
        layout = Layout(_COLUMNS, header, delimiter=delimiter, columns=columns, quoted=False)
        self._delimiter, self._cells = delimiter, DelimitedDecoder(layout, header=self._header)
        return self._cells

    def cut(self) -> Cut | None:
        """See LucidDecoder; until it is settled that both directions are there, every record is evidence."""
        return self._cells.cut() if self._cells is not None and not self.expects_evidence else None

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        if self._cells is None:
            first = lines["raw"][0]
            delimiter = max(_DELIMITERS, key=first.count)
            # A delimiter at the end of every line makes a last column without a name.
            self._begin(delimiter, (*_DEFAULT, "") if first.endswith(delimiter) else _DEFAULT)
        assert self._cells is not None
        found = self._cells.decode(lines, reason)
        icmp = pl.col("proto").is_in(["1", "58", "icmp", "icmp6"])
        timed = found.fields["duration"].null_count() == 0
        odd_ends = [c for c in ("src", "dest") if found.fields[c].str.contains(_ODD_ADDRESS).any()]
        read = _with_addresses(found.fields, odd_ends) if odd_ends else found.fields
        fields = read.with_columns(
            *(pl.when(~icmp).then(c).alias(c) for c in ("src_port", "dest_port")),
            _time("ts").alias("ts"),
            pl.lit(None, pl.String).alias("end") if timed else _time("end").alias("end"),
            *(pl.col(c).str.replace_all(" ", "").str.to_uppercase().alias(c) for c in ("flags", "first_flags")),
        ).with_columns(initiator=_initiator())
        tcp = pl.col("proto").is_in(["6", "tcp", "TCP"])
        odd = self._reverse.look(fields, tcp & _has("flags", "A", 16), pl.lit(False))
        return Decoded(fields, found.broken, comments=found.comments, warnings=odd)


def _refuse(head: bytes) -> str | None:
    """What is wrong with titles that name no bytes."""
    titles = next((line for line in head.decode(errors="replace").splitlines() if line.strip()), "")
    names = {name.strip().lower() for name in re.split(r"[|,;\t]", titles)}
    if "sip" not in names or "bytes" in names:
        return None
    fields = "sIP,dIP,sPort,dPort,protocol,packets,bytes,flags,sTime,eTime"
    return f"was printed without bytes. Print it with rwcut --fields={fields}."


SILK = Form(
    name="silk",
    vendor_product="SiLK",
    layer="ip",
    contract=Contract(
        "bytes of a server's record", "bytes of a client's record", "IP", "sTime", "one a direction; deltas"
    ),
    marks=re.compile(rb"\A\s*+(?=[^\n]*\bsIP *[|,;\t])(?=[^\n]*\bdIP *(?:[|,;\t]|$))", re.MULTILINE),
    strong=True,
    decoder=lambda options: SilkDecoder(options.header),
    refuse=_refuse,
    flows=lambda: ~_blocked() & pl.col("sent").is_not_null(),
    ignored={"blocked": _blocked, "no_data": lambda: pl.col("sent").is_null()},
    accounting=lambda: pl.lit("delta"),
    flags_tell=True,
    local_time=True,
    idle=frozenset(("end", "proto", "flags", "first_flags", "system")),
    note="Any order of columns, with titles again and again, padded or not; without titles the default columns of "
    "rwcut are meant. initialFlags tell who began. Null-routed records (innull, outnull) count as blocked.",
)
