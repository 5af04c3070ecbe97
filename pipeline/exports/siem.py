"""Alerts as other programs' events, one JSON object a line: OCSF Detection Finding, Elastic Common Schema, Splunk HEC.

Field names are those of the schemas; everything that a schema has no word for stands below `nilometer`, or in OCSF
below `unmapped`. Text is left as it is, since JSON escapes it.
"""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Mapping
from typing import Any

import polars as pl

from pipeline.addresses import canonical_address
from pipeline.detections.model import Rule
from pipeline.exports.attack import FRAMEWORK, TACTICS, TECHNIQUES, page, tactic_name, technique_names
from pipeline.exports.jsonl import json_line, known
from pipeline.exports.told import SEVERITIES, Told, told_rows
from pipeline.methods.seed import NULL_CLIENT

PRODUCT = "nilometer"
OCSF_VERSION, ECS_VERSION = "1.4.0", "8.17.0"
"""1.4 is the first OCSF whose findings have is_alert."""
_OCSF_SEVERITY = dict(zip(SEVERITIES, range(2, 6), strict=True))
_ELASTIC_SEVERITY = dict(zip(SEVERITIES, (21, 47, 73, 99), strict=True))
"""What Elastic's own rules give for the four words."""
_NOTHING: tuple[Any, ...] = (None, {}, [])
_OCSF_IP = {"type_id": 2, "type": "IP Address"}
_OCSF_HOST = {"type_id": 1, "type": "Hostname"}
_OCSF_OTHER = {"type_id": 99, "type": "Asset"}
"""Types of an observable; a schema's word for a name that no host can have (RFC 1123) is that it is something else."""
_HOST_NAME = re.compile(
    r"(?=.{1,253}$)[0-9A-Za-z_]([-0-9A-Za-z_]{0,62})(\.[0-9A-Za-z_][-0-9A-Za-z_]{0,62})*\.?", re.ASCII
)


def ocsf_lines(alerts: pl.DataFrame, timezone: str, rules: Mapping[str, Rule]) -> str:
    """The rows of ALERTS as OCSF Detection Findings (class 2004)."""
    return _lines(alerts, timezone, rules, _ocsf)


def ecs_lines(alerts: pl.DataFrame, timezone: str, rules: Mapping[str, Rule]) -> str:
    """The rows of ALERTS as Elastic Common Schema alerts."""
    return _lines(alerts, timezone, rules, _ecs)


def splunk_lines(alerts: pl.DataFrame, timezone: str, rules: Mapping[str, Rule]) -> str:
    """The rows of ALERTS as events for Splunk's HTTP Event Collector, in the words of the CIM's Alerts model."""
    return _lines(alerts, timezone, rules, _splunk)


def _lines(
    alerts: pl.DataFrame, timezone: str, rules: Mapping[str, Rule], form: Callable[[Told, Rule | None], Told]
) -> str:
    told = (form(row, rules.get(row["rule_id"])) for row in told_rows(alerts, timezone, rules))
    return "".join(json_line(_filled(t)) for t in told)


def _filled(value: Any) -> Any:
    """A value without what is not known: schemas leave a field out where it has none."""
    if isinstance(value, str | int):  # By far the most.
        return value
    if isinstance(value, dict):
        return {k: kept for k, v in value.items() if (kept := _filled(v)) or kept not in _NOTHING}
    if isinstance(value, list | tuple):
        return [_filled(v) for v in value]
    return value.isoformat() if isinstance(value, dt.date) else known(value)


def _millis(when: dt.datetime) -> int:
    return round(when.timestamp() * 1000)


def _address(row: Told) -> str | None:
    """The address of the host in flood, whichever end it was; None where the log has none."""
    return canonical_address(row["src_ip"] or row["dest_ip"])


def _addresses(row: Told) -> list[str]:
    """All addresses the host had on the day, the largest first: an asset may have several."""
    others = row["evidence"].get("addresses")
    told = [_address(row), *(others if isinstance(others, list) else [])]
    return list(dict.fromkeys(a for t in told if isinstance(t, str) and (a := canonical_address(t))))


