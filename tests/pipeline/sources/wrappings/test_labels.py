"""Lines behind the labels of their stream, as Loki's logcli prints them: found, opened and read as they are."""

from __future__ import annotations

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import only, read
from tests.pipeline.sources.wrappings.test_envelope import EVE, VPC


@pytest.mark.parametrize("labels", ["{}", '{job="x"}', '{file="/a, \\"b\\" {c}", job="x"}               '])
@pytest.mark.parametrize(("line", "encoding"), [(EVE, "suricata"), (VPC, "vpc_text")])
def test_a_line_behind_the_labels_of_its_stream_is_read(line: str, encoding: str, labels: str) -> None:
    """What Loki's logcli prints unless it is told otherwise."""
    told = f"2026-11-02T10:00:11Z {labels} {line}"
    found = detect(f"{told}\n".encode(), "auto", "x")
    assert found == f"{encoding}@labels"
    assert only(read(found, told)) == only(read(encoding, line))
    assert read(found, told, line).account.flows == 2


def test_a_message_behind_labels_has_their_time() -> None:
    message = "%ASA-6-302014: Teardown TCP connection 7 for outside:10.0.0.5/50123 to dmz:192.0.2.10/993"
    told = f'2026-11-02T10:00:11+01:00 {{job="x"}} {message} duration 0:00:01 bytes 5700 TCP FINs'
    assert only(read("asa@labels", told))["start_time"].isoformat() == "2026-11-02T09:00:10+00:00"
