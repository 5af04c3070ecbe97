"""VPC Flow Logs: ends, directions, layouts, what is no flow, and records inside JSON."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources.base import Block, DocumentReader, Parsed, ReadOptions, merge
from pipeline.sources.formats.vpc import DEFAULT, GATEWAY
from pipeline.sources.registry import READERS, detect
from pipeline.sources.watch import Watch
from tests.examples import examples
from tests.pipeline.sources.lines import only, read_lines
from tests.real_files import GOLDEN, SAMPLES, needs_samples

LATEST = 4_000_000_000_000_000
CLIENT, SERVER = "10.1.0.11", "192.0.2.25"
HEADER = " ".join(DEFAULT)
_RECORD = f"2 123456789010 eni-0a {SERVER} {CLIENT} 993 40001 6 10 5900 1795132800 1795132860 ACCEPT OK"
VALUES = dict(zip(DEFAULT, _RECORD.split(), strict=True))


def line(**changes: str) -> str:
    return " ".join((VALUES | {k.replace("_", "-"): v for k, v in changes.items()}).values())


def read(data: bytes, name: str = "vpc_text") -> Parsed:
    reader = READERS[name](ReadOptions(Watch(None), LATEST))
    if data.startswith(b"[") and isinstance(reader, DocumentReader):
        try:
            return reader.read_array(data)
        except ValueError:
            with pytest.raises(ValueError):  # Said so rightly: it is not one JSON document.
                json.loads(data)
            return Parsed()
    whole = data[: data.rfind(b"\n") + 1]
    blocks = [Block(whole, 1, whole.count(b"\n"))] if whole else []
    if rest := data[len(whole) :]:
        blocks.append(Block(rest, whole.count(b"\n") + 1, 1, unterminated=True))
    parsed = merge([*(reader.read(b) for b in blocks), reader.finish()])
    assert parsed.account.balanced
    assert parsed.rows["source_line"].is_unique().all()
    return parsed


def text(*lines: str) -> Parsed:
    return read("".join(f"{each}\n" for each in lines).encode())


def one(parsed: Parsed) -> dict[str, Any]:
    (row,) = parsed.rows.to_dicts()
    return row


def told(**fields: str) -> dict[str, Any]:
    """One record in a custom layout with these fields beside the default ones."""
    values = VALUES | {k.replace("_", "-"): v for k, v in fields.items()}
    return one(text(" ".join(values), " ".join(values.values())))


def test_a_record_of_the_server_is_turned_so_that_the_client_received_its_bytes() -> None:
    row = one(text(line()))
    assert (row["src_ip"], row["src_port"], row["dest_ip"], row["dest_port"]) == (CLIENT, 40_001, SERVER, 993)
    assert (row["ip_bytes_in"], row["ip_bytes_out"], row["packets_in"], row["packets_out"]) == (5_900, None, 10, None)
    assert (row["orientation"], row["accounting"], row["dvc"], row["transport"]) == (
        "port_rule",
        "delta",
        "eni-0a",
        "tcp",
    )
    assert (row["duration"], row["start_time"].isoformat()) == (60_000_000, "2026-11-20T00:00:00+00:00")
    assert (row["vendor_product"], row["action"], row["reporter"]) == ("Amazon VPC Flow Logs", "allowed", None)


@pytest.mark.parametrize(
    ("flags", "client", "how"),
    [
        ("2", SERVER, "syn"),
        ("3", SERVER, "syn"),
        ("6", SERVER, "syn"),
        ("18", CLIENT, "syn"),
        ("19", CLIENT, "syn"),
        ("0", CLIENT, "port_rule"),
        ("1", CLIENT, "port_rule"),
        ("-", CLIENT, "port_rule"),
    ],
)
def test_who_sent_the_first_segment_is_the_client(flags: str, client: str, how: str) -> None:
    row = told(tcp_flags=flags)
    assert (row["src_ip"], row["orientation"]) == (client, how)
    assert (row["ip_bytes_out"] if client == SERVER else row["ip_bytes_in"]) == 5_900


def test_flags_of_other_protocols_than_tcp_tell_nothing() -> None:
    assert told(tcp_flags="2", protocol="17")["orientation"] == "port_rule"


@pytest.mark.parametrize(
    ("fields", "reporter"),
    [
        ({"flow_direction": "egress"}, "dest"),  # Seen at the server, which the turned flow has as its dest.
        ({"flow_direction": "ingress"}, "src"),
        ({"flow_direction": "ingress", "srcport": "40002", "dstport": "993"}, "dest"),
        ({"flow_direction": "ingress", "tgw_id": "tgw-1"}, "dest"),
        ({"flow_direction": "-"}, None),
    ],
)
def test_the_direction_tells_whose_interface_reports(fields: dict[str, str], reporter: str | None) -> None:
    assert told(**fields)["reporter"] == reporter


@pytest.mark.parametrize(
    ("named", "dvc"),
    [
        ({"interface-id": "eni-0a", "instance-id": "i-0a"}, "eni-0a"),
        ({"subnet-id": "subnet-0a", "instance-id": "i-0a"}, "i-0a"),
        ({"subnet-id": "subnet-0a", "instance-id": "-"}, "subnet-0a"),
        ({}, None),
    ],
)
def test_a_layout_without_the_interface_tells_it_by_its_machine_or_subnet(named: dict[str, str], dvc: str) -> None:
    """Else two interfaces that saw one flow would be one that saw it twice."""
    values = {k: v for k, v in VALUES.items() if k != "interface-id"} | named
    assert one(text(" ".join(values), " ".join(values.values())))["dvc"] == dvc


def test_the_packets_own_ends_are_the_ends_and_the_interfaces_are_translations() -> None:
    row = told(pkt_srcaddr=SERVER, pkt_dstaddr="10.7.0.7", srcaddr="192.0.2.1")
    assert (row["src_ip"], row["dest_ip"]) == ("10.7.0.7", SERVER)
    assert (row["src_translated_ip"], row["dest_translated_ip"]) == (CLIENT, "192.0.2.1")
    assert told(pkt_srcaddr="-", pkt_dstaddr="-")["src_ip"] == CLIENT


def test_what_is_no_delivered_flow_is_counted_by_name() -> None:
    empty = dict.fromkeys(("srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "action"), "-")
    parsed = text(
        line(), line(action="REJECT"), line(**empty, log_status="NODATA"), line(**empty, log_status="SKIPDATA"),
        line(bytes="-"),
    )  # fmt: skip
    assert (parsed.account.flows, parsed.account.ignored) == (1, 4)
    assert dict(parsed.account.warnings) == {"blocked": 1, "no_data": 1, "lost_data": 1, "no_counters": 1}


@pytest.mark.parametrize("write", [str, lambda n: n.replace("-", "_"), lambda n: f"${{{n}}}", str.upper])
def test_a_custom_layout_is_read_by_its_header_however_its_names_are_written(write: Any) -> None:
    names = sorted({**VALUES, "flow-direction": "", "pkt-srcaddr": ""})
    values = {**VALUES, "flow-direction": "egress", "pkt-srcaddr": "192.0.2.77"}
    row = one(text(" ".join(map(write, names)), " ".join(values[n] for n in names)))
    assert (row["dest_ip"], row["ip_bytes_in"], row["reporter"], row["dvc"]) == ("192.0.2.77", 5_900, "dest", "eni-0a")


def test_headers_may_come_again_and_switch_the_layout() -> None:
    other = dict(reversed(VALUES.items()))
    lines = (line(), HEADER, line(dstport="2"), " ".join(other), " ".join(other.values()), HEADER, line(dstport="4"))
    parsed = text(*lines)
    assert parsed.account.comments == 3
    assert parsed.rows["source_line"].to_list() == [1, 3, 5, 7]
    assert parsed.rows["ip_bytes_in"].to_list() == [5_900] * 4


def test_a_layout_that_lacks_counters_after_a_good_one_sets_its_lines_aside() -> None:
    parsed = text(HEADER, line(), "version interface-id srcaddr dstaddr", f"2 eni-0a {SERVER} {CLIENT}", HEADER, line())
    assert (parsed.account.flows, dict(parsed.account.quarantined)) == (2, {"missing_fields": 1})
    assert parsed.rejects["detail"].item() == "the header lacks srcport, dstport, bytes, start"


@pytest.mark.parametrize(
    ("head", "lacks"),
    [
        (f"version interface-id srcaddr dstaddr\n2 eni-0a {SERVER} {CLIENT}\n", "srcport, dstport, bytes, start"),
        (HEADER.replace("bytes ", "").replace("srcaddr", "pkt-srcaddr") + "\n", "that lacks bytes"),
        (f"2 eni-0a {SERVER} {CLIENT}\n", "it lacks srcport, dstport, bytes, start"),
        (f"{SERVER} {CLIENT} 993 40001 6 10 5900 1795132800\n", "the order of its fields is not known"),
        ((GOLDEN / "vpc-custom-no-bytes.json").read_text(), "it lacks srcport, dstport, bytes, start"),
        (json.dumps({k: v for k, v in VALUES.items() if k != "bytes"}) + "\n", "that lacks bytes"),
    ],
)
def test_a_layout_that_cannot_tell_a_flow_is_refused_with_what_it_lacks(head: str, lacks: str) -> None:
    with pytest.raises(SourceError, match=f"^logs/x: is a custom format .*{lacks}.*header"):
        detect(head.encode(), "vpc", "logs/x")


@pytest.mark.parametrize(
    ("head", "encoding"),
    [
        (HEADER, "vpc_text"),
        (line(), "vpc_text"),
        (f"{HEADER}\r\n{line()}\r\n", "vpc_text"),
        (json.dumps(VALUES), "vpc_json"),
        (json.dumps({"aws": {"vpc": VALUES}, "source": {"ip": CLIENT}}, indent=1), "vpc_json"),
        (json.dumps({"aws.vpc.srcaddr": SERVER, **{f"aws.vpc.{k}": v for k, v in VALUES.items()}}), "vpc_json"),
        (json.dumps({"logEvents": [{"message": line()}]}), "vpc_json"),
    ],
)
def test_the_log_is_known_by_its_content(head: str, encoding: str) -> None:
    assert detect(head.encode(), "auto", "x") == encoding
    assert detect(head.encode(), "vpc", "x") == encoding


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"srcaddr": "somewhere"}, "bad_address"),
        ({"srcport": "70000"}, "bad_port"),
        ({"bytes": "many"}, "bad_number"),
        ({"bytes": "-5"}, "negative_bytes"),
        ({"bytes": "9" * 17}, "implausible_bytes"),
        ({"start": "0"}, "implausible_time"),
        ({"start": "-"}, "untimed"),
    ],
)
def test_a_record_that_cannot_be_right_is_set_aside(changes: dict[str, str], reason: str) -> None:
    parsed = text(line(), line(**changes))
    assert dict(parsed.account.quarantined) == {reason: 1}
    assert parsed.rejects["source_line"].to_list() == [2]


@pytest.mark.parametrize(("last", "flows"), [(line(), 2), (line(log_status="O"), 2), (line()[:-10], 1), (HEADER, 1)])
def test_a_last_line_without_its_end_counts_when_it_is_whole(last: str, flows: int) -> None:
    parsed = read(f"{line()}\n{last}".encode())
    assert parsed.account.flows == (1 if last.endswith(" O") else flows)


def envelope(*events: dict[str, Any], kind: str = "DATA_MESSAGE") -> str:
    return json.dumps({"messageType": kind, "owner": "1", "logGroup": "g", "logEvents": list(events)})


def event(number: int, message: str = line(), **more: Any) -> dict[str, Any]:
    return {"id": str(number), "timestamp": 1_795_132_800_000, "message": message, **more}


EXTRACTED = {k.replace("-", "_"): v for k, v in VALUES.items()}
NAMED = {
    "version": "2", "account": "1", "eni": "eni-0a", "source": SERVER, "destination": CLIENT, "srcport": "993",
    "destport": "40001", "protocol": "6", "packets": "10", "bytes": "5900", "windowstart": "1795132800",
    "windowend": "1795132860", "action": "ACCEPT", "flowlogstatus": "OK",
}  # fmt: skip


def test_records_of_envelopes_are_numbered_across_the_file() -> None:
    lines = [
        envelope(event(1), event(2, line(bytes="7"))),
        envelope(event(3, "other order", extractedFields=EXTRACTED), event(4, "", extractedFields=NAMED)),
        envelope(event(5, "CWL CONTROL MESSAGE: Checking health"), kind="CONTROL_MESSAGE"),
        "{broken",
        envelope(),
        envelope(event(6)) + envelope(event(7)),
        json.dumps({"@message": line()}),
        envelope(event(8, f"2 eni-0a {SERVER} {CLIENT}")),
    ]
    data = "".join(f"{each}\n" for each in lines).encode()
    parsed = read(data, "vpc_json")
    assert sorted(parsed.rows["source_line"]) == [1, 2, 3, 4, 8, 9, 10]
    assert parsed.rows.filter(record_id="2")["ip_bytes_in"].item() == 7
    assert set(parsed.rows["src_ip"]) == {CLIENT}
    assert (parsed.account.ignored, parsed.account.comments) == (1, 1)
    assert dict(parsed.account.quarantined) == {"bad_json": 1, "missing_fields": 1}
    halves = [read_in_two(data, at) for at in range(1, len(lines))]
    for half in halves:
        assert half.rows.sort("source_line").equals(parsed.rows.sort("source_line"))
        assert half.account == parsed.account


def read_in_two(data: bytes, lines: int) -> Parsed:
    """The file in two blocks, the second by a reader that goes on from the first's state."""
    at = len(b"".join(data.splitlines(keepends=True)[:lines]))
    first, second = (READERS["vpc_json"](ReadOptions(Watch(None), LATEST)) for _ in range(2))
    head = first.read(Block(data[:at], 1, lines))
    second.resume(json.loads(json.dumps(first.state())))
    return merge([head, second.read(Block(data[at:], lines + 1, data[at:].count(b"\n")))])


