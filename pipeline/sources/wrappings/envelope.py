"""Logs inside the JSON of whoever shipped them: the line of another format as the text of one field.

Shippers of logs (Filebeat, Fluent Bit, Docker, the journal, Splunk's raw exports, Google's textPayload) put each line
they read into an object. Such an object is taken off here, line by line, and the reader of the format inside does the
rest; so is what stands before an object that begins within its line, as where JSON travels by syslog. An envelope may
lie in another one. Objects that hold records as objects are opened where the format does not do so itself. What an
envelope knows and its line lacks, such as the time, is in `shipped`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import msgspec

from pipeline.sources.base import Block, Parsed, Reader, ReaderAround, cut_off, merge
from pipeline.sources.texts import json_text
from pipeline.sources.wrappings import carriers, documents, programs, shipped

KEYS = (
    "message",
    "log",
    "_raw",
    "MESSAGE",
    "textPayload",
    "event",
    "line",
    "raw",
    "event.original",
    "result._raw",
    "_source.message",
    "_source.event.original",
    "fields.message",
    "fields.event.original",
    "full_message",
    "short_message",
    "full_log",
    "Message",
    "msg",
    "rawmsg",
    "value",
    "payload",
    "body",
    "body.text",
    "Body",
    "content",
    "jsonPayload.message",
    "SyslogMessage",
    "RawData",
    "attributes.message",
    "content.message",
    "@rawstring",
    "map._raw",
    "data.message",
    "message.data",
    "data_base64",
)
"""Where shippers put the line, the first that holds one: Beats, Docker, Splunk, the journal, Google, Graylog, Wazuh,
NXLog, rsyslog, Kafka's tools, OpenTelemetry, Azure, Alibaba, Datadog, LogScale, Sumo Logic, Axiom, Google's Pub/Sub,
CloudEvents; a dot goes into an object."""
OBJECTS = ("_source", "event", "result", "json", "data", "message", "record", "payload", "log")
"""Where shippers and stores put a record as an object, which formats do not all look for themselves."""
HEADER = "header"
"""The name of what stands before an object that begins within its line: a syslog header, a container's log."""
_HEADED = re.compile(
    rb"^(?:[^{\[\s]|\[pod/)[^{]{0,1000}(?:(?<![\w=:\"'])|(?<=[=:])(?<![\"'][=:])(?=[^\n]*\}\s*\Z))(?=\{\s*\")"
)
"""What stands before an object, such as a pod's name in brackets (`kubectl logs --prefix`); right behind a key or a
program's name it must be all that follows."""
LABELS = "labels"
"""The name of a line behind its time and the labels of its stream, as Loki's logcli prints it."""
_LABELLED = re.compile(
    rb"^(?P<time>\d{4}-\d\d-\d\dT[\d:.]{8,18}(?:Z|[+-]\d\d:\d\d)) "
    rb'\{(?:[A-Za-z_]\w*="(?:[^"\\]|\\.)*"(?:, ?)?)*\}[ \t]+(?=\S)'
)
_LISTED = re.compile(rb"\[\d+(?:\.\d+)?, *\Z")
"""What stands before an object that is the second of a list behind a tag, as Fluent Bit's output of files writes it."""
SIGN = "@"
"""Between an encoding and the key it was found under, in the name of both together."""
_DEEPEST, _PLAIN_KEY = 3, re.compile(r"[\w-]{1,100}")
"""How many objects deep a record may lie, and what the keys to it are."""
_JSON = json.JSONDecoder()
_SHORTEST = 40
"""Characters of a line in Base64, as queues hand on what is bytes to them: Pub/Sub, Kafka, Azure's event hubs."""
_VALUES = msgspec.json.Decoder(dict[str, msgspec.Raw])


