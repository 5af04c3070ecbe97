"""A small company for tests of the checks: two sensors, two mail servers, four whole weeks and the day that is judged.

Twenty clients read mail from morning to evening on working days; on weekends the sensors see other traffic alone. The
last day may be broken before it is made.
"""

from __future__ import annotations

import datetime as dt
import json
import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from data_quality.checks import run_all
from data_quality.specs import check_specs
from pipeline.days import day_range
from pipeline.intake.landing import Landing
from pipeline.site import Site, open_site
from pipeline.stored.stages import make_baseline, make_daily, make_flows, make_scores, publish_alerts
from tests.worlds import FIRST, record

SERVERS = ("192.0.2.10", "192.0.2.11")
SENSORS = {"core": range(1, 13), "edge": range(13, 21)}
"""The clients that each sensor sees."""
LAST = FIRST + dt.timedelta(days=28)
CONFIG = f"""timezone: UTC
start_date: {FIRST}
sources:
  - {{name: core, path: "logs/core/{{day}}/*.log*"}}
  - {{name: edge, path: "logs/edge/{{day}}/*.log*"}}
inventory:
  - {{address: 192.0.2.10, category: email_server, name: mx1}}
  - {{address: 192.0.2.11, category: email_server, name: mx2}}
"""
Record = dict[str, Any]


def log(folder: Path, sensor: str, day: dt.date = LAST) -> Path:
    """A sensor's log of a day."""
    return folder / "logs" / sensor / day.isoformat() / "conn.log"


def records(sensor: str, day: dt.date) -> list[Record]:
    """What a sensor logs of a day: mail of its clients, and something else at midnight and noon."""
    draw = random.Random(f"{sensor}/{day}")
    found = []
    for client in SENSORS[sensor] if day.weekday() < 5 else ():
        if draw.random() < 0.05:
            continue
        for session in range(draw.randint(6, 12)):
            hour = min(18, max(8, int(draw.gauss(11 if draw.random() < 0.6 else 15, 1))))
            when = dt.datetime.combine(day, dt.time(hour, draw.randrange(60), draw.randrange(60)), dt.UTC)
            uid, size = f"C{sensor}{day}{client}s{session}", int(draw.lognormvariate(11, 0.7))
            found.append(record(when, f"10.0.0.{client}", size, uid, server=draw.choice(SERVERS)))
    for hour in (0, 12):
        when = dt.datetime.combine(day, dt.time(hour, 30), dt.UTC)
        found.append(record(when, "10.0.0.99", 5_000, f"W{sensor}{day}{hour}", server="198.51.100.80"))
    return [json.loads(line) for line in found]


def record_of(client: str, received: int, server: str) -> str:
    """One session at noon of the last day."""
    noon = dt.datetime.combine(LAST, dt.time(12), dt.UTC)
    return record(noon, client, received, f"X{client}", server=server)


def write(path: Path, rows: Iterable[Record]) -> None:
    """A log of these records."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(r) + "\n" for r in rows), encoding="utf-8")


def write_day(folder: Path, day: dt.date = LAST) -> None:
    """The logs of a day."""
    for sensor in SENSORS:
        write(log(folder, sensor, day), records(sensor, day))


def company(folder: Path) -> Site:
    """The site with all days but the last, logged and made."""
    days = day_range(FIRST, LAST)[:-1]
    for day in days:
        write_day(folder, day)
    (folder / "nilometer.yaml").write_text(CONFIG, encoding="utf-8")
    site = open_site(folder)
    make(site, days)
    failing(site, days[-1])  # Keeps the counts of the days before, once for all tests.
    return site


def make(site: Site, days: list[dt.date]) -> None:
    """All tables of the days, without Dagster."""
    landing = Landing(site.root, site.storage.root, site.settings, dt.datetime(2026, 11, 20, tzinfo=dt.UTC))
    landing.land(days)
    for stage in (lambda d: make_flows(site, landing, d), lambda d: make_daily(site, d)):
        for day in days:
            stage(day)
    for day in days:
        make_baseline(site, day)
        make_scores(site, day)
        publish_alerts(site, day, "verified")


def failing(site: Site, day: dt.date = LAST) -> dict[str, dict[str, Any]]:
    """Every expectation that fails on a day, as check.expectation, with its result."""
    found = run_all(check_specs(), site, [day])
    return {
        f"{name}.{o['expectation']}": o for name, days in found.items() for o in days[day].outcomes if not o["passed"]
    }


def rewrite(site: Site, sensors: Iterable[str], change: Callable[[Record], Record | None]) -> None:
    """Change or drop each record of mail on the last day."""
    for sensor in sensors:
        rows = [r if r["id.resp_h"] not in SERVERS else change(r) for r in records(sensor, LAST)]
        write(log(site.root, sensor), [r for r in rows if r is not None])
