"""Whether the filter of a rule lets any flow pass: of those that were looked at, and of the days that are stored.

A rule whose arithmetic lets it alert is silent for ever when none of a site's flows is of its series. Whether its
numbers let it alert is told by `pipeline.detections.fireability`; nothing is judged here.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline.daily import counts_for, flow_bytes
from pipeline.detections.model import Measure, Rule
from pipeline.insight.sampling import Sample
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.site import Site
from pipeline.wording import counted

STORED_DAYS = 30
"""The newest stored days that are asked whether they hold a rule's series."""
_SHOWN = 3
_FILTERS = ("dest_port", "app", "transport")
_SIDES = {"src": "dest", "dest": "src"}


@dataclass(frozen=True)
class Reach:
    """How much of what a site has is of a rule's series."""

    looked_at: int
    """Flows of watched servers that were looked at."""
    passing: int
    """Those of them that are of one of the rule's series."""
    stored: bool
    """Whether a stored day holds a known value of one of them."""
    cause: str = ""
    """Why none passes, or why those that do count for nothing; empty where the rule has something to judge."""
    one_sided: bool = False
    """Whether none passes because servers never are on the side that the rule looks at."""

    @property
    def idle(self) -> bool:
        """Whether flows were looked at, and the rule would see none of them, nor ever saw one."""
        return self.looked_at > 0 and not self.stored and self.cause != ""

    @property
    def told(self) -> str:
        """What is to be said of an idle rule."""
        return f"of {counted(self.looked_at, 'flow')} of watched servers looked at, {self.cause}"

    def as_dict(self) -> dict[str, object]:
        """For scripts."""
        return {
            "looked_at": self.looked_at,
            "passing": self.passing,
            "nothing_to_judge": self.told if self.idle else None,
        }


def reaches(site: Site, found: Sequence[Sample], *, stored: bool = True) -> dict[str, Reach]:
    """The reach of each rule in force, by its id; stored days are left out where they cannot be read."""
    if not found:
        return {}
    flows = _with_categories(site, pl.concat([s.flows for s in found], how="diagonal_relaxed"))
    had = _stored_series(site) if stored else set[str]()
    return {rule.id: _reach(rule, flows, had) for rule in site.rules}


def unseen(site: Site, found: Sequence[Sample], *, stored: bool = True) -> str | None:
    """A warning where flows were looked at, and neither one of them nor a stored day is of a listed server."""
    others = sum(s.account.others for s in found)
    if not others or any(s.flows.height for s in found) or (stored and _stored_series(site)):
        return None
    return (
        f"none of the {counted(others, 'flow')} looked at has an address of the inventory at either end, so nobody "
        "would be judged. Compare the addresses in `inventory` with the servers that `nilometer identify FILE` names; "
        "where they are right, the sensor does not see the mail."
    )


def _with_categories(site: Site, flows: pl.DataFrame) -> pl.DataFrame:
    """The flows with the categories that both ends had on their days."""
    flows = flows.with_columns(day=pl.col("start_time").dt.convert_time_zone(site.settings.timezone).dt.date())
    parts = [_of_a_day(site, part, day) for (day,), part in flows.group_by("day") if isinstance(day, dt.date)]
    return pl.concat(parts) if parts else _of_a_day(site, flows, dt.date.min)


def _of_a_day(site: Site, flows: pl.DataFrame, day: dt.date) -> pl.DataFrame:
    known = site.inventory.category_frame(pl.concat([flows["src_ip"], flows["dest_ip"]]), day)
    for side in _SIDES:
        named = known.rename({"ip": f"{side}_ip", "category": f"{side}_category"})
        flows = flows.join(named, on=f"{side}_ip", how="left", maintain_order="left")
    return flows


def _stored_series(site: Site) -> set[str]:
    """The series of which the newest stored days hold a known value."""
    days = site.storage.days(DAILY_TRAFFIC.name)[-STORED_DAYS:]
    known = site.storage.scan(DAILY_TRAFFIC, days).filter(pl.col("bytes").is_not_null())
    return set(known.select(pl.col("measure").unique()).collect().to_series())


def _reach(rule: Rule, flows: pl.DataFrame, had: set[str]) -> Reach:
    series, stored = rule.measures, any(m.id in had for m in rule.measures)
    passing = [flows.filter(counts_for(m)) for m in series]
    number = sum(p.height for p in passing)
    if number:
        return Reach(flows.height, number, stored, _unknown(passing[0], series[0]) if len(series) == 1 else "")
    cause, one_sided = _why_none(flows, series[0], alone=len(series) == 1)
    return Reach(flows.height, 0, stored, cause, one_sided)


def _unknown(passing: pl.DataFrame, measure: Measure) -> str:
    """Why flows that pass still count for nothing: what is to be summed or counted is told of none of them."""
    if measure.field == "flows":
        return ""
    wanted = (
        flow_bytes(measure) if measure.summed else pl.col(measure.peer if measure.field == "peers" else "dest_port")
    )
    if passing.select(wanted.count()).item():
        return ""
    what = measure.field.replace("_", " ") if measure.summed else measure.field
    return f"{passing.height:,} are of its series, but none tells its {what}, so that every day's value is unknown"


def _why_none(flows: pl.DataFrame, measure: Measure, *, alone: bool) -> tuple[str, bool]:
    """Which part of a filter lets nothing pass, and whether that is the side; alone: it is the rule's only series."""
    side, other = measure.category_side, _SIDES[measure.category_side]
    has, elsewhere = (pl.col(f"{s}_category").list.contains(measure.category).fill_null(False) for s in (side, other))
    mine, others = flows.filter(has), flows.select(elsewhere.sum()).item()
    if mine.is_empty() and others and alone:
        return f"none has {_a(measure.category)} at its {side} end ({others:,} have it at the {other} end)", True
    if mine.is_empty():
        return f"none has {_a(measure.category)} at either end", False
    bare = replace(measure, dest_port=(), app=(), transport=())
    mine = mine.filter(counts_for(bare))
    if mine.is_empty():
        return f"every one with {_a(measure.category)} at its {side} end was blocked", False
    for name in _FILTERS:
        wanted = getattr(measure, name)
        if wanted and mine.filter(counts_for(replace(bare, **{name: wanted}))).is_empty():
            return f"none has {name} {' or '.join(map(str, wanted))}: {_instead(mine, name)}", False
    return "none has all that its filter asks for at once", False


def _instead(mine: pl.DataFrame, name: str) -> str:
    """What the flows have there."""
    seen = mine[name].drop_nulls().value_counts(sort=True).sort("count", name, descending=[True, False])
    if seen.is_empty():
        return f"their logs do not tell {name}"
    values = ", ".join(f"{value} ({n:,})" for value, n in seen.head(_SHOWN).iter_rows())
    return f"they have {values}{', ...' if seen.height > _SHOWN else ''}"


def _a(category: str) -> str:
    return f"an address of category {category}"
