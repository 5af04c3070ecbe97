"""One file landed: its quarantine, the account of its lines, and JSON arrays."""

import json

import polars as pl
import pytest

from pipeline.sources.reading import LineStream
from tests.oracle.zeek import jsonl, tsv
from tests.pipeline.landings import World, flow

# Accounts and quarantine


def test_the_quarantine_holds_file_line_reason_and_the_beginning_of_the_line(world: World) -> None:
    world.put("2026-10-01/conn.log", tsv(flow("C1"), flow("C2", resp_bytes="x" * 600)))
    world.land()
    row = pl.read_parquet(next((world.root / "data" / "quarantine").rglob("*.parquet"))).row(0, named=True)
    assert {k: row[k] for k in ("source", "source_file", "source_line", "reason")} == {
        **{"source": "core", "source_file": "logs/2026-10-01/conn.log", "source_line": 7, "reason": "bad_number"}
    }
    assert len(row["raw"].encode()) == 500
    assert row["detail"] == "resp_bytes=" + "x" * 80


def test_quarantined_lines_are_all_counted_though_not_all_are_kept(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.lander.MAX_QUARANTINE_ROWS", 3)
    monkeypatch.setattr(LineStream.blocks, "__defaults__", (1, 300))
    world.put("2026-10-01/conn.log", tsv(*(flow(f"C{n}", resp_bytes="x") for n in range(20))))
    world.land()
    assert world.entry("2026-10-01/conn.log").account.quarantined == {"bad_number": 20}
    assert [line for _, line, _ in world.quarantine()] == [6, 7, 8]


def test_every_line_of_every_file_is_accounted_for(world: World) -> None:
    mixed = (
        tsv(flow("C1"), flow("C2", resp_bytes="x"), flow("C3", id__resp_h="203.0.113.9")) + tsv(path="dns") + b"a\n\n"
    )
    world.put("2026-10-01/conn.log", mixed)
    world.put("2026-10-01/conn.json.log", jsonl(flow("C4"), {**flow("C5"), "_path": "dns"}) + b"rubbish\n\n")
    world.land()
    for name, counts in {"conn.log": (15, 1, 1, 1, 11), "conn.json.log": (4, 1, 0, 1, 1)}.items():
        account = world.entry(f"2026-10-01/{name}").account
        assert account.balanced
        assert (account.lines, account.flows, account.others, account.ignored, account.comments) == counts


# JSON arrays and bad lines that look like them


def test_an_array_over_many_lines_is_read_whole_and_anew_when_it_changes(world: World) -> None:
    records = [json.dumps(json.loads(jsonl(flow(f"C{n}", n))), indent=1) for n in (7, 9)]
    world.put("2026-10-01/conn.log", ("[" + ",\n".join(records) + "]\n").encode())
    world.land()
    assert world.received() == [7, 9]
    world.put("2026-10-01/conn.log", ("[" + records[0] + "]").encode())
    world.land()
    assert world.received() == [7]


def test_an_array_cut_short_is_an_unreadable_file(world: World) -> None:
    world.put("2026-10-01/conn.log", b"[" + jsonl(flow("C1")))
    assert "not a whole JSON document" in world.land().problems[0].message


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_line_that_begins_like_an_array_spoils_only_itself(
    world: World, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LineStream.blocks, "__defaults__", (1, size))
    world.put("2026-10-01/conn.log", jsonl(flow("C1")) + b"[rubbish\n" + jsonl(flow("C2", 7)))
    world.land()
    assert world.received() == [7, 220]
