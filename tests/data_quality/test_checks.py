"""Each expectation of each suite fails on a day that breaks it, and on no other day; the shipped days pass all."""

import datetime as dt
import json
import math
import shutil
from collections.abc import Callable
from pathlib import Path

import polars as pl
import pytest

from data_quality import checks
from data_quality.checks import run_all, run_checks
from data_quality.results import CheckOutcome, day_quality, results_of
from data_quality.specs import SUITES, CheckSpec, check_specs
from pipeline.insight.drift import KINDS
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, QUALITY, TRAFFIC_BASELINE, Table
from pipeline.site import Site, open_site
from pipeline.stored.stages import make_baseline, make_scores, publish_alerts
from tests.data_quality.days import count, run_check
from tests.data_quality.test_faults import FAULTS as LOG_FAULTS
from tests.data_quality.test_faults import USERS as TABLES_JUDGED
from tests.worlds import day, make_site

DAYS = 8
LAST = day(DAYS - 1)
SPECS = {s.name: s for s in check_specs()}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of eight whole days, made without Dagster."""
    site = make_site(tmp_path_factory.mktemp("made"), DAYS)
    days = [day(n) for n in range(DAYS)]
    count(site, days)
    for d in days:
        make_baseline(site, d)
        make_scores(site, d)
        publish_alerts(site, d, "verified")
    return site.root


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Site:
    return open_site(shutil.copytree(made, tmp_path / "site"))


def failing(site: Site, spec: CheckSpec, of: dt.date = LAST) -> set[str]:
    return {o["expectation"] for o in run_check(spec, site, of).outcomes if not o["passed"]}


def tamper(site: Site, table: Table, *changes: pl.Expr) -> None:
    """Change stored rows of the last day behind the pipeline's back."""
    record = site.storage.record(table.name, LAST)
    assert record is not None
    frame = site.storage.read_day(table, LAST).with_columns(*changes)
    site.storage.write_day(table, LAST, frame, inputs=record.inputs, facts=record.facts)


def double(site: Site, table: Table) -> None:
    record = site.storage.record(table.name, LAST)
    assert record is not None
    frame = site.storage.read_day(table, LAST)
    site.storage.write_day(table, LAST, pl.concat([frame, frame.head(1)]), inputs=record.inputs, facts=record.facts)


def drop_first(site: Site, table: Table) -> None:
    site.storage.write_day(table, LAST, site.storage.read_day(table, LAST).slice(1), inputs={})


def swap(site: Site) -> None:
    """A crowd of flows whose bytes go the other way."""
    crowd = pl.concat([site.storage.read_day(FLOWS, LAST)] * 20)
    record = site.storage.record("flows", LAST)
    assert record is not None
    crowd = crowd.with_columns(bytes_in=pl.lit(10, pl.Int64), bytes_out=pl.lit(900, pl.Int64))
    site.storage.write_day(FLOWS, LAST, crowd, inputs=record.inputs, facts=record.facts)


def decide(site: Site, days: list[dt.date]) -> None:
    """Results of whole days for the checks that decide a day's quality, which alerts are compared with."""
    for spec in check_specs():
        for of in days:
            if spec.decides:
                passed = {"expectation": "all", "passed": True, "limit": "", "remedy": ""}
                checks._keep(spec, site, of, CheckOutcome(True, (passed,)), "")


def test_whole_days_pass_every_check(site: Site) -> None:
    for spec in check_specs():
        assert failing(site, spec) == set(), spec.name
    assert day_quality(site, LAST) == "verified"


