"""Lines of other formats inside the JSON of a shipper: found, opened, and read as the lines themselves would be."""

from __future__ import annotations

import base64
import gzip
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources.base import Block, DocumentReader, ReadOptions
from pipeline.sources.registry import READERS, detect, format_of
from pipeline.sources.watch import Watch
from pipeline.sources.wrappings.envelope import KEYS, SIGN
from tests.pipeline.sources.lines import LATEST, only, read, read_blocks, read_lines
from tests.real_files import GOLDEN

EVE = json.dumps(
    {
        "timestamp": "2026-11-02T10:00:10.000000+0000",
        "event_type": "flow",
        "src_ip": "10.0.0.5",
        "src_port": 50123,
        "dest_ip": "192.0.2.10",
        "dest_port": 993,
        "proto": "TCP",
        "flow": {
            "pkts_toserver": 20,
            "pkts_toclient": 90,
            "bytes_toserver": 3456,
            "bytes_toclient": 120000,
            "start": "2026-11-02T10:00:00.000000+0000",
        },
    }
)
VPC = "2 123456789010 eni-1 192.0.2.10 10.0.0.5 993 50123 6 90 120000 1793613600 1793613660 ACCEPT OK"


def wrapped(line: str, key: str) -> str:
    """The line as the text at a key."""
    value: object = line
    for step in reversed(key.split(".")):
        value = {"@timestamp": "2026-11-02T10:00:11.000Z", step: value}
    return json.dumps(value)


def golden(name: str) -> list[str]:
    return (GOLDEN / name).read_text(encoding="utf-8").splitlines()


@pytest.mark.parametrize(
    ("line", "encoding", "key"),
    # VPC's own JSON form knows lines under message.
    [(EVE, "suricata", k) for k in KEYS]
    + [(VPC, "vpc_text", k) for k in KEYS if k != "body" and not k.endswith("message")],
)
def test_a_line_is_found_under_every_key(key: str, line: str, encoding: str) -> None:
    text = f"{wrapped(line, key)}\n".encode()
    found = detect(text, "auto", "x")
    assert found == f"{encoding}{SIGN}{key}"
    assert detect(text, format_of(encoding), "x") == found
    assert format_of(found) == format_of(encoding)
    inside, plain = only(read(found, wrapped(line, key))), only(read(encoding, line))
    assert inside == plain


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("fortigate-interim-and-close.log", "fortinet"),
        ("panw-bytes-order.log", "paloalto"),
        ("asa-302014-inbound-outbound.log", "asa"),
        ("suricata-flow-and-netflow.json", "suricata"),
        ("vpc-both-sides-of-the-same-flow.log", "vpc_text"),
        ("zeek-second-header-new-schema.log", "zeek_tsv"),
    ],
)
def test_a_whole_log_comes_out_as_it_went_in(name: str, encoding: str) -> None:
    lines = golden(name)
    inside = [wrapped(line, "log") for line in lines]
    found = detect("".join(f"{x}\n" for x in inside).encode(), "auto", "x")
    assert found == f"{encoding}{SIGN}log"
    plain, opened = read(encoding, *lines), read(found, *inside)
    assert opened.rows.equals(plain.rows)
    assert opened.account == plain.account
    assert opened.rejects.equals(plain.rejects)
    half = len(inside) // 2
    assert read_blocks(found, [inside[:half], inside[half:]]).rows.equals(plain.rows)


def test_a_line_that_is_no_envelope_is_read_as_it_is() -> None:
    parsed = read(f"vpc_text{SIGN}log", wrapped(VPC, "log"), VPC, "{broken", '{"log": 7}')
    assert parsed.account.flows == 2
    assert sum(parsed.account.quarantined.values()) == 2
    assert parsed.rejects["source_line"].to_list() == [3, 4]


def test_a_line_with_line_ends_inside_is_one_line() -> None:
    pretty = json.dumps(json.loads(EVE), indent=1)
    assert read(f"suricata{SIGN}message", wrapped(pretty, "message"), wrapped(f"{EVE}\n", "message")).account.flows == 2


def test_a_last_line_that_was_cut_waits_for_its_end() -> None:
    reader = READERS[f"suricata{SIGN}message"](ReadOptions(Watch(None), LATEST))
    data = wrapped(EVE, "message").encode()[:-9]
    parsed = reader.read(Block(data, 1, 1, unterminated=True))
    assert parsed.account.quarantined == {"incomplete_last_line": 1}
    assert parsed.account.balanced


