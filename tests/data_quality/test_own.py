"""A site's own expectations run as the shipped ones do, decide quality only where they block, and never crash."""

import shutil
from pathlib import Path

import pytest

from data_quality.results import blocking_failures, day_quality, results_of
from data_quality.specs import CheckSpec, check_specs, specs_of
from pipeline.site import Site, open_site
from tests.data_quality.days import judge, make, run_check
from tests.worlds import CONFIG, day, make_site

DAYS = 3
LAST = day(DAYS - 1)


def stated(name: str, table: str, value: str, bounds: str) -> str:
    text = f"{{name: {name}, table: {table}, value: '{value}', {bounds}, meaning: M {name}, remedy: R {name}}}"
    return f"  - {text}\n"


OWN = (
    "expectations:\n"
    + stated("few_flows", "flows", "count(*)", "max: 2, blocking: true")
    + stated("some_clients", "daily_traffic", "count(distinct client)", "min: 1")
    + stated("no_alert", "alerts", "count(*)", "max: 0")
    + stated("no_surge", "surge_scores", "count(*)", "max: 0")
    + stated("no_bytes", "flows", "max(missed_bytes) / 0.0", "max: 1")
)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = make_site(tmp_path_factory.mktemp("own"), DAYS, config=CONFIG + OWN)
    make(site, [day(n) for n in range(DAYS)])
    judge(site, LAST)
    return site.root


@pytest.fixture
def site(made: Path, tmp_path: Path) -> Site:
    return open_site(shutil.copytree(made, tmp_path / "site"))


def own_specs(site: Site) -> dict[str, CheckSpec]:
    return {s.name: s for s in specs_of(site) if s.name.startswith("site_")}


def rows(site: Site) -> dict[str, dict[str, object]]:
    found = results_of(site, LAST)
    return {r["expectation"]: r for r in found.iter_rows(named=True) if r["check"].startswith("site_")}


def test_a_site_without_own_expectations_has_no_check_for_them(tmp_path: Path) -> None:
    assert own_specs(make_site(tmp_path, 1)) == {}


def test_a_dozen_checks_ship_and_a_sites_own_are_two_more_at_most(site: Site) -> None:
    assert len(specs_of(site)) - len(check_specs()) <= 2
    assert len(check_specs()) <= 12
    assert {s.name: (s.table, s.blocking, s.severity) for s in own_specs(site).values()} == {
        "site_expectations": ("daily_traffic", True, "error"),
        "site_verdict_expectations": ("alerts", False, "warning"),
    }


def test_results_name_table_severity_and_what_was_stated(site: Site) -> None:
    found = rows(site)
    few = found["few_flows"]
    assert (few["table"], few["passed"], few["severity"], few["blocking"]) == ("flows", False, "error", True)
    assert (few["observed"], few["limit"], few["remedy"]) == ("3", "max 2.0", "R few_flows")
    assert (found["some_clients"]["passed"], found["some_clients"]["blocking"]) == (True, False)
    assert found["no_alert"]["table"] == "alerts"


def test_a_number_that_is_not_there_fails_with_why_and_the_others_are_still_judged(site: Site) -> None:
    found = rows(site)
    assert (found["no_surge"]["passed"], found["no_surge"]["observed"]) == (False, "surge_scores is not stored")
    assert found["no_bytes"]["passed"] is False
    assert "division by zero" in str(found["no_bytes"]["observed"])
    assert found["no_alert"]["passed"] is True


def test_only_a_blocking_one_makes_the_day_unverified(site: Site) -> None:
    assert blocking_failures(site, LAST) == ("site_expectations/few_flows",)
    assert day_quality(site, LAST) == "unverified"
    path = site.root / "nilometer.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace(", blocking: true", ""), encoding="utf-8")
    changed = open_site(site.root)
    judge(changed, LAST)
    assert rows(changed)["few_flows"]["passed"] is False
    assert day_quality(changed, LAST) == "verified"


def test_a_new_blocking_one_that_never_ran_leaves_its_days_unverified(site: Site) -> None:
    path = site.root / "nilometer.yaml"
    text = path.read_text(encoding="utf-8").replace("max: 2, blocking", "max: 9, blocking")
    path.write_text(text + stated("rows", "daily_traffic", "count(*)", "min: 1, blocking: true"), encoding="utf-8")
    changed = open_site(site.root)
    assert "site_expectations/rows (never ran)" in blocking_failures(changed, LAST)
    judge(changed, LAST)
    assert day_quality(changed, LAST) == "verified"


def test_a_damaged_table_fails_its_expectations_and_no_more(site: Site) -> None:
    site.storage.path("flows", LAST).write_bytes(b"PAR1 cut")
    outcome = run_check(own_specs(site)["site_expectations"], site, LAST)
    by_name = {o["expectation"]: o["passed"] for o in outcome.outcomes}
    assert by_name == {"few_flows": False, "some_clients": True, "no_bytes": False}


def test_a_day_without_the_table_says_so(site: Site) -> None:
    outcome = run_check(own_specs(site)["site_expectations"], site, day(20))
    assert [o["expectation"] for o in outcome.outcomes] == ["day_is_stored"]
