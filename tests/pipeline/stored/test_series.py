"""A rule that is switched on after flows were pruned knows nothing of their days: they are no days without traffic."""

from __future__ import annotations

import datetime as dt
from dataclasses import replace
from pathlib import Path

import polars as pl
import pytest

from pipeline.detections.loader import BUILT_IN
from pipeline.schemas import ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS
from pipeline.site import Site, open_site
from pipeline.stored import stages
from pipeline.stored.outdated import ADDED, UNCOUNTED, outdated
from pipeline.stored.series import series_lacking, untold_days
from pipeline.trials.explain import NOT_COUNTED, explain
from pipeline.trials.trial import SeedTrial
from tests.worlds import CONFIG, SEED, TWIN, day

SENDERS = "smtp_senders_sending_high_volume"
ON = f"rules: {{{SENDERS}: {{fleet_deviation_threshold: 0, own_deviation_threshold: 1, minimum_data_samples: 2}}}}\n"
DAYS, GONE, LAST = 12, 8, day(11)
PRUNED = dt.date(2026, 12, 1)


def sent(number: int, client: int) -> int:
    """Everybody sends the same every day, but for a few bytes."""
    return 30_000_000 + client + number % 2


def with_flows(folder: Path, config: str = CONFIG) -> Site:
    """A site whose clients send by SMTP on every day; its days are judged by the rules of the configuration."""
    (folder / "nilometer.yaml").write_text(config, encoding="utf-8")
    site = open_site(folder)
    for n in range(DAYS):
        nine = dt.datetime.combine(day(n), dt.time(9), dt.UTC)
        rows = [
            {"start_time": nine, "src_ip": f"10.0.0.{c}", "bytes_in": 1_000, "bytes_out": sent(n, c)}
            for c in range(1, 5)
        ]
        same = {"dest_ip": pl.lit("192.0.2.10"), "dest_port": pl.lit(25), "action": pl.lit("allowed")}
        flows = pl.DataFrame(rows).with_columns(dest_category=pl.lit(["email_server"]), **same)
        site.storage.write_day(FLOWS, day(n), FLOWS.conform(flows), inputs={}, facts={"lines": 4, "files": 1})
        stages.make_daily(site, day(n))
    judge(site)
    return site


def judge(site: Site) -> None:
    for n in range(DAYS):
        stages.make_daily(site, day(n))
        stages.make_baseline(site, day(n))
        stages.make_scores(site, day(n))
        stages.publish_alerts(site, day(n), "verified")


def switched_on(site: Site, *, pruned: int = GONE) -> Site:
    """The same site with a rule more, after the flows of its first days were pruned."""
    for n in range(pruned):
        site.storage.prune_day("flows", day(n), PRUNED)
    (site.root / "nilometer.yaml").write_text(CONFIG + ON, encoding="utf-8")
    later = open_site(site.root)
    judge(later)
    return later


def last_scores(site: Site) -> pl.DataFrame:
    return site.storage.read_day(ANOMALY_SCORES, LAST).filter(pl.col("rule_id") == SENDERS).sort("client")


def test_days_that_nobody_counted_are_no_zeros_and_no_part_of_the_window(tmp_path: Path) -> None:
    found = last_scores(switched_on(with_flows(tmp_path)))
    told = found.select("n", "n_past_values", "window_days", "window_days_present", "window_complete").unique()
    assert told.rows() == [(DAYS - GONE, DAYS - GONE - 1, DAYS - 1, DAYS - GONE - 1, False)]
    assert (found["per_source_avg_bytes"] > 29_000_000).all()
    whole = last_scores(switched_on(with_flows(tmp_path), pruned=0))
    assert whole.select("n", "window_complete").unique().rows() == [(DAYS, True)]


def test_other_rules_know_all_their_days(tmp_path: Path) -> None:
    site = switched_on(with_flows(tmp_path))
    mine = site.storage.read_day(ANOMALY_SCORES, LAST).filter(pl.col("rule_id") == SEED)
    assert mine.select("n", "window_days_present", "window_complete").unique().rows() == [(DAYS, DAYS - 1, True)]
    assert untold_days(site, [day(n) for n in range(DAYS)]) == {
        site.rule(SENDERS).measure.id: frozenset(day(n) for n in range(GONE))
    }


