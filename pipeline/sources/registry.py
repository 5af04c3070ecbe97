"""All formats: the registry that finds the right one by content or by name.

A format is a module with a reader class; it becomes known by one line in READERS. Nothing of days, storage or
detections belongs here.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterable
from functools import partial
from itertools import islice

from pipeline.errors import Location, SourceError
from pipeline.sources import byteless, guessed, mappable, signs, tables
from pipeline.sources.base import Block, Reader, ReaderFactory, ReadOptions, begins_as_json
from pipeline.sources.formats.zeek_json import ZeekJsonReader, ZeekRecords
from pipeline.sources.formats.zeek_tsv import ZeekTsvReader
from pipeline.sources.forms import FORMS, OPENED
from pipeline.sources.records import RecordReader
from pipeline.sources.respelled import KEYS as SPELLED
from pipeline.sources.respelled import SPELLING, RespelledReader, respelled
from pipeline.sources.texts import beginnings
from pipeline.sources.texts.quoting import tidied
from pipeline.sources.watch import Watch
from pipeline.sources.wrappings import csv_envelope
from pipeline.sources.wrappings.documents import beginning, holds_nothing, tabled
from pipeline.sources.wrappings.envelope import (
    KEYS,
    OBJECTS,
    SIGN,
    EnvelopeReader,
    all_headed,
    inner_texts,
    objects_within,
    parts_of,
    within,
)
from pipeline.sources.wrappings.programs import restored
from pipeline.sources.wrappings.unfolding import refuse_kind

_KEYS_OF = re.compile(f"(?<!{csv_envelope.MARK})(?<!{SIGN}){SIGN}")
"""Where keys begin in the name of an encoding; a column or a key may itself be named so."""


class _Readers(dict[str, ReaderFactory]):
    """Readers by encoding; "encoding@key" is one whose lines lie under a key of objects that a shipper wrote.

    An envelope in another one has two keys, that of the inner one first.
    """

    def __missing__(self, encoding: str) -> ReaderFactory:
        *inner, key = _KEYS_OF.split(encoding)
        if not inner:
            raise KeyError(encoding)
        return partial(_enveloped_reader, self[SIGN.join(inner)], key, inner[0] if len(inner) == 1 else None)


def _enveloped_reader(inner: ReaderFactory, key: str, encoding: str | None, options: ReadOptions) -> Reader:
    """The reader of an envelope, whose texts may hold several records of the encoding, where that is told."""
    if key == SPELLING:
        return RespelledReader(inner(options), SPELLED[encoding or ""])
    whole = None if encoding is None else partial(_is_whole, encoding)
    if key.startswith(csv_envelope.MARK):
        parts = partial(parts_of, is_record=whole)
        return csv_envelope.CsvEnvelopeReader(inner(options), key.removeprefix(csv_envelope.MARK), parts)
    return EnvelopeReader(inner(options), key, whole)


def _is_whole(encoding: str, line: str) -> bool:
    """Whether a line of a text shows by itself that it is a record of the encoding; an object must come to its end."""
    data, is_json = line.encode("utf-8", errors="surrogatepass"), encoding == "zeek_json" or _is_json(encoding)
    ends = data.startswith(b"{") and data.rstrip().endswith(b"}")
    return (ends if is_json else not begins_as_json(data)) and _marked(data, encoding)


def _is_json(encoding: str) -> bool:
    return encoding in FORMS and FORMS[encoding].json


def _encodings(name: str) -> tuple[str, ...]:
    return tuple(n for n, form in FORMS.items() if form.format == name)


READERS = _Readers(
    {
        "zeek_tsv": ZeekTsvReader,
        "zeek_json": ZeekJsonReader,
        **{n: partial(ZeekRecords if f.format == "zeek" else RecordReader, f) for n, f in FORMS.items()},
    }
)
"""Encoding of a format -> its reader."""

FORMATS: dict[str, tuple[str, ...]] = {
    "zeek": ("zeek_tsv", "zeek_json", *_encodings("zeek")),
    **{form.format: _encodings(form.format) for form in FORMS.values() if form.format != "zeek"},
}
"""Format, as nilometer.yaml names it -> its encodings."""

_MORE_OBJECTS = ("fields", "attributes", "properties", "body", "value", "raw", "content", "parsed", "log_processed")
"""Keys of envelopes that are opened where nothing around them is a record of any format."""
_COUNTS = re.compile(rb'(?<![\w\\])"(?:\w+\.)*bytes"\s*:')
"""What tells bytes in a record of Elastic's schema; without any, the line in it may tell more."""
_WIDEST = 1 << 16
_BURIED_IN = 2
"""Records with a format's marks of which every object is looked at."""
_EVER = 1 << 62
_LOOKED_INTO = 50
"""Lines whose objects are opened to find a format inside."""


