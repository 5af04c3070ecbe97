"""Records of Splunk's CIM Network_Traffic data model, as searches and the REST API export them.

Source: the CIM manual. Which way an add-on counts is its own affair; what is read here is what the source received.
Splunk Stream says that its bytes_in are those the client sent (its manual's page on transport protocols), so that its
records, where they tell what they are, are turned.
"""

from __future__ import annotations

import re
from dataclasses import replace

import polars as pl

from pipeline.sources import instants
from pipeline.sources.declared import Contract, Form
from pipeline.sources.delimited import Layout, delimited
from pipeline.sources.records import json_decoder
from pipeline.sources.spellings import ABSENT, seconds
from pipeline.sources.starts import put_back

_LOGGED_AT_END = (
    r"^(?:pan[:_]traffic|cisco:(?:asa|ftd)|(?:fgt|fortigate|fortinet)_traffic|juniper:junos:firewall|zscalernss-fw|"
    r"sophos:xg:firewall)|(?i:suricata)"
)
"""Sourcetypes of sensors that log a session when it ends, which is then its `_time`."""
_SURICATA, _PARTIAL = "(?i)suricata", ("alert", "anomaly", "fileinfo")
"""Sourcetypes of Suricata's events, and those of them that are none of flows by whatever name: their counters are of a
part of the flow. Of a known sourcetype all but flows are."""
_WITHIN = (
    r"(?i)^(?:(?:bro|zeek|corelight)[:_](?:http|ssl|dns|files?|smtp|x509|weird|notice|ftp|ssh|rdp|smb|kerberos|ntlm|"
    r"dce_rpc|sip|socks|tunnel|dpd|software|known)|(?:fgt|fortigate|fortinet)_(?:utm|event|anomaly)|"
    r"pan[:_](?:threat|url|data|file|virus|vulnerability|spyware|wildfire|decryption|correlation)|"
    r"juniper:junos:(?:idp|aamw|secintel|utm)|sophos:xg:(?:content_filtering|atp|idp|anti_virus|anti_spam|waf|ssl|sandbox))"
)
"""Sourcetypes of what goes on within connections, which have a record of their own: Zeek's other logs, and what
firewalls inspect (FortiGate's repeats a session's counters so far)."""
_SINCE_BEGINNING = (
    r"^(?:pan[:_]traffic|(?:fgt|fortigate|fortinet)_traffic|cp_log|opsec|checkpoint|cisco:(?:ftd|firepower|sfw|estreamer))"
    r"|conn_long"
)
"""Sourcetypes that tell of a session when it begins or while it goes on, too, each time with its bytes so far."""
_ONE_WAY, _COLLECTED = r"vpc_?flow", r"^stream:(?:netflow|sflow)"
"""Sourcetypes of flow logs whose records tell one direction each, so that `bytes` are what the source sent; Splunk
Stream, as a collector, has them as `bytes_in`, too."""


def _cim(*names: str) -> tuple[str, ...]:
    """A field of the Network_Traffic model as searches, data models and the REST API write it."""
    spelled = [n for name in names for n in (name, f"All_Traffic.{name}")]
    return (*spelled, *(f"result.{name}" for name in spelled))


_FIELDS = {
    "ts": (*_cim("_time", "start_time"), "timestamp", "result.timestamp"),
    "end": ("endtime", "result.endtime", "end_time", "result.end_time"),
    "uid": _cim("session_id", "flow_id"),
    "src": _cim("src_ip", "src"),
    "src_port": _cim("src_port"),
    "dest": _cim("dest_ip", "dest"),
    "dest_port": _cim("dest_port"),
    "proto": _cim("transport", "protocol", "protocol_code"),
    "service": _cim("app"),
    "duration": _cim("duration"),
    "resp_ip_bytes": _cim("bytes_in"),
    "orig_ip_bytes": _cim("bytes_out"),
    "total": _cim("bytes"),
    "resp_pkts": _cim("packets_in"),
    "orig_pkts": _cim("packets_out"),
    "system": _cim("dvc", "interface_id", "dvc_ip", "host"),
    "reporter": _cim("vd", "vsys"),
    "action": _cim("action"),
    "preview": ("preview",),
    "stack": ("protocol_stack", "result.protocol_stack"),
    "kind": ("sourcetype", "result.sourcetype", "source", "result.source"),
    "exporter": ("exporter_ip", "result.exporter_ip"),
    "event": ("event_type", "result.event_type"),
    "begun": ("flow.start", "result.flow.start"),
}


