"""One alert as a section of a page: what happened, the client's days, what they were compared with, and what to do.

Everything is taken from the stored alert and its rule; a value that is missing, or of another kind than it should be,
is left out or a dash. How the page around it looks is decided in `page`.
"""

from __future__ import annotations

import datetime as dt
import math
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from shlex import quote
from typing import Any

from pipeline.alerts import amount, human
from pipeline.days import day_range
from pipeline.detections.model import Rule
from pipeline.exports.attack import TECHNIQUES
from pipeline.exports.attack import page as attack_page
from pipeline.exports.bars import COLOURS, Line, bars
from pipeline.exports.markup import tag, text
from pipeline.exports.told import Told, objects
from pipeline.wording import counted, rate

Past = Sequence[tuple[dt.date, int | None]]
NOTHING = "-"
_ROWS = "\0"
"""Where the rows of a table go; no markup holds it."""
_FLEET = "num_standard_deviations_away_from_server_average"
_OWN = "num_standard_deviations_away_from_client_average"
_USUAL = {
    "own_p50": "median of its past days",
    "own_max": "largest of its past days",
    "group_p50": "median of its group on the day",
}
_WORDS = {
    "role": "role",
    "group": "group",
    "first_seen": "its first day in the window",
    "last_similar": "its last day with half as much",
    "explained_by": "explained by",
}
_FIRST_OF_UNKNOWN = 30
"""Days before the alert's that are drawn where its rule is no more."""


def sheet(row: Told, rule: Rule | None, past: Past, stored: Collection[dt.date] | None = None) -> str:
    """The section of one alert.

    Args:
        row: of `told_rows`, over rows with the columns of `with_values`.
        rule: its rule as it is now; None where there is none.
        past: the client's days of the window.
        stored: the days of which such days are stored at all; None where that is not known.
    """
    evidence = row["evidence"]
    return tag(
        "section",
        tag("h2", text(row["client"] or NOTHING), " ", tag("small", text(row["day"])), " ", badge(row["severity"])),
        tag("p", text(row["message"]), class_="message"),
        _picture(row, rule, past, stored),
        _part("Compared with", _gates(row, rule), ("", "mean", "deviation", "over", "gate", "deviations away")),
        _part("What was expected", _expected(evidence), None),
        _part("Other ends", _servers(evidence), ("address", "bytes", "flows")),
        _part("Largest flows", _flows(evidence), ("began (UTC)", "other end", "port", "bytes", "log and line")),
        _listed("What to do", rule.runbook if rule else evidence.get("runbook"), "ol"),
        _listed("What it often is instead", rule.known_false_positives if rule else None, "ul"),
        _part("This alert", _identity(row, rule), None),
        id=row["alert_id"],
    )


def badge(severity: str) -> str:
    """A severity, in its colour."""
    return tag("span", text(severity), class_=f"badge {severity}")


def table(rows: Iterable[Sequence[str]], header: Sequence[str] | None) -> str:
    """A table of cells whose markup is ready; without a header the first cell of a row is one."""
    return "".join(table_parts(rows, header))


def table_parts(rows: Iterable[Sequence[str]], header: Sequence[str] | None) -> Iterator[str]:
    """The same in parts, a row at a time; nothing of no rows."""
    head = "" if header is None else tag("thead", tag("tr", *(tag("th", text(h), scope="col") for h in header)))
    before, after = tag("div", tag("table", head, tag("tbody", _ROWS)), class_="scroll").split(_ROWS)
    some = False
    for first, *others in rows:
        name = tag("td", first) if header else tag("th", first, scope="row")
        line = tag("tr", name, *(tag("td", cell) for cell in others))
        yield line if some else before + line
        some = True
    if some:
        yield after


def _part(title: str, rows: Iterable[Sequence[str]], header: Sequence[str] | None) -> str:
    """A table below its title; nothing of no rows."""
    found = table(rows, header)
    return tag("h3", text(title)) + found if found else ""


def _listed(title: str, steps: Any, kind: str) -> str:
    told = [tag("li", text(s)) for s in steps if isinstance(s, str)] if isinstance(steps, list | tuple) else []
    return tag("h3", text(title)) + tag(kind, *told) if told else ""


def _number(value: Any) -> float | None:
    """A number that can be told and drawn."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return value if math.isfinite(value) else None


def _size(value: Any, field: str = "bytes") -> str:
    number = _number(value)
    return NOTHING if number is None else text(amount(number, field))


def _away(value: Any) -> str:
    number = _number(value)
    return NOTHING if number is None else f"{number:,.2f}"


def _others(rule: Rule | None) -> str:
    return "its group" if rule and rule.by_group else "the fleet"


def _references(row: Told, rule: Rule | None) -> Iterator[tuple[str, Told, Any]]:
    """(name, mean and gate, deviations away) of each reference that the rule asks; of surge's alerts none."""
    evidence = row["evidence"]
    for key, name, column, asked in (
        ("client", "its own past", _OWN, rule is None or rule.asks_own),
        ("fleet", _others(rule), _FLEET, rule is None or rule.asks_others),
    ):
        if asked and isinstance(evidence.get(key), dict):
            yield name, evidence[key], row[column]


