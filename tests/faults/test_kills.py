"""Processes killed at named write points: the same run, done again, ends as if nothing had been."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.faults.campaign import Story, campaign, stories
from tests.faults.children import Nursery
from tests.faults.killing import PHASES, REMOVED

pytestmark = pytest.mark.slow
POINTS = {"landing", "quarantine", "ledger", "flows", "daily_traffic", "traffic_baseline", "anomaly_scores"}
POINTS |= {
    "alerts",
    "quality",
    "flow_counts",
    "traffic_counts",
    "failed",
    "verdicts",
    "failed removed",
    "verdicts removed",
    "pruned removed",
    "quarantine removed",
}


@pytest.fixture(scope="module")
def nursery(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    with Nursery(tmp_path_factory.mktemp("nursery") / "log") as found:
        yield found


@pytest.fixture(scope="module")
def told(nursery: Nursery, tmp_path_factory: pytest.TempPathFactory) -> list[Story]:
    return stories(nursery, tmp_path_factory.mktemp("stories"))


def test_a_run_killed_at_any_write_ends_equal_when_it_is_run_again(
    nursery: Nursery, told: list[Story], tmp_path: Path
) -> None:
    tally = campaign(nursery, tmp_path, [(s, at) for s in told for at in s.kills("stages")], "stages")
    print(tally.table())  # noqa: T201 - what `make faults` is for
    assert (tally.misses, tally.faults) == ([], [])
    assert {p for p, _ in tally.kills} == POINTS
    assert tally.kills.total() >= 200
    assert tally.reads > 1_000


def one_a_point(story: Story) -> Iterator[tuple[str, int, str]]:
    """One write of each point, the last of those that are tried, in phases by turns."""
    last = {point: (point, number) for point, number, _ in story.kills("command")}
    for n, (point, number) in enumerate(last.values()):
        yield point, number, ("before" if point.endswith(REMOVED) else PHASES[n % len(PHASES)])


def test_a_killed_command_ends_equal_when_it_is_run_again(nursery: Nursery, told: list[Story], tmp_path: Path) -> None:
    tries = [(s, at) for s in told for at in one_a_point(s)]
    tally = campaign(nursery, tmp_path, tries, "command")
    print(tally.table())  # noqa: T201
    assert (tally.misses, tally.faults) == ([], [])
    assert {p for p, _ in tally.kills} == POINTS
    assert tally.kills.total() >= 20


def test_the_campaign_fails_without_the_atomic_rename(nursery: Nursery, told: list[Story], tmp_path: Path) -> None:
    second = told[1]
    tries = [(second, (point, 1, "half")) for point in ("flows", "daily_traffic", "anomaly_scores", "alerts")]
    tally = campaign(nursery, tmp_path, tries, "stages", in_place=True)
    print(f"written in place: {len(tally.faults)} faults of {len(tries)} kills, {tally.faults[:3]}")  # noqa: T201
    assert tally.misses == []
    assert len(tally.faults) >= len(tries) // 2
