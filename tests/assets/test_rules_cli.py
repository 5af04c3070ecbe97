"""`nilometer rules`: what is on, whose cases fail, a new rule that passes its own, and one rule in full."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result

from pipeline.detections.loader import BUILT_IN, read_rule
from pipeline.detections.model import Rule
from pipeline.detections.template import template_text
from pipeline.trials.cases import failed_cases
from tests.calls import call, objects
from tests.worlds import CONFIG, SEED

DNS = "hosts_making_many_dns_flows"


def by_id(result: Result) -> dict[str, dict[str, Any]]:
    return {o["id"]: o for o in objects(result)}


@pytest.fixture
def site(tmp_path: Path) -> Path:
    text = CONFIG + f"rules: {{{DNS}: {{floor: 7}}, {SEED}: false}}\nrule_paths: [more/web.yaml]\n"
    (tmp_path / "nilometer.yaml").write_text(text, encoding="utf-8")
    for path in ("rules/own.yaml", "more/web.yaml", "more/unnamed.yaml"):
        assert call("rules", "new", tmp_path / path).exit_code == 0
    return tmp_path


def test_list_names_every_rule_its_file_and_whether_it_is_on(site: Path) -> None:
    found = by_id(call("--site", site, "rules", "list", "--json"))
    assert [found[r]["on"] for r in (SEED, DNS, "own", "web", "mail_volume_surge")] == [False, True, True, True, False]
    assert found["own"]["file"] == str(site / "rules" / "own.yaml")
    assert found[SEED]["file"] == "built in"
    assert "unnamed" not in found
    text = call("--site", site, "rules", "list").stdout
    assert all(rule in text for rule in found)


def test_without_a_site_the_built_in_rules_are_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("NILOMETER_SITE", raising=False)
    assert {o["file"] for o in by_id(call("rules", "list", "--json")).values()} == {"built in"}
    assert call("rules", "test").exit_code == 0
    assert call("--site", tmp_path / "nowhere", "rules", "list").exit_code == 2


def test_a_case_that_fails_is_named_and_the_exit_code_is_1(site: Path) -> None:
    path = site / "rules" / "own.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("expect: []", "expect: [10.0.0.2]"), encoding="utf-8")
    result = call("--site", site, "rules", "test")
    assert result.exit_code == 1
    assert "own: 1 of 2 cases hold" in result.stdout
    assert "FAILED case 'a small rise does not' expects ['10.0.0.2'] and gives []" in result.stdout
    assert "web: 2 of 2 cases hold" in result.stdout
    assert by_id(call("rules", "test", "--json", path))["own"]["failed"]


def test_a_rule_that_never_can_alert_is_named_although_its_cases_hold(site: Path) -> None:
    short, mute = site / "short.yaml", site / "mute.yaml"
    text = (site / "rules" / "own.yaml").read_text(encoding="utf-8").replace("id: own", "id: short")
    short.write_text(text.replace("# lookback_days: 30", "lookback_days: 2"), encoding="utf-8")
    surge = (BUILT_IN / "mail_volume_surge.yaml").read_text(encoding="utf-8").replace("mail_volume_surge", "mute")
    mute.write_text(surge.replace("{shot: 0.65, slow: 0.2, new: 0.15}", "{shot: 0}"), encoding="utf-8")
    result = call("rules", "test", short, mute, site / "rules")
    assert result.exit_code == 1
    told = [line for line in result.stderr.splitlines() if "can fire" in line]
    assert told == [
        "the rule short can fire never: it needs 4 days of a client, and its window holds 3; raise lookback_days "
        "or lower minimum_data_samples",
        "the rule mute can fire never: no channel has a share of the budget; raise shares",
    ]
    assert {i: o["can_fire"] for i, o in by_id(call("rules", "test", "--json", short, site / "rules")).items()} == {
        "short": False,
        "own": True,
    }


def test_rules_are_tested_for_whether_they_can_alert_with_the_numbers_of_the_site(site: Path) -> None:
    config = site / "nilometer.yaml"
    config.write_text(config.read_text(encoding="utf-8").replace("floor: 7", "lookback_days: 2"), encoding="utf-8")
    result = call("--site", site, "rules", "test")
    assert (result.exit_code, result.stderr.count("can fire never")) == (1, 1)
    assert f"the rule {DNS} can fire never" in result.stderr


def test_a_bad_file_hides_no_other_and_the_exit_code_is_2(site: Path) -> None:
    bad = site / "rules" / "bad.yaml"
    bad.write_text("id: bad\n", encoding="utf-8")
    result = call("rules", "test", site / "rules", site / "gone.yaml")
    assert result.exit_code == 2
    assert "own: 2 of 2 cases hold" in result.stdout
    assert f"{bad}:1, key title: this key is required." in result.stderr
    assert "gone.yaml: there is no such rule file or folder." in result.stderr


def test_a_folder_without_rules_is_no_success(site: Path) -> None:
    (site / "empty").mkdir()
    result = call("rules", "test", site / "empty", site / "rules")
    assert result.exit_code == 2
    assert "empty: holds no rule file (.yaml or .yml)." in result.stderr
    assert "own: 2 of 2 cases hold" in result.stdout


def test_ids_that_a_site_could_not_have_together_are_named(site: Path) -> None:
    own = (site / "rules" / "own.yaml").read_text(encoding="utf-8")
    (site / "rules" / "twin.yaml").write_text(own, encoding="utf-8")
    (site / "rules" / "seed.yaml").write_text(own.replace("id: own", f"id: {SEED}"), encoding="utf-8")
    result = call("rules", "test", site / "rules", site / "rules" / "own.yaml")
    assert result.exit_code == 2
    assert "twin.yaml, key id: rule id own is given twice; the other file is " in result.stderr
    assert f"seed.yaml, key id: rule id {SEED} is given twice; the other file is " in result.stderr
    assert len(result.stderr.splitlines()) == 2


@pytest.mark.parametrize(
    ("tactic", "says"),
    [
        ("colection", "does not have; is collection meant?"),
        ("inhibit-response-function", "does not have; alerts have no id of it."),
        ("command-and-control", ""),
    ],
)
def test_a_tactic_that_attack_does_not_have_is_noted_and_no_fault(site: Path, tactic: str, says: str) -> None:
    path = site / "rules" / "own.yaml"
    path.write_text(re.sub("^tactic:.*$", f"tactic: {tactic}", path.read_text("utf-8"), flags=re.M), encoding="utf-8")
    result = call("rules", "test", path)
    assert (result.exit_code, "2 of 2 cases hold" in result.stdout) == (0, True)
    assert result.stderr.endswith(f"ATT&CK (enterprise) {says}\n") if says else result.stderr == ""


def test_new_never_overwrites_and_asks_for_the_right_ending(site: Path) -> None:
    assert call("rules", "new", site / "rules" / "own.yaml").exit_code == 2
    assert call("rules", "new", site / "rules" / "own.txt").exit_code == 2
    assert call("rules", "new", site / "rules" / ".own.yaml").exit_code == 2


@pytest.mark.parametrize(("name", "rule_id"), [("Ünï-Größe", "uni_gro_e"), ("ノート", "rule"), ("A.b", "a_b")])
def test_the_id_of_a_new_rule_is_what_is_left_of_its_name_in_plain_letters(name: str, rule_id: str) -> None:
    assert f"\nid: {rule_id}\n" in template_text(name)


@pytest.mark.parametrize("uncomment", [False, True])
def test_the_new_rule_holds_every_key_and_passes_its_own_cases(tmp_path: Path, uncomment: bool) -> None:
    text = template_text("My rule-2")
    if uncomment:
        text = "\n".join(x.removeprefix("# ") if x[:2] == "# " and "_" in x[:14] else x for x in text.splitlines())
        text = text.replace("# app:", "app:").replace("# transport:", "transport:")
    path = tmp_path / "x.yaml"
    path.write_text(text, encoding="utf-8")
    rule = read_rule(path, 30)
    assert (rule.id, failed_cases(rule)) == ("my_rule_2", [])
    if uncomment:
        assert set(Rule.model_fields) - rule.model_fields_set == {"method", "budget", "shares"}


def test_show_tells_no_number_that_the_method_does_not_have(site: Path) -> None:
    told = {rule: call("--site", site, "rules", "show", rule).stdout for rule in ("mail_volume_surge", DNS)}
    keys = {rule: {line.split()[0] for line in text.splitlines() if line[0] != " "} for rule, text in told.items()}
    assert {"budget", "shares", "lookback_days"} <= keys["mail_volume_surge"]
    assert "shot: 0.65, slow: 0.2, new: 0.15" in told["mail_volume_surge"]
    assert not keys["mail_volume_surge"] & {"deviation_threshold", "minimum_data_samples", "null_client", "reference"}
    assert {"deviation_threshold", "minimum_data_samples", "null_client", "reference"} <= keys[DNS]


def test_show_has_the_site_s_numbers(site: Path) -> None:
    found = by_id(call("--site", site, "rules", "show", DNS, "--json"))[DNS]
    assert (found["floor"], found["dest_port"], found["on"]) == (7, [53], True)
    assert found["can_fire"].startswith("yes")
    assert "floor                     7" in call("--site", site, "rules", "show", DNS).stdout
    assert "on                        true" in call("--site", site, "rules", "show", DNS).stdout
    wrong = call("--site", site, "rules", "show", "nope")
    assert wrong.exit_code == 2
    assert f"Known rules: {'email_server_serving_many_clients'}" in wrong.stderr


def test_what_is_told_to_run_next_names_a_file_that_no_option_is_taken_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    told = call("rules", "new", "--", "-mine.yaml").stdout
    (words,) = re.findall(r"nilometer (rules test .+)", told)
    assert call(*shlex.split(words)).exit_code == 0
