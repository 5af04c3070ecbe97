"""Worlds from files: what is accepted, and errors that name the file, the column and what to do."""

import gzip
import io
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import ConfigError
from pipeline.evaluation.context import offered
from pipeline.evaluation.labelled import DAILY, LABELS, make_labelled, read_world
from pipeline.evaluation.notes import coarseness, muteness
from pipeline.evaluation.surge import surge
from tests.pipeline.evaluation.fleets import day, fleet, label_rows, name

THEFT = ("t1", "material", 50, 1)
Change = Callable[[pl.DataFrame], pl.DataFrame]


def changed(daily: Change = lambda f: f, labels: Change = lambda f: f) -> None:
    make_labelled(daily(fleet(4, 60)), labels(label_rows([THEFT])), daily_name="d.parquet", labels_name="l.parquet")


def refused(daily: Change = lambda f: f, labels: Change = lambda f: f) -> str:
    with pytest.raises(ConfigError) as caught:
        changed(daily, labels)
    return caught.value.message


def test_columns_come_in_their_schema_whatever_their_order_and_surplus() -> None:
    daily = fleet(4, 60).with_columns(extra=pl.lit(1)).select("extra", "bytes_in", "src_ip", "day")
    world = make_labelled(daily.sample(fraction=1.0, shuffle=True, seed=1), label_rows([THEFT]))
    assert (world.daily.schema, world.labels.schema) == (DAILY, LABELS)
    assert world.daily["day"].is_sorted()
    assert world.first_judged == day(45)
    assert world.notes == ()


@pytest.mark.parametrize("column", ["day", "src_ip", "bytes_in"])
def test_a_missing_column_is_named_with_those_that_are_there(column: str) -> None:
    text = refused(lambda f: f.drop(column))
    assert text.startswith(f"d.parquet, column {column}: this column is missing.")
    assert "there:" in text


def test_labels_need_a_client_a_day_and_something_to_say() -> None:
    assert "l.parquet, column src_ip" in refused(labels=lambda f: f.drop("src_ip"))
    assert "so is cause" in refused(labels=lambda f: f.drop("attack_id", "cause"))
    changed(labels=lambda f: f.drop("cause"))
    changed(labels=lambda f: f.with_columns(cause=pl.lit("resync")).drop("attack_id", "basket"))


@pytest.mark.parametrize(
    ("column", "value", "fault"),
    [
        ("bytes_in", pl.lit("many"), "this is String, not Int64"),
        ("bytes_in", pl.lit(True), "this is Boolean, not Int64"),
        ("bytes_in", pl.lit(1.5), "more to it"),
        ("bytes_in", pl.lit(2**63, pl.UInt64), "no Int64"),
        ("bytes_in", pl.lit(float("nan")), "no Int64"),
        ("bytes_in", pl.lit(-1), "is negative"),
        ("bytes_in", pl.lit(None, pl.Int64), "is null"),
        ("day", pl.lit(20_000), "not Date"),
        ("day", pl.lit("yesterday"), "no Date"),
        ("day", pl.lit("2026-03-02T07:00:00").str.to_datetime(), "more to it"),
        ("day", pl.lit(None, pl.Date), "is null"),
        ("day", pl.lit("-0001-01-01"), "a day lies outside of the years 1 to 9998 (the first of year -1; "),
        ("day", pl.date(9999, 12, 1), "outside of the years"),
        ("day", pl.date(20_000, 1, 1), "outside of the years"),
        ("src_ip", pl.lit(1.5), "not String"),
        ("src_ip", pl.lit(1e300), "not String"),
        ("src_ip", pl.lit(""), "is null"),
        ("src_ip", pl.lit(" "), "is null"),
        ("group", pl.lit(True), "not String"),
    ],
)
def test_values_of_another_kind_are_refused_by_column(column: str, value: pl.Expr, fault: str) -> None:
    first = pl.int_range(pl.len()) == 0
    keep = column in fleet(1, 1).columns and fault in ("is negative", "is null")
    text = refused(
        lambda f: f.with_columns((pl.when(first).then(value).otherwise(column) if keep else value).alias(column))
    )
    assert text.startswith(f"d.parquet, column {column}: ")
    assert fault in text


