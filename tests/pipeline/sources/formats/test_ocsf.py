"""OCSF Network Activity: one direction or two, who begins, what was refused, and how records add up."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.forms_read import read, read_bytes, read_file, rows
from tests.real_files import GOLDEN, SAMPLES, needs_samples

CLIENT, SERVER = "10.1.0.11", "10.9.0.25"


def activity(traffic: dict[str, int] | None, **more: Any) -> dict[str, Any]:
    record: dict[str, Any] = {
        "class_uid": 4001,
        "activity_id": 6,
        "time": 1_795_132_860_000,
        "start_time": 1_795_132_800_000,
        "end_time": 1_795_132_860_000,
        "metadata": {"product": {"name": "Sensor"}, "uid": "e1"},
        "src_endpoint": {"ip": CLIENT, "port": 40_001},
        "dst_endpoint": {"ip": SERVER, "port": 40_993},
        "connection_info": {"protocol_num": 6, "uid": "C1"},
    }
    return record | ({"traffic": traffic} if traffic else {}) | more


def vpc(flags: int | None = None, **more: Any) -> dict[str, Any]:
    info = {"protocol_num": 6, "direction_id": 2} | ({} if flags is None else {"tcp_flags": flags})
    return activity(
        {"bytes": 500, "packets": 5},
        metadata={"product": {"name": "Amazon VPC"}},
        connection_info=info,
        **more,
    )


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (2, (CLIENT, None, 500, "syn")),
        (3, (CLIENT, None, 500, "syn")),
        (18, (SERVER, 500, None, "syn")),
        (1, (CLIENT, None, 500, "unknown")),
        (None, (CLIENT, None, 500, "unknown")),
    ],
)
def test_a_record_of_one_direction_is_turned_by_who_sent_the_first_packet(
    flags: int | None, expected: tuple[Any, ...]
) -> None:
    parsed = read("ocsf", vpc(flags))
    assert rows(parsed, "src_ip", "other_bytes_in", "other_bytes_out", "orientation") == [expected]
    assert parsed.rows["accounting"].to_list() == ["delta"]


@pytest.mark.parametrize("product", ["Cisco ASA", "FortiGate", "PAN-OS", "Suricata", "Check Point Firewall"])
def test_a_count_alone_of_what_logs_sessions_is_of_both_directions_whatever_the_activity(product: str) -> None:
    parsed = read("ocsf", activity({"bytes": 5_840}, activity_id=6, metadata={"product": {"name": product}}))
    assert rows(parsed, "other_bytes_in", "other_bytes_out", "total_bytes") == [(None, None, 5_840)]
    assert dict(parsed.account.warnings) == {"direction_unknown": 1}


def test_bytes_out_alone_of_a_vpc_flow_log_are_those_of_its_one_direction() -> None:
    answer = vpc(18) | {"traffic": {"bytes_out": 500}, "activity_id": 0}
    parsed = read("ocsf", answer, activity({"bytes_out": 500}))
    columns = ("src_ip", "other_bytes_in", "other_bytes_out", "accounting")
    assert rows(parsed, *columns) == [(SERVER, 500, None, "delta"), (CLIENT, None, 500, "delta")]


def test_another_exporters_ack_beside_a_syn_tells_nothing() -> None:
    record = vpc(18) | {"metadata": {"product": {"name": "NetFlow"}}}
    assert rows(read("ocsf", record), "src_ip", "orientation", "reporter") == [(CLIENT, "unknown", None)]


def test_the_interface_says_which_end_reports() -> None:
    out = vpc(2, src_endpoint={"ip": CLIENT, "interface_uid": "eni-1"})
    inward = vpc(2, dst_endpoint={"ip": SERVER, "interface_uid": "eni-2"})
    turned = vpc(18, src_endpoint={"ip": SERVER, "interface_uid": "eni-2"})
    parsed = read("ocsf", out, inward, turned)
    assert rows(parsed, "reporter", "dvc") == [("src", "eni-1"), ("dest", "eni-2"), ("dest", "eni-2")]


@pytest.mark.parametrize("name", ["interface_id", "interface-id"])
def test_an_interface_that_a_mapping_left_out_tells_two_reports_apart(name: str) -> None:
    parsed = read("ocsf", *(vpc(2, unmapped={name: eni}) for eni in ("eni-1", "eni-2")))
    assert rows(parsed, "dvc") == [("eni-1",), ("eni-2",)]
    assert read("ocsf", activity({"bytes_in": 5}, unmapped={name: "port1"})).rows["dvc"].to_list() == [None]


def test_two_way_records_keep_the_initiator_that_they_name() -> None:
    parsed = read("ocsf", activity({"bytes_in": 1_500, "bytes_out": 400, "bytes": 1_900}))
    assert rows(parsed, "src_ip", "other_bytes_in", "other_bytes_out", "orientation", "uid", "record_id") == [
        (CLIENT, 1_500, 400, "native", "C1", "e1")
    ]


@pytest.mark.parametrize(("activity_id", "accounting"), [(6, "delta"), (1, "cumulative"), (2, "final"), (3, "final")])
def test_reports_on_traffic_are_deltas_and_openings_give_way(activity_id: int, accounting: str) -> None:
    parsed = read("ocsf", activity({"bytes_in": 5, "bytes_out": 4}, activity_id=activity_id))
    assert parsed.rows["accounting"].to_list() == [accounting]


@pytest.mark.parametrize(
    "change",
    [
        {"action_id": 2},
        {"action": "Denied"},
        {"disposition": "Blocked"},
        {"disposition_id": 6},
        {"disposition_id": 25},
        {"activity_id": 5},
    ],
)
def test_what_was_refused_is_blocked(change: dict[str, Any]) -> None:
    parsed = read("ocsf", activity({"bytes": 60}, **change), activity({"bytes": 60}, action_id=1, disposition_id=1))
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (1, {"blocked": 1})


def test_codes_that_are_the_text_of_reals_mean_the_same() -> None:
    record = activity({"bytes_in": 5, "bytes_out": 7}, activity_id="6.0", class_uid="4001.0", action_id="1.0")
    (row,) = read("ocsf", record).rows.to_dicts()
    assert (row["accounting"], row["other_bytes_in"]) == ("delta", 5)
    assert read("ocsf", record | {"action_id": "2.0"}).account.warnings == {"blocked": 1}


def test_lost_data_is_shown() -> None:
    gone = activity(None, status_code="SKIPDATA")
    parsed = read("ocsf", gone, activity(None, status_code="NODATA"), activity(None), activity({"bytes": 1}))
    assert dict(parsed.account.warnings) == {"lost_data": 1, "no_data": 1, "no_counters": 1}


def test_a_duration_in_milliseconds_serves_where_there_is_no_end() -> None:
    parsed = read("ocsf", activity({"bytes": 1}, end_time=None, duration=1_500))
    assert parsed.rows["duration"].to_list() == [1_500_000]


def test_three_shapes_of_one_class() -> None:
    parsed = read_bytes("ocsf", (GOLDEN / "ocsf-4001-three-shapes.json").read_bytes())
    assert rows(parsed, "src_ip", "other_bytes_in", "other_bytes_out", "orientation") == [
        ("10.1.0.11", 5_900, None, "port_rule"),
        ("10.1.0.12", 1_500, 400, "native"),
    ]
    assert dict(parsed.account.warnings) == {"no_counters": 1}


@needs_samples
def test_a_security_lakes_record_is_its_sources_delta() -> None:
    parsed = read_file(SAMPLES / "ocsf" / "opensearch-sa-4001.json")
    found = rows(parsed, "other_bytes_in", "other_bytes_out", "orientation", "reporter", "accounting", "dvc")
    assert found == [(None, 50, "syn", "src", "delta", "eni-000000000000000000")]


def test_bytes_of_a_connection_that_ended_are_of_both_directions_and_it_began_its_duration_before() -> None:
    """As the mapping of Cisco's message 302014 has them: a total, the log's time, and milliseconds."""
    times = {"start_time": None, "end_time": None, "time": 1_795_132_867_000, "duration": 67_000}
    asa = activity({"bytes": 38_110}, activity_id=3, **times)
    ended = activity({"bytes_in": 5, "bytes_out": 4}, activity_id=6, **times | {"end_time": 1_795_132_867_000})
    known = activity({"bytes": 9}, activity_id=2, duration=60_000)
    parsed = read("ocsf", asa, ended, known)
    columns = ("other_bytes_in", "other_bytes_out", "total_bytes", "accounting", "duration")
    assert rows(parsed, *columns) == [
        (None, None, 38_110, "final", 67_000_000),
        (5, 4, None, "delta", 67_000_000),
        (None, None, 9, "final", 60_000_000),
    ]
    assert {t.isoformat() for t in parsed.rows["start_time"]} == {"2026-11-20T00:00:00+00:00"}


def test_totals_since_the_beginning_count_instead_of_what_came_since_the_last_record() -> None:
    so_far = [{"bytes_in": 4_900, "bytes_out": 100}, {"bytes_in": 5_900, "bytes_out": 420}]
    report = activity({"bytes_in": 60, "bytes_out": 40}, cumulative_traffic=so_far[0])
    end = activity(None, activity_id=2, cumulative_traffic=so_far[1])
    found = rows(read("ocsf", report, end), "other_bytes_in", "other_bytes_out", "accounting")
    assert found == [(4_900, 100, "cumulative"), (5_900, 420, "cumulative")]


@pytest.mark.parametrize(
    ("said", "client"),
    [
        ({"initiator_id": 2}, CLIENT),
        ({"initiator_id": 2, "is_src_dst_assignment_known": True}, CLIENT),
        ({"initiator_id": 1}, SERVER),
        ({"is_src_dst_assignment_known": True}, SERVER),
        ({"initiator_id": 0}, CLIENT),  # By the ports.
        ({"is_src_dst_assignment_known": False}, CLIENT),
        ({"initiator_id": 99}, SERVER),
    ],
)
@pytest.mark.parametrize("one_way", [False, True])
def test_the_record_says_whether_its_source_began(said: dict[str, Any], client: str, one_way: bool) -> None:
    ends = {"src_endpoint": {"ip": SERVER, "port": 993}, "dst_endpoint": {"ip": CLIENT, "port": 40_001}}
    traffic = {"bytes": 5_900} if one_way else {"bytes_in": 600, "bytes_out": 5_900}
    parsed = read("ocsf", activity(traffic, **ends, **said))
    back = None if one_way else 600
    at_client = (client, 5_900, back) if client == CLIENT else (client, back, 5_900)
    if one_way and said == {"initiator_id": 99}:
        at_client = (CLIENT, 5_900, None)  # Of one direction the ports tell where nothing else does.
    assert rows(parsed, "src_ip", "other_bytes_in", "other_bytes_out") == [at_client]


def test_counters_are_of_the_time_that_their_own_object_tells() -> None:
    """Since OCSF 1.7; a record's own `time` may be that of its log."""
    day = 1_795_132_800_000
    window = {"start_time": day - 600_000, "end_time": day - 540_000}
    untimed = {"start_time": None, "end_time": None, "time": day}
    told = activity({"bytes_in": 5, "bytes_out": 4, **window}, **untimed)
    both = activity({"bytes_in": 5, "bytes_out": 4, **window})
    whole = activity(None, cumulative_traffic={"bytes_in": 9, "bytes_out": 8, **window}, activity_id=2, **untimed)
    lasted = activity({"bytes_in": 5, "bytes_out": 4, "timespan": {"duration": 60_000}}, **untimed, activity_id=2)
    texts = {f"{k}_dt": "2026-11-20T00:00:00Z" for k in ("start_time", "end_time")}
    written = activity({"bytes_in": 5, "bytes_out": 4, **texts}, **untimed)
    found = rows(read("ocsf", told, both, whole, lasted, written), "start_time", "duration")
    seconds = [(t.timestamp() - day / 1_000, d / 1e6) for t, d in found]
    assert seconds == [(-600, 60), (-600, 60), (-600, 60), (-60, 60), (0, 0)]


