"""Rules in force that did not judge a stored day as they are now, or could judge nobody: their silence means nothing.

Whether anything of a day would come out differently is decided in `pipeline.stored.status`; here only rules are
compared.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pipeline.detections.model import Rule
from pipeline.site import Site
from pipeline.stored.pruned import lost_input
from pipeline.stored.reasons import of_rules
from pipeline.stored.series import untold_days

ADDED = "was not in force when the day was judged"
UNCOUNTED = "was not in force when the day's flows were counted, which were pruned since"
UNTELLABLE = "was not in force when the day was judged, and what it would be judged by was pruned since"
CHANGED = "has changed since the day was judged"
BLIND = "looks for a category that no entry of the inventory had on the day, so it judged nobody"
SILENT = {
    ADDED: "; make it again: nilometer run --stale",
    UNCOUNTED: "",
    UNTELLABLE: "",
    BLIND: "; add an entry of the category to the inventory, or mend the rule's category",
}
"""What is said of a rule whose silence means nothing, and what to do about it, where anything can be done."""
_JUDGED_BY = {"seed": ("anomaly_scores", "rules"), "surge": ("alerts", "surge_rules")}
"""Method -> the table whose record says which rules there were, and under which name."""


def outdated(site: Site, day: dt.date, rules: Sequence[Rule]) -> dict[str, str]:
    """Of the rules those that did not judge the stored day as they are now, or nobody, each with one of the five words.

    Rules of a method whose record says nothing of them are left out.
    """
    untold = untold_days(site, [day])
    found = {r.id: UNCOUNTED for r in rules if not untold.keys().isdisjoint(m.id for m in r.measures)}
    for method, (table, name) in _JUDGED_BY.items():
        mine = [r for r in rules if r.method == method]
        record = site.storage.record(table, day) if mine else None
        then = None if record is None else record.facts.get("details", {}).get(name)
        if then is None:
            continue
        for rule in (r for r in mine if r.id not in found):
            if rule.id not in then:
                found[rule.id] = UNTELLABLE if lost_input(site, table, day) else ADDED
            elif then[rule.id].split()[-1] != of_rules([rule])[rule.id].split()[-1]:  # Versions decide nothing.
                found[rule.id] = CHANGED
    return _blind(site, day, rules) | found


def kept_for(site: Site, day: dt.date, rule: Rule) -> str:
    """What was pruned, so that a stored day cannot be judged by the rule anew; empty where it can be."""
    return lost_input(site, _JUDGED_BY[rule.method][0], day)


def _blind(site: Site, day: dt.date, rules: Sequence[Rule]) -> dict[str, str]:
    """The rules of a category that nobody had, where the day was made by the inventory as it is now."""
    have = site.inventory.categories_on(day)
    if not (found := {r.id: BLIND for r in rules if r.category not in have}):
        return {}
    flows = site.storage.record("flows", day)
    return found if flows is not None and flows.inputs.get("inventory") == site.inventory.fingerprint(day) else {}
