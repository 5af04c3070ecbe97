"""Windows of the past: which days and values are in them, and that stored floats depend on nothing else."""

from __future__ import annotations

import datetime as dt
import math
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest

from pipeline import baseline
from pipeline.baseline import build_baseline
from pipeline.detections import load_rules
from pipeline.detections.model import Measure
from pipeline.errors import RuleError
from pipeline.methods.seed import score
from pipeline.schemas import DAILY_TRAFFIC, TRAFFIC_BASELINE

DAY = dt.date(2026, 6, 30)
MAIL = Measure("bytes_in", "email_server", "dest", "src_ip")
OTHER = Measure("bytes_out", "email_server", "src", "dest_ip")
SEED = next(r for r in load_rules({}, lookback_days=30) if r.measure == MAIL)
LONG_AGO = dt.date(2020, 1, 1)
History = dict[str | None, dict[int, int | None]]
"""Client -> days back -> bytes."""


def daily(history: History, measure: Measure = MAIL) -> pl.DataFrame:
    rows = [
        {"day": DAY - dt.timedelta(days=back), "measure": measure.id, "client": client, "bytes": value}
        for client, days in history.items()
        for back, value in days.items()
    ]
    return DAILY_TRAFFIC.conform(pl.DataFrame(rows, schema={c: DAILY_TRAFFIC.schema[c] for c in COLUMNS}))


COLUMNS = ("day", "measure", "client", "bytes")


def build(
    frame: pl.DataFrame, lookback: int = 30, start: dt.date = LONG_AGO, present: list[dt.date] | None = None
) -> pl.DataFrame:
    days = frame["day"].to_list() if present is None else present
    return build_baseline(frame.lazy(), DAY, [(MAIL, lookback)], start=start, present=days)


def client_row(frame: pl.DataFrame, client: str | None) -> dict[str, object]:
    picked = frame.filter((pl.col("scope") == "client") & pl.col("client").eq_missing(pl.lit(client)))
    return picked.row(0, named=True)


def fleet_row(frame: pl.DataFrame) -> dict[str, object]:
    return frame.filter(pl.col("scope") == "fleet").row(0, named=True)


def back(days: int) -> dt.date:
    return DAY - dt.timedelta(days=days)


def test_the_day_itself_and_days_before_the_window_are_left_out() -> None:
    row = client_row(build(daily({"10.0.0.1": {0: 9_000, 1: 10, 3: 20, 4: 7_000}}), lookback=3), "10.0.0.1")
    assert (row["n_past_rows"], row["n_past_values"], row["sum_bytes"], row["sum_squares"]) == (2, 2, "30", "500")
    assert (row["avg_bytes"], row["stdev_bytes"]) == (15.0, math.sqrt(50))


def test_no_window_reaches_before_the_start() -> None:
    row = client_row(build(daily({"10.0.0.1": {1: 10, 2: 20, 3: 70}}), start=back(2)), "10.0.0.1")
    assert row["n_past_rows"] == 2
    assert (row["window_days"], row["window_days_present"], row["window_complete"]) == (2, 2, True)


def test_missing_days_are_counted_and_make_the_window_incomplete() -> None:
    found = build(daily({"10.0.0.1": {1: 10}}), lookback=5, present=[back(1), back(3), back(9), DAY])
    assert found["window_days"].to_list() == [5, 5]
    assert found["window_days_present"].to_list() == [2, 2]
    assert not found["window_complete"].any()


def test_a_stored_day_without_rows_counts_as_present() -> None:
    found = build(daily({"10.0.0.1": {1: 10}}), lookback=2, present=[back(1), back(2)])
    assert found["window_complete"].all()


def test_unknown_values_count_as_rows_and_not_as_values() -> None:
    row = client_row(build(daily({"10.0.0.1": {1: None, 2: None, 3: 5}})), "10.0.0.1")
    assert (row["n_past_rows"], row["n_past_values"]) == (3, 1)
    assert (row["avg_bytes"], row["stdev_bytes"]) == (5.0, None)


def test_a_client_of_only_unknown_values_has_neither_mean_nor_deviation() -> None:
    row = client_row(build(daily({"10.0.0.1": {1: None, 2: None}})), "10.0.0.1")
    assert (row["n_past_values"], row["avg_bytes"], row["stdev_bytes"], row["sum_bytes"]) == (0, None, None, "0")


def test_the_fleet_leaves_out_rows_without_a_client_which_have_a_row_of_their_own() -> None:
    found = build(daily({"10.0.0.1": {1: 10}, "10.0.0.2": {1: 20, 2: 30}, None: {1: 1_000}}))
    assert (fleet_row(found)["n_past_rows"], fleet_row(found)["sum_bytes"]) == (3, "60")
    assert client_row(found, None)["sum_bytes"] == "1000"


def test_an_empty_past_gives_a_fleet_of_nothing() -> None:
    found = build(daily({"10.0.0.1": {0: 5}}))
    assert found.height == 1
    assert (fleet_row(found)["n_past_rows"], fleet_row(found)["avg_bytes"]) == (0, None)


def test_without_series_the_table_is_empty_and_typed() -> None:
    found = build_baseline(daily({}).lazy(), DAY, [], start=LONG_AGO, present=[])
    assert found.equals(TRAFFIC_BASELINE.empty())


