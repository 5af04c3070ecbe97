"""Rules in force that did not judge a stored day as they are now: they were not asked, so their silence means nothing.

Whether anything of a day would come out differently is decided in `pipeline.stored.status`; here only rules are
compared.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence

from pipeline.detections.model import Rule
from pipeline.site import Site
from pipeline.stored.reasons import of_rules

ADDED = "was not in force when the day was judged"
CHANGED = "has changed since the day was judged"
_JUDGED_BY = {"seed": ("anomaly_scores", "rules"), "surge": ("alerts", "surge_rules")}
"""Method -> the table whose record says which rules there were, and under which name."""


def outdated(site: Site, day: dt.date, rules: Sequence[Rule]) -> dict[str, str]:
    """Of the rules those that did not judge the stored day as they are now, each with ADDED or CHANGED.

    Rules of a method whose record says nothing of them are left out.
    """
    found = {}
    for method, (table, name) in _JUDGED_BY.items():
        mine = [r for r in rules if r.method == method]
        record = site.storage.record(table, day) if mine else None
        then = None if record is None else record.facts.get("details", {}).get(name)
        if then is None:
            continue
        for rule in mine:
            if rule.id not in then:
                found[rule.id] = ADDED
            elif then[rule.id].split()[-1] != of_rules([rule])[rule.id].split()[-1]:  # Versions decide nothing.
                found[rule.id] = CHANGED
    return found
