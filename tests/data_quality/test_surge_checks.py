"""The checks of method surge: good days pass, planted faults fail their expectations, stale days are not compared."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from data_quality.checks import run_checks
from data_quality.results import CheckOutcome
from data_quality.specs import check_specs, specs_of, surge_specs
from pipeline import detections
from pipeline.schemas import ALERTS, DAILY_TRAFFIC, SURGE_SCORES, Table
from pipeline.site import Site, open_site
from pipeline.stored.stages import make_baseline, make_scores, make_surge, publish_alerts
from tests.data_quality.days import count
from tests.worlds import CONFIG, day, make_site, write_log

RULE = "mail_volume_surge"
DAYS, CLIENTS, THIEF, GUEST = 14, 30, "10.0.0.7", "10.0.0.200"
LAST = day(DAYS - 1)
ON = CONFIG.replace("lookback_days: 30", "lookback_days: 10") + f"rules: {{{RULE}: true}}\n"
SECOND = "  - {address: 10.0.0.5, category: email_server}"
CONTEXT = "context: {host_roles: roles.csv}\n"
SPECS = {s.name: s for s in (*check_specs(), *surge_specs())}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Log-normal clients, of which the context leaves one out; at last one receives 4 GB more, and a guest comes."""
    folder = tmp_path_factory.mktemp("surge")
    (folder / "nilometer.yaml").write_text(ON + CONTEXT, encoding="utf-8")
    (folder / "roles.csv").write_text("address,role,exclude\n10.0.0.3,gateway,true\n", encoding="utf-8")
    rng = np.random.default_rng(1)
    level = rng.normal(16, 0.7, CLIENTS)
    for number in range(DAYS):
        volume = np.exp(level + rng.normal(0, 0.3, CLIENTS)).astype(int)
        received = {f"10.0.0.{c}": int(v) for c, v in enumerate(volume)}
        if number == DAYS - 1:
            received |= {THIEF: received[THIEF] + 4_000_000_000, GUEST: 1_000_000}
        write_log(folder, day(number), received)
    make(open_site(folder), [day(n) for n in range(DAYS)])
    return folder


def make(site: Site, days: list[dt.date]) -> None:
    count(site, days)
    for d in days:
        make_baseline(site, d)
        make_scores(site, d)
        make_surge(site, d, lambda *_: "verified")
    for d in days:
        publish_alerts(site, d, "verified")


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Site:
    return open_site(shutil.copytree(made, tmp_path / "site"))


def judged(site: Site, check: str, of: dt.date = LAST) -> CheckOutcome:
    return run_checks(SPECS[check], site, [of])[of]


def failing(site: Site, check: str, of: dt.date = LAST) -> set[str]:
    return {o["expectation"] for o in judged(site, check, of).outcomes if not o["passed"]} - {"wrong_quality"}


def rewrite(site: Site, table: Table, frame: pl.DataFrame, **inputs: str) -> None:
    """Store other rows of the last day behind the pipeline's back."""
    record = site.storage.record(table.name, LAST)
    assert record is not None
    site.storage.write_day(table, LAST, frame, inputs=dict(record.inputs) | inputs, facts=record.facts)


def tamper(site: Site, *changes: pl.Expr) -> None:
    rewrite(site, SURGE_SCORES, site.storage.read_day(SURGE_SCORES, LAST).with_columns(*changes))


def only(number: int, column: str, value: object) -> pl.Expr:
    """Another value in the row of that number alone."""
    here = pl.int_range(pl.len()) == number
    return pl.when(here).then(pl.lit(value, SURGE_SCORES.schema[column])).otherwise(column).alias(column)


def test_good_days_pass_with_thefts_guests_and_who_is_left_out(site: Site) -> None:
    for number in range(DAYS):
        assert failing(site, "surge_scores_valid", day(number)) == set(), number
        assert failing(site, "alerts_valid", day(number)) == set(), number
    assert all(o["observed"] == "0" for o in judged(site, "surge_scores_valid").outcomes)
    alerts = site.storage.read_day(ALERTS, LAST).filter(pl.col("rule_id") == RULE)
    assert THIEF in alerts["client"].to_list()


