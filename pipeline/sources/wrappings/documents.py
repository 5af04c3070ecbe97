"""JSON that is not one record a line: arrays, pretty-printed objects, objects behind each other, answers of servers.

A file that is such a document is read whole, and its records stand for lines. An answer of a search or of a command
line tool that holds its records in a list is opened; which records there are belongs to the formats.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from pipeline.addresses import canonical_address
from pipeline.sources.base import begins_as_json
from pipeline.sources.texts import json_text
from pipeline.sources.wrappings import carriers, cut_document

HELD = ("hits.hits", "rawResponse.hits.hits", "results", "events", "entries", "receivedMessages", "result.data",
        "data.flows", "events.events")  # fmt: skip
"""Where answers hold their records: Elasticsearch (as Kibana shows its answers, too), Splunk, the AWS command line,
Google's APIs, FortiAnalyzer's, Secure Network Analytics', Google SecOps'; a dot goes into one."""
_NAMED = ("fields", "columns", "meta", "schema", "Columns")
"""Where answers name their columns: Splunk, Elasticsearch and Log Analytics, ClickHouse, OpenSearch, Kusto."""
_NAME = ("name", "ColumnName")
"""The key of a column's name, where columns are objects."""
_ROWS = ("rows", "values", "data", "datarows", "Rows")
"""Where they have the cells of each row."""
_FRAME, _RESULT = "FrameType", "PrimaryResult"
"""What a frame of Kusto's answers has, and the kind of those with what was asked for."""
_COUNTED = ("recordsTotal", "recordsFiltered", "meta")
"""What answers of Arkime and ClickHouse tell beside the list `data`, which elsewhere is a record's own."""
_LISTS = ("data", "value", "rows", "items", "logs", "Records", "docs")
"""Where a page of anybody's API holds its records, beside how many there are and the like."""
_RARE = ("flows", "matches", "metrics")
"""The same of QRadar, Google SecOps and Telegraf, where there is none of those."""
_TIMES = frozenset(("ts", "time", "timestamp", "@timestamp", "_time"))
"""What a record has beside a list of its own, and such a page does not."""
_OPEN_OBJECT = re.compile(rb'\s*\{\s*\n\s*"')
_LONG = re.compile(
    rb'\s*(?:\[|\{\s*"(?:took|meta|columns|tables|Tables|schema|_scroll_id|pit_id|preview|init_offset|events|entries|receivedMessages|jsonrpc|recordsTotal|recordsFiltered|'
    + "|".join((*_LISTS, *_RARE, *carriers.KEYS)).encode()
    + rb')"\s*:)'
)
_AZURE = {"properties", "flowRecords", "records"}
"""What a record of Azure's own logs, or a list of some, has."""
_SMALL = 1 << 23
"""Bytes up to which a file may be held in memory for the sake of a first line that two objects share."""
_SHORT = 1 << 12
"""Bytes up to which an answer may tell of what was asked for, beside that there is nothing of it."""
_NAMES = re.compile(rb'"(?:' + "|".join(_NAMED).encode() + rb')"\s*:\s*\[')
_ROW = re.compile(rb'\s*\[ *"[^"\\]*" *, *"')
_NAMES_ALONE = re.compile(r'\[ *"[^"\\\n]{1,101}" *(?:, *"[^"\\\n]{1,101}" *)*\][ \t\r]*\n')
_NARROWEST = 4
"""Columns of a flow at least: its ends, its start and a count."""
_COLUMN = re.compile(r"[A-Za-z_@#][\w.@ -]{0,100}")
_TYPE = re.compile(
    r"(?:Nullable|LowCardinality|U?Int\d|Float\d|Decimal|Fixed|String|Date|IPv[46]|Enum|UUID|Bool|Array|Map|Tuple|JSON)"
)
"""How the names of ClickHouse's types begin."""
_BATCH = re.compile(r'\s*(?:\[\s*\{|\{\s*"records"\s*:\s*\[\s*\{)')
_BETWEEN = re.compile(r"[\s,\x1e\0]*")
"""What stands between values: RFC 7464's mark, or the NUL that ends Graylog's messages, too."""
_BEHIND = re.compile(rb'\}[\x1e\0]?\{"')
"""Where an object follows another in the same line."""
_NEXT = re.compile(r"\n(?=[{\[])")
"""Where to go on behind a value that is broken."""
_LAST_COMMA = re.compile(r"(?<=[}\]]),\s*\]\Z")
"""What writers leave behind the last record of a list that put a comma behind each of them."""
_ENDING = 1 << 10
_EXTRA = "Extra data"


