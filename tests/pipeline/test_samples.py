"""Totals of real logs (skipped without NILOMETER_SAMPLES), and of small inputs that broke other readers."""

import datetime as dt
import os
import re
from pathlib import Path

import pytest

from pipeline.identify import identify

ROOT = Path(os.environ.get("NILOMETER_SAMPLES", "no-samples"))
GOLDEN = Path(__file__).parents[1] / "golden"
NOW = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
_ROW = re.compile(
    r"\| `((?:zeek_tsv|zeek_json|suricata_eve|ecs|ocsf)/[^`]+)` \| (\d+) \| (\d+) \| (\d+) \| (\S+) \| (\S+) \|"
)


CORRECTED = {
    # The list gives the bytes of one-way records apart; here each is a flow with one side known.
    "suricata_eve/otel-aws-nfw-netflow.json": (1, 0, 45_000),
    "suricata_eve/aws-nfw-netflow-doc.json": (1, 0, 60),
    "ocsf/opensearch-sa-4001.json": (1, 0, 50),
}


def rows() -> list[tuple[str, ...]]:
    listed = ROOT / "SOURCES.md"
    return [m.groups() for m in map(_ROW.match, listed.read_text().splitlines()) if m] if listed.exists() else []


@pytest.mark.skipif(not ROOT.is_dir(), reason="NILOMETER_SAMPLES is not set")
@pytest.mark.parametrize("row", rows(), ids=lambda r: r[0])
def test_a_real_log_gives_its_known_totals(row: tuple[str, ...]) -> None:
    name, listed, bytes_in, bytes_out, first, last = row
    flows = CORRECTED.get(name, (int(listed), int(bytes_in), int(bytes_out)))
    found = identify(ROOT / name, NOW).as_dict()
    assert (found["flows"], found["bytes_in"], found["bytes_out"]) == flows
    assert found["lines"] == (found["flows"] + found["comments"] + found["ignored"] + sum(found["rejected"].values()))
    if first == "-":
        assert found["untimed"] == (0 if name in CORRECTED or listed == "0" else int(listed))
    elif name not in CORRECTED:
        assert (found["first"][:23], found["last"][:23]) == (first[:23], last[:23])


CASES = {
    "zeek-unset-and-empty.log": (2, 5900),
    "zeek-second-header-new-schema.log": (2, 13700),
    "zeek-extra-field.log": (2, 7400),
    "zeek-huge-resp-bytes.log": (2, 98983),
    "zeek-json-ts-three-forms.json": (3, 9900),
    "ndjson-key-first-seen-late.json": (160, 10000),
    "ndjson-garbage-line.json": (2, 5000),
    "ndjson-truncated-tail.json": (1, 1000),
    "empty-file.log": (0, 0),
    "header-only.log": (0, 0),
    "flow-spans-midnight.log": (1, 90000),
    "negative-duration-future-out-of-order.log": (2, 7400),
    "gz-multi-member.log.gz": (2, 7400),
    "corelight-conn-long-plus-conn.log": (1, 104000),
    "suricata-flow-and-netflow.json": (1, 6040),
    "ocsf-4001-three-shapes.json": (2, 7400),
    "splunk-rest-result-wrapper.json": (2, 7400),
}


@pytest.mark.parametrize("name", CASES)
def test_an_input_that_broke_other_readers_is_read_right(name: str) -> None:
    found = identify(GOLDEN / name, NOW).as_dict()
    assert (found["flows"], found["bytes_in"]) == CASES[name]
