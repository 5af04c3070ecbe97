"""nfdump's exports of NetFlow, IPFIX and sFlow: CSV of both generations, JSON, text tables, and nfcapd's binary files.

Sources: nfdump(1); the output of nfdump 1.7.1 of known packet captures; nfdump's src/output for later versions. How
lines become fields is in `nfdump_csv`, `nfdump_table` and `nfdump_fields`; how a binary file becomes lines in `nfcapd`.
"""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from pipeline.sources.declared import Contract, Form
from pipeline.sources.formats.nfdump_csv import CsvDecoder, JsonLines
from pipeline.sources.formats.nfdump_fields import BEGUN
from pipeline.sources.formats.nfdump_layout import KNOWN
from pipeline.sources.formats.nfdump_table import TableDecoder

_NOTE = (
    "Counters are of the IP layer and, where both directions are told, `in` is what the record's src sent. One-way "
    "records are joined later. Times carry no zone but that of the machine that ran nfdump: set `timezone`. Active "
    "timeouts cut sessions into deltas; updates of a firewall's connection give way to its end. A Summary block is "
    "checked against the records (`summary_mismatch`); `no_reverse_counters` says that the answers of servers are not "
    "counted, as in JSON of `nfdump -B` 1.7.1."
)
_DATE = rb"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?"
_ADDRESS = rb"[0-9a-fA-F.:]+"
_OLD_HEADER = rb"(?=(?:(?:Unnamed: 0)?,)?ts,te,td,sa,da,)"
_NEW_HEADER = (
    rb"(?=[^\n]*\b(?:first|last)Seen,)(?=[^\n]*\bsrcAddr,)(?=[^\n]*\bdstAddr,)(?=[^\n]*\b(?:bytes|inBytes|outBytes)\b)"
)
_NO_HEADER = (
    rb"(?=" + _DATE + rb",(?:" + _DATE + rb",)?[ \d:.]+,(?:" + _ADDRESS + rb"," + _ADDRESS + rb",\d+,[\d.]+,\w+,"
    rb"|\w+," + _ADDRESS + rb",\d+," + _ADDRESS + rb",[\d.]+,\d+,\d+))"
)


def _blocked() -> pl.Expr:
    """Records of packets that were dropped: forwarding status 2 in its first two bits (RFC 7270), or a denied event."""
    status = pl.col("forwarding").cast(pl.Float64, strict=False).is_between(128, 191).fill_null(False)
    return status | pl.col("event").str.to_uppercase().is_in(["DENIED", "DENY", "3"]).fill_null(False)


def _begun() -> pl.Expr:
    """A firewall's word that a connection began, which counts nothing yet."""
    counted = [pl.col(c).cast(pl.Float64, strict=False) > 0 for c in ("sent", "resp_ip_bytes", "orig_ip_bytes")]
    return pl.col("event").str.to_uppercase().is_in(BEGUN).fill_null(False) & ~pl.any_horizontal(
        c.fill_null(False) for c in counted
    )


def _no_data() -> pl.Expr:
    return pl.all_horizontal(pl.col(c).is_null() for c in ("sent", "resp_ip_bytes", "orig_ip_bytes"))


_CSV = Form(
    name="nfdump_csv",
    family="nfdump",
    vendor_product="nfdump",
    layer="ip",
    contract=Contract(
        "obyt",
        "ibyt",
        "IP",
        "ts",
        "`ibyt` alone tells one direction; `bytes`, `outBytes`, `firstSeen` since 1.7.5; deltas",
    ),
    marks=re.compile(rb"\A\s*+(?:" + rb"|".join((_OLD_HEADER, _NEW_HEADER, _NO_HEADER)) + rb")"),
    strong=True,
    decoder=lambda options: CsvDecoder(options.header),
    flows=lambda: ~_blocked() & ~_no_data() & ~_begun(),
    ignored={"blocked": _blocked, "begin": _begun, "no_data": lambda: _no_data() & ~_begun()},
    accounting=lambda: pl.col("nsel").fill_null("delta"),
    flags_tell=True,
    uptime=True,
    local_time=True,
    idle=frozenset(("flags", "event_time", "system", "way")),
    note=_NOTE,
)
_JSON = replace(
    _CSV,
    name="nfdump_json",
    contract=Contract("out_bytes", "in_bytes", "IP", "first", "`in_bytes` alone tells one direction; deltas"),
    marks=re.compile(
        rb'"(?:src4_addr|src6_addr)"\s*:|"type"\s*:\s*"(?:FLOW|EVENT)"\s*,\s*"(?:sampled|export_sysid)"\s*:'
    ),
    decoder=lambda _: JsonLines(),
    json=True,
)
_TABLE = replace(
    _CSV,
    name="nfdump_text",
    contract=Contract(
        "Out Byte", "In Byte", "IP", "Date first seen", "`Bytes` alone tells one direction; scaled numbers are rounded"
    ),
    marks=re.compile(
        rb"^Date (?:first seen|flow start) +[^\n]*Duration +Proto +Src IP Addr:Port +Dst IP Addr:Port"
        rb"|^(?=[^\n]*(?<!X-)Src IP Addr)(?=[^\n]*(?<!X-)Dst IP Addr)(?=[^\n]*(?:Date|First|Last) )"
        rb"(?=[^\n]*\b(?:Bytes|In Byte|Out Byte)\b)"
        + KNOWN.encode()
        + rb"|^"
        + _DATE
        + rb" +(?:\d+d +)?[\d:.]+ +\S+ +"
        + _ADDRESS
        + rb" +<?-> +"
        + _ADDRESS
        + rb" ",
        re.MULTILINE,
    ),
    decoder=lambda _: TableDecoder(),
)
NFCAPD = replace(
    _CSV,
    name="nfcapd",
    contract=Contract("obyt", "ibyt", "IP", "tsr", "binary files, read by the installed `nfdump`; deltas"),
    marks=re.compile(rb"\Atsr,ter,pr,"),
    local_time=False,
)
NFDUMP = (NFCAPD, _CSV, _JSON, _TABLE)
