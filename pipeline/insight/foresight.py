"""What will hurt before it does: the newest files of each source, read or not, against what is known of earlier ones.

Only beginnings of some files are looked at, so the answer comes in seconds. What counts as a change is decided in
`pipeline.insight.drift`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Collection, Sequence

import polars as pl

from pipeline.counting.mail_servers import of_day
from pipeline.errors import SourceError
from pipeline.insight.day_facts import ways
from pipeline.insight.drift import (
    Finding,
    KnownFields,
    inventory_findings,
    layout_findings,
    past_facts,
    suspects,
    turned,
)
from pipeline.insight.sampling import Sample
from pipeline.intake.files import list_files
from pipeline.intake.found import FoundFile
from pipeline.intake.ledger import Entry, Ledger
from pipeline.intake.reading_options import options_for
from pipeline.settings import SourceSettings
from pipeline.site import Site
from pipeline.sources import detect, reader_of
from pipeline.sources.base import HEAD_BYTES, Block, ReadOptions
from pipeline.sources.fields import Layout, layout_of
from pipeline.sources.reading import LineStream
from pipeline.sources.table_rows import table_encoding, table_reader
from pipeline.sources.tables import TableReader, table_layout
from pipeline.sources.watch import Watch

NEWEST, SPREAD, REMEMBERED = 8, 12, 40
"""Files of a source that are looked at: the newest by name, some of the others, and former ones known by the ledger."""


def foreseen(site: Site, ledger: Ledger, samples: Sequence[Sample], now: dt.datetime) -> list[Finding]:
    """Everything that looks different from before, in files that are there and on the last stored day."""
    found = [f for source in site.settings.sources for f in _fields(site, source, ledger, now)]
    stored = [d for d in site.storage.days("flows") if d <= now.date()]
    past = past_facts(site, stored[-1] + dt.timedelta(days=1)) if stored else []
    for sample in samples:
        for file, part in sample.flows.group_by("source_file", maintain_order=True):
            found += turned({source: sums for source, *sums in ways(part).iter_rows()}, past, str(file[0]))
        found += _suspects(site, sample)
    found += inventory_findings(site, stored[-1]) if stored else []
    once = {(f.kind, f.subject, f.field): f for f in reversed(found)}
    return [f for f in found if once[(f.kind, f.subject, f.field)] is f]


def _fields(site: Site, source: SourceSettings, ledger: Ledger, now: dt.datetime) -> list[Finding]:
    """What looks different about the fields of a source's newest files, by those of earlier files."""
    files = list_files(site.root, source).files
    old, newest = files[:-NEWEST], files[-NEWEST:]
    looked = [*old[:: max(1, len(old) // SPREAD)], *newest]
    known = _remembered(ledger, source.name, {f.name for f in looked})
    options = options_for(source, site.settings.limits, now, Watch(None))
    found = []
    for file in looked:
        entry = ledger.entries.get((file.source, file.name))
        landed = entry if entry is not None and _same(entry, file) else None
        told = (landed.encoding, Layout.from_list(landed.layout)) if landed else _look(site, source, file, options)
        if told is None or told[0] is None:
            continue
        before = known.setdefault(told[0], KnownFields())
        if landed is None or file in newest:
            found += layout_findings(source.name, told[0], file.name, before, told[1])
        before.add(told[1])
    return found


def _remembered(ledger: Ledger, source: str, but: Collection[str]) -> dict[str, KnownFields]:
    """Encoding -> the fields of the files of a source that were landed last, other than those named."""
    known: dict[str, KnownFields] = {}
    mine = [e for (s, _), e in sorted(ledger.entries.items()) if s == source and _is_known(e)]
    for former in [e for e in mine if e.name not in but][-REMEMBERED:]:
        known.setdefault(former.encoding or "", KnownFields()).add(Layout.from_list(former.layout))
    return known


def _same(entry: Entry, file: FoundFile) -> bool:
    return _is_known(entry) and (entry.size, entry.mtime_ns) == (file.size, file.mtime_ns)


def _is_known(entry: Entry) -> bool:
    """Whether the file was read and names fields; one that could not be read is no form of its source's files."""
    return bool(entry.layout) and entry.state != "failed"


def _look(site: Site, source: SourceSettings, file: FoundFile, options: ReadOptions) -> tuple[str, Layout] | None:
    """Encoding and layout by the file's beginning; None where it cannot be read, which others report."""
    try:
        stream = LineStream(file.path, site.settings.limits, file.name)
        try:
            if stream.is_table:
                encoding = table_encoding(file.path, source.format, file.name)
                table = table_reader(encoding, options)
                if isinstance(table, TableReader):  # A file without what is read tells nothing.
                    table.locate(file.path, file.name)
                return encoding, table_layout(file.path, file.name)
            head = stream.read_some(HEAD_BYTES)
        finally:
            stream.close()
        name = detect(head, source.format, file.name, options.header)
        if name is None:
            return None
        reader = reader_of(name)(options)
        lines = head[: head.rfind(b"\n") + 1]
        if lines:
            reader.read(Block(lines, 1))
        return name, layout_of(head, reader.state())
    except (SourceError, ValueError, RecursionError):
        return None


def _suspects(site: Site, sample: Sample) -> list[Finding]:
    """Servers that the inventory lacks among the flows of others that were sampled."""
    servers = list(of_day((["", *s[1:]] for s in sample.servers), ""))
    client = pl.when(pl.col("server") == "dest").then("src_ip").otherwise("dest_ip")
    clients = sample.flows.select(client.n_unique()).item() if sample.flows.height else 0
    return suspects(site, servers, clients, sum(row[1] for row in ways(sample.flows).iter_rows()))