CLOSE = "surge_scores_valid"
FAULTS: list[tuple[str, pl.Expr, set[str]]] = [
    ("duplicate_keys", only(1, "client", "10.0.0.0"), {"duplicate_keys", "missing_or_extra"}),
    ("other_days", only(0, "day", day(3)), {"other_days"}),
    ("unknown_rules", only(0, "rule_id", "no_such_rule"), {"unknown_rules", "missing_or_extra"}),
    ("out_of_window", only(0, "n", 60), {"out_of_window"}),
    ("out_of_window", only(0, "last_similar", LAST), {"out_of_window"}),
    ("out_of_window", only(0, "first_seen", LAST - dt.timedelta(days=99)), {"out_of_window"}),
    ("not_finite", only(0, "own_p95", float("inf")), {"not_finite"}),
    ("not_finite", only(0, "usual", float("nan")), {"not_finite"}),
    ("impossible_values", only(0, "own_max", -1), {"impossible_values"}),
    ("impossible_values", only(0, "scale", -1.0), {"impossible_values", "score_mismatches"}),
    ("absent_scores", only(0, "surprise", None), {"absent_scores", "score_mismatches"}),
    ("score_mismatches", only(0, "slow", 7.0), {"score_mismatches"}),
    ("score_mismatches", only(0, "expected", 1e9), {"score_mismatches"}),
    ("missing_or_extra", only(0, "client", "10.9.9.9"), {"missing_or_extra"}),
    ("missing_or_extra", only(0, "bytes", 5), {"missing_or_extra", "score_mismatches"}),
    ("nulls", only(0, "bytes", None), {"nulls", "missing_or_extra", "absent_scores", "score_mismatches"}),
    *(("nulls", only(0, c.name, None), {"nulls"}) for c in SURGE_SCORES.columns if not c.nullable),
]


@pytest.mark.parametrize(("expectation", "fault", "seen"), FAULTS)
def test_a_planted_fault_fails_its_expectation(site: Site, expectation: str, fault: pl.Expr, seen: set[str]) -> None:
    tamper(site, fault)
    found = {o["expectation"]: o for o in judged(site, CLOSE).outcomes if not o["passed"]}
    assert expectation in found
    assert set(found) == seen or expectation == "nulls"  # A key that is missing fails others, too.
    assert all(o["unexpected"] and json.loads(o["sample"]) and o["remedy"] for o in found.values())


def test_a_lost_score_and_one_of_a_client_that_is_left_out_are_named(site: Site) -> None:
    rows = site.storage.read_day(SURGE_SCORES, LAST)
    rewrite(site, SURGE_SCORES, rows.filter(pl.col("client") != THIEF))
    found = {o["expectation"]: o for o in judged(site, CLOSE).outcomes if not o["passed"]}
    assert json.loads(found["missing_or_extra"]["sample"]) == [
        {"rule_id": RULE, "client": THIEF, "only_in": "daily_traffic"}
    ]
    extra = pl.concat([rows, rows.head(1).with_columns(client=pl.lit("10.0.0.3"))])
    rewrite(site, SURGE_SCORES, extra)
    assert failing(site, CLOSE) == {"missing_or_extra"}


def test_a_column_that_is_missing_is_a_fault_of_the_schema_alone(site: Site) -> None:
    path = site.storage.path("surge_scores", LAST)
    meta = pl.read_parquet_metadata(path)
    frame = pl.read_parquet(path, hive_partitioning=False).drop("slow")
    frame.write_parquet(path, metadata={"nilometer": meta["nilometer"]})
    assert failing(site, CLOSE) == {"schema_faults"}


@pytest.mark.parametrize("change", ["lost", "extra"])
def test_an_alert_of_surge_that_is_lost_or_made_up_is_named(site: Site, change: str) -> None:
    rows = site.storage.read_day(ALERTS, LAST)
    mine = (pl.col("rule_id") == RULE) & (pl.col("client") == THIEF)
    made_up = rows.filter(mine).with_columns(client=pl.lit("10.0.0.9"), alert_id=pl.lit("nilo-1"))
    rewrite(site, ALERTS, rows.filter(~mine) if change == "lost" else pl.concat([rows, made_up]))
    found = {o["expectation"]: o for o in judged(site, "alerts_valid").outcomes if not o["passed"]}
    client, where = (THIEF, "surge_scores") if change == "lost" else ("10.0.0.9", "alerts")
    assert json.loads(found["missing_or_extra"]["sample"]) == [{"rule_id": RULE, "client": client, "only_in": where}]
    assert found["missing_or_extra"]["unexpected"] == 1


