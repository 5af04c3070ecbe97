"""Draws the pictures of docs/detection.md from simulated worlds: what a rule compares, what it finds, and at what cost.

Run: python -m benchmarks.pictures docs/images (or `make pictures`). The world and the theft are fixed, so that equal
code draws equal pictures; recall is that of the worlds kept in tests/golden/evaluation.
"""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import sys
from collections.abc import Iterator
from pathlib import Path

import polars as pl

from pipeline.alerts import human
from pipeline.baseline import build_baseline
from pipeline.detections import RuleOverride, load_rules
from pipeline.evaluation.plot import picture
from pipeline.evaluation.run import base_settings
from pipeline.groups import subnets
from pipeline.methods import seed
from pipeline.methods.surge import raw_scores
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.simulate.inject import Injection, inject
from pipeline.simulate.world import World, make_world
from pipeline.site import PROJECT
from pipeline.trials.power import coverage, seed_power, surge_power

RULES = {r.id: r for r in load_rules({"mail_volume_surge": RuleOverride()}, lookback_days=30)}
SEED, SURGE = RULES["hosts_receiving_high_volume_from_email_server"], RULES["mail_volume_surge"]
FIGURES = PROJECT / "tests" / "golden" / "evaluation" / "worlds-5-clients-1500-explained-0.8.json"
SHOWN = ("material", "slow", "nat")
THEFT, TIMES, BEFORE = 20 * 10**9, 8, 14
"""Bytes a day, days it is repeated, and days shown before it."""
LEAST_DAYS = 60
"""The client shown has as many days of the world's 100, and the middle median of those who have."""
_WIDTH, _HEIGHT, _LEFT, _BOTTOM, _TOP = 720, 260, 60, 40, 34


def daily_of(rows: pl.DataFrame) -> pl.DataFrame:
    """A world's rows as DAILY_TRAFFIC of the seed's series."""
    return DAILY_TRAFFIC.conform(rows.select("day", measure=pl.lit(SEED.measure.id), client="src_ip", bytes="bytes_in"))


def judged(daily: pl.DataFrame, day: dt.date) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The day's rows and their baseline."""
    present = daily["day"].unique().to_list()
    past = build_baseline(daily.lazy(), day, [(SEED.measure, 30)], start=min(present), present=present)
    return daily.filter(pl.col("day") == day), past


def power_picture(world: World) -> str:
    """Who would be protected from a theft of each size, in the whole fleet and without its few heavy hosts."""
    rows, last = world.daily, world.daily["day"].max()
    assert isinstance(last, dt.date)
    fleets = {"all hosts": rows, "without gateways and backups": rows.filter(pl.col("role") == "client")}
    frames = [_covered(name, fleet, last) for name, fleet in fleets.items()]
    return picture(pl.concat(frames), "stolen on one day, GB")


def _covered(name: str, rows: pl.DataFrame, day: dt.date) -> pl.DataFrame:
    daily = daily_of(rows)
    clients = rows.select("day", "role", "group", client="src_ip", bytes="bytes_in")
    clients = clients.with_columns(group=pl.coalesce("group", subnets(clients["client"])))
    days = [day - dt.timedelta(days=n) for n in range(SURGE.surge.calibration + 1)]
    found = pl.concat(
        [seed_power(*judged(daily, day), SEED, day), surge_power(raw_scores(clients, days, SURGE.surge), SURGE, day)]
    )
    told = coverage(found).select(
        basket=pl.lit(name),
        method=pl.col("rule_id").replace_strict({SEED.id: "the seed", SURGE.id: "surge, budget 20"}),
        per_day_per_10k=pl.col("theft_bytes") / 1e9,
        recall="protected",
    )
    return told.with_columns(low="recall", high="recall")


def recall_picture() -> str:
    """Recall against false alerts, by class of theft, of the worlds whose figures are kept."""
    figures = json.loads(FIGURES.read_text(encoding="utf-8"))
    results, costs = (pl.DataFrame(figures[k], infer_schema_length=None) for k in ("results", "false_alerts"))
    rows = results.join(costs, on=["method", "budget"], nulls_equal=True)
    return picture(rows.filter(pl.col("basket").is_in(SHOWN)).sort("basket", maintain_order=True))


