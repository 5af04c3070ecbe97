"""What has changed about a site's sources and servers against its own past days: layouts, direction, inventory.

Findings are warnings: each names what, where, and what to do. They rest on small facts that stored days keep of
themselves (`pipeline.insight.day_facts`), so a day is compared with days, in whatever order they were made. A look at
files that were not read yet is `pipeline.insight.foresight`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import polars as pl

from pipeline.counting.direction import ENOUGH
from pipeline.counting.mail_servers import CLIENTS
from pipeline.days import window_days
from pipeline.inventory import valid_on
from pipeline.schemas import FLOWS
from pipeline.settings import InventoryEntry
from pipeline.site import Site
from pipeline.sources.fields import Layout

PAST_DAYS, PAST_SPAN = 10, 30
"""Stored days that a day is compared with, and how far back they may lie."""
STEADY = 0.95
"""Share of the earlier records that have a field which is missed where it is not."""
CHANCE = 1e-3
"""A difference that is likelier than this without a change is not reported."""
FLIP, LEAST_PAST = 0.3, 3
"""How far the servers' share of the bytes must have moved across one half, and the past days that tell where it was."""
LEAST_CLIENTS, CLIENTS_SHARE = 3, 0.02
LEAST_BYTES, BYTES_SHARE = 100_000, 0.001
"""An unlisted server is reported from as many clients and bytes sent on, and from these shares of listed servers'."""

NEW, MISSING, RETYPED, TURNED = "new_fields", "missing_fields", "retyped_fields", "turned_sources"
UNLISTED, SILENT = "unlisted_servers", "silent_servers"
KINDS = (NEW, MISSING, RETYPED, TURNED, UNLISTED, SILENT)


@dataclass(frozen=True)
class Finding:
    """One thing that changed."""

    kind: str
    """One of KINDS."""
    subject: str
    """The source, or the address."""
    message: str
    remedy: str
    file: str = ""
    field: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON lines."""
        return {"what": "drift", **asdict(self)}


class KnownFields:
    """The fields of a source's earlier records, one encoding."""

    def __init__(self) -> None:
        self.records = 0
        self._fields: dict[str, tuple[set[str], int]] = {}

    def add(self, layout: Layout) -> None:
        """Take in one more layout."""
        self.records += layout.records
        for name, (kind, count) in layout.fields.items():
            kinds, known = self._fields.get(name, (set(), 0))
            self._fields[name] = (kinds | ({kind} if kind else set()), known + count)

    def compare(self, layout: Layout) -> Iterator[tuple[str, str, str]]:
        """(kind of finding, field, words) of what differs; nothing where there is too little to tell.

        The chance that a field is absent from a record, or there, is (times seen so + 1) / (records + 2), the rule of
        succession.
        """
        if not self.records:
            return
        for name, (kind, count) in layout.fields.items():
            kinds, known = self._fields.get(name, (set(), 0))
            if not known and count >= max(2, layout.records / 2) and (1 / (self.records + 2)) ** count < CHANCE:
                yield NEW, name, "is new"
            elif kind and kinds and kind not in kinds:
                yield RETYPED, name, f"holds {kind}, where it held {' or '.join(sorted(kinds))}"
        for name, (_, known) in self._fields.items():
            absent = (self.records - known + 1) / (self.records + 2)
            steady = known >= STEADY * self.records
            if name not in layout.fields and steady and absent**layout.records < CHANCE:
                yield MISSING, name, "is missing"


_REMEDIES = {
    NEW: "If its name is one that the format reads, its values count from here on; see what the sensor's new version "
    "changed.",
    MISSING: "If anything is read from it, values are unknown from here on: have the sensor write it again, or map the "
    "field that replaces it.",
    RETYPED: "Look at some lines of the file: have the sensor write it as before, or mend the source's mapping.",
}


def layout_findings(source: str, encoding: str, file: str, known: KnownFields, layout: Layout) -> list[Finding]:
    """What a file's fields say against those that were known."""
    found = []
    for kind, name, words in known.compare(layout):
        text = f"source {source}: {file}: field {name} {words} against its earlier files ({encoding})"
        found.append(Finding(kind, source, f"{text}.", _REMEDIES[kind], file, name))
    return found


def drift_facts(site: Site, day: dt.date) -> Mapping[str, Any]:
    """What a stored day keeps of itself; empty for one that is not stored, or was by an earlier version."""
    record = site.storage.record("flows", day)
    found: Mapping[str, Any] = record.facts.get("drift", {}) if record is not None else {}
    return found


def past_facts(site: Site, day: dt.date) -> list[Mapping[str, Any]]:
    """The facts of the latest stored days before a day, the latest first."""
    found: list[Mapping[str, Any]] = []
    for earlier in reversed(window_days(day, PAST_SPAN, site.settings.start_date)):
        if facts := drift_facts(site, earlier):
            found.append(facts)
        if len(found) == PAST_DAYS:
            break
    return found


def known_fields(past: Sequence[Mapping[str, Any]]) -> dict[tuple[str, str], KnownFields]:
    """The fields of each source and encoding over past days."""
    known: dict[tuple[str, str], KnownFields] = {}
    for facts in past:
        for one in facts.get("layouts", ()):
            key = (one["source"], one["encoding"])
            known.setdefault(key, KnownFields()).add(Layout.from_list(one["layout"]))
    return known


