"""Totals of the real Zeek logs, from the samples' own list; skipped without NILOMETER_SAMPLES."""

import datetime as dt
import os
import re
from pathlib import Path

import pytest

from pipeline.identify import identify

ROOT = Path(os.environ.get("NILOMETER_SAMPLES", "no-samples"))
NOW = dt.datetime(2026, 11, 25, tzinfo=dt.UTC)
_ROW = re.compile(r"\| `(zeek_(?:tsv|json)/[^`]+)` \| (\d+) \| (\d+) \| (\d+) \| (\S+) \| (\S+) \|")


def rows() -> list[tuple[str, ...]]:
    listed = ROOT / "SOURCES.md"
    return [m.groups() for m in map(_ROW.match, listed.read_text().splitlines()) if m] if listed.exists() else []


@pytest.mark.skipif(not ROOT.is_dir(), reason="NILOMETER_SAMPLES is not set")
@pytest.mark.parametrize("row", rows(), ids=lambda r: r[0])
def test_a_real_log_gives_its_known_totals(row: tuple[str, ...]) -> None:
    name, flows, bytes_in, bytes_out, first, last = row
    found = identify(ROOT / name, NOW).as_dict()
    assert (found["flows"], found["bytes_in"], found["bytes_out"]) == (int(flows), int(bytes_in), int(bytes_out))
    assert found["lines"] == (found["flows"] + found["comments"] + found["ignored"] + sum(found["rejected"].values()))
    if first == "-":
        assert found["untimed"] == int(flows)
    else:
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
}


@pytest.mark.skipif(not ROOT.is_dir(), reason="NILOMETER_SAMPLES is not set")
@pytest.mark.parametrize("name", CASES)
def test_an_input_that_broke_other_readers_is_read_right(name: str) -> None:
    found = identify(ROOT / "bugs" / name, NOW).as_dict()
    assert (found["flows"], found["bytes_in"]) == CASES[name]
