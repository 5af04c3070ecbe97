"""VPC Flow Logs inside JSON: CloudWatch subscription envelopes, and records that are already structured.

An envelope holds many records in one line, so records are numbered across the file where there are any. A record is
structured when it names its ends; else its message is read in the default layout. What fields mean is in `vpc`.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline.sources import json_lines
from pipeline.sources.base import rejects_frame
from pipeline.sources.declared import Decoded, Numbering
from pipeline.sources.formats.vpc import (
    DEFAULT,
    FIELDS,
    HEADER_LINE,
    HEADLESS,
    LAYOUTS,
    REMEDY,
    VPC_CSV,
    VPC_TEXT,
    cannot_hold,
    missing,
)
from pipeline.sources.glances.json_parts import JsonParts
from pipeline.sources.glances.sight import Cut

_FILTER = {  # Names that AWS's own example of a subscription filter gives.
    "srcaddr": ("source",),
    "dstaddr": ("destination",),
    "dest_port": ("destport",),
    "ts": ("windowstart",),
    "end": ("windowend",),
    "log_status": ("flowlogstatus",),
    "interface": ("eni",),
}
_EXTRACTED = {ours: (*spelled, *_FILTER.get(ours, ())) for ours, spelled in FIELDS.items()}
_OTEL = {
    **{"srcaddr": "source.address", "dstaddr": "destination.address"},
    **{"src_port": "source.port", "dest_port": "destination.port", "proto": "network.protocol.name"},
    **{"orig_pkts": "aws.vpc.flow.packets", "sent": "aws.vpc.flow.bytes", "ts": "aws.vpc.flow.start"},
    **{"action": "aws.vpc.flow.action", "log_status": "aws.vpc.flow.status", "tcp_flags": "network.tcp.flags"},
    **{"interface": "network.interface.name", "direction": "network.io.direction"},
}
"""Attributes that OpenTelemetry's collector makes of the fields."""
_WAZUH = {
    ours: tuple(f"{at}.{spelled[0].replace('-', '_')}" for at in ("aws", "data.aws"))
    for ours, spelled in FIELDS.items()
    if spelled[0] in DEFAULT
}
"""What Wazuh's integration makes of the default layout, whose times are ISO 8601, in its archives and its index."""
_SHIPPED = ("attributes", "content", "jsonPayload")
"""Where Datadog and Google keep a message, which is a line's mark there, too."""
_STRUCTURED: json_lines.Fields = {
    **{
        ours: (*(f"aws.vpc.{s}" for s in spelled), *spelled, *_WAZUH.get(ours, ()), *filter(None, [_OTEL.get(ours)]))
        for ours, spelled in FIELDS.items()
    },
    "message": ("message", "@message", "body", *(f"{at}.message" for at in _SHIPPED)),
}
_ENVELOPE = pl.Struct(
    {
        "messageType": pl.String,
        "logEvents": pl.List(
            pl.Struct(
                {
                    "id": pl.String,
                    "message": pl.String,
                    "extractedFields": pl.Struct({s: pl.String for spelled in _EXTRACTED.values() for s in spelled}),
                }
            )
        ),
    }
)
_HELD = '"logEvents"'
_OTHER = "other message"


