"""Why a client alerted or not, by the gates alone: what a rule does not ask decides nothing."""

from typing import Any

import polars as pl
import pytest

from pipeline.detections import load_rules
from pipeline.trials.trial import seed_cause
from tests.worlds import SEED

RULES = {r.id: r for r in load_rules({}, lookback_days=30)}
KNOWN = {"state": "normal", "bytes": 9, "n": 8, "n_past_values": 7, "gate_client": False, "gate_fleet": False}
TYPES = {"bytes": pl.Int64, "gate_client": pl.Boolean, "gate_fleet": pl.Boolean, "per_source_stdev_bytes": pl.Float64}


@pytest.mark.parametrize(
    ("reference", "row", "cause"),
    [
        ("own", {"gate_client": True}, "below_floor"),
        ("own", {"gate_client": True, "gate_fleet": None}, "below_floor"),
        ("own", {"gate_fleet": True}, "below_its_gate"),
        ("own", {"gate_fleet": None}, "below_its_gate"),
        ("own", {"gate_client": None}, "deviation_unknown"),
        ("fleet", {"gate_fleet": True}, "below_floor"),
        ("fleet", {"gate_client": None, "gate_fleet": True}, "below_floor"),
        ("fleet", {"n_past_values": 0, "gate_client": None}, "below_its_gate"),
        ("fleet", {"gate_client": True, "gate_fleet": None}, "others_unknown"),
        ("fleet", {"state": "alert", "gate_fleet": True, "per_source_stdev_bytes": 0.0}, "above_its_gate"),
        ("own", {"state": "alert", "gate_client": True, "per_source_stdev_bytes": 0.0}, "flat_past"),
        ("fleet_and_own", {"gate_client": True, "gate_fleet": True}, "below_floor"),
        ("fleet_and_own", {"gate_client": None, "gate_fleet": None}, "deviation_unknown"),
        ("fleet_and_own", {"gate_client": True, "gate_fleet": None}, "others_unknown"),
    ],
)
def test_a_gate_that_is_not_asked_decides_nothing(reference: str, row: dict[str, Any], cause: str) -> None:
    rule = RULES[SEED].with_numbers({"reference": reference})
    scores = pl.DataFrame([KNOWN | {"per_source_stdev_bytes": 2.0} | row], schema_overrides=TYPES)
    assert scores.select(cause=seed_cause(rule))["cause"].to_list() == [cause]
