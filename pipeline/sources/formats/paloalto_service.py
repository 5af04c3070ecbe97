"""Palo Alto Networks TRAFFIC logs as the Strata Logging Service (Cortex Data Lake) forwards them in JSON.

Source: the service's log reference, whose HTTPS field names these are. What the fields mean is what the columns of the
device's own log do, which are in `paloalto`; times carry their zone.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

import polars as pl

from pipeline.addresses import NOWHERE
from pipeline.sources.formats.paloalto import SYSLOG
from pipeline.sources.records import json_decoder

_NOWHERE = (*NOWHERE, "")
_FIELDS = {
    "type": ("LogType",),
    "subtype": ("Subtype", "SubType"),
    "ts": ("SessionStartTime",),
    "write_ts": ("TimeGeneratedHighResolution", "TimeGenerated", "TimeReceived"),
    "duration": ("SessionDuration", "TotalTimeElapsed"),
    "serial": ("DeviceSN",),
    "session": ("SessionID",),
    "device": ("DeviceName",),
    "reporter": ("VirtualLocation", "VirtualSystemName"),
    "src": ("SourceAddress",),
    "dest": ("DestinationAddress",),
    "src_port": ("SourcePort",),
    "dest_port": ("DestinationPort",),
    "src_nat": ("NATSource",),
    "dest_nat": ("NATDestination",),
    "proto": ("Protocol",),
    "service": ("Application",),
    "action": ("Action",),
    "orig_ip_bytes": ("BytesSent",),
    "resp_ip_bytes": ("BytesReceived",),
    "orig_pkts": ("PacketsSent",),
    "resp_pkts": ("PacketsReceived",),
}


def _derived() -> Sequence[pl.Expr]:
    """Words in lower case, the session's id, and ends that are really translated."""
    moved = ((c, pl.col(c)) for c in ("src_nat", "dest_nat"))
    return [
        pl.col("subtype").str.to_lowercase(),
        pl.col("action").str.to_lowercase(),
        pl.coalesce("device", "serial").alias("system"),
        pl.concat_str("serial", "session", separator="/").alias("uid"),
        *(
            pl.when(~value.is_in(_NOWHERE) & (value != pl.col(c.removesuffix("_nat")))).then(value).alias(c)
            for c, value in moved
        ),
    ]


SERVICE = replace(
    SYSLOG,
    name="paloalto_json",
    family="paloalto",
    contract=replace(
        SYSLOG.contract,
        bytes_in="BytesReceived",
        bytes_out="BytesSent",
        start="SessionStartTime",
        records="what the Strata Logging Service forwards; TRAFFIC records of subtype `end`",
    ),
    marks=re.compile(
        rb'"LogType"\s*:\s*"[A-Z]+"[^{}]*"SourceAddress"\s*:|"SourceAddress"\s*:[^{}]*"LogType"\s*:\s*"[A-Z]+"'
    ),
    decoder=json_decoder(_FIELDS, _derived),
    json=True,
    ends_lines=False,
    local_time=False,
)