LATER = pl.col("start_time") + pl.duration(days=1)
NEXT = pl.col("last_start") + pl.duration(days=1)
FAULTS: list[tuple[str, str, Callable[[Site], None]]] = [
    ("flows_valid", "out_of_day", lambda s: tamper(s, FLOWS, LATER)),
    ("flows_valid", "negative_bytes", lambda s: tamper(s, FLOWS, -pl.col("bytes_in"))),
    ("flows_valid", "wrong_direction_sources", swap),
    ("flows_valid", "nulls", lambda s: tamper(s, FLOWS, pl.lit(None, pl.String).alias("src_ip"))),
    ("flows_complete", "unknown_bytes_share", lambda s: tamper(s, FLOWS, pl.lit(None, pl.Int64).alias("bytes_in"))),
    ("daily_traffic_valid", "duplicate_keys", lambda s: double(s, DAILY_TRAFFIC)),
    ("daily_traffic_valid", "sum_mismatches", lambda s: tamper(s, DAILY_TRAFFIC, pl.col("bytes") + 1)),
    ("daily_traffic_valid", "sum_mismatches", lambda s: drop_first(s, DAILY_TRAFFIC)),
    ("daily_traffic_valid", "negative_bytes", lambda s: tamper(s, DAILY_TRAFFIC, -pl.col("bytes"))),
    ("daily_traffic_valid", "other_days", lambda s: tamper(s, DAILY_TRAFFIC, pl.lit(day(0)).alias("day"))),
    ("traffic_baseline_valid", "out_of_window", lambda s: tamper(s, TRAFFIC_BASELINE, pl.col("n_past_rows") + 90)),
    ("traffic_baseline_valid", "bad_deviations", lambda s: tamper(s, TRAFFIC_BASELINE, -pl.col("stdev_bytes"))),
    (
        "traffic_baseline_valid",
        "missing_fleet_rows",
        lambda s: tamper(s, TRAFFIC_BASELINE, pl.lit("client").alias("scope")),
    ),
    (
        "traffic_baseline_valid",
        "missing_fleet_rows",
        lambda s: tamper(s, TRAFFIC_BASELINE, pl.lit("another series").alias("measure")),
    ),
    ("anomaly_scores_valid", "duplicate_keys", lambda s: double(s, ANOMALY_SCORES)),
    ("anomaly_scores_valid", "missing_or_extra", lambda s: drop_first(s, ANOMALY_SCORES)),
    ("anomaly_scores_valid", "gate_mismatches", lambda s: tamper(s, ANOMALY_SCORES, pl.lit("alert").alias("state"))),
    ("anomaly_scores_valid", "unknown_states", lambda s: tamper(s, ANOMALY_SCORES, pl.lit("odd").alias("state"))),
    (
        "anomaly_scores_valid",
        "not_finite",
        lambda s: tamper(
            s, ANOMALY_SCORES, pl.lit(float("inf")).alias("num_standard_deviations_away_from_client_average")
        ),
    ),
    (
        "anomaly_scores_valid",
        "absent_distances",
        lambda s: tamper(
            s, ANOMALY_SCORES, pl.lit(None, pl.Float64).alias("num_standard_deviations_away_from_server_average")
        ),
    ),
    (
        "anomaly_scores_valid",
        "absent_distances",
        lambda s: tamper(
            s, ANOMALY_SCORES, pl.lit(None, pl.Float64).alias("num_standard_deviations_away_from_client_average")
        ),
    ),
    ("sample_counts", "share_clients_enough", lambda s: tamper(s, ANOMALY_SCORES, pl.lit(False).alias("gate_samples"))),
    ("sample_counts", "clients_enough", lambda s: tamper(s, ANOMALY_SCORES, pl.lit(False).alias("gate_samples"))),
    (
        "sample_counts",
        "window_days_share",
        lambda s: tamper(s, TRAFFIC_BASELINE, pl.col("window_days_present") - 1),
    ),
    ("anomaly_scores_valid", "alert_share", lambda s: tamper(s, ANOMALY_SCORES, pl.lit("alert").alias("state"))),
    ("flows_valid", "negative_durations", lambda s: tamper(s, FLOWS, -pl.col("duration"))),
    ("flows_valid", "unknown_words", lambda s: tamper(s, FLOWS, pl.lit("odd").alias("transport"))),
    ("daily_traffic_valid", "nulls", lambda s: tamper(s, DAILY_TRAFFIC, pl.lit(None, pl.Int64).alias("servers"))),
    ("daily_traffic_valid", "impossible_counts", lambda s: tamper(s, DAILY_TRAFFIC, pl.lit(9).alias("flows_unknown"))),
    ("daily_traffic_valid", "times_out_of_day", lambda s: tamper(s, DAILY_TRAFFIC, NEXT)),
    ("daily_traffic_valid", "bad_addresses", lambda s: tamper(s, DAILY_TRAFFIC, pl.lit("10.0.0.01").alias("client"))),
    ("traffic_baseline_valid", "duplicate_keys", lambda s: double(s, TRAFFIC_BASELINE)),
    ("traffic_baseline_valid", "other_days", lambda s: tamper(s, TRAFFIC_BASELINE, pl.lit(day(0)).alias("day"))),
    ("traffic_baseline_valid", "bad_averages", lambda s: tamper(s, TRAFFIC_BASELINE, -pl.col("avg_bytes"))),
    ("traffic_baseline_valid", "fleet_mismatches", lambda s: drop_first(s, TRAFFIC_BASELINE)),
    ("anomaly_scores_valid", "other_days", lambda s: tamper(s, ANOMALY_SCORES, pl.lit(day(0)).alias("day"))),
    ("sample_counts", "samples_over_window", lambda s: tamper(s, ANOMALY_SCORES, pl.col("n") + 90)),
    ("alerts_valid", "duplicate_keys", lambda s: double(s, ALERTS)),
    ("alerts_valid", "other_days", lambda s: tamper(s, ALERTS, pl.lit(day(0)).alias("day"))),
    ("alerts_valid", "unknown_rules", lambda s: tamper(s, ALERTS, pl.lit("no such rule").alias("rule_id"))),
    ("alerts_valid", "wrong_quality", lambda s: tamper(s, ALERTS, pl.lit("partial").alias("quality"))),
    ("alerts_valid", "bad_evidence", lambda s: tamper(s, ALERTS, pl.lit("[1]").alias("evidence"))),
    ("alerts_valid", "missing_or_extra", lambda s: drop_first(s, ALERTS)),
]