def _gates(row: Told, rule: Rule | None) -> Iterator[list[str]]:
    field = row["field"]
    for name, told, away in _references(row, rule):
        n = _number(told.get("n"))
        rows = "client-day" if told is row["evidence"].get("fleet") else "day"
        over = NOTHING if n is None else counted(int(n), rows)
        sizes = [_size(told.get(key), field) for key in ("avg", "stdev")]
        yield [text(name), *sizes, over, _size(told.get("threshold"), field), _away(away)]
    if rule and rule.floor:
        yield [text("the rule's floor"), *[NOTHING] * 3, _size(rule.floor, field), NOTHING]


def _expected(evidence: Told) -> Iterator[list[str]]:
    """What the surge method says of its alerts; nothing of others."""
    sizes = {"expected": "expected", "excess": "more than expected", "least_volume": "would still have alerted"}
    channels = objects(evidence, "channels")
    least = [v for c in channels if (v := _number(c.get("least_volume"))) is not None]
    yield from _sizes(evidence | {"least_volume": min(least, default=None)}, sizes)
    for channel in channels:
        chance, limit = (_number(channel.get(k)) for k in ("rate", "limit"))
        if chance is not None and limit is not None:
            words = f"as rare as {rate(chance)} in 10,000 clients a day, of {rate(limit)} allowed"
            yield [text(f"channel {channel.get('channel', '')}"), text(words)]
    yield from _sizes(evidence, _USUAL)
    for key, name in _WORDS.items():
        if isinstance(evidence.get(key), str):
            yield [text(name), text(evidence[key])]


def _sizes(told: Told, names: Mapping[str, str]) -> Iterator[list[str]]:
    """Those of the sizes that are known, under their names."""
    for key, name in names.items():
        if (size := _number(told.get(key))) is not None:
            yield [text(name), text(human(size))]


def _servers(evidence: Told) -> Iterator[list[str]]:
    for server in objects(evidence, "top_servers"):
        flows = _number(server.get("flows"))
        yield [
            text(server.get("ip") or NOTHING),
            _size(server.get("bytes")),
            NOTHING if flows is None else f"{flows:,}",
        ]


def _flows(evidence: Told) -> Iterator[list[str]]:
    for flow in objects(evidence, "top_flows"):
        where = f"{flow.get('source_file') or NOTHING}:{flow.get('source_line') or NOTHING}"
        began = str(flow.get("start") or NOTHING).partition(".")[0].replace("T", " ")
        ends = [text(flow.get(k) or NOTHING) for k in ("server", "port")]
        yield [text(began), *ends, _size(flow.get("bytes")), tag("code", text(where))]


def _identity(row: Told, rule: Rule | None) -> Iterator[list[str]]:
    named = f"{row['rule_title'] or NOTHING} ({row['rule_id'] or NOTHING})"
    yield ["rule", text(named if rule is None else f"{named}, version {rule.version}")]
    yield ["techniques", ", ".join(_technique(t) for t in row["techniques"]) or NOTHING]
    addresses = row["evidence"].get("addresses")
    held = [a for a in addresses if isinstance(a, str)] if isinstance(addresses, list) else []
    if held and held != [row["client"]]:
        yield ["addresses on the day", text(", ".join(held))]
    yield ["the day's data", text(row["quality"] or NOTHING)]
    if row["client"]:
        yield ["down to the line", tag("code", text(f"nilometer explain {quote(row['client'])} {row['day']}"))]
    yield ["id", tag("code", text(row["alert_id"] or NOTHING))]


def _technique(technique: str | None) -> str:
    """A technique with its page; an id that is none is told alone."""
    name = TECHNIQUES.get(technique or "")
    if name is None:
        return text(technique or NOTHING)
    return tag("a", text(f"{technique} {name}"), href=attack_page(str(technique)), rel="noreferrer")


def _picture(row: Told, rule: Rule | None, past: Past, stored: Collection[dt.date] | None) -> str:
    """The client's days, with the limits that the day passed; nothing where no day is known.

    Days that are not stored, as they were pruned, never made or lie before the site's first, are not days without
    traffic. What the client had on the alert's own day is known from the alert.
    """
    if not past:
        return ""
    field, day = row["field"], row["day"]
    first = day - dt.timedelta(days=rule.lookback_days if rule else _FIRST_OF_UNKNOWN)
    lines = [*_limits(row, rule)]
    keys = [
        tag("span", text(f"{line.name}: {amount(line.value, field)}"), style=f"border-color: {COLOURS[i]}")
        for i, line in enumerate(lines)
    ]
    window = day_range(first, day)
    gaps = [d for d in window if stored is not None and d not in stored]
    if day in gaps:
        past = [*past, (day, row["value"])]
        gaps.remove(day)
    words = "its days of the window, the day in flood last"
    if gaps:
        words += f"; of {len(gaps):,} of the {counted(len(window), 'day')} nothing is stored"
    caption = tag("figcaption", tag("b", text(words)), *keys)
    return tag("figure", bars(past, first, day, lines, field, gaps), caption)


def _limits(row: Told, rule: Rule | None) -> Iterator[Line]:
    for name, told, _ in _references(row, rule):
        if (gate := _number(told.get("threshold"))) is not None and gate >= 0:
            yield Line(f"gate of {name}", gate)
    expected = _number(row["evidence"].get("expected"))
    if expected is not None and expected >= 0:
        yield Line("expected", expected)
