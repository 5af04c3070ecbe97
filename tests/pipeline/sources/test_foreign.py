"""Lines of other formats among those that a reader ignores."""

import datetime as dt
import json
from pathlib import Path

import pytest
import yaml

from pipeline.insight.identify import identify
from pipeline.sources.base import Block, ReadOptions
from pipeline.sources.forms import FORMS
from pipeline.sources.registry import READERS
from pipeline.sources.watch import Watch

GOLDEN = Path(__file__).parents[2] / "golden"
LOGS = {
    "asa": GOLDEN / "asa-302014-inbound-outbound.log",
    "fortinet": GOLDEN / "fortigate-interim-and-close.log",
    "paloalto": GOLDEN / "panw-bytes-order.log",
}
OTHER = b"<13>Nov 20 00:00:01 mx1.example.com postfix/smtpd[77]: connect from a.example.com[192.0.2.9]\n"


def read(encoding: str, data: bytes) -> dict[str, int]:
    reader = READERS[encoding](ReadOptions(Watch(None), 4 * 10**15))
    warnings = reader.read(Block(data, 1)).account.warnings
    return {w: n for w, n in warnings.items() if w.startswith("lines_of_")}


def lines(name: str) -> bytes:
    """As a relay writes them: each behind a header."""
    heads = [
        b"" if line.startswith(b"<") else b"<189>Nov 20 00:00:01 fw1 " for line in LOGS[name].read_bytes().splitlines()
    ]
    return b"".join(h + line + b"\n" for h, line in zip(heads, LOGS[name].read_bytes().splitlines(), strict=True))


@pytest.mark.parametrize("mine", LOGS)
def test_lines_of_other_flow_logs_are_warned_of_by_their_format(mine: str) -> None:
    data = b"".join(lines(name) for name in LOGS)
    assert read(mine, data) == {f"lines_of_{n}": lines(n).count(b"\n") for n in LOGS if n != mine}


@pytest.mark.parametrize("mine", LOGS)
def test_own_lines_and_those_of_other_programs_are_not_warned_of(mine: str) -> None:
    assert read(mine, lines(mine) + OTHER * 3) == {}


def test_a_file_of_three_vendors_is_suggested_as_three_sources(tmp_path: Path) -> None:
    file = tmp_path / "relay.log"
    file.write_bytes(b"".join(lines(name) for name in LOGS))
    found = identify(file, dt.datetime(2026, 11, 26, tzinfo=dt.UTC))
    assert found.suggestion is not None
    sources = yaml.safe_load(found.suggestion)["sources"]
    assert {s["format"] for s in sources} == set(LOGS)
    assert len({s["name"] for s in sources}) == 3
    assert len({s["path"] for s in sources}) == 1


def test_no_format_takes_its_own_lines_for_those_of_another() -> None:
    """Formats of lines whose marks another's lines carry would be warned of in every file of theirs."""
    for name, path in LOGS.items():
        for line in path.read_bytes().splitlines():
            marked = {
                f.format for f in FORMS.values() if f.ends_lines and f.strong and not f.json and f.marks.search(line)
            }
            assert marked <= {name}


RECORDS = {
    "zeek": {"_path": "conn", "ts": 1.5, "id.orig_h": "10.0.0.1", "id.resp_h": "10.0.0.2", "conn_state": "SF"},
    "suricata": {"event_type": "flow", "src_ip": "10.0.0.1", "dest_ip": "10.0.0.2", "flow": {"bytes_toclient": 9}},
    "ocsf": {"class_uid": 4001, "time": 1, "src_endpoint": {"ip": "10.0.0.1"}, "traffic": {"bytes_in": 9}},
    "gcp": {"jsonPayload": {"bytes_sent": "9", "connection": {"src_ip": "10.0.0.1"}, "start_time": "x"}},
    "vpc": {"srcaddr": "10.0.0.1", "dstaddr": "10.0.0.2", "bytes": 9, "start": 1},
}
JSON = {"zeek": "zeek_json", "vpc": "vpc_json"}


@pytest.mark.parametrize("mine", RECORDS)
def test_records_of_other_flow_logs_in_a_collector_s_file_are_warned_of(mine: str) -> None:
    data = "".join(json.dumps(r) + "\n" for name in RECORDS for r in [RECORDS[name]] * 2).encode()
    assert read(JSON.get(mine, mine), data) == {f"lines_of_{n}": 2 for n in RECORDS if n != mine}


@pytest.mark.parametrize("mine", RECORDS)
def test_other_logs_of_a_sensor_and_lines_within_texts_are_not_warned_of(mine: str) -> None:
    others = [
        {"_path": "dns", "id.orig_h": "10.0.0.1", "query": "example.com"},
        {"event_type": "alert", "flow": {"bytes_toclient": 9}},
        {"class_uid": 4002},
        {"event": {"original": json.dumps(RECORDS["zeek"])}, "message": json.dumps(RECORDS["suricata"])},
    ]
    data = "".join(json.dumps(r) + "\n" for r in [RECORDS[mine], *others]).encode()
    assert read(JSON.get(mine, mine), data) == {}