@pytest.mark.parametrize(("check", "expectation", "fault"), FAULTS)
def test_a_fault_fails_its_expectation_on_its_day_only(
    site: Site, check: str, expectation: str, fault: Callable[[Site], None]
) -> None:
    if expectation == "alert_share":
        crowd = pl.concat([site.storage.read_day(ANOMALY_SCORES, LAST)] * 3)
        site.storage.write_day(ANOMALY_SCORES, LAST, crowd, inputs={})
    fault(site)
    decide(site, [day(DAYS - 2), LAST])
    outcomes = run_checks(SPECS[check], site, [day(DAYS - 2), LAST])
    assert outcomes[day(DAYS - 2)].passed
    failed = {o["expectation"]: o for o in outcomes[LAST].outcomes if not o["passed"]}
    assert expectation in failed
    assert failed[expectation]["remedy"]


def needed(*tables: Table) -> list[tuple[Table, str]]:
    """Tables with their columns that every row must have."""
    return [(t, c.name) for t in tables for c in t.columns if not c.nullable]


@pytest.mark.parametrize(
    ("table", "column"),
    [
        *((FLOWS, c) for c in ("start_time", "src_ip", "dest_ip", "source", "dvc", "transport", "action")),
        *needed(DAILY_TRAFFIC, TRAFFIC_BASELINE, ANOMALY_SCORES, ALERTS),
    ],
    ids=lambda v: v.name if isinstance(v, Table) else v,
)
def test_a_row_without_a_value_that_every_row_has_is_named(site: Site, table: Table, column: str) -> None:
    tamper(site, table, pl.when(pl.int_range(pl.len()) > 0).then(pl.col(column)).alias(column))
    found = {o["expectation"]: o for o in run_check(SPECS[f"{table.name}_valid"], site, LAST).outcomes}
    assert not found["nulls"]["passed"]
    assert (found["nulls"]["unexpected"], found["nulls"]["remedy"] != "") == (1, True)
    assert len(json.loads(found["nulls"]["sample"])) == 1


