"""Keys of Suricata's and Zeek's records in any spelling: they are read as those that the formats have."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from pipeline.errors import SourceError
from pipeline.sources.registry import READERS, detect
from tests.pipeline.sources.forms_read import read_document
from tests.pipeline.sources.lines import only, options, read, read_blocks

EVE: dict[str, Any] = {
    "timestamp": "2026-11-20T08:00:10+0000",
    "flow_id": 7,
    "event_type": "flow",
    "src_ip": "10.1.0.11",
    "src_port": 50_001,
    "dest_ip": "10.9.0.25",
    "dest_port": 993,
    "flow": {"bytes_toserver": 420, "bytes_toclient": 5_420, "start": "2026-11-20T08:00:00+0000"},
}
CONN: dict[str, Any] = {
    "ts": 1_795_161_600.5,
    "uid": "C1",
    "id.orig_h": "10.1.0.11",
    "id.orig_p": 50_001,
    "id.resp_h": "10.9.0.25",
    "id.resp_p": 993,
    "conn_state": "SF",
    "orig_ip_bytes": 420,
    "resp_ip_bytes": 5_420,
}


def flat(record: dict[str, Any]) -> dict[str, Any]:
    inner = {f"{k}_{name}": v for k, o in record.items() if isinstance(o, dict) for name, v in o.items()}
    return {k: v for k, v in record.items() if not isinstance(v, dict)} | inner


def with_keys(record: Any, spell: Callable[[str], str]) -> Any:
    if not isinstance(record, dict):
        return record
    return {spell(k): with_keys(v, spell) for k, v in record.items()}


def camel(key: str) -> str:
    first, *rest = key.split("_")
    return "".join([first, *(word.title() for word in rest)])


SPELLINGS: dict[str, Callable[[str], str]] = {
    "upper": str.upper,
    "title": str.title,
    "camel": camel,
    "snowflake": lambda key: key.upper().replace(".", "_"),
    "gelf": lambda key: f"_{key}",
}


@pytest.mark.parametrize("spelling", SPELLINGS)
@pytest.mark.parametrize(
    ("encoding", "record"), [("suricata", EVE), ("suricata", flat(EVE)), ("zeek_json", CONN), ("zeek_json", flat(CONN))]
)
def test_keys_in_any_spelling_are_those_of_the_format(encoding: str, record: dict[str, Any], spelling: str) -> None:
    line = json.dumps(with_keys(record, SPELLINGS[spelling]))
    found = f"{encoding}@spelling"
    assert [detect(line.encode(), wanted, "x") for wanted in ("auto", encoding.removesuffix("_json"))] == [found] * 2
    assert only(read(found, line)) == only(read(encoding, json.dumps(record)))
    assert read_document(found, f"[\n {line}\n]".encode()).account.flows == 1
    assert read_blocks(found, [[line], [line]]).account.flows == 2


def test_a_flow_s_alert_and_names_in_texts_are_as_they_were() -> None:
    upper = with_keys(EVE, str.upper)
    noted = upper | {"NOTE": 'says "SRC_IP": nothing', "EVENT_TYPE": "alert"}
    parsed = read("suricata@spelling", json.dumps(upper), json.dumps(noted))
    assert (parsed.account.flows, parsed.account.ignored) == (1, 1)


def test_records_without_flows_or_of_others_are_not_taken_for_them() -> None:
    for record in (
        {"SRC_IP": "10.1.0.11", "DEST_IP": "10.9.0.25", "BYTES": 7},
        with_keys(EVE | {"flow": 1}, str.upper),
    ):
        with pytest.raises(SourceError):
            detect(json.dumps(record).encode(), "auto", "x")


def test_the_plain_reader_is_not_asked_to_spell() -> None:
    assert detect(json.dumps(EVE).encode(), "auto", "x") == "suricata"
    assert READERS["suricata@spelling"](options()).format == READERS["suricata"](options()).format
