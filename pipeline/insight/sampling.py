"""Some flows of a source as it is now, counted as a day's are, to judge the source before anything is stored.

The first blocks of a few files are read, so the answer costs seconds whatever the source holds. What is concluded from
them belongs to `pipeline.counting.direction`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import polars as pl

from pipeline.counting.direction import Direction, judge, server_end
from pipeline.counting.layers import choose_layer
from pipeline.counting.mail_servers import Servers
from pipeline.counting.once import count_once
from pipeline.counting.records import KEY
from pipeline.errors import SourceError
from pipeline.insight.apart import ClocksApart
from pipeline.intake.files import list_files
from pipeline.intake.found import FoundFile
from pipeline.intake.lander import is_array
from pipeline.intake.reading_options import options_for
from pipeline.inventory import Inventory
from pipeline.settings import SourceSettings
from pipeline.site import Site
from pipeline.sources import detect, reader_of
from pipeline.sources.base import HEAD_BYTES, Account, DocumentReader, Parsed, ReadOptions, merge
from pipeline.sources.named import doubtful, meaning
from pipeline.sources.reading import LineStream
from pipeline.sources.table_rows import table_encoding, table_reader
from pipeline.sources.watch import Watch
from pipeline.wording import counted

FILES = 4
"""Files of a source that are read from: the newest, by name."""
BLOCK_BYTES = 4 << 20
BLOCKS = 2
"""Blocks of each file that are read."""
_LEAST_APART = 10
"""Fewer sessions than so many say nothing of two sensors' clocks."""


@dataclass(frozen=True)
class Sample:
    """Some of a source's flows."""

    flows: pl.DataFrame
    """Counted flows of watched servers: FLOWS-like, and `server`, which end is the server."""
    servers: list[list[Any]]
    """Mail servers among the flows of others, as `mail_servers.Servers` lists them."""
    source: str
    account: Account
    """What became of the lines that were read."""

    @property
    def without_flows(self) -> str | None:
        """A warning where lines were read and none is a flow, watched or not; None where there is one."""
        read = self.account
        if read.flows or read.others or not read.ignored:
            return None
        why = ", ".join(f"{n:,} {reason}" for reason, n in sorted(read.warnings.items()))
        return (
            f"source {self.source}: none of the {counted(read.ignored, 'record')} looked at is a flow"
            f"{f' ({why})' if why else ''}. Is it another log of the product, such as its alerts, or are its records "
            "wrapped in others? `nilometer identify FILE` says what became of every line."
        )

    def doubts(self, *, sampled: str) -> list[str]:
        """What makes the source's volumes doubtful, by the names that records were given; sampled as in `counting`."""
        known = {"sampled_counters"} if sampled == "multiplied" else set[str]()
        told = {name: n for name, n in doubtful(self.account.warnings).items() if name not in known}
        of = counted(self.account.records, "record")
        return [f"source {self.source}: {n:,} {name} in {of} looked at: {meaning(name)}." for name, n in told.items()]


def samples(site: Site, now: dt.datetime) -> list[Sample]:
    """Some flows of each source; sources without a file that can be read are left out."""
    found: list[Sample] = []
    for source in site.settings.sources:
        options = options_for(source, site.settings.limits, now, Watch(site.inventory))
        files = list_files(site.root, source).files[-FILES:]
        parsed = [p for f in files for p in _parsed(site, source, f, options)]
        servers = Servers(site.settings.timezone)
        for one in parsed:
            servers.take(one.others)
        if parsed:
            account = merge([Parsed(account=p.account) for p in parsed]).account
            flows = _flows([p.rows for p in parsed], source, site.inventory)
            found.append(Sample(flows, servers.as_list(), source.name, account))
    return found


def directions(found: Sequence[Sample]) -> list[Direction]:
    """What each source's own flows say of its direction; sources without a flow of a watched server are left out."""
    return [d for sample in found for d in judge(sample.flows)]


def clocks_apart(found: Sequence[Sample]) -> list[str]:
    """A warning for each pair of sensors that report the same sessions whole half hours apart."""
    told, columns = ClocksApart(), (*KEY, "source", "dvc", "start_time", "bytes_in", "bytes_out", "bytes")
    parts = [s.flows.select(*columns, pl.duration(microseconds="duration").alias("duration")) for s in found]
    if not parts:
        return []
    told.take(pl.concat(parts))
    least = max(_LEAST_APART, min(part.height for part in parts) // 100)
    return [
        f"sensors {a} and {b}: {counted(n, 'session')} that both tell begin {minutes} minutes later at {b}. If they "
        "are the same ones, a clock or the `timezone` of a source is wrong, and each counts twice."
        for a, b, minutes, n in told.facts()["at"]
        if n >= least
    ]


def _flows(rows: Sequence[pl.DataFrame], source: SourceSettings, inventory: Inventory) -> pl.DataFrame:
    raw = pl.concat(rows, how="diagonal")
    raw = raw.with_columns(source=pl.lit(source.name), dvc=pl.col("dvc").fill_null(source.name))
    flows = choose_layer(count_once(raw)[0]).with_columns(bytes=pl.col("total_bytes"))
    known = inventory.watched_frame(pl.concat([flows["src_ip"], flows["dest_ip"]])).filter("watched")["ip"].implode()
    ends = server_end(pl.col("src_ip").is_in(known), pl.col("dest_ip").is_in(known))
    return flows.with_columns(server=ends).filter(pl.col("server").is_not_null())


def _parsed(site: Site, source: SourceSettings, file: FoundFile, options: ReadOptions) -> list[Parsed]:
    """The first blocks of a file; none where it cannot be read, which others report."""
    try:
        parsed = _read(site, source, file, options)
    except (SourceError, ValueError, RecursionError):
        return []
    for one in parsed:
        one.rows = one.rows.with_columns(source_file=pl.lit(file.name))
    return parsed


def _read(site: Site, source: SourceSettings, file: FoundFile, options: ReadOptions) -> list[Parsed]:
    stream = LineStream(file.path, site.settings.limits, file.name)
    try:
        if stream.is_table:
            table = table_reader(table_encoding(file.path, source.format, file.name), options)
            return list(islice(table.read_table(file.path, file.name), 1))
        blocks = stream.blocks(block_bytes=BLOCK_BYTES)
        first = next(blocks, None)
        encoding = detect(first.data[:HEAD_BYTES], source.format, file.name, options.header) if first else None
        if first is None or encoding is None:
            return []
        reader = reader_of(encoding)(options)
        if is_array(first) and isinstance(reader, DocumentReader):
            return [reader.read_array(b"".join([first.data, *(b.data for b in blocks)]))]
        return [reader.read(first), *(reader.read(b) for b in islice(blocks, BLOCKS - 1))]
    finally:
        stream.close()