def test_every_expectation_of_every_suite_is_proved_to_fail() -> None:
    in_stored_days = {f"{check}.{expectation}" for check, expectation, _ in FAULTS}
    in_logs = {e for fault in LOG_FAULTS for e in fault.seen}
    elsewhere = {
        *(f"drift.{kind}" for kind in KINDS),  # test_drift
        *(f"canary_found.rules_that_{name}" for name in ("can_alert", "never_can", "cannot_today")),  # test_canary
        "flows_valid.lines_unaccounted",
        "flows_complete.duplicates_share",
        "flows_complete.unknown_reasons",
        "flows_complete.quarantined_rise_chance",
        "canary_found.canaries_missed",
        "canary_found.canaries_false",
        *(f"{t}_valid.schema_faults" for t in TABLES_JUDGED),
        *(f"{t.name}_valid.nulls" for t, _ in needed(TRAFFIC_BASELINE, ANOMALY_SCORES, ALERTS)),
    }
    stated = {f"{s.name}.{e['kwargs']['column']}" for s in check_specs() for e in s.expectations}
    assert stated == in_stored_days | in_logs | elsewhere


def test_a_day_without_lines_fails_and_is_no_data(site: Site) -> None:
    site.storage.write_day(FLOWS, LAST, FLOWS.empty(), inputs={}, facts={"lines": 0})
    assert {"lines_read"} <= failing(site, SPECS["flows_valid"])
    assert day_quality(site, LAST) == "no_data"


@pytest.mark.parametrize("table", [FLOWS, DAILY_TRAFFIC])
def test_a_column_of_another_type_is_a_schema_fault(site: Site, table: Table) -> None:
    path = site.storage.path(table.name, LAST)
    pl.read_parquet(path).with_columns(extra=pl.lit(1)).write_parquet(path)
    spec = SPECS[f"{table.name}_valid"]
    found = failing(site, spec)
    assert found & {"schema_faults", "check_ran"}


@pytest.mark.parametrize(
    ("facts", "expectation"),
    [
        ({"lines": 100, "quarantined": 2, "records": 98}, "quarantined_share"),
        ({"lines": 100, "duplicates": 2, "records": 98}, "duplicates_share"),
        ({"lines": 900, "quarantined": 1, "quarantined_by_reason": {"mood": 1}}, "unknown_reasons"),
    ],
)
def test_many_lines_set_aside_or_repeated_are_named(site: Site, facts: dict[str, int], expectation: str) -> None:
    site.storage.write_day(FLOWS, LAST, site.storage.read_day(FLOWS, LAST), inputs={}, facts=facts)
    assert failing(site, SPECS["flows_complete"]) == {expectation}


@pytest.mark.parametrize(
    ("read", "others", "quarantined", "ignored", "expected"),
    [
        (40, 9, 51, 0, {"readable_share"}),
        (40, 10, 50, 0, set()),
        (0, 0, 3, 97, {"readable_share"}),  # Other kinds of records say nothing of the flows'.
        (0, 0, 0, 100, set()),
    ],
)
def test_a_day_of_which_most_records_cannot_be_read_is_not_verified(
    site: Site, read: int, others: int, quarantined: int, ignored: int, expected: set[str]
) -> None:
    accounts = {"read": read, "others": others, "quarantined": quarantined, "ignored": ignored, "comments": 0}
    facts = {"lines": sum(accounts.values()), "records": read, **accounts}
    site.storage.write_day(FLOWS, LAST, site.storage.read_day(FLOWS, LAST), inputs={}, facts=facts)
    assert failing(site, SPECS["flows_valid"]) == expected


