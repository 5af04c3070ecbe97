"""docs/tables.md: what it tells readers of the tables to write runs, and gives what is stored."""

import datetime as dt
import re
from pathlib import Path

import duckdb
import polars as pl
import pytest

from pipeline.leftovers import temporary_suffix
from pipeline.schemas import ALERTS, FLOWS, QUALITY, QUARANTINE, SURGE_SCORES, TABLES
from pipeline.site import PROJECT
from tests.stored_days import stored_site
from tests.worlds import day

TEXT = (PROJECT / "docs" / "tables.md").read_text(encoding="utf-8")
FLOW = {"server": "192.0.2.10", "source_file": "conn.log", "source_line": 7}


def test_every_query_runs_and_the_largest_clients_are_the_stored_ones(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = stored_site(tmp_path / "mysite", "", 3, clients=12)
    evidence = f'{{"top_flows": [{str(FLOW).replace(chr(39), chr(34))}]}}'
    alert = pl.DataFrame([{"day": day(2), "client": "10.0.0.1", "evidence": evidence}])
    site.storage.write_day(ALERTS, day(2), ALERTS.conform(alert), inputs={})
    flow = pl.DataFrame([{"dest_ip": "192.0.2.10", "bytes_in": 5, "dest_category": ["email_server"]}])
    site.storage.write_day(FLOWS, day(2), FLOWS.conform(flow), inputs={})
    for name in ("daily_traffic", "alerts", "flows"):  # The next state of a day, half-written.
        written = site.storage.path(name, day(2))
        written.with_name(f".{written.name}{temporary_suffix()}").write_bytes(b"PAR1")
    aside = {
        "source": "core",
        "source_file": "conn.log",
        "source_line": 8,
        "reason": "bad_port",
        "detail": "",
        "raw": "",
    }
    failed = {"day": day(2), "check": "drift", "expectation": "new_fields", "passed": False, "observed": "1"}
    for name, table, row in (
        ("quarantine/core/0a.parquet", QUARANTINE, aside),
        (f"quality/day={day(2)}/drift.parquet", QUALITY, failed),
    ):
        (site.storage.root / name).parent.mkdir(parents=True, exist_ok=True)
        table.conform(pl.DataFrame([row, row | {"passed": True}])).write_parquet(site.storage.root / name)
    monkeypatch.chdir(tmp_path)
    largest, lines, servers, rejected, faults = (
        duckdb.sql(q).fetchall() for q in re.findall(r"```sql\n(.+?)```", TEXT, re.DOTALL)
    )
    traffic = pl.read_parquet(site.storage.root / "daily_traffic" / "*" / "*.parquet", hive_partitioning=False)
    assert largest == traffic.sort("bytes", descending=True).head(10).select("day", "client", "bytes").rows()
    assert lines == [(day(2), "10.0.0.1", *FLOW.values())]
    assert servers == [(day(2), "192.0.2.10", 5, None)]
    assert [(*row[:2], row[3]) for row in rejected] == [("core", "conn.log", "bad_port")] * 2
    assert [(row[0], row[1], row[4]) for row in faults] == [(day(2), "drift", "1")]
    for code in re.findall(r"```python\n(.+?)```", TEXT, re.DOTALL):
        exec(code, found := {})
        assert found["alerts"]["client"].to_list() == ["10.0.0.1"]
        assert found["flows"].select("day", "bytes_in").rows() == [(day(2), 5)]


def test_flows_alone_have_their_day_from_the_folder() -> None:
    daily = [name for name, table in TABLES.items() if name != "quarantine" and "day" not in table.schema]
    assert daily == ["flows"]


def test_a_duration_is_a_whole_number_to_duckdb(tmp_path: Path) -> None:
    site = stored_site(tmp_path, "", 1)
    flow = FLOWS.conform(pl.DataFrame([{"duration": dt.timedelta(seconds=2)}]))
    site.storage.write_day(FLOWS, day(2), flow, inputs={})
    assert duckdb.sql(f"SELECT duration FROM '{site.storage.path('flows', day(2))}'").fetchall() == [(2_000_000,)]


def test_days_of_several_versions_are_read_as_the_page_says(tmp_path: Path) -> None:
    site = stored_site(tmp_path, "", 1)
    assert {n: set(t.late) for n, t in TABLES.items() if t.late} == {"surge_scores": {"usual"}}
    for n, lacks in enumerate((["usual"], [])):
        site.storage.write_day(SURGE_SCORES, day(n), SURGE_SCORES.empty(), inputs={})
        path = site.storage.path("surge_scores", day(n))
        row = SURGE_SCORES.conform(pl.DataFrame([{"day": day(n), "usual": 5.0}])).drop(lacks)
        row.write_parquet(path)
    files = sorted(site.storage.root.glob("surge_scores/*/part.parquet"))
    assert "`union_by_name = true`" in TEXT
    asked = f"SELECT day, usual FROM read_parquet({[str(f) for f in files]}, union_by_name = true) ORDER BY day"
    assert duckdb.sql(asked).fetchall() == [(day(0), None), (day(1), 5.0)]
    (told,) = re.findall(r"`(pl\.concat\(.+?\))`;", TEXT)
    frame = eval(told, {"pl": pl, "files": files})
    assert frame.select("day", "usual").sort("day").collect().rows() == [(day(0), None), (day(1), 5.0)]