def inner_texts(line: bytes | str) -> list[tuple[str, str]]:
    """(key, text) of every key of a line's object that holds a text, or of an object or message behind a header."""
    data = line if isinstance(line, bytes) else line.encode("utf-8", errors="surrogatepass")
    if (whole := programs.restored(data.decode("utf-8", errors="surrogateescape"))) is not None:
        return [(programs.PROGRAM, whole)]
    if labelled := _LABELLED.match(data):
        return [(LABELS, data[labelled.end() :].decode("utf-8", errors="replace"))]
    if head := _HEADED.match(data):
        return [(HEADER, _behind_header(data, head.end()).decode("utf-8", errors="replace"))]
    try:
        found = json_text.loads(line)
    except json_text.FAULTS:
        return []
    texts = ((key, _at(found, key)) for key in KEYS)
    return [(key, shipped.with_tag(found, text)) for key, text in texts if text is not None and text.strip()]


def all_headed(lines: list[bytes]) -> bool:
    """Whether every line is an object behind a header; the last of several may be cut."""
    whole = [line for line in lines if line.strip()]
    return bool(whole) and all(_HEADED.match(line) and line.rstrip().endswith(b"}") for line in whole[:-1] or whole)


def _at(record: Any, path: str) -> str | None:
    """The text at a path, as one line."""
    text = _text_at(record, path)
    return None if text is None else " ".join(text.splitlines())


def _text_at(record: Any, path: str) -> str | None:
    """The text at a path, as it stands."""
    value = shipped.value_at(record, path)
    value = _bytes_as_text(value) if isinstance(value, list) else value
    if not isinstance(value, str):
        return None
    if " " not in value[:_SHORTEST] and len(value) >= _SHORTEST and (opened := carriers.decoded(value)) is not None:
        return opened
    return str(value)


def parts_of(text: str, is_record: Callable[[str], bool] | None) -> list[str]:
    """The lines of a text where each of several is a whole record, as a shipper sends them together; else it as one.

    So are the records of a list in it.
    """
    lines = text.splitlines()
    if is_record is not None and (batch := documents.batched(text)):
        return batch
    if is_record is None or len(lines) < 2:
        return [" ".join(lines)]
    whole = [line for line in lines if line.strip()]
    return whole if len(whole) > 1 and all(map(is_record, whole)) else [" ".join(lines)]


def _bytes_as_text(value: list[Any]) -> str | None:
    """What journalctl writes as a list of bytes: text with a control character, or that is no UTF-8."""
    if not all(isinstance(byte, int) and 0 <= byte < 256 for byte in value):
        return None
    return bytes(value).decode("utf-8", errors="replace")


def within(text: str, key: str, most: int = 50) -> tuple[list[str], str]:
    """(the objects under a key, the text without them) of a file's beginning; what is cut at its end is neither."""
    found, rest, at = list[str](), list[str](), 0
    for place in re.finditer(rf'"{re.escape(key)}"\s*:\s*(?=\{{)', text):
        if place.start() < at:
            continue
        rest.append(text[at : place.start()])
        try:
            value, at = _JSON.raw_decode(text, place.end())
        except (ValueError, RecursionError):
            at = len(text)
            break
        found.append(json.dumps(value))
        if len(found) == most:
            break
    return found, "".join([*rest, text[at:]])


def objects_within(record: dict[str, Any], path: tuple[str, ...] = ()) -> Iterator[tuple[str, bytes, bytes]]:
    """(dotted key, object, what stands around it) of the objects in a record, outer ones first, all as JSON."""
    for key, value in record.items():
        if not isinstance(value, dict) or not value or not _PLAIN_KEY.fullmatch(key):
            continue
        rest = json.dumps({k: v for k, v in record.items() if k != key}).encode()
        yield ".".join((*path, key)), json.dumps(value).encode(), rest
        for inner, data, around in objects_within(value, (*path, key)) if len(path) < _DEEPEST - 1 else ():
            yield inner, data, rest + around