def test_structured_records_count_before_the_line_that_they_carry() -> None:
    record = {"body": line(), "aws": {"vpc": VALUES | {"bytes": 77, "srcport": 995}}}
    parsed = read(json.dumps([record, {"@message": line()}]).encode(), "vpc_json")
    assert parsed.rows.sort("source_line").select("ip_bytes_in", "dest_port").rows() == [(77, 995), (5_900, 993)]


RAW_SUMS = {
    "aws_vpc_text/obsrvbl-v2-noheader.log": (2, 840, 1_680),
    "aws_vpc_text/obsrvbl-v3.log": (2, 6_392, 1_698),
    "aws_vpc_text/obsrvbl-v4.log": (2, 6_392, 1_698),
    "aws_vpc_text/obsrvbl-v5.log": (2, 4_895, 3_015),
    "aws_vpc_text/otel-valid_vpc_flow_log_multi.log": (1, 0, 4_249),
    "aws_vpc_text/otel-valid_vpc_flow_log_nodata.log": (0, 0, 0),
    "aws_vpc_text/otel-too_many_fields.log": (0, 0, 0),
    "aws_vpc_text/opensearch-vpc-sample.json": (11, 0, 484),
    "aws_tgw/obsrvbl-v6-tgw.log": (0, 0, 0),
    "bugs/vpc-both-sides-of-the-same-flow.log": (4, 11_800, 1_200),
}