@pytest.mark.parametrize(
    "kind",
    [
        pl.col("day").cast(pl.Datetime("ns")),
        pl.col("day").cast(pl.String),
        pl.col("day").cast(pl.String).cast(pl.Categorical),
        pl.col("day").cast(pl.Datetime("ms")).dt.replace_time_zone("Europe/Berlin"),
    ],
)
def test_days_may_be_written_as_midnights_or_text_and_bytes_as_whole_floats(kind: pl.Expr) -> None:
    plain = make_labelled(fleet(4, 60), label_rows([THEFT]))
    other = make_labelled(
        fleet(4, 60).with_columns(kind, pl.col("bytes_in").cast(pl.Float64), pl.col("src_ip").cast(pl.Categorical)),
        label_rows([THEFT]).with_columns(kind),
    )
    assert other.daily.equals(plain.daily)
    assert other.labels.equals(plain.labels)


def test_a_client_and_day_stands_once() -> None:
    text = refused(lambda f: pl.concat([f, f.head(1)]))
    assert "d.parquet, column day and src_ip: this is there more than once" in text
    assert name(0) in text
    both = [("t1", "material", 50, 1), ("t2", "material", 50, 1)]
    make_labelled(fleet(4, 60), label_rows(both, [("resync", 50, 1)]))


def test_labels_given_twice_count_once_and_are_told() -> None:
    labels = label_rows([THEFT], [("resync", 50, 1)])
    once, twice = (make_labelled(fleet(4, 60), frame) for frame in (labels, pl.concat([labels, labels])))
    assert twice.labels.equals(once.labels)
    assert twice.notes == ("2 rows of labels repeat others and are left out.",)


def test_numbers_name_thefts_groups_and_clients_as_well_as_texts() -> None:
    ids = pl.col("src_ip").str.split(".").list.last().cast(pl.UInt32)
    labels = label_rows([THEFT]).with_columns(ids.alias("src_ip"), attack_id=pl.lit(17))
    world = make_labelled(fleet(4, 60).with_columns(ids.alias("src_ip"), group=pl.lit(3, pl.Int8)), labels)
    assert world.daily.row(1, named=True) | {"day": None, "bytes_in": 0} == {
        "day": None,
        "src_ip": "1",
        "bytes_in": 0,
        "group": "3",
        "role": None,
    }
    assert world.labels["attack_id"].to_list() == ["17"]


def test_numbers_with_gaps_name_thefts_as_floats_do_in_pandas() -> None:
    given = label_rows([THEFT], [("resync", 51, 2)])
    whole = given.with_columns(attack_id=pl.Series([17.0, None]), basket=pl.Series([3.0, float("nan")]))
    found = make_labelled(fleet(4, 60), whole).labels.select("attack_id", "basket")
    assert found.rows() == [("17", "3"), (None, None)]
    text = refused(labels=lambda f: f.with_columns(attack_id=pl.lit(1.5)))
    assert "l.parquet, column attack_id: this is Float64, not String" in text


def test_decimals_and_unmarked_text_name_thefts_as_databases_write_them() -> None:
    given = label_rows([THEFT], [("resync", 51, 2)])
    decimal = given.with_columns(attack_id=pl.Series([Decimal(17), None], dtype=pl.Decimal(20, 2)))
    assert make_labelled(fleet(4, 60), decimal).labels["attack_id"].to_list() == ["17", None]
    unmarked = given.with_columns(pl.col("attack_id", "src_ip").cast(pl.Binary))
    daily = fleet(4, 60).with_columns(pl.col("src_ip").cast(pl.Binary))
    assert make_labelled(daily, unmarked).labels.equals(make_labelled(fleet(4, 60), given).labels)
    for odd in (pl.lit(Decimal("1.5")), pl.lit(b"\xff\xfe")):
        assert "column attack_id: this is " in refused(labels=lambda f, o=odd: f.with_columns(attack_id=o))


