"""What the ledger remembers of a file's fields and of servers among its others, through growth, copies and upgrades."""

import gzip
import json
import shutil
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.counting.mail_servers import of_day
from pipeline.flows import build_flows
from pipeline.inventory import Inventory
from pipeline.sources.fields import STATED, Layout
from tests.oracle.zeek import FIELDS, header, jsonl, rows, tsv
from tests.pipeline.landings import D1, World, flow, settings

NAME = "2026-10-01/conn.log"
OTHER = "198.51.100.25"
MORE = [*FIELDS, "community_id"]


def layout(world: World, name: str = NAME) -> Layout:
    return Layout.from_list(world.entry(name).layout)


def mail(uid: str, client: str, sent: int = 900) -> dict[str, str]:
    """A flow of others to a mail port."""
    return flow(uid, sent, **{"id.orig_h": client, "id.resp_h": OTHER, "id.resp_p": "993"})


def servers(world: World, name: str = NAME) -> list[dict[str, Any]]:
    kept = [s for p in world.entry(name).all_parts for s in p.servers]
    return list(of_day(kept, D1.isoformat()))


def test_a_landed_log_remembers_its_fields(world: World) -> None:
    world.put(NAME, tsv(flow("C1")))
    world.put("2026-10-01/conn-2.log", jsonl(*(flow(f"J{n}") for n in range(5))))
    world.land()
    assert set(layout(world).fields) == set(FIELDS)
    assert layout(world).records == STATED
    found = layout(world, "2026-10-01/conn-2.log")
    assert (found.records, found.fields["id.resp_h"]) == (5, ("address", 5))


def test_a_header_that_changes_within_the_file_is_remembered_as_it_ends(world: World) -> None:
    second = header(MORE) + rows([flow("C2") | {"community_id": "1:x"}], MORE)
    path = world.put(NAME, tsv(flow("C1")))
    world.land()
    path.write_bytes(path.read_bytes() + second.encode())
    world.land()
    assert set(layout(world).fields) == set(MORE)


def test_a_grown_log_keeps_fields_and_adds_up_its_servers(world: World, lines_read: list[int]) -> None:
    path = world.put(NAME, tsv(flow("C0"), *(mail(f"A{n}", f"10.0.0.{n}") for n in range(3))))
    world.land()
    before, seen = layout(world), len(lines_read)
    path.write_bytes(path.read_bytes() + rows(mail(f"B{n}", f"10.0.0.{n + 2}") for n in range(3)).encode())
    world.land()
    assert lines_read[seen:] == [path.read_text(encoding="utf-8").count("\n") - 2]
    assert layout(world) == before
    (found,) = servers(world)
    assert (found["address"], found["clients"], found["flows"], found["bytes"]) == (OTHER, 5, 6, 5_400)


def test_a_log_that_keeps_all_remembers_the_same_servers(world: World, tmp_path: Path) -> None:
    every = World(tmp_path / "all", settings(keep="all"))
    for one in (world, every):
        one.put(NAME, tsv(flow("C0"), *(mail(f"A{n}", f"10.0.0.{n}") for n in range(3))))
        one.land()
    assert servers(every) == servers(world) != []


def test_a_copy_that_inherits_the_rows_inherits_the_fields(flat: World) -> None:
    path = flat.put("a.log", tsv(flow("C1")))
    flat.land()
    shutil.copy(path, path.with_name("b.log"))
    flat.land()
    wanted = layout(flat, "a.log")
    path.unlink()
    flat.land()
    assert flat.entry("b.log").state == "landed"
    assert layout(flat, "b.log") == wanted != Layout()


def test_columns_of_a_table_and_of_a_compressed_log_are_remembered(flat: World) -> None:
    frame = pl.DataFrame([{**flow("C1"), "ts": 1.0, "orig_ip_bytes": 5, "resp_ip_bytes": 6}])
    flat.put("a.parquet", b"")
    frame.write_parquet(flat.root / "logs" / "a.parquet")
    flat.put("b.log.gz", gzip.compress(tsv(flow("C2"))))
    flat.land()
    assert layout(flat, "a.parquet").fields["resp_ip_bytes"] == ("number", STATED)
    assert set(layout(flat, "b.log.gz").fields) == set(FIELDS)


def test_a_ledger_of_an_earlier_version_is_read_and_its_files_are_not_read_anew(
    world: World, parsed: list[str]
) -> None:
    world.put(NAME, tsv(flow("C1"), mail("A1", "10.0.0.1")))
    world.land()
    path = world.root / "data" / "landing" / "ledger.jsonl"
    networks, *entries = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    for entry in entries:
        del entry["layout"]
        for part in entry["parts"]:
            del part["servers"]
    path.write_text("".join(json.dumps(e) + "\n" for e in (networks, *entries)), encoding="utf-8")
    world.land()
    assert parsed == [NAME]
    made = build_flows(world.landing(), world.settings, Inventory(world.settings.inventory), D1)
    assert made.collect().height == 1
    assert (made.facts["drift"]["layouts"], made.facts["drift"]["unlisted"]) == ([], [])
    assert made.facts["drift"]["seen"] == ["192.0.2.10/32"]


def test_the_largest_layout_of_each_kind_stands_for_a_day(world: World) -> None:
    for number, count in enumerate((2, 7, 4)):
        world.put(f"2026-10-01/conn-{number}.log", jsonl(*(flow(f"J{number}{n}") for n in range(count))))
    world.land()
    made = build_flows(world.landing(), world.settings, Inventory(world.settings.inventory), D1)
    (found,) = made.facts["drift"]["layouts"]
    assert (found["file"], found["files"], found["layout"][0]) == ("logs/2026-10-01/conn-1.log", 3, 7)
