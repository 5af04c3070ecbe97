"""`nilometer simulate`: a labelled world written into a folder, and the words about it.

Worlds are made in `pipeline.simulate`; nothing here is used on real data.
"""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from shlex import quote

from assets.commands.files import refuse_strange
from assets.reporting import screen
from pipeline.days import today
from pipeline.simulate.settings import WorldSettings
from pipeline.simulate.world import make_world
from pipeline.simulate.world_site import CONTEXT_FOLDER, SETTINGS_FILE, write_context, write_logs, write_tables
from pipeline.whole import discard
from pipeline.wording import counted


def write_world(folder: Path, settings: WorldSettings, logs: str | None) -> None:
    """Make a world and write its tables, and logs of one format with a site to run them.

    Raises:
        ConfigError: the folder holds something else than a world.
    """
    _clear(folder)
    world = make_world(settings)
    for name, rows in write_tables(world, folder).items():
        screen.say(f"{folder / name}.parquet  {counted(rows, 'row')}")
    _tell_missing(settings, world.thefts.height)
    if logs:
        write_context(world, folder)
        lines = write_logs(world.daily, folder, logs, seed=settings.seed, start=settings.start)
        screen.say(f"{folder / 'logs'}  {counted(lines, 'record')} of {logs}")
        screen.say(_how_to_run(folder, settings.start, world.calendar["day"][-1]))


def _how_to_run(folder: Path, first: dt.date, last: dt.date) -> str:
    """The command for the days that have ended: no other day is run."""
    ended = today("UTC") - dt.timedelta(days=1)
    if first > ended:
        return f"None of these days has ended (UTC), so none can be run: choose a --start up to {ended}."
    late = "" if last <= ended else f"  (no day after {ended} has ended)"
    return f"Run them: nilometer --site {quote(str(folder))} run --from {first} --to {min(last, ended)}{late}"


def _tell_missing(settings: WorldSettings, planted: int) -> None:
    """Thefts that were asked for and have no place: nobody is robbed twice, and nobody while the world warms up."""
    asked = sum(attack.count for attack in settings.attacks)
    if asked and not planted:
        screen.warn(f"No theft is planted: the first {settings.warmup_days} days stay without, make more --days.")
    elif planted < asked:
        screen.warn(
            f"{planted:,} of {asked:,} thefts are planted: {counted(settings.clients, 'client')} and "
            f"{counted(settings.days - settings.warmup_days, 'day')} after the warm-up have no room for more."
        )


def _clear(folder: Path) -> None:
    """Make room for a world: an earlier one is replaced with all that was made of it, anything else is refused."""
    refuse_strange(folder, SETTINGS_FILE, "world")
    from assets.processes.instances import HOME

    for old in ("logs", "data", CONTEXT_FOLDER, HOME):
        discard(folder / old)
