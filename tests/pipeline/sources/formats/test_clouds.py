"""Flow logs of Oracle's and IBM's clouds: which way their bytes go, whose interface saw them, and what is no flow."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.forms_read import read, read_document, rows

CLIENT, SERVER = "10.1.0.11", "10.9.0.25"


def oracle(**changes: Any) -> dict[str, Any]:
    data = {"action": "ACCEPT", "bytesOut": 5_420, "destinationAddress": CLIENT, "destinationPort": 50_001,
            "endTime": 1_795_161_660, "flowid": "f", "packets": 8, "protocol": 6, "sourceAddress": SERVER,
            "sourcePort": 993, "startTime": 1_795_161_600, "status": "OK", "version": "2"}  # fmt: skip
    content = {"data": data | changes, "id": "r1", "oracle": {"vnicocid": "vnic1"}, "time": "2026-11-20T08:01:05Z"}
    return {"datetime": 1_795_161_600_000, "logContent": content}


def ibm(*records: dict[str, Any], interface: str = "nic1") -> bytes:
    record = {"start_time": "2026-11-20T08:00:00Z", "end_time": "2026-11-20T08:05:00Z", "direction": "O",
              "action": "accepted", "initiator_ip": CLIENT, "target_ip": SERVER, "initiator_port": 50_001,
              "target_port": 993, "transport_protocol": 6, "bytes_from_initiator": 420, "packets_from_initiator": 6,
              "bytes_from_target": 5_420, "packets_from_target": 8, "cumulative_bytes_from_target": 99_999}  # fmt: skip
    told = [record | changes for changes in records]
    return json.dumps({"version": "0.0.1", "network_interface_id": interface, "flow_logs": told}).encode()


@pytest.mark.parametrize("outer", [None, "data"])
def test_oracles_records_tell_one_direction(outer: str | None) -> None:
    record = oracle() if outer is None else {outer: oracle()}
    assert detect(json.dumps(record).encode() + b"\n", "auto", "x") == "oci"
    (row,) = read("oci", record).rows.to_dicts()
    assert (row["src_ip"], row["src_port"], row["dest_ip"], row["dest_port"]) == (CLIENT, 50_001, SERVER, 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["accounting"]) == (5_420, None, "delta")
    assert (row["start_time"].isoformat(), row["dvc"]) == ("2026-11-20T08:00:00+00:00", "vnic1")


def test_what_oracle_refused_did_not_see_or_lost_is_counted_by_its_name() -> None:
    gone = {"bytesOut": None, "sourceAddress": None, "destinationAddress": None, "action": None}
    parsed = read("oci", oracle(action="REJECT"), oracle(status="NODATA", **gone), oracle(status="SKIPDATA", **gone),
                  oracle(bytesOut=None))  # fmt: skip
    assert parsed.rows.is_empty()
    assert dict(parsed.account.warnings) == {"blocked": 1, "no_data": 1, "lost_data": 1, "no_counters": 1}


def test_ibms_objects_hold_the_windows_of_an_interface() -> None:
    data = ibm({}, {"direction": "I", "bytes_from_target": 7}, {"action": "rejected"})
    assert detect(data, "auto", "x") == "ibm"
    parsed = read_document("ibm", data)
    told = rows(parsed, "src_ip", "dest_port", "other_bytes_in", "other_bytes_out", "reporter", "dvc", "accounting")
    assert told == [
        (CLIENT, 993, 5_420, 420, "src", "nic1", "delta"),
        (CLIENT, 993, 7, 420, "dest", "nic1", "delta"),
    ]
    assert dict(parsed.account.warnings) == {"blocked": 1}
