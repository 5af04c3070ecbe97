"""Zeek's JSON inside what other systems put around it when they export or collect it."""

import json
from typing import Any

import pytest

from tests.oracle.zeek import as_json, conn
from tests.pipeline.sources.forms_read import read, rows

RECORD = json.loads(as_json(conn()))
NESTED = {k: v for k, v in RECORD.items() if not k.startswith("id.")} | {
    "id": {k.removeprefix("id."): v for k, v in RECORD.items() if k.startswith("id.")}
}


@pytest.mark.parametrize(
    "wrapped",
    [
        NESTED,
        {"preview": False, "offset": 1, "result": RECORD},
        {"result": RECORD},
        {"result": {"_time": "x", "_raw": json.dumps(RECORD)}},
        {"time": 1, "host": "h", "event": RECORD},
        {"event": json.dumps(RECORD)},
        {"_index": "zeek", "_id": "1", "_source": RECORD},
        {"@timestamp": "2026-11-20T08:00:00Z", "zeek": {"conn": RECORD}},
        {"conn": RECORD},
    ],
)
def test_a_record_is_read_whatever_is_around_it(wrapped: dict[str, Any]) -> None:
    columns = ("start_time", "uid", "src_ip", "dest_port", "ip_bytes_in", "ip_bytes_out", "duration")
    assert rows(read("zeek_json", wrapped), *columns) == rows(read("zeek_json", RECORD), *columns)


@pytest.mark.parametrize(
    ("wrapped", "sensor"),
    [
        ({"time": 1, "host": "s1", "event": RECORD}, "s1"),
        ({"time": 1, "host": "s1", "event": json.dumps(RECORD)}, "s1"),
        ({"host": "s1", "event": RECORD | {"_system_name": "s2"}}, "s2"),
        ({"result": {"host": "s1", "_raw": json.dumps(RECORD)}}, "s1"),
        ({"host": {"os": {"name": "Linux"}, "name": "s1"}, "zeek": {"conn": RECORD}}, "s1"),
        ({"host": {"name": "s1", "os": {"name": "Linux"}}, "event": {"kind": "event"}, "zeek": {"conn": RECORD}}, "s1"),
        ({"fields": {"site": "x"}, "host": "s1", "event": RECORD}, "s1"),
        (RECORD | {"host": {"name": "s1", "os": {"name": "Linux", "more": {"name": "x"}}}}, "s1"),
        ({"event": RECORD}, None),
        (RECORD, None),
    ],
)
def test_a_record_is_of_the_host_that_is_named_around_it_where_it_names_none(
    wrapped: dict[str, Any], sensor: str | None
) -> None:
    """A flow of two sensors would count twice."""
    assert rows(read("zeek_json", wrapped, {"event": {}}), "dvc") == [(sensor,)]


def test_previews_are_ignored_and_broken_wrappers_set_aside() -> None:
    parsed = read("zeek_json", {"preview": True, "result": RECORD}, '{"result":{"uid":', {"result": RECORD})
    assert (parsed.account.flows, parsed.account.ignored, dict(parsed.account.quarantined)) == (1, 1, {"bad_json": 1})


def test_a_text_that_only_looks_like_a_wrapper_changes_nothing() -> None:
    parsed = read("zeek_json", RECORD | {"event": "{", "service": '"result":{"'})
    assert rows(parsed, "ip_bytes_in") == rows(read("zeek_json", RECORD), "ip_bytes_in")
