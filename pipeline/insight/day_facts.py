"""What a day's flows say of their sources and servers beside the rows: kept with the day, for noticing drift later.

Sums are taken slice by slice while the flows are stored, so that nothing is read twice, and are small whatever the day
holds. What they mean is concluded in `pipeline.insight.drift`.
"""

from __future__ import annotations

import datetime as dt
from collections import Counter
from collections.abc import Sequence
from typing import Any

import polars as pl

from pipeline.counting.direction import server_end
from pipeline.counting.mail_servers import of_day
from pipeline.counting.records import KEY
from pipeline.insight.apart import ClocksApart
from pipeline.intake.ledger import Entry
from pipeline.inventory import Inventory
from pipeline.sources.fields import Layout

MAX_LAYOUTS = 8
"""Layouts of a source that are kept of a day."""
MAX_SERVERS = 8
"""Unlisted servers that are kept of a day."""
_WAYS = ("from_servers", "to_servers", "flows", "server_more")


class DayTally:
    """Bytes by source and way, which watched addresses had traffic, flows that overlap, and clocks that are apart."""

    def __init__(self) -> None:
        self._ways: dict[str, Counter[str]] = {}
        self._seen: set[str] = set()
        self.overlapping = 0
        """Flows that begin while another one of the same sensor, ends and ports lasts."""
        self.apart = ClocksApart()

    def take(self, flows: pl.DataFrame) -> None:
        """Add conformed FLOWS of the day."""
        self.overlapping += overlapping(flows)
        self.apart.take(flows)
        for end in ("src", "dest"):
            known = flows.filter(pl.col(f"{end}_category").is_not_null())
            self._seen.update(known[f"{end}_ip"].unique().to_list())
        server = server_end(pl.col("src_category").is_not_null(), pl.col("dest_category").is_not_null())
        for source, *sums in ways(flows.with_columns(server=server)).iter_rows():
            self._ways.setdefault(source, Counter()).update(dict(zip(_WAYS, sums, strict=True)))

    def facts(self, inventory: Inventory) -> dict[str, Any]:
        """Plain data for the day's record."""
        seen = sorted({n for ip in self._seen for n in inventory.networks_of(ip)})
        return {"ways": {s: [c[w] for w in _WAYS] for s, c in sorted(self._ways.items())}, "seen": seen}


def ways(flows: pl.DataFrame) -> pl.DataFrame:
    """Source, bytes from its servers and to them, flows of which both are known, and those with more from the server.

    Args:
        flows: source, bytes_in, bytes_out, and `server`, which end is the server: src, dest or null.
    """
    from_server = pl.when(pl.col("server") == "dest").then("bytes_in").otherwise("bytes_out")
    to_server = pl.when(pl.col("server") == "dest").then("bytes_out").otherwise("bytes_in")
    known = flows.lazy().filter(
        pl.col("server").is_not_null(), pl.col("bytes_in").is_not_null(), pl.col("bytes_out").is_not_null()
    )
    return (
        known.select("source", a=from_server, b=to_server)
        .group_by("source")
        .agg(pl.col("a").sum(), pl.col("b").sum(), n=pl.len(), more=(pl.col("a") > pl.col("b")).sum())
        .sort("source")
        .collect()
    )


def overlapping(flows: pl.DataFrame) -> int:
    """How many FLOWS begin while another of the same sensor, ends and ports lasts, which no sensor sees alone."""
    key = ("source", "dvc", *KEY)
    ended = pl.col("end_time").fill_null(pl.col("start_time"))
    whole = flows.filter(pl.col("src_port").is_not_null() & pl.col("dest_port").is_not_null())
    same = whole.select(*key, "start_time", ended).filter(pl.struct(key).is_duplicated()).sort(*key, "start_time")
    return int(same.select((pl.col("start_time") < pl.col("end_time").cum_max().shift().over(key)).sum()).item())


def file_facts(entries: Sequence[Entry], day: dt.date) -> dict[str, Any]:
    """What the day's files say: their layouts, and the servers that the inventory lacks."""
    kept = (s for e in entries for p in e.all_parts for s in p.servers)
    unlisted = [s for s in of_day(kept, day.isoformat()) if s["clients"] > 1]
    return {"layouts": layouts(entries), "unlisted": unlisted[:MAX_SERVERS]}


def layouts(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """Each layout of a source once, by the file that shows most records of it; a bounded number of each source."""
    found: dict[tuple[str, str, frozenset[str]], dict[str, Any]] = {}
    for entry in entries:
        layout = Layout.from_list(entry.layout)
        if not layout.fields:
            continue
        key = (entry.source, entry.encoding or "", frozenset(layout.fields))
        known = found.setdefault(key, {"source": entry.source, "encoding": entry.encoding, "files": 0, "layout": [-1]})
        known["files"] += 1
        if layout.records > known["layout"][0]:
            known |= {"file": entry.name, "layout": entry.layout}
    by_source: dict[str, list[dict[str, Any]]] = {}
    for layout_facts in found.values():
        by_source.setdefault(layout_facts["source"], []).append(layout_facts)
    return [f for _, mine in sorted(by_source.items()) for f in mine[:MAX_LAYOUTS]]
