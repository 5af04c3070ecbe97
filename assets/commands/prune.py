"""`nilometer prune`: what the site's retention would delete, and its deletion when that is confirmed.

What goes and what must stay is decided in `pipeline.stored.prune` and `assets.processes.history`; here it is only asked
for and shown.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from pathlib import Path

import click

from assets.reporting import progress, screen
from pipeline.errors import ConfigError
from pipeline.site import Site, open_site
from pipeline.stored.now import last_ended_day, open_landing


@click.command()
@click.option("--yes", is_flag=True, help="Delete it; otherwise it is only listed.")
@click.option("--clock-is-right", is_flag=True, help="Delete although no flow is newer than a month.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a table, and one for Dagster's runs.")
@click.pass_obj
def prune(folder: Path, yes: bool, clock_is_right: bool, as_json: bool) -> None:
    """List what is older than its retention in nilometer.yaml; with --yes, delete it."""
    from data_quality.results import day_quality
    from pipeline.locks import site_lock
    from pipeline.stored.prune import carry_out, check_clock, plan

    site = open_site(folder)
    retention = site.settings.retention
    if not retention.model_dump(exclude_none=True):
        raise ConfigError("no retention is set, so everything is kept.", remedy="Example: retention: {flows: 90d}.")
    today = last_ended_day(site) + dt.timedelta(days=1)
    with site_lock(site.storage, wait=False):
        landing = open_landing(site)
        if yes and not clock_is_right:
            check_clock(site, today)
        wanted = plan(site, landing, today)
        if yes:
            with progress.shown("prune"):
                carry_out(site, landing, wanted, today, day_quality, progress.report)
    rows = [p.as_dict() for p in wanted.piles]
    if retention.runs is not None:
        rows.append(_prune_runs(site, retention.runs, yes=yes))
    _show(rows, yes=yes, as_json=as_json)


def _prune_runs(site: Site, keep_days: int, *, yes: bool) -> dict[str, object]:
    """What would go of Dagster's runs, or went; only this part needs Dagster."""
    from assets.processes import alive, history
    from assets.processes.instances import home, is_shared, open_instance

    before = dt.datetime.now(dt.UTC) - dt.timedelta(days=keep_days)
    with open_instance(site) as instance:
        past = history.look(instance, before, keep_days, lambda run: not is_shared() or alive.is_of(site, run))
        if yes:
            with progress.shown("prune"):
                history.forget(instance, past, progress.report)
    if yes:
        history.shrink(home(site))
    return past.as_dict()


def _show(rows: Sequence[Mapping[str, object]], *, yes: bool, as_json: bool) -> None:
    if as_json:
        screen.json_lines({**r, "deleted": yes} for r in rows)
        return
    columns = ["table", "keep_days", "days", "first", "last", "files", "bytes"]
    shown = [[f"{v:,}" if isinstance(v := r[c], int) else (v or "-") for c in columns] for r in rows]
    screen.table(columns, shown, right=["keep_days", "days", "files", "bytes"])
    for row in rows:
        stays = row["stays"]
        assert isinstance(stays, dict)
        for reason, days in stays.items():
            screen.warn(f"{row['table']}: {days:,} older ones stay: {reason}.")
    screen.warn("Deleted." if yes else "Nothing was deleted. To delete it: nilometer prune --yes")
