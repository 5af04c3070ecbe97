"""The seed method on the worked cases, and against a naive reading of the original search."""

import datetime as dt

import polars as pl
import pytest

from pipeline.baseline import build_baseline
from pipeline.detections import Rule, load_rules
from pipeline.methods.seed import score
from pipeline.schemas import DAILY_TRAFFIC

DAY = dt.date(2026, 11, 20)
RULES = {r.id: r for r in load_rules({}, lookback_days=30)}
SEED = RULES["hosts_receiving_high_volume_from_email_server"]


def daily(rows: dict[str | None, list[int | None]], rule: Rule = SEED) -> pl.DataFrame:
    """Daily rows; the last value of each client is today's, earlier ones are the days before."""
    time = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    out = [
        {
            "day": DAY - dt.timedelta(days=i),
            "measure": rule.measure.id,
            "client": client,
            "bytes": value,
            "flows": 1,
            "flows_unknown": 0,
            "servers": 1,
            "first_start": time,
            "last_start": time,
        }
        for client, values in rows.items()
        for i, value in enumerate(reversed(values))
    ]
    return pl.DataFrame(out, schema=DAILY_TRAFFIC.schema)


def scores(rows: dict[str | None, list[int | None]], rule: Rule = SEED) -> pl.DataFrame:
    frame = daily(rows, rule)
    past = build_baseline(
        frame.lazy(),
        DAY,
        [(rule.measure, rule.lookback_days)],
        start=dt.date(2020, 1, 1),
        present=frame["day"].unique().to_list(),
    )
    return score(frame.filter(pl.col("day") == DAY), past, rule, DAY)


def alerting(rows: dict[str | None, list[int | None]], rule: Rule = SEED) -> list[str]:
    return scores(rows, rule).filter(pl.col("state") == "alert")["client"].to_list()


@pytest.mark.parametrize(("length", "alerts"), [(4, 0), (5, 0), (10, 0), (11, 1), (12, 1), (15, 1), (31, 1)])
def test_e1_a_lone_client_needs_eleven_rows(length: int, alerts: int) -> None:
    assert len(alerting({"a": [100] * (length - 1) + [10**12]})) == alerts


def test_rows_of_other_series_and_windows_change_no_score() -> None:
    rows: dict[str | None, list[int | None]] = {"a": [100, 110, 90, 105, 95, 1000], "b": [100, 100, 110, 90, 100, 100]}
    other = next(r for r in load_rules({}, lookback_days=30) if r.field == "bytes_out")
    frame = pl.concat([daily(rows), daily({"a": [9] * 6, "c": [10**15]}, other)])
    series = [(SEED.measure, 30), (SEED.measure, 2), (other.measure, 30)]
    past = build_baseline(frame.lazy(), DAY, series, start=dt.date(2020, 1, 1), present=frame["day"].to_list())
    assert score(frame.filter(pl.col("day") == DAY), past, SEED, DAY).equals(scores(rows))


def test_flows_without_a_client_are_a_peer_group_of_their_own() -> None:
    """Their three values 7, 9 and 50 are compared with each other alone: mean 22, deviation sqrt(589)."""
    rule = SEED.with_numbers({"reference": "group", "null_client": "literal"})
    rows: dict[str | None, list[int | None]] = {None: [7, 9, 50], "10.0.0.1": [10**6] * 3, "10.0.0.2": [10**9] * 3}
    found = scores(rows, rule).filter(pl.col("client") == "null").row(0, named=True)
    assert (found["fleet_n"], found["avg_bytes"]) == (3, 22.0)
    assert found["stdev_bytes"] == pytest.approx(589**0.5, rel=1e-15)


def test_dropped_flows_without_a_client_count_in_no_peer_group() -> None:
    """Names that are no addresses belong to no network either: only their own three values are compared."""
    rule = SEED.with_numbers({"reference": "group", "null_client": "drop"})
    found = scores({None: [10**6] * 3, "lab-printer": [7, 9, 50]}, rule).row(0, named=True)
    assert (found["client"], found["fleet_n"], found["avg_bytes"]) == ("lab-printer", 3, 22.0)