def test_a_rule_without_a_row_on_days_that_were_counted_for_it_knows_them_after_another_came(tmp_path: Path) -> None:
    site = with_flows(tmp_path, CONFIG + "rules: {hosts_making_many_dns_flows: true}\n")
    for n in range(DAYS):
        site.storage.prune_day("flows", day(n), PRUNED)
    (tmp_path / "nilometer.yaml").write_text(
        CONFIG + f"rules: {{hosts_making_many_dns_flows: true, {SENDERS}: true}}\n"
    )
    later = open_site(tmp_path)
    assert untold_days(later, [LAST]).keys() == {later.rule(SENDERS).measure.id}


def test_a_day_of_an_earlier_version_is_asked_for_its_rows_and_may_have_none_of_a_rule_that_is_on_by_itself(
    tmp_path: Path,
) -> None:
    site = with_flows(tmp_path)
    before = site.storage.record("daily_traffic", day(0))
    assert before is not None
    rows = site.storage.read_day(DAILY_TRAFFIC, day(0))
    site.storage.write_day(DAILY_TRAFFIC, day(0), rows, inputs=before.inputs, facts={})
    site.storage.prune_day("flows", day(0), PRUNED)
    (tmp_path / "nilometer.yaml").write_text(CONFIG + ON, encoding="utf-8")
    later = open_site(tmp_path)
    assert site.rule(TWIN).measure.id not in rows["measure"]
    assert untold_days(later, [day(0), day(1)]) == {later.rule(SENDERS).measure.id: {day(0)}}


def forgotten(site: Site, inputs: dict[str, str] | None = None) -> None:
    """The site's daily traffic as an earlier version left it, which did not name its series; its flows are pruned."""
    for n in range(DAYS):
        record = site.storage.record("daily_traffic", day(n))
        assert record is not None
        rows, made = site.storage.read_day(DAILY_TRAFFIC, day(n)), {**record.inputs, **(inputs or {})}
        site.storage.write_day(DAILY_TRAFFIC, day(n), rows, inputs=made, facts={})
        site.storage.prune_day("flows", day(n), PRUNED)


DNS = "hosts_making_many_dns_flows"


@pytest.mark.parametrize(
    ("before", "after", "untold"),
    [
        ([DNS], [DNS], []),
        ([DNS, SENDERS], [DNS], []),  # One was switched off since.
        ([DNS], [DNS, SENDERS], [SENDERS]),
        ([SENDERS], [DNS, SENDERS], [DNS]),
        ([DNS, SENDERS], [SENDERS, "hosts_making_many_mail_flows"], ["hosts_making_many_mail_flows"]),
    ],
)
def test_a_day_of_an_earlier_version_is_known_by_the_hash_of_its_series(
    tmp_path: Path, before: list[str], after: list[str], untold: list[str]
) -> None:
    """A rule that finds nothing on most days has no row there, and was counted all the same."""
    site = with_flows(tmp_path, CONFIG + "rules:\n" + "".join(f"  {r}: true\n" for r in before))
    forgotten(site)
    (tmp_path / "nilometer.yaml").write_text(CONFIG + "rules:\n" + "".join(f"  {r}: true\n" for r in after))
    later = open_site(tmp_path)
    assert set(untold_days(later, [LAST])) == {later.rule(r).measure.id for r in untold}


def test_a_day_whose_hash_is_of_no_known_series_is_asked_for_its_rows(tmp_path: Path) -> None:
    forgotten(with_flows(tmp_path), {"measures": "of a rule that is gone"})
    (tmp_path / "nilometer.yaml").write_text(CONFIG + ON, encoding="utf-8")
    later = open_site(tmp_path)
    assert untold_days(later, [LAST]).keys() == {later.rule(SENDERS).measure.id}


def test_what_a_day_has_rows_of_was_counted_whatever_its_hash_is_of(tmp_path: Path) -> None:
    site = with_flows(tmp_path, CONFIG + ON)
    forgotten(site, {"measures": "of a rule that is gone"})
    assert untold_days(site, [LAST]) == {}


