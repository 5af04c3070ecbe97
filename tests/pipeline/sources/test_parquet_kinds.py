"""Columns of Parquet as engines other than Polars write them: the instant, address and count that they meant."""

import base64
import datetime as dt
import tempfile
import zlib
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.mapping import ColumnMapping
from pipeline.sources.base import Parsed, ReadOptions, merge
from pipeline.sources.columns import Found, text_of
from pipeline.sources.parquet_schema import in_utc
from pipeline.sources.tables import TableReader, table_encoding
from pipeline.sources.watch import Watch
from tests.pipeline.sources.lines import LATEST

INT96 = (
    "c-nQ5y-ve05P&ZxG7;*)z*%+WAwy#YiB@%_A{BL^8&y?Romrv~2?l6z0`vt~c>+dWg_q$eI44j*3jV$GeP`eKR_AMjfPL(rAR~bz"
    "R{+4=^Z?$UO%LGgC4zsUfL1dax;`dbjByKe;GjuDOfobhvMN+9*giB3eR(;CE-$m|{5Hjau!wb8S^;)Q*eh)o!NU19`c+wd>%If+"
    "76g+@E;K0QGU6beH`1w?i@6Ri6uOKUOpm$L_3IApG^o3O$F6@^aVXnpdcCHXVyR!fU-;1<-2aNhZfklbX8OZx2}Hax!E`_y#9@)z"
    "`-i+5WJNJZt=&9@kGU;xHg{oiO228O%X&9pLN!}aNk0L(EjgS"
)
"""A row of 2026-07-20 08:00 in a column `at` of INT96, as Spark writes a timestamp; made by pyarrow."""
OLD = (
    "c-nQ5%}T>S5P&DEtU-G4&{?{$ha8$Ef-Oy;LeY!88A~Z%ym&CgfF87Q6SWWG(WmoCoJnX^i2FaY-~8>aF0Nw)G-ysx&_SX!03djJ"
    "a0gfNMgr-FIP3s?TI0!>`;_h?j5?r0hGq#d$vB?;8|(nuhWq+<3Ikc?55-f4J}E*m5Lq4e0ef`Zt6Uz!f-PJ5zN)u!gSrhUp^aWx"
    "Fyt+ipxGWttLAEM{Y!&flYsMMscjRV(O!$P|AtLfYSSN99qBHbqBrzXE$xT*3-ABIw|ThDE{`v-BN6o}l(0T+5CvuCUS5lOl$Yfw"
    "b8h_}ycMo`Tt5fNDZOW`x$513GY?=zANmbbSU48"
)
"""The same as TIMESTAMP_MICROS alone, as writers before 2019 have it: pyarrow's file without the newer annotation."""
FIELDS = (("bytes_in", "rx"), ("dest_ip", "dst"), ("src_ip", "src"), ("start_time", "at"))
EIGHT = dt.datetime(2026, 7, 20, 8, tzinfo=dt.UTC)
ROW = {"at": [EIGHT], "src": ["10.0.0.5"], "dst": ["192.0.2.10"], "rx": [7]}


def read(path: Path, zone: str = "UTC") -> Parsed:
    options = ReadOptions(Watch(None), LATEST, timezone=zone, mapping=ColumnMapping(FIELDS, "ip"))
    return merge(list(TableReader(table_encoding(path, "table", path.name), options).read_table(path)))


def written(folder: Path, **columns: pl.Series | pl.Expr) -> Path:
    path = folder / "own.parquet"
    pl.DataFrame(ROW).with_columns(**columns).write_parquet(path)
    return path


@pytest.mark.parametrize("data", [INT96, OLD])
@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin", "America/Los_Angeles"])
def test_times_that_are_utc_by_definition_are_of_no_other_zone(tmp_path: Path, data: str, zone: str) -> None:
    (path := tmp_path / "own.parquet").write_bytes(zlib.decompress(base64.b85decode(data)))
    assert in_utc(path) == {("at",)}
    assert read(path, zone).rows["start_time"].to_list() == [EIGHT]


def test_times_that_say_that_they_have_no_zone_are_of_the_sources(tmp_path: Path) -> None:
    path = written(tmp_path, at=pl.col("at").dt.replace_time_zone(None))
    assert in_utc(path) == frozenset()
    assert read(path, "Europe/Berlin").rows["start_time"].to_list() == [EIGHT - dt.timedelta(hours=2)]


def test_a_footer_that_does_not_read_tells_nothing(tmp_path: Path) -> None:
    whole = zlib.decompress(base64.b85decode(INT96))
    for cut in range(len(whole)):
        (path := tmp_path / "cut.parquet").write_bytes(whole[:cut] + whole[-8:])
        assert in_utc(path) <= {("at",)}