def test_days_may_have_a_midnight_behind_them() -> None:
    plain = fleet(4, 60)
    for form in (
        "%Y-%m-%dT00:00:00",
        "%Y-%m-%d 00:00:00.000000",
        "%Y-%m-%d 00:00",
        "%Y-%m-%dT00:00:00Z",
        "%Y-%m-%d 00:00:00+01:00",
    ):
        other = make_labelled(plain.with_columns(pl.col("day").dt.strftime(form)), label_rows([THEFT]))
        assert other.daily["day"].equals(make_labelled(plain, label_rows([THEFT])).daily["day"])
    text = refused(lambda f: f.with_columns(pl.col("day").dt.strftime("%Y-%m-%d 07:00:00")))
    assert "a value is no Date" in text


def test_a_theft_has_one_basket() -> None:
    text = refused(labels=lambda f: f.with_columns(basket=pl.lit(None, pl.String)))
    assert text.startswith("l.parquet, column basket: this is null on a row of a theft (attack_id t1")
    text = refused(labels=lambda f: pl.concat([f, f.with_columns(day=day(51), basket=pl.lit("slow"))]))
    assert text.startswith("l.parquet, column attack_id: this spans several baskets (attack_id t1")


def test_a_word_for_no_theft_on_other_rows_is_no_theft() -> None:
    """As one it made hits of false alerts: a column of 0 and 1, or what pandas writes for an empty value."""
    rows = fleet(40, 60)
    every = rows.select("day", "src_ip", attack_id=(pl.col("src_ip") == name(0)).cast(pl.Int64), basket=pl.lit("x"))
    with pytest.raises(ConfigError, match=r"thefts have 100% of all client-days, '0' alone 2,340 rows") as caught:
        make_labelled(rows, every)
    assert "Leave it empty" in caught.value.message
    some = every.filter((pl.col("day") == day(50)) | (pl.col("src_ip") == name(0))).with_columns(
        attack_id=pl.lit("nan")
    )
    told = "The theft 'nan' has 99 rows at 40 of 40 clients, on which every alert is a hit"
    assert any(note.startswith(told) for note in make_labelled(rows, some).notes)


def test_a_cause_on_most_days_is_noted() -> None:
    rows = fleet(4, 60)
    causes = rows.select("day", "src_ip", cause=pl.lit("normal"))
    told = "100% of the client-days have a cause; no method alerts on those that --explained makes known."
    assert any(note.startswith(told) for note in make_labelled(rows, causes).notes)
    assert not any("have a cause" in note for note in make_labelled(rows, causes.head(100)).notes)


def test_clients_that_are_spelled_in_another_way_are_refused_and_single_ones_without_traffic_told() -> None:
    text = refused(labels=lambda f: f.with_columns(src_ip=pl.lit("192.0.2.77")))
    assert text.startswith("l.parquet, column src_ip: no labelled client has traffic on any day")
    assert name(0) in text
    other = label_rows([("t2", "slow", 50, 2)]).with_columns(src_ip=pl.lit("192.0.2.77"))
    world = make_labelled(fleet(4, 60), pl.concat([label_rows([THEFT]), other]))
    assert any(n == "1 labelled client has no traffic on any day." for n in world.notes)
    assert world.labels.height == 2


def test_a_world_without_a_byte_or_with_a_stray_day_is_refused() -> None:
    assert "column bytes_in: no row has bytes" in refused(lambda f: f.with_columns(bytes_in=pl.lit(0)))
    stray = refused(lambda f: pl.concat([f, f.head(1).with_columns(day=pl.date(1970, 1, 1))]))
    assert "from 1970-01-01 to" in stray
    assert "61 have traffic" in stray


def test_the_first_value_that_is_of_another_type_is_shown() -> None:
    text = refused(lambda f: f.with_columns(day=pl.lit("06.01.2026")))
    assert "(the first: '06.01.2026'; 240 rows)" in text
    assert "such as 2026-10-31" in text
    assert "than a whole number holds (the first: 1.5; 240 rows)" in refused(
        lambda f: f.with_columns(bytes_in=pl.lit(1.5))
    )


