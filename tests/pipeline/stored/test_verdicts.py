"""The ledger of verdicts: what is kept, that nothing is kept twice, and what a killed process leaves."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.alerts import alert_id
from pipeline.errors import StorageError
from pipeline.schemas import ALERTS
from pipeline.storage import Storage
from pipeline.stored.reasons import Made
from pipeline.stored.verdict import verdicts_in
from pipeline.stored.verdicts import day_changes, history, open_days, recover, settle
from tests.worlds import SEED

DAY = dt.date(2026, 10, 5)
NOON = dt.datetime(2026, 10, 6, 12, tzinfo=dt.UTC)


def alert(
    host: str, value: int = 5_000, /, rule: str = SEED, quality: str = "verified", **evidence: object
) -> dict[str, Any]:
    gates = {g: {"n": 9, "avg": 1_000.0, "stdev": 500.0, "threshold": 2_500.0} for g in ("fleet", "client")}
    blank = dict.fromkeys(ALERTS.schema.names())
    return blank | {
        "alert_id": alert_id(rule, DAY, host),
        "rule_id": rule,
        "rule_title": "title",
        "day": DAY,
        "_time": dt.datetime.combine(DAY, dt.time(), dt.UTC),
        "client": host,
        "src_ip": host,
        "bytes_in": value,
        "avg_bytes_in": 1_000.0,
        "per_source_avg_bytes_in": 1_000.0,
        "techniques": ["T1114.002"],
        "quality": quality,
        "window_complete": True,
        "message": f"{host} received {value}",
        "evidence": json.dumps({**gates, **evidence}),
    }


def publish(storage: Storage, *alerts: dict[str, Any], quality: str = "verified", **roots: Made) -> None:
    own = Made({"quality": quality})
    told = {t: m.as_dict() for t, m in {**roots, "alerts": own}.items()}
    frame = pl.DataFrame(list(alerts), schema=ALERTS.schema)
    storage.write_day(ALERTS, DAY, frame, inputs={}, facts={"roots": told})


def files(**contents: str) -> Made:
    return Made(
        {"files": str(sorted(contents.items()))}, {"files": {f"core/{n}.log": f"{c} w" for n, c in contents.items()}}
    )


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path / "data")


def kinds(storage: Storage, client: str, rule: str = SEED) -> list[str]:
    return [c.change for c in history(storage, alert_id(rule, DAY, client))]


def test_an_alert_is_raised_once_however_often_it_is_settled(storage: Storage) -> None:
    publish(storage, alert("10.0.0.1"))
    (first,) = settle(storage, DAY, NOON)
    assert (first.change, first.number, first.known_at) == ("raised", 1, "2026-10-06T12:00:00+00:00")
    assert [r.kind for r in first.reasons] == ["first"]
    before = storage.read_text(f"verdicts/day={DAY}.jsonl")
    assert settle(storage, DAY, NOON + dt.timedelta(days=1)) == []
    publish(storage, alert("10.0.0.1"))
    assert settle(storage, DAY, NOON + dt.timedelta(days=1)) == []
    assert storage.read_text(f"verdicts/day={DAY}.jsonl") == before


def test_a_verdict_goes_its_whole_way_and_keeps_every_old_line(storage: Storage) -> None:
    texts: list[str] = []
    for value in (5_000, 9_000, 4_000, None, 4_000):
        publish(storage, *([alert("10.0.0.1", value)] if value else []), flows=files(a=str(value)))
        settle(storage, DAY, NOON)
        lines = (storage.read_text(f"verdicts/day={DAY}.jsonl") or "").splitlines()[1:]
        assert lines[: len(texts)] == texts
        texts = lines
    found = history(storage, alert_id(SEED, DAY, "10.0.0.1"))
    assert [c.change for c in found] == ["raised", "strengthened", "weakened", "withdrawn", "raised"]
    assert [c.number for c in found] == [1, 2, 3, 4, 5]
    assert [c.verdict.value if c.verdict else None for c in found] == [5_000, 9_000, 4_000, None, 4_000]


def test_the_reason_names_the_file_the_rule_and_the_window_day(storage: Storage) -> None:
    def rules(version: int, threshold: str) -> Made:
        return Made({"rules": threshold}, {"rules": {SEED: f"{version} {threshold}", "other": "1 x"}})

    publish(
        storage,
        flows=files(a="1"),
        anomaly_scores=rules(1, "3"),
        traffic_baseline=Made({"daily_traffic/2026-10-04": "x"}),
    )
    settle(storage, DAY, NOON)
    now = {
        "flows": files(a="1", b="2"),
        "anomaly_scores": rules(2, "2"),
        "traffic_baseline": Made({"daily_traffic/2026-10-04": "y", "daily_traffic/2026-10-03": "z"}),
    }
    publish(storage, alert("10.0.0.1"), quality="unverified", **now)
    (change,) = settle(storage, DAY, NOON)
    assert [r.text for r in change.reasons] == [
        "late file core/b.log",
        "window day 2026-10-03 arrived",
        "window day 2026-10-04 changed",
        f"rule {SEED} changed from version 1 to 2",
        "the day's quality changed from verified to unverified",
    ]


def test_a_change_of_another_rule_is_no_reason(storage: Storage) -> None:
    def rules(other: str) -> Made:
        return Made({"rules": other}, {"rules": {SEED: "1 a", "other": f"1 {other}"}})

    publish(storage, flows=files(a="1"), anomaly_scores=rules("x"))
    settle(storage, DAY, NOON)
    publish(storage, alert("10.0.0.1"), alert("10.0.0.1", rule="other"), flows=files(a="2"), anomaly_scores=rules("y"))
    told = {c.rule_id: [r.text for r in c.reasons] for c in settle(storage, DAY, NOON)}
    assert told == {SEED: ["file core/a.log changed"], "other": ["file core/a.log changed", "rule other changed"]}


def test_causes_that_changed_no_verdict_are_not_blamed_later(storage: Storage) -> None:
    publish(storage, flows=files(a="1"))
    settle(storage, DAY, NOON)
    publish(storage, flows=files(a="1", b="2"))
    assert settle(storage, DAY, NOON) == []
    publish(storage, alert("10.0.0.1"), flows=files(a="1", b="2", c="3"))
    (change,) = settle(storage, DAY, NOON)
    assert [r.text for r in change.reasons] == ["late file core/c.log"]


def test_worse_data_weakens_an_equal_verdict(storage: Storage) -> None:
    publish(storage, alert("10.0.0.1"))
    settle(storage, DAY, NOON)
    publish(storage, alert("10.0.0.1", quality="unverified"), quality="unverified")
    (change,) = settle(storage, DAY, NOON)
    assert (change.change, change.reasons[0].kind) == ("weakened", "quality")


def test_a_day_removed_on_purpose_withdraws_nothing_and_coming_back_raises_nothing(storage: Storage) -> None:
    publish(storage, alert("10.0.0.1"))
    settle(storage, DAY, NOON)
    storage.remove(f"alerts/day={DAY}/part.parquet")
    assert settle(storage, DAY, NOON) == []
    assert kinds(storage, "10.0.0.1") == ["raised"]
    publish(storage, alert("10.0.0.1"))
    assert settle(storage, DAY, NOON) == []


def test_what_a_killed_process_left_is_taken_in_once(storage: Storage) -> None:
    publish(storage, alert("10.0.0.1"))
    settle(storage, DAY, NOON)
    open_days(storage, [DAY])
    publish(storage, alert("10.0.0.1", 9_000), flows=files(a="2"))
    unsettled = history(storage, alert_id(SEED, DAY, "10.0.0.1"))
    assert [(c.change, c.known_at is None) for c in unsettled] == [("raised", False), ("strengthened", True)]
    assert [c.change for c in recover(storage)] == ["strengthened"]
    assert recover(storage) == []
    assert kinds(storage, "10.0.0.1") == ["raised", "strengthened"]


def test_a_damaged_note_of_a_killed_process_settles_all_days(storage: Storage) -> None:
    publish(storage, alert("10.0.0.1"))
    open_days(storage, [DAY])
    for path in (p for p in storage.root.rglob("*") if p.is_file() and p.read_bytes() == b'["%b"]' % str(DAY).encode()):
        path.write_bytes(b"\xff\xfe")
    assert [c.change for c in recover(storage)] == ["raised"]
    assert recover(storage) == []


def test_a_damaged_ledger_of_one_day_keeps_no_other_from_being_settled(storage: Storage) -> None:
    publish(storage, alert("10.0.0.1"))
    settle(storage, DAY, NOON)
    ledger = storage.root / "verdicts" / f"day={DAY}.jsonl"
    whole = ledger.read_bytes()
    publish(storage, alert("10.0.0.1", 9_000), flows=files(a="2"))
    open_days(storage, [DAY, DAY + dt.timedelta(days=1)])
    ledger.write_bytes(whole[:-9])
    assert recover(storage) == []
    with pytest.raises(StorageError, match="verdicts"):
        day_changes(storage, DAY)
    ledger.write_bytes(whole)
    assert [c.change for c in recover(storage)] == ["strengthened"]
    assert recover(storage) == []


@pytest.mark.parametrize("damage", [b"{not json", b"\xff\xfe"])
def test_an_unknown_id_has_no_history_and_a_damaged_ledger_is_told(storage: Storage, damage: bytes) -> None:
    publish(storage, alert("10.0.0.1"))
    settle(storage, DAY, NOON)
    assert history(storage, "nilo-unknown") == []
    (storage.root / "verdicts" / f"day={DAY}.jsonl").write_bytes(damage)
    publish(storage)
    with pytest.raises(StorageError, match="verdicts"):
        day_changes(storage, DAY)


@pytest.mark.parametrize(
    ("evidence", "margin"),
    [
        ({}, (5_000 - 1_000) / 1_500),
        ({"fleet": {"avg": 1_000.0, "threshold": 3_000.0}}, 2.0),
        ({"client": {"avg": None, "threshold": None}}, 4_000 / 1_500),
        ({"settings": {"reference": "own"}, "fleet": {"avg": 4_000.0, "threshold": 9_000.0}}, 4_000 / 1_500),
        ({"settings": {"reference": "group"}, "client": {"avg": 4_000.0, "threshold": 9_000.0}}, 4_000 / 1_500),
        ({"fleet": {"avg": 1.0, "threshold": 1.0}, "client": {"avg": 1.0, "threshold": 1.0}}, None),
        ({"channels": [{"limit": 14, "rate": 7}, {"limit": 7, "rate": 1}], "severity": "high", "risk": 60}, 7.0),
        ({"channels": [{"limit": 14, "rate": 0}], "severity": "high", "risk": 60}, None),
    ],
)
def test_the_margin_is_that_of_the_nearer_gate_or_the_rarest_channel(
    evidence: dict[str, Any], margin: float | None
) -> None:
    (verdict,) = verdicts_in(pl.DataFrame([alert("10.0.0.1", **evidence)], schema=ALERTS.schema)).values()
    assert verdict.margin == (None if margin is None else pytest.approx(margin))


def test_severity_goes_before_margin() -> None:
    def strength(**evidence: object) -> tuple[float, ...]:
        (verdict,) = verdicts_in(pl.DataFrame([alert("10.0.0.1", **evidence)], schema=ALERTS.schema)).values()
        return verdict.strength

    rare, explained = {"limit": 14, "rate": 1}, {"limit": 14, "rate": 0.001}
    assert strength(channels=[rare], severity="high", risk=10) > strength(channels=[explained], severity="low", risk=10)
