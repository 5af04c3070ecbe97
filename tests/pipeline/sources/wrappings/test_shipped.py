"""What an envelope says beside a message, as Elasticsearch answers it where it is asked for fields."""

from __future__ import annotations

import json

import pytest

from pipeline.sources.registry import detect, format_of
from pipeline.sources.wrappings import documents
from pipeline.sources.wrappings.envelope import SIGN
from tests.pipeline.sources.lines import only, read
from tests.pipeline.sources.wrappings.test_envelope import ASA, EVE, SRX


@pytest.mark.parametrize("around", ["{}", '{"took":1,"hits":{"hits":[{"_id":"1","fields":{}}]}}', '{"fields":{}}'])
@pytest.mark.parametrize("key", ["message", "event.original"])
@pytest.mark.parametrize(("encoding", "line"), [("asa", ASA), ("suricata", EVE), ("juniper", SRX)])
def test_fields_that_elasticsearch_answers_as_lists_of_one_are_those(
    encoding: str, line: str, key: str, around: str
) -> None:
    fields = {"@timestamp": ["2026-11-02T10:00:11.000Z"], "log.syslog.hostname": ["fw1"], key: [line]}
    document = around.replace("{}", json.dumps(fields))
    found = detect(document.encode(), "auto", "x")
    assert found is not None
    assert format_of(found) == format_of(encoding)
    nested = json.dumps({"@timestamp": "2026-11-02T10:00:11.000Z", "log": {"syslog": {"hostname": "fw1"}}, key: line})
    expected = read(f"{encoding}{SIGN}{key}", nested).rows
    parsed = only(read(found, *(documents.records(document.encode()).records if "hits" in document else [document])))
    assert parsed == expected.to_dicts()[0]