def _derive(fields: pl.DataFrame) -> pl.DataFrame:
    """Records of Splunk Stream with their counters the other way, and their ends; firewalls' with their starts.

    `bytes` are those of both directions: they count where neither is told, as of an ASA.
    """
    alone = pl.col("resp_ip_bytes").is_null() & pl.col("orig_ip_bytes").is_null()
    vpc, stream = (pl.col("kind").str.contains(kind).fill_null(value=False) for kind in (_ONE_WAY, _COLLECTED))
    sent_nothing = (pl.col("orig_ip_bytes").cast(pl.Float64, strict=False) == 0).fill_null(value=False)
    one = pl.col("orig_ip_bytes").is_null() | sent_nothing  # 0 as of a way it does not have.
    collected = one & (stream | pl.col("exporter").is_not_null())
    one_way = (alone & vpc) | collected
    sent = pl.coalesce(pl.col(c).cast(fields.schema["orig_ip_bytes"], strict=False) for c in ("total", "resp_ip_bytes"))
    fields = fields.with_columns(
        total=pl.when(alone & ~one_way).then("total"),
        sent=pl.when(one_way).then(sent),
        **{c: pl.when(~one_way).then(c) for c in ("resp_ip_bytes", "resp_pkts", "orig_ip_bytes")},
    )
    if all(fields[c].null_count() == fields.height for c in ("stack", "kind", "begun")):
        return fields.with_columns(pl.lit(None, fields.schema["end"]).alias("end"))
    begun = pl.col("begun") if fields.schema["ts"] == pl.String else instants.epoch_us("begun")
    at_end = fields["kind"].str.contains(_LOGGED_AT_END).fill_null(value=False) & fields["begun"].is_null()
    fields = fields.with_columns(ts=pl.coalesce(begun, "ts"))
    if at_end.any():
        plain = fields.schema["duration"] != pl.String
        lasted = (pl.col("duration") if plain else seconds(pl.col("duration").str.strip_chars())) * 1e6
        fields = put_back(fields, pl.lit(at_end), lasted)
    stream = pl.col("stack").is_not_null() | pl.col("kind").str.starts_with("stream:").fill_null(False)
    turned = [
        pl.when(stream).then(pl.col(b)).otherwise(pl.col(a)).alias(a)
        for pair in (("resp_ip_bytes", "orig_ip_bytes"), ("resp_pkts", "orig_pkts"))
        for a, b in (pair, pair[::-1])
    ]
    return fields.with_columns(pl.when(stream | vpc).then("end").alias("end"), *turned)


def _kept() -> pl.Expr:
    return (pl.col("preview").cast(pl.String) != "true").fill_null(True)


def _partial() -> pl.Expr:
    """Whether a row counts a part of a flow that has its own record: an alert of Suricata's, a request of Zeek's."""
    ours = pl.col("kind").str.contains(_SURICATA).fill_null(value=False)
    other = pl.col("event").is_not_null() & ~pl.col("event").is_in(["flow", "netflow"])
    unnamed = pl.col("kind").is_null() & pl.col("event").is_in(_PARTIAL)
    return ((ours & other) | unnamed | pl.col("kind").str.contains(_WITHIN)).fill_null(value=False)


def _row() -> pl.Expr:
    return pl.col("src").is_not_null() & _kept() & ~_partial()


