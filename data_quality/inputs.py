"""Profiles of what comes from outside: the inventory, the context's files, and the lines that were set aside.

What the files must hold is said in `pipeline.settings` and `pipeline.context`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import polars as pl

from data_quality.chances import usual
from data_quality.compared import Profile, note, silent_servers
from data_quality.counts import WINDOW, flows_pass, kinds, past_flow_counts
from data_quality.rows import share
from data_quality.sharing import shared
from pipeline.context.load import load_input
from pipeline.context.model import ContextTable
from pipeline.days import window_days
from pipeline.errors import NilometerError, StorageError
from pipeline.flows import lines_read
from pipeline.inventory import valid_on
from pipeline.schemas import FLOWS
from pipeline.settings import InventoryEntry
from pipeline.site import Site
from pipeline.sources.base import REASONS
from pipeline.storage import DAMAGE
from pipeline.wording import counted


def inputs_valid(site: Site, day: dt.date) -> Profile:
    """Whether the inventory knows what the rules look for, and whether the context can be read and holds on the day."""
    entries = inventory_on(site, day)
    known, broken = shared(("context", site.root), lambda: _context(site))
    ended = [t for t in known if t.frame.height and not (t.frame["end"] > day).any()]
    told: Profile = {
        "context_faults": len(broken),
        note("context_faults"): "; ".join(broken),
        "context_empty": sum(not t.frame.height for t in known),
        "context_ended": len(ended),
        note("context_ended"): ", ".join(t.name for t in ended),
    }
    if not site.settings.context.files:
        columns = ("context_faults", "context_empty", "context_ended")
        told = {k: v for c in columns for k, v in ((c, None), (note(c), "cannot tell: the site names no context"))}
    return {
        "inventory_entries": len(entries),
        "categories_missing": len(missing_categories(site, day)),
        **_watching(site, day, entries),
        **_seen(site, day),
        **silent_servers(site, day),
        **told,
    }


def inventory_on(site: Site, day: dt.date) -> list[InventoryEntry]:
    """The entries of the inventory that are valid on the day."""
    return [e for e in site.inventory.entries if valid_on(e, day)]


def _watching(site: Site, day: dt.date, entries: Sequence[InventoryEntry]) -> Profile:
    """How many rules have anybody to look for: where none has, an unknown client and a quiet one look the same."""
    if not entries:
        return {"rules_watching": None, note("rules_watching"): "cannot tell: the inventory has no entry on the day"}
    have = site.inventory.categories_on(day)
    told = f"of {len(site.rules):,} in force" if site.rules else "every rule is switched off"
    return {"rules_watching": sum(r.category in have for r in site.rules), note("rules_watching"): told}


def _seen(site: Site, day: dt.date) -> Profile:
    """How many servers that a rule looks for had flows on the day, or else on the days before.

    Where none ever had, the addresses are wrong or the sensor stands elsewhere, and no alert says nothing.
    """
    column, wanted = "servers_seen", {r.category for r in site.rules}
    record = shared(("record", site.storage.place, day), partial(site.storage.record, "flows", day))
    if not wanted & site.inventory.categories_on(day):
        return {column: None, note(column): "cannot tell: no rule looks for an entry of the day"}
    if record is None or not lines_read(record.facts):
        return {column: None, note(column): "cannot tell: no line was read"}

    def listed(servers: Iterable[str]) -> int:
        return sum(not wanted.isdisjoint(site.inventory.categories(ip, day)) for ip in servers)

    if today := listed(flows_pass(site, day).counts.servers):
        return {column: today, note(column): "on the day"}
    if today := listed(_senders(site, day)):
        return {column: today, note(column): "on the day, to other entries of the inventory"}
    past = past_flow_counts(site, day)
    before = listed({ip for c in past.values() for ip in c.servers}) or listed(
        {ip for d in past for ip in _senders(site, d)}
    )
    days = counted(len(past), "day")
    told = f"none on the day, {'nor ' if not before else ''}on the {days} before that are stored"
    return {column: before, note(column): told if past else "none on the day; none before is stored"}


def _senders(site: Site, day: dt.date) -> list[str]:
    """Who began flows between two entries of the inventory: the counts have these flows under who answered."""
    if not site.storage.has("flows", day):
        return []
    both = pl.col("src_category").is_not_null() & pl.col("dest_category").is_not_null()
    try:
        found = site.storage.scan(FLOWS, [day]).filter(both).select(pl.col("src_ip").unique()).collect()
    except (StorageError, *DAMAGE):
        return []  # Of a day before; the day itself has been looked at.
    return found["src_ip"].to_list()


def missing_categories(site: Site, day: dt.date) -> list[str]:
    """Categories that a rule looks for and no entry has on the day."""
    return sorted({r.category for r in site.rules} - site.inventory.categories_on(day))


def _context(site: Site) -> tuple[list[ContextTable], list[str]]:
    """The inputs that can be used, and what is wrong with the others."""
    known, broken = [], []
    for name, file in site.settings.context.files.items():
        try:
            known.append(load_input(site.root, name, file))
        except NilometerError as error:
            broken.append(error.message)
    return known, broken


def quarantined(site: Site, day: dt.date, facts: Mapping[str, Any]) -> Profile:
    """Lines set aside: their share, whether there are more than on the same weekdays, and reasons nobody knows."""
    lines, aside = facts.get("lines", 0), facts.get("quarantined", 0)
    reasons: Mapping[str, int] = facts.get("quarantined_by_reason", {})
    rise, told = "quarantined_rise_chance", ", ".join(f"{n:,} {reason}" for reason, n in reasons.items())
    past = _past_quarantined(site, day)
    of = kinds(site, [*past, day])
    ordinary = usual(of[day], past, of)
    return {
        "quarantined": aside,
        "quarantined_share": share(aside, lines),
        note("quarantined_share"): told if lines else "cannot tell: no line was read",
        rise: ordinary.more(aside) if ordinary else None,
        note(rise): f"{aside:,} where {ordinary.count:,.0f} are usual"
        if ordinary
        else "cannot tell: too few such days",
        "unknown_reasons": sum(n for reason, n in reasons.items() if reason not in REASONS),
    }


def _past_quarantined(site: Site, day: dt.date) -> dict[dt.date, float]:
    days = window_days(day, WINDOW, site.settings.start_date)
    records = {d: shared(("record", site.storage.place, d), partial(site.storage.record, "flows", d)) for d in days}
    return {d: r.facts.get("quarantined", 0) for d, r in records.items() if r and lines_read(r.facts)}
