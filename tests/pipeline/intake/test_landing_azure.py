"""Azure's blobs on disk: one JSON document that is written anew with every minute, on one line or on many."""

import json
from pathlib import Path

import pytest

from tests.oracle.zeek import SERVER
from tests.pipeline.landings import FLAT, World, settings

NOON = 1_790_856_000


def blob(*received: int, indent: int | None) -> bytes:
    """A document with a record a minute."""
    records = []
    for minute, count in enumerate(received):
        line = f"{NOON + 3_600 * minute},192.0.2.{minute + 1},{SERVER},{40_000 + minute},993,T,I,A,E,1,60,2,{count}"
        flows = [{"rule": "imap", "flows": [{"mac": "000D3A000001", "flowTuples": [line]}]}]
        records.append({"time": "2026-10-01T12:00:00Z", "properties": {"Version": 2, "flows": flows}})
    return json.dumps({"records": records}, indent=indent).encode()


@pytest.mark.parametrize("indent", [None, 2])
def test_a_blob_that_grows_counts_every_tuple_once(tmp_path: Path, indent: int | None) -> None:
    world = World(tmp_path, settings(FLAT))
    world.put("PT1H.json", blob(7, indent=indent))
    world.land()
    assert world.received() == [7]
    world.put("PT1H.json", blob(7, 9, 11, indent=indent))
    world.land()
    assert world.received() == [7, 9, 11]
    account = world.entry("PT1H.json").account
    assert account.balanced
    assert (account.lines, account.flows) == (3, 3)


def test_a_blob_cut_short_gives_what_is_whole_until_it_is(tmp_path: Path) -> None:
    world = World(tmp_path, settings(FLAT))
    whole = blob(7, 9, indent=None)
    world.put("PT1H.json", whole[:-60])
    world.land()
    assert world.received() == [7]
    assert [reason for _, _, reason in world.quarantine()] == ["incomplete_last_line"]
    world.put("PT1H.json", whole)
    world.land()
    assert (world.received(), world.quarantine()) == ([7, 9], [])