def test_a_world_is_longer_than_its_warmup() -> None:
    assert "d.parquet, column day: the days end before 2026-04-16" in refused(
        lambda f: f.filter(pl.col("day") < day(45))
    )
    changed(lambda f: f.filter(pl.col("day") <= day(45)))
    assert "there is no row" in refused(lambda f: f.clear())


def test_what_is_left_out_is_told() -> None:
    quiet = (pl.col("src_ip") == name(3)) & (pl.col("day") == day(50))
    daily = fleet(4, 60).with_columns(bytes_in=pl.when(quiet).then(0).otherwise("bytes_in"))
    labels = label_rows([("t1", "slow", 44, 1), ("t1", "slow", 46, 1), ("t2", "material", 50, 3)])
    nothing = labels.head(1).with_columns(pl.lit(None, pl.String).alias(c) for c in ("attack_id", "basket"))
    world = make_labelled(daily, pl.concat([labels, nothing]))
    assert world.notes == (
        "1 row of 0 bytes is no traffic and left out.",
        "1 theft begins before 2026-04-16, in the warm-up, and is not judged.",
        "1 row of a theft has no traffic, so no alert can stand there.",
        "1 theft has no row with traffic and counts as missed.",
        "1 row of labels names neither a theft nor a cause and says nothing.",
    )
    assert world.daily.height == 4 * 60 - 1


def test_a_world_without_a_judged_theft_and_days_without_traffic_are_told() -> None:
    labels = label_rows([("t1", "slow", 3, 1)])
    quiet = make_labelled(fleet(4, 60), labels.clear())
    assert quiet.notes == ("No theft is judged: there are false alerts to tell, and no recall.",)
    stray = pl.concat([fleet(4, 60), fleet(4, 1).with_columns(day=day(-100))])
    assert make_labelled(stray.filter(pl.col("day") != day(50)), labels).notes == (
        "100 of the 160 days from 2025-11-22 to 2026-04-30 have no traffic, 44 of them of the 45 that warm up.",
    )


def test_a_world_whose_addresses_change_daily_says_that_nobody_has_a_past() -> None:
    """Without a word a world in which nothing can be told looks like one without alerts."""
    plain = fleet(4, 60)
    daily = pl.col("src_ip") + "-" + pl.col("day").cast(pl.String)
    few = pl.when(pl.col("src_ip") == name(0)).then(daily).otherwise("src_ip")
    text = "of the client-days judged have fewer than 3 days of their client in the 30 days before"
    for rename, told in ((daily, f"100% {text}"), (few, "")):
        notes = " ".join(make_labelled(plain.with_columns(src_ip=rename), label_rows([]), events=None).notes)
        assert (text in notes) is bool(told)
        assert told in notes
    sparse = plain.filter((pl.col("day") - day(0)).dt.total_days() % 11 == 0)
    assert "100% of the client-days" in " ".join(make_labelled(sparse, label_rows([])).notes)


@pytest.mark.parametrize(("every", "judged"), [(6, True), (7, False)])
def test_a_world_of_one_day_a_week_says_that_surge_cannot_judge_it(every: int, judged: bool) -> None:
    weekly = fleet(4, 120).filter((pl.col("day") - day(0)).dt.total_days() % every == 0)
    found = make_labelled(weekly, label_rows([]))
    told = "No client has traffic on 5 of the 30 days before any day: surge has nothing to judge by"
    assert any(note.startswith(told) for note in found.notes) is not judged
    assert surge().expect(found.daily, offered(found, 0), [day(114 if judged else 112)]).is_empty() is not judged


@pytest.mark.parametrize(("clients", "told"), [(357, True), (358, False)])
def test_budgets_that_the_past_cannot_tell_are_noted(clients: int, told: bool) -> None:
    """10,000 / 28 = 357.1 clients a day hold one score in 10,000 of 28 days."""
    text = coarseness(clients * 30, 30, 28, 1.0)
    assert (text is not None) is told
    assert text is None or "rarer than 1 a day per 10,000 clients" in text


