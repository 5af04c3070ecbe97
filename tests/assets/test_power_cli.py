"""`power`, `backtest` and `compare`: words, exit codes, forms, and a site left exactly as it was."""

from __future__ import annotations

import csv
import io
import shutil
from pathlib import Path

import pytest

from pipeline.detections.loader import BUILT_IN
from pipeline.site import open_site
from pipeline.stored.stages import make_baseline, make_daily, make_scores
from pipeline.trials.trial import SeedTrial
from tests.calls import call, objects
from tests.worlds import SEED, TWIN, day, make_site

DAYS = 14
LAST = day(DAYS - 1)
STOLEN = "10.0.0.2"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ran")
    make_site(root, DAYS)
    assert call("run", "--from", day(0), "--to", LAST, site=root).exit_code == 0
    return root


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    """The built-in rule with a threshold of 1."""
    text = (BUILT_IN / f"{SEED}.yaml").read_text(encoding="utf-8")
    path = tmp_path / "candidate.yaml"
    head = text[: text.index("tests:")]
    path.write_text(head.replace("deviation_threshold: 3", "deviation_threshold: 1"), encoding="utf-8")
    assert "deviation_threshold: 1" in path.read_text(encoding="utf-8")
    return path


def test_the_power_map_is_of_the_last_scored_day_and_of_every_client(ran: Path) -> None:
    found = objects(call("power", "--json", site=ran))
    rows = [o for o in found if o["what"] == "power"]
    assert {(r["day"], r["client"], r["rule_id"]) for r in rows} == {
        (LAST.isoformat(), f"10.0.0.{c}", SEED) for c in (1, 2, 3)
    }
    assert {r["client"]: r["extra"] for r in rows}[STOLEN] == 0
    covered = [o["protected"] for o in found if o["what"] == "coverage"]
    assert covered == sorted(covered)
    assert len(covered) == 19


def test_csv_and_table_tell_the_same_day(ran: Path, tmp_path: Path) -> None:
    plot = tmp_path / "c.svg"
    table = list(csv.DictReader(io.StringIO(call("power", "--day", day(1), "--csv", site=ran).stdout)))
    assert {r["reason"] for r in table} == {"too_few_samples"}
    result = call("power", "--day", LAST, "--rule", SEED, "--plot", plot, site=ran)
    assert result.exit_code == 0
    assert "bound by fleet" in result.stdout
    assert plot.read_text(encoding="utf-8").startswith("<svg")
    assert "nobody could alert" in call("power", "--rule", TWIN, site=ran).stdout


def test_rules_that_nobody_could_trip_are_named(ran: Path) -> None:
    assert f"nobody could alert: {TWIN}\n" in call("power", site=ran).stdout
    assert TWIN not in call("power", "--rule", SEED, site=ran).stdout


def test_a_candidate_is_compared_with_the_rule_whose_series_is_most_like_its_own(ran: Path) -> None:
    counting = BUILT_IN / "hosts_making_many_mail_flows.yaml"
    assert f"current    {SEED}\n" in call("backtest", "--rule", counting, "--from", LAST, site=ran).stdout


def test_a_rule_that_came_after_a_day_was_judged_is_told_from_one_that_found_nothing(ran: Path, tmp_path: Path) -> None:
    site = shutil.copytree(ran, tmp_path / "copy")
    new, told = "email_server_serving_many_clients", "was not in force when the day was judged"
    with (site / "nilometer.yaml").open("a", encoding="utf-8") as config:
        config.write(f"rules: {{{new}: true, {SEED}: {{deviation_threshold: 2}}}}\n")
    for command in ("alerts", "power"):
        silent = call(command, "--rule", new, "--day", LAST, site=site)
        assert silent.exit_code == 1
        assert f"{new} {told}" in silent.stderr
        assert told not in call(command, "--rule", SEED, "--day", LAST, site=site).stderr
    every = call("alerts", "--day", LAST, site=site)
    assert (every.exit_code, told in every.stderr) == (0, True)
    rows = {o["rule_id"]: o for o in objects(call("explain", STOLEN, LAST, "--json", site=site))}
    assert (rows[new]["state"], rows[SEED]["rule_changed"], rows[TWIN]["rule_changed"]) == ("not_scored", True, False)
    assert not rows[new]["rule_changed"]  # It has not judged the day at all.
    assert "the rule has changed since" in call("explain", STOLEN, LAST, "--rule", SEED, site=site).stdout
    rule = open_site(site).rule(new)
    late, apart = (SeedTrial(open_site(folder), rule).verdicts(LAST) for folder in (site, ran))
    assert late.height == 1
    assert late.equals(apart)


