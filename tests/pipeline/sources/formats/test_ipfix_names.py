"""Records under IPFIX's own names: with a prefix, and stretches that tell the start of their whole session."""

import json

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.forms_read import read, rows


@pytest.mark.parametrize("wrapped", [False, True])
def test_a_stretch_that_tells_its_session_s_start_is_of_its_own_day(wrapped: bool) -> None:
    """Antrea's aggregator tells of each connection every minute: bytes since the last record, the start of them all."""
    ends = {"sourceIPv4Address": "10.1.0.11", "destinationIPv4Address": "198.51.100.25", "protocolIdentifier": 6,
            "sourceTransportPort": 50_001, "destinationTransportPort": 993}  # fmt: skip
    first = {"flowStartSeconds": 1_795_161_660, "flowEndSeconds": 1_795_161_690, "octetDeltaCount": 420,
             "octetTotalCount": 420, "reverseOctetDeltaCount": 5_420, "reverseOctetTotalCount": 5_420}  # fmt: skip
    later = first | {"flowEndSeconds": 1_795_248_120, "octetDeltaCount": 100, "octetTotalCount": 900,
                     "reverseOctetDeltaCount": 9_000, "reverseOctetTotalCount": 22_222}  # fmt: skip
    records = [{"ipfix": ends | r} if wrapped else ends | r for r in (first, later)]
    parsed = read("logstash_netflow" if wrapped else "ipfix_json", *records)
    assert rows(parsed, "ip_bytes_in", "ip_bytes_out", "duration") == [
        (5_420, 420, 30_000_000),
        (9_000, 100, 60_000_000),
    ]
    starts = [t.isoformat() for t in parsed.rows["start_time"]]
    assert starts == ["2026-11-20T08:01:00+00:00", "2026-11-21T08:01:00+00:00"]


def test_ipfix_names_may_have_ipfix_before_them() -> None:
    record = {"ipfix:sourceIPv4Address": "10.1.0.11", "ipfix:destinationIPv4Address": "198.51.100.25",
              "ipfix:octetDeltaCount": 420, "ipfix:reverseOctetDeltaCount": 5_420,
              "ipfix:flowStartMilliseconds": 1_795_161_660_000}  # fmt: skip
    assert detect(json.dumps(record).encode(), "auto", "x") == "ipfix_prefixed"
    assert rows(read("ipfix_prefixed", record), "ip_bytes_in", "ip_bytes_out") == [(5_420, 420)]