def test_what_has_changed_since_is_not_compared(site: Site) -> None:
    """The day is stale for it, and is judged anew when it is made again."""
    traffic = site.storage.read_day(DAILY_TRAFFIC, LAST)
    rewrite(site, DAILY_TRAFFIC, traffic.filter(pl.col("client") != THIEF))
    told = {o["expectation"]: o for o in judged(site, CLOSE).outcomes}["missing_or_extra"]
    assert (told["passed"], str(told["observed"]).startswith("cannot tell")) == (True, True)
    tamper(site, only(0, "slow", 1e9))
    rewrite(site, ALERTS, site.storage.read_day(ALERTS, LAST).filter(pl.col("rule_id") != RULE))
    told = {o["expectation"]: o for o in judged(site, "alerts_valid").outcomes}["missing_or_extra"]
    assert (told["passed"], "method seed alone" in str(told["observed"])) == (True, True)


def test_scores_of_another_version_are_not_compared(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.surge.days.STAGE_VERSION", 99)
    told = {o["expectation"]: str(o["observed"]) for o in judged(site, CLOSE).outcomes}
    assert all(told[e].startswith("cannot tell") for e in ("score_mismatches", "missing_or_extra"))
    told = {o["expectation"]: str(o["observed"]) for o in judged(site, "alerts_valid").outcomes}
    assert "method seed alone" in told["missing_or_extra"]


def test_a_day_without_surge_scores_has_the_alerts_of_the_other_rules(site: Site) -> None:
    """As where the stage of the method failed: its check says that there is nothing to judge."""
    shutil.rmtree(site.storage.path("surge_scores", LAST).parent)
    publish_alerts(site, LAST, "verified")
    assert failing(site, "alerts_valid") == set()
    assert failing(site, CLOSE) == {"day_is_stored"}


def test_a_context_that_is_edited_or_broken_makes_no_score_missing(site: Site) -> None:
    for text in ("address,role,exclude\n10.0.0.4,gateway,true\n", "no such column\n"):
        (site.root / "roles.csv").write_text(text, encoding="utf-8")
        assert failing(open_site(site.root), CLOSE) == set()


@pytest.mark.parametrize(
    "config",
    [
        pytest.param(ON.replace("lookback_days: 10", "lookback_days: 5") + CONTEXT, id="a shorter window"),
        pytest.param(ON.replace("mx1}", f"mx1}}\n{SECOND}") + CONTEXT, id="a client that is a server"),
        pytest.param(ON, id="no context any more"),
    ],
)
def test_a_site_that_is_edited_makes_no_score_of_a_stored_day_wrong(site: Site, config: str) -> None:
    """The day is stale, and says so; the context that left a client out may be gone as a whole."""
    (site.root / "nilometer.yaml").write_text(config, encoding="utf-8")
    assert failing(open_site(site.root), CLOSE) == set()
    assert failing(open_site(site.root), "traffic_baseline_valid") == set()


def test_scores_of_a_rule_that_was_switched_off_are_not_wrong(site: Site) -> None:
    """Another rule of the method takes its place: the day is stale."""
    shipped = (Path(detections.__file__).parent / f"{RULE}.yaml").read_text(encoding="utf-8")
    (site.root / "rules").mkdir()
    own = shipped.replace(f"id: {RULE}", "id: own_surge").replace("enabled: false", "enabled: true")
    (site.root / "rules" / "own.yaml").write_text(own, encoding="utf-8")
    config = ON.replace(f"{RULE}: true", f"{RULE}: false") + CONTEXT
    (site.root / "nilometer.yaml").write_text(config, encoding="utf-8")
    assert failing(open_site(site.root), CLOSE) == set()


def test_every_expectation_of_the_suite_is_proved_to_fail_and_says_what_to_do() -> None:
    stated = {e["kwargs"]["column"]: e["meta"] for e in SPECS[CLOSE].expectations}
    assert set(stated) == {e for e, _, _ in FAULTS} | {"schema_faults"}
    assert all(len(m["meaning"]) > 20 and len(m["remedy"]) > 10 for m in stated.values())


def test_a_site_without_a_rule_of_the_method_has_no_such_check(tmp_path: Path) -> None:
    assert CLOSE not in {s.name for s in specs_of(make_site(tmp_path, 1))}
