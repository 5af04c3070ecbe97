"""Alerts of the surge method: what their columns are taken from."""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl

from pipeline.detections.loader import BUILT_IN, read_rule
from pipeline.schemas import ANOMALY_SCORES, FLOWS, SURGE_SCORES
from pipeline.surge.alerts import _message, surge_alerts
from tests.stored_days import stored_site
from tests.worlds import SEED, TWIN, day

DAYS, THIEF = 16, "10.0.5.1"
LAST = day(DAYS - 1)


def test_the_seeds_columns_are_of_the_rules_own_direction_and_the_evidence_of_both(tmp_path: Path) -> None:
    extra = {(SEED, THIEF): 2 * 10**9, (TWIN, THIEF): 9 * 10**9, (SEED, "10.0.6.1"): 10**9}
    site = stored_site(tmp_path, "rules: {mail_volume_surge: {budget: 300}}\n", DAYS, extra=extra)
    site.storage.write_day(FLOWS, LAST, FLOWS.empty(), inputs={})
    raw = site.storage.read_day(SURGE_SCORES, LAST)
    others = raw.with_columns(rule_id=pl.lit("another rule"))
    site.storage.write_day(SURGE_SCORES, LAST, pl.concat([raw, others]), inputs={})
    found = surge_alerts(site, LAST, "verified")
    assert found["client"].to_list() == ["10.0.5.1", "10.0.6.1"]
    told = [json.loads(e)["channels"] for e in found["evidence"]]
    assert [len(channels) for channels in told] == [1, 1]  # Of its own client and rule.
    assert told[0][0]["least_volume"] != told[1][0]["least_volume"]
    alert = found.row(0, named=True)
    scores = site.storage.read_day(ANOMALY_SCORES, LAST).filter(pl.col("client") == THIEF)
    (own,) = scores.filter(pl.col("rule_id") == SEED).to_dicts()
    assert alert["bytes_in"] > 11 * 10**9
    for column in (c for c in _DISTANCES if c in own):
        assert alert[column] == own[column]
    assert alert["avg_bytes_in"] == own["avg_bytes"]
    evidence = json.loads(alert["evidence"])
    told = evidence["seed"]
    assert [s["rule_id"] for s in told] == [TWIN, SEED]
    assert [s["measure"].partition(" ")[0] for s in told] == ["bytes_out", "bytes_in"]
    assert [(s["state"], s["alerts"]) for s in told] == [("no_history", False), ("alert", True)]
    assert (evidence["calibration_days"], evidence["calibration_days_present"]) == (DAYS - 1, DAYS - 1)
    assert alert["window_complete"]
    assert alert["message"].startswith(f"{THIEF} received 11 GB from email servers on {LAST}, where ")
    assert "past days told how rare it is" not in alert["message"]


def test_a_client_of_the_other_direction_alone_has_none_of_the_seeds_columns(tmp_path: Path) -> None:
    extra = {(TWIN, "10.9.9.9"): 9 * 10**12}
    site = stored_site(tmp_path, "rules: {mail_volume_surge: {budget: 3000}}\n", DAYS, first=1, extra=extra)
    site.storage.write_day(FLOWS, LAST, FLOWS.empty(), inputs={})
    alert = surge_alerts(site, LAST, "verified").filter(pl.col("client") == "10.9.9.9").row(0, named=True)
    assert [alert[c] for c in ("avg_bytes_in", *_DISTANCES)] == [None] * 3
    assert not alert["window_complete"]
    assert alert["message"].endswith(f"Only {DAYS - 2} of {DAYS - 1} past days told how rare it is.")


def test_the_sentence_says_by_what_measure_a_case_began_as_its_first_day_may_have_had_no_alert() -> None:
    rule = read_rule(BUILT_IN / "mail_volume_surge.yaml", 30)
    verdict = {"rate": 1.0, "limit": 13.0, "channel": "slow", "severity": "high", "explained_by": None}
    row = {"client": THIEF, "addresses": [THIEF], "bytes": 9 * 10**9, "day": LAST, "expected": 10.0}
    row |= {"calibration_days": 9, "calibration_days_present": 9}
    begun = row | {"verdicts": [verdict | {"campaign": None, "case_day": day(2)}]}
    said = f" It continues a case that, by what is rare now, began on {day(2)}."
    assert _message(begun, rule, "verified").endswith(said)
    assert "case" not in _message(
        row | {"verdicts": [verdict | {"campaign": None, "case_day": LAST}]}, rule, "verified"
    )


def test_the_whole_sentence_is_of_the_rarest_channel_and_of_the_worst_severity() -> None:
    rule = read_rule(BUILT_IN / "mail_volume_surge.yaml", 30)
    shot = {"rate": 1.0, "limit": 13.0, "channel": "shot", "severity": "high", "explained_by": None, "case_day": LAST}
    slow = {"rate": 0.1, "limit": 4.0, "channel": "slow", "severity": "low", "explained_by": "INC-7"}
    verdicts = [shot | {"campaign": None}, slow | {"campaign": 5, "case_day": day(2)}]
    row = {"client": "pc", "addresses": [f"10.0.0.{n}" for n in range(1, 5)], "bytes": 9 * 10**9, "day": LAST}
    row |= {"expected": 10.0, "group": "sales", "verdicts": verdicts}
    row |= {"calibration_days": 9, "calibration_days_present": 5}
    assert _message(row, rule, "unverified") == (
        f"pc (10.0.0.1, 10.0.0.2, 10.0.0.3) received 9 GB from email servers on {LAST}, where 10 B was expected (many "
        "larger days, high); as much or more is expected of 0.1 in 10,000 clients a day. Explained by: INC-7. It is "
        f"one of 5 clients of sales that alert together. It continues a case that, by what is rare now, began "
        f"on {day(2)}. The day's data is unverified. Only 5 of 9 past days told how rare it is."
    )


def test_the_sentence_of_an_alert_is_of_the_rules_own_direction_and_category() -> None:
    rule = read_rule(BUILT_IN / "mail_volume_surge.yaml", 30)
    upload = rule.with_numbers({"field": "bytes_out", "category": "file_server"})
    verdict = {"rate": 1.0, "limit": 13.0, "channel": "shot", "severity": "high"}
    verdict |= {"explained_by": None, "campaign": None, "case_day": LAST}
    row = {"client": THIEF, "addresses": [THIEF], "bytes": 9 * 10**9, "day": LAST, "expected": 10.0}
    row |= {"verdicts": [verdict], "calibration_days": 9, "calibration_days_present": 9}
    assert _message(row, rule, "verified").startswith(
        f"{THIEF} received 9 GB from email servers on {LAST}, where 10 B "
    )
    assert _message(row, upload, "verified").startswith(f"{THIEF} sent 9 GB to file servers on {LAST}, where 10 B ")


_DISTANCES = (
    "num_standard_deviations_away_from_server_average",
    "num_standard_deviations_away_from_client_average",
)
