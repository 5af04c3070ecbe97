"""`nilometer inject`: thefts planted into a copy of a site's own days, written as a world that `evaluate` judges.

The planting is done in `pipeline.trials.own_world`; nothing that is stored is changed.
"""

from __future__ import annotations

import datetime as dt
import json
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

import click
import polars as pl

from assets.commands.files import refuse_strange
from assets.commands.options import Day, NamedPath, asked_days
from assets.reporting import screen
from pipeline.errors import ConfigError, Location
from pipeline.site import Site, open_site
from pipeline.stored.now import ended, nothing_scored
from pipeline.whole import write_frames
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.detections import Rule
    from pipeline.simulate.settings import Attack
    from pipeline.trials.own_world import OwnWorld

_MARK = "injected.json"
"""A folder with it holds an earlier injection and may be replaced by another."""
_TABLES = ("daily", "labels", "thefts")
_DAYS = 75
_CROWDED = 0.2
"""Where a larger share of the clients is robbed, each theft is judged in the company of the others."""
_SURGE = "mail_volume_surge"


@click.command()
@click.argument("folder", type=NamedPath(file_okay=False))
@click.option("--from", "first", type=Day(), help=f"First day; default: {_DAYS - 1} days before the last.")
@click.option("--to", "last", type=Day(), help="Last day; default: the last one that is stored.")
@click.option("--thefts", default=5, show_default=True, type=click.IntRange(0, 1_000), help="Thefts of each size.")
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**62), help="Names who is robbed, and when."
)
@click.pass_obj
def inject(site: Path, folder: Path, first: dt.date | None, last: dt.date | None, thefts: int, seed: int) -> None:
    """Plant thefts into a copy of the site's own days, and write it into FOLDER for `nilometer evaluate`.

    Thefts are those of simulated worlds, after the first 45 days. Client-days that the site's known events explain are
    labelled by their cause. Whatever else alerts there counts as false, a true theft of the past, too. Nothing
    stored is changed.
    """
    from pipeline.context.load import load_context
    from pipeline.simulate.settings import default_attacks
    from pipeline.trials.own_world import days_off, own_rows, own_world

    opened = open_site(site)
    days = _days(opened, first, last)
    refuse_strange(folder, _MARK, "injection")
    context = load_context(opened.root, opened.settings.context)
    attacks = default_attacks(thefts)
    rows = own_rows(opened, _rule(opened), days, context)
    world = own_world(rows, days_off(days, context), attacks, seed)
    _write(world, folder, {"first": str(days[0]), "last": str(days[-1]), "thefts": thefts, "seed": seed})
    _tell(world, folder, attacks)


def _days(site: Site, first: dt.date | None, last: dt.date | None) -> list[dt.date]:
    """The stored ones of the days asked for."""
    stored = ended(site, "daily_traffic")
    if not stored:
        raise nothing_scored(site)
    until = last or max(first or stored[-1], stored[-1])
    days = asked_days(None, first, last, (max(stored[0], until - dt.timedelta(days=_DAYS - 1)), until))
    there = sorted(set(days) & set(stored))
    if not there:
        raise ConfigError(
            f"no day from {days[0]} to {days[-1]} is stored.", remedy=f"Stored are {stored[0]} to {stored[-1]}."
        )
    if missing := len(days) - len(there):
        screen.warn(f"note: {missing} of {counted(len(days), 'day')} are not stored, and left out.")
    return there


def _rule(site: Site) -> Rule:
    """The site's first rule of the method, or the built-in one: it says which volume."""
    from pipeline.detections import RuleOverride, load_rules

    built_in = load_rules({_SURGE: RuleOverride()}, lookback_days=site.settings.lookback_days)
    return next(iter(site.rules_of("surge") or [r for r in built_in if r.method == "surge"]))


def _write(world: OwnWorld, folder: Path, made_of: dict[str, object]) -> None:
    frames: dict[str, pl.DataFrame] = {name: getattr(world, name) for name in _TABLES}
    try:
        write_frames(frames, folder, {_MARK: json.dumps(made_of, indent=1) + "\n"})
    except OSError as error:
        raise ConfigError(
            f"{error.strerror}.", where=Location(file=str(folder)), remedy="Name a folder that can be written."
        ) from error
    for name, frame in frames.items():
        screen.say(f"{folder / name}.parquet  {counted(frame.height, 'row')}")


def _tell(world: OwnWorld, folder: Path, attacks: Sequence[Attack]) -> None:
    planted = Counter(dict(world.thefts.group_by("basket").len().sort("basket").iter_rows()))
    asked = Counter[str]()
    for attack in attacks:
        asked[attack.basket] += attack.count
    if planted:
        screen.say(f"Planted: {_listed(planted)}")
    if lacking := asked - planted:
        screen.warn(
            f"No room for {_listed(lacking)}: nobody is robbed twice, nat takes addresses of that role, multi groups "
            "of five clients, and weekend a day off with traffic."
        )
    stolen = world.labels.drop_nulls("attack_id")
    robbed, clients = stolen["src_ip"].n_unique(), world.daily["src_ip"].n_unique()
    if robbed > _CROWDED * clients:
        screen.warn(
            f"note: {robbed:,} of {counted(clients, 'client')} are robbed. Where more than a fifth are, thefts hide "
            "each other, and less is found than alone: take fewer --thefts, and inject again with other --seed."
        )
    daily, labels = (quote(str(folder / f"{name}.parquet")) for name in ("daily", "labels"))
    screen.say(f"Judge the methods on them: nilometer evaluate --daily {daily} --labels {labels}")


def _listed(counts: Counter[str]) -> str:
    return ", ".join(f"{n} {basket}" for basket, n in sorted(counts.items()))
