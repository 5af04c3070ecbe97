"""One file landed: its quarantine, the account of its lines, and JSON arrays."""

import json

import polars as pl
import pytest

from pipeline.sources.formats.zeek_tsv import ZeekTsvReader
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
    monkeypatch.setattr("pipeline.intake.quarantine.MAX_ROWS", 3)
    monkeypatch.setattr(LineStream.blocks, "__defaults__", (1, 300))
    world.put("2026-10-01/conn.log", tsv(*(flow(f"C{n}", resp_bytes="x") for n in range(20))))
    world.land()
    assert world.entry("2026-10-01/conn.log").account.quarantined == {"bad_number": 20}
    assert [line for _, line, _ in world.quarantine()] == [6, 7, 8]


@pytest.mark.parametrize("cut", [0, 7])
@pytest.mark.parametrize("odd", ["220", "x"])
def test_rows_whose_lines_waited_are_landed_in_the_order_and_files_of_those_read_at_once(
    world: World, cut: int, odd: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = {"id__resp_h": "203.0.113.9", "id__orig_h": "198.51.100.7", "id__resp_p": "443"}
    flows = [flow(f"C{n}", n, **({} if n % 4 == 0 else other)) for n in range(60)]
    flows[40]["resp_bytes"] = odd
    monkeypatch.setattr("pipeline.intake.lander.ROWS_PER_FILE", 4)
    monkeypatch.setattr(LineStream.blocks, "__defaults__", (1, 600))
    found = []
    for folder, method in (("a", ZeekTsvReader.read_on), ("b", lambda self, block: [self.read(block)])):
        monkeypatch.setattr(ZeekTsvReader, "read_on", method)
        text = tsv(*flows)
        site = World(world.root / folder, world.settings)
        for data in (text[: len(text) // 2], text[: len(text) - cut]):
            site.put("2026-10-01/conn.log", data)
            site.land()
        files = sorted((site.root / "data" / "landing").rglob("*.parquet"))
        rows = [pl.read_parquet(f).rows() for f in files]
        account = site.entry("2026-10-01/conn.log").account
        found.append((len(files), sorted(map(str, rows)), account, site.quarantine(), site.received()))
    assert found[0] == found[1]
    assert found[0][0] > 2


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


def test_an_array_cut_short_counts_as_far_as_it_goes_and_is_read_anew_when_it_is_whole(world: World) -> None:
    whole = b"[" + jsonl(flow("C1", 7)).strip() + b"," + jsonl(flow("C2", 9)).strip() + b"]"
    world.put("2026-10-01/conn.log", whole[:-20])
    assert not world.land().problems
    assert world.received() == [7]
    world.put("2026-10-01/conn.log", whole)
    world.land()
    assert world.received() == [7, 9]


def test_an_array_cut_within_its_first_record_is_an_unreadable_file(world: World) -> None:
    world.put("2026-10-01/conn.log", b"[" + jsonl(flow("C1"))[:-20])
    assert "not a whole JSON document" in world.land().problems[0].message


@pytest.mark.parametrize("size", [1, 1 << 20])
def test_a_line_that_begins_like_an_array_spoils_only_itself(
    world: World, size: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(LineStream.blocks, "__defaults__", (1, size))
    world.put("2026-10-01/conn.log", jsonl(flow("C1")) + b"[rubbish\n" + jsonl(flow("C2", 7)))
    world.land()
    assert world.received() == [7, 220]