@pytest.mark.parametrize(
    ("vendor", "accounting"),
    [
        ("Fortinet", ["cumulative"] * 2),
        ("Check Point", ["cumulative"] * 2),
        ("checkpoint", ["cumulative"] * 2),
        ("Suricata", ["delta", "final"]),
    ],
)
def test_firewalls_that_count_since_the_beginning_do_so_in_every_record(vendor: str, accounting: list[str]) -> None:
    """Some mappings call every record of Check Point's a Close, others call each a Traffic."""
    of = {"metadata": {"product": {"name": "NGFW", "vendor_name": vendor}}, "start_time": None, "end_time": None}
    told = [(6, 60_000), (2, 90_000)]
    records = [{"activity_id": n, "time": 1_795_132_800_000 + t, "duration": t} for n, t in told]
    parsed = read("ocsf", *(activity({"bytes_in": 5, "bytes_out": 4}, **r, **of) for r in records))
    assert parsed.rows["accounting"].to_list() == accounting
    assert (parsed.rows["start_time"].n_unique() == 1) == (accounting[0] == "cumulative")


def test_tuples_of_azures_flow_logs_are_stretches_told_at_both_ends() -> None:
    of: dict[str, Any] = {"metadata": {"product": {"name": "Microsoft Azure Network Watcher"}}, "start_time": None}
    told = [activity({"bytes_in": 5, "bytes_out": 4}, activity_id=n, **of) for n in (6, 3)]
    ends = [t | {"connection_info": {"uid": f"C{n}", "direction_id": n}} for t in told for n in (1, 2)]
    found = rows(read("ocsf", *ends), "accounting", "reporter", "duration")
    assert found == [("delta", "dest", None), ("delta", "src", None)] * 2