def is_document(data: bytes) -> bool:
    """Whether a file that begins so is one JSON document, or several that are not one a line."""
    if _OPEN_OBJECT.match(data):
        return True
    if not begins_as_json(data):
        return False
    text = data.lstrip()
    end = text.find(b"\n") if b"\n" in text else len(text)
    try:
        found = json.loads(text[:end])
    except json.JSONDecodeError as error:
        return _is_broken_document(text, end, error)
    except (ValueError, RecursionError):
        return text.startswith(b"[")
    if isinstance(found, list):  # One alone, of those records that a shipper sent together, or the names of rows.
        rest = text[end:].strip()
        return not rest or all(isinstance(record, dict) for record in found) or bool(_named_rows(_few(text), cut=True))
    return _held(found) is not None


def _is_broken_document(text: bytes, end: int, error: json.JSONDecodeError) -> bool:
    """The same of one whose first line, up to its end, is not one value: a list, several objects, or an answer cut."""
    behind = error.doc[error.pos :].lstrip(" \t\r\n\x1e\0") if error.msg == _EXTRA else ""
    if text.startswith(b"[") or (behind.startswith("{") and not (len(text) > _SMALL and _is_object(text, end))):
        return True
    part = None if text[end:].strip() or not _LONG.match(text) else cut_document.whole_part(error.doc, 0, error)
    return part is not None and bool(_opened_whole(part.value))


def _is_object(text: bytes, at: int) -> bool:
    """Whether the line that begins behind a place is one object: those before it may have lost their line end."""
    try:
        return isinstance(json.loads(text[at:].lstrip().split(b"\n", 1)[0]), dict)
    except (ValueError, RecursionError):
        return False


def may_be_long(head: bytes) -> bool:
    """Whether a line of these first bytes may be as long as a document is: an array, an answer, many objects in one."""
    if _LONG.match(head) is not None:
        return True
    return b"\n" not in head and begins_as_json(head) and _BEHIND.search(head) is not None


@dataclass(frozen=True)
class Document:
    """What a document holds."""

    records: list[str]
    """Each as one line."""
    left: str | None = None
    """What stands behind the last whole record of one that was cut, as one line."""


def records(data: bytes) -> Document:
    """The records of a document; raises ValueError when it is no JSON, or one that was cut before its first record.

    Of values behind each other a broken one is a line as it stands, and the next that begins a line is gone on with.
    """
    text = json_text.as_utf_8(data).decode().strip()
    if text.startswith("[") and (comma := _LAST_COMMA.search(text, max(0, len(text) - _ENDING))):
        text = f"{text[: comma.start()]}]"
    if rows := _named_rows(text):
        return Document(rows)
    decoder, at, found, first = json.JSONDecoder(), 0, list[str](), True
    while (at := _behind(text, at)) < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except json.JSONDecodeError as error:
            part = cut_document.whole_part(text, at, error)
            if part is not None and (whole := _opened_whole(part.value)):
                return Document([*found, *map(_line, whole)], part.left)
            if first:
                raise
            after = _NEXT.search(text, at)
            end = after.start() if after else len(text)
            found.append(" ".join(text[at:end].split("\n")))
            at = end
        else:
            found += [_line(r) for r in _opened(value)]
            first = False
    return Document(found)


def _opened_whole(value: Any) -> list[Any]:
    """The records of a list, or of an answer that holds one; none of what is itself a record."""
    return [_plain(record) for record in (_framed(value) if isinstance(value, list) else _held(value) or ())]


def holds_nothing(text: bytes) -> bool:
    """Whether a whole file is an answer or a list without any record, as of an hour in which nothing happened."""
    if len(text) > _SHORT or not begins_as_json(text):
        return False
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return found == [] or (
        isinstance(found, dict) and [] in (_held(found), _columns(found), *map(found.get, ("records", *_LISTS, *_RARE)))
    )