def test_rules_of_another_series_are_named_as_not_compared_and_the_others_are(ran: Path, tmp_path: Path) -> None:
    site = shutil.copytree(ran, tmp_path / "copy")
    other = "smtp_senders_sending_high_volume"
    with (site / "nilometer.yaml").open("a", encoding="utf-8") as config:
        config.write(f"rules: {{{other}: true, {SEED}: {{reference: own, fill: zero}}}}\n")
    result = call("compare", "--json", site=site)
    assert result.exit_code == 0
    assert f"{other}: not compared, its series is none of surge's: bytes_out where" in result.stderr
    assert {o["seed"] for o in objects(result) if o["client"] == STOLEN} >= {"above_its_gate"}


def test_rules_that_count_are_told_in_their_own_unit_and_no_theft_of_bytes_is_planted_under_them(
    ran: Path, tmp_path: Path
) -> None:
    site, counting = shutil.copytree(ran, tmp_path / "copy"), "hosts_making_many_mail_flows"
    with (site / "nilometer.yaml").open("a", encoding="utf-8") as config:
        config.write(f"rules: {{{counting}: {{reference: own, minimum_data_samples: 1, floor: 7}}}}\n")
    opened = open_site(site)
    for when in (day(DAYS - 2), LAST):
        make_daily(opened, when)
    for make in (make_baseline, make_scores):
        make(opened, LAST)
    shown = call("power", "--rule", counting, site=site).stdout
    assert "bound by floor  from 6 flows, half within 6 flows" in shown
    assert "stolen" not in shown
    result = call("backtest", "--rule", BUILT_IN / f"{counting}.yaml", "--against", SEED, "--json", site=site)
    assert {o["rule"] for o in objects(result) if o["what"] == "recall"} == {"current"}
    assert {o["events"] for o in objects(result) if o["what"] == "sweep" and o["rule"] == "candidate"} == {0}
    assert f"note: no theft is planted under {counting}: it counts" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ["power", "--rule", "nonesuch"],
        ["power", "--json", "--csv"],
        ["power", "--day", "2026-1-1"],
        ["power", "--plot", "nonesuch/c.svg"],
        ["backtest"],
        ["backtest", "--rule", "nonesuch.yaml"],
        ["compare", "--from", "2026-10-03", "--to", "2026-10-02"],
    ],
)
def test_wrong_use_exits_2_and_prints_no_result(ran: Path, words: list[str]) -> None:
    result = call(*words, site=ran)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


def test_a_day_that_is_not_stored_is_named(ran: Path) -> None:
    result = call("power", "--day", day(DAYS), site=ran)
    assert result.exit_code == 1
    assert f"nilometer run --day {day(DAYS)}" in result.stderr
    assert "start_date" in call("power", "--day", "2026-09-01", site=ran).stderr


def test_a_back_test_tells_alerts_causes_thefts_and_thresholds_and_writes_nothing(
    ran: Path, candidate: Path, tmp_path: Path
) -> None:
    before = {p: p.read_bytes() for p in sorted(ran.rglob("*")) if p.is_file()}
    plot = tmp_path / "b.svg"
    words = ("backtest", "--rule", candidate, "--from", day(10), "--to", LAST, "--json", "--plot", plot)
    result = call(*words, site=ran)
    assert result.exit_code == 0, result.stderr
    found = objects(result)
    assert {o["what"] for o in found} == {"daily", "differences", "alerts", "recall", "sweep"}
    (stolen,) = (o for o in found if o["what"] == "alerts" and (o["day"], o["client"]) == (LAST.isoformat(), STOLEN))
    assert stolen["by"] == "both"
    assert {o["rule"] for o in found if o["what"] == "recall"} == {"candidate", "current"}
    assert plot.read_text(encoding="utf-8").count("<polyline") == 2 * 5
    assert {p: p.read_bytes() for p in sorted(ran.rglob("*")) if p.is_file()} == before