@pytest.mark.parametrize(
    ("last", "alerts"), [(1000, ["a"]), (950, ["a"]), (500, ["a"]), (200, ["a"]), (150, []), (130, [])]
)
def test_e2_a_spike_must_pass_both_gates(last: int, alerts: list[str]) -> None:
    assert alerting({"a": [100, 110, 90, 105, 95, last], "b": [100, 100, 110, 90, 100, 100]}) == alerts


def test_e2_gives_the_exact_figures() -> None:
    row = scores({"a": [100, 110, 90, 105, 95, 1000], "b": [100, 100, 110, 90, 100, 100]}).row(0, named=True)
    assert row["avg_bytes"] == 175.0
    assert row["stdev_bytes"] == 259.8863387923826
    assert row["per_source_avg_bytes"] == 100.0
    assert row["per_source_stdev_bytes"] == 7.905694150420948
    assert row["num_standard_deviations_away_from_server_average"] == 3.17
    assert row["num_standard_deviations_away_from_client_average"] == 113.84
    assert row["n"] == 6


def test_e3_without_deviation_a_single_byte_alerts_and_has_no_distance() -> None:
    rows: dict[str | None, list[int | None]] = {f"x{i}": [100] * 6 for i in range(20)}
    hit = scores(rows | {"c": [100] * 5 + [101]}).filter(pl.col("state") == "alert").row(0, named=True)
    assert hit["client"] == "c"
    assert hit["num_standard_deviations_away_from_server_average"] == 11.14
    assert hit["num_standard_deviations_away_from_client_average"] is None


@pytest.mark.parametrize(
    ("history", "alerts", "state"), [(0, [], "no_history"), (2, [], "learning"), (3, ["new"], "alert")]
)
def test_e4_a_new_client_alerts_from_its_fourth_day(history: int, alerts: list[str], state: str) -> None:
    rows: dict[str | None, list[int | None]] = {f"x{i}": [100] * 6 for i in range(20)}
    found = scores(rows | {"new": [100] * history + [10**9]})
    assert found.filter(pl.col("state") == "alert")["client"].to_list() == alerts
    assert found.filter(pl.col("client") == "new")["state"].item() == state


def test_e5_the_deviation_of_one_value_is_zero_or_unknown_by_choice() -> None:
    rows: dict[str | None, list[int | None]] = {f"x{i}": [100] * 6 for i in range(20)} | {"a": [None, None, 100, 10**6]}
    assert alerting(rows) == ["a"]
    assert alerting(rows, SEED.model_copy(update={"stdev_of_one": "null"})) == []


def test_e6_null_clients_kept_as_one_hide_an_alert() -> None:
    rows: dict[str | None, list[int | None]] = {f"x{i}": [100] * 6 for i in range(20)}
    rows |= {"a": [100] * 5 + [1000], None: [10**6] * 6}
    assert alerting(rows) == ["a"]
    assert alerting(rows, SEED.model_copy(update={"null_client": "literal"})) == []


@pytest.mark.parametrize(("spikes", "found"), [(1, 1), (11, 11), (12, 0), (20, 0)])
def test_e7_too_many_spikes_at_once_mask_each_other(spikes: int, found: int) -> None:
    assert len(alerting({f"x{i:02}": [100] * 5 + [10**9 if i < spikes else 100] for i in range(20)})) == found


@pytest.mark.parametrize("rule", list(RULES.values()), ids=list(RULES))
def test_the_cases_inside_each_rule_hold(rule: Rule) -> None:
    for case in rule.tests:
        rows: dict[str | None, list[int | None]] = {c: list(v) for c, v in case.rows.items()}
        assert tuple(alerting(rows, rule)) == case.expect, case.name


def test_sums_beyond_128_bits_do_not_wrap() -> None:
    rows: dict[str | None, list[int | None]] = {f"x{i}": [10**15] * 4 for i in range(5_000)}
    found = scores(rows | {"a": [1, 1, 1, 10**15]})
    assert found["avg_bytes"][0] == pytest.approx(10**15, rel=1e-3)
    assert found.filter(pl.col("state") == "alert").is_empty()