@needs_samples
@pytest.mark.parametrize("name", RAW_SUMS)
def test_a_real_log_gives_its_known_sums_by_direction(name: str) -> None:
    data = (SAMPLES / name).read_bytes()
    encoding = detect(data, "auto", name)
    assert encoding is not None
    parsed = read(data, encoding)
    sums = parsed.rows["ip_bytes_in"].sum(), parsed.rows["ip_bytes_out"].sum()
    assert (parsed.account.flows, *sums) == RAW_SUMS[name]


@settings(max_examples=examples(15))
@given(
    changes=st.lists(
        st.dictionaries(
            st.sampled_from([*DEFAULT, "tcp-flags"]),
            st.one_of(st.integers(-9, 2**70).map(str), st.text(max_size=5), st.sampled_from(["-", "1e999", "nan"])),
            max_size=3,
        ),
        min_size=1,
        max_size=4,
    ),
    junk=st.lists(st.one_of(st.binary(max_size=9), st.sampled_from([b'"', HEADER.encode()])), max_size=3),
    cut=st.integers(0, 30),
)
def test_no_value_breaks_the_readers_and_every_line_is_accounted_for(
    changes: list[dict[str, str]], junk: list[bytes], cut: int
) -> None:
    records = [VALUES | c for c in changes]
    lines = [" ".join(r.values()).replace("\n", "").encode() for r in records] + [j.replace(b"\n", b"") for j in junk]
    read(b"\n".join(lines)[: -cut or None])
    events = envelope(*(event(1, " ".join(r.values()), extractedFields=r) for r in records))
    lines = [json.dumps(r).encode() for r in records] + [events.encode(), events[: -cut or None].encode(), *lines]
    read(b"\n".join(lines) + b"\n", "vpc_json")


