"""Cisco's Network Visibility Module (AnyConnect, Secure Client): an endpoint's flows, as its collector writes them.

Sources: Cisco's nvzFlow protocol and its add-on for Splunk, whose short names these are, as in Splunk's public data set
of 2018. The endpoint that tells of a flow is its source: it received `ibc` and sent `obc`. Who began is not said, so
that the ports decide. Newer agents tell the stage of a report (`fsg`): its end, its start, or what goes on, in totals.
"""

from __future__ import annotations

import re

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.orienting import has_counters, told_by_ports
from pipeline.sources.texts import key_values, syslog

_KEYS = {
    "version": "fv",
    "ts": "fss",
    "end": "fes",
    "src": "sa",
    "dest": "da",
    "src_port": "sp",
    "dest_port": "dp",
    "proto": "pr",
    "resp_ip_bytes": "ibc",
    "orig_ip_bytes": "obc",
    "system": "udid",
    "stage": "fsg",
}
_IPV6 = {"src": "sa6", "dest": "da6"}
_ONCE = ("sa", "da", "ibc", "obc")
_STARTED = "1"
_BEGINS = r"""\bfv=["']?nvzFlow"""
_APOSTROPHES = r"""( \w+=)'([^'" ]*)'"""
"""A value in apostrophes, as an older collector writes text."""


class NvmDecoder(Stateless):
    """Lines of pairs; those that tell of the endpoint or its interfaces are no flows."""

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        frame = lines.with_columns(text=key_values.plain(lines["raw"].str.replace_all(_APOSTROPHES, '${1}"${2}"')))
        frame = key_values.with_kind(frame, "fv")
        twice = pl.any_horizontal(key_values.repeated("text", key) for key in _ONCE)
        detail = (
            pl.when(pl.col("text").is_null() & (pl.col("kind").is_not_null() | ~syslog.is_message()))
            .then(pl.lit("a quote that does not close"))
            .when(pl.col("kind").is_null() & ~syslog.is_message())
            .then(pl.lit("no key 'fv'"))
            .when(twice)
            .then(pl.lit("an end or a byte counter that is given twice"))
            .when(
                ~pl.col("kind").str.starts_with("nvzFlow").fill_null(value=False) & pl.col("raw").str.contains(_BEGINS)
            )
            .then(pl.lit("another message within it"))
        )
        frame = frame.with_columns(detail=detail)
        broken = rejected(frame.filter(pl.col("detail").is_not_null()), reason, "detail")
        good = frame.filter(pl.col("detail").is_null()).drop("detail", "kind")
        found = key_values.values(good, "text", [*_KEYS.values(), *_IPV6.values()])
        fields = found.select(
            "source_line",
            "raw",
            *(pl.col(theirs).alias(ours) for ours, theirs in _KEYS.items() if ours not in _IPV6),
            *(pl.coalesce(_KEYS[end], v6).alias(end) for end, v6 in _IPV6.items()),
        )
        session = [pl.col(c) for c in ("system", "ts", "src", "src_port", "dest", "dest_port", "proto")]
        uid = pl.when(pl.col("stage").is_not_null()).then(pl.concat_str(session, separator="/"))
        return Decoded(fields.with_columns(uid=uid, initiator=told_by_ports(), write_ts="end"), broken)


def _told() -> pl.Expr:
    return (pl.col("version").str.starts_with("nvzFlow") & pl.col("src").is_not_null()).fill_null(value=False)


def _nobody() -> pl.Expr:
    return pl.col("src").is_null() & has_counters()


def _begun() -> pl.Expr:
    return (pl.col("stage") == _STARTED).fill_null(value=False)


NVM = Form(
    name="nvm",
    vendor_product="Cisco Network Visibility Module",
    layer="unknown",
    contract=Contract(
        "ibc",
        "obc",
        "as the endpoint counts",
        "fss",
        "one a flow of an endpoint; where the stage is told (`fsg`), cumulative",
    ),
    marks=re.compile(rb'\bfv=["\']?nvzFlow_v\d'),
    strong=True,
    ends_lines=True,
    decoder=lambda _: NvmDecoder(),
    flows=lambda: _told() & ~_begun() & has_counters(),
    accounting=lambda: pl.when(pl.col("stage").is_not_null()).then(pl.lit("cumulative")),
    ignored={
        "begin": lambda: _told() & _begun(),
        "no_counters": lambda: _told() & ~_begun() & ~has_counters(),
        "no_ends": _nobody,
    },
)
