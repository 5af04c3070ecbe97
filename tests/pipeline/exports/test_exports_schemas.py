"""Exported alerts against the published schemas: OCSF 1.4 Detection Finding, ECS 8.17, Splunk's collector.

The tables below are written from those schemas, as far as an alert uses them; the checkers know nothing of the exports.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
from collections.abc import Iterator
from typing import Any

import polars as pl
import pytest

from pipeline.alerts import Traffic
from pipeline.detections.loader import known_rules
from pipeline.exports import SIEM
from pipeline.methods.seed import NULL_CLIENT
from pipeline.schemas import ALERTS, FLOWS
from tests.worlds import SEED, TWIN

Told = dict[str, Any]
RULES = {r.id: r for r in known_rules(30).values()}
SURGE = RULES["mail_volume_surge"]
ZONE = "Europe/Berlin"
DAY = dt.date(2026, 10, 25)
START, END = 1792879200, 1792969200
"""The day has 25 hours."""

_TIME, _TEXT, _NUMBER, _YES, _ANY, _IP, _PORT = "time", "text", "number", "yes or no", "any", "ip", "port"
OBJECTS: dict[str, Told] = {
    "detection_finding": {
        **dict.fromkeys(("class_uid", "category_uid", "activity_id", "type_uid", "severity_id", "status_id"), _NUMBER),
        **dict.fromkeys(("class_name", "category_name", "activity_name", "type_name", "severity", "status"), _TEXT),
        **dict.fromkeys(("time", "start_time", "end_time"), _TIME),
        "is_alert": _YES,
        "message": _TEXT,
        "metadata": "metadata",
        "finding_info": "finding_info",
        "evidences": ["evidences"],
        "observables": ["observable"],
        "remediation": "remediation",
        "unmapped": _ANY,
    },
    "metadata": {"version": _TEXT, "uid": _TEXT, "product": "product"},
    "product": {"name": _TEXT, "vendor_name": _TEXT},
    "finding_info": {
        **dict.fromkeys(("uid", "title", "desc"), _TEXT),
        **dict.fromkeys(("first_seen_time", "last_seen_time"), _TIME),
        "attacks": ["attack"],
        "analytic": "analytic",
    },
    "analytic": {"uid": _TEXT, "name": _TEXT, "type": _TEXT, "type_id": _NUMBER, "version": _TEXT},
    "attack": {"tactic": "tactic", "technique": "technique", "sub_technique": "technique"},
    "tactic": {"uid": _TEXT, "name": _TEXT},
    "technique": {"uid": _TEXT, "name": _TEXT, "src_url": _TEXT},
    "evidences": {"src_endpoint": "endpoint", "dst_endpoint": "endpoint", "data": _ANY},
    "endpoint": {"ip": _IP, "port": _PORT},
    "observable": {"name": _TEXT, "type_id": _NUMBER, "type": _TEXT, "value": _TEXT},
    "remediation": {"desc": _TEXT},
}
REQUIRED = {
    "detection_finding": {"activity_id", "category_uid", "class_uid", "finding_info", "metadata", "severity_id"}
    | {"time", "type_uid"},
    "metadata": {"product", "version"},
    "finding_info": {"uid"},
    "analytic": {"type_id"},
    "observable": {"name", "type_id"},
    "remediation": {"desc"},
}
AT_LEAST_ONE = {"product": {"name", "uid"}, "tactic": {"name", "uid"}, "technique": {"name", "uid"}}
AT_LEAST_ONE |= {"analytic": {"name", "uid"}, "endpoint": {"ip"}, "evidences": {"src_endpoint", "dst_endpoint", "data"}}
AT_LEAST_ONE |= {"attack": {"tactic", "technique", "sub_technique"}}
CAPTIONS: dict[tuple[str, str, str], dict[int, str]] = {
    ("detection_finding", "activity_id", "activity_name"): {1: "Create", 2: "Update", 3: "Close"},
    ("detection_finding", "severity_id", "severity"): {2: "Low", 3: "Medium", 4: "High", 5: "Critical"},
    ("detection_finding", "status_id", "status"): {1: "New", 2: "In Progress", 3: "Suppressed", 4: "Resolved"},
    ("detection_finding", "class_uid", "class_name"): {2004: "Detection Finding"},
    ("detection_finding", "category_uid", "category_name"): {2: "Findings"},
    ("detection_finding", "type_uid", "type_name"): {200401: "Detection Finding: Create"},
    ("analytic", "type_id", "type"): {1: "Rule", 2: "Behavioral", 3: "Statistical", 4: "Learning (ML/DL)"},
    ("observable", "type_id", "type"): {1: "Hostname", 2: "IP Address", 99: "Asset"},
}
ECS: Told = {
    "@timestamp": _TIME,
    "message": _TEXT,
    "tags": [_TEXT],
    "ecs.version": _TEXT,
    "event.kind": {"alert"},
    "event.category": [{"intrusion_detection", "network"}],
    "event.type": [{"info"}],  # Allowed of both categories.
    "event.severity": _NUMBER,
    **dict.fromkeys(("event.start", "event.end"), _TIME),
    **dict.fromkeys(("event.module", "event.dataset", "event.id", "event.reason"), _TEXT),
    **dict.fromkeys(("rule.id", "rule.name", "rule.description", "rule.version", "rule.reference"), _TEXT),
    "threat.framework": _TEXT,
    **{f"threat.{kind}.{name}": [_TEXT] for kind in ("tactic", "technique") for name in ("id", "name", "reference")},
    **{f"threat.technique.subtechnique.{name}": [_TEXT] for name in ("id", "name", "reference")},
    **dict.fromkeys(("source.ip", "destination.ip"), _IP),
    "related.ip": [_IP],
    "related.hosts": [_TEXT],
    **dict.fromkeys(("host.name", "observer.vendor", "observer.product", "observer.type"), _TEXT),
}


def fits(value: object, kind: object) -> bool:
    """Whether a value is of a kind of the tables above."""
    if isinstance(kind, list):
        return isinstance(value, list) and bool(value) and all(fits(v, kind[0]) for v in value)
    if isinstance(kind, set):
        return value in kind
    if kind in (_NUMBER, _PORT):
        return type(value) is int and (kind == _NUMBER or 0 <= value <= 65_535)
    if kind == _YES:
        return isinstance(value, bool)
    return isinstance(value, str) and value != "" and (kind != _IP or str(ipaddress.ip_address(value)) == value)


def ocsf_faults(found: Told, name: str = "detection_finding") -> Iterator[str]:
    """What of an OCSF object its schema does not allow."""
    known = OBJECTS[name]
    yield from (f"{name} lacks {key}" for key in REQUIRED.get(name, set()) - found.keys())
    if name in AT_LEAST_ONE and not AT_LEAST_ONE[name] & found.keys():
        yield f"{name} has none of {AT_LEAST_ONE[name]}"
    for (of, number, word), captions in CAPTIONS.items():
        if of == name and captions.get(found[number]) != found[word]:
            yield f"{name}.{number} is {found[number]}, {word} {found[word]!r}"
    for key, value in found.items():
        kind = known.get(key)
        inner = kind[0] if isinstance(kind, list) else kind
        if inner in OBJECTS:
            for one in value if isinstance(kind, list) else [value]:
                yield from ocsf_faults(one, inner)
        elif kind == _TIME:
            # Milliseconds: seconds of this century are too few, microseconds too many.
            if not (type(value) is int and 10**12 < value < 10**13):
                yield f"{name}.{key} is {value!r}"
        elif kind is None or not (kind == _ANY or fits(value, kind)):
            yield f"{name}.{key} is {value!r}"


def flat(found: Told, path: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in found.items():
        if isinstance(value, dict):
            yield from flat(value, f"{path}{key}.")
        else:
            yield path + key, value


def ecs_faults(found: Told) -> Iterator[str]:
    """What of a document is no field of ECS, or not of its type; below `nilometer` anything goes."""
    for path, value in flat({k: v for k, v in found.items() if k != "nilometer"}):
        kind = ECS.get(path)
        if kind == _TIME:
            if dt.datetime.fromisoformat(value).utcoffset() is None:
                yield f"{path} is {value!r}"
        elif kind is None or not fits(value, kind):
            yield f"{path} is {value!r}"


def splunk_faults(found: Told) -> Iterator[str]:
    """What the collector refuses or misunderstands."""
    yield from (
        f"unknown {k}" for k in found.keys() - {"time", "host", "source", "sourcetype", "index", "event", "fields"}
    )
    if not (isinstance(found["time"], float | int) and 10**9 < found["time"] < 10**10):
        yield f"time is {found['time']!r}"
    for name, value in found.get("fields", {}).items():
        if not (isinstance(value, str) or (isinstance(value, list) and all(isinstance(v, str) for v in value))):
            yield f"fields.{name} is {value!r}"
    event = found["event"]
    if event["severity"] not in {"critical", "high", "medium", "low", "informational", "unknown"}:
        yield f"severity is {event['severity']!r}"
    if event["type"] not in {"alarm", "alert", "event", "task", "warning", "unknown"}:
        yield f"type is {event['type']!r}"


CHECKS = {"ocsf": ocsf_faults, "ecs": ecs_faults, "splunk": splunk_faults}


def flow(client: str, server: str, size: int, *, by_server: bool = False) -> Told:
    """A flow between a client and a mail server; bytes are those the client received."""
    ends = (server, client) if by_server else (client, server)
    role = "src_category" if by_server else "dest_category"
    sizes = {"bytes_out": size, "bytes_in": 1} if by_server else {"bytes_in": size, "bytes_out": 1}
    return {
        "flow_uid": f"C{size}",
        "start_time": dt.datetime.fromtimestamp(START + 60, dt.UTC),
        "src_ip": ends[0],
        "src_port": 25 if by_server else 50_000,
        "dest_ip": ends[1],
        "dest_port": 50_001 if by_server else 993,
        "action": "allowed",
        role: ["email_server"],
        **{"source": "core", "source_file": "conn.log", "source_line": size},
        **sizes,
    }


def alert(rule_id: str, client: str, flows: list[Told], addresses: list[str]) -> Told:
    """An alert of the rule with the evidence of the flows."""
    rule = RULES[rule_id]
    frame = FLOWS.conform(pl.DataFrame(flows, schema_overrides=FLOWS.schema, infer_schema_length=None))
    traffic = Traffic.of(frame.lazy(), rule, dict.fromkeys(addresses, client))
    evidence = {"top_flows": traffic.flows.get(client, []), "top_servers": traffic.servers.get(client, [])}
    evidence |= {"addresses": addresses, "explained_by": None} if rule_id == SURGE.id else {}
    blank: Told = dict.fromkeys(ALERTS.schema.names())
    return blank | {
        "alert_id": "nilo-0123456789abcdef",
        "rule_id": rule_id,
        "rule_title": rule.title,
        "day": DAY,
        "_time": dt.datetime.fromtimestamp(START, dt.UTC),
        "client": client,
        rule.subject: addresses[0],
        rule.field: 2**62,
        "techniques": list(rule.attack),
        "quality": "verified",
        "window_complete": True,
        "message": f'{client} | said = "a\\b"\nand went,',
        "evidence": json.dumps(evidence),
    }


V4, V6, MX4, MX6 = "10.0.0.1", "2001:db8::5", "192.0.2.10", "2001:db8:ffff::25"
ALERTS_TO_TELL = {
    "an address": alert(SEED, V4, [flow(V4, MX4, 9)], [V4]),
    "IPv6": alert(SEED, V6, [flow(V6, MX6, 9)], [V6]),
    "the twin": alert(TWIN, V6, [flow(V6, MX6, 9, by_server=True)], [V6]),
    "a name with colons": alert(SURGE.id, "db:prod:7", [flow(V4, MX4, 9)], [V4]),
    "a name that no host can have": alert(SURGE.id, "Zoë's ノート 1", [flow(V4, MX4, 9)], [V4]),
    "a host name": alert(SURGE.id, "pc-7.example.com", [flow(V4, MX4, 9)], [V4]),
    "several addresses": alert(
        SURGE.id, "pc-7", [flow(V4, MX4, 9), flow(V6, MX6, 8), flow(V6, MX6, 7, by_server=True)], [V4, V6]
    ),
    "nobody": alert(SEED, NULL_CLIENT, [], [NULL_CLIENT]),
    "a rule that is gone": alert(SEED, V4, [], [V4]) | {"rule_id": "gone", "techniques": []},
}


def exported(form: str, row: Told) -> Told:
    (line,) = SIEM[form](pl.DataFrame([row], schema=ALERTS.schema), ZONE, RULES).splitlines()
    found: Told = json.loads(line)
    return found


@pytest.mark.parametrize("form", sorted(SIEM))
@pytest.mark.parametrize("what", ALERTS_TO_TELL)
def test_an_alert_is_what_the_published_schema_allows(form: str, what: str) -> None:
    assert list(CHECKS[form](exported(form, ALERTS_TO_TELL[what]))) == []


def test_the_checkers_find_faults() -> None:
    found = exported("ocsf", ALERTS_TO_TELL["IPv6"])
    wrong = found | {"severity_id": 2, "time": START, "colour": "red", "finding_info": {"title": "x"}}
    assert len(list(ocsf_faults(wrong))) == 4
    document = exported("ecs", ALERTS_TO_TELL["IPv6"])
    assert len(list(ecs_faults(document | {"source": {"ip": "2001:DB8::5", "addr": 1}, "tags": "x"}))) == 3
    event = exported("splunk", ALERTS_TO_TELL["IPv6"])
    assert len(list(splunk_faults(event | {"time": START * 1000, "fields": {"a": {"b": 1}}, "x": 1}))) == 3


@pytest.mark.parametrize("form", sorted(SIEM))
def test_a_day_of_25_hours_begins_and_ends_where_its_zone_says(form: str) -> None:
    found = exported(form, ALERTS_TO_TELL["an address"])
    if form == "ocsf":
        assert (found["start_time"], found["end_time"]) == (START * 1000, END * 1000 - 1)
    elif form == "ecs":
        ends = [dt.datetime.fromisoformat(found["event"][e]).timestamp() for e in ("start", "end")]
        assert ends == [START, END]
    else:
        assert found["time"] == START


def test_each_flow_of_an_ocsf_finding_has_its_own_ends_and_who_began_is_its_source() -> None:
    found = exported("ocsf", ALERTS_TO_TELL["several addresses"])["evidences"]
    assert [(e["src_endpoint"], e["dst_endpoint"]) for e in found] == [
        ({"ip": V4}, {"ip": MX4, "port": 993}),
        ({"ip": V6}, {"ip": MX6, "port": 993}),
        ({"ip": MX6, "port": 25}, {"ip": V6}),
    ]


def test_a_host_is_found_by_any_of_its_addresses() -> None:
    row = ALERTS_TO_TELL["several addresses"]
    assert [o["value"] for o in exported("ocsf", row)["observables"]] == [V4, V6, "pc-7"]
    assert {V4, V6, MX4, MX6} == set(exported("ecs", row)["related"]["ip"])
    told = exported("splunk", row)
    assert (told["event"]["src"], told["fields"]["src"]) == ([V4, V6], [V4, V6])


@pytest.mark.parametrize(("what", "kind"), [("a host name", 1), ("a name that no host can have", 99)])
def test_only_what_a_host_can_be_called_is_a_host_name(what: str, kind: int) -> None:
    row = ALERTS_TO_TELL[what]
    (found,) = [o for o in exported("ocsf", row)["observables"] if o["type_id"] != 2]
    assert (found["type_id"], found["value"]) == (kind, row["client"])


def test_flows_without_a_client_are_of_no_host() -> None:
    ocsf, ecs = (exported(form, ALERTS_TO_TELL["nobody"]) for form in ("ocsf", "ecs"))
    assert "observables" not in ocsf
    assert ("host" in ecs, "related" in ecs, "source" in ecs) == (False, False, False)