@pytest.mark.parametrize(
    "before", ["2026-11-20T08:00:00.000Z ", "2026-11-20T08:00:00+00:00 eni-0a1b2c-all ", "2026-11-20T08:00:00 "]
)
def test_what_cloudwatch_puts_before_a_line_is_taken_off(before: str) -> None:
    line = f"{before}2 123456789010 eni-0a1b2c 10.9.0.25 10.1.0.11 993 50001 6 12 5900 1795161600 1795161655 ACCEPT OK"
    assert detect(f"{line}\n".encode(), "auto", "x") == "vpc_text"
    assert only(read_lines("vpc_text", [line]))["ip_bytes_in"] == 5_900


def test_a_header_among_messages_tells_their_layout_and_is_no_record() -> None:
    layout = ("version", "interface-id", "srcaddr", "dstaddr", "srcport", "dstport", "bytes", "start", "end")
    records = [" ".join(layout), " ".join(VALUES[c] for c in layout)]
    shipped = [json.dumps({"bucket": "b", "message": text, "object": "x.log.gz"}) for text in records]
    assert detect("\n".join(shipped).encode(), "auto", "x") == "vpc_text@message"
    assert only(read_lines("vpc_text@message", shipped))["ip_bytes_in"] == 5900
    late = [json.dumps({"message": text}) for text in (line(), HEADER)]
    parsed = read_lines("vpc_json", late)
    assert (parsed.account.flows, parsed.account.ignored, parsed.account.quarantined.total()) == (1, 1, 0)


