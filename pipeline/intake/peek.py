"""A look at both ends of a file: which days it may hold, without parsing what lies between.

A plain file costs two small reads; a compressed one is unfolded to its end, but not parsed. The answer is a hint for
choosing files, never a fact about a day.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import replace

from pipeline.errors import SourceError
from pipeline.intake.asked import Span
from pipeline.intake.found import FoundFile
from pipeline.settings import LimitSettings, SourceSettings
from pipeline.sources import detect, reader_of
from pipeline.sources.base import Block, Parsed, Reader, ReadOptions, begins_as_json
from pipeline.sources.reading import LineStream, compression_of

END_BYTES = 1 << 16
SMALL_BYTES = 8 * END_BYTES
"""Up to which a file is read at once: a look would cost as much as reading all, and most new files are wanted."""


def peek(
    file: FoundFile, wanted: str, limits: LimitSettings, options: ReadOptions, *, head_only: bool = False
) -> list[int] | None:
    """First and last flow start near both ends (or near the beginning only), epoch microseconds; None when unknown.

    Faults of the file are left for the landing to report.
    """
    try:
        head, tail = _ends(file, limits, head_only)
        encoding = detect(head, wanted, file.name, options.header)
        if encoding is None or (head.lstrip().startswith(b"[") and begins_as_json(head)):
            return None
        reader = reader_of(encoding)(replace(options, written_us=file.mtime_ns // 1_000))
    except (SourceError, OSError):  # Such as of a file that is renamed meanwhile.
        return None
    spans = [_read(reader, _whole_lines(head)).span]
    if tail is not None:
        spans.append(_read(reader, tail).span)
    known = [s for s in spans if s is not None]
    if len(known) < len(spans):  # An end without a readable flow, such as a run of other logs, tells nothing.
        return None
    return [min(s[0] for s in known), max(s[1] for s in known)]


def reach(span: list[int] | None, source: SourceSettings) -> Span | None:
    """The days that a file whose flows start in the span (see `peek`) may matter to; None where that is unknown."""
    if span is None:
        return None
    slack, session = dt.timedelta(days=1), dt.timedelta(days=max(1, source.max_session_days))
    first, last = (dt.datetime.fromtimestamp(us / 1e6, dt.UTC).date() for us in span)
    return first - session - slack, last + session + slack


def _read(reader: Reader, data: bytes) -> Parsed:
    return reader.read(Block(data, 1, data.count(b"\n"))) if data else Parsed()


def _whole_lines(data: bytes) -> bytes:
    """Up to the last line end; all of it when there is none."""
    end = data.rfind(b"\n") + 1
    return data[:end] if end else data


def _ends(file: FoundFile, limits: LimitSettings, head_only: bool) -> tuple[bytes, bytes | None]:
    """The first bytes, and the last ones from a line start (whole lines only); None where the first are all, or do."""
    stream = LineStream(file.path, limits, file.name)
    try:
        if head_only:
            return stream.read_some(END_BYTES), None
        head = stream.read(END_BYTES)
        if stream.bytes_read < END_BYTES:  # Of which a byte order mark is none of the head's.
            return head, None
        with file.path.open("rb") as handle:
            plain = compression_of(handle.read(6)) == "plain"
            if plain:
                handle.seek(max(0, file.size - END_BYTES))
                tail = handle.read(END_BYTES)
            else:
                tail = head
                while more := stream.read(END_BYTES * 16):
                    tail = (tail + more)[-END_BYTES:]
    finally:
        stream.close()
    start = tail.find(b"\n") + 1
    return head, _whole_lines(tail[start:])