def test_a_document_of_envelopes_is_read_whole() -> None:
    reader = READERS[f"suricata{SIGN}message"](ReadOptions(Watch(None), LATEST))
    assert isinstance(reader, DocumentReader)
    data = json.dumps([json.loads(wrapped(EVE, "message"))] * 2).encode()
    assert reader.read_array(data).account.flows == 2


def test_records_that_are_objects_stay_with_their_own_formats() -> None:
    ecs = {"source": {"ip": "10.0.0.5"}, "destination": {"ip": "192.0.2.10", "bytes": 5}, "message": "text of its own"}
    assert detect(json.dumps(ecs).encode(), "auto", "x") == "ecs"
    assert detect(EVE.encode(), "auto", "x") == "suricata"


def test_elastics_own_record_of_a_suricata_flow_is_ecs() -> None:
    record = {
        "@timestamp": "2026-11-02T10:00:10.000Z",
        "suricata": {"eve": {"event_type": "flow", "flow_id": 1}},
        "source": {"ip": "10.0.0.5", "port": 50123, "bytes": 3456},
        "destination": {"ip": "192.0.2.10", "port": 993, "bytes": 120000},
        "network": {"transport": "tcp"},
        "event": {"start": "2026-11-02T10:00:00.000Z", "dataset": "suricata.eve"},
    }
    assert detect(json.dumps(record).encode(), "auto", "x") == "ecs"
    assert read("ecs", json.dumps(record)).account.flows == 1


def test_what_an_export_puts_before_vpc_lines_is_taken_off() -> None:
    lines = [f"2026-11-02T10:00:0{n}.000Z {VPC}" for n in range(3)]
    assert detect("".join(f"{x}\n" for x in lines).encode(), "auto", "x") == "vpc_text"
    assert detect(lines[0].encode(), "vpc", "x") == "vpc_text"
    assert (
        read_lines("vpc_text", lines)
        .rows.drop("source_line")
        .equals(read_lines("vpc_text", [VPC] * 3).rows.drop("source_line"))
    )


@given(
    st.lists(
        st.one_of(st.text(), st.sampled_from([wrapped(EVE, "message"), EVE, '{"message": "x"}'])),
        min_size=1,
        max_size=8,
    )
)
def test_every_line_is_accounted_for(lines: Sequence[str]) -> None:
    flat = [x.replace("\n", " ") for x in lines]
    data = "".join(f"{x}\n" for x in flat).encode("utf-8", errors="surrogatepass")
    parsed = READERS[f"suricata{SIGN}message"](ReadOptions(Watch(None), LATEST)).read(Block(data, 1, len(flat)))
    assert parsed.account.balanced
    assert parsed.account.lines == len(flat)


@pytest.mark.parametrize(
    "header",
    [
        "Nov  2 10:00:10 ids1 suricata[123]: ",
        "<134>1 2026-11-02T10:00:10.123+01:00 ids1 suricata 123 - - ",
        "<134>Nov  2 10:00:10 ids1 suricata: @cee: ",
        "<134>Nov  2 10:00:10 ids1 suricata: @cee:",
        "Nov  2 10:00:10 ids1 suricata:",
        "<134>1 2026-11-02T10:00:10.123+01:00 ids1 suricata 123 - - event=",
        "2026-11-02T10:00:10.123456789Z stdout F ",
    ],
)
def test_what_stands_before_an_object_in_its_line_is_taken_off(header: str) -> None:
    lines = [header + EVE, header + EVE.replace("50123", "50124"), header + "rotated the log", header + EVE[:90]]
    assert detect("\n".join(lines).encode(), "auto", "x") == "suricata@header"
    assert detect("\n".join(lines).encode(), "suricata", "x") == "suricata@header"
    parsed = read_lines("suricata@header", lines)
    assert parsed.rows["other_bytes_in"].to_list() == [120_000, 120_000]
    assert (parsed.account.ignored, dict(parsed.account.quarantined)) == (1, {"bad_json": 1})