class EnvelopeReader(ReaderAround):
    """Reads the blocks of one file of enveloped lines with the reader of what is inside.

    Of a text with several records each counts as a line of its own, so that records are numbered across the file: such
    a file is read anew when it grows.
    """

    def __init__(self, inner: Reader, key: str, is_record: Callable[[str], bool] | None = None) -> None:
        """Args: is_record tells a whole record of the format inside by its text."""
        super().__init__(inner)
        self._path, self._is_record, self._beyond = key, is_record, 0
        self._object = key[1:-1] if key.startswith("{") else ""
        self.reads_json: bool = getattr(inner, "reads_json", True)

    def one_each(self) -> None:
        """Take every text for one record from here on, so that lines keep their numbers."""
        self._is_record = None

    def read(self, block: Block) -> Parsed:
        """Read one block; a line that is no envelope is read as it is, so that the reader inside says what it is."""
        lines = json_text.unwrapped(block.data).removesuffix(b"\n").split(b"\n")
        opened = [part for line in lines for part in self._opened(line)]
        data, end = b"\n".join(opened), b"" if block.unterminated else b"\n"
        first = block.first_line + self._beyond
        self._beyond += len(opened) - len(lines)
        self.resumable = self.resumable and not self._beyond
        return self._inner.read(Block(data + end, first, len(opened), block.unterminated))

    def read_array(self, data: bytes) -> Parsed:
        """A file that is one JSON document: an array of envelopes; raises ValueError when it is none."""
        document = documents.records(data)
        lines = [line.encode() for line in document.records]
        read = merge([self.read(Block(b"".join(line + b"\n" for line in lines), 1, len(lines))), self.finish()])
        return read if document.left is None else merge([read, cut_off(document.left, read.account.lines + 1)])

    def _behind(self, line: bytes) -> bytes:
        """What stands behind a header or labels."""
        if self._path == LABELS:
            return _behind_labels(line, self.format)
        return _behind_header(line, line.find(b"{")) if self.reads_json or b"{" in line else line

    def _opened(self, line: bytes) -> list[bytes]:
        """What lies inside a line: one record, or several."""
        if self._path in (HEADER, LABELS):
            return [self._behind(line)]
        if self._path == programs.PROGRAM:
            whole = programs.restored(line.decode("utf-8", errors="surrogateescape"))
            return [line if whole is None else whole.encode("utf-8", errors="surrogateescape")]
        if self._object:
            return [_object_at(line, self._object, self._inner)]
        try:
            text = _text_at(found := json_text.loads(line), self._path)
        except json_text.FAULTS:
            return [line]
        if text is None:
            return [line]
        parts = (shipped.dressed(found, part, self.format) for part in parts_of(text, self._is_record))
        return [part.encode("utf-8", errors="surrogatepass") for part in parts]


def _behind_header(line: bytes, at: int) -> bytes:
    """The object that begins there in a line; an empty one, which is no record, where another program wrote it."""
    if at < 0:
        return b"{}" if line.strip() else line
    text = line[at:]
    listed = text.rstrip().endswith(b"}]") and _LISTED.search(line[:at])
    return text.rstrip()[:-1] if listed else text


def _behind_labels(line: bytes, form: str) -> bytes:
    """The line behind its labels, with its time where its format tells none; another line as it is."""
    if (labelled := _LABELLED.match(line)) is None:
        return line
    around, text = {"timestamp": labelled["time"].decode()}, line[labelled.end() :]
    return shipped.dressed(around, text.decode("utf-8", "surrogateescape"), form).encode("utf-8", "surrogateescape")


def _object_at(line: bytes, key: str, inside: Reader) -> bytes:
    """The object under a dotted key of a line's, as it is written; the line where there is none."""
    inner, around = json_text.without_halves(line), list[dict[str, msgspec.Raw]]()
    try:
        for step in key.split("."):
            around.append(_VALUES.decode(inner))
            inner = bytes(around[-1][step])
    except (*json_text.FAULTS, KeyError):
        return line
    if not inner.startswith(b"{"):
        return line
    inner = b" ".join(inner.splitlines())
    if (name := shipped.SENSORS.get(inside.format)) is not None:
        return shipped.with_sensor_around(around, inner, name)
    return shipped.with_its_own(around[-1], inner, key) if inside.format == "cim_json" else inner
