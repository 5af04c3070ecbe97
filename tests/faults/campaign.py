"""The kill campaign: at every write point and phase a process is killed, the same command runs again, and all is equal.

Two stories are told: a first run over days one of which is unreadable, and a second one after that log was mended and
another grew. What an undisturbed run stores is the measure, byte for byte.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import signal
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.children import Nursery, wait_for
from tests.faults.killing import PHASES, REMOVED
from tests.worlds import day, log_path, make_site, record

DAYS = [day(n) for n in range(3)]
BROKEN = b"\x1f\x8b\x08\x00 this is no gzip"
CLOCKS = ("first_seen", "known_at", "changed_ns")
"""What the ledgers of files and of verdicts hold of the time of day."""
THIN_OUT = {"quality": 3, "pruned removed": 4}
"""Every so many writes of such a point are tried, as it has so many alike."""


@dataclass
class Tally:
    """What a campaign came to."""

    kills: Counter[tuple[str, str]] = field(default_factory=Counter)
    by: Counter[str] = field(default_factory=Counter)
    reads: int = 0
    faults: list[str] = field(default_factory=list)
    misses: list[str] = field(default_factory=list)

    def table(self) -> str:
        """The kills as lines: points down, phases across."""
        points = sorted({p for p, _ in self.kills})
        rows = [f"{'write point':<18}" + "".join(f"{p:>9}" for p in PHASES)]
        rows += [f"{p:<18}" + "".join(f"{self.kills[p, f]:>9}" for f in PHASES) for p in points]
        by = ", ".join(f"{n} of the {name}" for name, n in sorted(self.by.items()))
        end = f"{self.kills.total()} kills ({by}); {self.reads:,} reads of stored files while they happened"
        return "\n".join([*rows, f"{end}; {len(self.faults)} faults."])


@dataclass
class Story:
    """A site before a run, what the run stores when nobody disturbs it, and the write points on the way."""

    name: str
    before: Path
    after: dict[str, bytes]
    points: dict[str, dict[str, int]]
    """Writes of each point, by the way the run is made: a command notes its landing twice."""
    known: dict[str, list[str]]

    def kills(self, by: str) -> Iterator[tuple[str, int, str]]:
        """Every (point, number of its write, phase) that is tried."""
        for point, count in sorted(self.points[by].items()):
            phases = ("before", "renamed") if point.endswith(REMOVED) else PHASES
            for number in range(1, count + 1, THIN_OUT.get(point, 1)):
                yield from ((point, number, phase) for phase in phases)


def stored(site: Path) -> dict[str, bytes]:
    """Every stored file by name; of the ledgers all but when something was first seen or known."""
    found = {}
    for path in sorted((site / "data").rglob("*")):
        if path.is_file() and path.suffix != ".lock":
            data = path.read_bytes()
            if path.suffix == ".jsonl":
                lines = [json.loads(line) for line in data.splitlines()]
                data = json.dumps([{k: v for k, v in line.items() if k not in CLOCKS} for line in lines]).encode()
            found[str(path.relative_to(site / "data"))] = data
    return found


def first_world(folder: Path) -> Path:
    """Three days of logs: one with a faulty line, one unreadable, one with a theft."""
    site = make_site(folder, len(DAYS)).root
    with log_path(site, DAYS[0]).open("a", encoding="utf-8") as log:
        log.write("no record at all\n")
    log_path(site, DAYS[1]).write_bytes(BROKEN)
    return site


def second_world(first: Path, folder: Path) -> Path:
    """The first world after its run, with the unreadable log mended and another one grown."""
    site = Path(shutil.copytree(first, folder))
    noon = dt.datetime.combine(DAYS[1], dt.time(12), dt.UTC)
    log_path(site, DAYS[1]).write_text(record(noon, "10.0.0.1", 900, "late"), encoding="utf-8")
    noon = dt.datetime.combine(DAYS[0], dt.time(13), dt.UTC)
    with log_path(site, DAYS[0]).open("a", encoding="utf-8") as log:
        log.write(record(noon, "10.0.0.3", 77, "grown"))
    return site


def stories(nursery: Nursery, folder: Path) -> list[Story]:
    """The stories with what undisturbed runs store; the command's tables must be those of its stages alone."""
    found, before = [], first_world(folder / "first")
    for name in ("first", "second"):
        ends, points = {}, {}
        for by in ("stages", "command"):
            site, seen = Path(shutil.copytree(before, folder / f"{name}-{by}")), folder / f"{name}-{by}.json"
            assert nursery.run(do="run", parts=[part(site, by, points=str(seen))]) == 0, nursery.log.read_text()
            ends[by], points[by] = stored(site), json.loads(seen.read_text(encoding="utf-8"))
        apart = {k for k in {*ends["stages"], *ends["command"]} if ends["stages"].get(k) != ends["command"].get(k)}
        assert not apart, apart
        known = fingerprints(before) + fingerprints(site)
        by_day: dict[str, list[str]] = {}
        for key, fingerprint in known:
            by_day.setdefault(key, []).append(fingerprint)
        found.append(Story(name, before, ends["stages"], points, by_day))
        if name == "first":
            before = second_world(site, folder / "second")
    return found


