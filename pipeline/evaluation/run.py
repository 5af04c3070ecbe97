"""Evaluations put together: which worlds, which methods, how much of the context is known, and over how many processes.

Built-in worlds are named by their seeds, so equal requests give equal figures, however many processes share the work.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import polars as pl

from pipeline.evaluation.context import offered
from pipeline.evaluation.detectors import Detector, native_seed, scored
from pipeline.evaluation.grid import CALIBRATION_DAYS
from pipeline.evaluation.judge import BUDGETS, judge
from pipeline.evaluation.labelled import WARMUP_DAYS, LabelledWorld, make_labelled
from pipeline.evaluation.notes import coarseness, muteness
from pipeline.evaluation.report import Report, report
from pipeline.evaluation.scores import METHODS
from pipeline.evaluation.surge import ablated, surge
from pipeline.processes import worker_pool
from pipeline.simulate.settings import WorldSettings, default_attacks
from pipeline.simulate.world import make_world

LOOKALIKE_RATES = (
    "leave_per_year",
    "resync_per_year",
    "re_enrolment_per_year",
    "onboarding_per_year",
    "migration_waves_per_year",
    "attachments_per_day",
    "org_mailing_per_day",
    "group_mailing_per_day",
    "sensor_gap_per_day",
    "dhcp_per_day",
    "export_per_day",
)
"""The assumed rates of benign lookalikes; all of them are moved together to see what hangs on them."""
FACTORS = (0.5, 2.0)
Judged = tuple[pl.DataFrame, pl.DataFrame]
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class Task:
    """One built-in world to judge: its settings, the share of known events, and what to add to the methods' names."""

    settings: WorldSettings
    explained: float = 0.0
    suffix: str = ""
    ablations: bool = False


def tasks(
    seeds: Sequence[int], base: WorldSettings, explained: float, *, sensitivity: bool = False, ablations: bool = False
) -> list[Task]:
    """The worlds of a request; with sensitivity, each again at half and double rates of lookalikes."""
    plain = [replace(base, seed=s) for s in seeds]
    found = [Task(w, explained, ablations=ablations) for w in plain]
    for factor in FACTORS if sensitivity else ():
        found += [Task(scaled(w, factor), explained, f", lookalikes x{factor:g}") for w in plain]
    return found


def scaled(settings: WorldSettings, factor: float) -> WorldSettings:
    """The same world with other rates of lookalikes."""
    rates = {name: getattr(settings, name) * factor for name in LOOKALIKE_RATES}
    return replace(settings, **{n: min(r, 1.0) if n.endswith("_per_day") else r for n, r in rates.items()})


def judge_worlds(work: Sequence[Task], processes: int, progress: Progress | None = None) -> Report:
    """The figures of built-in worlds."""
    done: list[Judged] = []
    for judged in _each(work, min(processes, len(work))):
        done.append(judged)
        if progress:
            progress("worlds", len(done), len(work))
    return report([f for f, _ in done], [c for _, c in done])


def judge_labelled(world: LabelledWorld, explained: float, *, ablations: bool = False) -> Report:
    """The figures of one labelled world."""
    found, cost = _judge(world, explained, all_detectors(ablations=ablations))
    return report([found], [cost])


def coarse(found: Report, days: int) -> list[str]:
    """Sentences where worlds of so many days judged are too small for the smallest budgets."""
    cost = found.false_alerts.row(0, named=True)
    size = cost["client_days"], days * cost["worlds"]
    told = coarseness(*size, CALIBRATION_DAYS, min(BUDGETS)), muteness(*size, BUDGETS)
    return [text for text in told if text]


def _each(work: Sequence[Task], processes: int) -> Iterator[Judged]:
    """In the order of the work."""
    if processes <= 1:
        yield from map(_task, work)
        return
    with worker_pool(processes) as pool:
        yield from pool.map(_task, work)


def _task(task: Task) -> Judged:
    made = make_world(task.settings)
    world = make_labelled(made.daily, made.labels, events=made.events)
    found, cost = _judge(world, task.explained, all_detectors(ablations=task.ablations))
    named = pl.col("method") + pl.lit(task.suffix)
    return found.with_columns(named), cost.with_columns(named)


def _judge(world: LabelledWorld, explained: float, detectors: Sequence[Detector]) -> Judged:
    context = offered(world, explained)
    judged = [judge(world, detector, context, BUDGETS) for detector in detectors]
    return pl.concat([f for f, _ in judged]), pl.concat([c for _, c in judged])


def all_detectors(*, ablations: bool = False) -> tuple[Detector, ...]:
    """The default method, the seed at a budget and as it ships, the baselines; and the method without its parts."""
    baselines = (scored(m) for m in METHODS if m != "seed")
    return (surge(), scored("seed"), native_seed(), *baselines, *(ablated() if ablations else ()))


def base_settings(clients: int, days: int, thefts: int = 5) -> WorldSettings:
    """Built-in worlds of a size, with so many thefts of each kind; raises ValueError for sizes that no world has."""
    return WorldSettings(clients=clients, days=days, warmup_days=WARMUP_DAYS, attacks=default_attacks(thefts))
