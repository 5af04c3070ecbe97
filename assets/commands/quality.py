"""`nilometer quality`: what the checks of a day found, and the acceptance of an unverified day by a person.

Results are made by the checks and kept; nothing is judged here. How a day stands is put in words by
`data_quality.standing`.
"""

from __future__ import annotations

import datetime as dt
import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import polars as pl

from assets.commands.options import Day, asked_days, day_options
from assets.reporting import screen
from pipeline.site import Site, open_site
from pipeline.stored.now import ended, how_to_make
from pipeline.stored.pruned import kept_quality

_COLUMNS = ("day", "table", "check", "expectation", "result", "severity", "observed", "limit", "meaning", "remedy")


@click.group(invoke_without_command=True)
@day_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object an expectation of a check.")
@click.option("--failed", is_flag=True, help="Only expectations that failed.")
@click.pass_context
def quality(
    ctx: click.Context, day: dt.date | None, first: dt.date | None, last: dt.date | None, as_json: bool, failed: bool
) -> None:
    """Show the results of the data-quality checks; without a choice, of the last day made."""
    if ctx.invoked_subcommand is not None:
        return
    site = open_site(ctx.obj)
    stored = ended(site, "flows")
    end = stored[-1] if stored else site.settings.start_date
    print_quality(site, asked_days(day, first, last, (end, end)), as_json=as_json, failed=failed)


def print_quality(site: Site, days: Sequence[dt.date], *, as_json: bool, failed: bool) -> None:
    """Every expectation of every check of the days, or those that failed; and how each day stands."""
    from data_quality.results import results_of

    found = pl.concat([results_of(site, d) for d in days]).sort("day", "table", "check", "expectation")
    ran = set(found["day"].to_list())
    found = found.filter(~pl.col("passed")) if failed else found
    if as_json:
        screen.json_lines({**row, "day": row["day"].isoformat()} for row in found.iter_rows(named=True))
        screen.warn_days({d: _untold(site, d) for d in days if d not in ran})
        return
    meanings = _meanings(site)
    if not ran:
        gone = any(kept_quality(site, d) is not None for d in days)
        screen.say("No result of these days is kept." if gone else "No check has run for these days.")
    elif found.is_empty():
        screen.say("No expectation failed.")
    else:
        screen.table(_COLUMNS, [_cells(row, meanings) for row in found.iter_rows(named=True)])
    _say_standing(site, days)


def _untold(site: Site, day: dt.date) -> str:
    """Why no result of a day is kept."""
    if kept_quality(site, day) is not None:
        return "the results of its checks were pruned; the day's quality is kept"
    return f"no check has run; {how_to_make(site, day)}"


def _cells(row: dict[str, Any], meanings: dict[tuple[str, str], str]) -> list[object]:
    passed = row["passed"]
    meaning = meanings.get((row["check"], row["expectation"]), "")
    shown = {
        **row,
        "result": "ok" if passed else "FAILED",
        "meaning": meaning,
        "remedy": "" if passed else row["remedy"],
    }
    return [screen.one_line(shown[c]) for c in _COLUMNS]


def _meanings(site: Site) -> dict[tuple[str, str], str]:
    """What each expectation is about: its own words, else those of its check."""
    from data_quality.specs import specs_of

    return {
        (s.name, e["kwargs"]["column"]): e["meta"].get("meaning", s.description)
        for s in specs_of(site)
        for e in s.expectations
    }


def _say_standing(site: Site, days: Sequence[dt.date]) -> None:
    from data_quality.results import day_quality
    from data_quality.standing import reason

    pruned = set(site.storage.pruned_days("flows"))
    for day in days:
        if not site.storage.has("flows", day) and not site.storage.failure(day) and day not in pruned:
            screen.say(f"{day}: never made; {how_to_make(site, day)}")
            continue
        state = day_quality(site, day)
        why = reason(site, day, state)
        screen.say(f"{day}: {state}{': ' + why if why else ''}")


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # A user id without a name, as in containers.
        return "unknown"


@quality.command()
@click.argument("day", type=Day())
@click.option("--reason", "why", default="", help="Why the day may count as it is; kept, and shown with it.")
@click.option("--by", default=_user, help="Who says so; default: the user that runs this.")
@click.option("--withdraw", "back", is_flag=True, help="Take the acceptance of the day back.")
@click.pass_obj
def accept(folder: Path, day: dt.date, why: str, by: str, back: bool) -> None:
    """Accept an unverified DAY: it counts as fit until its flows or its failures change. Nothing is hidden."""
    from data_quality import standing

    if not back and not why.strip():
        raise click.UsageError("give the --reason for which the day may count.")
    act = standing.withdraw if back else standing.accept
    why = screen.one_line(why.strip()) or "no reason given"
    event = act(open_site(folder), day, screen.one_line(by.strip()), why, dt.datetime.now(dt.UTC))
    screen.say(f"{day}: {event.words}")
    screen.say(f"{'Covered' if back else 'Covers'}: {', '.join(event.failures)}")
    screen.say("Its alerts, and windows that hold it, follow with: nilometer run --stale")
