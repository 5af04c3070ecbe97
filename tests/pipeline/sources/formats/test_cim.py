"""CIM records as Splunk hands them out, and Splunk Stream's among them, whose bytes_in are the client's."""

import json
from typing import Any

import polars as pl
import pytest

from pipeline.counting.once import Dropped, count_once
from pipeline.errors import SourceError
from pipeline.sources.registry import detect, format_of
from pipeline.sources.wrappings.documents import is_document
from tests.pipeline.sources.forms_read import read_document
from tests.pipeline.sources.lines import ends, only, read

STREAM: dict[str, Any] = {
    "endtime": "2026-11-20T08:00:05.000000Z",
    "timestamp": "2026-11-20T08:00:00.250000Z",
    "bytes": 5_840,
    "bytes_in": 420,
    "bytes_out": 5_420,
    "packets_in": 6,
    "packets_out": 8,
    "src_ip": "10.1.0.11",
    "src_port": 50_001,
    "dest_ip": "10.9.0.25",
    "dest_port": 993,
    "protocol_stack": "ip:tcp:ssl",
    "time_taken": 4_750_000,
    "transport": "tcp",
}
SEARCHED = {"result": {k: str(v) for k, v in STREAM.items() if k != "protocol_stack"} | {"sourcetype": "stream:tcp"}}
NAMED = {k: v for k, v in STREAM.items() if k != "protocol_stack"} | {
    "source": "stream:Mail",
    "_time": 1_795_161_600.25,
}


@pytest.mark.parametrize("record", [STREAM, SEARCHED, NAMED])
def test_bytes_in_of_splunk_stream_are_what_the_client_sent(record: dict[str, Any]) -> None:
    line = json.dumps(record)
    assert detect(line.encode(), "auto", "x") == "cim_json"
    row = only(read("cim_json", line))
    assert ends(row) == ("10.1.0.11", 50_001, "10.9.0.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"]) == (5_420, 420)
    assert (row["packets_in"], row["packets_out"], row["duration"]) == (8, 6, 4_750_000)
    assert row["start_time"].isoformat() == "2026-11-20T08:00:00.250000+00:00"


NETFLOW = {"timestamp": "2026-11-20T08:00:00Z", "src_ip": "10.9.0.25", "src_port": 993, "dest_ip": "10.1.0.11",
           "dest_port": 50_001, "packets_in": 8}  # fmt: skip


