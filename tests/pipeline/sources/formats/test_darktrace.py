"""Darktrace's connections: IP bytes and payload side by side, and the start that an entry tells."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.forms_read import read, read_document, rows

CLIENT, SERVER = "10.1.0.11", "198.51.100.25"


def entry(kind: str = "conn", **changes: Any) -> dict[str, Any]:
    fields = {"epochdate": 1_795_161_695.25, "start_ts": 1_795_161_660.5, "source_ip": CLIENT, "source_port": 50_001,
              "dest_ip": SERVER, "dest_port": 993, "uid": "C1", "proto": "tcp", "service": "ssl", "duration": 30.0,
              "orig_bytes": 300, "resp_bytes": 5_000, "orig_ip_bytes": 420, "resp_ip_bytes": 5_420, "orig_pkts": 6,
              "resp_pkts": 8, "conn_state": "SF", "missed_bytes_resp": 0, "history": "ShADadFf"}  # fmt: skip
    return {"@fields": fields | changes, "@type": kind, "@timestamp": "2026-11-20T08:01:35", "@message": "1\tC1\t"}


@pytest.mark.parametrize("record", [entry(), {"_index": "logstash-darktrace-2026.11.20", "_source": entry()}])
def test_what_the_responder_sent_are_bytes_in(record: dict[str, Any]) -> None:
    assert detect(json.dumps(record).encode(), "auto", "x") == "darktrace"
    parsed = read("darktrace", record)
    assert rows(parsed, "src_ip", "src_port", "dest_ip", "dest_port", "uid") == [(CLIENT, 50_001, SERVER, 993, "C1")]
    assert rows(parsed, "ip_bytes_in", "ip_bytes_out", "payload_bytes_in", "payload_bytes_out") == [
        (5_420, 420, 5_000, 300)
    ]
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:01:00.500000+00:00"
    assert parsed.rows["log_time"][0].isoformat() == "2026-11-20T08:01:35.250000+00:00"


def test_an_answer_of_the_search_is_opened_and_other_entries_are_no_flows() -> None:
    hits = [{"_id": str(n), "_source": e} for n, e in enumerate((entry("http"), entry(), entry("ssl")))]
    data = json.dumps({"took": 3, "hits": {"total": 3, "hits": hits}}, indent=1).encode()
    encoding = detect(data, "auto", "x")
    assert encoding == "darktrace"
    parsed = read_document(encoding, data)
    assert (parsed.account.flows, parsed.account.ignored) == (1, 2)
