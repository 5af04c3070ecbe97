"""JSON behind what shows whose output a line is: the names of pods and containers, as they are read from a terminal."""

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import only, read_lines
from tests.pipeline.sources.wrappings.test_envelope import EVE


@pytest.mark.parametrize(
    "before",
    ["[pod/suricata-7x2b/eve] ", "[pod/suricata-7x2b/eve] 2026-11-02T10:00:11.123456789Z ", "suricata-7x2b eve ",
     "suricata-1  | "],
)  # fmt: skip
def test_json_behind_the_name_of_a_pod_or_container_is_read(before: str) -> None:
    lines = [f"{before}i: suricata: engine started", f"{before}{EVE}"]
    assert detect("\n".join(lines).encode(), "auto", "x") == "suricata@header"
    assert only(read_lines("suricata@header", lines))["other_bytes_in"] == 120_000