def repeated_picture(world: World) -> str:
    """A quiet client that is robbed day after day: its volume, both gates of the seed, and the days that alert."""
    daily = daily_of(world.daily.filter(pl.col("role") == "client"))
    sizes = daily.group_by("client").agg(n=pl.len(), median=pl.col("bytes").median()).sort("median", "client")
    usual = sizes.filter(pl.col("n") >= LEAST_DAYS)
    client = usual["client"][usual.height // 2]
    days = daily.filter(pl.col("client") == client)["day"].sort().to_list()[-TIMES - BEFORE :]
    thefts = [Injection(client=client, day=d, size=THEFT) for d in days[BEFORE:]]
    robbed = inject(daily, thefts)
    rows = []
    for day in days:
        today, past = judged(robbed, day)
        score = seed.score(today, past, SEED, day).filter(pl.col("client") == client).row(0, named=True)
        assert score["per_source_stdev_bytes"] is not None
        own = score["per_source_avg_bytes"] + 3 * score["per_source_stdev_bytes"]
        fleet = score["avg_bytes"] + 3 * score["stdev_bytes"]
        rows.append((score["bytes"], own, fleet, score["state"] == "alert"))
    return "\n".join(_bars(rows))


def _bars(rows: list[tuple[int, float, float, bool]]) -> Iterator[str]:
    """Bars on a logarithmic scale, those that alert in red, and a step line a gate."""
    values = [v for row in rows for v in row[:3]]
    low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
    step, floor = (_WIDTH - _LEFT - 10) / len(rows), _HEIGHT - _BOTTOM

    def y(value: float) -> float:
        return floor - (math.log10(value) - low) / (high - low) * (floor - _TOP)

    yield f'<svg xmlns="http://www.w3.org/2000/svg" width="{_WIDTH}" height="{_HEIGHT}" font-family="sans-serif"'
    yield ' font-size="11"><rect width="100%" height="100%" fill="white"/>'
    for power in range(low, high + 1):
        at = y(10.0**power)
        yield f'<line x1="{_LEFT}" x2="{_WIDTH - 10}" y1="{at:.1f}" y2="{at:.1f}" stroke="#dddddd"/>'
        yield f'<text x="{_LEFT - 6}" y="{at + 4:.1f}" text-anchor="end">{human(10**power)}</text>'
    for i, (volume, _, _, alert) in enumerate(rows):
        x, top = _LEFT + i * step, y(volume)
        colour = "#d55e00" if alert else "#999999"
        yield f'<rect x="{x + 3:.1f}" y="{top:.1f}" width="{step - 6:.1f}" height="{floor - top:.1f}" fill="{colour}"/>'
    for column, colour in ((1, "#0072b2"), (2, "#009e73")):
        ends = [(_LEFT + (i + side) * step, y(float(row[column]))) for i, row in enumerate(rows) for side in (0, 1)]
        line = " ".join(f"{x:.1f},{at:.1f}" for x, at in ends)
        yield f'<polyline points="{line}" fill="none" stroke="{colour}" stroke-width="1.5"/>'
    told = (("#999999", "bytes of the day"), ("#d55e00", "alerts"), ("#0072b2", "own gate"), ("#009e73", "fleet gate"))
    for i, (colour, name) in enumerate(told):
        yield f'<rect x="{_LEFT + i * 130}" y="10" width="10" height="8" fill="{colour}"/>'
        yield f'<text x="{_LEFT + i * 130 + 16}" y="18">{name}</text>'
    middle = _LEFT + (_WIDTH - _LEFT) / 2
    what = f"days with traffic; on each of the last {TIMES} another {human(THEFT)} is stolen"
    yield f'<text x="{middle}" y="{_HEIGHT - 14}" text-anchor="middle">{what}</text>'
    yield "</svg>\n"


def main(folder: Path) -> None:
    """Write the pictures."""
    world = make_world(base_settings(1_500, 100, thefts=0))
    folder.mkdir(parents=True, exist_ok=True)
    pictures = {"power": power_picture(world), "repeated": repeated_picture(world), "recall": recall_picture()}
    for name, text in pictures.items():
        (folder / f"{name}.svg").write_text(text, encoding="utf-8")
        sys.stdout.write(f"{folder / name}.svg\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description="Draw the pictures of docs/detection.md.")
    parser.add_argument("folder", type=Path, help="where the pictures are written; it is made")
    main(parser.parse_args().folder)