def beginning(data: bytes, most: int) -> list[str]:
    """The first records of a document that may be cut at its end, each as one line."""
    text, decoder, found, at = json_text.as_utf_8(data).decode(), json.JSONDecoder(), list[str](), 0
    at = len(text) - len(text.lstrip("[ \t\r\n"))
    while len(found) < most and (at := _behind(text, at)) < len(text):
        try:
            value, at = decoder.raw_decode(text, at)
        except (ValueError, RecursionError):
            rest = carriers.held(carriers.mended(text[at:]), cut=True)
            return [*found, *(_line(r) for r in rest or ())][:most]
        found += [_line(r) for r in _opened(value)]
    return found[:most]


def _behind(text: str, at: int) -> int:
    """Where the next value begins."""
    between = _BETWEEN.match(text, at)
    return between.end() if between else at


def _line(record: Any) -> str:
    return json.dumps(record, separators=(",", ":"))


def _opened(value: Any) -> list[Any]:
    """The records of a list, or of what holds one."""
    found = _framed(value) if isinstance(value, list) else _held(value)
    return [value] if found is None else [_plain(record) for record in found]


def _framed(values: list[Any], *, cut: bool = False) -> list[Any]:
    """The rows of Kusto's answer, which is a list of frames; of any other list its values."""
    if not values or not all(isinstance(frame, dict) and _FRAME in frame for frame in values):
        return values
    tables = (_columns(frame, cut=cut) for frame in values if frame.get("TableKind", _RESULT) == _RESULT)
    return [row for rows in tables for row in rows or ()]


def _plain(record: Any) -> Any:
    """A hit of Elasticsearch that gives its fields as lists (`fields`, and no `_source`) as a record."""
    if not isinstance(record, dict) or "_source" in record or not isinstance(fields := record.get("fields"), dict):
        return record
    if not all(isinstance(values, list) for values in fields.values()):
        return record
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _held(value: Any) -> list[Any] | None:
    """The records that an answer holds, None when it is none."""
    for path in HELD:
        at: Any = value
        for step in path.split("."):
            at = at.get(step) if isinstance(at, dict) else None
        if isinstance(at, list) and all(isinstance(record, dict) for record in at):
            return at
    found = _columns(value) or _table(value) or carriers.held(value)
    found = _batch(value) if found is None else found
    return _page(value) if found is None else found


def _columns(value: Any, *, cut: bool = False) -> list[Any] | None:
    """The rows of an answer that names its columns once, or of several such; cut: it lacks its end."""
    if not isinstance(value, dict):
        return None
    if isinstance(tables := value.get("tables", value.get("Tables")), list):  # Log Analytics, Kusto
        tables = _of_results(tables)
        found = [_columns(table, cut=cut) for table in tables]
        return [row for rows in found for row in rows or ()] if any(rows is not None for rows in found) else None
    names = [_name_of(column) for column in _first_list(value, _NAMED) or ()]
    rows, columns = _first_list(value, _ROWS), value.get("columns")
    if isinstance(columns, list) and len(columns) == len(names) and all(isinstance(c, list) for c in columns):
        rows = [list(row) for row in zip(*columns, strict=False)]  # They are given column by column.
    if not names or not all(isinstance(name, str) for name in names) or rows is None:
        return None
    whole = [row for row in rows if isinstance(row, list) and len(row) == len(names)]
    return [dict(zip(names, row, strict=True)) for row in whole] if cut or len(whole) == len(rows) else None


def _of_results(tables: list[Any]) -> list[Any]:
    """Those of the tables that hold what was asked for, where the last one tells it, as Kusto's does."""
    contents = _columns(tables[-1]) if len(tables) > 1 else None
    if (
        not contents
        or len(contents) != len(tables) - 1
        or not all({"Kind", "Ordinal"} <= row.keys() for row in contents)
    ):
        return tables
    return [table for table, row in zip(tables, contents, strict=False) if row["Kind"] == "QueryResult"]


