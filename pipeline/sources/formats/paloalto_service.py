"""Palo Alto Networks TRAFFIC logs in JSON: of the Strata Logging Service (Cortex Data Lake), and of Cloud NGFW.

Sources: the service's log reference, whose HTTPS field names these are, and the pages on the traffic log of Cloud NGFW
for AWS and Azure, older and newer. What the fields mean is what the columns of the device's own log do, which are in
`paloalto`; the service's times carry their zone, those of Cloud NGFW none. This one logs sessions that ended.
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

_CLOUD_FIELDS = {
    "ts": ("start_time", "start"),
    "write_ts": ("time_generated",),
    "duration": ("elapsed_time", "elapsed"),
    "uid": ("sessionid",),
    "src": ("src_ip",),
    "dest": ("dst_ip", "dst"),
    "src_port": ("sport",),
    "dest_port": ("dport",),
    "proto": ("proto",),
    "service": ("app",),
    "action": ("action",),
    "orig_ip_bytes": ("bytes_sent",),
    "resp_ip_bytes": ("bytes_recv", "bytes_received"),
    "orig_pkts": ("pkts_sent",),
    "resp_pkts": ("pkts_received",),
}


def _ended_in_the_cloud() -> Sequence[pl.Expr]:
    """A record that tells how long a session lasted is one that ended; those of threats do not."""
    return [
        pl.when(pl.col("duration").is_not_null()).then(pl.lit("TRAFFIC")).alias("type"),
        pl.lit("end").alias("subtype"),
        pl.col("action").str.to_lowercase().str.replace(" ", "-", literal=True),
    ]


CLOUD_NGFW = replace(
    SERVICE,
    name="paloalto_cloud",
    contract=replace(
        SERVICE.contract,
        bytes_in="bytes_recv",
        bytes_out="bytes_sent",
        start="start_time",
        records="what Cloud NGFW for AWS and Azure logs of sessions that ended",
    ),
    marks=re.compile(
        rb'\{(?![^{}]*"bytes_in"\s*:)(?=[^{}]*"src_ip"\s*:)(?=[^{}]*"bytes_rec(?:v|eived)"\s*:)'
        rb'(?=[^{}]*"pkts_received"\s*:)(?=[^{}]*"elapsed(?:_time)?"\s*:)'
    ),
    decoder=json_decoder(_CLOUD_FIELDS, _ended_in_the_cloud),
    local_time=True,
)