def zeek(traffic: dict[str, int], **more: Any) -> dict[str, Any]:
    """What the mappings of Zeek's conn.log that the schema's authors and others show make of a connection."""
    product = {"product": {"name": "Zeek", "vendor_name": "Zeek"}, "log_name": "conn", "uid": "C1"}
    return activity(traffic, metadata=product, connection_info={"protocol_name": "tcp"}, **more)


PAYLOAD = {"bytes_in": 1_607_364_734, "bytes_out": 1_782, "bytes": 1_607_366_516}
"""Of TCP's sequence numbers, where the server answered a SYN twice."""


@pytest.mark.parametrize("activity_id", [1, 2, 6])
def test_the_ip_bytes_that_a_mapping_of_zeek_left_out_count_before_its_payload(activity_id: int) -> None:
    left = {"orig_ip_bytes": 3_666, "resp_ip_bytes": 56_983}
    others = [zeek(PAYLOAD, unmapped={"resp_ip_bytes": 56_983}), activity(PAYLOAD, unmapped=left)]
    parsed = read("ocsf", zeek(PAYLOAD, unmapped=left, activity_id=activity_id), *others)
    counted = rows(parsed, "other_bytes_in", "other_bytes_out")
    assert counted == [(56_983, 3_666), (1_607_364_734, 1_782), (1_607_364_734, 1_782)]


