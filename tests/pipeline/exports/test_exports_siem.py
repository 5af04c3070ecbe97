"""Alerts as OCSF, ECS and Splunk events: what the schemas require, times, ends, and no field without a value."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import polars as pl
import pytest

from pipeline.detections import load_rules
from pipeline.exports import SIEM, json_lines
from pipeline.exports.attack import TECHNIQUES
from pipeline.schemas import ALERTS
from tests.worlds import SEED, TWIN

RULES = {r.id: r for r in load_rules({}, lookback_days=30)}
DAY = dt.date(2026, 11, 2)
ZONE = "Europe/Berlin"
START = dt.datetime(2026, 11, 1, 23, tzinfo=dt.UTC)
FLOW = {"server": "192.0.2.10", "port": 993, "bytes": 900, "source_file": "conn.log", "source_line": 7}


def alert(**changes: Any) -> dict[str, Any]:
    blank: dict[str, Any] = dict.fromkeys(ALERTS.schema.names())
    return blank | {
        "alert_id": "nilo-1",
        "rule_id": SEED,
        "rule_title": "A title",
        "day": DAY,
        "_time": START,
        "client": "10.0.0.1",
        "src_ip": "10.0.0.1",
        "bytes_in": 900,
        "techniques": ["T1114", "T1114.002"],
        "quality": "unverified",
        "window_complete": True,
        "message": 'He said "=cmd"\nand went',
        "evidence": json.dumps({"top_flows": [FLOW], "top_servers": [{"ip": "192.0.2.10", "bytes": 900, "flows": 1}]}),
        **changes,
    }


def event(form: str, **changes: Any) -> dict[str, Any]:
    frame = pl.DataFrame([alert(**changes)], schema=ALERTS.schema)
    (line,) = SIEM[form](frame, ZONE, RULES).splitlines()
    found: dict[str, Any] = json.loads(line)
    return found


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict):
        return [x for v in value.values() for x in leaves(v)] or [value]
    return [x for v in value for x in leaves(v)] or [value] if isinstance(value, list) else [value]


def test_an_ocsf_finding_has_what_its_class_requires() -> None:
    found = event("ocsf")
    assert (found["class_uid"], found["category_uid"], found["activity_id"], found["type_uid"]) == (2004, 2, 1, 200_401)
    assert found["time"] == found["finding_info"]["first_seen_time"] == int(START.timestamp() * 1000)
    assert found["end_time"] == int(START.timestamp() * 1000) + 86_400_000 - 1
    assert found["severity_id"] == 3
    assert found["finding_info"]["uid"] == found["metadata"]["uid"] == "nilo-1"
    assert [a["technique"]["uid"] for a in found["finding_info"]["attacks"]] == ["T1114", "T1114"]
    assert found["finding_info"]["attacks"][0]["tactic"] == {"uid": "TA0009", "name": "Collection"}
    assert found["finding_info"]["attacks"][1]["sub_technique"]["uid"] == "T1114.002"
    assert found["unmapped"]["nilometer"]["quality"] == "unverified"


def test_techniques_have_their_names_beside_their_ids() -> None:
    attacks = event("ocsf")["finding_info"]["attacks"]
    assert [a["technique"]["name"] for a in attacks] == ["Email Collection"] * 2
    assert attacks[1]["sub_technique"]["name"] == "Remote Email Collection"
    technique = event("ecs")["threat"]["technique"]
    assert (technique["name"], technique["subtechnique"]["name"]) == (["Email Collection"], ["Remote Email Collection"])


def test_one_technique_of_unknown_name_leaves_no_list_shorter_than_its_ids() -> None:
    technique = event("ecs", techniques=["T1114", "T9999"])["threat"]["technique"]
    assert technique["id"] == ["T1114", "T9999"]
    assert "name" not in technique
    assert "name" not in event("ocsf", techniques=["T9999"])["finding_info"]["attacks"][0]["technique"]


def test_techniques_of_every_shipped_rule_are_known_by_name() -> None:
    assert {t for rule in RULES.values() for i in rule.attack for t in (i, i[:5])} <= set(TECHNIQUES)


def test_a_finding_has_only_attributes_of_the_ocsf_that_it_names() -> None:
    found = event("ocsf")
    # is_alert came to findings with 1.4.0; the others are older.
    assert tuple(map(int, found["metadata"]["version"].split("."))) >= (1, 4, 0)
    assert found["is_alert"] is True
    assert found["type_uid"] == found["class_uid"] * 100 + found["activity_id"]


@pytest.mark.parametrize(("client", "address"), [("laptop", "10.0.0.1"), ("2001:db8::5", "2001:db8::5")])
def test_an_observable_is_called_by_the_path_of_what_it_repeats(client: str, address: str) -> None:
    found = event("ocsf", client=client, src_ip=address)
    assert {o["value"] for o in found["observables"]} == {client, address}
    for told in found["observables"]:
        at: Any = found
        for key in told["name"].split("."):
            at = at[key]
        assert at == told["value"]


def test_a_tactic_has_the_id_and_the_spelling_of_attack() -> None:
    rules = {SEED: RULES[SEED].model_copy(update={"tactic": "command-and-control"})}
    frame = pl.DataFrame([alert()], schema=ALERTS.schema)
    ecs, ocsf = (json.loads(SIEM[f](frame, ZONE, rules)) for f in ("ecs", "ocsf"))
    assert ecs["threat"]["tactic"] == {"id": ["TA0011"], "name": ["Command and Control"]}
    assert ocsf["finding_info"]["attacks"][0]["tactic"] == {"uid": "TA0011", "name": "Command and Control"}


def test_the_ends_of_the_evidence_follow_who_began() -> None:
    seed, twin = (event("ocsf")["evidences"][0], event("ocsf", rule_id=TWIN, src_ip=None, dest_ip="10.0.0.1"))
    assert (seed["src_endpoint"]["ip"], seed["dst_endpoint"]) == ("10.0.0.1", {"ip": "192.0.2.10", "port": 993})
    assert twin["evidences"][0]["dst_endpoint"] == {"ip": "10.0.0.1"}
    assert event("splunk", src_ip=None, dest_ip="10.0.0.1")["event"]["src"] == ["192.0.2.10"]
    assert event("ecs", src_ip=None, dest_ip="10.0.0.1")["destination"] == {"ip": "10.0.0.1"}


def test_an_ecs_alert_names_rule_technique_and_severity() -> None:
    found = event("ecs")
    assert (found["event"]["kind"], found["event"]["id"], found["event"]["severity"]) == ("alert", "nilo-1", 47)
    assert found["@timestamp"] == found["event"]["start"] == "2026-11-01T23:00:00+00:00"
    assert found["event"]["end"] == "2026-11-02T23:00:00+00:00"
    technique = found["threat"]["technique"]
    assert (technique["id"], technique["subtechnique"]["id"]) == (["T1114"], ["T1114.002"])
    assert technique["subtechnique"]["reference"] == ["https://attack.mitre.org/techniques/T1114/002/"]
    assert found["related"]["ip"] == ["10.0.0.1", "192.0.2.10"]
    assert found["rule"]["id"] == SEED


def test_a_splunk_event_is_in_the_words_of_its_model() -> None:
    found = event("splunk")
    assert found["time"] == START.timestamp()
    told = found["event"]
    assert (told["signature_id"], told["severity"], told["src"], told["dest"]) == (
        SEED,
        "medium",
        "10.0.0.1",
        ["192.0.2.10"],
    )
    assert told["mitre_technique_id"] == ["T1114", "T1114.002"]


@pytest.mark.parametrize(("ends", "many"), [({}, "dest"), ({"src_ip": None, "dest_ip": "10.0.0.1"}, "src")])
def test_what_is_a_list_in_splunk_is_a_field_of_the_models_name_too(ends: dict[str, Any], many: str) -> None:
    found = event("splunk", **ends)
    assert found["fields"] == {many: ["192.0.2.10"], "mitre_technique_id": ["T1114", "T1114.002"]}


def test_an_asset_is_a_host_that_elastic_finds_beside_others() -> None:
    named, plain = event("ecs", client="laptop"), event("ecs")
    assert (named["host"], named["related"]["hosts"]) == ({"name": "laptop"}, ["laptop"])
    assert ("host" in plain, "hosts" in plain["related"]) == (False, False)


def test_all_but_the_evidence_stands_where_splunk_still_makes_fields_of_it() -> None:
    long = json.dumps({"top_flows": [{"source_file": "x" * 6000, "server": "192.0.2.10", "port": 993}]})
    line = SIEM["splunk"](pl.DataFrame([alert(evidence=long)], schema=ALERTS.schema), ZONE, RULES)
    extracted = line[: line.index('"event"') + 5000]
    assert [key for key in json.loads(line)["event"] if f'"{key}": ' not in extracted] == []
    assert list(json.loads(line)["event"])[-1] == "evidence"


@pytest.mark.parametrize("form", sorted(SIEM))
def test_no_field_is_written_without_a_value_and_text_stays_one_line(form: str) -> None:
    found = event(form)
    assert not [x for x in leaves(found) if x is None or x in ({}, [])]
    assert 'He said "=cmd"\nand went' in leaves(found)


@pytest.mark.parametrize("form", sorted(SIEM))
def test_a_client_without_an_address_and_a_rule_no_longer_known_are_no_errors(form: str) -> None:
    found = event(form, rule_id="gone", client="null", src_ip="null")
    assert "null" not in [x for x in leaves({k: v for k, v in found.items() if k in ("source", "src")})]
    assert json.dumps(found)


@pytest.mark.parametrize("form", sorted(SIEM))
def test_the_severity_of_the_evidence_counts_before_the_rules(form: str) -> None:
    found = event(form, client="laptop", evidence=json.dumps({"severity": "critical"}))
    assert 5 in leaves(found) if form == "ocsf" else (99 in leaves(found) or "critical" in leaves(found))
    assert "laptop" in leaves(found)


@pytest.mark.parametrize("form", ["jsonl", *sorted(SIEM)])
def test_an_alert_is_one_line_whatever_its_reader_splits_lines_at(form: str) -> None:
    odd = "\x0b \x0c \x1c \x85 \x9b \u2028 \u2029 \u202e \u2066 \u2069"
    row = pl.DataFrame([alert(message=odd, client=odd)], schema=ALERTS.schema)
    text = json_lines(row, ZONE) if form == "jsonl" else SIEM[form](row, ZONE, RULES)
    (line,) = text.splitlines()
    assert leaves(json.loads(line)).count(odd) >= 2
    assert not set("\x9b\u2028\u2029\u202e\u2066\u2069") & set(text)


def test_no_alert_is_no_line() -> None:
    assert [f(ALERTS.empty(), ZONE, RULES) for f in SIEM.values()] == [""] * 3
