"""Exports of rows that this version would not write: whatever is null or rubbish, every stored row is told."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from pipeline.alerts import with_values
from pipeline.detections import load_rules
from pipeline.exports import SIEM, alerts_csv, json_lines
from pipeline.schemas import ALERTS
from tests.worlds import SEED

RULES = {r.id: r for r in load_rules({}, lookback_days=30)}
FULL: dict[str, Any] = {
    "alert_id": "nilo-1",
    "rule_id": SEED,
    "rule_title": "A title",
    "day": dt.date(2026, 11, 2),
    "_time": dt.datetime(2026, 11, 2, tzinfo=dt.UTC),
    "client": "10.0.0.1",
    "src_ip": "10.0.0.1",
    "dest_ip": None,
    "bytes_in": 900,
    "bytes_out": None,
    **dict.fromkeys((n for n, t in ALERTS.schema.items() if t == pl.Float64), 1.5),
    "techniques": ["T1114"],
    "quality": "verified",
    "window_complete": True,
    "message": "It received 900 B.",
    "evidence": "{}",
}
NAMED = {"day", "_time"}
"""What the reader of a day knows without the row."""
RUBBISH = [
    "null",
    "[]",
    "1",
    "no JSON",
    '{"severity": "odd"}',
    '{"severity": 7}',
    '{"top_flows": null, "top_servers": {"ip": "192.0.2.10"}, "addresses": 1}',
    '{"top_flows": [null, {}], "top_servers": [{}, {"ip": null}], "addresses": [null, 5]}',
    '{"value": "x", "field": "flows"}',
    '{"value": 1.5, "field": "odd", "fleet": null}',
    '{"a": NaN, "b": [Infinity], "c": -Infinity}',
]
FORMS: dict[str, Callable[[pl.DataFrame], str]] = {
    "csv": lambda rows: alerts_csv(rows, "UTC"),
    "jsonl": lambda rows: json_lines(rows, "UTC"),
    **{name: lambda rows, f=form: f(rows, "UTC", RULES) for name, form in SIEM.items()},
}


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no JSON")

    return json.loads(text, parse_constant=refuse)


def told(form: str, **changes: Any) -> list[str]:
    rows = pl.DataFrame([FULL | changes, FULL], schema=ALERTS.schema)
    lines = FORMS[form](rows).splitlines()
    return lines[1:] if form == "csv" else lines


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("column", [c for c in ALERTS.schema.names() if c not in NAMED])
def test_a_row_without_a_value_is_told_and_hides_no_other(form: str, column: str) -> None:
    lines = told(form, **{column: None})
    assert len(lines) == 2
    assert lines[1] == told(form)[1]
    if form != "csv":
        strict(lines[0])


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("evidence", RUBBISH)
def test_evidence_that_is_none_is_told_as_far_as_it_goes(form: str, evidence: str) -> None:
    lines = told(form, evidence=evidence)
    assert lines[1] == told(form)[1]
    if form != "csv":
        assert "nilo-1" in json.dumps(strict(lines[0]))


@pytest.mark.parametrize("form", [f for f in FORMS if f != "csv"])
@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
def test_a_number_that_json_has_no_word_for_is_unknown(form: str, number: float) -> None:
    away = "num_standard_deviations_away_from_client_average"
    assert "Infinity" not in (line := told(form, **{away: number})[0])
    assert strict(line) == strict(told(form, **{away: None})[0])


@pytest.mark.parametrize("evidence", [None, *RUBBISH])
def test_a_value_that_is_no_number_is_unknown(evidence: str | None) -> None:
    rows = pl.DataFrame([FULL | {"evidence": evidence, "bytes_in": None}], schema=ALERTS.schema)
    assert with_values(rows)["value"].to_list() == [None]
