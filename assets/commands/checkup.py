"""`nilometer check`: what a site's sources, directions, context and rules come to, and what is wrong with them.

Nothing of the logs is stored. What was found is put together elsewhere; here it is only asked for and printed.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from assets.reporting import screen
from pipeline.context import Context, load_context
from pipeline.context.model import ContextTable
from pipeline.context.unmatched import unmatched
from pipeline.counting.direction import Direction
from pipeline.days import today
from pipeline.detections import Rule
from pipeline.detections.fireability import Fireability, fireability
from pipeline.detections.loader import BUILT_IN
from pipeline.disk import is_file
from pipeline.errors import StorageError
from pipeline.insight.drift import Finding
from pipeline.insight.foresight import foreseen
from pipeline.insight.reach import Reach, reaches, unseen
from pipeline.insight.sampling import clocks_apart, directions, samples
from pipeline.insight.survey import SourceSurvey, survey
from pipeline.intake.landing import Landing
from pipeline.intake.ledger import Ledger
from pipeline.site import Site
from pipeline.trials.cases import failed_cases
from pipeline.wording import counted

_SHOWN = 5
_UNMATCHED = {
    "assets": "no row of entities has, so what it says of them is of nobody",
    "groups": "no client can be in, so their events explain nothing",
}


def check_site(site: Site, *, as_json: bool) -> bool:
    """Print what was found; whether there was a problem.

    Raises:
        ConfigError: an input of the context is broken.
    """
    found = _check(site)
    if as_json:
        _print_json(site, found)
    else:
        _print(site, found)
        _print_context(site, found.context)
        for text in found.doubts:
            screen.warn(screen.one_line(f"warning: {text}"))
        for change in found.drift:
            screen.warn(screen.one_line(f"warning: {change.message} {change.remedy}"))
        for problem in found.problems:
            screen.warn(f"problem: {problem}")
    return bool(found.problems)


@dataclass(frozen=True)
class _Found:
    """All that a check of a site has found."""

    sources: list[SourceSurvey]
    ways: list[Direction]
    """What each source's own data says of its direction."""
    drift: list[Finding]
    doubts: list[str]
    """What makes volumes doubtful, as warnings."""
    context: Context
    rules: list[tuple[Rule, Fireability, list[str]]]
    """Each rule in force, whether it can fire, and those of its own cases that failed."""
    reaches: dict[str, Reach]
    """What of the flows looked at each rule would judge, by its id."""
    problems: list[str]


def _check(site: Site) -> _Found:
    context = load_context(site.root, site.settings.context)
    now = dt.datetime.now(dt.UTC)
    sources, sampled, unreachable = survey(site, now), samples(site, now), _out_of_reach(site)
    ways = directions(sampled)
    drift = [] if unreachable else foreseen(site, _ledger(site, now), sampled, now)
    doubts = [text for sample in sampled if (text := sample.without_flows)]
    doubts += [text for sample in sampled for text in sample.doubts(sampled=site.settings.counting.sampled)]
    doubts += [text for text in [unseen(site, sampled, stored=not unreachable)] if text]
    doubts += clocks_apart(sampled)
    rules = [(r, fireability(r, site.settings.start_date), failed_cases(r)) for r in site.rules]
    reached = reaches(site, sampled, stored=not unreachable)
    doubts += _idle(site, reached)
    problems = [p for s in sources for p in s.problems]
    problems += [f"rule {r.id}: {f}" for r, _, faults in rules for f in faults]
    problems += [f"rule {r.id} can fire {f.explanation}" for r, f, _ in rules if not f.can_fire]
    problems += [d.message for d in ways if d.refused]
    problems += _blind_spots(site, today(site.settings.timezone)) + unreachable
    return _Found(sources, ways, drift, doubts, context, rules, reached, problems)


def _print_json(site: Site, found: _Found) -> None:
    screen.json_lines([s.as_dict() for s in found.sources])
    screen.json_lines([d.as_dict() for d in found.ways])
    screen.json_lines([f.as_dict() for f in found.drift])
    screen.json_lines([{"what": "warning", "message": text} for text in found.doubts])
    screen.json_lines([_context_facts(t, found.context, site) for t in found.context.tables.values()])
    screen.json_lines(
        [{"what": "rule", **f.__dict__, **_reach_facts(found, f), "failed_cases": bad} for _, f, bad in found.rules]
    )
    screen.json_lines([{"what": "problem", "message": p} for p in found.problems])


def _reach_facts(found: _Found, rule: Fireability) -> dict[str, object]:
    reach = found.reaches.get(rule.rule_id)
    return reach.as_dict() if reach else {}