def test_a_brace_within_a_value_begins_no_object() -> None:
    with pytest.raises(SourceError, match="no known format"):
        detect(b'<134>Nov 2 10:00:00 fw1 x: id={"a"} loguid="{"event_type":"flow"}"\n', "auto", "x")
    for last in ('"flow":', '"flow"=', 'a="'):
        with pytest.raises(SourceError, match="no known format"):
            detect(f"<134>Nov 2 10:00:00 fw1 x: {last}{EVE} y\n".encode(), "auto", "x")


def test_a_shipper_s_own_uid_does_not_make_its_record_zeek_s() -> None:
    conn = {"ts": 1793613600.5, "uid": "C1", "id.orig_h": "10.0.0.5", "id.resp_h": "192.0.2.10", "resp_ip_bytes": 9}
    record = {"_source": {"log": {"id": {"uid": "C1"}}, "client": {"ip": "10.0.0.5"}, "message": json.dumps(conn)}}
    line = json.dumps(record)
    assert detect(line.encode(), "auto", "x") == "zeek_json@_source.message"
    assert only(read("zeek_json@_source.message", line))["ip_bytes_in"] == 9


CIM = json.dumps({"_time": 1793613600, "src_ip": "10.0.0.5", "dest_ip": "192.0.2.10", "bytes_in": 120_000})
FLOW = json.dumps(
    {"time_flow_start_ns": 1793613600 * 10**9, "src_addr": "192.0.2.10", "dst_addr": "10.0.0.5", "bytes": 120_000}
    | {"src_port": 993, "dst_port": 50123, "proto": "TCP", "sampler_address": "192.0.2.1"}
)


@pytest.mark.parametrize("key", ["_source", "json", "data", "message", "fields", "attributes", "body", "jsonPayload"])
@pytest.mark.parametrize(("encoding", "line"), [("suricata", EVE), ("cim_json", CIM), ("goflow2", FLOW)])
def test_records_that_lie_as_objects_under_a_key_are_read(encoding: str, line: str, key: str) -> None:
    lines = [json.dumps({"host": "x", key: json.loads(line), "time": 1}), "{}", "not JSON"]
    name = f"{encoding}@{{{key}}}"
    assert detect("\n".join(lines).encode(), "auto", "x") == name
    assert detect("\n".join(lines).encode(), format_of(encoding), "x") == name
    plain, found = read_lines(encoding, [line]), read_lines(name, lines)
    assert found.rows.drop("dvc").equals(plain.rows.drop("dvc"))
    assert (found.account.ignored, dict(found.account.quarantined)) == (1, {"bad_json": 1})
    answer = json.dumps({"took": 1, "hits": {"hits": [json.loads(lines[0])]}}, indent=1).encode()
    assert detect(answer, "auto", "x") == name
    reader = READERS[name](ReadOptions(Watch(None), LATEST))
    assert isinstance(reader, DocumentReader)
    assert reader.read_array(answer).rows.height == 1


@pytest.mark.parametrize("key", ["event", "result", "_source"])
def test_a_format_opens_the_objects_that_it_knows_itself(key: str) -> None:
    conn = {"ts": 1793613600.5, "id.orig_h": "10.0.0.5", "id.resp_h": "192.0.2.10", "resp_ip_bytes": 9}
    assert detect(json.dumps({key: conn}).encode(), "auto", "x") == "zeek_json"


def test_an_object_beside_a_record_s_own_marks_is_no_envelope() -> None:
    record = {**json.loads(EVE), "data": json.loads(EVE)}
    assert detect(json.dumps(record).encode(), "auto", "x") == "suricata"


ASA = "%ASA-6-302014: Teardown TCP connection 7 for o:192.0.2.7/50123 to d:10.9.0.25/993 duration 0:01:00 bytes 6500"
SRX = (
    'RT_FLOW_SESSION_CLOSE [junos@2636.1.1.1.2.129 source-address="192.0.2.7" source-port="50123" '
    'destination-address="10.9.0.25" destination-port="993" protocol-id="6" bytes-from-client="600" '
    'bytes-from-server="5900" elapsed-time="60"]'
)


