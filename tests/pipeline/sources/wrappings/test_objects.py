"""Records as objects within others, under whatever key, and the sensor they are of: the host that an envelope names."""

import json

import pytest

from pipeline.sources.registry import detect, format_of
from tests.pipeline.sources.lines import read_lines
from tests.pipeline.sources.wrappings.test_envelope import CIM, EVE, FLOW

CLOSED = (
    '<134>id=firewall sn=C0EAE4000000 time="2026-11-20 10:01:00 UTC" fw=192.0.2.1 pri=6 c=1024 m=537 '
    'msg="Connection Closed" n=1 src=192.0.2.7:50123:X1 dst=10.9.0.25:993:X0 proto=tcp/imaps sent=600 rcvd=5900'
)
CLOSED_BY_SRX = (
    "<14>1 2026-11-20T10:01:00.000Z srx RT_FLOW - RT_FLOW_SESSION_CLOSE [junos@2636.1.1.1.2.129 "
    'source-address="192.0.2.7" source-port="50123" destination-address="10.9.0.25" destination-port="993" '
    'protocol-id="6" bytes-from-client="600" bytes-from-server="5900" elapsed-time="60"]'
)


@pytest.mark.parametrize("key", ["detail", "RECORD_CONTENT", "attributes.attributes", "body.structured", "a.b.c"])
@pytest.mark.parametrize(("encoding", "line"), [("suricata", EVE), ("cim_json", CIM), ("goflow2", FLOW)])
def test_records_that_lie_under_any_other_key_or_deeper_are_read(encoding: str, line: str, key: str) -> None:
    record = json.loads(line)
    for step in reversed(key.split(".")):
        record = {"id": "x", step: record, "tags": {"a": {"b": "c"}}}
    name = f"{encoding}@{{{key}}}"
    lines = [json.dumps(record), "{}"]
    assert detect("\n".join(lines).encode(), "auto", "x") == name
    assert detect("\n".join(lines).encode(), format_of(encoding), "x") == name
    found = read_lines(name, lines)
    assert found.rows.equals(read_lines(encoding, [line]).rows)
    assert (found.account.flows, found.account.ignored) == (1, 1)


@pytest.mark.parametrize("before", [0, 1, 2, 200])
def test_records_under_any_key_are_known_behind_records_of_other_kinds(before: int) -> None:
    """A shipper's own messages may begin a file, in as many lines as they like."""
    other = json.dumps({"agent": "a", "said": {"what": "started", "deep": {"n": 1}}})
    lines = [other] * before + [json.dumps({"agent": "a", "said": {"what": "seen", "deep": json.loads(EVE)}})]
    name = "suricata@{said.deep}"
    assert detect("\n".join(lines).encode(), "auto", "x") == name
    found = read_lines(name, lines)
    assert (found.account.flows, found.account.ignored) == (1, before)


@pytest.mark.parametrize(("encoding", "line"), [("sonicwall", CLOSED), ("juniper", CLOSED_BY_SRX)])
def test_a_line_of_text_in_an_object_behind_a_header_is_read_beside_plain_ones(encoding: str, line: str) -> None:
    lines = [f"<14>1 2026-11-20T10:02:00Z relay app - - - {json.dumps({'message': line})}"] * 2
    name = f"{encoding}@message@header"
    assert detect("\n".join(lines).encode(), "auto", "x") == detect(lines[0].encode(), encoding, "x") == name
    found = read_lines(name, [lines[0], line])
    assert found.rows["other_bytes_in"].to_list() == [5_900, 5_900]


@pytest.mark.parametrize("path", ["body.text", "Body", "content"])
def test_lines_that_lie_where_event_hubs_and_collectors_put_them_are_read(path: str) -> None:
    step, _, more = path.partition(".")
    line = json.dumps({step: {more: EVE} if more else EVE, "offset": 7})
    assert detect(line.encode(), "auto", "x") == f"suricata@{path}"
    assert read_lines(f"suricata@{path}", [line]).rows.equals(read_lines("suricata", [EVE]).rows)


CONN = {"ts": 1793613600.5, "uid": "C1", "id.orig_h": "10.0.0.5", "id.resp_h": "192.0.2.10", "resp_ip_bytes": 9}


@pytest.mark.parametrize(
    ("around", "key"),
    [
        ({"host": "s1"}, "log"),
        ({"host": {"name": "s1", "os": {"name": "x"}}}, "a.b"),
        ({"hostname": "s1"}, "detail"),
        ({"hostname": "s1", "host": {"name": "relay"}}, "json"),
        ({"hostname": "relay", "host": "s1"}, "json"),
        ({"resource": {"type": "gce_instance", "labels": {"instance_id": "s1"}}}, "jsonPayload"),
    ],
)
@pytest.mark.parametrize(("encoding", "record"), [("zeek_json", CONN), ("suricata", json.loads(EVE))])
def test_a_record_that_lies_as_an_object_is_of_the_sensor_that_the_envelope_names(
    encoding: str, record: dict[str, object], around: dict[str, object], key: str
) -> None:
    told: dict[str, object] = record
    for step in reversed(key.split(".")):
        told = {step: told}
    name = f"{encoding}@{{{key}}}"
    line = json.dumps(around | told)
    assert detect(line.encode(), "auto", "x") == name
    assert read_lines(name, [line]).rows["dvc"].to_list() == ["s1"]


def test_an_envelope_s_host_that_is_no_name_costs_no_record() -> None:
    for host in ('{"name": 1e400}', "7", '{"name": "a b"}', "null"):
        line = f'{{"host": {host}, "log": {json.dumps(CONN)}}}'
        assert read_lines("zeek_json@{log}", [line]).rows["dvc"].to_list() == [None]


@pytest.mark.parametrize("host", ["s1", {"name": "s1"}, {"os": {"name": "Linux"}, "name": "s1"}])
def test_a_shipper_s_host_among_a_record_s_own_fields_is_its_sensor(host: object) -> None:
    assert read_lines("zeek_json", [json.dumps(CONN | {"host": host})]).rows["dvc"].to_list() == ["s1"]
    assert read_lines("zeek_json", [json.dumps(CONN | {"host": host, "_system_name": "s2"})]).rows["dvc"][0] == "s2"