def test_days_that_are_not_stored_are_named_and_the_others_judged(ran: Path, candidate: Path, tmp_path: Path) -> None:
    site = shutil.copytree(ran, tmp_path / "copy")
    shutil.rmtree(site / "data" / "daily_traffic" / f"day={day(12)}")
    result = call("backtest", "--rule", candidate, "--from", day(11), "--to", LAST, site=site)
    assert result.exit_code == 1
    assert f"{day(12)}: not stored" in result.stderr
    assert f"current    {SEED}" in result.stdout


def test_compare_names_who_alerts_and_why_the_other_is_silent(ran: Path) -> None:
    (found,) = (
        o for o in objects(call("compare", "--json", site=ran)) if o["client"] == STOLEN and o["day"] == str(LAST)
    )
    assert (found["by"], found["seed"]) == ("seed only", "above_both_gates")
    assert found["surge"] == "not_rare_enough"
    text = call("compare", site=ran).stdout
    assert "scores as high came more often than the budget allows" in text
    assert call("compare", "--from", day(1), "--to", day(2), site=ran).stdout == "No alert of either method.\n"
    assert call("compare", "--csv", site=ran).stdout.startswith("day,client,bytes,by,seed,surge\n")


def test_a_site_without_scored_days_says_what_to_run(tmp_path: Path) -> None:
    make_site(tmp_path, 1)
    for command in (["power"], ["compare"]):
        result = call(*command, site=tmp_path)
        assert result.exit_code == 1
        assert "nilometer run" in result.stderr


def test_a_back_test_says_which_rule_looks_for_a_category_that_no_entry_has(ran: Path, candidate: Path) -> None:
    result = call("backtest", "--rule", candidate, "--from", LAST, site=ran)
    assert result.stderr.count("no entry") == 0
    assert "Not robbed, as a rule alerts on them without a theft: 1 client-days." in result.stdout
    candidate.write_text(candidate.read_text(encoding="utf-8").replace("email_server", "file_server"), encoding="utf-8")
    result = call("backtest", "--rule", candidate, "--from", LAST, site=ran)
    assert result.exit_code == 1
    assert "the candidate " in result.stderr
    assert "category 'file_server', which no entry of the inventory had on these days" in result.stderr


def test_a_back_test_says_which_rule_no_flow_is_of(ran: Path, candidate: Path) -> None:
    candidate.write_text(f"{candidate.read_text(encoding='utf-8')}dest_port: [9993]\n", encoding="utf-8")
    result = call("backtest", "--rule", candidate, "--from", LAST, site=ran)
    assert result.exit_code == 1
    assert f"the candidate {SEED} judged nobody on these days" in result.stderr
    assert "no flow is of its series (bytes_in where dest_category=email_server and dest_port=9993" in result.stderr
    assert "the current" not in result.stderr


def test_a_back_test_says_that_the_candidates_own_numbers_let_nothing_alert(ran: Path, candidate: Path) -> None:
    text = candidate.read_text(encoding="utf-8")
    candidate.write_text(f"{text}minimum_data_samples: 40\n".replace("minimum_data_samples: 4\n", ""), encoding="utf-8")
    result = call("backtest", "--rule", candidate, "--from", LAST, site=ran)
    assert result.exit_code == 1
    words = f"the candidate {SEED} can fire never: it needs 40 days of a client, and its window holds 31"
    assert words in result.stderr