@pytest.mark.parametrize(("encoding", "line"), [("asa", ASA), ("juniper", SRX)])
@pytest.mark.parametrize(
    "told",
    [
        {"@timestamp": "2026-11-20T10:01:00.000Z", "host": {"name": "fw1"}},
        {"timereported": "2026-11-20T11:01:00+01:00", "fromhost": "fw1"},
        {"time": 1795168860, "host": "fw1", "sourcetype": "cisco:asa"},
        {"time": "1795168860.000", "host": "fw1"},
        {"__REALTIME_TIMESTAMP": "1795168860000000", "_HOSTNAME": "fw1"},
        {"PROGRAM": "x", "HOST": "fw1", "DATE": "Nov 20 09:01:00", "ISODATE": "2026-11-20T11:01:00+01:00"},
        {"PROGRAM": "x", "HOST": "fw1", "DATE": "Nov 20 2026 10:01:00"},
        {"EventTime": "2026-11-20 10:01:00", "Hostname": "fw1"},
    ],
)
def test_a_message_without_its_header_has_the_time_and_host_of_its_envelope(
    told: dict[str, object], encoding: str, line: str
) -> None:
    record = json.dumps({**told, "message": line})
    assert detect(record.encode(), "auto", "x") == f"{encoding}@message"
    row = only(read(f"{encoding}@message", record))
    assert (row["start_time"].isoformat(), row["dvc"]) == ("2026-11-20T10:00:00+00:00", "fw1")
    headed = json.dumps({**told, "message": f"Nov 20 2026 09:01:00 fw2 : {line}"})
    assert only(read(f"{encoding}@message", headed))["start_time"].hour == 9


@pytest.mark.parametrize(("key", "tag"), [("syslogtag", "%ASA-6-302014:"), ("ident", "ASA-6-302014"),
                                        ("PROGRAM", "%ASA-6-302014"), ("SourceName", "%ASA-6-302014"),
                                        ("appname", "%ASA-6-302014"), ("application_name", "%ASA-6-302014"),
                                        ("log", {"syslog": {"appname": "%ASA-6-302014"}}),
                                        ("ProcessName", "%ASA-6-302014")])  # fmt: skip
def test_a_message_s_number_that_a_server_took_for_a_program_is_put_back(key: str, tag: Any) -> None:
    record = json.dumps({"@timestamp": "2026-11-20T10:01:00Z", key: tag, "msg": f" {ASA.partition(': ')[2]}"})
    assert detect(record.encode(), "auto", "x") == "asa@msg"
    assert only(read("asa@msg", record))["total_bytes"] == 6500


@pytest.mark.parametrize(
    "told",
    [
        {
            "host": {"name": "relay"},
            "log": {"syslog": {"hostname": "fw1"}},
        },  # Filebeat's, of its own machine and the sender.
        {"host": {"name": "relay"}, "hostname": "fw1"},  # Those of its older input for syslog.
        {"host": "fw1", "hostname": "relay"},  # Fluentd's, with the aggregator's name as its documents add it.
        {"source": "fw1"},  # Graylog's.
    ],
)
def test_a_message_is_of_the_device_that_sent_it(told: dict[str, Any]) -> None:
    """Firewalls behind each other tell of the same connections, which count once where they are told apart."""
    record = json.dumps({"@timestamp": "2026-11-20T10:01:00Z", "message": ASA, **told})
    assert only(read("asa@message", record))["dvc"] == "fw1"


CONN = json.dumps({"ts": 1_793_613_600.0, "uid": "C1", "id.orig_h": "10.0.0.5", "id.resp_h": "192.0.2.10",
                   "id.orig_p": 50_001, "id.resp_p": 993, "proto": "tcp", "conn_state": "SF",
                   "resp_ip_bytes": 5})  # fmt: skip


