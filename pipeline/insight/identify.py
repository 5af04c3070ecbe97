"""What a file is: format, flows, bytes each way, time range, and what became of every line.

Used by `nilometer identify` on any file, with or without a site. Every flow counts here, watched or not, and flows
without a readable time count too (and are said to be untimed); nothing is stored.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.counting.direction import MAIL_PORTS, Direction, judge, server_end
from pipeline.counting.layers import choose_layer
from pipeline.counting.once import count_once
from pipeline.errors import Location, SourceError
from pipeline.insight.suggest import suggestion
from pipeline.intake.found import FoundFile
from pipeline.intake.lander import is_array
from pipeline.intake.reading_options import latest_us
from pipeline.settings import LimitSettings
from pipeline.sources import detect, reader_of
from pipeline.sources.base import HEAD_BYTES, RAW, Account, Block, DocumentReader, Parsed, Reader, ReadOptions
from pipeline.sources.foreign import WARNING
from pipeline.sources.reading import LineStream
from pipeline.sources.registry import format_of
from pipeline.sources.table_rows import RowReader, table_encoding, table_reader
from pipeline.sources.tables import TableReader
from pipeline.sources.watch import Watch

_NEEDED = [c for c in RAW.names() if c not in ("app", "action", "log_time")]


@dataclass(frozen=True)
class Identified:
    """What one file turned out to be."""

    file: str
    format: str | None = None
    encoding: str | None = None
    flows: int = 0
    bytes_in: int = 0
    bytes_out: int = 0
    first: str | None = None
    last: str | None = None
    untimed: int = 0
    interim: int = 0
    duplicates: int = 0
    other_sensors: int = 0
    paired: int = 0
    merged: int = 0
    bytes_layer: str | None = None
    servers: list[dict[str, Any]] = field(default_factory=list)
    """The addresses that sent most from mail ports: ip, port, flows, bytes."""
    account: Account = field(default_factory=Account)
    direction: Direction | None = None
    """What the flows over mail ports say of the file's direction."""
    error: str | None = None
    header: str = ""
    """The header that was given for it."""

    @property
    def suggestion(self) -> str | None:
        """A guess at the entries of nilometer.yaml, as YAML."""
        if self.format is None or self.encoding is None:
            return None
        swapped = self.direction is not None and self.direction.verdict == "swapped"
        also = [w.removeprefix(WARNING) for w in sorted(self.account.warnings) if w.startswith(WARNING)]
        told = {"header": self.header} if self.header else {}
        path = Path(self.file)
        return suggestion(path, self.format, self.encoding, self.servers, swapped=swapped, also=also, told=told)

    def as_dict(self) -> dict[str, Any]:
        """The command line's contract: lines = flows + comments + ignored + rejected.

        Ignored are records of another log type, records of a flow that another record already tells of, and records of
        one direction that were joined to the other.
        """
        a = self.account
        return {
            "file": self.file,
            "format": self.format,
            "encoding": self.encoding,
            "lines": a.lines,
            "flows": self.flows,
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "first": self.first,
            "last": self.last,
            "comments": a.comments,
            "ignored": a.ignored + self.interim + self.duplicates + self.other_sensors + self.paired + self.merged,
            "rejected": dict(sorted(a.quarantined.items())),
            "untimed": self.untimed,
            "interim": self.interim,
            "duplicates": self.duplicates,
            "other_sensors": self.other_sensors,
            "paired": self.paired,
            "merged": self.merged,
            "warnings": dict(sorted(a.warnings.items())),
            "bytes_layer": self.bytes_layer,
            "servers": self.servers,
            "direction": self.direction.verdict if self.direction else None,
            "suggestion": self.suggestion,
            "error": self.error,
        }


def identify(
    path: Path, now: dt.datetime, *, wanted: str = "auto", header: str = "", limits: LimitSettings | None = None
) -> Identified:
    """Read one file whole; a file that cannot be read is an answer with `error`, not an exception.

    Args:
        path: the file.
        now: until when, and a little later, times are believed.
        wanted: the format, or auto.
        header: the line that names the columns, of a delimited file without it.
        limits: on what the file may cost.
    """
    try:
        return replace(_identify(path, now, wanted, header, limits or LimitSettings()), header=header)
    except SourceError as error:
        return Identified(str(path), error=error.message)


