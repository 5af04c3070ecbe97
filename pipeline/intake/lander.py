"""Parsing one file into landed Parquet parts, whole or from where it had ended, with its quarantine.

Which files are parsed, and when, is decided in `pipeline.intake.landing`; what a line means, in `pipeline.sources`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl
from blake3 import blake3

from pipeline.counting.attribution import days_held, end_time
from pipeline.counting.direction import MAIL_PORTS
from pipeline.counting.mail_servers import Servers
from pipeline.errors import Location, SourceError
from pipeline.intake.file_content import CHUNK_BYTES
from pipeline.intake.found import FoundFile
from pipeline.intake.landed import write_landed
from pipeline.intake.ledger import LANDING, Entry, Part
from pipeline.intake.quarantine import SetAside, kept_lines, quarantine_name
from pipeline.inventory import Inventory
from pipeline.schemas import QUARANTINE
from pipeline.settings import Settings, SourceSettings
from pipeline.sources import detect, reader_of
from pipeline.sources.base import HEAD_BYTES, Block, DocumentReader, Parsed, PatientReader, Reader, ReadOptions
from pipeline.sources.fields import Layout, layout_of
from pipeline.sources.reading import MAX_ARRAY_BYTES, LineStream
from pipeline.sources.wrappings.documents import is_document
from pipeline.storage import Storage, digest

_EPOCH = dt.datetime(1970, 1, 1, tzinfo=dt.UTC)
CODE_VERSION = 27
"""Raised when landed rows would come out differently; older parts are then read again."""
ROWS_PER_FILE = 250_000
Wanted = Callable[[list[int] | None], bool]
"""Called with first and last flow start, epoch microseconds."""
_ONE_A_LINE = "Write one record a line."


class FileLander:
    """Parses one file into parts of its entry."""

    def __init__(
        self,
        storage: Storage,
        settings: Settings,
        source: SourceSettings,
        file: FoundFile,
        options: ReadOptions,
        wanted: Wanted | None = None,
    ) -> None:
        """A lander of one file; with wanted, only one for whose span that is true is kept."""
        self._storage, self._settings, self._source, self._wanted = storage, settings, source, wanted
        self._file, self._options = file, replace(options, written_us=file.mtime_ns // 1_000)
        self._hash = blake3()
        self._rows: list[pl.DataFrame] = []
        self._height = 0
        self._last: pl.DataFrame | None = None
        """Rows of a last line without its end."""
        self._aside = SetAside()
        self._aside_before = QUARANTINE.empty()
        """Lines that were set aside before the file had grown."""
        self._servers: dict[str, Servers] = {}
        self._spans: list[Sequence[int]] = []
        self.written: list[str] = []
        """Parquet files written so far, as parts name them."""
        self.unwanted = False
        """Whether the file was read and is not to be kept."""

    def run(self, entry: Entry, old: Entry | None) -> None:
        """Read the file into the entry; go on behind what the old entry knows, where the file has only grown.

        Of a file that is not wanted only the entry's span is to be used.

        Raises:
            SourceError: the file cannot be read as a whole; the entry is then not to be used.
        """
        stream, resume = self._open(), None
        try:
            if stream.is_table:
                self._read_table(stream, entry)
            else:
                resume = self._skip_known(stream, entry, old)
                if resume is None:
                    stream.close()
                    stream, self._hash = self._open(), blake3()
                self._read(stream, entry, resume)
        finally:
            stream.close()
        entry.content, entry.content_bytes = self._hash.hexdigest(), stream.bytes_read
        entry.peek = self._whole_span(old if resume else None)
        if self._wanted is not None and not self._wanted(entry.peek):
            self.unwanted = True
            return
        self._flush(entry.parts[-1])
        if entry.tail is not None and self._last is not None:
            self._store(entry.tail, entry.tail.key, self._last)
        for part in entry.all_parts:
            if (servers := self._servers.get(part.key)) is not None:
                part.servers = servers.as_list()
        self._aside.write(self._storage, entry, self._aside_before)

    def _whole_span(self, before: Entry | None) -> list[int] | None:
        """First and last flow start of all that was read, and of what had been read before."""
        if before is not None and before.parts and before.peek is None:
            return None
        spans = [*self._spans, *([before.peek] if before and before.peek else [])]
        return [min(s[0] for s in spans), max(s[1] for s in spans)] if spans else None

    def _open(self) -> LineStream:
        return LineStream(self._file.path, self._settings.limits, self._file.name)

    def _skip_known(self, stream: LineStream, entry: Entry, old: Entry | None) -> dict[str, Any] | None:
        """The resume point when the file begins with what was landed before; that part of the stream is then read."""
        if old is None or old.state != "landed" or not old.resume or old.watched != entry.watched or old.pruned:
            return None
        if not any(p.account.records for p in old.parts):
            return None  # A header that was not whole may look like that of another format.
        aside = kept_lines(self._storage, quarantine_name(old))
        if aside is None:
            return None  # Read anew, the file tells them again.
        left = int(old.resume["offset"])
        while left > 0 and (data := stream.read(min(left, CHUNK_BYTES))):
            self._hash.update(data)
            left -= len(data)
        if left or self._hash.hexdigest() != old.resume["prefix"]:
            return None
        entry.parts, entry.encoding, entry.layout = list(old.parts), old.encoding, old.layout
        self._aside_before = aside.filter(pl.col("source_line") < int(old.resume["open"]))
        return old.resume

    def _read_table(self, stream: LineStream, entry: Entry) -> None:
        """A Parquet file, whole; one that changes is read anew."""
        # Both load every format.
        from pipeline.sources.table_rows import table_encoding, table_reader  # noqa: PLC0415
        from pipeline.sources.tables import table_layout  # noqa: PLC0415

        while data := stream.read(CHUNK_BYTES):
            self._hash.update(data)
        entry.encoding = table_encoding(self._file.path, self._source.format, self._file.name)
        entry.layout = table_layout(self._file.path, self._file.name).as_list()
        part = Part(self._key(entry, 0))
        for parsed in table_reader(entry.encoding, self._options).read_table(self._file.path, self._file.name):
            self._take(part, parsed)
        part.content = digest("0", self._hash.hexdigest())
        entry.parts.append(part)

    @staticmethod
    def _key(entry: Entry, offset: int) -> str:
        tag = [entry.etag] if entry.etag else []
        return digest(entry.source, entry.name, str(offset), str(entry.size), str(entry.mtime_ns), *tag)[:24]

    def _read(self, stream: LineStream, entry: Entry, resume: dict[str, Any] | None) -> None:
        offset, line = (int(resume["offset"]), int(resume["line"])) if resume else (0, 1)
        key = self._key(entry, offset)
        part, tail, reader, array, head = Part(key), None, None, False, b""
        blocks = stream.blocks(line)
        for block in blocks:
            fresh, head = reader is None, head or block.data[:HEAD_BYTES]
            reader = reader or self._reader(block, entry, resume)
            if reader is None:  # Blank lines before the first data.
                part.account.lines += block.lines
                part.account.comments += block.lines
            elif array := fresh and is_array(block, resume):
                self._read_array(blocks, block, part, reader)
                break
            elif block.unterminated:
                self._take_all(part, _settled(reader))
                entry.resume = self._resume_point(offset, line, reader)
                tail = self._tail(reader.read(block), key)
            else:
                self._take_all(part, _read_on(reader, block))
            self._hash.update(block.data)
            if not block.unterminated:
                offset, line = offset + len(block.data), block.first_line + block.lines
        if reader is not None and tail is None and not array:
            self._take_all(part, _settled(reader))
            left = reader.finish()
            tail = self._tail(left, key) if left.account.quarantined else None
            entry.resume = self._resume_point(offset, line, reader)
        if reader is not None:
            # Reading a last line that has no end makes a reader forget the file: its state before that line counts.
            state = entry.resume["reader"] if tail is not None and entry.resume else reader.state()
            entry.layout = _newer(Layout.from_list(entry.layout), layout_of(head, state)).as_list()
        part.content = digest(str(resume["offset"] if resume else 0), self._hash.hexdigest())
        entry.parts.append(part)
        if tail is not None:
            tail.content = digest("tail", part.content)
        entry.tail = tail

    def _reader(self, block: Block, entry: Entry, resume: dict[str, Any] | None) -> Reader | None:
        if not entry.encoding:
            head = block.data[:HEAD_BYTES]
            entry.encoding = detect(head, self._source.format, entry.name, self._options.header)
        if entry.encoding is None:
            return None
        reader = reader_of(entry.encoding)(self._options)
        if resume:
            reader.resume(resume["reader"])
        return reader

    def _resume_point(self, offset: int, line: int, reader: Reader) -> dict[str, Any] | None:
        """Where to go on when the file has grown; None when it must be read anew."""
        if not reader.resumable:
            return None
        open_lines = reader.finish().rejects["source_line"]
        return {
            "offset": offset,
            "line": line,
            "open": open_lines.min() if open_lines.len() else line,
            "prefix": self._hash.hexdigest(),
            "reader": reader.state(),
        }

    def _read_array(self, blocks: Iterator[Block], block: Block, part: Part, reader: Reader) -> None:
        """A whole file that is one JSON document; bounded, as it must be held in memory."""
        data = bytearray(block.data)
        where = Location(file=self._file.name)
        for more in blocks:
            data += more.data
            if len(data) > MAX_ARRAY_BYTES:
                raise SourceError(
                    f"is one JSON document of more than {MAX_ARRAY_BYTES:,} bytes.",
                    where=where,
                    remedy=_ONE_A_LINE,
                )
        self._hash.update(bytes(data))
        if not isinstance(reader, DocumentReader):
            raise SourceError("is one JSON document, which its format does not allow.", where=where, remedy=_ONE_A_LINE)
        try:
            parsed = reader.read_array(bytes(data))
        except (ValueError, RecursionError) as error:
            raise SourceError(
                f"is not a whole JSON document ({error}).", where=where, remedy="Replace the file with a whole copy."
            ) from error
        self._take(part, parsed)

    def _tail(self, parsed: Parsed, key: str) -> Part:
        """The last line without its end, apart, so that a grown file can replace it."""
        tail = Part(f"{key}-tail")
        self._count(tail, parsed)
        self._last = parsed.rows if parsed.rows.height else None
        return tail

    def _take_all(self, part: Part, found: list[Parsed]) -> None:
        for parsed in found:
            self._take(part, parsed)

    def _take(self, part: Part, parsed: Parsed) -> None:
        self._count(part, parsed)
        if parsed.rows.height:
            self._rows.append(parsed.rows)
            self._height += parsed.rows.height
            if self._height >= ROWS_PER_FILE:
                self._flush(part)

    def _count(self, part: Part, parsed: Parsed) -> None:
        """Take a block's account, span and rejects into the part."""
        part.account.add(parsed.account)
        zone = self._settings.timezone
        self._servers.setdefault(part.key, Servers(zone)).take(self._others(parsed))
        if parsed.span is not None:
            first, last = _days_of(parsed.span, zone)
            part.first_day = min(first, part.first_day or first)
            part.last_day = max(last, part.last_day or last)
            self._spans.append(parsed.span)
        self._aside.take(parsed.rejects)

    def _others(self, parsed: Parsed) -> pl.DataFrame | None:
        """Flows to mail ports of others; of a source that keeps all, those among its rows."""
        if not self._options.watch.keeps_all or parsed.rows.is_empty():
            return parsed.others
        mail = parsed.rows.filter(pl.col("dest_port").is_in(MAIL_PORTS))
        known = Inventory(self._settings.inventory).watched_frame(mail["dest_ip"]).filter("watched")["ip"]
        sent = pl.coalesce("ip_bytes_in", "payload_bytes_in", "other_bytes_in")
        return mail.filter(~pl.col("dest_ip").is_in(known.implode())).with_columns(bytes=sent)

    def _flush(self, part: Part) -> None:
        if self._rows:
            self._store(part, f"{part.key}-{len(part.files):03d}", pl.concat(self._rows))
            self._rows, self._height = [], 0

    def _store(self, part: Part, name: str, rows: pl.DataFrame) -> None:
        """Write rows as a file of the part, and note the days that they belong to."""
        held = days_held(rows, self._settings.timezone, self._settings.counting.attribute)
        part.rows = dict(Counter(part.rows) + Counter(held))
        last = rows.select(end_time().max()).item().astimezone(ZoneInfo(self._settings.timezone)).date().isoformat()
        part.last_end = max(last, part.last_end or last)
        relative = f"{self._source.name}/{name}.parquet"
        order = ("start_time", "source_line")
        ordered = rows if all(rows[c].is_sorted() for c in order) else rows.sort(order, maintain_order=True)
        self.written.append(relative)
        write_landed(self._storage, landed_name(relative), ordered, CODE_VERSION)
        part.files.append(relative)


def _read_on(reader: Reader, block: Block) -> list[Parsed]:
    return reader.read_on(block) if isinstance(reader, PatientReader) else [reader.read(block)]


def _settled(reader: Reader) -> list[Parsed]:
    return reader.settle() if isinstance(reader, PatientReader) else []


def landed_name(file: str) -> str:
    """The stored name of a file with landed rows, as parts name it."""
    return f"{LANDING}/{file}"


def _newer(old: Layout, new: Layout) -> Layout:
    """The layout of a grown file: that of its new end, where it tells one, and what was known of the same fields."""
    if not new.fields:
        return old
    if set(old.fields) != set(new.fields):
        return new
    return old if old.records >= new.records else new


def _days_of(span: tuple[int, int], zone: str) -> tuple[str, str]:
    """The site days of two epoch microseconds."""
    first, last = (_EPOCH + dt.timedelta(microseconds=us) for us in span)
    at = ZoneInfo(zone)
    return first.astimezone(at).date().isoformat(), last.astimezone(at).date().isoformat()


def is_array(block: Block, resume: dict[str, Any] | None = None) -> bool:
    """Whether the file is a JSON document - an array, an object over many lines, an answer - not one record a line."""
    return resume is None and is_document(block.data)
