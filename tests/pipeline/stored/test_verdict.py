"""Which of two verdicts on a client and day is the stronger, and when the changes of a day were noted."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import pytest

from pipeline.stored.verdict import Verdict, _distance
from pipeline.stored.verdicts import Change, as_noted

PLAIN = Verdict("rule", "10.0.0.1", "much", 1_000, "bytes", 100.0, 2.0, None, None, "verified", True)


@pytest.mark.parametrize(
    ("weaker", "stronger"),
    [
        ({"severity": "low", "margin": 9.0}, {"severity": "medium", "margin": 1.1}),
        ({"severity": "low", "risk": 20.0}, {"severity": "low", "risk": 21.0}),
        ({"margin": 2.0, "value": 5_000}, {"margin": 2.1, "value": 1_000}),
        ({"margin": 1e9}, {"margin": None}),
        ({"quality": "unverified", "value": 5_000}, {"quality": "verified", "value": 1_000}),
        ({"window_complete": False}, {"window_complete": True}),
        ({"value": 999}, {"value": 1_000}),
        ({"usual": 101.0}, {"usual": 100.0}),
    ],
)
def test_severity_counts_then_margin_then_trust_then_volume(weaker: dict[str, Any], stronger: dict[str, Any]) -> None:
    """Of as much the client with the smaller usual is the more unusual; a margin without bound is the largest."""
    assert replace(PLAIN, **weaker).strength < replace(PLAIN, **stronger).strength


def test_a_change_was_noted_no_earlier_than_the_one_before_it() -> None:
    """The second was noted by a clock that had been set back; the last is not in the ledger yet."""
    times = ["2026-10-01T03:00:00+00:00", "2026-10-01T02:00:00+00:00", "2026-10-01T04:00:00+00:00", None]
    changes = [Change("a", "rule", "c", "2026-10-01", "raised", n, t, (), PLAIN) for n, t in enumerate(times, 1)]
    assert [at for at, _ in as_noted(changes)] == [times[0], times[0], times[2], ""]


@pytest.mark.parametrize(
    ("reference", "margin"),
    [("fleet_and_own", 2.0), ("group_and_own", 2.0), (None, 2.0), ("fleet", 3.0), ("group", 3.0), ("own", 2.0)],
)
def test_the_margin_is_told_of_the_gates_that_the_rule_asks(reference: str | None, margin: float) -> None:
    """900 above the fleet's mean where 300 would alert, 800 above its own where 400 would: 3 and 2 times the limit."""
    evidence = {"fleet": {"avg": 100.0, "threshold": 400.0}, "client": {"avg": 200.0, "threshold": 600.0}}
    assert _distance(1_000, evidence | {"settings": {"reference": reference} if reference else {}}) == margin


def test_a_gate_of_a_past_that_never_varied_leaves_the_margin_to_the_other() -> None:
    gates = {"fleet": {"avg": 100.0, "threshold": 100.0}, "client": {"avg": 200.0, "threshold": 600.0}}
    assert _distance(1_000, gates) == 2.0
    assert _distance(1_000, {"fleet": gates["fleet"], "client": {"avg": None, "threshold": None}}) == math.inf
    assert _distance(None, gates) == math.inf