def test_of_a_hash_of_no_known_series_only_rules_that_are_on_by_themselves_are_surely_no_gap(tmp_path: Path) -> None:
    """The twin has no rows: nobody can tell whether it was counted, but sites have it on unless they say otherwise."""
    site = with_flows(tmp_path)
    forgotten(site, {"measures": "of a rule that is gone"})
    record = site.storage.record("daily_traffic", LAST)
    assert record is not None
    twin, senders = site.rule(TWIN).measure.id, next(r for r in site.known_rules.values() if r.id == SENDERS).measure.id
    assert series_lacking(site, record, [twin, senders], surely=True) == {senders}
    assert series_lacking(site, record, [twin, senders], surely=False) == {twin, senders}


def test_a_rule_of_the_site_itself_is_not_taken_to_have_been_on(tmp_path: Path) -> None:
    built_in = BUILT_IN / f"{SENDERS}.yaml"
    text = (
        built_in.read_text(encoding="utf-8").replace("enabled: false", "enabled: true").replace(SENDERS, "my_senders")
    )
    site = with_flows(tmp_path)
    forgotten(site, {"measures": "of a rule that is gone"})
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "mine.yaml").write_text(text, encoding="utf-8")
    later = open_site(tmp_path)
    assert untold_days(later, [LAST]).keys() == {later.rule("my_senders").measure.id}


def test_the_series_that_a_day_names_count_though_their_rule_is_gone(tmp_path: Path) -> None:
    """A day says what it was made for, so that neither hash nor rows are asked."""
    site = with_flows(tmp_path)
    record = site.storage.record("daily_traffic", LAST)
    assert record is not None
    known = replace(record, inputs={**record.inputs, "measures": "of a rule that is gone"})
    wanted = [site.rule(TWIN).measure.id, "another"]
    assert series_lacking(site, known, wanted, surely=False) == {"another"}


def test_a_day_whose_daily_traffic_was_pruned_too_is_no_part_of_any_window(tmp_path: Path) -> None:
    site = with_flows(tmp_path)
    for table in ("flows", "daily_traffic"):
        site.storage.prune_day(table, day(0), PRUNED)
    (tmp_path / "nilometer.yaml").write_text(CONFIG + ON, encoding="utf-8")
    assert untold_days(open_site(tmp_path), [day(0), day(1)]) == {}


def test_a_client_of_such_a_day_is_not_said_to_have_had_no_traffic(tmp_path: Path) -> None:
    site = switched_on(with_flows(tmp_path))
    rules = [site.rule(SEED), site.rule(SENDERS)]
    told = explain(site, "10.0.0.1", day(3), rules)
    assert [(e.state, e.cause) for e in told] == [("normal", "below_both_gates"), ("not_scored", NOT_COUNTED)]
    assert outdated(site, day(3), rules) == {SENDERS: UNCOUNTED}
    assert outdated(site, LAST, rules) == {}
    assert ADDED != UNCOUNTED


def test_a_candidate_of_another_series_is_not_judged_by_days_whose_flows_are_gone(tmp_path: Path) -> None:
    site = with_flows(tmp_path)
    candidate = next(r for r in site.known_rules.values() if r.id == SENDERS).with_numbers({"minimum_data_samples": 2})
    for n in range(GONE):
        site.storage.prune_day("flows", day(n), PRUNED)
    trial = SeedTrial(site, candidate)
    every = [day(n) for n in range(DAYS)]
    assert trial.untold(every) == every[:GONE]
    assert SeedTrial(site, site.rule(SEED)).untold(every) == []
    of = trial.inputs(LAST)
    assert of.past.select("window_days_present", "window_complete").unique().rows() == [(DAYS - GONE - 1, False)]
    assert trial.verdicts(LAST)["cause"].unique().to_list() != ["no_history"]
    assert of.around.days_read == frozenset(every[GONE:-1])


@pytest.mark.parametrize("pruned", [0, GONE])
def test_what_is_stored_afterwards_is_up_to_date(tmp_path: Path, pruned: int) -> None:
    site = switched_on(with_flows(tmp_path), pruned=pruned)
    for n in range(DAYS):
        record = site.storage.record("traffic_baseline", day(n))
        scores = site.storage.record("anomaly_scores", day(n))
        assert record is not None
        assert scores is not None
        assert record.inputs == stages.baseline_inputs(site, day(n))
        assert scores.inputs == stages.score_inputs(site, day(n))
        assert ("untold" in record.inputs) == (pruned > 0 and n > 0)
