"""What is asked of a stored day's rows and columns."""

from pathlib import Path

from data_quality.rows import schema_differences
from pipeline.schemas import ALERTS
from pipeline.settings import Settings
from pipeline.site import Site
from tests.pipeline.landings import D1


def test_the_columns_of_a_day_are_read_where_its_folder_looks_like_a_pattern(tmp_path: Path) -> None:
    site = Site(tmp_path / "a[b]c", Settings(), "asked for")
    site.storage.write_day(ALERTS, D1, ALERTS.empty(), inputs={})
    assert schema_differences(site, ALERTS, D1) == []
    path = site.storage.path(ALERTS.name, D1)
    ALERTS.empty().drop("message").write_parquet(path)
    assert [d["column"] for d in schema_differences(site, ALERTS, D1)] == ["message"]
