"""Connections that OpenShift's network observability makes of flow logs, in the fields of goflow2's records.

Source: flowlogs-pipeline's stage `conntrack`. Its records add up a connection's flow logs since it began, for each
direction (A is the record's source, B its destination) or, of a pipeline of one's own, for one; flow logs that it
passes on have the connection's hash. Flow logs that no such stage has seen are those of `collectors`.
"""

from __future__ import annotations

import polars as pl

from pipeline.sources import json_lines

FIELDS: json_lines.Fields = {
    **{"orig_ip_bytes": ("Bytes_AB",), "resp_ip_bytes": ("Bytes_BA",), "resp_pkts": ("Packets_BA",)},
    **{"uid": ("_HashId",), "stage": ("_RecordType",)},
}
_ACCOUNTING = {
    **{"endConnection": "final", "heartbeat": "cumulative", "updateConnection": "cumulative"},
    "flowLog": "update",
}


def stage() -> pl.Expr:
    """What a record tells of its connection; nothing for a flow log that is of none."""
    alone = (pl.col("stage") == "flowLog") & pl.col("uid").is_null()
    return pl.when(~alone).then("stage").alias("stage")


def begins() -> pl.Expr:
    """Whether a record tells that a connection began, with what its first flow log counted."""
    return (pl.col("stage") == "newConnection").fill_null(value=False)


def accounting() -> pl.Expr:
    """How a record of a stage adds up: flow logs give way to the connection's end, which counts all of them."""
    return pl.col("stage").replace_strict(_ACCOUNTING, default=None, return_dtype=pl.String)
