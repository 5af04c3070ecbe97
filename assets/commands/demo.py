"""The demo: a site of simulated logs, the whole backfill, and its alert as the stored tables have it.

The company and its theft are made in `pipeline.simulate`; the alert is found, not known beforehand.
"""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path
from shlex import quote

import polars as pl

from assets.commands import views
from assets.processes.instances import ENV_HOME, HOME
from assets.reporting import screen
from assets.runner import RunReport, run_days
from pipeline.alerts import human
from pipeline.days import day_range
from pipeline.disk import exists
from pipeline.errors import ConfigError, Location
from pipeline.schemas import ALERTS
from pipeline.settings import CONFIG_NAME
from pipeline.simulate.company import Company
from pipeline.simulate.site import LOGS, MARK, config_text, write_demo_site
from pipeline.site import Site, open_site
from pipeline.whole import discard, holds_any
from pipeline.wording import counted

PROGRAM = "nilometer"


def run_demo(folder: Path, company: Company) -> RunReport:
    """Make the site, run it and print what the tables hold; its runs are recorded in the demo's own folder."""
    os.environ.pop(ENV_HOME, None)
    _prepare(folder, company)
    site = open_site(folder)
    days = day_range(company.first_day, company.last_day)
    report = run_days(site, days)
    alerts = site.storage.scan(ALERTS, days).collect()
    _tell(site, company, alerts)
    return report


def _prepare(folder: Path, company: Company) -> None:
    """Write the logs, unless the very same company's are there; another demo is replaced, a real site refused."""
    config = folder / CONFIG_NAME
    if exists(config):
        text = config.read_text(encoding="utf-8")
        if not text.startswith(MARK):
            raise ConfigError(
                "this is a site, and no demo.", where=Location(file=str(config)), remedy="Choose another folder."
            )
        if text == config_text(company) and holds_any(folder / LOGS):
            return
        for old in (LOGS, "data", HOME):
            discard(folder / old)
    elif holds_any(folder):
        raise ConfigError(
            "this folder is not empty.", where=Location(file=str(folder)), remedy="Choose another folder."
        )
    screen.warn(f"simulating {counted(company.days, 'day')} of {counted(company.clients, 'client')} ...")
    folder.mkdir(parents=True, exist_ok=True)
    made = write_demo_site(folder, company)
    screen.warn(f"{made.lines:,} connections written to {folder / LOGS}")


def _tell(site: Site, company: Company, alerts: pl.DataFrame) -> None:
    screen.say("")
    views.show_alerts(alerts, rules=site.rules)
    planted = human(company.theft_bytes) if company.theft_bytes else "nothing"
    screen.say("")
    read = f"Read from the stored table alerts of {counted(company.days, 'day')}."
    screen.say(f"Planted on {company.last_day}: {planted}. {read}")
    for message in alerts["message"].to_list():
        screen.say(message)
    screen.say(f"See it in the Dagster UI:  {quote(_program())} --site {quote(_from_here(site.root))} ui")


def _program() -> str:
    """The word that calls this program here: its path, unless the shell finds it by its name."""
    beside = Path(sys.executable).with_name(PROGRAM)
    found = shutil.which(PROGRAM)
    return PROGRAM if not exists(beside) or (found and Path(found).samefile(beside)) else _from_here(beside)


def _from_here(path: Path) -> str:
    return str(path.relative_to(Path.cwd()) if path.is_relative_to(Path.cwd()) else path)