def _blocked() -> pl.Expr:
    """The model's words for traffic that was not let through; what a teardown says is no verdict."""
    return pl.col("action").str.to_lowercase().is_in(["blocked", "denied", "dropped"]).fill_null(False)


def _named(field: str) -> str:
    """A pattern of JSON that has a field, as a key or among the names of an answer's columns."""
    name = f'"(?:All_Traffic\\.)?{field}"'
    return rf'(?:{name}\s*:|(?:[\[,]|"name"\s*:)\s*{name})'


def _accounting() -> pl.Expr:
    so_far = pl.col("kind").str.contains(_SINCE_BEGINNING)
    return pl.when(pl.col("sent").is_not_null()).then(pl.lit("delta")).when(so_far).then(pl.lit("cumulative"))


_NOTE = (
    "Bytes in are taken as received by the source, as the detection's own search does; exporters differ, so "
    "compare with `nilometer identify`. Preview rows of the REST API repeat results and are ignored."
)
_JSON = Form(
    name="cim_json",
    family="cim",
    vendor_product="Splunk CIM Network_Traffic",
    layer="unknown",
    contract=Contract(
        "bytes_in",
        "bytes_out",
        "as the add-on counts",
        "_time",
        "one a row; `result` wrappers of the REST API are taken off; Splunk Stream's are turned",
    ),
    # What names not both ends in the model's way is another product's record with counters of these names, as of F5's;
    # what has another's time is in another one's own model, whose directions are its own affair (Exabeam, Anvilogic).
    marks=re.compile(
        rf"\A(?![\s\S]*?\"approxLogTime\"\s*:)(?:(?=[\s\S]*?{_named('_time')})|(?![\s\S]*?\"event_time\"\s*:))"
        rf"(?=[\s\S]*?{_named('src(?:_ip)?')})(?=[\s\S]*?{_named('dest(?:_ip)?')})"
        rf"(?:[\s\S]*?{_named('bytes_(?:in|out)')}|(?=[\s\S]*?{_named('bytes')})[\s\S]*?{_named('_time')})".encode()
    ),
    decoder=json_decoder(_FIELDS),
    derive=_derive,
    columns=_FIELDS,
    json=True,
    flows=lambda: _row() & ~_blocked(),
    accounting=_accounting,
    ignored={
        "blocked": lambda: _row() & _blocked(),
        "direction_unknown": lambda: _row() & ~_blocked() & pl.col("total").is_not_null(),
        "no_ends": lambda: pl.col("src").is_null() & _kept(),
        "preview": lambda: ~_kept(),
    },
    idle=frozenset(("uid", "proto", "service", "system", "reporter", "end")),
    note=_NOTE,
)
_LAYOUT = Layout(
    aliases={name: [s.lower() for s in spellings] for name, spellings in _FIELDS.items()},
    header=re.compile(r'(?i)(?:^|[,;\t|])"?(?:all_traffic\.)?bytes(?:_in|_out)?"?(?:[,;\t|]|$)'),
    unset=ABSENT,
)
_CSV = replace(
    _JSON,
    name="cim_csv",
    contract=replace(_JSON.contract, records="one a row; the first line names the columns"),
    marks=re.compile(
        rb"(?i)\A(?=[^\n]*\bsrc(?:_ip)?\b)(?=[^\n]*\bdest(?:_ip)?\b)"
        rb'(?:(?=[^\n]*\b_time\b)[^\n]*(?:^|[,;\t|])"?(?:all_traffic\.)?bytes"?(?:[,;\t|]|\r?\n|\Z)'
        rb'|[^\n]*(?:^|[,;\t|])"?(?:all_traffic\.)?bytes_(?:in|out)"?(?:[,;\t|]|\r?\n|\Z))'
    ),
    decoder=delimited(_LAYOUT),
    json=False,
    blanks=True,
)
CIM = (_JSON, _CSV)