def test_fields_that_logs_insights_discovers_are_read() -> None:
    names = "@timestamp,srcAddr,dstAddr,srcPort,dstPort,protocol,bytes,packets,startTime,endTime,action,logStatus"
    row = f"2026-11-20 00:00:00.000,{SERVER},{CLIENT},993,40001,6,5900,10,1795132800,1795132860,ACCEPT,OK"
    assert detect(f"{names}\n{row}\n".encode(), "auto", "x") == "vpc_csv"
    assert only(read_lines("vpc_csv", [names, row]))["ip_bytes_in"] == 5900


def test_sentinel_panther_and_alibaba_cloud_have_the_same_fields_under_other_names() -> None:
    ends = {"SrcAddr": SERVER, "DstAddr": CLIENT, "SrcPort": 993, "DstPort": 40001, "Protocol": 6, "Packets": 10}
    times = {"Start": "2026-11-20T00:00:00Z", "End": "2026-11-20T00:01:00Z"}
    said = {"Action": "ACCEPT", "LogStatus": "OK", "FlowDirection": "ingress", "InterfaceId": "eni-0a"}
    azure = json.dumps({"TimeGenerated": times["End"], **ends, "Bytes": 5900, **times, **said})
    header = ",".join(f'"{k} [UTC]"' if k in times else k for k in json.loads(azure))
    cells = ",".join(str(v) for v in json.loads(azure).values())
    fields = {k: v for k, v in VALUES.items() if k != "interface-id"} | {"eni-id": "eni-0a", "direction": "in"}
    plain = {k[0].lower() + k[1:]: v for k, v in (said | ends).items() if k != "LogStatus"} | {"status": "OK"}
    panther = plain | {"bytes": 5900, "start": "2026-11-20 00:00:00", "end": "2026-11-20 00:01:00"}
    texts = (json.dumps(panther), "vpc_json"), (json.dumps(fields), "vpc_json")
    for text, encoding in ((azure, "vpc_json"), (f"{header}\n{cells}", "vpc_csv"), *texts):
        assert detect(text.encode(), "auto", "x") == encoding
        row = only(read(f"{text}\n".encode(), encoding))
        told = ("src_ip", "dest_port", "ip_bytes_in", "reporter", "dvc", "duration")
        assert [row[c] for c in told] == [CLIENT, 993, 5900, "src", "eni-0a", 60_000_000]


def gateway(src: str, dest: str, ports: str, size: int, attachment: str, way: str) -> str:
    """A record of a transit gateway in the order of AWS's page."""
    known = "6 TransitGateway 123456789010 tgw-1 {} 1 1 vpc-1 vpc-2 subnet-1 subnet-2 eni-1 eni-2 az1 az1 tgw-attach-9"
    counted = f"{src} {dest} {ports} 6 10 {size} 1795132800 1795132860 OK IPv4 0 0 0 0 0 us-east-1 {way} - -"
    return f"{known.format(attachment)} {counted}"


TURNED = gateway(SERVER, CLIENT, "993 40001", 5900, "tgw-attach-a", "ingress")