def test_lines_that_nobody_accounts_for_are_named(site: Site) -> None:
    record = site.storage.record("flows", LAST)
    assert record is not None
    facts = dict(record.facts) | {"others": record.facts["others"] - 1}
    site.storage.write_day(FLOWS, LAST, site.storage.read_day(FLOWS, LAST), inputs={}, facts=facts)
    assert failing(site, SPECS["flows_valid"]) == {"lines_unaccounted"}
    assert day_quality(site, LAST) == "unverified"


def test_a_day_that_is_not_stored_fails_every_check_and_says_so(site: Site) -> None:
    for spec in check_specs():
        assert failing(site, spec, day(30)) == {"day_is_stored"}


def test_a_failed_blocking_check_makes_the_day_unverified_and_a_warning_does_not(site: Site) -> None:
    for spec in check_specs():
        run_check(spec, site, LAST)
    tamper(site, ANOMALY_SCORES, pl.lit("odd").alias("state"))
    run_check(SPECS["anomaly_scores_valid"], site, LAST)
    assert day_quality(site, LAST) == "verified"
    tamper(site, DAILY_TRAFFIC, pl.col("bytes") + 1)
    run_check(SPECS["daily_traffic_valid"], site, LAST)
    assert day_quality(site, LAST) == "unverified"


def test_a_day_whose_blocking_checks_never_ran_is_unverified(site: Site) -> None:
    assert results_of(site, LAST).is_empty()
    assert day_quality(site, LAST) == "unverified"


def test_a_range_is_judged_like_its_days_one_by_one(site: Site) -> None:
    tamper(site, DAILY_TRAFFIC, pl.col("bytes") + 1)
    days = [day(n) for n in range(DAYS - 3, DAYS)]
    for spec in check_specs():
        at_once = run_checks(spec, site, days)
        assert {d: run_check(spec, site, d) for d in days} == at_once
    together = run_all(check_specs(), site, days)
    assert together == {s.name: run_checks(s, site, days) for s in check_specs()}


def test_a_fault_of_a_check_fails_it_and_names_the_fault(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(_site: Site, _day: dt.date) -> dict[str, float | int | None]:
        raise RuntimeError("out of luck")

    monkeypatch.setitem(__import__("data_quality.checks").checks.PROFILES, "sample_counts", broken)
    outcome = run_check(SPECS["sample_counts"], site, LAST)
    assert not outcome.passed
    assert "out of luck" in str(outcome.outcomes[0]["observed"])


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
@pytest.mark.parametrize("check", ["flows_complete", "flows_valid", "sample_counts"])
def test_what_is_no_number_is_no_pass(site: Site, monkeypatch: pytest.MonkeyPatch, check: str, value: float) -> None:
    columns = {e["kwargs"]["column"]: e["kwargs"] for e in SPECS[check].expectations}
    monkeypatch.setitem(checks.PROFILES, check, lambda *_: dict.fromkeys(columns, value))
    bounded = {c for c, k in columns.items() if math.isnan(value) or ("max_value" if value > 0 else "min_value") in k}
    assert failing(site, SPECS[check]) == bounded
    for outcomes in run_checks(SPECS[check], site, [day(DAYS - 2), LAST]).values():
        assert {o["expectation"] for o in outcomes.outcomes if not o["passed"]} == bounded
    assert all(o["unexpected"] is None for o in run_check(SPECS[check], site, LAST).outcomes)


def test_kept_results_have_the_quality_schema(site: Site) -> None:
    for spec in check_specs():
        run_check(spec, site, LAST)
    found = results_of(site, LAST)
    assert found.schema == QUALITY.schema
    assert found.height == sum(len(s.expectations) for s in check_specs())


def test_suites_are_canonical_json_that_great_expectations_reads() -> None:
    for path in SUITES.glob("*.json"):
        suite = json.loads(path.read_text(encoding="utf-8"))
        assert suite["name"] == path.stem
        assert {"table", "blocking", "severity", "description"} <= set(suite["meta"])
        assert all(e["meta"]["remedy"] for e in suite["expectations"])
