"""The check `drift`: each expectation fails on its day with names, and nothing from data becomes markup."""

import datetime as dt
import json
from pathlib import Path
from typing import Any

import pytest

from assets.reporting import metadata
from data_quality.results import day_quality, results_of
from data_quality.specs import check_specs
from pipeline.insight.drift import KINDS
from pipeline.site import Site
from tests.data_quality.days import judge, make, run_check
from tests.worlds import CONFIG, day, log_path, make_site, record

DAYS = 5
LAST = day(DAYS - 1)
SPEC = next(s for s in check_specs() if s.name == "drift")
EVIL = "x\x1b[31m|![a](http://192.0.2.1/p.png)<b>\n"


def write(folder: Path, of: dt.date, server: str, swapped: bool = False, **changes: Any) -> None:
    noon = dt.datetime.combine(of, dt.time(12), dt.UTC)
    path = log_path(folder, of)
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a", encoding="utf-8") as handle:
        for n in range(30):
            made = json.loads(record(noon, f"10.0.1.{n}", 30_000, f"C{server}{n}", server))
            if swapped:
                made["orig_ip_bytes"], made["resp_ip_bytes"] = made["resp_ip_bytes"], made["orig_ip_bytes"]
            made = {k: v for k, v in {**made, **changes}.items() if v is not None}
            handle.write(json.dumps(made) + "\n")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    """Quiet days, and a last day on which everything drifts."""
    folder = tmp_path_factory.mktemp("drift")
    config = f"{CONFIG}  - {{address: 192.0.2.11, category: email_server}}\n"
    site = make_site(folder, 1, config=config)
    log_path(folder, day(0)).write_text("", encoding="utf-8")
    for n in range(DAYS - 1):
        write(folder, day(n), "192.0.2.10")
        write(folder, day(n), "192.0.2.11")
    write(folder, LAST, "192.0.2.10", swapped=True, duration=None, proto=7, **{EVIL: 1})
    write(folder, LAST, "198.51.100.25", duration=None, proto=7, **{EVIL: 1})
    make(site, [day(n) for n in range(DAYS)])
    judge(site, LAST)
    return site


def test_each_expectation_fails_on_the_day_that_drifts_and_none_on_the_day_before(site: Site) -> None:
    assert {o["expectation"] for o in run_check(SPEC, site, LAST).outcomes if not o["passed"]} == set(KINDS)
    assert run_check(SPEC, site, day(DAYS - 2)).passed


def test_what_is_observed_names_source_file_and_field_and_what_to_do(site: Site) -> None:
    found = {o["expectation"]: o for o in run_check(SPEC, site, LAST).outcomes}
    missing = found["missing_fields"]["observed"]
    assert missing.startswith("1: source core: ")
    assert f"logs/{LAST}/conn.log: field duration is missing" in missing
    assert "192.0.2.11/32 had no traffic" in found["silent_servers"]["observed"]
    assert '- {address: "198.51.100.25", category: email_server}' in found["unlisted_servers"]["remedy"]


def test_drift_is_a_warning_and_does_not_decide_quality(site: Site) -> None:
    found = results_of(site, LAST)
    assert set(found.filter(check="drift")["severity"]) == {"warning"}
    assert not found.filter(check="drift")["blocking"].any()
    assert day_quality(site, day(1)) == "verified"


def test_a_field_name_full_of_markup_is_shown_as_text(site: Site) -> None:
    observed = next(o["observed"] for o in run_check(SPEC, site, LAST).outcomes if o["expectation"] == "new_fields")
    assert EVIL.strip() in observed
    shown = metadata.cell(observed)
    assert "![a](" not in shown
    assert "http://" not in shown
    assert "\\<b\\>" in shown