def day_findings(site: Site, day: dt.date) -> list[Finding]:
    """Everything that changed on a stored day."""
    facts, past = drift_facts(site, day), past_facts(site, day)
    known, found = known_fields(past), []
    for one in facts.get("layouts", ()):
        key = (one["source"], one["encoding"])
        found += layout_findings(*key, one["file"], known.get(key, KnownFields()), Layout.from_list(one["layout"]))
    return [*found, *turned(facts.get("ways", {}), past), *inventory_findings(site, day)]


# Direction


def _shares(sums: Sequence[int]) -> tuple[float, float] | None:
    """(servers' share of the bytes, share of the flows in which they sent more), or None of too few flows."""
    sent, received, flows, more = sums
    return (sent / (sent + received), more / flows) if flows >= ENOUGH and sent + received else None


def turned(now: Mapping[str, Sequence[int]], past: Sequence[Mapping[str, Any]], file: str = "") -> list[Finding]:
    """Sources whose bytes go the other way than on their past days, by volume, and not by one large flow.

    Args:
        now: source -> bytes from servers, bytes to them, flows, flows with more from the server.
        past: facts of past days.
        file: the file that now is of, where it is one.
    """
    found = []
    for source, sums in sorted(now.items()):
        before = [s for f in past if (s := _shares(f.get("ways", {}).get(source, (0, 0, 0, 0)))) is not None]
        today = _shares(sums)
        if today is None or len(before) < LEAST_PAST:
            continue
        share, votes = (median(s[n] for s in before) for n in (0, 1))
        flipped = (share - 0.5) * (today[0] - 0.5) < 0 and abs(share - today[0]) >= FLIP
        # A source that was swapped has the votes of its flows swapped, too; one upload has not.
        if flipped and abs(today[1] - (1 - votes)) <= abs(today[1] - votes) + 0.1:
            found.append(_turned(source, file, (share, today[0]), len(before)))
    return found


def _turned(source: str, file: str, shares: tuple[float, float], days: int) -> Finding:
    before, now = (f"{s:.0%}" for s in shares)
    place = f"source {source}: {file}: " if file else f"source {source}: "
    text = f"{place}servers sent {now} of the bytes, but {before} on its {days} past days"
    remedy = (
        "Ask what changed at the exporter: if both directions were exchanged, set swap_bytes: true for a source of the "
        "new files alone, or mend the exporter and replace the files."
    )
    return Finding(TURNED, source, f"{text}.", remedy, file)


# Inventory


def inventory_findings(site: Site, day: dt.date) -> list[Finding]:
    """What a stored day says of the inventory: servers that it lacks, and entries that had no traffic."""
    facts = drift_facts(site, day)
    return [*_unlisted(site, day, facts), *_silent(site, day, facts, past_facts(site, day))]


def suspects(site: Site, servers: Sequence[Mapping[str, Any]], clients: int, sent: int) -> list[Finding]:
    """Servers outside of the inventory that talk like mail servers, against what the listed ones do."""
    least = min(CLIENTS, max(LEAST_CLIENTS, round(CLIENTS_SHARE * clients)))
    volume = max(LEAST_BYTES, BYTES_SHARE * sent)
    picked = [s for s in servers if s["clients"] >= least and s["bytes"] >= volume]
    return [_suspect(s) for s in picked if not site.inventory.watches(s["address"])]


def _suspect(server: Mapping[str, Any]) -> Finding:
    ip, ports = server["address"], ", ".join(map(str, server["ports"]))
    clients = f"{server['clients']}{' or more' if server['clients'] >= CLIENTS else ''} clients"
    text = f"{ip} is not in the inventory and sent {server['bytes']:,} bytes to {clients} from port {ports}."
    remedy = (
        f'If it is a mail server of yours, add to inventory in nilometer.yaml: - {{address: "{ip}", category: '
        f'email_server}}. If it is not, have it known and not judged: - {{address: "{ip}", category: other_mail}}.'
    )
    return Finding(UNLISTED, ip, text, remedy)


def _unlisted(site: Site, day: dt.date, facts: Mapping[str, Any]) -> list[Finding]:
    servers = facts.get("unlisted", ())
    if not servers:
        return []
    client = pl.when(pl.col("dest_category").is_not_null()).then("src_ip").otherwise("dest_ip")
    clients = site.storage.scan(FLOWS, [day]).select(client.n_unique()).collect(engine="streaming").item()
    return suspects(site, servers, clients, sum(w[0] for w in facts.get("ways", {}).values()))


def _silent(site: Site, day: dt.date, facts: Mapping[str, Any], past: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Entries without traffic while others have some."""
    seen = set(facts.get("seen", ()))
    if not seen:
        return []
    wanted = {r.category for r in site.rules}
    entries = {e.address: e for e in site.settings.inventory if valid_on(e, day) and wanted.intersection(e.category)}
    return [_silence(e, day, past) for a, e in sorted(entries.items()) if a not in seen]


def _silence(entry: InventoryEntry, day: dt.date, past: Sequence[Mapping[str, Any]]) -> Finding:
    days = [entry.address in facts.get("seen", ()) for facts in past]
    before = days.index(True) if True in days else len(days)
    since = f" and on the {before} stored {'days' if before > 1 else 'day'} before" if before else ""
    named = f"{entry.address} ({entry.name})" if entry.name else entry.address
    text = f"{named} had no traffic on {day}{since}, while other servers had some."
    remedy = (
        f"If it was retired, give its entry in nilometer.yaml valid_to: {day}; if it still serves, the sensor does not "
        "see it, or the address is wrong."
    )
    return Finding(SILENT, entry.address, text, remedy)