@given(st.binary(max_size=200))
def test_whatever_stands_in_the_place_of_a_footer(footer: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "any.parquet"
        path.write_bytes(b"PAR1" + footer + len(footer).to_bytes(4, "little") + b"PAR1")
        assert isinstance(in_utc(path), frozenset)


@pytest.mark.parametrize(
    ("dtype", "number"),
    [(pl.UInt32, 3_221_225_994), (pl.Int64, 3_221_225_994), (pl.UInt64, 3_221_225_994), (pl.Int32, -1_073_741_302)],
)
def test_addresses_that_are_whole_numbers_are_ipv4(tmp_path: Path, dtype: pl.DataType, number: int) -> None:
    path = written(tmp_path, dst=pl.lit(number, dtype))
    assert read(path).rows["dest_ip"].to_list() == ["192.0.2.10"]


def test_a_number_that_is_no_address_sets_its_row_aside(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, dst=pl.lit(2**32, pl.Int64)))
    assert (parsed.rows.height, dict(parsed.account.quarantined)) == (0, {"bad_address": 1})
    assert parsed.rejects["detail"].to_list() == ["dest=4294967296"]


def test_numbers_in_columns_that_hold_no_addresses_stay_numbers() -> None:
    frame = pl.DataFrame({"n": [7]})
    assert frame.select(text_of(Found(("n",), pl.Int64()))).item() == "7"


@pytest.mark.parametrize(
    ("dtype", "size", "warned"),
    [
        (pl.Float32, 2**24 - 1, 0),
        (pl.Float32, 2**24, 1),
        (pl.Float32, 3_000_000_000, 1),
        (pl.Float64, 3_000_000_000, 0),
        (pl.Float16, 2_047, 0),
        (pl.Float16, 2_048, 1),
    ],
)
def test_counts_that_are_floats_of_few_bits_are_warned_of(
    tmp_path: Path, dtype: pl.DataType, size: int, warned: int
) -> None:
    parsed = read(written(tmp_path, rx=pl.lit(float(size)).cast(dtype)))
    assert parsed.rows["ip_bytes_in"].to_list() == [size]
    assert parsed.account.warnings["rounded_bytes"] == warned


def test_so_are_times_which_they_know_to_two_minutes(tmp_path: Path) -> None:
    parsed = read(written(tmp_path, at=pl.lit(EIGHT.timestamp()).cast(pl.Float32)))
    assert abs(parsed.rows["start_time"][0] - EIGHT) <= dt.timedelta(seconds=64)
    assert parsed.account.warnings["rounded_times"] == 1


def test_what_is_not_there_is_not_rounded(tmp_path: Path) -> None:
    nothing = pl.Series([None, float("nan")], dtype=pl.Float32)
    path = tmp_path / "own.parquet"
    pl.DataFrame({n: v * 2 for n, v in ROW.items()}).with_columns(rx=nothing).write_parquet(path)
    assert read(path).account.warnings["rounded_bytes"] == 0


def test_a_type_that_is_not_read_is_no_damage(tmp_path: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    row = "SELECT TIMESTAMPTZ '2026-07-20 08:00Z' AS at, '10.0.0.5' AS src, '192.0.2.10' AS dst, 7 AS rx"
    path = tmp_path / "own.parquet"
    duckdb.sql(f"COPY ({row}, to_seconds(5) AS lasted) TO '{path}' (FORMAT parquet)")
    with pytest.raises(SourceError, match="is Parquet with what is not read here: could not import") as error:
        read(path)
    assert "Replace the file" not in str(error.value)


@pytest.mark.parametrize(
    ("times", "good"),
    [
        (pl.Series("at", [2**30, 20_000], dtype=pl.Int32).cast(pl.Date), "2024-10-04T00:00:00+00:00"),
        (pl.Series("at", [2**62, 1_784_534_400_000_000]).cast(pl.Datetime("us")), "2026-07-20T08:00:00+00:00"),
        (pl.Series("at", [2**62, 1_784_534_400_000]).cast(pl.Datetime("ms", "UTC")), "2026-07-20T08:00:00+00:00"),
        (pl.Series("at", [-(2**62), 1_784_534_400_000]).cast(pl.Datetime("ms")), "2026-07-20T08:00:00+00:00"),
        (
            pl.Series("at", [2**63 - 1, 1_784_534_400_000_000]).cast(pl.Datetime("us", "UTC")),
            "2026-07-20T08:00:00+00:00",
        ),
    ],
)
def test_a_time_in_a_year_that_nobody_writes_is_set_aside_and_ends_no_file(
    tmp_path: Path, times: pl.Series, good: str
) -> None:
    """Polars panics where it shall print such a date, and Python has no such time."""
    path = tmp_path / "own.parquet"
    pl.DataFrame({"at": times} | {k: v * 2 for k, v in ROW.items() if k != "at"}).write_parquet(path)
    found = read(path)
    assert [t.isoformat() for t in found.rows["start_time"]] == [good]
    assert found.account.quarantined.total() == 1
    assert found.account.balanced