def _identify(path: Path, now: dt.datetime, wanted: str, header: str, limits: LimitSettings) -> Identified:
    found = FoundFile("identify", path, str(path), 0, 0)
    stream = LineStream(path, limits, found.name)
    written = stream.written_ns // 1_000
    options = ReadOptions(Watch(None), latest_us(now, limits), keep_untimed=True, written_us=written, header=header)
    reader: Reader | None = None
    account, frames, encoding = Account(), [], None
    try:
        if stream.is_table:
            encoding = table_encoding(path, wanted, found.name)
            return _table(found, encoding, table_reader(encoding, options))
        blocks = stream.blocks()
        for block in blocks:
            fresh = reader is None
            if reader is None:
                encoding = detect(block.data[:HEAD_BYTES], wanted, found.name, header)
                reader = reader_of(encoding)(options) if encoding else None
            parsed = (
                _read_array(reader, block, blocks, found.name) if fresh and is_array(block) else _read(reader, block)
            )
            account.add(parsed.account)
            frames.append(parsed.rows.select(_NEEDED))
        if reader is not None:
            account.add(reader.finish().account)
    finally:
        stream.close()
    rows = pl.concat(frames) if frames else pl.DataFrame(schema=RAW).select(_NEEDED)
    return _summary(found.name, encoding, account, rows)


def _table(file: FoundFile, encoding: str, reader: TableReader | RowReader) -> Identified:
    account, frames = Account(), [pl.DataFrame(schema=RAW).select(_NEEDED)]
    for parsed in reader.read_table(file.path, file.name):
        account.add(parsed.account)
        frames.append(parsed.rows.select(_NEEDED))
    return _summary(file.name, encoding, account, pl.concat(frames))


def _read(reader: Reader | None, block: Block) -> Parsed:
    if reader is None:
        return Parsed(account=Account(lines=block.lines, comments=block.lines))
    return reader.read(block)


def _read_array(reader: Reader | None, block: Block, blocks: Iterator[Block], name: str) -> Parsed:
    if not isinstance(reader, DocumentReader):
        return _read(reader, block)
    data = bytearray(block.data)
    for more in blocks:
        data += more.data
    try:
        return reader.read_array(bytes(data))
    except (ValueError, RecursionError) as error:
        raise SourceError(
            f"is not a whole JSON document ({error}).",
            where=Location(file=name),
            remedy="Take a whole copy of the file.",
        ) from error


def _summary(name: str, encoding: str | None, account: Account, rows: pl.DataFrame) -> Identified:
    rows = rows.with_columns(source=pl.lit(""), source_file=pl.lit(""), dvc=pl.col("dvc").fill_null(""))
    counted, dropped = count_once(rows)
    flows = choose_layer(counted)
    sums = flows.select(
        pl.col("bytes_in").sum(),
        pl.col("bytes_out").sum(),
        first=pl.col("start_time").min(),
        last=pl.col("start_time").max(),
        untimed=pl.col("start_time").is_null().sum(),
        layer=pl.col("bytes_layer").first(),
    ).row(0, named=True)
    return Identified(
        name,
        format_of(encoding) if encoding else None,
        encoding,
        flows.height,
        int(sums["bytes_in"] or 0),
        int(sums["bytes_out"] or 0),
        _iso(sums["first"]),
        _iso(sums["last"]),
        int(sums["untimed"]),
        dropped.interim,
        dropped.duplicates,
        dropped.other_sensors,
        dropped.paired,
        dropped.merged,
        sums["layer"],
        _servers(flows),
        account,
        _direction(name, flows),
    )


def _direction(name: str, flows: pl.DataFrame) -> Direction | None:
    """The verdict on the flows over mail ports, whose server is the end with that port."""
    ends = server_end(pl.col("src_port").is_in(MAIL_PORTS), pl.col("dest_port").is_in(MAIL_PORTS))
    mail = flows.with_columns(
        server=ends, bytes=pl.col("total_bytes"), source=pl.lit(name), source_file=pl.lit(name)
    ).filter(pl.col("server").is_not_null())
    return next(iter(judge(mail)), None)


def _iso(time: dt.datetime | None) -> str | None:
    return None if time is None else time.astimezone(dt.UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def _servers(flows: pl.DataFrame) -> list[dict[str, Any]]:
    """The ten addresses that served most over mail ports: candidates for the inventory."""
    mail = flows.filter(pl.col("dest_port").is_in(MAIL_PORTS))
    top = mail.group_by("dest_ip", "dest_port").agg(pl.len().alias("flows"), pl.col("bytes_in").sum())
    rows = top.sort(["bytes_in", "dest_ip", "dest_port"], descending=[True, False, False]).head(10)
    return [{"ip": ip, "port": port, "flows": n, "bytes_in": total} for ip, port, n, total in rows.iter_rows()]
