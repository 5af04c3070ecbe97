"""A site's own expectations in nilometer.yaml: what may be stated, and that every fault names its line."""

from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import ConfigError
from pipeline.expectations import check_value, compute
from pipeline.schemas import FLOWS, TABLES
from pipeline.settings import Settings, load_settings

GOOD = """\
expectations:
  - name: few_unknown
    table: flows
    value: count(*) FILTER (WHERE bytes_in IS NULL)
    max: 10
    blocking: true
    meaning: Flows without a count of bytes.
    remedy: Look at the sensor.
"""


def load(folder: Path, text: str) -> Settings:
    path = folder / "nilometer.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


def test_an_expectation_is_read_and_blocking_makes_it_an_error(tmp_path: Path) -> None:
    (found,) = load(tmp_path, GOOD).expectations
    assert (found.table, found.min, found.max, found.blocking, found.grade) == ("flows", None, 10, True, "error")


WRONG = [
    ("max: 10", "maxi: 10", 5, "Allowed: blocking, max, meaning, min, name, remedy, severity, table, value"),
    ("    max: 10\n", "", 2, "needs min, max or both"),
    ("max: 10", "max: 10\n    min: 11", 2, "max must not lie below min"),
    ("max: 10", "max: .nan", 5, "finite"),
    ("table: flows", "table: nonesuch", 3, "flows"),
    ("table: flows", "table: daily_traffic", 4, "bytes_in"),
    (
        "table: flows\n    value: count(*) FILTER (WHERE bytes_in IS NULL)",
        "table: alerts\n    value: count(*)",
        6,
        "only",
    ),
    ("name: few_unknown", "name: Few unknown", 2, "pattern"),
    ("name: few_unknown", "name: day", 2, "must not be one of"),
    ("    meaning: Flows without a count of bytes.\n", "", 2, "required"),
    ("remedy: Look at the sensor.", "remedy: ''", 8, "at least 1"),
    ("(WHERE bytes_in IS NULL)", "(WHERE bytes_inn IS NULL)", 4, "bytes_inn"),
    ("count(*) FILTER (WHERE bytes_in IS NULL)", "bytes_in", 4, "one number of all rows"),
    ("count(*) FILTER (WHERE bytes_in IS NULL)", "max(src_ip)", 4, "one number of all rows"),
    ("count(*) FILTER (WHERE bytes_in IS NULL)", "count(*) FROM flows", 4, "cannot be computed"),
    ("count(*) FILTER (WHERE bytes_in IS NULL)", "(SELECT 1)", 4, "cannot be computed"),
    ("count(*) FILTER (WHERE bytes_in IS NULL)", "read_csv('x')", 4, "cannot be computed"),
    ("count(*) FILTER (WHERE bytes_in IS NULL)", "\"__import__('os').system('x')\"", 4, "cannot be computed"),
]


@pytest.mark.parametrize(("old", "new", "line", "says"), WRONG)
def test_a_fault_is_named_with_its_line(tmp_path: Path, old: str, new: str, line: int, says: str) -> None:
    assert old in GOOD
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, GOOD.replace(old, new))
    assert (caught.value.where.line, says in caught.value.message) == (line, True), caught.value.message


def test_two_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="given twice: few_unknown"):
        load(tmp_path, GOOD + GOOD.removeprefix("expectations:\n"))


ROWS = FLOWS.empty().clear(3).with_columns(bytes_in=pl.Series([5, None, 10], dtype=pl.Int64)).lazy()


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("count(*)", 3.0),
        ("count(*) FILTER (WHERE bytes_in > 5)", 1.0),
        ("sum(bytes_in) / count(*)", 5.0),
        ("sum(case when bytes_in is null then 1.0 else 0.0 end) / count(*)", 1 / 3),
        ("max(bytes_in) > 9", 1.0),
        ("1.0 * count(bytes_in) / count(*)", 2 / 3),
        ("count(bytes_in) / (3.0 * count(*))", 2 / 9),
        ("sum(bytes_in) / 3.0", 5.0),
        ("sum(bytes_in) * .5 + sum(bytes_in)*1.5e1 - 0.25", 232.25),
        ("count(*) FILTER (WHERE app = '1.5' OR app IS NULL)", 3.0),
        ("count(*) - 4", -1.0),
    ],
)
def test_a_value_is_what_sql_says(sql: str, wanted: float) -> None:
    check_value("flows", sql)
    assert compute(ROWS, sql) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("share", ["count(bytes_in) / (1.0 * count(*))", "1.0 * count(bytes_in) / count(*)"])
def test_one_in_many_is_not_none(share: str) -> None:
    many = FLOWS.empty().clear(4_000_000).select("bytes_in").with_row_index("n")
    rows = many.select(bytes_in=pl.when(pl.col("n") == 7).then(pl.lit(1, pl.Int64))).lazy()
    assert compute(rows, share) == 1 / 4_000_000


@pytest.mark.parametrize(
    ("sql", "wanted"),
    [
        ("sum(bytes_in)", 3 * 2**62),
        ("max(bytes_in) * 4", 2**64),
        ("sum(bytes_in * 1000000)", 3 * 2**62 * 10**6),
        ("sum(bytes_in) FILTER (WHERE bytes_in > 0) / count(*)", 2**62),
    ],
)
def test_sums_and_products_are_not_kept_in_64_bits(sql: str, wanted: int) -> None:
    rows = FLOWS.empty().clear(3).with_columns(bytes_in=pl.lit(2**62, pl.Int64)).lazy()
    check_value("flows", sql)
    assert compute(rows, sql) == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize(
    ("sql", "says"),
    [
        ("max(bytes_out)", "gave no value"),
        ("max(bytes_in) / (max(bytes_in) - max(bytes_in))", "not finite"),
        ("sum(bytes_in) / 0.0", "division by zero"),
        ("bytes_in", "3 values"),
        ("sum(nonesuch)", "could not be computed"),
        ("max(start_time)", "no value"),
    ],
)
def test_what_is_no_number_says_so(sql: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        compute(ROWS, sql)


def test_every_table_that_may_be_named_has_a_day(tmp_path: Path) -> None:
    for table in ("flows", "daily_traffic", "traffic_baseline", "anomaly_scores", "surge_scores", "alerts"):
        assert TABLES[table].columns
        text = GOOD.replace("table: flows", f"table: {table}").replace("    blocking: true\n", "")
        load(tmp_path, text.replace("count(*) FILTER (WHERE bytes_in IS NULL)", "count(*)"))
