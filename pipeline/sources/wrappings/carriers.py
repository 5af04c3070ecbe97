"""Documents that carry lines of logs: Kinesis and Firehose (Base64, perhaps gzip), CloudWatch, Loki, OTLP, SecOps.

Each line becomes a record `{"message": LINE, "timestamp": ..., "host": ...}`, as a shipper writes it, so that the
reader of envelopes does the rest. Sources: the events that AWS Lambda documents, Loki's HTTP API, OpenTelemetry's
protocol (OTLP/JSON), the raw logs that parsers of Google Security Operations are tested with. What a document holds
that is none of these is no affair of this module.
"""

from __future__ import annotations

import base64
import json
import re
import zlib
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import Any

KEYS = (
    *("Records", "records", "awslogs", "messageType", "owner", "results", "invocationId", "requestId"),
    *("deliveryStreamArn", "streams", "status", "resourceLogs", "resourceSpans", "resourceMetrics", "collector_crn"),
    *("create_time", "raw_logs", "eventSource", "eventSourceArn"),
)
"""What such documents begin with."""
_MOST = 1 << 28
"""Bytes that one record may unfold to."""
_GZIP = b"\x1f\x8b"
_EVENT = re.compile(r"\{|<\d|[A-Z][a-z]{2} +\d{1,2} \d\d:|\d{4}-\d\d-\d\dT|date=|1,20\d\d/")
"""How a line of CloudWatch's begins that is no record of a VPC: those have a reader that opens them itself."""
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}")
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|["\[\]{}]', re.DOTALL)
_CLOSES = {"{": "}", "[": "]"}
_FAULTS = (ValueError, RecursionError, AttributeError, TypeError, KeyError, IndexError, OverflowError)
_UNTIMED = (None, 0, "0", "")
"""What OTLP has for a time that is not known."""
_KAFKA = ("aws:kafka", "SelfManagedKafka")
"""Whose records Lambda gets by their partitions."""
_HEALTH = "CONTROL_MESSAGE"
"""The kind of what CloudWatch sends to see whether anybody listens."""

Record = dict[str, Any]


def held(value: Any, *, cut: bool = False) -> list[Record] | None:
    """The lines that a document carries, as records; None when it is none of these. cut: the document lacks its end."""
    if not isinstance(value, dict):
        return None
    for opened in (partial(_encoded, cut=cut), _events, _loki, _otlp, _insights, _windows, _secops):
        try:
            found = opened(value)
        except _FAULTS:
            continue
        if found is not None:
            return found
    return None


def decoded(text: str) -> str | None:
    """The line that Base64 text holds, perhaps folded by gzip; None where it is none, or holds no one line of text."""
    if _BASE64.fullmatch(text) is None or len(text) % 4:
        return None
    try:
        raw = base64.b64decode(text, validate=True)
        found = (_unfolded(raw, cut=False) if raw.startswith(_GZIP) else raw).decode()
    except (zlib.error, ValueError):
        return None
    return found if len(found.splitlines()) == 1 and found.rstrip().replace("\t", " ").isprintable() else None


def mended(text: str) -> Any:
    """What the beginning of a JSON document holds as far as it goes; None when that is nothing."""
    stack = list[str]()
    end, inside = len(text), False
    for token in _TOKEN.finditer(text):
        if token[0] in _CLOSES:
            stack.append(_CLOSES[token[0]])
        elif token[0] in ("]", "}"):
            if not stack or stack.pop() != token[0]:
                return None
            if not stack:
                end = token.end()
                break
        elif token[0] == '"':
            inside = True
            break
    tail = text[:end].rstrip(" \t\r\n,")
    closers = ('"' if inside else "") + "".join(reversed(stack))
    try:
        return json.loads(re.sub(r"\\(?:u[0-9a-fA-F]{0,3})?$", "", tail) + closers)
    except (ValueError, RecursionError):
        return None


# AWS


def _encoded(value: Record, *, cut: bool) -> list[Record] | None:
    """Records of Kinesis, Firehose and Kafka, CloudWatch's data for Lambda, and messages of queues."""
    if isinstance(data := (value.get("awslogs") or {}).get("data"), str):
        return list(_told(_text(data, cut=cut), None, cut=cut))
    rows = value.get("Records", value.get("records"))
    if isinstance(rows, dict) and value.get("eventSource") in _KAFKA:
        rows = [
            {"data": row["value"], "approximateArrivalTimestamp": row["timestamp"]} for p in rows.values() for row in p
        ]
    if not rows or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        return None
    found = list[Record]()
    for row in rows:
        inner = row.get("kinesis") if isinstance(row.get("kinesis"), dict) else row
        data = inner.get("data", inner.get("Data"))
        text = row.get("body", (row.get("Sns") or {}).get("Message"))
        if isinstance(data, str):
            found += _told(_text(data, cut=cut), inner.get("approximateArrivalTimestamp"), cut=cut)
        elif isinstance(text, str) and ("Sns" in row or "eventSource" in row):
            found += _told(text, None, cut=cut)
        else:
            return None
    return found


def _text(data: str, *, cut: bool) -> str:
    """What Base64 text holds, unfolded; text that is none, or holds what cannot be unfolded, as it stands."""
    try:
        raw = base64.b64decode(data[: len(data) // 4 * 4] if cut else data, validate=True)
        return (_unfolded(raw, cut=cut) if raw.startswith(_GZIP) else raw).decode("utf-8", errors="replace")
    except (zlib.error, ValueError):
        return data


def _unfolded(raw: bytes, *, cut: bool) -> bytes:
    """The members of gzip behind each other; raises ValueError where one is not whole, or too large."""
    text = bytearray()
    while raw:
        member = zlib.decompressobj(wbits=31)
        text += member.decompress(raw, _MOST - len(text)) if len(text) < _MOST else b""
        if not member.eof and not cut:
            raise ValueError("it does not end, or is too large")
        raw = member.unused_data
    return bytes(text)


def _told(text: str, time: Any, *, cut: bool) -> Iterator[Record]:
    """The lines of a text, or the events of CloudWatch's envelopes in it; of a broken one its text is a line."""
    if '"logEvents"' not in text:
        yield from (_record(line, time) for line in text.splitlines() if line.strip())
        return
    decoder, text = json.JSONDecoder(), text.strip()
    while text:
        try:
            value, at = decoder.raw_decode(text)
            told = value["logEvents"] if value.get("messageType") != _HEALTH else ()
            events = [_record(e["message"], e.get("timestamp"), e.get("id")) for e in told]
        except _FAULTS:
            value, at = mended(text) if cut else None, len(text)
            seen = (e.get("message") for e in value.get("logEvents", ())) if isinstance(value, dict) else (text,)
            events = [_record(" ".join(message.split("\n"))) for message in seen if message]
        yield from events
        text = text[at:].lstrip()


def _record(line: Any, time: Any = None, number: Any = None, host: Any = None) -> Record:
    told = {"message": line, "timestamp": time, "id": number, "host": host}
    return {name: v for name, v in told.items() if v is not None}


def _events(value: Record) -> list[Record] | None:
    """A subscription's events of CloudWatch that are no records of a VPC."""
    events = value["logEvents"]
    if (
        not events
        or any("extractedFields" in e for e in events)
        or not all(_EVENT.match(e["message"].lstrip()) for e in events)
    ):
        return None
    return [_record(e["message"], e.get("timestamp"), e.get("id")) for e in events]


def _insights(value: Record) -> list[Record] | None:
    """Rows that a query of CloudWatch Logs Insights found."""
    rows = [{cell["field"]: cell["value"] for cell in row} for row in value["results"]]
    return (
        None
        if not rows
        else [{("message" if name == "@message" else name): v for name, v in row.items()} for row in rows]
    )


def _windows(value: Record) -> list[Record] | None:
    """What an interface of IBM's cloud saw in a window; each record is told whose it is."""
    about: Record = {name: value[name] for name in ("network_interface_id", "capture_end_time") if name in value}
    return [{**about, **record} for record in value["flow_logs"]]


def _secops(value: Record) -> list[Record] | None:
    """Raw logs of Google Security Operations, with the time at which they came."""
    entries = value["raw_logs"]["entries"]
    return [_record(e["data"], e.get("timestamp", e.get("collection_time"))) for e in entries]


# Loki and OpenTelemetry


def _loki(value: Record) -> list[Record] | None:
    """Streams as they are pushed, or as a query answers them; of before 2019, too."""
    data = value.get("data")
    streams = data["result"] if isinstance(data, dict) else value["streams"]
    found = list[Record]()
    for stream in streams:
        labels = stream.get("stream") or {}
        host = next((labels[n] for n in ("host", "hostname", "instance") if n in labels), None)
        if "entries" in stream:
            found += [_record(e["line"], e.get("ts", e.get("timestamp")), None, host) for e in stream["entries"]]
        else:
            found += [_record(line, time, None, host) for time, line, *_ in stream["values"]]
    return found if all(isinstance(record["message"], str) for record in found) else None


def _otlp(value: Record) -> list[Record] | None:
    """Records of logs, with their text or the fields that stand in its place; of metrics and traces none, but flows."""
    if "resourceSpans" in value or "resourceMetrics" in value:
        return _flow_spans(value.get("resourceSpans", ()))
    found = list[Record]()
    for resource in value["resourceLogs"]:
        about = _fields((resource.get("resource") or {}).get("attributes", ()))
        for scope in resource.get("scopeLogs", resource.get("instrumentationLibraryLogs", ())):
            for record in scope.get("logRecords", ()):
                body = _value(record.get("body") or {})
                times = (record.get(name) for name in ("timeUnixNano", "observedTimeUnixNano"))
                more = _fields(record.get("attributes", ()))
                host = more.get("hostname", about.get("host.name"))  # A message's own, before the collector's.
                text = body if isinstance(body, str) else json.dumps(body)
                found.append({**more, **_record(text, next((t for t in times if t not in _UNTIMED), None), None, host)})
    return found


def _flow_spans(resources: Any) -> list[Record]:
    """The attributes of spans that are flows of a network, as Mermin has them."""
    spans = (span for r in resources for scope in r.get("scopeSpans", ()) for span in scope.get("spans", ()))
    told = (_fields(span.get("attributes", ())) for span in spans)
    return [fields for fields in told if any(name.startswith("flow.bytes.") for name in fields)]


def _fields(pairs: Any) -> Record:
    return {pair["key"]: _value(pair["value"]) for pair in pairs}


def _value(value: Mapping[str, Any]) -> Any:
    """What OTLP's AnyValue holds."""
    kinds: dict[str, Callable[[Any], Any]] = {
        "kvlistValue": lambda v: _fields(v.get("values", ())),
        "arrayValue": lambda v: [_value(one) for one in v.get("values", ())],
        "intValue": int,
    }
    return next((kinds.get(kind, lambda v: v)(inner) for kind, inner in value.items()), None)