@pytest.mark.parametrize(
    ("encoding", "text"),
    [
        ("vpc_gateway", TURNED),
        ("vpc_gateway", f"2026-11-20T08:00:00.000Z {TURNED}"),
        ("vpc_text", f"{' '.join(GATEWAY)}\n{TURNED}"),
        ("vpc_json", json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": TURNED}]})),
        ("vpc_json", json.dumps({"@timestamp": "2026-11-20T08:00:00Z", "message": TURNED})),
    ],
)
def test_a_transit_gateway_s_default_layout_needs_no_header(encoding: str, text: str) -> None:
    assert detect(f"{text}\n".encode(), "auto", "x") == encoding
    row = only(read_lines(encoding, text.split("\n")))
    assert (row["src_ip"], row["src_port"], row["dest_ip"], row["dest_port"]) == (CLIENT, 40001, SERVER, 993)
    assert (row["ip_bytes_in"], row["packets_in"], row["dvc"]) == (5900, 10, "tgw-attach-a")


def test_what_a_transit_gateway_lost_or_did_not_see_is_counted_by_name() -> None:
    cells = [TURNED.split() for _ in range(2)]
    for each, status in zip(cells, ("NODATA", "SKIPDATA"), strict=True):
        each[16:26] = [*["-"] * 7, "1795132800", "1795132860", status]
    parsed = read_lines("vpc_gateway", [" ".join(each) for each in cells])
    assert dict(parsed.account.warnings) == {"no_data": 1, "lost_data": 1}


def test_what_opentelemetry_s_collector_makes_of_a_record_is_read() -> None:
    told = {
        **{"source.address": SERVER, "source.port": 993, "destination.address": CLIENT, "destination.port": 40_001},
        **{"network.protocol.name": "tcp", "network.interface.name": "eni-0a", "network.io.direction": "transmit"},
        **{"aws.vpc.flow.bytes": 5_900, "aws.vpc.flow.packets": 10, "aws.vpc.flow.start": 1_795_132_800},
        **{"aws.vpc.flow.status": "OK", "aws.vpc.flow.action": "ACCEPT"},
    }
    records = [
        {"attributes": [{"key": k, "value": {"stringValue": str(v)}} for k, v in (told | more).items()]}
        for more in ({}, {"aws.vpc.flow.action": "REJECT"})
    ]
    document = json.dumps({"resourceLogs": [{"scopeLogs": [{"logRecords": records}]}]})
    assert detect(document.encode(), "auto", "x") == "vpc_json"
    reader = READERS["vpc_json"](ReadOptions(Watch(None), LATEST))
    assert isinstance(reader, DocumentReader)
    parsed = reader.read_array(document.encode())
    row = only(parsed)
    assert (row["src_ip"], row["dest_port"], row["ip_bytes_in"], row["dvc"]) == (CLIENT, 993, 5900, "eni-0a")
    assert (row["transport"], row["reporter"], dict(parsed.account.warnings)) == ("tcp", "dest", {"blocked": 1})


@pytest.mark.parametrize("index", [False, True])
def test_what_wazuh_s_integration_keeps_of_a_record_is_read(index: bool) -> None:
    fields = {name.replace("-", "_"): value for name, value in VALUES.items()} | {"start": "2026-11-20T00:00:00Z"}
    told = {"rule": {"level": 0}, "data": {"integration": "aws", "aws": {"source": "vpc", **fields}}}
    text = (json.dumps({"_index": "wazuh-archives", "_source": told} if index else told) + "\n").encode()
    encoding = detect(text, "auto", "archives.json")
    assert encoding == ("vpc_json@{_source}" if index else "vpc_json@{data}")
    row = only(read(text, encoding))
    assert (row["src_ip"], row["dest_port"], row["ip_bytes_in"]) == (CLIENT, 993, 5_900)
    assert row["start_time"].isoformat() == "2026-11-20T00:00:00+00:00"


@pytest.mark.parametrize("at", ["attributes", "content", "jsonPayload"])
def test_a_line_in_an_object_of_a_shipper_is_read(at: str) -> None:
    text = (json.dumps({"id": "a", at: {"timestamp": "2026-11-20T00:05:00Z", "message": _RECORD}}) + "\n").encode()
    encoding = detect(text, "auto", "x")
    assert encoding == "vpc_json"
    assert only(read(text, encoding))["ip_bytes_in"] == 5_900