@pytest.mark.parametrize(("encoding", "line", "own"), [("suricata", EVE, "host"), ("zeek_json", CONN, "_system_name")])
def test_a_record_is_of_the_sensor_whose_shipper_sent_it_unless_it_names_its_own(
    encoding: str, line: str, own: str
) -> None:
    """Two sensors tell of the same flows, which count once where they are told apart."""
    shippers = ({"host": {"name": "s1"}}, {"host": "s1"}, {"hostname": "s1"}, {"host": {"name": "a b"}})
    lines = [json.dumps({"@timestamp": "2026-11-20T10:01:00Z", **told, "message": line}) for told in shippers]
    lines.append(json.dumps({"host": {"name": "s1"}, "message": json.dumps(json.loads(line) | {own: "s2"})}))
    relay = {"host": {"name": "relay"}}
    for told in (relay | {"log": {"syslog": {"hostname": "s1"}}}, relay | {"hostname": "s1"}):
        lines.append(json.dumps(told | {"message": line}))
    rows = read_lines(f"{encoding}@message", lines).rows
    assert rows["dvc"].to_list() == ["s1", "s1", "s1", None, "s2", "s1", "s1"]
    plain = read_lines(encoding, [line]).rows
    assert rows[:1].drop("dvc").equals(plain.drop("dvc"))


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        (
            "date=2026-11-20",
            'time=10:01:00 devname="fg" logid="0000000013" type="traffic" subtype="forward" srcip=192.0.2.7 '
            'srcport=50123 dstip=10.9.0.25 dstport=993 proto=6 action="close" duration=60 sentbyte=600 rcvdbyte=5900',
        ),
        (
            "id=firewall",
            'sn=0017C5 time="2026-11-20 10:01:00" fw=192.0.2.1 pri=6 c=1024 m=537 msg="Connection Closed" '
            "src=192.0.2.7:50123:X0 dst=10.9.0.25:993:X1 proto=tcp/imaps sent=600 rcvd=5900 cdur=60000",
        ),
    ],
)
def test_a_first_pair_that_a_server_took_for_a_program_is_put_back(first: str, rest: str) -> None:
    record = json.dumps({"PROGRAM": first, "MESSAGE": rest, "HOST": "fw1", "DATE": "Nov 20 10:01:00"})
    encoding = detect(record.encode(), "auto", "x")
    assert encoding in ("fortinet@MESSAGE", "sonicwall@MESSAGE")
    row = only(read(encoding, record))
    assert (row["start_time"].isoformat(), row["other_bytes_in"]) == ("2026-11-20T10:00:00+00:00", 5_900)


@pytest.mark.parametrize("inside", [{"log": {"source": {"address": "192.0.2.1:514"}}}, {"source": {"ip": "192.0.2.1"}}])
def test_a_sender_is_no_end_of_a_flow(inside: dict[str, object]) -> None:
    record = json.dumps({"@timestamp": "2026-11-20T10:01:00Z", **inside, "message": EVE, "event": {"dataset": "x"}})
    assert detect(record.encode(), "auto", "x") == "suricata@message"
    assert only(read("suricata@message", record))["other_bytes_in"] == 120_000


def test_of_several_texts_the_one_that_holds_a_flow_is_read() -> None:
    record = json.dumps({"version": "1.1", "short_message": "a flow", "full_message": EVE, "message": "a flow"})
    assert detect(record.encode(), "auto", "x") == "suricata@full_message"


def test_envelopes_behind_each_other_are_told() -> None:
    data = (wrapped(VPC, "event") * 2).encode()
    assert detect(data, "auto", "x") == "vpc_text@event"
    reader = READERS["vpc_text@event"](ReadOptions(Watch(None), LATEST))
    assert isinstance(reader, DocumentReader)
    assert reader.read_array(data).account.flows == 2


@pytest.mark.parametrize(
    ("line", "encoding"),
    [
        (f"2026-11-02T10:00:11+00:00\tsyslog.fw\t{wrapped(EVE, 'message')}", "suricata@message@header"),
        (f"syslog.fw: [1793613611.000000000, {wrapped(EVE, 'log').strip()}]", "suricata@log@header"),
        (f"eve: [1793613611, {EVE}]\r", "suricata@header"),
        (json.dumps({"log": wrapped(VPC, "event"), "stream": "stdout"}), "vpc_text@event@log"),
        (json.dumps({"message": wrapped(ASA, "message")}), "asa@message@message"),
    ],
)
def test_an_envelope_in_another_is_opened_too(line: str, encoding: str) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == encoding
    parsed = read(encoding, line)
    assert (parsed.account.flows, format_of(encoding)) == (1, encoding.split("@", maxsplit=1)[0].removesuffix("_text"))


def test_a_nul_behind_a_message_is_none_of_it() -> None:
    assert only(read("suricata", f"{EVE}\0"))["other_bytes_in"] == 120_000
    data = (f"{wrapped(EVE, 'full_message')}\0" * 2).encode()
    assert detect(data, "auto", "x") == "suricata@full_message"
    reader = READERS["suricata@full_message"](ReadOptions(Watch(None), LATEST))
    assert isinstance(reader, DocumentReader)
    assert reader.read_array(data).account.flows == 2


