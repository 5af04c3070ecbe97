"""Darktrace's connections, as its Advanced Search keeps and exports them.

Source: Darktrace's guide to its API: entries of type `conn` have the fields of Zeek's conn record, with other names for
ends, and under `@fields`. A connection began at `start_ts`; the entry's own time is of when it was told. Other types of
entries tell of requests within connections. Events of its Threat Visualizer (`/details`) tell no bytes.
"""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from pipeline.sources.declared import Contract, Form
from pipeline.sources.formats.zeek_json import ZEEK_COLUMNS
from pipeline.sources.records import json_decoder


def _entry(*names: str) -> tuple[str, ...]:
    """A field of an entry, as the database holds it, and as an export without the database's own envelope."""
    return tuple(f"{outer}{name}" for name in names for outer in ("_source.@fields.", "@fields."))


_ENDS = {"src": "source_ip", "src_port": "source_port", "dest": "dest_ip", "dest_port": "dest_port"}
_SAME = ("uid", "proto", "service", "duration", "orig_bytes", "resp_bytes", "orig_ip_bytes", "resp_ip_bytes",
         "orig_pkts", "resp_pkts", "conn_state")  # fmt: skip
_FIELDS = {
    **{name: _entry(name) for name in _SAME},
    **{ours: _entry(theirs) for ours, theirs in _ENDS.items()},
    "ts": _entry("start_ts", "epochdate"),
    "write_ts": _entry("epochdate"),
    "missed_bytes": _entry("missed_bytes_resp", "missed_bytes"),
    "kind": ("_source.@type", "@type"),
    "system": ("_source.@darktrace_probe", "@darktrace_probe"),
}


def _connection() -> pl.Expr:
    return (pl.col("kind").fill_null("conn") == "conn") & pl.col("src").is_not_null()


DARKTRACE: Form = replace(
    ZEEK_COLUMNS,
    name="darktrace",
    family="zeek",
    contract=Contract(
        "resp_ip_bytes", "orig_ip_bytes", "IP", "start_ts", "one an entry of type `conn` of Darktrace's Advanced Search"
    ),
    marks=re.compile(rb'"@fields"\s*:\s*\{[^{}]*"source_ip"\s*:|"@fields\.source_ip"\s*:'),
    strong=True,
    decoder=json_decoder(_FIELDS),
    columns=None,
    json=True,
    flows=_connection,
    ignored={},
    idle=None,
)
