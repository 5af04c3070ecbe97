"""A CSV that grows while its last record's quotes are open: each record is landed exactly once, at last."""

from pathlib import Path

import pytest

from tests.oracle.zeek import SERVER
from tests.pipeline.landings import FLAT, World, settings

HEADER = "_time,src_ip,dest_ip,bytes_in,bytes_out,dest_category\n"


def record(received: int, category: str = "mail") -> str:
    return f"2026-10-01T12:00:00Z,10.1.0.{received % 200},{SERVER},{received},7,{category}\n"


OPEN = record(300, '"email\nserver,\n""mail"""')
WHOLE = HEADER + record(100) + record(200) + OPEN + record(400)


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, settings(FLAT, format="cim"))


@pytest.mark.parametrize(
    "cut", [*range(len(WHOLE) - len(OPEN) - len(record(400)) - 3, len(WHOLE) - 3, 4), len(WHOLE) - 1]
)
def test_a_file_cut_anywhere_and_then_completed_gives_every_record_once(world: World, cut: int) -> None:
    path = world.put("a.csv", WHOLE[:cut].encode())
    world.land()
    before = world.received()
    assert before == [n for n in (100, 200, 300, 400) if n in before]
    account = world.entry("a.csv").account
    assert account.balanced
    path.write_bytes(WHOLE.encode())
    world.land()
    assert world.received() == [100, 200, 300, 400]
    assert world.quarantine() == []
    assert world.entry("a.csv").account.balanced


def test_lines_of_an_open_record_are_set_aside_until_it_ends(world: World) -> None:
    at = WHOLE.index('""mail')
    path = world.put("a.csv", WHOLE[:at].encode())
    world.land()
    assert world.received() == [100, 200]
    assert world.quarantine() == [("logs/a.csv", n, "incomplete_last_line") for n in (4, 5)]
    path.write_bytes(WHOLE[: WHOLE.index("2026", at)].encode())
    world.land()
    assert (world.received(), world.quarantine()) == ([100, 200, 300], [])


SILK = (
    "sIP|dIP|sPort|dPort|protocol|packets|bytes|sTime|duration|\n"
    f"{SERVER}|10.1.0.1|993|50000|6|3|100|2026/10/01T12:00:00.000|1.000|\n"
)


@pytest.mark.parametrize(("name", "text"), [("silk", SILK), ("cim", HEADER + record(100))])
def test_a_table_whose_last_line_has_no_end_is_read_whole_and_its_columns_are_known(
    tmp_path: Path, name: str, text: str
) -> None:
    world = World(tmp_path, settings(FLAT, format=name))
    world.put("a.csv", text.rstrip("\n").encode())
    assert world.land().problems == []
    assert (world.received(), world.quarantine()) == ([100], [])
    found = world.entry("a.csv").layout
    world.put("a.csv", text.encode())
    world.land()
    assert found == world.entry("a.csv").layout != []


ARGUS = (
    "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,SrcPkts,DstPkts,SrcBytes,DstBytes\n"
    f"2026/10/01 12:00:00.000000,1.5,tcp,10.1.0.1,50000,   ->,{SERVER},993,CON,1,1,10,100\n"
)


@pytest.mark.parametrize("before", ["", "\n"])
def test_half_a_header_that_looks_like_another_formats_does_not_decide_how_the_rest_is_read(
    tmp_path: Path, before: str
) -> None:
    world = World(tmp_path, settings(FLAT))
    path = world.put("a.csv", (before + ARGUS[: ARGUS.index(",Dport")]).encode())
    world.land()
    assert world.entry("a.csv").encoding == "vpc_csv"
    path.write_bytes((before + ARGUS).encode())
    assert world.land().problems == []
    assert world.entry("a.csv").encoding == "argus"
    assert world.received() == [100]
