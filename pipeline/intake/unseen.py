"""Addresses that came into the inventory after logs were read that are gone by now: what those held of them is lost.

Of a log only the flows of the addresses known at the time are kept. While the log is there it is read again; where it
is gone the day has less traffic than the inventory promises, for ever, which must be said. Nothing becomes stale by it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

from pipeline.intake.landing import Landing
from pipeline.inventory import Inventory, valid_on
from pipeline.settings import InventoryEntry

_SHOWN = 3


def unseen(landing: Landing, inventory: Inventory, day: dt.date) -> str:
    """Which addresses of a day vanished logs lack, and what to do; empty when there are none."""
    gone = [e for e in landing.ledger.feeding(day) if e.missing and not e.watched.endswith("*")]
    kept = {e.watched: landing.ledger.networks.get(e.watched) for e in gone}
    lacking = {k: _gained(inventory, had, day) for k, had in kept.items() if had is not None}
    networks = sorted({a for found in lacking.values() for a in found})
    if not networks:
        return ""
    logs = sum(bool(lacking.get(e.watched)) for e in gone)
    more = f" and {len(networks) - _SHOWN} more" if len(networks) > _SHOWN else ""
    return (
        f"the traffic of {', '.join(networks[:_SHOWN])}{more} is not known of {logs} logs that are gone and were read "
        "before the inventory named it: bring them back, or give the entry valid_from"
    )


def _gained(inventory: Inventory, had: Iterable[str], day: dt.date) -> list[str]:
    """Networks that hold on the day and of which nothing was kept."""
    known = Inventory([InventoryEntry(address=a, category=("known",)) for a in had])
    return [e.address for e in inventory.entries if valid_on(e, day) and not known.covers(e.address)]
