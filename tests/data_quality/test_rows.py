"""What is asked of a stored day's rows and columns."""

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from data_quality import inputs
from data_quality.rows import daily_faults, schema_differences
from pipeline.context.model import ContextTable
from pipeline.schemas import ALERTS, DAILY_TRAFFIC
from pipeline.settings import Settings
from pipeline.site import Site, open_site
from tests.pipeline.landings import D1
from tests.worlds import CONFIG


def test_the_columns_of_a_day_are_read_where_its_folder_looks_like_a_pattern(tmp_path: Path) -> None:
    site = Site(tmp_path / "a[b]c", Settings(), "asked for")
    site.storage.write_day(ALERTS, D1, ALERTS.empty(), inputs={})
    assert schema_differences(site, ALERTS, D1) == []
    path = site.storage.path(ALERTS.name, D1)
    ALERTS.empty().drop("message").write_parquet(path)
    assert [d["column"] for d in schema_differences(site, ALERTS, D1)] == ["message"]


@pytest.mark.parametrize(
    ("first", "last", "wrong"),
    [("00:00:00", "23:59:59", False), ("12:00:00", "12:00:00", False), ("12:00:01", "12:00:00", True)],
)
def test_the_last_flow_of_a_client_begins_no_earlier_than_its_first(
    tmp_path: Path, first: str, last: str, wrong: bool
) -> None:
    site = Site(tmp_path, Settings(), "asked for")
    times = {"first_start": f"{D1}T{first}Z", "last_start": f"{D1}T{last}Z"}
    rows = pl.DataFrame({"day": [D1], "measure": ["m"], "client": ["10.0.0.1"], "flows": [2], "flows_unknown": [0]})
    rows = rows.with_columns(pl.lit(t).str.to_datetime(time_zone="UTC").alias(name) for name, t in times.items())
    frame = DAILY_TRAFFIC.conform(rows.with_columns(servers=pl.lit(1), bytes=pl.lit(5)))
    site.storage.write_day(DAILY_TRAFFIC, D1, frame, inputs={})
    assert frame.select(daily_faults(site, D1)["times_out_of_day"]).to_series().to_list() == [wrong]


@pytest.mark.parametrize(("end", "ended"), [(0, 1), (1, 0)])
def test_a_file_of_the_context_has_run_out_on_the_day_that_its_last_row_no_longer_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, end: int, ended: int
) -> None:
    """The end of a row is the first day on which it does not hold."""
    (tmp_path / "nilometer.yaml").write_text(f"{CONFIG}context: {{calendar: days.csv}}\n", encoding="utf-8")
    rows = pl.DataFrame({"start": [D1 - dt.timedelta(days=9)], "end": [D1 + dt.timedelta(days=end)]})
    table = ContextTable("calendar", "days.csv", 1, rows, "fingerprint")
    monkeypatch.setattr(inputs, "_context", lambda _: ([table], []))
    monkeypatch.setattr(inputs, "silent_servers", lambda *_: {})
    assert inputs.inputs_valid(open_site(tmp_path), D1)["context_ended"] == ended
