"""`nilometer evaluate`: the words, files and tables of an evaluation; judging is done in `pipeline.evaluation`.

It reads labelled worlds, built in or given as files, and nothing of a site.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from assets.commands.files import writable, write_text
from assets.commands.options import NamedPath
from assets.reporting import progress, screen
from pipeline.exports import csv_text

if TYPE_CHECKING:
    from pipeline.evaluation.report import Report

_PROCESSES = 2
F = TypeVar("F", bound=Callable[..., Any])
_INPUT = NamedPath()
_OUTPUT = NamedPath(dir_okay=False)


@dataclass(frozen=True)
class _Request:
    """What is to be judged: the files, or else the built-in worlds."""

    daily: Path | None
    labels: Path | None
    explained: float
    worlds: int
    seed: int
    clients: int
    days: int
    thefts: int
    sensitivity: bool
    ablations: bool

    def report(self) -> Report:
        """The figures, after the notes that a reader must know beside them."""
        from pipeline.evaluation.run import coarse

        found, days = self._files() if self.daily else self._built_in()
        for text in coarse(found, days):
            screen.warn(f"note: {text}")
        return found

    def _files(self) -> tuple[Report, int]:
        from pipeline.evaluation.labelled import read_world
        from pipeline.evaluation.run import judge_labelled

        assert self.daily is not None
        assert self.labels is not None
        world = read_world(self.daily, self.labels)
        for note in world.notes:
            screen.warn(f"note: {note}")
        return judge_labelled(world, self.explained, ablations=self.ablations), world.days_judged

    def _built_in(self) -> tuple[Report, int]:
        from pipeline.evaluation.run import base_settings, judge_worlds, tasks

        try:
            base = base_settings(self.clients, self.days, self.thefts)
        except ValueError as error:
            raise click.UsageError(f"{error}.") from None
        seeds = range(self.seed, self.seed + self.worlds)
        work = tasks(seeds, base, self.explained, sensitivity=self.sensitivity, ablations=self.ablations)
        with progress.shown("evaluate"):
            return judge_worlds(work, _PROCESSES, progress.report), self.days - base.warmup_days


@click.command()
@click.option("--daily", type=_INPUT, help="Parquet: day, src_ip, bytes_in, and optionally group, role.")
@click.option("--labels", type=_INPUT, help="Parquet: day, src_ip, attack_id with basket (thefts), cause (lookalikes).")
@click.option(
    "--explained",
    default=0.0,
    show_default=True,
    type=click.FloatRange(0, 1),
    metavar="SHARE",
    help=("Share of the lookalikes that the site knows of."),
)
@click.option("--worlds", default=5, show_default=True, type=click.IntRange(1, 10_000), help="Built-in worlds.")
@click.option("--seed", default=100, show_default=True, type=click.IntRange(0, 2**62), help="Seed of the first world.")
@click.option("--clients", default=3_000, show_default=True, type=click.IntRange(1, 100_000), help="Of a world.")
@click.option("--days", default=75, show_default=True, type=click.IntRange(46, 3_660), help="Of a world.")
@click.option("--thefts", default=5, show_default=True, type=click.IntRange(0, 1_000), help="Of each kind in a world.")
@click.option("--sensitivity", is_flag=True, help="Again at half and double rates of lookalikes.")
@click.option("--ablations", is_flag=True, help="Also the surge method without one of its parts each.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object on one line.")
@click.option("--csv", "csv_file", type=_OUTPUT, help="Also write all figures into this file.")
@click.option("--plot", "plot_file", type=_OUTPUT, help="Also draw recall against false alerts into this SVG file.")
def evaluate(as_json: bool, csv_file: Path | None, plot_file: Path | None, **asked: Any) -> None:
    """Judge the methods on labelled worlds at 1, 5 and 20 false alerts a day per 10,000 active clients.

    Each method's thresholds come from the scores of the 28 days before a day, surge's from 56; labels are never shown
    to it. The first 45 days of a world warm up. seed is the original statistic at a budget, seed_native as it ships,
    with k = 3; its twin is the same statistic, so over the one series of a world it gives the same alerts.
    """
    request = _Request(**asked)
    if (request.daily is None) != (request.labels is None):
        raise click.UsageError("--daily and --labels belong together.")
    if request.daily and request.sensitivity:
        raise click.UsageError("--sensitivity moves the rates of the built-in worlds; files have none.")
    for path in (csv_file, plot_file):
        writable(path)
    found = request.report()
    if csv_file:
        write_text(csv_file, csv_text(found.flat()))
    if plot_file:
        from pipeline.evaluation.plot import svg

        write_text(plot_file, svg(found))
    if as_json:
        screen.json_lines([found.as_dict()])
    else:
        show(found)


def show(found: Report) -> None:
    """Recall and cost by method and budget, then time to detect and precision."""
    baskets = sorted(found.results["basket"].unique())
    cells = {(r["method"], r["budget"], r["basket"]): r for r in found.results.iter_rows(named=True)}
    rows, more = [], []
    for cost in found.false_alerts.iter_rows(named=True):
        key = cost["method"], cost["budget"]
        own = [cells.get((*key, basket)) for basket in baskets]
        name = [cost["method"], "own" if cost["budget"] is None else f"{cost['budget']:g}"]
        realised, within = (_percent(cost[c]) for c in ("realised", "within"))
        rows.append([*name, _rate(cost), realised, within, *map(_recall, own)])
        more.append([*name, *(_delay(row, cost) for row in own)])
    columns = ["method", "budget", "false/day", "of budget", "within 2x", *baskets]
    screen.say("Recall in %, false alerts a day per 10,000 active clients (95 % intervals):")
    screen.table(columns, rows, right=columns[1:])
    if not baskets:
        return
    screen.say("\nWorking days to detect, and precision in % at one theft a week per 10,000 clients:")
    screen.table(["method", "budget", *baskets], more, right=["budget", *baskets])


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share:.0%}"


def _recall(row: dict[str, Any] | None) -> str:
    return f"{100 * row['recall']:.0f} ({100 * row['low']:.0f}-{100 * row['high']:.0f})" if row else "-"


def _rate(cost: dict[str, Any]) -> str:
    return f"{cost['per_day_per_10k']:.1f} ({cost['per_day_low']:.1f}-{cost['per_day_high']:.1f})"


def _delay(row: dict[str, Any] | None, cost: dict[str, Any]) -> str:
    """Without any false alert a precision has but a lower bound: that of as many as could have been missed."""
    if not row or row["days_to_detect"] is None:
        return "-"
    precision, bound = row["precision"], ""
    if precision is None:
        from pipeline.evaluation.report import precision_at

        bound, precision = ">", precision_at(row["recall"], cost["per_day_high"])
    return f"{row['days_to_detect']:.1f} d, {bound}{100 * precision:.2g}"