def test_days_whose_flows_are_gone_are_not_judged_by_a_candidate_of_another_series(
    ran: Path, candidate: Path, tmp_path: Path
) -> None:
    copy = shutil.copytree(ran, tmp_path / "copy")
    text = candidate.read_text(encoding="utf-8").replace(f"id: {SEED}", "id: imap")
    candidate.write_text(f"{text}dest_port: [993]\n", encoding="utf-8")
    for n in range(DAYS - 4):
        open_site(copy).storage.prune_day("flows", day(n), day(DAYS))
    result = call("backtest", "--rule", candidate, "--from", day(DAYS - 6), "--json", site=copy)
    assert result.exit_code == 1
    days = [o["day"] for o in objects(result) if o["what"] == "daily"]
    assert days == [str(day(n)) for n in range(DAYS - 4, DAYS)]
    lost = f"{day(DAYS - 6)} to {day(DAYS - 5)}: not judged, as the series of imap was not in force when the flows were"
    assert lost in result.stderr
    assert f"note: 10 days from {day(0)} to {day(DAYS - 5)}: no past of imap, whose series" in result.stderr
    whole = call("backtest", "--rule", candidate, "--from", day(DAYS - 2), "--json", site=ran)
    assert (whole.exit_code, "no past" in whole.stderr) == (0, False)


def test_silence_of_a_rule_on_days_whose_flows_are_gone_is_told(ran: Path, tmp_path: Path) -> None:
    copy, later = shutil.copytree(ran, tmp_path / "copy"), "smtp_senders_sending_high_volume"
    open_site(copy).storage.prune_day("flows", LAST, day(DAYS))
    with (copy / "nilometer.yaml").open("a", encoding="utf-8") as config:
        config.write(f"rules: {{{later}: true}}\n")
    for words in (["alerts", "--rule", later, "--day", LAST], ["power", "--rule", later]):
        result = call(*words, site=copy)
        assert result.exit_code == 1
        assert f"{later} was not in force when the day's flows were counted, which were pruned since" in result.stderr
        assert "--stale" not in result.stderr
    explained = call("explain", STOLEN, LAST, site=copy).stdout
    assert "why       nobody was: the rule was not in force when the day's flows were counted" in explained


@pytest.fixture
def kept(ran: Path, tmp_path: Path) -> Path:
    """Without the first day of its windows, and with a shorter window since: the last day is kept as it was made."""
    copy = shutil.copytree(ran, tmp_path / "copy")
    for table in ("flows", "daily_traffic"):
        open_site(copy).storage.prune_day(table, day(0), day(DAYS))
    with (copy / "nilometer.yaml").open("a", encoding="utf-8") as config:
        config.write(f"rules: {{{SEED}: {{lookback_days: 20}}}}\n")
    return copy


def test_a_window_that_cannot_be_told_any_more_is_named_with_why_and_hides_no_other_rule(kept: Path) -> None:
    result = call("power", "--json", site=kept)
    assert (result.exit_code, objects(result)) == (1, [])
    assert f"{SEED}: {LAST} is kept as it was made, without this rule's window of 20 days" in result.stderr
    assert (f"daily_traffic of {day(0)} was pruned" in result.stderr, "run --day" in result.stderr) == (True, False)
    whole = call("power", "--rule", TWIN, site=kept)
    assert (whole.exit_code, whole.stderr) == (0, "")
    explained = call("explain", STOLEN, LAST, site=kept).stdout
    assert f"here is some of then and some of now, as daily_traffic of {day(0)} was pruned" in explained
    assert "--stale" not in explained


def test_a_new_rule_is_told_to_come_too_late_for_a_day_that_is_kept(kept: Path, candidate: Path) -> None:
    (kept / "rules").mkdir()
    text = candidate.read_text(encoding="utf-8").replace(f"id: {SEED}", "id: later")
    (kept / "rules" / "later.yaml").write_text(f"{text}lookback_days: 9\n", encoding="utf-8")
    told = "was not in force when the day was judged, and what it would be judged by was pruned since"
    result = call("alerts", "--rule", "later", "--day", LAST, site=kept)
    assert (result.exit_code, f"later {told}" in result.stderr, "--stale" in result.stderr) == (1, True, False)
    assert call("power", "--rule", "later", site=kept).exit_code == 1
    rows = objects(call("explain", STOLEN, LAST, "--json", site=kept))
    assert {o["rule_id"]: o["cause"] for o in rows}["later"] == "not_kept"
