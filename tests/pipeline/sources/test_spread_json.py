"""Objects over several lines behind records of one line each, cut into blocks anywhere: read once, counted exactly."""

import json
from pathlib import Path

import pytest

from pipeline.sources import detect, reader_of
from pipeline.sources.base import Block, Parsed, merge
from tests.pipeline.landings import D1, FLAT, World, flow
from tests.pipeline.landings import settings as of_source
from tests.pipeline.sources.lines import options
from tests.pipeline.sources.test_changing import WAYS, suricata, zeek


def pretty(line: str, indent: int = 2) -> list[str]:
    return json.dumps(json.loads(line), indent=indent).split("\n")


def blocks(text: list[str], cut: int | None = None) -> Parsed:
    """Lines in one block, or in blocks of so many, each by a new reader with the state of the last one."""
    parts, state, left, size = [], None, Parsed(), cut or len(text)
    encoding = detect("\n".join([*text[:2], ""]).encode(), "auto", "x")
    assert encoding is not None
    for first in range(0, len(text), size):
        by = reader_of(encoding)(options())
        if state is not None:
            by.resume(json.loads(json.dumps(state)))
        some = text[first : first + size]
        parts.append(by.read(Block("".join(f"{t}\n" for t in some).encode(), first + 1, len(some))))
        state, left = by.state(), by.finish()
    whole = merge([*parts, left])
    assert whole.account.balanced
    whole.rejects = whole.rejects.sort("source_line")
    return whole


def starts(parsed: Parsed) -> list[int]:
    """Which records there are, by their ports."""
    return sorted(port - 40_000 for port in parsed.rows["src_port"].to_list())


JSON_LINES = {"zeek": zeek, "suricata": suricata, "wrapped": lambda i: WAYS["filebeat"](suricata(i))}


@pytest.mark.parametrize("name", JSON_LINES)
@pytest.mark.parametrize("indent", [1, 4])
def test_objects_over_several_lines_go_on_where_one_a_line_was(name: str, indent: int) -> None:
    line = JSON_LINES[name]
    array = json.dumps([json.loads(line(i)) for i in (4, 5)], indent=indent).split("\n")
    text = [
        line(0),
        line(1),
        *pretty(line(2), indent),
        *pretty(line(3), indent),
        *array,
        line(6),
        "{",
        '"no": ',
        "garbage",
    ]
    whole = blocks(text)
    assert whole.account.quarantined == {"bad_json": 3}
    assert starts(whole) == list(range(7))
    assert whole.account.lines == len(text)
    firsts = [text.index("{"), *(i for i, t in enumerate(text) if t.strip() == "{")][1:5]
    assert whole.rows["source_line"].to_list()[2:6] == [i + 1 for i in firsts]
    for cut in range(3, len(text), 7):
        parts = blocks(text, cut)
        assert (starts(parts), parts.account) == (starts(whole), whole.account)
        assert parts.rows.sort("source_line").drop("record_id").equals(whole.rows.sort("source_line").drop("record_id"))


def test_an_array_in_lines_goes_on_where_one_record_a_line_was() -> None:
    text = [
        suricata(0),
        f"[{suricata(1)},",
        f"{suricata(2)},",
        f"{suricata(3)}]",
        f"[{suricata(4)}]",
        "[",
        f"{suricata(5)}",
        "]",
    ]
    parsed = blocks(text)
    assert (starts(parsed), parsed.account.quarantined, parsed.account.comments) == (list(range(6)), {}, 2)


def test_an_object_that_never_ends_is_set_aside_line_by_line() -> None:
    text = [suricata(0), *pretty(suricata(1))[:-2]]
    for cut in (len(text), 4):
        parsed = blocks(text, cut)
        assert (starts(parsed), sum(parsed.account.quarantined.values())) == ([0], len(text) - 1)
        assert parsed.rejects["source_line"].to_list() == list(range(2, len(text) + 1))


def test_a_log_that_grows_within_an_object_counts_it_once(tmp_path: Path) -> None:
    world = World(tmp_path, of_source(FLAT))
    plain = [json.dumps({"_path": "conn"} | flow(f"C{i}", 200 + i) | {"id.orig_p": str(4_000 + i)}) for i in range(4)]
    text = "\n".join([*plain[:2], *pretty(plain[2]), *pretty(plain[3]), ""])
    middle, last = (text.index("C2") + 30, text.index("C3") + 30)
    for end, received in (
        (middle, 2),
        (text.index("\n", middle) + 1, 2),
        (last, 3),
        (len(text) - 1, 4),
        (len(text), 4),
    ):
        world.put("conn.log", text[:end].encode())
        world.land(D1)
        assert world.received() == [200, 201, 202, 203][:received]
        left = text[:end].count("\n") + (not text[:end].endswith("\n")) if received < 4 else 0
        assert len(world.quarantine()) == (left - 2 - (received - 2) * len(pretty(plain[2])) if left else 0)
