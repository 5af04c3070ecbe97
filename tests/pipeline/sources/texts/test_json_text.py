"""Text of JSON: values that MongoDB's exports wrap in objects, with the names of their types."""

import json
from typing import Any

import pytest

from pipeline.sources.registry import detect
from pipeline.sources.texts import json_text
from tests.pipeline.sources.forms_read import read_document
from tests.pipeline.sources.lines import only, read

EVENT: dict[str, Any] = {
    "_id": {"$oid": "65f0c0ffee65f0c0ffee65f0"},
    "timestamp": {"$date": "2026-11-20T08:00:06Z"},
    "event_type": "flow",
    "src_ip": "10.1.0.11",
    "src_port": {"$numberInt": "50001"},
    "dest_ip": "10.9.0.25",
    "dest_port": {"$numberInt": "993"},
    "proto": "TCP",
    "flow": {
        "bytes_toserver": {"$numberLong": "420"},
        "bytes_toclient": {"$numberDouble": "5420.0"},
        "start": {"$date": {"$numberLong": "1795161600250"}},
        "end": {"$date": 1_795_161_605_000},
    },
}


def received(row: dict[str, Any]) -> tuple[Any, ...]:
    return row["start_time"].isoformat(), row["src_port"], row["other_bytes_in"], row["other_bytes_out"]


EXPECTED = ("2026-11-20T08:00:00.250000+00:00", 50_001, 5_420, 420)


@pytest.mark.parametrize("separators", [(",", ":"), (" , ", " : ")])
def test_values_of_extended_json_are_those_within(separators: tuple[str, str]) -> None:
    line = json.dumps(EVENT, separators=separators)
    assert detect(line.encode(), "auto", "x") == "suricata"
    assert received(only(read("suricata", line))) == EXPECTED


def test_values_of_extended_json_are_read_in_lists_and_envelopes() -> None:
    assert received(only(read_document("suricata", json.dumps([EVENT], indent=1).encode()))) == EXPECTED
    shipped = {"message": json.dumps(EVENT), "@timestamp": {"$date": "2026-11-20T08:00:06Z"}}
    assert received(only(read("suricata@message", json.dumps(shipped)))) == EXPECTED
    assert received(only(read("suricata@{payload}", json.dumps({"payload": EVENT})))) == EXPECTED


@pytest.mark.parametrize(
    "text",
    [
        '{"a":{"$numberLong":"many"}}',
        '{"a":{"$numberLong":"1","b":2}}',
        '{"a":{"$date":{"$numberLong":"99999999999999999999"}}}',
        f'{{"a":{{"$date":{"9" * 5_000}}}}}',
        '{"a":{"$numberLong":"007"}}',  # Without their quotes these were no numbers of JSON.
        '{"a":{"$numberDouble":"1."}}',
        '{"a":"{\\"$numberLong\\":\\"1\\"}"}',
        '{"a":{"$ref":"x"},"$schema":1}',
    ],
)
def test_what_is_no_value_of_extended_json_is_left_as_it_is(text: str) -> None:
    assert json_text.plain(text.encode()) == text.encode()


AVRO: dict[str, Any] = {
    "timestamp": {"string": "2026-11-20T08:00:06Z"},
    "event_type": "flow",
    "src_ip": {"string": "10.1.0.11"},
    "src_port": {"int": 50_001},
    "dest_ip": {"string": "10.9.0.25"},
    "dest_port": {"long": 993},
    "community_id": None,
    "flow": {
        "bytes_toserver": {"long": 420},
        "bytes_toclient": {"double": 5420.0},
        "alerted": {"boolean": False},
        "start": {"string": "2026-11-20T08:00:00.250Z"},
    },
}


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": ")])
def test_values_of_avros_unions_are_those_within(separators: tuple[str, str]) -> None:
    line = json.dumps(AVRO, separators=separators)
    assert detect(line.encode(), "auto", "x") == "suricata"
    assert received(only(read("suricata", line))) == EXPECTED


@pytest.mark.parametrize("branch", [{"int": 993}, {"long": 993}, {"float": 993.0}, {"double": 993}, {"string": "993"}])
def test_what_a_value_is_depends_on_no_other_line(branch: dict[str, Any]) -> None:
    """Else a file's account would depend on where its blocks end."""
    line = json.dumps({**{k: v for k, v in AVRO.items() if not isinstance(v, dict)}, "dest_port": branch})
    (told,) = branch.values()
    assert json.loads(json_text.plain(line.encode()))["dest_port"] == told


@pytest.mark.parametrize(
    "text",
    ['{"a":{"string":1}}', '{"a":{"string":"x","b":1}}', '{"a":{"long":"7"}}', '{"a":{"long":07}}', '"{\\"long\\":7}"'],
)
def test_objects_that_are_no_branch_of_a_union_stay(text: str) -> None:
    assert json_text.plain(text.encode()) == text.encode()
