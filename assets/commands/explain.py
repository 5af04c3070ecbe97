"""`nilometer explain CLIENT DAY`: each rule's verdict on a client and day, with what it was made from.

What is told is put together in `pipeline.trials.explain`; here it is only laid out.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from assets.commands.options import Day
from assets.reporting import screen
from pipeline.addresses import canonical_address
from pipeline.alerts import amount
from pipeline.inventory import Inventory
from pipeline.site import Site, open_site
from pipeline.wording import counted, rate

if TYPE_CHECKING:
    from pipeline.trials.explain import Explanation

_BARS = "▁▂▃▄▅▆▇█"
_PASSED = {True: "passed", False: "not passed", None: "cannot be told"}


@click.command()
@click.argument("client")
@click.argument("day", type=Day())
@click.option("--rule", "rule_id", help="Only this rule.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a rule.")
@click.pass_obj
def explain(folder: Path, client: str, day: dt.date, rule_id: str | None, as_json: bool) -> None:
    """Say why CLIENT (an address or an asset) alerted on DAY, or why it did not, rule by rule."""
    from data_quality.results import day_quality
    from pipeline.trials.explain import NO_TRAFFIC, NOT_SCORED
    from pipeline.trials.explain import explain as tell

    client = client.encode("utf-8", "backslashreplace").decode("utf-8")  # An argument's bytes may be no text.
    site = open_site(folder)
    found = tell(site, client, day, site.rules if rule_id is None else (site.rule(rule_id),))
    quality = day_quality(site, day)
    if as_json:
        screen.json_lines(e.as_dict() | {"quality": quality} for e in found)
        sys.exit(0)
    screen.say(f"{client} on {day} ({site.settings.timezone}); the day's data is {quality}.")
    if quality == "no_data":
        screen.say(
            "No line of a log could be read for this day, so that nothing said here tells that nothing happened."
        )
    told_of = [e for e in found if e.state != NOT_SCORED]
    if canonical_address(client) is None and told_of and all(e.state == NO_TRAFFIC for e in told_of):
        screen.say(f"No asset called {client} had traffic on the day.")
    if listed := _listed(site, client, day):
        screen.say(f"It stands in the inventory as {', '.join(listed)}: what it serves is told of its clients.")
    for told in found:
        screen.say("")
        for line in _lines(told):
            screen.say(line)


def _listed(site: Site, client: str, day: dt.date) -> list[str]:
    """The categories of an address in the inventory of the day."""
    address = canonical_address(client)
    return Inventory(site.settings.inventory).categories(address, day) if address else []


def _lines(told: Explanation) -> Iterator[str]:
    """One rule's block."""
    from pipeline.trials.explain import WHY

    yield f"{told.rule.id}: {told.state.replace('_', ' ').upper()}{f' {told.alert}' if told.alert else ''}"
    for name, text in _facts(told, WHY[told.cause]):
        yield f"  {name:<9} {text}"
    if told.state == "alert":
        for step in told.rule.runbook:
            yield f"  to do     {step}"


def _facts(told: Explanation, why: str) -> Iterator[tuple[str, str]]:
    from pipeline.stored.outdated import CHANGED
    from pipeline.trials.explain import NOT_SCORED, NOT_WATCHED

    field = told.rule.field
    yield "why", why
    if told.kept:
        yield "note", f"the rule {CHANGED}; here is some of then and some of now, as {told.kept}"
    elif told.changed:
        yield "note", f"the rule {CHANGED}; here is some of then and some of now: nilometer run --stale"
    elif told.cause == NOT_SCORED:
        yield "to do", "nilometer run --stale"
    elif told.cause == NOT_WATCHED:
        yield "to do", f"give an entry of the inventory the category {told.rule.category}, or mend the rule's"
    if told.message:
        yield "alert", told.message
    if told.value is not None:
        place = f", number {told.rank} of the {counted(told.clients, 'client')} of the day" if told.rank else ""
        yield "value", f"{amount(told.value, field)}{place}"
    yield from _compared(told.compared, field)
    yield from _least(told)
    if told.past:
        yield "past", _past(told)
    for server in told.servers:
        size = "-" if server["bytes"] is None else amount(server["bytes"], "bytes")
        yield "other end", f"{server['ip']}: {size} in {amount(server['flows'], 'flows')}"
    for flow in told.flows:
        size = "-" if flow["bytes"] is None else amount(flow["bytes"], "bytes")
        where = f"{flow['source_file']}:{flow['source_line']}"
        start = dt.datetime.fromisoformat(flow["start"]).strftime("%Y-%m-%dT%H:%M:%SZ")
        yield "flow", f"{start}  {flow['server']} port {flow['port']}: {size}  {where}"


