"""`nilometer quality` and the acceptance of days: what is shown, what counts, and what every other command says."""

import json
import shutil
from pathlib import Path

import pytest

from data_quality.results import day_quality, result_name, results_of
from pipeline.site import Site, open_site
from pipeline.stored.pruned import QUALITY
from tests.assets.test_cli import call, objects
from tests.worlds import CONFIG, SEED, TWIN, day, make_site, write_log

DAYS = 7
LAST = day(DAYS - 1)
OWN = """expectations:
  - name: no_giants
    table: flows
    value: max(bytes_in)
    max: 100000
    blocking: true
    meaning: The largest flow of the day.
    remedy: Ask who fetched it.
"""
FAILED = "site_expectations/no_giants"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site whose last day, that of the theft, fails a blocking expectation of its own."""
    root = tmp_path_factory.mktemp("ran")
    make_site(root, DAYS, config=CONFIG + OWN)
    result = call("run", "--from", day(0), "--to", LAST, site=root)
    assert result.exit_code == 1
    assert f"{LAST}: done, unverified" in result.stderr
    return root


@pytest.fixture
def copy(ran: Path, tmp_path: Path) -> Path:
    return shutil.copytree(ran, tmp_path / "copy")


def accept(site: Path, *more: object) -> None:
    result = call("quality", "accept", LAST, "--reason", "a known import", "--by", "analyst", *more, site=site)
    assert result.exit_code == 0, result.output


def test_the_contract_stays_one_object_an_expectation(ran: Path) -> None:
    found = objects(call("quality", "--day", LAST, "--json", site=ran))
    keys = ["day", "table", "check", "expectation", "passed", "severity", "blocking", "observed", "limit", "remedy"]
    assert {tuple(o) for o in found} == {(*keys, "meaning", "unexpected", "sample")}
    assert [o["check"] + "/" + o["expectation"] for o in found if not o["passed"] and o["blocking"]] == [FAILED]


def test_a_pruned_day_keeps_its_quality_and_was_not_never_made(copy: Path) -> None:
    """Its flows and results are gone on purpose: to run it again would be no way to have them."""
    site = open_site(copy)
    first = site.settings.start_date
    for name in site.storage.names(f"quality/day={first}"):
        site.storage.remove(name)
    site.storage.write_text(f"{QUALITY}/day={first}.txt", "verified")
    site.storage.prune_day("flows", first, LAST)
    shown = call("quality", "--day", first, site=copy)
    assert shown.stdout.splitlines() == ["No result of these days is kept.", f"{first}: verified"]
    told = call("quality", "--day", first, "--json", site=copy)
    assert (told.exit_code, told.stdout) == (0, "")
    assert told.stderr == f"{first}: the results of its checks were pruned; the day's quality is kept\n"


def test_the_table_says_meaning_limit_and_what_to_do_and_how_the_day_stands(ran: Path) -> None:
    result = call("quality", site=ran)
    assert result.exit_code == 0
    (line,) = [x for x in result.stdout.splitlines() if "no_giants" in x and "FAILED" in x]
    assert all(w in line for w in ("The largest flow of the day.", "max 100000.0", "Ask who fetched it.", "error"))
    assert "No line was read for this day" not in result.stdout  # The remedy of what passed.
    assert result.stdout.splitlines()[-1].startswith(f"{LAST}: unverified: a check that matters failed: {FAILED}")
    assert "\x1b" not in result.output


def test_only_what_failed_in_a_range_of_days(ran: Path) -> None:
    some = objects(call("quality", "--from", day(0), "--to", LAST, "--failed", "--json", site=ran))
    assert {o["passed"] for o in some} == {False}
    assert [o["day"] for o in some if o["expectation"] == "no_giants"] == [LAST.isoformat()]
    whole = objects(call("quality", "--from", day(0), "--to", LAST, "--json", site=ran))
    assert {o["day"] for o in whole} == {day(n).isoformat() for n in range(DAYS)}


def test_days_on_which_no_check_ran_are_named_as_such(ran: Path) -> None:
    result = call("quality", "--day", day(20), site=ran)
    assert "No check has run" in result.stdout
    assert f"{day(20)}: never made; run it: nilometer run --day {day(20)}" in result.stdout


def test_control_characters_of_a_result_do_not_reach_the_terminal(copy: Path) -> None:
    site = open_site(copy)
    rows = results_of(site, LAST).filter(check="drift")
    evil = rows.with_columns(observed=rows["expectation"] + "\x1b[31m\u202e\r\n2026-01-01: verified")
    site.storage.write_parquet(result_name(LAST, "drift"), evil, {})
    result = call("quality", "--day", LAST, site=copy)
    assert "\\x1b[31m" in result.stdout
    assert not {"\x1b", "\u202e", "\r"} & set(result.output)
    assert not [x for x in result.stdout.splitlines() if x.startswith("2026-01-01")]


def test_an_unverified_day_is_named_by_every_command(ran: Path) -> None:
    for form in ("table", "jsonl", "csv"):
        result = call("alerts", "--day", LAST, "--rule", SEED, "--format", form, site=ran)
        assert result.exit_code == 1
        assert f"{LAST}: unverified: a check that matters failed: {FAILED}" in result.stderr
    (alert,) = objects(call("alerts", "--day", LAST, "--format", "jsonl", site=ran))
    assert alert["quality"] == "unverified"
    (status,) = objects(call("status", "--day", LAST, "--json", site=ran))
    assert (status["state"], status["quality"]) == ("done", "unverified")
    assert FAILED in " ".join(status["reasons"])
    assert call("alerts", "--day", day(2), site=ran).exit_code == 0


def test_a_damaged_table_keeps_no_other_day_from_being_told(copy: Path) -> None:
    table = copy / "data" / "flows" / f"day={LAST}" / "part.parquet"
    table.write_bytes(table.read_bytes()[:100])
    result = call("status", "--json", site=copy)
    found = {d["day"]: d for d in objects(result)}
    assert (result.exit_code, found[f"{day(2)}"]["state"], found[f"{LAST}"]["state"]) == (0, "done", "stale")
    assert "cannot be read" in found[f"{LAST}"]["reasons"][0]
    result = call("alerts", site=copy)
    assert result.exit_code == 1
    assert f"{LAST}: unverified: its flows cannot be read any more; see: nilometer status --day {LAST}" in result.stderr


@pytest.mark.parametrize("whole", [100, 0])
def test_damaged_alerts_of_one_day_hide_no_other_day_s(copy: Path, whole: int) -> None:
    shown = call("alerts", site=copy).stdout
    table = copy / "data" / "alerts" / f"day={day(2)}" / "part.parquet"
    table.write_bytes(table.read_bytes()[:whole])
    found = call("alerts", site=copy)
    assert (found.exit_code, f"{day(2)}: " in found.stderr, str(table) in found.stderr) == (1, True, True)
    assert next(line for line in shown.splitlines() if "10.0.0.2" in line) in found.stdout


def test_no_alert_of_a_doubtful_day_never_reads_as_no_alert(ran: Path) -> None:
    words = ["alerts", "--from", LAST, "--to", day(DAYS), "--rule", TWIN]
    assert "No alert. But 2 of the days have no verdict" in call(*words, site=ran).stdout
    assert call("alerts", "--day", day(2), site=ran).stdout == "No alert.\n"


def test_an_accepted_day_counts_as_fit_everywhere_and_says_so(copy: Path) -> None:
    accept(copy)
    result = call("alerts", "--format", "jsonl", "--day", LAST, site=copy)
    assert result.exit_code == 0
    assert "accepted by analyst at" in result.stderr
    assert "a known import" in result.stderr
    assert json.loads(result.stdout)["quality"] == "accepted"
    (status,) = objects(call("status", "--day", LAST, "--json", site=copy))
    assert (status["state"], status["quality"]) == ("stale", "accepted")  # Its alerts still say unverified.
    again = call("run", "--stale", site=copy)
    assert (again.exit_code, again.stdout) == (0, "1 day: 1 good, 0 with problems; 1 alert.\n")
    (alert,) = objects(call("alerts", "--format", "jsonl", "--day", LAST, site=copy))
    assert "failed a check and was accepted by a person" in alert["message"]
    (status,) = objects(call("status", "--day", LAST, "--json", site=copy))
    assert (status["state"], status["quality"]) == ("done", "accepted")


def test_acceptance_hides_no_result(copy: Path) -> None:
    before = objects(call("quality", "--day", LAST, "--json", site=copy))
    accept(copy)
    assert objects(call("quality", "--day", LAST, "--json", site=copy)) == before
    assert "accepted by analyst" in call("quality", "--day", LAST, site=copy).stdout


def test_a_withdrawn_acceptance_counts_no_more_and_both_are_kept(copy: Path) -> None:
    accept(copy)
    assert call("quality", "accept", LAST, "--withdraw", "--by", "other", site=copy).exit_code == 0
    assert day_quality(open_site(copy), LAST) == "unverified"
    assert len(list((copy / "data" / "acceptance").iterdir())) == 2
    again = call("quality", "accept", LAST, "--withdraw", site=copy)
    assert (again.exit_code, "nobody has accepted" in again.stderr) == (1, True)


def lapsed_by_flows(site: Path) -> None:
    write_log(site, LAST, {"10.0.0.2": 5_000_000})
    call("run", "--day", LAST, site=site)


def lapsed_by_failures(site: Path) -> None:
    opened: Site = open_site(site)
    rows = results_of(opened, LAST).filter(check="flows_valid")
    opened.storage.write_parquet(result_name(LAST, "flows_valid"), rows.with_columns(passed=False), {})


@pytest.mark.parametrize(
    ("change", "why"), [(lapsed_by_flows, "its flows changed"), (lapsed_by_failures, "other checks fail now")]
)
def test_an_acceptance_lapses_when_flows_or_failures_change(copy: Path, change: object, why: str) -> None:
    accept(copy)
    assert callable(change)
    change(copy)
    result = call("alerts", "--day", LAST, site=copy)
    assert result.exit_code == 1
    assert "no longer accepted by analyst at" in result.stderr
    assert why in result.stderr


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["accept", LAST], 2, "--reason"),
        (["accept", LAST, "--reason", "  "], 2, "--reason"),
        (["accept", LAST, "--reason", "x" * 501], 1, "500"),
        (
            ["accept", day(1), "--reason", "x"],
            1,
            "only an unverified day can be accepted. Nothing is to be",
        ),
        (["accept", day(20), "--reason", "x"], 1, "it is no_data"),
        (["accept", "yesterday", "--reason", "x"], 2, "YYYY-MM-DD"),
    ],
)
def test_what_cannot_be_accepted_is_refused(ran: Path, words: list[object], code: int, says: str) -> None:
    result = call("quality", *words, site=ran)
    assert (result.exit_code, says in result.stderr) == (code, True), result.output
    assert not (ran / "data" / "acceptance").exists()


def test_a_reason_with_control_characters_is_kept_and_shown_as_text(copy: Path) -> None:
    result = call("quality", "accept", LAST, "--reason", "ok\x1b[2J\u202e", "--by", "a\nb", site=copy)
    assert result.exit_code == 0
    shown = call("quality", "--day", LAST, site=copy).output + call("alerts", "--day", LAST, site=copy).output
    assert not {"\x1b", "\u202e"} & set(result.output + shown)
    assert "accepted by a\\nb at" in shown