@pytest.mark.parametrize("activity_id", [0, 2, 6])
def test_zeeks_bytes_alone_are_those_of_both_directions(activity_id: int) -> None:
    parsed = read("ocsf", zeek({"bytes": 21_000}, activity_id=activity_id, dst_endpoint={"ip": SERVER, "port": 993}))
    assert rows(parsed, "src_ip", "other_bytes_in", "other_bytes_out", "total_bytes") == [(CLIENT, None, None, 21_000)]
    assert parsed.account.warnings == {"direction_unknown": 1}


def test_zeeks_time_is_a_connections_beginning() -> None:
    times = {"start_time": None, "end_time": None, "duration": 60_000, "activity_id": 2}
    parsed = read("ocsf", zeek({"bytes_in": 5}, **times), activity({"bytes_in": 5}, **times))
    starts = [t.timestamp() for (t,) in rows(parsed, "start_time")]
    assert starts == [1_795_132_860, 1_795_132_800]


@pytest.mark.parametrize("number", [0, 6, 99])
def test_bytes_out_alone_are_those_of_one_direction_but_where_a_connection_opened_or_ended(number: int) -> None:
    """Oracle's flow logs are mapped so, one record a direction: what the server sent is what the client received."""
    ends = {"src_endpoint": {"ip": SERVER, "port": 993}, "dst_endpoint": {"ip": CLIENT, "port": 40_001}}
    product = {"metadata": {"product": {"name": "oracle-service-logs"}}}
    answer = activity({"bytes_out": 5_900}, activity_id=number, **ends, **product)
    closed = activity({"bytes_out": 5_900}, activity_id=2, **ends, **product)
    parsed = read("ocsf", answer, closed)
    columns = ("src_ip", "other_bytes_in", "other_bytes_out", "accounting")
    assert rows(parsed, *columns) == [(CLIENT, 5_900, None, "delta"), (SERVER, None, 5_900, "final")]