def format_of(encoding: str) -> str:
    """The format, as nilometer.yaml names it, that an encoding belongs to."""
    encoding = encoding.partition(SIGN)[0]
    if encoding in tables.FORMATS:
        return tables.FORMATS[encoding]
    return next(name for name, encodings in FORMATS.items() if encoding in encodings)


def detect(head: bytes, wanted: str, name: str, header: str = "") -> str | None:
    """The encoding of a file by its first bytes, or None when it has no data at all.

    Args:
        head: the first bytes of its text.
        wanted: the format that was asked for, or auto.
        name: the file's name in messages.
        header: the line that names the columns, where its source tells it: it is looked at as if it stood above the
            file's lines, or above those that the file's records hold.

    Raises:
        SourceError: the content is of no known format, or not of the one that was asked for.
    """
    refuse_kind(head, name)
    head = beginnings.ABOVE.sub(b"", beginnings.NULS.sub(b"", head))
    text = head.lstrip()
    if not text or _is_empty_report(text, wanted):
        return None
    head = beginnings.BLANK_LINES.sub(b"", head)
    if begins_as_json(text) and (rows := tabled(text, _LOOKED_INTO)):
        head = text = _as_file(rows)
    above = f"{header}\n".encode() if header else b""
    if above and not begins_as_json(text) and _header_of(text) is None:
        head, text = above + head, above + text
    found = _shown(head, text, wanted)
    if not _is_sure(head, text, found) and (inside := _enveloped(text, wanted, above)):
        return inside
    if begins_as_json(text) and (inside := _buried(text, found) or _wrapped(text, wanted)):
        return inside
    if not _marked(head, found) and (inside := _in_any_spelling(text, wanted)):
        return inside
    if found and not _is_json(found) and (found.endswith("_csv") or not _marked(head, found)):
        found = _in_rows(text, wanted, partial(_yields, found, head)) or found
    if found is None and (wanted != "auto" or (found := _by_header(text)) is None):
        return _otherwise(text, wanted, name)
    if not above and (fault := _fault(found, head)):
        raise SourceError(fault, where=Location(file=name))
    return found


def _is_empty_report(text: bytes, wanted: str) -> bool:
    """Whether the file is one that a format's own program writes and that holds no records."""
    if wanted in ("auto", "zeek") and signs.ZEEK_REPORT.match(text):
        return True
    return wanted in ("auto", "nfdump") and signs.NFDUMP_NOTHING.match(text) is not None


def _shown(head: bytes, text: bytes, wanted: str) -> str | None:
    """The encoding that the first bytes show: of the format that was asked for, or of any."""
    return _recognised(head, text) if wanted == "auto" else _named(head, text, wanted)


def _is_sure(head: bytes, text: bytes, found: str | None) -> bool:
    """Whether the lines are records of the encoding found, so that no other log is looked for inside them."""
    if not _marked(_header_of(text) or head, found) or (found == "ecs" and _COUNTS.search(head) is None):
        return False
    lines = text.split(b"\n", _LOOKED_INTO)[:_LOOKED_INTO]
    told = (restored(line.decode("utf-8", errors="surrogateescape")) for line in lines)
    whole = _as_file(text for text in told if text is not None)
    if whole and _recognised(whole, whole) == found:
        return False
    # What marks a line of text may stand in the text of an object that was sent by syslog.
    return begins_as_json(text) or not all_headed(lines)


