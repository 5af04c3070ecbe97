"""What the envelope of a shipper knows and the line inside lacks: the time and the host of a syslog header, its tag.

Syslog servers take the header off a message and keep it beside what is left (rsyslog, Fluentd, Filebeat, Splunk's HTTP
Event Collector); formats whose times stand in that header ask here for them. Opening envelopes belongs to `envelope`.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Iterable, Mapping
from functools import lru_cache
from itertools import chain
from typing import Any

import msgspec

from pipeline.sources.texts import json_text

UNTIMED = ("asa", "juniper", "watchguard", "barracuda")
"""Formats whose messages tell no time of their own, or need not."""
SENSORS = {"zeek": "_node_name", "suricata": "firewall_name"}
"""Formats whose records mostly do not say which sensor they are of -> the key of that which they ask last."""
PAIRED = ("fortinet", "sonicwall")
"""Formats whose first pair a syslog server may take for the name of a program."""
_TIMES = ("@timestamp", "timestamp", "time", "_time", "date", "timereported", "__REALTIME_TIMESTAMP", "TimeGenerated",
          "ISODATE", "DATE", "EventTime")  # fmt: skip
_LOCAL_TIMES = ("DATE", "timereported", "EventTime")
"""Those that hold the time of the message's header as it stood there: syslog-ng's, rsyslog's, NXLog's."""
_HOSTS = ("log.syslog.hostname", "host", "hostname", "host.name", "logsource", "fromhost", "HostName", "Computer",
          "_HOSTNAME", "HOST", "Hostname", "source")  # fmt: skip
"""Whose a message is, the likeliest first; where Beats received it, `host.name` is their own machine."""
_TAGS = (
    "syslogtag",
    "syslog-tag",
    "syslog_tag",
    "ident",
    "tag",
    "program",
    "programname",
    "process.name",
    "SYSLOG_IDENTIFIER",
    "PROGRAM",
    "SourceName",
    "appname",
    "app-name",
    "app_name",
    "application_name",
    "log.syslog.appname",
    "attributes.appname",
    "ProcessName",
)
_AROUND = ("resource", "hostname", "host")
"""Where objects that hold a record as one tell its host: Google's, and those of most shippers."""
_NAME = re.compile(r"[\w.-]+")
_OUTER = ("", "_source.", "fields.", "result.")
_HEAD = 48
"""Characters in which a header's time begins, if there is one."""
_TIMED = re.compile(r"\d\d:\d\d:\d\d")
_WITH_ZONE = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:[.,]\d+)? ?(?:Z|[+-]\d\d:?\d\d)")
_SHOWN = re.compile(r"(\d{1,2})/(\d{1,2})/(\d{4}),? (\d{1,2}):(\d\d):(\d\d)(\.\d+)? ([AP]M)")
_SHOWN_IN = " [UTC]"
"""How Azure's portal shows times, and what it adds to the names of their columns where it shows them in UTC."""
_LOCAL = re.compile(
    r"[A-Z][a-z]{2} +\d{1,2} (?:\d{4} )?\d\d:\d\d:\d\d(?:\.\d+)?|\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(?:\.\d+)?"
)
_PAIR = re.compile(r"date=\d{4}-\d\d-\d\d|id=\w+")
_BEHIND_PAIR = ("time=", "sn=")
_NAMED_ID = re.compile(r"%[A-Z]+-(?:[A-Za-z_]+-)?-?\d-\d{6}")
_EVENT, _COLLECTED = "event", ("sourcetype", "source", "host")
"""Where Splunk's HTTP Event Collector has an event, and what it tells of that beside it, and its time."""
_OWN_TIMES = (b'"_time"', b'"start_time"', b'"timestamp"')


def dressed(record: Any, text: str, form: str | None) -> str:
    """A line with what the reader of its format misses of what stands around it; without time where that is unknown."""
    if form in UNTIMED:
        return with_time(record, with_tag(record, text))
    if form is None or form in PAIRED:
        return with_tag(record, text)
    return text if (name := SENSORS.get(form)) is None else with_sensor(record, text, name)


def with_tag(record: Any, text: str) -> str:
    """The text behind the message's number or first pair, where a syslog server took that for a program's name."""
    if text.startswith(_BEHIND_PAIR):
        pair = next((t for key in _TAGS if _PAIR.fullmatch(t := str(value_at(record, key) or ""))), None)
        return text if pair is None else f"{pair} {text}"
    if _NAMED_ID.search(text):
        return text
    tags = (str(value_at(record, key) or "").strip(": ") for key in _TAGS)
    tag = next((t for t in tags if _NAMED_ID.fullmatch(t if t.startswith("%") else f"%{t}")), None)
    return text if tag is None else f"{tag}: {text.lstrip(': ')}"


def with_time(record: Any, text: str) -> str:
    """The text behind the time of its envelope and the host there, where none stands before it."""
    if _TIMED.search(text[:_HEAD]) or text.startswith("{"):
        return text
    told = (_instant(record, f"{outer}{key}") for outer in _OUTER for key in _TIMES)
    own = (_local(value_at(record, f"{outer}{key}")) for outer in _OUTER for key in _LOCAL_TIMES)
    if (time := next((t for t in chain(told, own) if t), None)) is None:
        return text
    return f"{time} {_host(record) or '-'} {text}"