def _least(told: Explanation) -> Iterator[tuple[str, str]]:
    from pipeline.trials.explain import NO_BASELINE
    from pipeline.trials.power import REASONS

    if told.least is not None:
        would = "would still have alerted" if told.state == "alert" else "would alert"
        yield "least", f"{amount(told.least, told.rule.field)} {would} on this day ({told.least:,})"
    elif told.least_reason == NO_BASELINE:
        yield "least", "not known: the day's baseline was pruned, or has no window of this rule"
    elif told.least_reason:
        yield "least", f"no volume would alert: {REASONS.get(told.least_reason, told.least_reason)}"


def _compared(compared: dict[str, Any], field: str) -> Iterator[tuple[str, str]]:
    """Each reference of a rule of gates, or what the surge method expected."""
    for name, found in compared.items():
        if not isinstance(found, dict):
            continue
        if name in ("samples", "floor"):
            had = f"{counted(found['n'], 'day')} of at least " if name == "samples" else "at least "
            yield name, f"{had}{found['least']:,}: {_PASSED[found['passed']]}"
            continue
        if found["avg"] is None:
            yield name, f"nothing to compare with: {_PASSED[found['passed']]}"
            continue
        spread = "unknown" if found["stdev"] is None else amount(found["stdev"], field)
        gate = "" if found["threshold"] is None else f", gate {amount(found['threshold'], field)}"
        away = "" if found["deviations"] is None else f", {found['deviations']:,.2f} deviations away"
        yield (
            name,
            f"mean {amount(found['avg'], field)}, deviation {spread} of {counted(found['n'], 'day')}{gate}{away}: "
            f"{_PASSED[found['passed']]}",
        )
    if "expected" in compared:
        yield from _expected(compared, field)


def _expected(compared: dict[str, Any], field: str) -> Iterator[tuple[str, str]]:
    if compared["expected"] is not None:
        yield (
            "expected",
            f"{amount(compared['expected'], field)} after {counted(compared['n'], 'day')}, as a {compared['role']} of "
            f"{compared['group']}",
        )
    for channel in compared["channels"]:
        if channel["rate"] is not None:
            passed = "alerts" if channel["alert"] else "does not alert"
            yield (
                channel["channel"],
                f"as rare as {rate(channel['rate'])} in 10,000 clients a day, of {rate(channel['limit'])} allowed: "
                f"{passed}",
            )
    if compared["explained_by"]:
        yield "explained", str(compared["explained_by"])


def _past(told: Explanation) -> str:
    """A bar a day of the window that had traffic, the day itself last; a dot where its value is unknown."""
    top = max((v for _, v in told.past if v is not None), default=None)
    bars = "".join("·" if v is None or top is None else _BARS[min(7, v * 8 // (top + 1))] for _, v in told.past)
    first, last = told.past[0][0], told.past[-1][0]
    span = f"on {last}" if first == last else f"from {first} to {last}"
    known = "of unknown value" if top is None else f"up to {amount(top, told.rule.field)}"
    return f"{bars}  {counted(len(told.past), 'day')} {span}, {known}"
