"""The profile of the canaries: whether planted thefts are found, and whether every rule in force can alert at all.

The numbers are made in `pipeline.trials.firing`; the limits are in the suite. What names a rule stands in the profile's
notes.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping

from data_quality.compared import note
from pipeline.site import Site
from pipeline.trials.firing import firing


class Noted(dict[str, float | int | str | None]):
    """A profile whose numbers have notes of their own: what to add to an expectation's remedy, by its column."""

    def __init__(self, numbers: Mapping[str, float | int | str | None], notes: dict[str, list[str]]) -> None:
        super().__init__(numbers)
        self.notes = notes


def canary_found(site: Site, day: dt.date) -> Noted:
    """What became of the canaries, how many rules somebody could trip, and how many could not alert, with the reason.

    A rule under which nobody had traffic could not be tried, and is not counted.
    """
    found = firing(site, day)
    planted = [f.canary for f in found if f.canary.client is not None]
    never = [f.why for f in found if f.never]
    silent = [f.why for f in found if f.clients and not f.able and not f.never]
    numbers: dict[str, float | int | str | None] = {
        "canaries_missed": sum(not c.found for c in planted),
        "canaries_false": sum(not c.quiet for c in planted),
        "rules_that_can_alert": len(planted),
        "rules_that_never_can": len(never),
        "rules_that_cannot_today": len(silent),
    }
    if not any(f.clients for f in found):
        numbers |= {"rules_that_can_alert": None, note("rules_that_can_alert"): "cannot tell: no client had traffic"}
    notes = {
        "canaries_missed": [c.rule_id for c in planted if not c.found],
        "canaries_false": [c.rule_id for c in planted if not c.quiet],
        "rules_that_never_can": never,
        "rules_that_cannot_today": silent,
    }
    return Noted(numbers, notes)
