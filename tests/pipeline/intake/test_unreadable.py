"""A file of which nothing counts is named as a problem, with what the reason means, however it came about."""

from pathlib import Path

import pytest

from tests.pipeline.landings import FLAT, World, settings

HEADER = b"StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,SrcBytes,DstBytes\n"
STATUS = b"09:00:00.1,0.0,man,0,0,,0,0,0,0\n"
FLOW = b"09:00:00.2,1.0,tcp,10.0.0.1,50000,   ->,192.0.2.10,993,90,220\n"
"""As `ra` prints times unless told otherwise: without a date."""


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path, settings(FLAT))


def test_a_file_whose_every_flow_was_set_aside_is_named_with_what_that_means(world: World) -> None:
    world.put("conn.csv", HEADER + STATUS + FLOW * 2)
    (told,) = world.land().problems
    assert "logs/conn.csv: has no flow that could be read: 2 untimed." in told.message
    assert "By untimed is meant: no time, or none that can mean one instant alone" in told.message


def test_a_few_broken_lines_among_records_that_are_no_flows_are_no_problem_of_the_file(world: World) -> None:
    world.put("conn.csv", HEADER + STATUS * 2 + FLOW * 2)
    assert world.land().problems == []