def test_each_series_and_lookback_has_its_own_rows() -> None:
    both = pl.concat([daily({"10.0.0.1": {1: 10, 5: 20}}), daily({"10.0.0.2": {1: 40}}, OTHER)])
    series = [(MAIL, 30), (MAIL, 3), (OTHER, 30)]
    found = build_baseline(both.lazy(), DAY, series, start=LONG_AGO, present=[])
    fleets = found.filter(pl.col("scope") == "fleet").select("measure", "lookback_days", "sum_bytes").rows()
    assert fleets == [(MAIL.id, 3, "10"), (MAIL.id, 30, "30"), (OTHER.id, 30, "40")]


@pytest.mark.parametrize(
    "values",
    [
        [10**15, 10**15 + 1, 10**15 + 2],
        [2**63 - 1] * 5,
        [2**63 - 1, 2**63 - 2, 0],
        [2**62, 2**62 - 1],
        [2**62 - 1, 2**62 - 2],
        [2**57] * 30,
    ],
)
def test_sums_and_floats_hold_beyond_64_bits(values: list[int]) -> None:
    found = build(daily({"10.0.0.1": {i + 1: v for i, v in enumerate(values)}}))
    n, total, squares = len(values), sum(values), sum(v * v for v in values)
    variance = Fraction(n * squares - total * total, n * (n - 1))
    for row in (client_row(found, "10.0.0.1"), fleet_row(found)):
        assert (row["sum_bytes"], row["sum_squares"]) == (str(total), str(squares))
        assert row["avg_bytes"] == pytest.approx(float(Fraction(total, n)), rel=1e-15)
        assert row["stdev_bytes"] == pytest.approx(math.sqrt(variance), rel=1e-15)


def crowd_value(client: int, days_back: int) -> int | None:
    if client * days_back % 11 == 7:
        return None
    if client % 13 == 3:
        return 2**63 - 1 - days_back
    return client * 7_919 % 1_009 + days_back * client


def crowd() -> pl.DataFrame:
    """Clients of common, huge and unknown values, in 4 to 7 days each, and rows without a client."""
    rows: History = {f"10.0.0.{c}": {d: crowd_value(c, d) for d in range(1, 5 + c % 4)} for c in range(90)}
    return daily(rows | {None: {1: 5, 2: 6}})


def test_rows_are_the_same_bits_in_any_order_and_in_any_chunks() -> None:
    frame = crowd()
    expected = build(frame)
    shuffled = frame.sample(fraction=1.0, shuffle=True, seed=7)
    pieces = pl.concat([shuffled[i : i + 17] for i in range(0, frame.height, 17)], rechunk=False)
    assert build(shuffled).equals(expected, null_equal=True)
    assert build(pieces).equals(expected, null_equal=True)


def test_a_client_has_the_same_bits_alone_and_in_a_crowd() -> None:
    frame = crowd()
    expected = build(frame).filter(pl.col("scope") == "client")
    for client in frame["client"].unique():
        mine = frame.filter(pl.col("client").eq_missing(pl.lit(client)))
        alone = build(mine, present=frame["day"].to_list()).filter(pl.col("scope") == "client")
        assert alone.equals(expected.filter(pl.col("client").eq_missing(pl.lit(client))))


@pytest.mark.parametrize("size", [1, 7, 89, 90, 91])
def test_working_in_parts_of_the_fleet_changes_nothing(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = build(crowd())
    monkeypatch.setattr(baseline, "_CLIENTS_A_PART", size)
    assert build(crowd().sample(fraction=1.0, shuffle=True, seed=7)).equals(expected)


def test_stored_days_and_frames_in_memory_give_the_same(tmp_path: Path) -> None:
    frame = crowd()
    for (day,), rows in frame.group_by("day"):
        DAILY_TRAFFIC.conform(rows).write_parquet(tmp_path / f"{day}.parquet", row_group_size=16)
    stored = pl.scan_parquet(tmp_path / "*.parquet")
    again = build_baseline(stored, DAY, [(MAIL, 30)], start=LONG_AGO, present=frame["day"].to_list())
    assert again.equals(build(frame))


@pytest.mark.parametrize("null_client", ["drop", "literal"])
def test_scores_are_the_same_bits_in_any_order_of_both_tables(null_client: str) -> None:
    now: History = {f"10.0.0.{c}": {0: 3_000 + c} for c in range(90)}
    frame = pl.concat([crowd(), daily(now | {None: {0: 11}})])
    rule = SEED.model_copy(update={"null_client": null_client})
    today, past = frame.filter(pl.col("day") == DAY), build(frame)
    expected = score(today, past, rule, DAY)
    assert expected.height == 90 + (null_client == "literal")
    for seed in range(3):
        mixed = [f.sample(fraction=1.0, shuffle=True, seed=seed) for f in (today, past)]
        assert score(mixed[0], mixed[1], rule, DAY).equals(expected)


def test_a_rule_whose_baseline_was_not_made_is_an_error_and_not_a_quiet_day() -> None:
    frame = daily({"10.0.0.1": {0: 5, 1: 4}})
    past = build(frame, lookback=7)
    with pytest.raises(RuleError, match=f"day {DAY}: rule {SEED.id} has no baseline of 30 days"):
        score(frame.filter(pl.col("day") == DAY), past, SEED, DAY)
    assert score(frame.filter(pl.col("day") < back(1)), past, SEED, DAY).is_empty()
