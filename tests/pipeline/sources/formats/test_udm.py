"""Events of Google Security Operations: what the principal received, when a connection began, and what is no flow."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.forms_read import read, read_bytes, read_document, rows

CLIENT, SERVER = "10.1.0.11", "198.51.100.25"
ENDS = ("src_ip", "src_port", "dest_ip", "dest_port", "transport")
BYTES = ("other_bytes_in", "other_bytes_out")


def event(kind: str = "NETWORK_CONNECTION", product: str = "PAN_FIREWALL", **network: Any) -> dict[str, Any]:
    """As the API answers, in JSON of protobuf."""
    told = {
        "sentBytes": "420",
        "receivedBytes": "5420",
        "ipProtocol": "TCP",
        "sessionId": "7",
        "sessionDuration": "60s",
    }
    return {
        "metadata": {"eventTimestamp": "2026-11-20T08:01:00Z", "eventType": kind, "logType": product, "id": "AAAA"},
        "principal": {"ip": [CLIENT], "port": 50_001},
        "target": {"ip": [SERVER], "port": 993},
        "network": told | network,
    }


SNAKE = {
    "metadata": {
        "event_timestamp": {"seconds": 1_795_161_660, "nanos": 250_000_000},
        "event_type": 16_002,
        "vendor_name": "Fortinet",
    },
    "principal": {"ip": [CLIENT], "port": 50_001},
    "target": {"ip": [SERVER], "port": 993},
    "network": {"sent_bytes": 420, "received_bytes": 5_420, "ip_protocol": "TCP", "session_duration": {"seconds": 60}},
}


@pytest.mark.parametrize(
    "record", [event(), {"udm": event()}, {"name": "x", "udm": event()}, {"event": event()}, SNAKE]
)
def test_what_the_principal_received_are_bytes_in(record: dict[str, Any]) -> None:
    assert detect(json.dumps(record).encode(), "auto", "x") == "udm"
    parsed = read("udm", record)
    assert rows(parsed, *ENDS) == [(CLIENT, 50_001, SERVER, 993, "tcp")]
    assert rows(parsed, *BYTES, "duration", "accounting") == [(5_420, 420, 60_000_000, "cumulative")]
    assert parsed.rows["start_time"][0].isoformat()[:19] == "2026-11-20T08:00:00"


@pytest.mark.parametrize("key", ["events", "matches"])
def test_answers_of_searches_are_opened(key: str) -> None:
    held = [{"name": "a", "udm": event()}, {"name": "b", "udm": event(sentBytes="1")}]
    data = json.dumps({key: held}, indent=1).encode()
    assert detect(data, "auto", "x") == "udm"
    assert rows(read_document("udm", data), *BYTES) == [(5_420, 420), (5_420, 1)]


def test_a_table_of_the_console_is_read() -> None:
    header = "metadata.event_timestamp,metadata.event_type,principal.ip,principal.port,target.ip,target.port,"
    text = f"{header}network.sent_bytes,network.received_bytes,network.ip_protocol,security_result.action\n"
    row = f"2026-11-20T08:01:00Z,NETWORK_CONNECTION,{CLIENT},50001,{SERVER},993,420,5420,TCP"
    data = f"{text}{row},ALLOW\n{row},BLOCK\n".encode()
    assert detect(data, "auto", "x") == "udm_csv"
    parsed = read_bytes("udm_csv", data)
    assert rows(parsed, *ENDS, *BYTES) == [(CLIENT, 50_001, SERVER, 993, "tcp", 5_420, 420)]
    assert dict(parsed.account.warnings) == {"blocked": 1}


@pytest.mark.parametrize("product", ["BRO_JSON", "CORELIGHT", "CHECKPOINT_FIREWALL"])
def test_the_time_of_some_products_is_the_start(product: str) -> None:
    parsed = read("udm", event(product=product))
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:01:00+00:00"


@pytest.mark.parametrize("product", ["BROADCOM_SWG", "FLOWMON", ""])
def test_the_time_of_others_is_the_end(product: str) -> None:
    parsed = read("udm", event(product=product, sentBytes="420"))
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:00:00+00:00"
    assert rows(parsed, *BYTES, "accounting") == [(5_420, 420, "final")]


@pytest.mark.parametrize("counters", [("sentBytes",), ("receivedBytes",), ("sentBytes", "receivedBytes")])
def test_a_flow_log_s_record_tells_one_direction(counters: tuple[str, ...]) -> None:
    """From the principal to the target, whichever field its parser fills in; older ones of AWS' fill in both."""
    there, back = event("NETWORK_FLOW", "AWS_VPC_FLOW"), event("NETWORK_FLOW", "GCP_VPC_FLOW")
    back["principal"], back["target"] = back["target"], back["principal"]
    for record, count in ((there, 420), (back, 5_420)):
        record["network"] = {**dict.fromkeys(counters, str(count)), "ipProtocol": "TCP"}
    assert rows(read("udm", there, back), *ENDS[:4], *BYTES, "accounting") == [
        (CLIENT, 50_001, SERVER, 993, None, 420, "delta"),
        (CLIENT, 50_001, SERVER, 993, 5_420, None, "delta"),
    ]


@pytest.mark.parametrize("counter", ["sentBytes", "receivedBytes", "totalBytes"])
def test_an_asa_s_only_count_is_of_both_directions(counter: str) -> None:
    """Google's parser has it as received since 2022-09-28, as sent before; others may have a total of its own."""
    record = event(product="CISCO_ASA_FIREWALL" if counter != "totalBytes" else "SOME_FIREWALL")
    record["network"] = {counter: "5840", "ipProtocol": "TCP", "sessionDuration": "60s"}
    parsed = read("udm", record)
    assert rows(parsed, *BYTES, "total_bytes", "accounting") == [(None, None, 5_840, "final")]
    assert dict(parsed.account.warnings) == {"direction_unknown": 1}
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:00:00+00:00"


def test_a_virtual_network_s_tuples_are_stretches() -> None:
    parsed = read("udm", event("NETWORK_FLOW", "AZURE_VNET_FLOW"))
    assert rows(parsed, *BYTES, "accounting") == [(5_420, 420, "delta")]


def test_what_was_blocked_or_is_no_connection_is_no_flow() -> None:
    blocked = event() | {"securityResult": [{"ruleName": "a", "action": ["BLOCK"]}]}
    nobody, silent = event(), event()
    del nobody["principal"]["ip"]
    del silent["network"]["sentBytes"], silent["network"]["receivedBytes"]
    parsed = read("udm", blocked, nobody, silent, event("NETWORK_HTTP"), event("USER_LOGIN"), "{")
    assert parsed.rows.is_empty()
    assert dict(parsed.account.warnings) == {"blocked": 1, "no_ends": 1, "no_counters": 1}
    assert (parsed.account.ignored, dict(parsed.account.quarantined)) == (5, {"bad_json": 1})


def test_of_several_addresses_of_an_end_none_is_guessed() -> None:
    several = event()
    several["target"]["ip"] = [SERVER, "2001:db8::25"]
    parsed = read("udm", several)
    assert dict(parsed.account.quarantined) == {"bad_address": 1}
