"""A file that grows and whose texts hold several records each: each record is landed exactly once."""

import json
from pathlib import Path

import pytest

from tests.oracle.zeek import SERVER
from tests.pipeline.landings import FLAT, World, settings


def record(received: int) -> str:
    return (
        f'date=2026-10-01 time=12:00:00 devid="FGT1" logid="0000000013" type="traffic" srcip=10.1.0.{received % 200} '
        f"dstip={SERVER} srcport={received} dstport=993 sentbyte=7 rcvdbyte={received} sessionid={received}"
    )


def line(*received: int) -> str:
    return json.dumps({"log": "\n".join(map(record, received))}) + "\n"


WHOLE = line(100) + line(200, 300) + "junk\n" + line(400) + line(500, 600, 700) + line(800)
PARTS = (line(100), line(200, 300), "junk\n", line(400), line(500, 600, 700), line(800))


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, settings(FLAT, format="fortinet"))


@pytest.mark.parametrize("cut", range(1, len(PARTS)))
@pytest.mark.parametrize("within", [0, 30])
def test_a_file_cut_anywhere_and_then_completed_gives_every_record_once(world: World, cut: int, within: int) -> None:
    at = len("".join(PARTS[:cut])) + within
    path = world.put("a.json", WHOLE[: min(at, len(WHOLE) - 1)].encode())
    world.land()
    path.write_bytes(WHOLE.encode())
    world.land()
    assert world.received() == [100, 200, 300, 400, 500, 600, 700, 800]
    account = world.entry("a.json").account
    assert (account.balanced, account.lines, account.flows) == (True, 9, 8)
    assert world.quarantine() == [("logs/a.json", 4, "bad_line")]