def _fault(encoding: str, head: bytes) -> str | None:
    """What makes a file with these first bytes unreadable as the encoding, by its form; None or empty for nothing."""
    refuse = FORMS[encoding].refuse if encoding in FORMS else None
    return None if refuse is None else refuse(head)


def _as_file(lines: Iterable[str]) -> bytes:
    """Lines as the bytes of a file; halves of surrogate pairs, which JSON may hold, are kept."""
    return "".join(f"{line}\n" for line in lines).encode("utf-8", errors="surrogatepass")


def another_form(lines: list[str], wanted: str) -> str | None:
    """The encoding that lines of the wanted format show, where they differ from the lines before them in their file.

    None where nothing shows one.
    """
    text = _as_file(lines)
    try:
        found = detect(text, wanted, "")
    except SourceError:
        return None
    return found if found is not None and (SIGN in found or _marked(text, found)) else None


def other_formats(lines: list[str], encoding: str) -> Counter[str]:
    """How many lines that the reader of an encoding ignores are flows of other formats, by format."""
    found, own = Counter[str](), inner_of(encoding)
    for line in lines:
        data = _as_file([line])
        if _marked(data, own):
            continue
        try:
            other = detect(data, "auto", "")
        except SourceError:
            continue
        if other is not None and format_of(other) != format_of(encoding) and _flows(other, [line]):
            found[format_of(other)] += 1
    return found


def inner_of(encoding: str) -> str:
    """The encoding of the records within all envelopes."""
    return encoding.partition(SIGN)[0]


def is_table(encoding: str) -> bool:
    """Whether lines lie in the cells of a table that was exported."""
    return f"{SIGN}{csv_envelope.MARK}" in encoding


def _otherwise(text: bytes, wanted: str, name: str) -> str | None:
    """The encoding of content that shows none at its very beginning, as `detect` tells it."""
    if holds_nothing(text):
        return None
    if cut := beginnings.CUT_RECORD.match(text) or beginnings.WORDS_ABOVE.match(text):
        return detect(text[cut.end() :], wanted, name)
    if (inside := _in_any_column(text, wanted) or _in_rows(text, wanted)) is not None:
        return inside
    raise _unknown(text, wanted, name)


def _wrapped(text: bytes, wanted: str) -> str | None:
    """The encoding of records that lie as objects under a key which their format does not open itself."""
    head = text.decode("utf-8", errors="replace")
    for key in (*OBJECTS, *_MORE_OBJECTS):
        inside, rest = within(head, key)
        data = _as_file(inside)
        found = _shown(data, data, wanted) if inside else None
        if found is None or key in OPENED.get(found, ()) or not _marked(data, found):
            continue
        around = rest.encode("utf-8", errors="surrogatepass")
        if not (_marked(around, found) if key in OBJECTS else _recognised(around, around)):
            return f"{found}{SIGN}{{{key}}}"
    return None


def _buried(text: bytes, found: str | None) -> str | None:
    """The encoding of records that lie as objects under any other key, or deeper, and yield no flows as they stand.

    Args:
        text: a file's beginning.
        found: the encoding that it shows somewhere.
    """
    if found is None:
        return None
    deepest: str | None = None
    for record in map(json.loads, _first_marked(text, found)):
        for key, inside, around in objects_within(record) if isinstance(record, dict) else ():
            if not _marked(inside, found) or key in OPENED.get(found, ()):
                continue
            if _marked(around, found) or _recognised(around, around) is not None:
                continue
            if deepest is None and _flows(found, beginning(text, _LOOKED_INTO)):
                return None
            deepest = f"{found}{SIGN}{{{key}}}"
            if _flows(found, [inside.decode()]):
                return deepest
    return deepest


def _first_marked(text: bytes, encoding: str) -> list[str]:
    """The first records of a file's beginning that have the marks of an encoding, anywhere in them."""
    for most in (_LOOKED_INTO, len(text)):
        marked = (record for record in beginning(text, most) if _marked(_as_file([record]), encoding))
        if first := list(islice(marked, _BURIED_IN)):
            return first
    return []


