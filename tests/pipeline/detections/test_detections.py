"""Rules as data: the built-in ones prove their own cases, and wrong or doubled ones are named precisely."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from pipeline.detections import Rule, RuleOverride, known_rules, load_rules
from pipeline.detections.budget import Params
from pipeline.detections.loader import BUILT_IN, in_force, read_rule
from pipeline.errors import ConfigError, NilometerError, RuleError
from pipeline.settings import load_settings
from pipeline.site import open_site
from pipeline.trials.cases import failed_cases

RULES = load_rules({}, lookback_days=30)
SEED = "hosts_receiving_high_volume_from_email_server"
SMALL = """id: small
title: A small rule
description: For tests.
attack: [T1114.002]
subject: src_ip
field: bytes_in
category: email_server
category_side: dest
"""
CASES = """tests:
  - name: one hundred bytes more
    rows: {a: [1, 1, 1, 101], b: [1, 1, 1, 1], c: [1, 1, 1, 1]}
    expect: [a]
"""


def write(folder: Path, text: str, name: str = "small.yaml") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, lookback_days: int = 30, **overrides: RuleOverride) -> dict[str, Rule]:
    return {r.id: r for r in load_rules(overrides, lookback_days=lookback_days, folders=[folder])}


@pytest.mark.parametrize("rule", [r for r in known_rules(30).values() if r.method == "seed"], ids=lambda r: r.id)
def test_every_built_in_rule_has_cases_of_both_kinds_and_they_hold(rule: Rule) -> None:
    assert {bool(c.expect) for c in rule.tests} == {True, False}
    assert failed_cases(rule) == []


@pytest.mark.parametrize("path", sorted(BUILT_IN.glob("*.yaml")), ids=lambda p: p.stem)
def test_a_built_in_file_is_named_by_its_rule(path: Path) -> None:
    assert read_rule(path, 30).id == path.stem


def test_the_two_built_in_rules_have_the_original_s_numbers() -> None:
    found = {(r.threshold, r.minimum_data_samples, r.lookback_days, r.null_client, r.stdev_of_one) for r in RULES}
    assert found == {(Fraction(3), 4, 30, "drop", "zero")}


def test_a_case_that_does_not_come_out_is_told_in_one_sentence(tmp_path: Path) -> None:
    rule = read_rule(write(tmp_path, SMALL + CASES.replace("[a]", "[b]")), 30)
    assert failed_cases(rule) == ["case 'one hundred bytes more' expects ['b'] and gives ['a']"]


def test_a_user_s_folder_adds_a_rule_after_the_built_in_ones(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    assert list(loaded(tmp_path)) == [*(r.id for r in RULES), "small"]


def test_both_yaml_endings_are_read_and_other_files_are_not(tmp_path: Path) -> None:
    write(tmp_path, SMALL, "a.yml")
    write(tmp_path, SMALL.replace("id: small", "id: other"), "b.yaml")
    write(tmp_path, "not a rule", "README.md")
    assert list(loaded(tmp_path))[-2:] == ["small", "other"]


def test_hidden_files_are_no_rules_and_a_link_to_nothing_is_named(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    write(tmp_path, "not a rule", "._small.yaml")
    assert list(loaded(tmp_path))[-1] == "small"
    (tmp_path / "gone.yaml").symlink_to("nowhere.yaml")
    with pytest.raises(RuleError, match=r"gone\.yaml: is a link to nothing"):
        loaded(tmp_path)


def test_a_rule_takes_the_site_s_lookback_only_where_it_has_none(tmp_path: Path) -> None:
    write(tmp_path, SMALL)
    write(tmp_path, SMALL.replace("id: small", "id: own") + "lookback_days: 5\n", "own.yaml")
    found = loaded(tmp_path, lookback_days=12)
    assert (found["small"].lookback_days, found["own"].lookback_days) == (12, 5)


def test_an_override_changes_the_numbers_and_nothing_else() -> None:
    change = RuleOverride(deviation_threshold="2.5", minimum_data_samples=6, lookback_days=14, null_client="literal")
    found = next(r for r in load_rules({SEED: change}, lookback_days=30) if r.id == SEED)
    assert (found.threshold, found.minimum_data_samples, found.lookback_days) == (Fraction(5, 2), 6, 14)
    assert (found.null_client, found.stdev_of_one) == ("literal", "zero")
    before = next(r for r in RULES if r.id == SEED)
    assert (found.title, found.measure, found.tests) == (before.title, before.measure, before.tests)
    assert found.as_written.fingerprint == before.fingerprint != found.fingerprint


def test_a_rule_can_be_switched_off() -> None:
    assert SEED not in {r.id for r in load_rules({SEED: RuleOverride(enabled=False)}, lookback_days=30)}


@pytest.mark.parametrize("change", [{"deviation_threshold": "100"}, {"lookback_days": 3}, {"minimum_data_samples": 20}])
def test_cases_speak_of_the_rule_s_own_numbers_whatever_the_site_sets(change: dict[str, object]) -> None:
    for rule in load_rules({SEED: RuleOverride.model_validate(change)}, lookback_days=7):
        assert failed_cases(rule) == []


def test_an_override_of_no_known_rule_lists_the_known_ones() -> None:
    with pytest.raises(ConfigError, match=f"key rules.nope: unknown rule 'nope'.*{SEED}"):
        load_rules({"nope": RuleOverride()}, lookback_days=30)


def test_an_override_that_no_rule_takes_names_its_line_in_the_site(tmp_path: Path) -> None:
    (tmp_path / "nilometer.yaml").write_text("timezone: UTC\nrules:\n  nope: {}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"nilometer.yaml:3, key rules.nope: unknown rule"):
        _ = open_site(tmp_path).rules


@pytest.mark.parametrize(
    ("line", "number", "key", "words"),
    [
        ("deviation_threshold: -1", 9, "deviation_threshold", "a number from 0 to 1,000,000"),
        ("deviation_threshold: .nan", 9, "deviation_threshold", "a number from 0 to 1,000,000"),
        ("deviation_threshold: 1/0", 9, "deviation_threshold", "a number from 0 to 1,000,000"),
        ("deviation_threshold: 1e999999999", 9, "deviation_threshold", "a number from 0 to 1,000,000"),
        ("deviation_threshold: 1000001", 9, "deviation_threshold", "a number from 0 to 1,000,000"),
        ("deviation_threshold: true", 9, "deviation_threshold", "a number from 0 to 1,000,000"),
        ("minimum_data_samples: 0", 9, "minimum_data_samples", "greater than or equal to 1"),
        ("minimum_data_samples: 3662", 9, "minimum_data_samples", "less than or equal to 3661"),
        ("lookback_days: 4000", 9, "lookback_days", "less than or equal to 3660"),
        ("null_client: keep", 9, "null_client", "'drop' or 'literal'"),
        ("stdev_of_one: none", 9, "stdev_of_one", "'zero' or 'null'"),
        ("method: magic", 9, "method", "'seed'"),
        ("dest_port: 65536", 9, "dest_port.0", "less than or equal to 65535"),
        ("dest_port: []", 9, "dest_port", "at least one value"),
        ("dest_port: ['25']", 9, "dest_port.0", "a whole number, in digits alone"),
        ("transport: tpc", 9, "transport.0", "must be one of: tcp, udp, icmp, sctp, unknown"),
        ("app: 'ssl,smtp'", 9, "app.0", "the name of one application protocol"),
        ("reference: nobody", 9, "reference", "'fleet_and_own', 'fleet', 'own', 'group_and_own' or 'group'"),
        ("fill: ones", 9, "fill", "'none' or 'zero'"),
        ("floor: -1", 9, "floor", "greater than or equal to 0"),
        ("floor: 1.5", 9, "floor", "a whole number, in digits alone"),
        ("own_deviation_threshold: big", 9, "own_deviation_threshold", "a number from 0 to 1,000,000"),
        ("method: surge\nfill: zero", 10, "fill", "is for rules of method seed"),
        ("method: surge\ndest_port: 25", 10, "dest_port", "is for rules of method seed"),
        ("tests: [{name: x, rows: {a: [gap]}, expect: []}]", 9, "tests.0.rows.a.0", "a whole number, in digits alone"),
        ("budget: 5", 9, "budget", "is for rules of method surge"),
        ("method: surge\nnull_client: drop", 10, "null_client", "is for rules of method seed"),
        ("tactic: Collection", 9, "tactic", "the short name of an ATT&CK tactic"),
        ("references: one", 9, "references", "must be a list (got 'one')"),
        ("fleet_includes_day: maybe", 9, "fleet_includes_day", "must be true or false (got 'maybe')"),
        ("floor: 5MB", 9, "floor", "a whole number, in digits alone (got '5MB')"),
        ("tests: [{name: x, rows: {a: [1]}, expect: [b]}]", 9, "tests", "case 'x' expects 'b', which has no rows"),
        ("method: surge\ntests: [{name: x, rows: {a: [1]}, expect: []}]", 10, "tests", "are for rules of method seed"),
        ("colour: red", 9, "colour", "unknown key. Allowed: app, attack, budget, category"),
        ("flor: 5", 9, "flor", "unknown key; floor may be meant. Allowed: app, attack"),
        ("dest-port: 25", 9, "dest-port", "unknown key; dest_port may be meant."),
        ("tests: [{name: x, rows: {a: [1, -1]}, expect: []}]", 9, "tests.0.rows.a.1", "greater than or equal to 0"),
        ("tests: [{name: x, rows: {a: []}, expect: []}]", 9, "tests.0.rows.a", "at least one value"),
        ("tests: [{name: x, rows: {}, expect: []}]", 9, "tests.0.rows", "at least one value"),
        (
            "tests: [{name: x, rows: {a: [9223372036854775808]}, expect: []}]",
            9,
            "tests.0.rows.a.0",
            "to 9223372036854775807 (",
        ),
        ("tests: [{name: x, row: {}, expect: [], rows: {a: [1]}}]", 9, "tests.0.row", "Allowed: expect, name, rows"),
    ],
)
def test_a_wrong_rule_names_file_line_key_and_what_is_allowed(
    tmp_path: Path, line: str, number: int, key: str, words: str
) -> None:
    path = write(tmp_path, SMALL + line + "\n")
    with pytest.raises(RuleError) as caught:
        loaded(tmp_path)
    assert caught.value.message.startswith(f"{path}:{number}, key {key}: ")
    assert words in caught.value.message


@pytest.mark.parametrize(("key", "spelled"), [("title", "Title"), ("category_side", "category-side"), ("id", "ID")])
def test_a_key_that_is_spelled_otherwise_is_told_where_it_stands(tmp_path: Path, key: str, spelled: str) -> None:
    lines = [
        line.replace(f"{key}:", f"{spelled}:", 1) if line.startswith(f"{key}:") else line for line in SMALL.splitlines()
    ]
    path = write(tmp_path, "\n".join(lines))
    with pytest.raises(RuleError) as caught:
        loaded(tmp_path)
    number = next(n for n, line in enumerate(lines, 1) if line.startswith(f"{spelled}:"))
    said = f"{path}:{number}, key {spelled}: unknown key; {key} may be meant. Allowed: "
    assert caught.value.message.startswith(said)


@pytest.mark.parametrize(
    ("wrong", "key", "words"),
    [
        ("title: ' '", "title", "must not be empty"),
        ("description: ''", "description", "must not be empty"),
        ("attack: [T1114, T1105x]", "attack.1", "the id of an ATT&CK technique, such as T1114 or T1114.002"),
        ("category: ' '", "category", "one category of nilometer.yaml's inventory, such as email_server (got ' ')"),
        ("category: mail server", "category", "one category of nilometer.yaml's inventory"),
        ("id: My-Rule", "id", "must be lower-case letters, digits and underscores"),
        ("attack: []", "attack", "at least one value (got [])"),
        ("attack: [T1114.2]", "attack.0", "the id of an ATT&CK technique"),
        ("attack: T1114", "attack", "must be a list"),
        ("title: 5", "title", "must be text; put it in quotes"),
        ("title: ", "title", "must be text"),
    ],
)
def test_texts_for_people_and_attack_ids_must_be_ones(tmp_path: Path, wrong: str, key: str, words: str) -> None:
    name = wrong.partition(":")[0]
    lines = [wrong if line.startswith(f"{name}:") else line for line in SMALL.splitlines()]
    path = write(tmp_path, "\n".join(lines))
    with pytest.raises(RuleError) as caught:
        loaded(tmp_path)
    assert caught.value.message.startswith(f"{path}:{lines.index(wrong) + 1}, key {key}: ")
    assert words in caught.value.message


@pytest.mark.parametrize(("said", "meant"), [("null", "null"), ("", "null"), ("'null'", "null"), ("zero", "zero")])
def test_null_without_quotes_is_the_word_in_a_rule_and_in_a_site(tmp_path: Path, said: str, meant: str) -> None:
    path, site = write(tmp_path, SMALL + f"stdev_of_one: {said}\n"), tmp_path / "nilometer.yaml"
    site.write_text(f"rules:\n  {SEED}:\n    stdev_of_one: {said}\n", encoding="utf-8")
    assert read_rule(path, 30).stdev_of_one == meant
    (of_site,) = (r for r in load_rules(load_settings(site).rules, lookback_days=30) if r.id == SEED)
    assert of_site.stdev_of_one == meant


@pytest.mark.parametrize("key", ["floor", "deviation_threshold", "null_client", "fill", "budget", "shares", "enabled"])
def test_a_sites_key_without_a_value_is_refused_as_it_would_change_nothing(tmp_path: Path, key: str) -> None:
    site = tmp_path / "nilometer.yaml"
    site.write_text(f"rules:\n  {SEED}:\n    {key}:\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=rf"nilometer.yaml:3, key rules.{SEED}.{key}: must not be empty; leave the"):
        load_settings(site)


def test_a_site_takes_back_the_threshold_of_one_gate() -> None:
    rule = read_rule(BUILT_IN / f"{SEED}.yaml", 30).with_numbers({"own_deviation_threshold": "5"})
    change = {SEED: RuleOverride.model_validate({"own_deviation_threshold": None, "deviation_threshold": 2})}
    assert in_force([rule], change)[0].own_threshold == 2


@pytest.mark.parametrize("key", ["version", "lookback_days", "minimum_data_samples", "budget", "shares.shot"])
def test_yes_is_no_number(tmp_path: Path, key: str) -> None:
    name, _, inner = key.partition(".")
    text = f"{name}: {{{inner}: yes}}\n" if inner else f"{name}: yes\n"
    path = write(tmp_path, SMALL + ("method: surge\n" if name in ("budget", "shares") else "") + text)
    with pytest.raises(RuleError, match="must be a number") as caught:
        read_rule(path, 30)
    assert caught.value.where.key == key
    assert caught.value.where.line == path.read_text().count("\n")
    change = {inner: True} if inner else True
    if name != "version":
        with pytest.raises(ValidationError, match="must be a number"):
            RuleOverride.model_validate({name: change})


@pytest.mark.parametrize("key", ["id", "title", "attack", "subject", "field", "category", "category_side"])
def test_a_missing_key_is_named(tmp_path: Path, key: str) -> None:
    path = write(tmp_path, "".join(x for x in SMALL.splitlines(keepends=True) if not x.startswith(f"{key}:")))
    with pytest.raises(RuleError) as caught:
        loaded(tmp_path)
    assert caught.value.message == f"{path}:1, key {key}: this key is required."


def test_a_missing_key_of_a_short_file_repeats_none_of_it(tmp_path: Path) -> None:
    path = write(tmp_path, "id: mine\n")
    with pytest.raises(RuleError) as caught:
        loaded(tmp_path)
    assert caught.value.message == f"{path}:1, key title: this key is required."


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just text\n"])
def test_a_file_that_holds_no_keys_is_named(tmp_path: Path, text: str) -> None:
    path = write(tmp_path, text)
    with pytest.raises(RuleError, match="must hold keys and values") as caught:
        loaded(tmp_path)
    assert str(path) in caught.value.message


def test_yaml_that_cannot_be_read_names_file_and_line(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL + "attack: [T1\n")
    with pytest.raises(NilometerError) as caught:
        loaded(tmp_path)
    assert f"{path}:" in caught.value.message


def test_an_id_given_twice_names_both_files_and_the_line(tmp_path: Path) -> None:
    first = write(tmp_path, SMALL, "a.yaml")
    second = write(tmp_path, "# again\n" + SMALL, "b.yaml")
    with pytest.raises(RuleError) as caught:
        loaded(tmp_path)
    assert caught.value.message.startswith(f"{second}:2, key id: rule id small is given twice")
    assert str(first) in caught.value.message


def test_a_user_s_rule_cannot_take_a_built_in_id(tmp_path: Path) -> None:
    write(tmp_path, SMALL.replace("id: small", f"id: {SEED}"))
    with pytest.raises(RuleError, match=f"{SEED} is given twice"):
        loaded(tmp_path)


@pytest.mark.parametrize(
    ("written", "exact"),
    [("3", Fraction(3)), ("2.5", Fraction(5, 2)), ("0.1", Fraction(1, 10)), ("'7/2'", Fraction(7, 2))],
)
def test_thresholds_are_kept_as_written(tmp_path: Path, written: str, exact: Fraction) -> None:
    assert read_rule(write(tmp_path, f"{SMALL}deviation_threshold: {written}\n"), 30).threshold == exact


def test_the_fingerprint_follows_what_decides_a_verdict_and_no_text() -> None:
    rule = RULES[0]
    same = {rule.fingerprint}
    for text in ({"title": "Other"}, {"description": "Other"}, {"severity": "high"}, {"tests": ()}, {"version": 9}):
        same.add(rule.model_copy(update=text).fingerprint)
    same.add(rule.model_copy(update={"deviation_threshold": "3.0"}).fingerprint)
    assert len(same) == 1
    numbers: list[dict[str, object]] = [
        {"deviation_threshold": "3.1"},
        {"minimum_data_samples": 5},
        {"lookback_days": 29},
        {"null_client": "literal"},
        {"stdev_of_one": "null"},
        {"category": "web"},
        {"id": "other"},
    ]
    assert len({rule.model_copy(update=n).fingerprint for n in numbers} | same) == 1 + len(numbers)


OTHERWISE: list[dict[str, object]] = [
    {"field": "flows"},
    {"dest_port": (25,)},
    {"app": ("smtp",)},
    {"transport": ("tcp",)},
    {"reference": "own"},
    {"fleet_includes_day": False},
    {"fleet_deviation_threshold": "4"},
    {"own_deviation_threshold": "4"},
    {"fill": "zero"},
    {"floor": 1},
]


def test_whatever_a_rule_does_otherwise_than_the_seed_changes_its_fingerprint() -> None:
    found = [RULES[0].model_copy(update=change).fingerprint for change in OTHERWISE]
    assert len({RULES[0].fingerprint, *found}) == 1 + len(OTHERWISE)
    thresholds = [RULES[0].model_copy(update={"own_deviation_threshold": t}).fingerprint for t in ("4", "4.0", "8/2")]
    assert len(set(thresholds)) == 1


def test_the_two_rules_keep_the_fingerprints_and_series_that_stored_days_were_made_with() -> None:
    assert {r.fingerprint for r in RULES} == {"a83e1313b7b58d47de28eeaae5e235fa", "c77f9f5502cfce6f255971b88052b17e"}
    assert {r.measure.id for r in RULES} == {
        "bytes_out where src_category=email_server by dest_ip",
        "bytes_in where dest_category=email_server by src_ip",
    }


def test_rules_that_filter_alike_share_a_series_however_it_is_written(tmp_path: Path) -> None:
    write(tmp_path, SMALL + "dest_port: [587, 25, 25]\napp: [SMTP]\n", "a.yaml")
    write(tmp_path, SMALL.replace("id: small", "id: two") + "dest_port: [25, 587]\napp: smtp\nfloor: 9\n", "b.yaml")
    found = loaded(tmp_path)
    assert found["small"].measure.id == found["two"].measure.id
    assert found["small"].measure.id.endswith("email_server and dest_port=25,587 and app=smtp by src_ip")


def test_the_shipped_surge_rule_has_the_numbers_that_the_method_is_evaluated_with() -> None:
    (surge,) = (r for r in known_rules(30).values() if r.id == "mail_volume_surge")
    assert surge.surge == Params()


def test_the_surge_method_sums_bytes_of_a_direction_only(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL.replace("field: bytes_in", "method: surge\nfield: flows"))
    with pytest.raises(RuleError, match="key field: is for rules of method seed; allowed here: bytes_in, bytes_out"):
        read_rule(path, 30)


def test_cases_of_a_rule_with_groups_need_addresses(tmp_path: Path) -> None:
    path = write(tmp_path, SMALL + "reference: group\n" + CASES)
    with pytest.raises(RuleError) as caught:
        read_rule(path, 30)
    said = "case 'one hundred bytes more': a rule with groups needs addresses as clients, such as 10.0.0.1, not 'a'."
    assert caught.value.message == f"{path}:10, key tests: {said}"


def test_rule_paths_may_be_files_and_folders_and_the_same_file_counts_once(tmp_path: Path) -> None:
    one = write(tmp_path / "a", SMALL)
    two = write(tmp_path / "b", SMALL.replace("id: small", "id: two"), "two.yaml")
    found = known_rules(30, [tmp_path / "a", one, two])
    assert [r.id for r in found.values()][-2:] == ["small", "two"]
    with pytest.raises(RuleError, match="nowhere: there is no such rule file or folder"):
        known_rules(30, [tmp_path / "nowhere"])


def test_a_gap_in_a_case_is_a_day_without_traffic(tmp_path: Path) -> None:
    text = SMALL + "reference: own\nminimum_data_samples: 6\nfill: {}\ntests:\n  - name: x\n    expect: [a]\n"
    text += '    rows: {{a: ["-", "-", 3, "-", 3, 5]}}\n'
    assert failed_cases(read_rule(write(tmp_path, text.format("zero").replace("{{", "{").replace("}}", "}")), 30))
    easy = text.format("zero").replace("3, 5]", "3, 50]").replace("{{", "{").replace("}}", "}")
    assert failed_cases(read_rule(write(tmp_path, easy), 30)) == []
    assert failed_cases(read_rule(write(tmp_path, easy.replace("fill: zero", "fill: none")), 30))


def test_days_of_a_case_are_those_of_its_longest_client(tmp_path: Path) -> None:
    case = "tests:\n  - name: x\n    rows: {a: [1, 2, 1, 9], b: [5]}\n    expect: [a]\n"
    assert failed_cases(read_rule(write(tmp_path, SMALL + "reference: own\n" + case), 30)) == []
    # Three silent days of b, which are read as a's are, and its own.
    filled = case.replace("[a]", "[a, b]")
    assert failed_cases(read_rule(write(tmp_path, SMALL + "reference: own\nfill: zero\n" + filled), 30)) == []


@pytest.mark.parametrize(
    ("rule", "change", "key"),
    [
        ("mail_volume_surge", {"reference": "own"}, "reference"),
        ("mail_volume_surge", {"deviation_threshold": "9"}, "deviation_threshold"),
        ("hosts_receiving_high_volume_from_email_server", {"budget": 5}, "budget"),
    ],
)
def test_a_number_of_the_other_method_is_refused_for_it_would_decide_nothing(
    rule: str, change: dict[str, Any], key: str
) -> None:
    with pytest.raises(ConfigError, match=rf"rules\.{rule}\.{key}: is for rules of method"):
        load_rules({rule: RuleOverride(**change)}, lookback_days=30)


@pytest.mark.parametrize(("subject", "side", "field"), [("src", "dest", "bytes_in"), ("dest", "src", "bytes_out")])
def test_surge_compares_the_clients_of_a_category_and_not_its_hosts(
    tmp_path: Path, subject: str, side: str, field: str
) -> None:
    text = SMALL.replace("field: bytes_in", f"method: surge\nfield: {field}").replace("src_ip", f"{subject}_ip")
    path = write(tmp_path, text.replace("category_side: dest", f"category_side: {side}"))
    assert loaded(tmp_path)
    write(tmp_path, text.replace("category_side: dest", f"category_side: {subject}"))
    with pytest.raises(RuleError) as caught:
        loaded(tmp_path)
    assert caught.value.message.startswith(
        f"{path}:9, key category_side: must be {side} where subject is {subject}_ip: method surge compares the clients"
    )
