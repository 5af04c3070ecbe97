"""Flow logs of AWS Global Accelerator: lines of values in one order, with or without the names above them.

Source: Amazon's page on the records of these flow logs, and its examples. A record tells one direction of a window:
INGRESS from the client to the endpoint, EGRESS back; whichever it is, the client's address comes first.
"""

from __future__ import annotations

import re

import polars as pl

from pipeline.sources.declared import Contract, Form
from pipeline.sources.delimited import Layout, delimited

_ORDER = (
    *("version", "aws_account_id", "accelerator_id", "client_ip", "client_port", "accelerator_ip", "accelerator_port"),
    *("endpoint_ip", "endpoint_port", "protocol", "ip_address_type", "packets", "bytes", "start_time", "end_time"),
    *("action", "log_status", "globalaccelerator_source_ip", "globalaccelerator_source_port", "endpoint_region"),
    *("globalaccelerator_region", "direction", "vpc_id", "reject_reason"),
)
_NEWER = 2
"""Columns at the end that older versions lack."""
_COLUMNS = {
    "ts": ("start_time", "starttime"),
    "end": ("end_time", "endtime"),
    "src": ("client_ip", "clientip"),
    "src_port": ("client_port", "clientport"),
    "shown": ("accelerator_ip", "gip"),
    "dest": ("endpoint_ip", "endpointip"),
    "dest_port": ("endpoint_port", "endpointport"),
    "proto": ("protocol",),
    "sent": ("bytes", "numbytes"),
    "orig_pkts": ("packets", "numpackets"),
    "action": ("action",),
    "status": ("log_status", "log-status", "logstatus"),
    "way": ("direction",),
    "system": ("accelerator_id", "acceleratorid"),
}
_ADDRESS = rb"[\da-fA-F.:]+"


def _padded(text: pl.Series) -> pl.Series:
    """Lines with as many values as the newest version has."""
    text = text.str.strip_chars().str.replace_all(r"[ \t]+", " ")
    lacks = len(_ORDER) - 1 - text.str.count_matches(" ", literal=True).cast(pl.Int64)
    for n in range(1, _NEWER + 1):
        text = text.zip_with(lacks != n, text + " -" * n)
    return text


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    """Ends in the order in which the bytes went; who came to the accelerator began."""
    back = (pl.col("way") == "EGRESS").fill_null(value=False)
    turned = {"src": "dest", "src_port": "dest_port", "dest": "src", "dest_port": "src_port"}
    return fields.with_columns(
        *(pl.when(back).then(other).otherwise(own).alias(own) for own, other in turned.items()),
        src_nat=pl.when(back).then("shown"),
        dest_nat=pl.when(~back).then("shown"),
        initiator=pl.when(back).then(pl.lit("dest")).otherwise(pl.lit("src")),
    )


def _told() -> pl.Expr:
    return pl.col("src").is_not_null() & (pl.col("action") != "REJECT").fill_null(value=True)


ACCELERATOR = Form(
    name="vpc_accelerator",
    family="vpc",
    vendor_product="AWS Global Accelerator Flow Logs",
    layer="ip",
    contract=Contract("bytes", "bytes", "IP", "start_time", "flow logs of Global Accelerator, which tells the client"),
    marks=re.compile(
        rb"(?m)^[ \t]*version[ \t](?=[^\n]*\bclient_?ip\b)(?=[^\n]*\bendpoint_?ip\b)[^\n]*\bdirection\b|"
        rb"^\d(?:\.\d)? \d{12} [\w-]{20,40} " + _ADDRESS + rb" \d+ " + _ADDRESS + rb" \d+ " + _ADDRESS + rb" \d+ "
        rb"[A-Z]+ IPV[46] \d+ \d+ \d{10} \d{10} [A-Z]+ \S+ \S+ \S+ \S+ \S+ (?:IN|E)GRESS\b"
    ),
    decoder=delimited(
        Layout(
            aliases=_COLUMNS,
            header=re.compile(r"(?i)\bclient_?ip\b"),
            delimiter=" ",
            columns=_ORDER,
            quoted=False,
            clean=_padded,
            unset=("-",),
            others="",
            whole=re.compile("vpc-[0-9a-f]{17}|-|INGRESS|EGRESS"),
        )
    ),
    derive=_derive,
    flows=lambda: _told() & pl.col("sent").is_not_null() & pl.col("way").is_not_null(),
    strong=True,
    accounting=lambda: pl.lit("delta"),
    ignored={
        "blocked": lambda: pl.col("action") == "REJECT",
        "no_data": lambda: pl.col("status") == "NODATA",
        "lost_data": lambda: pl.col("status") == "SKIPDATA",
    },
    flags_tell=False,
)