def _flows(encoding: str, lines: list[str]) -> int:
    """How many flows the lines hold, read as they are."""
    data = _as_file(lines)
    return READERS[encoding](ReadOptions(Watch(None), _EVER)).read(Block(data, 1, len(lines))).account.flows


def _yields(encoding: str, text: bytes) -> bool:
    """Whether the first lines have the marks, and hold flows."""
    lines = text.decode("utf-8", errors="replace").split("\n")[:_LOOKED_INTO]
    return _marked(text, encoding) and _flows(encoding, lines) > 0


def _header_of(text: bytes) -> bytes | None:
    """The first line, where it is the header of a table that may hold another log's lines in a column."""
    first, _, more = text.partition(b"\n")
    column = csv_envelope.column_of(first.decode("utf-8", errors="replace")) if more else None
    return first + b"\n" if column else None


def _marked(head: bytes, encoding: str | None) -> bool:
    """Whether the first bytes show that they are of the encoding, which may just have been asked for."""
    if encoding is None:
        return False
    if encoding == "zeek_tsv":
        return (signs.ZEEK_HEADER.search(head) or signs.ZEEK_CUT.search(head)) is not None
    marks = signs.ZEEK_SURE if encoding == "zeek_json" else FORMS[encoding].marks
    return marks.search(head) is not None


def _enveloped(text: bytes, wanted: str, above: bytes, more: int = 1) -> str | None:
    """The encoding of the lines that the first lines' objects or cells hold, with the key they are held under.

    Args:
        text: a file's beginning.
        wanted: the format that was asked for, or auto.
        above: the header that the source tells, which is looked at as if it stood above the inner lines.
        more: how many more envelopes may lie in one another.
    """
    lines = text.split(b"\n")[:_LOOKED_INTO]
    opened = _cells(lines) or [pair for line in lines for pair in inner_texts(line)]
    if not opened and begins_as_json(text):
        opened = [pair for record in beginning(text, _LOOKED_INTO) for pair in inner_texts(record)]
    for key in sorted(dict.fromkeys(k for k, _ in opened), key=(*KEYS, *(k for k, _ in opened)).index):
        inner = _as_file(t for k, t in opened if k == key)
        inner = inner if begins_as_json(inner) else above + inner
        found = _shown(inner, inner, wanted)
        if found is not None and _marked(inner, found):
            return None if not above and _fault(found, inner) else f"{found}{SIGN}{key}"
        if more and begins_as_json(inner) and (nested := _enveloped(inner, wanted, above, more - 1)):
            return f"{nested}{SIGN}{key}"
    return None


def _in_any_spelling(text: bytes, wanted: str) -> str | None:
    """The encoding of records whose keys are those of a format but for upper and lower case and underscores."""
    for encoding, keys in SPELLED.items() if begins_as_json(text) else ():
        data = respelled(text, keys)
        if (
            wanted in ("auto", format_of(encoding))
            and _shown(data, data, wanted) == encoding
            and _marked(data, encoding)
        ):
            return f"{encoding}{SIGN}{SPELLING}" if _flows(encoding, beginning(data, _LOOKED_INTO)) else None
    return None


def _in_any_column(text: bytes, wanted: str) -> str | None:
    """The encoding of records that are the cells of a column of whatever name, as databases export those of JSON."""
    if begins_as_json(text):
        return None
    header, *rows = (line.decode("utf-8", errors="replace") for line in text.split(b"\n")[:_LOOKED_INTO])
    quoted = any('""' in row and "{" in row for row in rows)
    for column in csv_envelope.others_of(header) if quoted else ():
        cells = [cell for cell in csv_envelope.Cells(column).take([header, *rows]) if cell.startswith("{")]
        inside = _as_file(cells)
        found = _shown(inside, inside, wanted) if cells else None
        if found is not None and _marked(inside, found):
            return f"{found}{SIGN}{csv_envelope.MARK}{column}"
    return None