@dataclass
class VpcJsonDecoder(Numbering):
    """Lines of JSON as records, those of an envelope numbered behind each other."""

    expects_header = False
    layouts: Sequence[tuple[str, Sequence[str]]] = LAYOUTS
    """Lines that messages may be, and their fields; the first that fits counts."""

    def cut(self) -> Cut | None:
        """See LucidDecoder; where there are envelopes, or what seems to be one, every line is read."""
        return None if self.beyond else Cut(JsonParts(_STRUCTURED), never=_HELD)

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        held = lines["raw"].str.contains(_HELD, literal=True)
        if not (held.any() or self.beyond):
            fields, broken = json_lines.decode(lines, _STRUCTURED, reason)
            fields, unread = _with_messages(fields, self.layouts, first=False)
            return Decoded(fields, pl.concat([broken, unread]))
        plain, broken = json_lines.decode(lines.filter(~held), _STRUCTURED, reason)
        plain, unread = _with_messages(plain, self.layouts, first=False)
        events, empty, bad = _events(_documents(lines.filter(held)), reason)
        events, unreadable = _with_messages(events, self.layouts, first=True)
        items, broken = pl.concat([plain, events], how="diagonal"), pl.concat([broken, unread, bad, unreadable])
        numbers = self._numbered(lines, [items, broken, empty])
        items, broken = (f.with_columns(source_line=n) for f, n in zip((items, broken), numbers, strict=False))
        more = items.height + broken.height + empty.height - lines.height
        self.beyond += more
        return Decoded(items, broken, comments=empty.height, more=more)

    def _numbered(self, lines: pl.DataFrame, frames: list[pl.DataFrame]) -> list[pl.Series]:
        """New numbers of the rows of each frame: as their lines are, and one more for every record more in a line."""
        whole = pl.concat([f.select("source_line", part=pl.lit(i, pl.Int64)) for i, f in enumerate(frames)])
        order = whole.with_row_index("row").sort("source_line", maintain_order=True).with_row_index("nth")
        at = lines.select("source_line").with_row_index("line")
        order = order.join(at, on="source_line", how="left", maintain_order="left")
        ahead = pl.col("nth").cast(pl.Int64) - pl.col("line").cast(pl.Int64)
        order = order.with_columns(pl.col("source_line") + ahead + self.beyond).sort("row")
        return [order.filter(pl.col("part") == i)["source_line"] for i in range(len(frames))]


def _documents(lines: pl.DataFrame) -> pl.DataFrame:
    """Lines with the envelopes that a delivery stream wrote behind each other apart."""
    joint = r'\}\s*\{\s*"(messageType|owner)"'
    apart = pl.col("raw").str.replace_all(joint, '}\n{"$1"').str.split("\n")
    return lines.select("source_line", apart.alias("raw")).explode("raw")


def _events(documents: pl.DataFrame, reason: str) -> tuple[pl.DataFrame, pl.DataFrame, pl.DataFrame]:
    """Envelopes as (records, envelopes without any, rejects)."""
    parsed, good = _parsed(documents["raw"])
    bad = documents.filter(~good)
    rejects = rejects_frame(bad["source_line"], reason, "not a whole JSON object", bad["raw"])
    frame = documents.filter(good).select("source_line").hstack([parsed.filter(good).alias("e")]).unnest("e")
    events = pl.col("logEvents").list.len().fill_null(0)
    empty = frame.filter(events == 0).select("source_line")
    rows = frame.filter(events > 0).explode("logEvents").unnest("logEvents").unnest("extractedFields")
    named = [pl.coalesce(spelled).alias(ours) for ours, spelled in _EXTRACTED.items()]
    control = pl.col("messageType").fill_null("") == "CONTROL_MESSAGE"
    return (
        rows.select(
            "source_line",
            pl.col("message").fill_null("").alias("raw"),
            *named,
            pl.when(control).then(pl.lit(_OTHER)).otherwise("message").alias("message"),
            record_id="id",
        ),
        empty,
        rejects,
    )


def _parsed(raw: pl.Series) -> tuple[pl.Series, pl.Series]:
    """(envelopes, which of them are whole)."""
    braces = raw.str.starts_with("{") & raw.str.ends_with("}")
    if braces.all():
        try:
            found = raw.str.json_decode(_ENVELOPE)
        except pl.exceptions.PolarsError:
            found = None
        if found is not None and not found.null_count():
            return found, braces
    each = [_parsed_one(text) if whole else None for text, whole in zip(raw, braces, strict=True)]
    good = pl.Series([e is not None for e in each], dtype=pl.Boolean)
    nothing = pl.Series([None], dtype=_ENVELOPE)
    return pl.concat([nothing if e is None else e for e in each] or [nothing.clear()]), good


def _parsed_one(text: str) -> pl.Series | None:
    try:
        found = pl.Series([text], dtype=pl.String).str.json_decode(_ENVELOPE)
    except pl.exceptions.PolarsError:
        return None
    return found if not found.null_count() else None