def _host(record: Any) -> str | None:
    """The host that an envelope names."""
    names = (value_at(record, f"{outer}{key}") for outer in _OUTER for key in _HOSTS)
    return next((n for n in names if isinstance(n, str) and _NAME.fullmatch(n)), None)


def with_sensor(record: Any, text: str, name: str) -> str:
    """An object's text with the envelope's host as the value of a key, which the object's own of that name replaces."""
    if not text.startswith('{"'):
        return text
    begin = _beginning(name, _host(record))
    return text if begin is None else begin + text[1:]


def with_sensor_around(envelopes: Iterable[Mapping[str, msgspec.Raw]], inner: bytes, name: str) -> bytes:
    """The same of a record that lies as an object in others: the innermost of them that has a host gives it."""
    told = [raw for around in envelopes for raw in _hosts_of(around)]
    begin = next((b for raw in reversed(told) if (b := _begun(name, raw)) is not None), None)
    return inner if begin is None or not inner.startswith(b'{"') else begin + inner[1:]


def _hosts_of(around: Mapping[str, msgspec.Raw]) -> list[bytes]:
    """What one envelope tells of its host, the likeliest last, as in _HOSTS: an object is mostly the shipper's own."""
    told = (bytes(around[key]) for key in _AROUND if key in around)
    return sorted(told, key=lambda raw: not raw.startswith(b"{"))


@lru_cache(maxsize=64)
def _begun(name: str, raw: bytes) -> bytes | None:
    """The beginning of an object that has a host under a name, where this piece of an envelope tells it."""
    try:
        host = msgspec.json.decode(raw)
    except json_text.FAULTS:
        return None
    places = ("name", "labels.instance_id")
    host = (
        next((h for at in places if isinstance(h := value_at(host, at), str)), None) if isinstance(host, dict) else host
    )
    begin = _beginning(name, host) if isinstance(host, str) else None
    return None if begin is None else begin.encode()


@lru_cache(maxsize=64)
def _beginning(name: str, host: str | None) -> str | None:
    """The beginning of an object that has a host under a name, which must be a plain one."""
    return f'{{"{name}":"{host}",' if host is not None and _NAME.fullmatch(host) else None


def with_its_own(envelope: Mapping[str, msgspec.Raw], inner: bytes, key: str) -> bytes:
    """A record's object with what Splunk's HTTP Event Collector has around it: whose it is, and a time if it has none.

    What the object itself tells of these stands behind it, and counts.
    """
    if not inner[1:].strip(b" \t}"):
        return inner
    around = {name: bytes(envelope[name]) for name in _COLLECTED if name in envelope and key == _EVENT}
    if "time" in envelope and not any(name in inner for name in _OWN_TIMES):
        around["_time"] = bytes(envelope["time"])
    told = b",".join(b'"' + name.encode() + b'":' + value for name, value in around.items())
    return b"{" + told + b"," + inner[1:] if told else inner


def value_at(record: Any, path: str) -> Any:
    """The value at a dotted path, or under a key with dots, as columns of a table and Elasticsearch's fields are named.

    A list of one text, as Elasticsearch answers where it is asked for fields, is that text.
    """
    value = _under(record, path) if isinstance(record, dict) else None
    return value[0] if isinstance(value, list) and len(value) == 1 and isinstance(value[0], str) else value


def _under(record: dict[str, Any], path: str) -> Any:
    if path in record or "." not in path:
        return record.get(path)
    first, rest = path.split(".", 1)
    inside = record.get(first)
    return _under(inside, rest) if isinstance(inside, dict) else None


def _local(value: Any) -> str | None:
    """A time of the device's own clock, as headers write it; None for others."""
    return value.strip() if isinstance(value, str) and _LOCAL.fullmatch(value.strip()) else None


def _instant(record: Any, path: str) -> str | None:
    """The time under a key, which names the zone itself where the portal shows it."""
    return _iso(value_at(record, path)) or _shown(value_at(record, f"{path}{_SHOWN_IN}"))


def _shown(value: Any) -> str | None:
    """A time of UTC as Azure's portal shows it, as ISO 8601; None for others."""
    if not isinstance(value, str):
        return None
    if (found := _SHOWN.fullmatch(value.strip())) is None:
        return _iso(value if _WITH_ZONE.fullmatch(value.strip()) else f"{value.strip()}Z")
    month, day, year, hour, minute, second = map(int, found.groups()[:6])
    try:
        at = dt.datetime(year, month, day, hour % 12 + 12 * (found[8] == "PM"), minute, second, tzinfo=dt.UTC)
    except ValueError:
        return None
    return at.strftime("%Y-%m-%dT%H:%M:%S") + (found[7] or "") + "Z"


def _iso(value: Any) -> str | None:
    """A time with a zone, or seconds or parts of them since 1970, as ISO 8601; None for others."""
    if isinstance(value, str) and _WITH_ZONE.fullmatch(value.strip()):
        return value.strip().replace(" ", "T", 1).replace(",", ".").replace(" ", "")
    try:
        number = float(value)
        for scale in (1, 1e3, 1e6, 1e9):
            if 1e8 <= number / scale < 1e10:
                return dt.datetime.fromtimestamp(number / scale, dt.UTC).isoformat(timespec="microseconds")
    except (TypeError, ValueError):
        pass
    return None