def _name_of(column: Any) -> Any:
    """The name of a column, which may be told in an object."""
    return next((column[key] for key in _NAME if key in column), None) if isinstance(column, dict) else column


def _first_list(value: dict[str, Any], keys: Iterable[str]) -> list[Any] | None:
    """What lies under the first of the keys that holds a list."""
    return next((value[key] for key in keys if isinstance(value.get(key), list)), None)


def tabled(data: bytes, most: int) -> list[str]:
    """The first rows, each as one line, of a document that may be cut at its end and names its columns once."""
    if _ROW.match(data):
        return _named_rows(_few(data), cut=True)[:most]
    if not _NAMES.search(data):
        return []
    value = carriers.mended(json_text.as_utf_8(data).decode().lstrip())
    if not isinstance(value, list):
        found = _columns(value, cut=True)
    else:
        found = None if (rows := _framed(value, cut=True)) is value else rows
    return [_line(row) for row in (found or ())[:most]]


def _few(data: bytes) -> str:
    """The first lines of a file, the last of which may be cut."""
    return json_text.as_utf_8(data[:_SMALL]).decode().lstrip()


def _named_rows(text: str, *, cut: bool = False) -> list[str]:
    """Rows, one a line, below a row of their names and perhaps one of their types, as ClickHouse writes them.

    What is no such row stays as it is; of a text that may be cut at its end the last line is left out.
    """
    if not _NAMES_ALONE.match(text):  # Of any other a long document would be cut into lines for nothing.
        return []
    first, *rest = text.split("\n")[: -1 if cut else None]
    names = _cells_of(first)
    if names is None or not rest or not all(isinstance(n, str) and _COLUMN.fullmatch(n) for n in names):
        return []
    row = _cells_of(rest[0])
    if row is None or len(row) != len(names) or len(names) != len(set(names)):
        return []
    head = (names, row) if all(isinstance(t, str) and _TYPE.match(t) for t in row) else (names,)
    found = list[str]()
    for line in filter(str.strip, rest):
        cells = _cells_of(line)
        if cells is None or len(cells) != len(names):
            found.append(line.strip())
        elif cells not in head:
            found.append(_line(dict(zip(names, cells, strict=True))))
    return found


def _cells_of(line: str) -> list[Any] | None:
    """The values of a row that is a list; None where it is none."""
    try:
        value = json.loads(line) if line.lstrip().startswith("[") else None
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, list) and len(value) >= _NARROWEST else None


def _table(value: Any) -> list[Any] | None:
    """The rows of an answer that is a page of a table."""
    if not isinstance(value, dict) or not isinstance(rows := value.get("data"), list):
        return None
    return rows if any(key in value for key in _COUNTED) and all(isinstance(row, dict) for row in rows) else None


def _batch(value: Any) -> list[Any] | None:
    """The records that Azure's event hubs deliver together; those of its flow logs are opened by their own reader."""
    rows = value.get("records") if isinstance(value, dict) else None
    if not rows or not isinstance(rows, list):
        return None
    return rows if all(isinstance(row, dict) and not _AZURE & row.keys() for row in rows) else None


def batched(text: str) -> list[str]:
    """The records that one text holds in a list, as Azure's services send theirs to event hubs; none of any other."""
    if not _BATCH.match(text):
        return []
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return []
    rows = value if isinstance(value, list) else _batch(value)
    return [_line(row) for row in rows] if rows and all(isinstance(row, dict) for row in rows) else []


def _page(value: Any) -> list[Any] | None:
    """The records of an object that holds a list of them beside counts and notes, but for a record with its own."""
    listed = [[value[k] for k in keys if value.get(k)] for keys in (_LISTS, _RARE)] if isinstance(value, dict) else []
    rows = next(filter(None, listed), [])
    if (
        len(rows) != 1
        or not _TIMES.isdisjoint(value)
        or not isinstance(rows[0], list)
        or not all(isinstance(row, dict) for row in rows[0])
    ):
        return None
    notes = [note for note in value.values() if note is not rows[0]]
    ends = (isinstance(note, str) and canonical_address(note) is not None for note in notes)
    return None if any(isinstance(note, dict | list) for note in notes) or any(ends) else rows[0]
