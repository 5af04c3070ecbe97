"""Virtual systems of a firewall and VLANs of a sensor: each logs a session under its own number, and one counts."""

import json
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

from pipeline.counting.once import Dropped, count_once
from tests.pipeline.sources.formats.test_conntrack import ENDED
from tests.pipeline.sources.formats.test_fortinet import forti
from tests.pipeline.sources.formats.test_juniper import PLAIN, STRUCTURED
from tests.pipeline.sources.formats.test_paloalto import pan
from tests.pipeline.sources.formats.test_paloalto_service import RECORD
from tests.pipeline.sources.formats.test_sentinel import BY_DEVICE, LOG
from tests.pipeline.sources.lines import read
from tests.pipeline.sources.test_ecs_firewalls import document
from tests.pipeline.sources.texts.test_headed import ANALYZER, FORTI, LEEF_2, PAN, SERVICE_LEEF

FILE = {"source": pl.lit("x"), "source_file": pl.lit("x.log")}


def _documents(dataset: str, system: str, number: str) -> Callable[[str, str], str]:
    def line(name: str, session: str) -> str:
        product, field = dataset.removesuffix(".log").split("_")
        return json.dumps(document(dataset, **{product: {field: {system: name, number: session}}}))

    return line


def _table(record: dict[str, Any], column: str, value: str) -> Callable[[str, str], str]:
    return lambda name, session: json.dumps(LOG | record | {"ExternalID": session, column: value.format(name)})


CONN = {
    **{"ts": 1_795_132_800.0, "uid": "C1", "id.orig_h": "10.1.0.11", "id.orig_p": 50_001, "id.resp_h": "10.9.0.25"},
    **{"id.resp_p": 993, "id.ctx.vlan": 10, "proto": "tcp", "conn_state": "SF", "orig_ip_bytes": 600},
    **{"resp_ip_bytes": 5_900},
}
"""A record of Zeek's where it keeps connections of other VLANs apart (`vlan_fivetuple`)."""


def _conn(name: str, session: str) -> dict[str, Any]:
    return CONN | {"id.ctx.vlan": len(name), "uid": session}


def _tsv(name: str, session: str) -> str:
    head = ("#separator \\x09", "#path\tconn", "#fields\t" + "\t".join(CONN))
    return "\n".join([*head, "\t".join(str(v) for v in _conn(name, session).values())])


WRITTEN: dict[str, tuple[str, Callable[[str, str], str]]] = {
    "pairs": ("fortinet", lambda name, session: forti(vd=f'"{name}"', sessionid=session)),
    "json": (
        "fortinet_json",
        lambda name, session: json.dumps(
            dict(p.replace('"', "").split("=", 1) for p in forti(vd=name, sessionid=session).split(" "))
        ),
    ),
    "cef": ("fortinet", lambda name, session: FORTI.replace("=402", f"={session} FTNTFGTvd={name}")),
    "analyzer": ("fortinet", lambda name, session: ANALYZER.replace("=402", f"={session}").replace("root", name)),
    "columns": ("paloalto", lambda name, session: pan(vsys=name, session=session)),
    "device's cef": ("paloalto", lambda name, session: PAN.replace("cn1=22751", f"cn1={session} cs3={name}")),
    "leef": ("paloalto", lambda name, session: f"{LEEF_2.replace('22751', session)}|VirtualSystemName={name}"),
    "service's leef": ("paloalto", lambda name, session: SERVICE_LEEF.replace("22751", session).replace("vsys1", name)),
    "service": (
        "paloalto_json",
        lambda name, session: json.dumps(RECORD | {"VirtualLocation": name, "SessionID": int(session)}),
    ),
    "juniper": (
        "juniper",
        lambda name, session: (
            STRUCTURED.replace("6560", session)
            .replace("_CLOSE ", "_CLOSE_LS ")
            .replace("[junos@2636.1.1.1.2.129 ", f'[junos@2636.1.1.1.2.129 logical-system-name="{name}" ')
        ),
    ),
    "words": (
        "juniper",
        lambda name, session: PLAIN.replace("6560", session).replace("_CLOSE: ", f"_CLOSE_LS: Lsys {name}: "),
    ),
    "sentinel": ("sentinel_cef", _table({}, "AdditionalExtensions", f"{LOG['AdditionalExtensions']};FTNTFGTvd={{}}")),
    "sentinel's pan": ("sentinel_cef", _table(BY_DEVICE, "DeviceCustomString3", "{}")),
    "ecs": ("ecs", _documents("fortinet_firewall.log", "vd", "sessionid")),
    "ecs's pan": ("ecs", _documents("panw_panos.log", "virtual_sys", "flow_id")),
    "conntrack": (
        "conntrack",
        lambda name, session: ENDED.replace("id=77", f"zone={len(name)} id={session}"),
    ),
    "zeek": ("zeek_tsv", _tsv),
    "zeek's json": ("zeek_json", lambda name, session: json.dumps(_conn(name, session))),
    "cim": (
        "cim_json",
        lambda name, session: json.dumps(
            {
                "_time": 1_795_132_800,
                "src_ip": "10.1.0.11",
                "src_port": 1,
                "dest_ip": "10.9.0.25",
                "dest_port": 993,
                "bytes_in": 5_900,
                "bytes_out": 600,
                "dvc": "fw1",
                "vd": name,
                "session_id": session,
            }
        ),
    ),
}


@pytest.mark.parametrize("way", WRITTEN)
def test_a_session_that_two_virtual_systems_log_counts_once(way: str) -> None:
    encoding, line = WRITTEN[way]
    parsed = read(encoding, line("inside", "101"), line("edge", "202"))
    assert parsed.account.flows == 2
    found, dropped = count_once(parsed.rows.with_columns(**FILE))
    assert (found.height, dropped) == (1, Dropped(other_sensors=1))


@pytest.mark.parametrize("way", WRITTEN)
def test_two_sessions_of_one_virtual_system_are_two(way: str) -> None:
    encoding, line = WRITTEN[way]
    found, dropped = count_once(read(encoding, line("edge", "101"), line("edge", "202")).rows.with_columns(**FILE))
    assert (found.height, dropped) == (2, Dropped())