@pytest.mark.parametrize(
    ("clients", "told"),
    [
        (14, "in any channel, at a budget of 5 in the channels slow and new."),
        (20, "in any channel, at a budget of 5 in the channel new."),
        (90, "at a budget of 1 in the channel new."),
        (120, None),
    ],
)
def test_a_fleet_in_which_a_channel_of_surge_cannot_alert_is_noted(clients: int, told: str | None) -> None:
    """A tenth of an alert in 56 x 20 client-days is .89 a day per 10,000."""
    text = muteness(clients * 30, 30, [1.0, 5.0, 20.0])
    assert (text is None) if told is None else (text is not None and text.endswith(told))
    assert clients != 20 or "no rate below 0.892 a day" in (text or "")


def test_files_are_read_and_broken_ones_named(tmp_path: Path) -> None:
    daily, labels = tmp_path / "day=1" / "daily.parquet", tmp_path / "labels.parquet"
    daily.parent.mkdir()
    fleet(4, 60).write_parquet(daily)
    label_rows([THEFT]).write_parquet(labels)
    assert read_world(daily, labels).labels["attack_id"].to_list() == ["t1"]
    labels.write_bytes(labels.read_bytes()[:-20])
    with pytest.raises(ConfigError, match=r"labels\.parquet: this cannot be read as Parquet \(it was cut\)\."):
        read_world(daily, labels)
    with pytest.raises(ConfigError, match="there is no such file"):
        read_world(daily, tmp_path / "none.parquet")
    with pytest.raises(ConfigError, match=r"is a folder\. Write its rows as one Parquet file"):
        read_world(tmp_path, labels)


def _as_arrow(rows: pl.DataFrame) -> bytes:
    rows.write_ipc(found := io.BytesIO())
    return found.getvalue()


def _as_stream(rows: pl.DataFrame) -> bytes:
    rows.write_ipc_stream(found := io.BytesIO())
    return found.getvalue()


def _as_parquet(rows: pl.DataFrame) -> bytes:
    rows.write_parquet(found := io.BytesIO())
    return found.getvalue()


def _with_long_decimals(rows: pl.DataFrame) -> bytes:
    """Decimals of 63 digits, as of Arrow's decimal256: Polars reads 38."""
    rows.with_columns(pl.col("bytes_in").cast(pl.Decimal(37, 0))).write_parquet(found := io.BytesIO(), statistics=False)
    whole = found.getvalue()
    size = int.from_bytes(whole[-8:-4], "little")
    footer = whole[-8 - size : -8].replace(b"ARROW:schema", b"XRROW:schema")
    return whole[: -8 - size] + footer.replace(b"\x15\x00\x15\x4a", b"\x15\x00\x15\x7e") + whole[-8:]


KINDS: dict[str, tuple[Callable[[pl.DataFrame], bytes], str]] = {
    "csv": (lambda rows: rows.write_csv().encode(), r"\(it is text, such as CSV or JSON\)"),
    "json": (lambda rows: rows.write_ndjson().encode(), r"\(it is text, such as CSV or JSON\)"),
    "feather": (_as_arrow, r"\(it is an Arrow file \(Feather\)\)"),
    "stream": (_as_stream, r"\(it is an Arrow stream\)"),
    "gzip": (lambda rows: gzip.compress(_as_parquet(rows)), r"\(it is compressed \(gzip\)\)"),
    "empty": (lambda _: b"", r"\(it is empty\)"),
    "noise": (lambda _: bytes(range(256)), r"\(it is of another kind\)"),
    "decimals": (_with_long_decimals, r"\(.*precision 63\. The max precision can only be 38\)"),
}


@pytest.mark.parametrize("kind", KINDS)
def test_what_cannot_be_read_says_what_it_is(tmp_path: Path, kind: str) -> None:
    daily, labels = tmp_path / "daily.parquet", tmp_path / "labels.parquet"
    make, told = KINDS[kind]
    daily.write_bytes(make(fleet(4, 60)))
    label_rows([THEFT]).write_parquet(labels)
    with pytest.raises(ConfigError, match=rf"daily\.parquet: this cannot be read as Parquet {told}\. Write it again"):
        read_world(daily, labels)