def _with_messages(
    fields: pl.DataFrame, layouts: Sequence[tuple[str, Sequence[str]]], *, first: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Records with the fields that their message holds in a known layout; those that are in none, as rejects.

    The message comes first in an envelope, where a filter may have named the fields; else what is structured does.
    """
    untold = fields["message"].is_not_null()
    for line, layout in layouts:
        if not untold.any():
            break
        told = fields["message"].str.contains(line).fill_null(False)
        if not told.any():
            continue
        untold &= ~told
        cells = fields.select(pl.when(told).then(pl.col("message").str.split(" ")).alias("m"))["m"]
        held = {o: cells.list.get(layout.index(s[0])) for o, s in FIELDS.items() if s[0] in layout}
        fields = fields.with_columns(
            (pl.coalesce(cell, pl.col(ours)) if first else pl.coalesce(pl.col(ours), cell)).alias(ours)
            for ours, cell in held.items()
        )
    header = pl.col("message").str.contains(HEADER_LINE).fill_null(False)
    fields = fields.with_columns(pl.when(header).then(pl.lit(_OTHER)).otherwise("message").alias("message"))
    structured = pl.any_horizontal(pl.col(c).is_not_null() for c in ("srcaddr", "pkt_srcaddr", "log_status"))
    lost = fields.select((~structured & (pl.col("message") != _OTHER)).fill_null(False)).to_series()
    bad = fields.filter(lost)
    why = pl.Series([cannot_hold(m[:4_000]) for m in bad["message"]], dtype=pl.String)
    rejects = rejects_frame(bad["source_line"], "missing_fields", why, bad["raw"])
    return fields.filter(~lost).drop("message"), rejects


def _layouts(header: str) -> Sequence[tuple[str, Sequence[str]]]:
    """The layouts of messages: that of the header alone, where the source tells one."""
    if not header:
        return LAYOUTS
    names = [n.strip("${}").lower().replace("_", "-") for n in header.split()]
    return ((rf"^\S+(?: \S+){{{len(names) - 1}}}$", names),)


def refuse(head: bytes) -> str | None:
    """Why a file that begins so cannot be read at all."""
    text = head.decode("utf-8", errors="replace")
    keys = set(re.findall(r'"(?:aws\.vpc\.)?([^".\s]+)"\s*:', text))
    named = _EXTRACTED if "extractedFields" in keys else FIELDS
    has = frozenset(ours for ours, spelled in named.items() if keys.intersection(spelled))
    messages = re.findall(r'"(?:@?message|body)"\s*:\s*"([^"\\]*)', text)
    if any(re.match(line, m) for m in messages for line, _ in LAYOUTS):
        return None
    if has.intersection(("srcaddr", "dstaddr", "pkt_srcaddr", "pkt_dstaddr")):
        lacking = missing(has)
        return f"is a custom format that lacks {lacking}. {REMEDY}" if lacking else None
    records = [m for m in messages if re.match(r"\d+ ", m)]
    return cannot_hold(records[0]) if records else None


_KEY = (
    rb'\A(?![\s\S]*?"vpcflow"\s*:)[\s\S]*?(?:'
    rb'"(?:aws\.vpc\.)?(?:pkt[-_])?(?:srcaddr|dstaddr)"\s*:|"LogStatus"\s*:|"interfaceId"\s*:[^{}]{0,200}"srcAddr"\s*:)'
)
"""Names of the fields; but not within Elastic's documents, which keep the packet-level addresses under AWS' names."""
_MESSAGE = rb'"(?:@?message|body)"\s*:\s*"\d{1,2} [^"]*\b(?:eni|tgw)-'
_HEADED = rb'\A(?![\s\S]*?"(?:@?message|body)"\s*:\s*"[^"\\]*\b(?:srcaddr|interface-id|log-status)\b)[\s\S]*?'
"""Not so where a header comes as a message, too: its layout is known to the reader of text."""
VPC_JSON = replace(
    VPC_TEXT,
    name="vpc_json",
    contract=replace(
        VPC_TEXT.contract, records="as text; `logEvents` of CloudWatch, or fields (`aws.vpc.*`) of structured records"
    ),
    marks=re.compile(_KEY + rb'|"aws\.vpc\.flow\.bytes"|' + _HEADED + _MESSAGE),
    decoder=lambda options: VpcJsonDecoder(layouts=_layouts(options.header)),
    refuse=refuse,
    columns=None,
    json=True,
    numbers_records=True,
)
VPC = (VPC_TEXT, VPC_CSV, *HEADLESS, VPC_JSON)
