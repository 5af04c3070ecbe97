"""pmacct's records of an ASA (NSEL): the octets of both ends as primitives, beside records of one direction."""

from __future__ import annotations

import json
from typing import Any

import polars as pl
import pytest

from pipeline.counting.once import count_once
from pipeline.sources.base import Parsed
from tests.pipeline.sources.lines import ends, only, read

PLAIN = {
    **{"event_type": "purge", "peer_ip_src": "192.0.2.1", "ip_src": "10.1.0.11", "ip_dst": "192.0.2.25"},
    **{"port_src": 40_001, "port_dst": 993, "ip_proto": "tcp", "packets": 0, "bytes": 0},
    **{"timestamp_start": "2026-11-20 08:00:00.250", "timestamp_end": "2026-11-20 08:01:00.250"},
}
"""Its bytes are 0, as the device does not export the element that they are taken from."""


def nsel(event: int | str, sent: int | str, received: int | str, **change: Any) -> dict[str, Any]:
    return PLAIN | {"firewallEvent": event, "initiatorOctets": sent, "responderOctets": received} | change


def counted(parsed: Parsed) -> list[dict[str, Any]]:
    kept, _ = count_once(parsed.rows.with_columns(source=pl.lit("s"), source_file=pl.lit("f")))
    return kept.sort("src_port").to_dicts()


@pytest.mark.parametrize(
    "record", [nsel(2, 600, 5_900), nsel("2", "600", "5900"), {k.lower(): v for k, v in nsel(2, 600, 5_900).items()}]
)
def test_both_ends_octets_count(record: dict[str, Any]) -> None:
    found = only(read("pmacct_json", json.dumps(record)))
    assert ends(found) == ("10.1.0.11", 40_001, "192.0.2.25", 993)
    assert (found["ip_bytes_in"], found["ip_bytes_out"], found["accounting"]) == (5_900, 600, "final")


def test_they_count_in_a_table_too() -> None:
    names = (
        "SRC_IP,DST_IP,SRC_PORT,DST_PORT,PROTOCOL,TIMESTAMP_START,TIMESTAMP_END,INITIATOROCTETS,RESPONDEROCTETS,BYTES"
    )
    row = "10.1.0.11,192.0.2.25,40001,993,tcp,2026-11-20 08:00:00,2026-11-20 08:01:00,600,5900,0"
    found = only(read("pmacct_csv", names, row))
    assert (found["ip_bytes_in"], found["ip_bytes_out"]) == (5_900, 600)


def test_updates_give_way_and_denied_events_are_no_flows() -> None:
    other = {"port_src": 40_002}
    told = [nsel(5, 300, 3_000), nsel(2, 600, 5_900), nsel(3, 0, 0, **other)]
    parsed = read("pmacct_json", *map(json.dumps, told))
    assert [(f["ip_bytes_in"], f["ip_bytes_out"]) for f in counted(parsed)] == [(5_900, 600)]
    assert parsed.account.warnings["blocked"] == 1


def test_records_of_one_direction_beside_them_stay_so() -> None:
    answer = {"ip_src": "192.0.2.25", "ip_dst": "10.1.0.11", "port_src": 993, "port_dst": 40_002, "bytes": 700}
    parsed = read("pmacct_json", json.dumps(nsel(2, 600, 5_900)), json.dumps(PLAIN | answer))
    flows = [(f["src_port"], f["ip_bytes_in"], f["ip_bytes_out"], f["accounting"]) for f in counted(parsed)]
    assert flows == [(40_001, 5_900, 600, "final"), (40_002, 700, None, "delta")]