def _in_rows(text: bytes, wanted: str, sure: Callable[[], bool] = lambda: False) -> str | None:
    """The encoding of JSON whose records are the rows of a table, each field a column; None where no row is a flow.

    Nor where it is sure to be of another encoding, which is asked last, as lines are read for it.
    """
    if begins_as_json(text):
        return None
    lines = [line.decode("utf-8", errors="replace") for line in text.split(b"\n")[:_LOOKED_INTO]]
    rows = [row for row in csv_envelope.Rows().take(lines) if row.startswith("{")]
    found = another_form(rows, wanted) if rows else None
    if found is None or SIGN in found or sure() or not _flows(found, rows):
        return None
    return f"{found}{SIGN}{csv_envelope.MARK}{csv_envelope.ROWS}"


def _cells(lines: list[bytes]) -> list[tuple[str, str]]:
    """(key, text) of the cells that hold lines of a log, where the first line is the header of a table with them."""
    header, *records = (line.decode("utf-8", errors="replace") for line in lines)
    if (column := csv_envelope.column_of(header)) is None:
        return []
    texts = csv_envelope.Cells(column).take([header, *records])
    return [(f"{csv_envelope.MARK}{column}", text) for text in texts if text]


def _recognised(head: bytes, text: bytes) -> str | None:
    """The first encoding whose marks are in the head; Zeek's own marks come before the weaker ones of others."""
    is_json = begins_as_json(text)
    marked = [(name, form.strong) for name, form in FORMS.items() if form.json == is_json and form.marks.search(head)]
    keys = signs.ZEEK_SURE if marked else signs.ZEEK_KEYS
    zeek = keys.search(head) and signs.ZEEK_ENDS.search(head) if is_json else signs.ZEEK_HEADER.search(head)
    strong = [name for name, strong in marked if strong]
    if zeek and not strong:
        return "zeek_json" if is_json else "zeek_tsv"
    if marked:
        return strong[0] if strong else marked[0][0]
    return "zeek_tsv" if not is_json and signs.ZEEK_CUT.search(head) else None


def _by_header(text: bytes) -> str | None:
    """The encoding of a table whose first line names a format's columns in another spelling; None when of none."""
    first, end, _ = text[:_WIDEST].partition(b"\n")
    if not end or begins_as_json(text):
        return None
    header = tidied(first.decode("utf-8", errors="replace")).encode() + end
    marks = [(n, re.compile(f.marks.pattern, f.marks.flags | re.IGNORECASE)) for n, f in FORMS.items() if not f.json]
    return next((n for n, m in marks if m.match(header)), None)


def _named(head: bytes, text: bytes, wanted: str) -> str | None:
    """The encoding of a format that was asked for; where its marks do not tell, the first that the content can be."""
    if wanted == "zeek":
        able = [n for n in _encodings("zeek") if FORMS[n].json == begins_as_json(text)]
        if told := next((n for n in able if FORMS[n].marks.search(head)), None):
            return told
        if begins_as_json(text):
            return "zeek_json"
        return "zeek_tsv" if b"\x00" not in head or signs.ZEEK_HEADER.search(head) else None
    able = [n for n in FORMATS[wanted] if FORMS[n].json == begins_as_json(text)]
    return next((n for n in able if FORMS[n].marks.search(head)), able[0] if able else None)


def _unknown(text: bytes, wanted: str, name: str) -> SourceError:
    mapped = (mappable.recognise(text) or guessed.recognise(text)) if wanted == "auto" else None
    if found := byteless.recognise(text) or mapped or (guessed.lacking(text) if wanted == "auto" else None):
        return SourceError(f"is {found[0]}.", where=Location(file=name), remedy=found[1])
    what = "is of no known format" if wanted == "auto" else f"does not look like {wanted}"
    return SourceError(
        f"{what}; it starts with {text[:40]!r}.",
        where=Location(file=name),
        remedy=f"Known formats: {', '.join(FORMATS)}. Narrow the source's path, or name the format.",
    )