def test_an_activity_that_calls_itself_traffic_was_not_refused() -> None:
    """5 was Traffic before the schema's first release; its authors' example of a flow log still has it so."""
    named = [activity({"bytes_in": 5}, activity_id=5, activity_name=name) for name in ("Traffic", "Refuse")]
    parsed = read("ocsf", *named)
    assert rows(parsed, "other_bytes_in", "accounting") == [(5, "delta")]
    assert parsed.account.warnings == {"blocked": 1}


def test_documents_of_elastic_s_security_lake_are_read_where_it_moves_the_fields_to() -> None:
    """Its integration moves what has a place in ECS there, and keeps the rest under `ocsf`, numbers as text."""
    began = {"start": "2026-11-20T00:00:00.000Z", "end": "2026-11-20T00:00:58.000Z", "kind": "event"}
    kept = {"class_uid": "4001", "activity_id": "6", "metadata": {"product": {"name": "Amazon VPC"}}}
    document = {
        "@timestamp": "2026-11-20T00:00:00.000Z",
        "event": began,
        "data_stream": {"dataset": "amazon_security_lake.network_activity"},
        "source": {"ip": SERVER, "port": 993},
        "destination": {"ip": CLIENT, "port": 40_001},
        "network": {"bytes": 5_900, "packets": 9, "iana_number": "6"},
        "ocsf": kept | {"connection_info": {"direction_id": "1", "tcp_flags": 18}},
    }
    ended = document | {
        "source": {"ip": CLIENT, "port": 40_002, "bytes": 77},
        "destination": {"ip": SERVER, "port": 993, "bytes": 5_000},
        "ocsf": {"class_uid": "4001", "activity_id": "2", "metadata": {"product": {"name": "Zeek"}}},
    }
    refused = document | {"ocsf": kept | {"activity_id": "5", "activity_name": "Refuse"}}
    lines = [json.dumps(d) for d in (document, ended, refused)]
    assert detect("\n".join(lines).encode(), "auto", "x") == "ocsf"
    parsed = read("ocsf", document, ended, refused)
    told = rows(parsed, "src_ip", "src_port", "dest_ip", "other_bytes_in", "other_bytes_out", "duration")
    assert told == [(CLIENT, 40_001, SERVER, 5_900, None, 58_000_000), (CLIENT, 40_002, SERVER, 5_000, 77, 58_000_000)]
    assert parsed.account.warnings == {"blocked": 1}