@pytest.mark.parametrize("note", [b"caf\xe9", b"\\ud800"], ids=repr)
@pytest.mark.parametrize(("name", "around"), [("suricata@message", "text"), ("suricata@{_source}", "object")])
def test_an_envelope_with_text_that_is_no_unicode_is_opened(name: str, around: str, note: bytes) -> None:
    inner = EVE if around == "text" else json.loads(EVE)
    line = json.dumps({"note": "NOTE", name.partition(SIGN)[2].strip("{}"): inner}).encode().replace(b"NOTE", note)
    assert detect(line + b"\n", "auto", "x") == name
    assert only(read_lines(name, [line]))["other_bytes_in"] == 120_000


def test_a_message_that_the_journal_writes_as_a_list_of_bytes_is_text() -> None:
    text = "Nov 20 2026 00:01:00 fw1 : %ASA-6-302014: Teardown TCP connection 1 for outside:203.0.113.7/50001 to "
    text += "dmz:10.9.0.25/993 duration 0:01:00 bytes 6500 TCP FINs\r"
    line = json.dumps({"__REALTIME_TIMESTAMP": "1795132860000000", "MESSAGE": list(text.encode())})
    assert detect(line.encode() + b"\n", "auto", "x") == "asa@MESSAGE"
    assert only(read("asa@MESSAGE", line))["total_bytes"] == 6_500
    other = json.dumps({"MESSAGE": [300, 1]})
    assert read("asa@MESSAGE", other).account.quarantined == {"bad_line": 1}


def test_a_tag_that_the_journal_took_for_a_name_is_put_back() -> None:
    text = "Teardown TCP connection 1 for outside:203.0.113.7/50001 to dmz:10.9.0.25/993 duration 0:01:00 bytes 6500"
    told = {"__REALTIME_TIMESTAMP": "1795132860000000", "SYSLOG_IDENTIFIER": "%ASA-6-302014", "MESSAGE": text}
    line = json.dumps(told)
    assert detect(line.encode() + b"\n", "auto", "x") == "asa@MESSAGE"
    assert only(read("asa@MESSAGE", line))["total_bytes"] == 6_500


def test_an_object_of_a_record_that_is_known_itself_is_not_opened() -> None:
    ends = {"src_endpoint": {"ip": "10.0.0.5"}, "dst_endpoint": {"ip": "192.0.2.10"}}
    record = {"class_uid": 4001, "time": 1793613600000, **ends, "traffic": {"bytes_in": 9}, "raw": json.loads(EVE)}
    assert (encoding := detect(json.dumps(record).encode(), "auto", "x")) is not None
    assert "raw" not in encoding


@pytest.mark.parametrize("key", ["message.data", "value", "Body", "payload"])
@pytest.mark.parametrize("folded", [False, True])
def test_a_line_that_a_queue_hands_on_as_bytes_is_read(key: str, folded: bool) -> None:
    """Pub/Sub's messages as they are pushed or pulled, Kafka's REST proxy, what Azure's event hubs capture."""
    zeek = "\t".join(["1795161600.0", "C1", "10.0.0.5", "50123", "192.0.2.10", "993", "tcp", "ssl", "10.0", "1", "2",
                      "SF", "T", "F", "0", "ShADadFf", "20", "3456", "90", "120000", "-"])  # fmt: skip
    for line, encoding in ((EVE, "suricata"), (zeek, "zeek_lines")):
        data = gzip.compress(line.encode()) if folded else line.encode()
        text = wrapped(base64.b64encode(data).decode(), key) + "\n"
        assert detect(text.encode(), "auto", "x") == f"{encoding}{SIGN}{key}"
        row = only(read(f"{encoding}{SIGN}{key}", text.rstrip()))
        assert (row["src_ip"], row["ip_bytes_in"] or row["other_bytes_in"]) == ("10.0.0.5", 120_000)


def test_text_that_only_looks_like_base64_or_holds_several_lines_stays_as_it_is() -> None:
    several = base64.b64encode(f"{EVE}\n{EVE}".encode()).decode()
    for text in (several, "A" * 80, base64.b64encode(bytes(range(256))).decode()):
        parsed = read(f"suricata{SIGN}message.data", wrapped(text, "message.data"))
        assert dict(parsed.account.quarantined) == {"bad_json": 1}