@pytest.mark.parametrize(
    "told",
    [
        {"exporter_ip": "10.0.0.1", "bytes_in": 5_420},
        {"exporter_ip": "10.0.0.1", "bytes_in": 5_420, "bytes": 5_420, "sourcetype": "stream:netflow"},
        {"sourcetype": "stream:netflow", "bytes": "5420"},
        {"sourcetype": "stream:netflow", "bytes": 5_420, "bytes_in": 5_420, "bytes_out": 0},
    ],
)
def test_what_splunk_stream_collects_of_netflow_tells_one_direction_a_record(told: dict[str, Any]) -> None:
    row = only(read("cim_json", json.dumps(NETFLOW | told)))
    assert ends(row) == ("10.1.0.11", 50_001, "10.9.0.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["total_bytes"]) == (5_420, None, None)
    assert (row["accounting"], row["orientation"]) == ("delta", "port_rule")
    broken = read("cim_json", json.dumps(NETFLOW | told | {"bytes_out": "x"}))
    assert dict(broken.account.quarantined) == {"bad_number": 1}


def test_a_table_of_splunk_stream_and_of_others_turns_its_rows_alone() -> None:
    header = "_time,sourcetype,src_ip,src_port,dest_ip,dest_port,bytes_in,bytes_out"
    ends_of = "10.1.0.11,50001,10.9.0.25,993"
    rows = read(
        "cim_csv", header, f"1795161600,stream:tcp,{ends_of},420,5420", f"1795161600,pan:traffic,{ends_of},5420,420"
    )
    assert rows.rows["other_bytes_in"].to_list() == [5_420, 5_420]


def test_records_of_other_add_ons_are_not_turned() -> None:
    record = {k: v for k, v in STREAM.items() if k != "protocol_stack"} | {"sourcetype": "cisco:asa"}
    row = only(read("cim_json", json.dumps(record)))
    assert (row["other_bytes_in"], row["duration"]) == (420, None)


ROW = {"src": "10.1.0.11", "src_port": "50001", "dest": "10.9.0.25", "dest_port": "993", "bytes_in": "5420"}
MODEL = {f"All_Traffic.{name}": value for name, value in ROW.items()}
TIME = "2026-11-20T08:00:00.250+00:00"


@pytest.mark.parametrize(
    "answer",
    [
        {"preview": False, "offset": 0, "result": {"_time": TIME, **MODEL}},  # json over the export endpoint
        {"time": 1_795_161_600.25, "event": ROW},  # as sent to the HTTP Event Collector
        {"preview": False, "init_offset": 0, "results": [{"_time": TIME, **MODEL}]},  # json
        {"preview": False, "fields": ["_time", *MODEL], "rows": [[TIME, *MODEL.values()]]},  # json_rows
        {
            "fields": [{"name": name} for name in ("_time", *ROW)],
            "columns": [[TIME], *([v] for v in ROW.values())],
        },  # json_cols
    ],
)
def test_every_form_of_an_answer_of_splunk_is_the_same_record(answer: dict[str, Any]) -> None:
    data = json.dumps(answer).encode()
    name = detect(data, "auto", "x")
    assert name is not None
    assert format_of(name) == "cim"
    row = only(read_document(name, data) if is_document(data) else read(name, data))
    assert ends(row) == ("10.1.0.11", 50_001, "10.9.0.25", 993)
    assert row["other_bytes_in"] == 5_420
    assert row["start_time"].isoformat() == "2026-11-20T08:00:00.250000+00:00"


def test_results_that_are_no_flows_are_counted_by_name() -> None:
    own = {k: v for k, v in STREAM.items() if k not in ("src_ip", "protocol_stack")}
    pods = {"bytes_in": 5, "bytes_out": 3, "source_ip": None, "dest_ip": "10.9.0.25", "start_time": 1_795_161_600}
    parsed = read("cim_json", *(json.dumps(r) for r in (own, pods, {"preview": True, "result": STREAM})))
    assert dict(parsed.account.warnings) == {"no_ends": 2, "preview": 1}
    assert (parsed.account.flows, parsed.account.ignored) == (0, 3)


@pytest.mark.parametrize("time", ["2026-11-20 00:00:10.000 UTC", "1795132810", "2026-11-20T01:00:10.000+01:00"])
def test_firewalls_that_log_a_session_when_it_ends_have_that_as_their_time(time: str) -> None:
    ends_of = {"src": "10.1.0.11", "dest": "10.9.0.25", "bytes_in": "5", "bytes_out": "3", "duration": "30"}
    kinds = (
        "pan:traffic",
        "cisco:asa",
        "fgt_traffic",
        "juniper:junos:firewall:structured",
        "zscalernss-fw",
        "bro:conn:json",
    )
    parsed = read("cim_json", *(json.dumps({"_time": time, **ends_of, "sourcetype": kind}) for kind in kinds))
    starts = [t.isoformat() for t in parsed.rows["start_time"]]
    assert starts == ["2026-11-19T23:59:40+00:00"] * 5 + ["2026-11-20T00:00:10+00:00"]
    assert set(parsed.rows["duration"]) == {30_000_000}


SO_FAR = ((120.123, 120, "2000"), (240.457, 240, "4000"), (300.9, 300, "5900"))
"""When a FortiGate told of a session that lasts, seconds that it had lasted, and its bytes so far."""


@pytest.mark.parametrize("kind", ["fgt_traffic", "pan:traffic", "cp_log", "cisco:sfw:estreamer", "corelight_conn_long"])
@pytest.mark.parametrize("own", [{"session_id": "77"}, {}])
def test_what_a_firewall_tells_of_a_session_that_lasts_is_in_its_last_record(kind: str, own: dict[str, str]) -> None:
    ends_of = {"src": "10.1.0.11", "src_port": "50001", "dest": "10.9.0.25", "dest_port": "993", "sourcetype": kind}
    begun = 0 if kind.startswith(("pan", "fgt")) else 1
    told = [
        {"_time": 1_795_132_800 + at - begun * lasted, "duration": lasted, "bytes_in": so_far, **ends_of, **own}
        for at, lasted, so_far in SO_FAR
    ]
    rows = read("cim_json", *(json.dumps(t) for t in told)).rows
    found, dropped = count_once(rows.with_columns(source=pl.lit("s"), source_file=pl.lit("f")))
    assert (found["other_bytes_in"].to_list(), dropped) == ([5_900], Dropped(interim=2))


@pytest.mark.parametrize(
    ("where", "client"), [({"sourcetype": "stream:tcp"}, 420), ({"sourcetype": "bro:conn:json"}, 5_420)]
)
def test_what_the_event_collector_says_of_an_event_is_the_event_s(where: dict[str, str], client: int) -> None:
    """Whose it is decides which way its bytes go, and which of two sensors tells of it."""
    event = {k: v for k, v in STREAM.items() if k not in ("protocol_stack", "timestamp", "endtime")}
    event |= {"bytes_in": 420, "bytes_out": 5_420}
    record = {"time": 1_795_161_600.25, "host": "fw1", **where, "event": event}
    name = detect(json.dumps(record).encode(), "auto", "x")
    assert name == "cim_json@{event}"
    row = only(read(name, json.dumps(record)))
    assert (row["other_bytes_in"], row["dvc"]) == (5_840 - client, "fw1")
    own = only(read(name, json.dumps(record | {"event": event | {"sourcetype": "bro:conn:json", "host": "fw2"}})))
    assert (own["other_bytes_in"], own["dvc"]) == (420, "fw2")


def test_bytes_alone_are_of_both_directions() -> None:
    header = "_time,sourcetype,src,src_port,dest,dest_port,bytes,bytes_in,bytes_out,duration"
    ends_of = "1795132810,{},10.1.0.11,50001,10.9.0.25,993"
    lines = [f"{ends_of.format('cisco:asa')},8,,,0:00:30", f"{ends_of.format('pan:traffic')},8,5,3,30"]
    parsed = read("cim_csv", header, *lines)
    found = parsed.rows.select("other_bytes_in", "other_bytes_out", "total_bytes", "duration").rows()
    assert found == [(None, None, 8, 30_000_000), (5, 3, None, 30_000_000)]
    assert {t.isoformat() for t in parsed.rows["start_time"]} == {"2026-11-19T23:59:40+00:00"}


@pytest.mark.parametrize(
    "head",
    [
        '{"reporter":"src","source_ip":"10.1.0.11","dest_ip":"10.9.0.25","start_time":1795161600,"bytes_in":5}\n',
        "_raw,bytes_in,bytes_out\nx,1,2\n",
        '{"src_ip":"10.1.0.11","vip":"10.9.0.25","node":"10.9.0.26","bytes_in":"0","bytes_out":"45"}\n',
        "time,src_ip,vip,bytes_in,bytes_out\n1795161600,10.1.0.11,10.9.0.25,1,2\n",
    ],
)
def test_counters_beside_fewer_than_two_ends_are_another_product_s(head: str) -> None:
    with pytest.raises(SourceError, match="is of no known format"):
        detect(head.encode(), "auto", "x")


@pytest.mark.parametrize("encoding", ["cim_json", "cim_csv"])
def test_bytes_of_vpc_flow_logs_are_the_source_s_and_others_are_warned_of(encoding: str) -> None:
    back = {"_time": "2026-11-20T08:00:00Z", "src": "10.9.0.25", "src_port": "993", "dest": "10.1.0.11"}
    back |= {"dest_port": "50001", "bytes": "5900", "bytes_in": "", "sourcetype": "aws:cloudwatchlogs:vpcflow"}
    for kind, expected, warnings in (
        ("aws:cloudwatchlogs:vpcflow", (5_900, None, "delta"), {}),
        ("acme:fw", (None, 5_900, "final"), {"direction_unknown": 1}),
    ):
        record = back | {"sourcetype": kind}
        lines = [",".join(record), ",".join(record.values())] if encoding == "cim_csv" else [json.dumps(record)]
        parsed = read(encoding, *lines)
        row = only(parsed)
        assert (row["src_ip"], row["dest_ip"]) == ("10.1.0.11", "10.9.0.25")
        assert (row["other_bytes_in"], row["total_bytes"], row["accounting"]) == expected
        assert dict(parsed.account.warnings) == warnings


@pytest.mark.parametrize("encoding", ["cim_json", "cim_csv"])
def test_vpc_flow_logs_under_the_names_of_their_add_on_tell_interface_transport_and_end(encoding: str) -> None:
    record = {"_time": 1_795_161_600, "src_ip": "10.9.0.25", "src_port": 993, "dest_ip": "10.1.0.11"}
    record |= {"dest_port": 50_001, "bytes": 5_900, "sourcetype": "aws:cloudwatchlogs:vpcflow", "protocol_code": 6}
    record |= {"interface_id": "eni-0a", "host": "collector"}
    told = [{k: str(v) for k, v in (record | {"end_time": end}).items()} for end in (1_795_161_660, 1_795_161_000)]
    lines = [",".join(told[0]), *(",".join(r.values()) for r in told)]
    lines = lines if encoding == "cim_csv" else [json.dumps(r) for r in told]
    assert detect("\n".join(lines).encode(), "auto", "x") == encoding
    found = read(encoding, *lines).rows.select("dvc", "transport", "other_bytes_in", "duration").rows()
    assert found == [("eni-0a", "tcp", 5_900, 60_000_000), ("eni-0a", "tcp", 5_900, None)]


SENSOR: dict[str, Any] = {
    "_time": "2026-11-21T00:00:30.000+0000",
    "event_type": "flow",
    "sourcetype": "suricata",
    "src_ip": "10.1.0.11",
    "src_port": 50_001,
    "dest_ip": "10.9.0.25",
    "dest_port": 993,
    "bytes_in": 5_420,
    "bytes_out": 420,
}


def as_csv(*records: dict[str, Any]) -> list[str]:
    return [",".join(records[0]), *(",".join(map(str, r.values())) for r in records)]


@pytest.mark.parametrize("named", [True, False])
def test_an_alert_of_suricata_s_counts_nothing_of_its_own(named: bool) -> None:
    """Its counters are those of the flow so far; the flow's own record has all of them."""
    rows = [SENSOR, SENSOR | {"event_type": "alert", "bytes_in": 3_000}, SENSOR | {"event_type": "netflow"}]
    rows = [{k: v for k, v in r.items() if named or k != "sourcetype"} for r in rows]
    for encoding, lines in (("cim_csv", as_csv(*rows)), ("cim_json", [json.dumps(r) for r in rows])):
        assert detect("\n".join(lines).encode(), "auto", "x") == encoding
        parsed = read(encoding, *lines)
        assert parsed.rows["other_bytes_in"].to_list() == [5_420, 5_420]
        assert parsed.account.ignored == 1


def test_a_flow_of_suricata_s_is_of_the_day_of_its_start_not_of_its_log() -> None:
    begun = SENSOR | {"flow.start": "2026-11-20T23:50:00.000000+0000"}
    lasted = SENSOR | {"duration": 600}
    for record, start in (
        (begun, "2026-11-20T23:50:00"),
        (lasted, "2026-11-20T23:50:30"),
        (SENSOR, "2026-11-21T00:00:30"),
    ):
        assert only(read("cim_csv", *as_csv(record)))["start_time"].isoformat() == f"{start}+00:00"
        assert only(read("cim_json", json.dumps(record)))["start_time"].isoformat() == f"{start}+00:00"
        epoch = record | {"_time": 1_795_219_230}
        assert only(read("cim_json", json.dumps(epoch)))["start_time"].isoformat() == f"{start}+00:00"


@pytest.mark.parametrize(
    ("sourcetype", "flows"),
    [("bro:http:json", 1), ("corelight_ssl", 1), ("zeek:files", 1), ("bro:conn:json", 2), ("corelight_conn_red", 2),
     ("bro:json", 2)],
)  # fmt: skip
def test_a_request_of_zeek_s_counts_nothing_beside_its_connection(sourcetype: str, flows: int) -> None:
    rows = [SENSOR | {"event_type": "", "sourcetype": kind} for kind in ("bro:conn:json", sourcetype)]
    rows[1] |= {"_time": "2026-11-21T00:00:33.000+0000", "bytes_in": 900}
    assert read("cim_csv", *as_csv(*rows)).account.flows == flows


@pytest.mark.parametrize(
    ("traffic", "other"),
    [("fgt_traffic", "fgt_utm"), ("fortigate_traffic", "fortigate_utm"), ("pan:traffic", "pan:threat"),
     ("pan_traffic", "pan_url"), ("juniper:junos:firewall", "juniper:junos:idp"),
     ("sophos:xg:firewall", "sophos:xg:content_filtering")],
)  # fmt: skip
def test_what_a_firewall_inspects_takes_nothing_from_its_session(traffic: str, other: str) -> None:
    """It has the session's id, and the counters so far: it may not stand for the session, nor be added to it."""
    session = SENSOR | {"event_type": "", "sourcetype": traffic, "session_id": "7", "duration": 10}
    inspected = session | {"sourcetype": other, "bytes_in": 3_000, "duration": ""}
    for rows in ([session, inspected], [inspected, session]):
        parsed = read("cim_csv", *as_csv(*rows))
        assert parsed.rows["other_bytes_in"].to_list() == [5_420]
        assert parsed.account.ignored == 1