def _host_name(row: Told) -> str | None:
    """The name of an asset of the context; None where the client is its address, or nobody's."""
    client, address = row["client"], _address(row)
    nobody = address is None and client == NULL_CLIENT
    return None if nobody or client in (None, address) else str(client)


def _servers(row: Told) -> list[str]:
    """The largest of the other ends."""
    return [s["ip"] for s in row["evidence"].get("top_servers", []) if s.get("ip")]


def _tactic(rule: Rule | None) -> tuple[str | None, str | None]:
    """(id, name) of a rule's tactic; None for what is not known."""
    if rule is None:
        return None, None
    return TACTICS.get(rule.tactic), tactic_name(rule.tactic)


def _values(row: Told) -> Told:
    """What no schema has a word for; the evidence last, as Splunk makes fields of an event's first 5,000 bytes."""
    names = ("quality", "window_complete", "bytes_in", "bytes_out", "avg_bytes_in", "avg_bytes_out")
    more = ("per_source_avg_bytes_in", "per_source_avg_bytes_out")
    away = (f"num_standard_deviations_away_from_{w}_average" for w in ("server", "client"))
    who = {"client": row["client"], "address": _address(row)}
    return {n: row[n] for n in (*names, *more, *away)} | who | {"evidence": row["evidence"]}


def _ocsf(row: Told, rule: Rule | None) -> Told:
    begin, end = _millis(row["_time"]), _millis(row["end"]) - 1
    return {
        "class_uid": 2004,
        "class_name": "Detection Finding",
        "category_uid": 2,
        "category_name": "Findings",
        "activity_id": 1,
        "activity_name": "Create",
        "type_uid": 200_401,
        "type_name": "Detection Finding: Create",
        "severity_id": _OCSF_SEVERITY[row["severity"]],
        "severity": row["severity"].capitalize(),
        "status_id": 1,
        "status": "New",
        "is_alert": True,
        "time": begin,
        "start_time": begin,
        "end_time": end,
        "message": row["message"],
        "metadata": {
            "version": OCSF_VERSION,
            "uid": row["alert_id"],
            "product": {"name": PRODUCT, "vendor_name": PRODUCT},
        },
        "finding_info": {
            "uid": row["alert_id"],
            "title": row["rule_title"],
            "desc": row["message"],
            "first_seen_time": begin,
            "last_seen_time": end,
            "attacks": [_ocsf_attack(t, rule) for t in row["techniques"]],
            "analytic": _ocsf_analytic(row, rule),
        },
        "evidences": [_ocsf_evidence(row, flow) for flow in row["evidence"].get("top_flows", [])],
        "observables": _ocsf_observables(row),
        "remediation": {"desc": " ".join(rule.runbook)} if rule and rule.runbook else None,
        "unmapped": {PRODUCT: _values(row)},
    }


def _ocsf_analytic(row: Told, rule: Rule | None) -> Told:
    return {
        "uid": row["rule_id"],
        "name": row["rule_title"],
        "type": "Rule",
        "type_id": 1,
        "version": str(rule.version) if rule else None,
    }


def _ocsf_observables(row: Told) -> list[Told]:
    """The client's addresses and name, each called by the path of the field it repeats."""
    place, first = f"unmapped.{PRODUCT}", _address(row)
    found = [
        {"name": f"{place}.{'address' if a == first else 'evidence.addresses'}", **_OCSF_IP, "value": a}
        for a in _addresses(row)
    ]
    if name := _host_name(row):
        kind = _OCSF_HOST if _HOST_NAME.fullmatch(name) else _OCSF_OTHER
        found.append({"name": f"{place}.client", **kind, "value": name})
    return found


def _ocsf_attack(technique: str, rule: Rule | None) -> Told:
    main, _, sub = technique.partition(".")
    uid, name = _tactic(rule)
    return {
        "tactic": {"uid": uid, "name": name},
        "technique": _ocsf_technique(main),
        "sub_technique": _ocsf_technique(technique) if sub else None,
    }