def fingerprints(site: Path) -> list[tuple[str, str]]:
    """(table/day, fingerprint) of every stored day."""
    from pipeline.storage import read_footer

    footers = [read_footer(p) for p in (site / "data").glob("*/day=*/part.parquet")]
    return [(f"{f['table']}/{f['day']}", f["fingerprint"]) for f in footers]


def part(site: Path, by: str, **more: Any) -> dict[str, Any]:
    """A run of all days, as a child does it."""
    return {"site": str(site), "days": [d.isoformat() for d in DAYS], "by": by, **more}


@contextmanager
def reader(nursery: Nursery, folder: Path, tally: Tally) -> Iterator[Path]:
    """A polling process; what it reads is written into the file that this gives."""
    current, result = folder / "current.json", folder / "reads.json"
    result.unlink(missing_ok=True)
    show(current, {"site": str(folder / "nothing"), "known": {}})
    nursery.start(do="poll", current=str(current), result=str(result))
    try:
        yield current
    finally:
        show(current, "stop")
    read = json.loads(wait_for(result))
    tally.reads += read["reads"]
    tally.faults += read["faults"]


def show(current: Path, what: Any) -> None:
    """Let the reader read something else."""
    temporary = current.with_suffix(".new")
    temporary.write_text(json.dumps(what), encoding="utf-8")
    temporary.replace(current)


def campaign(
    nursery: Nursery,
    folder: Path,
    tries: Sequence[tuple[Story, tuple[str, int, str]]],
    by: str,
    *,
    in_place: bool = False,
) -> Tally:
    """Kill at each try, then run again in a new process, and compare; each child mends one site and spoils the next."""
    tally, last = Tally(), None
    with reader(nursery, folder, tally) as current:
        for story, at in [*tries, (None, None)]:
            parts = [part(last[1], by)] if last else []
            site = folder / "try"
            if story is not None:
                site = Path(shutil.copytree(story.before, folder / f"{by}-{story.name}-{'-'.join(map(str, at))}"))
                show(current, {"site": str(site), "known": story.known})
                parts.append(part(site, by, at=at, in_place=in_place))
            code = nursery.run(do="run", parts=parts)
            if story is not None and code != -signal.SIGKILL:
                tally.misses.append(f"{story.name} {at}: ended with {code}")
            if last:
                _compare(last[0], last[1], tally)
            if story is not None and at is not None:
                tally.kills[at[0], at[2]] += 1
                tally.by[by] += 1
            last = (story, site) if story is not None else None
    return tally


def _compare(story: Story, site: Path, tally: Tally) -> None:
    """What the mended site holds against what it should; a site that is as it should be goes."""
    now = stored(site)
    for name in sorted({*now, *story.after}):
        if now.get(name) != story.after.get(name):
            kind = "is left over" if name not in story.after else "is missing" if name not in now else "differs"
            tally.faults.append(f"{site.name}: {name} {kind}")
    shutil.rmtree(site)
