"""Suricata's events as Parquet: nested, flat or typed, of which only flows count, and what a table must have."""

import datetime as dt
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.sources.tables import table_encoding
from tests.pipeline.sources.test_tables import CLIENT, SERVER, read, write

AT, UTC = "2026-11-20T08:00:00.000000+0000", dt.UTC
FLOW = {"bytes_toserver": 420, "bytes_toclient": 5_420, "pkts_toserver": 6, "pkts_toclient": 8, "start": AT,
        "end": "2026-11-20T08:00:30.000000+0000"}  # fmt: skip
ENDS = {"src_ip": CLIENT, "src_port": 50_001, "dest_ip": SERVER, "dest_port": 993, "proto": "TCP"}
EVENT: dict[str, Any] = {"timestamp": AT, "flow_id": 1, "event_type": "flow", **ENDS, "flow": FLOW}
TYPED = {"start": dt.datetime(2026, 11, 20, 8, tzinfo=UTC), "end": dt.datetime(2026, 11, 20, 8, 0, 30, tzinfo=UTC)}
FLAT = {**{k: v for k, v in EVENT.items() if k != "flow"}, **{f"flow_{k}": v for k, v in FLOW.items()}}


@pytest.mark.parametrize("event", [EVENT, EVENT | {"flow": FLOW | TYPED}, FLAT])
def test_a_flow_is_read_as_from_its_line(event: dict[str, Any], tmp_path: Path) -> None:
    path = write(tmp_path / "eve.parquet", [event])
    assert table_encoding(path, "auto", "x") == "suricata_parquet"
    parsed = read(path)
    columns = ("src_ip", "dest_ip", "dest_port", "other_bytes_in", "other_bytes_out", "uid")
    assert parsed.rows.select(columns).rows() == [(CLIENT, SERVER, 993, 5_420, 420, "1")]
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T08:00:00+00:00"


def test_an_alert_s_counters_are_never_counted(tmp_path: Path) -> None:
    parsed = read(write(tmp_path / "eve.parquet", [EVENT, EVENT | {"event_type": "alert"}]))
    assert (parsed.account.flows, parsed.account.ignored) == (1, 1)


def test_events_without_their_type_are_refused_with_what_lacks(tmp_path: Path) -> None:
    path = write(tmp_path / "eve.parquet", [{k: v for k, v in EVENT.items() if k != "event_type"}])
    with pytest.raises(SourceError, match=r"it lacks event_type\)"):
        table_encoding(path, "suricata", "x")
    path = write(tmp_path / "alerts.parquet", [{k: v for k, v in EVENT.items() if k != "flow"}])
    with pytest.raises(SourceError, match=r"it lacks flow\.start, flow\.bytes_toclient\)"):
        table_encoding(path, "suricata", "x")