def _ocsf_technique(technique: str) -> Told:
    return {"uid": technique, "name": TECHNIQUES.get(technique), "src_url": page(technique)}


def _ocsf_evidence(row: Told, flow: Told) -> Told:
    """A flow with its own ends: an asset has several addresses, and the server may have begun."""
    address = canonical_address(flow["address"]) if "address" in flow else _address(row)
    client, server = {"ip": address}, {"ip": flow.get("server"), "port": flow.get("port")}
    began = flow.get("initiator", "client" if row["src_ip"] else "server")
    ends = (client, server) if began == "client" else (server, client)
    return {"src_endpoint": ends[0], "dst_endpoint": ends[1], "data": flow}


def _ecs(row: Told, rule: Rule | None) -> Told:
    name = _host_name(row)
    related = sorted({*_addresses(row), *_servers(row)})
    return {
        "@timestamp": row["_time"].isoformat(),
        "ecs": {"version": ECS_VERSION},
        "message": row["message"],
        "tags": [PRODUCT],
        "event": {
            "kind": "alert",
            "category": ["intrusion_detection", "network"],
            "type": ["info"],
            "module": PRODUCT,
            "dataset": f"{PRODUCT}.alerts",
            "id": row["alert_id"],
            "severity": _ELASTIC_SEVERITY[row["severity"]],
            "start": row["start"].isoformat(),
            "end": row["end"].isoformat(),
            "reason": row["message"],
        },
        "rule": {
            "id": row["rule_id"],
            "name": row["rule_title"],
            "description": rule.description if rule else None,
            "version": str(rule.version) if rule else None,
            "reference": rule.references[0] if rule and rule.references else None,
        },
        "threat": _ecs_threat(row, rule),
        "source": {"ip": _address(row) if row["src_ip"] else None},
        "destination": {"ip": _address(row) if row["dest_ip"] else None},
        "host": {"name": name},
        "related": {"ip": related, "hosts": [name] if name else None},
        "observer": {"vendor": PRODUCT, "product": PRODUCT, "type": "ids"},
        PRODUCT: _values(row),
    }


def _ecs_threat(row: Told, rule: Rule | None) -> Told:
    techniques = sorted({t.partition(".")[0] for t in row["techniques"]})
    subtechniques = [t for t in row["techniques"] if "." in t]
    tactic, name = _tactic(rule)
    return {
        "framework": FRAMEWORK,
        "tactic": {"id": [tactic] if tactic else None, "name": [name] if name else None},
        "technique": _ecs_techniques(techniques) | {"subtechnique": _ecs_techniques(subtechniques)},
    }


def _ecs_techniques(ids: list[str]) -> Told:
    """Elastic's lists, side by side; names only where all are known, or they would stand beside others' ids."""
    return {"id": ids, "name": technique_names(ids), "reference": [page(t) for t in ids]}


def _splunk(row: Told, rule: Rule | None) -> Told:
    servers, addresses = _servers(row), _addresses(row)
    client = addresses if len(addresses) > 1 else _address(row)
    ends = (client, servers) if row["src_ip"] else (servers, client)
    event = {
        "id": row["alert_id"],
        "type": "alert",
        "app": PRODUCT,
        "vendor_product": PRODUCT,
        "signature": row["rule_title"],
        "signature_id": row["rule_id"],
        "description": row["message"],
        "severity": row["severity"],
        "src": ends[0],
        "dest": ends[1],
        "mitre_technique_id": row["techniques"],
        "day": row["day"],
        "rule_version": rule.version if rule else None,
        **_values(row),
    }
    return {
        "time": row["_time"].timestamp(),
        "source": PRODUCT,
        "sourcetype": f"{PRODUCT}:alert",
        "event": event,
        # Splunk calls a list within an event `dest{}`, which the model does not know.
        "fields": {name: value for name, value in event.items() if isinstance(value, list)},
    }