def _idle(site: Site, reached: Mapping[str, Reach]) -> list[str]:
    """What is to be said of rules that no flow reaches.

    Nothing of a built-in one where servers are on one side alone, as is usual of the twin, nor of a category that no
    entry has, which is a problem of its own.
    """
    told, have = [], {c for e in site.settings.inventory for c in e.category}
    for path, rule in site.known_rules.items():
        reach, built_in = reached.get(rule.id), path.parent == BUILT_IN
        if reach is None or not reach.idle or rule.category not in have or (reach.one_sided and built_in):
            continue
        mend = "Switch" if built_in else f"Mend its filter or field in {path}, or switch"
        told.append(
            f"rule {rule.id}: {reach.told}, so it has nothing to judge and is silent whatever happens. "
            f"{mend} it off: rules: {{{rule.id}: false}}."
        )
    return told


def _ledger(site: Site, now: dt.datetime) -> Ledger:
    """What is known of the files that were read before."""
    return Landing(site.root, site.storage, site.settings, now).ledger


def _blind_spots(site: Site, now: dt.date) -> list[str]:
    """What makes a site see nothing although every part of it is valid."""
    found, start = [], site.settings.start_date
    if start > now:
        found.append(f"key start_date: {start} lies in the future, so no day is made until then; today is {now}.")
    if not site.settings.sources:
        found.append("no source is configured, so no log is read; add one below 'sources'.")
    if not site.rules:
        found.append("every rule is switched off, so nothing can alert.")
    served = [e for e in site.settings.inventory if e.valid_to is None or e.valid_to > now]
    had, have = ({c for e in entries for c in e.category} for entries in (site.settings.inventory, served))
    for wanted in sorted({r.category for r in site.rules} - have):
        ended = " any more" if wanted in had else ""
        found.append(f"no inventory entry has the category {wanted}{ended}, so the rules that look for it see nothing.")
    return found + [
        f"{path} is not read as a rule: only files in {folder} itself whose names end in .yaml or .yml, and begin with "
        "no dot, are."
        for folder in site.rule_paths
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in {".yaml", ".yml"} and is_file(path) and path not in site.known_rules
    ]


def _out_of_reach(site: Site) -> list[str]:
    """What keeps the tables from being read, such as an object store that refuses."""
    try:
        site.storage.names("failed")
    except StorageError as error:
        return [f"storage: {error.message}"]
    return []


def _print(site: Site, told: _Found) -> None:
    s = site.settings
    screen.say(f"site       {site.root}")
    screen.say(f"storage    {site.storage.place}")
    screen.say(
        f"days       from {s.start_date}, {s.timezone}; each is run at {s.schedule.hour:02}:{s.schedule.minute:02}"
    )
    screen.say(f"inventory  {counted(len(s.inventory), 'entry', 'entries')}")
    for found in told.sources:
        formats = ", ".join(f"{n} {name}" for name, n in sorted(found.formats.items())) or "nothing"
        of = "" if found.looked_into == found.files else f" ({found.looked_into} looked into)"
        screen.say(f"source     {found.source}: {counted(found.files, 'file')}, {found.bytes:,} bytes; {formats}{of}")
        if found.first:
            screen.say(f"           flows from {found.first} to {found.last}")
    for way in told.ways:
        screen.say(f"direction  {way.verdict}: {way.message}")
    for _, rule, _ in told.rules:
        reach = told.reaches.get(rule.rule_id)
        but = f"; but {reach.told}, so it has nothing to judge" if rule.can_fire and reach and reach.idle else ""
        screen.say(f"rule       {rule.rule_id}: can fire {rule.explanation}{but}")


def _context_facts(table: ContextTable, known: Context, site: Site) -> dict[str, Any]:
    facts = {"what": "context", "input": table.name, "file": table.file, "rows": table.rows}
    if "exclude" in table.frame.columns:
        facts["excluded"] = table.frame["exclude"].sum()
    if table.name == "known_events":
        undated = (table.frame["start"] == dt.date.min) & (table.frame["end"] == dt.date.max)
        facts["always"] = int(undated.sum())
    strange = {f"unmatched_{kind}": names for kind, names in unmatched(table, known, site.groups).items()}
    return facts | strange | {"fingerprint": table.fingerprint, "columns_not_read": list(table.unread)}


def _print_context(site: Site, known: Context) -> None:
    for table in known.tables.values():
        facts = _context_facts(table, known, site)
        out = f", {facts['excluded']:,} exclude" if facts.get("excluded") else ""
        out += f", {facts['always']:,} of all days" if facts.get("always") else ""
        others = f"; columns not read: {', '.join(table.unread)}" if table.unread else ""
        screen.say(f"context    {table.name}: {counted(table.rows, 'row')}{out} ({table.file}){others}")
        for kind, why in _UNMATCHED.items():
            if names := facts.get(f"unmatched_{kind}"):
                screen.warn(
                    f"warning: {table.file} names {kind} that {why}: {', '.join(names[:_SHOWN])} ({len(names):,})."
                )
    if known.tables and not site.rules_of("surge"):
        screen.say("           It is not used: no rule of method surge is on, such as mail_volume_surge.")
