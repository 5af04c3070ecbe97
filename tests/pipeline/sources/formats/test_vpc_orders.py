"""Custom layouts of VPC flow logs whose order is known without a header, as CloudWatch delivers them."""

from __future__ import annotations

import json

import pytest

from pipeline.errors import SourceError
from pipeline.sources.formats.vpc import EVERY, SHOWN
from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import only, read_lines

CLIENT, SERVER, BALANCER = "10.0.0.5", "192.0.2.10", "10.0.9.9"
VALUES = {
    **{"version": "5", "account-id": "123456789010", "interface-id": "eni-0a", "srcaddr": BALANCER, "dstaddr": CLIENT},
    **{"srcport": "993", "dstport": "40001", "protocol": "6", "packets": "10", "bytes": "5900"},
    **{"start": "1795132800", "end": "1795132860", "action": "ACCEPT", "log-status": "OK", "vpc-id": "vpc-1"},
    **{"subnet-id": "subnet-1", "instance-id": "i-1", "tcp-flags": "18", "type": "IPv4", "pkt-srcaddr": SERVER},
    **{"pkt-dstaddr": CLIENT, "region": "eu-west-1", "az-id": "euw1-az1", "sublocation-type": "-"},
    **{"sublocation-id": "-", "pkt-src-aws-service": "AMAZON", "pkt-dst-aws-service": "-"},
    **{"flow-direction": "egress", "traffic-path": "8"},
}
ORDERS = {"vpc_version_3": EVERY[:21], "vpc_version_4": EVERY[:25], "vpc_version_5": EVERY, "vpc_shown": SHOWN}


def line(encoding: str, **more: str) -> str:
    values = VALUES | {name.replace("_", "-"): value for name, value in more.items()}
    return " ".join(values[name] for name in ORDERS[encoding])


@pytest.mark.parametrize("encoding", ORDERS)
@pytest.mark.parametrize("exported", ["", "2026-11-20T08:00:00.000Z "])
def test_a_known_order_needs_no_header(encoding: str, exported: str) -> None:
    text = exported + line(encoding)
    assert detect(f"{text}\n".encode(), "auto", "x") == encoding
    assert detect(f"{text}\n".encode(), "vpc", "x") == encoding
    row = only(read_lines(encoding, [text]))
    assert (row["src_ip"], row["src_port"], row["dest_ip"], row["dest_port"]) == (CLIENT, 40001, SERVER, 993)
    assert (row["ip_bytes_in"], row["packets_in"], row["dvc"]) == (5900, 10, "eni-0a")


@pytest.mark.parametrize("encoding", ORDERS)
def test_the_same_fields_with_their_header_say_the_same(encoding: str) -> None:
    headed = read_lines("vpc_text", [" ".join(ORDERS[encoding]), line(encoding)])
    there = only(read_lines(encoding, [line(encoding)]))
    assert {k: v for k, v in only(headed).items() if k != "source_line"} == {
        k: v for k, v in there.items() if k != "source_line"
    }


@pytest.mark.parametrize("encoding", ORDERS)
def test_messages_in_json_are_read_by_their_order(encoding: str) -> None:
    text = json.dumps({"messageType": "DATA_MESSAGE", "logEvents": [{"id": "1", "message": line(encoding)}]})
    assert detect(f"{text}\n".encode(), "auto", "x") == "vpc_json"
    row = only(read_lines("vpc_json", [text]))
    assert (row["src_ip"], row["dest_ip"], row["ip_bytes_in"], row["packets_in"]) == (CLIENT, SERVER, 5900, 10)


@pytest.mark.parametrize("encoding", ORDERS)
def test_records_without_data_are_counted_by_name(encoding: str) -> None:
    ends = ("srcaddr", "dstaddr", "srcport", "dstport", "protocol", "packets", "bytes", "action")
    unset = dict.fromkeys((*ends, "tcp-flags", "type", "pkt-srcaddr", "pkt-dstaddr", "flow-direction"), "-")
    unset = {name.replace("-", "_"): value for name, value in unset.items()}
    lines = [line(encoding, **unset, log_status=status) for status in ("NODATA", "SKIPDATA")]
    assert all(detect(f"{text}\n".encode(), "auto", "x") == encoding for text in lines)
    parsed = read_lines(encoding, lines)
    assert dict(parsed.account.warnings) == {"no_data": 1, "lost_data": 1}


def test_fields_in_an_order_that_nobody_published_stay_refused() -> None:
    cells = line("vpc_version_5").split()
    cells[8], cells[9], cells[14] = cells[14], cells[8], cells[9]
    with pytest.raises(SourceError, match="custom format without its header"):
        detect(f"{' '.join(cells)}\n".encode(), "auto", "x")
