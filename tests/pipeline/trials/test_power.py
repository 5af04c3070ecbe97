"""The power map against trying it: the naive detection and the whole surge method at its volumes and one byte below."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from dataclasses import replace
from fractions import Fraction

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline import exact
from pipeline.baseline import build_baseline
from pipeline.detections import Rule, RuleOverride, load_rules
from pipeline.methods.surge import calibrated, raw_scores
from pipeline.methods.surge.calibration import Calibration, alerting
from pipeline.methods.surge.raw import with_scores
from pipeline.schemas import POWER_MAP
from pipeline.trials.power import coverage, seed_power, surge_power
from tests.examples import examples
from tests.oracle import seed as oracle
from tests.property.seed_cases import LARGEST, Case, cases, daily_frame

PROFILE = settings(max_examples=examples(130))
SURGE = next(r for r in load_rules({"mail_volume_surge": RuleOverride()}, lookback_days=30) if r.method == "surge")
FIRST, DAY = dt.date(2026, 6, 1), dt.date(2026, 7, 2)


@settings(PROFILE, max_examples=examples(200))
@given(
    st.lists(st.one_of(st.integers(0, 9), st.integers(0, 10**15)), max_size=30),
    st.sampled_from(["0", "0.5", "1", "3", "7/2", "100"]),
)
def test_the_least_value_passes_the_gate_it_is_part_of_and_one_less_does_not(others: list[int], k: str) -> None:
    least = exact.least_beside(len(others), sum(others), sum(v * v for v in others), Fraction(k))

    def passes(x: int) -> bool | None:
        return oracle.statistics([*others, x], oracle.Numbers()).above(x, Fraction(k))

    if least is None:
        assert not any(passes(x) for x in (0, 1, 10**3, 10**18, 10**40))
    else:
        assert passes(least)
        assert least == 0 or not passes(least - 1)


@pytest.mark.parametrize("others", [[0, 3, 7], [5] * 4, [0] * 11, [1, 2, 3, 4, 5, 6, 7, 8, 9, 9, 9]])
@pytest.mark.parametrize("k", ["0", "1", "3/2", "3"])
def test_the_least_value_is_the_first_of_all_that_pass(others: list[int], k: str) -> None:
    found = [oracle.statistics([*others, x], oracle.Numbers()).above(x, Fraction(k)) for x in range(200)]
    first = found.index(True) if True in found else None
    assert exact.least_beside(len(others), sum(others), sum(v * v for v in others), Fraction(k)) == first
    assert first is None or all(found[first:])


def power_of(case: Case) -> pl.DataFrame:
    rows = daily_frame(case.rows, case.rule)
    present = rows["day"].unique().to_list()
    series = [(case.rule.measure, case.rule.lookback_days)]
    past = build_baseline(rows.lazy(), case.day, series, start=case.start, present=present)
    return seed_power(rows.filter(pl.col("day") == case.day), past, case.rule, case.day)


def alerts_with(case: Case, client: str, x: int) -> bool:
    """What the naive detection says when the client's volume of the day is x."""
    named = [(d, c, x if (d, c or "null") == (case.day, client) else v) for d, c, v in case.rows]
    return any(v.client == client and v.state == "alert" for v in replace(case, rows=tuple(named)).verdicts())


def test_the_extra_bytes_alert_and_one_byte_less_does_not_by_the_naive_reading() -> None:
    seen: Counter[str] = Counter()

    @settings(PROFILE)
    @given(cases())
    def check(case: Case) -> None:
        power = power_of(case)
        assert power.schema == POWER_MAP.schema
        assert power["client"].to_list() == [v.client for v in case.verdicts()]
        for row in power.iter_rows(named=True):
            before = row["bytes"] or 0
            if row["extra"] is None:
                assert not alerts_with(case, row["client"], LARGEST)
            else:
                assert alerts_with(case, row["client"], row["least"])
                assert row["least"] == 0 or not alerts_with(case, row["client"], row["least"] - 1)
                assert row["extra"] == max(row["least"] - before, 0)
            seen[row["reason"] or row["bound_by"]] += 1

    check()
    assert min(seen[s] for s in ("fleet", "own", "no_history", "too_few_samples", "masked")) >= 5, seen


def test_one_past_day_tells_no_deviation_where_the_rule_says_so() -> None:
    fleet = [(DAY - dt.timedelta(days=i), f"10.0.1.{c}", 5 + i) for i in range(7) for c in range(20)]
    numbers = oracle.Numbers(minimum=2, stdev_of_one_is_zero=False)
    rows = (*fleet, (DAY - dt.timedelta(days=1), "10.0.0.1", 5), (DAY, "10.0.0.1", 5))
    case = Case(DAY, FIRST, rows, numbers, "3", twin=False)
    row = power_of(case).row(by_predicate=pl.col("client") == "10.0.0.1", named=True)
    assert (row["reason"], row["least"]) == ("deviation_unknown", None)
    assert not alerts_with(case, "10.0.0.1", LARGEST)


def test_a_gate_beyond_64_bits_is_said_to_be_so() -> None:
    past = [(DAY - dt.timedelta(days=i + 1), "10.0.0.1", LARGEST * (i % 2)) for i in range(6)]
    fleet = [(DAY - dt.timedelta(days=i), f"10.0.1.{c}", 5) for i in range(7) for c in range(20)]
    case = Case(DAY, FIRST, (*past, *fleet, (DAY, "10.0.0.1", 5)), oracle.Numbers(), "3", twin=False)
    row = power_of(case).row(by_predicate=pl.col("client") == "10.0.0.1", named=True)
    assert (row["reason"], row["least"], row["extra"]) == ("beyond_counting", None, None)
    assert not alerts_with(case, "10.0.0.1", LARGEST)


def test_a_client_that_alerts_needs_nothing_and_an_unknown_volume_counts_from_nothing() -> None:
    numbers, past = oracle.Numbers(), DAY - dt.timedelta(days=1)
    rows = [(past - dt.timedelta(days=i), f"10.0.0.{c}", 100 + i) for i in range(5) for c in range(6)]
    today = [(DAY, "10.0.0.0", 10_000), (DAY, "10.0.0.1", None), (DAY, "10.0.0.2", 90)]
    power = power_of(Case(DAY, FIRST, tuple([*rows, *today]), numbers, "3", twin=False))
    extra = dict(power.select("client", "extra").iter_rows())
    assert extra["10.0.0.0"] == 0
    # Both pass the same gate but for what the fleet loses by the known 90.
    assert extra["10.0.0.1"] > 90
    assert extra["10.0.0.2"] > 0


def world(clients: int, seed: int) -> pl.DataFrame:
    """72 days of log-normal clients in four groups, one role of few, and a newcomer of three days."""
    rng = np.random.default_rng(seed)
    level = rng.normal(16, 0.8, clients)
    rows = []
    for n in range(-71, 1):
        volume = np.exp(level + rng.standard_t(5, clients) * 0.5).astype(int)
        for c, v in enumerate(volume):
            if c > 0 or n >= -2:
                role, group = ("nat" if c % 10 == 9 else "client"), f"g{c % 4}"
                rows.append((DAY + dt.timedelta(days=n), f"10.0.0.{c}", int(v), group, role))
    schema = {"day": pl.Date, "client": pl.String, "bytes": pl.Int64, "group": pl.String, "role": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def surge_alerts(daily: pl.DataFrame, raw: pl.DataFrame, client: str, volume: int, rule: Rule) -> bool:
    """Whether the whole method alerts with the client's volume of the day, the days before as they were."""
    robbed = pl.when((pl.col("day") == DAY) & (pl.col("client") == client)).then(volume).otherwise("bytes")
    today = raw_scores(daily.with_columns(bytes=robbed), [DAY], rule.surge)
    told = calibrated(pl.concat([raw.filter(pl.col("day") < DAY), today]), [DAY], rule.surge)
    return told.filter((pl.col("client") == client) & pl.col("alert")).height > 0


@pytest.mark.parametrize(("seed", "budget"), [(1, 20.0), (2, 300.0)])
def test_surge_alerts_at_its_volume_and_not_a_byte_below(seed: int, budget: float) -> None:
    daily, rule = world(40, seed), SURGE.with_numbers({"budget": budget})
    raw = raw_scores(daily, [DAY - dt.timedelta(days=n) for n in range(29)], rule.surge)
    power = surge_power(raw, rule, DAY)
    assert power.height == 40
    assert power.filter(pl.col("extra").is_not_null()).height >= 39
    for row in power.head(3).iter_rows(named=True):
        if row["extra"] is None:
            assert not surge_alerts(daily, raw, row["client"], 10**15, rule)
            continue
        assert surge_alerts(daily, raw, row["client"], row["bytes"] + row["extra"], rule)
        assert row["extra"] == 0 or not surge_alerts(daily, raw, row["client"], row["bytes"] + row["extra"] - 1, rule)


def test_surge_with_too_few_scored_days_is_learning_and_with_a_tiny_budget_nobody_is_rare_enough() -> None:
    daily = world(20, 3)
    few = raw_scores(daily, [DAY - dt.timedelta(days=n) for n in range(5)], SURGE.surge)
    assert set(surge_power(few, SURGE, DAY)["reason"]) == {"learning"}
    raw = raw_scores(daily, [DAY - dt.timedelta(days=n) for n in range(29)], SURGE.surge)
    tiny = surge_power(raw, SURGE.with_numbers({"budget": 0.01}), DAY)
    assert set(tiny["reason"]) == {"budget_too_small"}
    assert tiny["extra"].null_count() == 20


@pytest.mark.parametrize(
    ("channel", "past", "away", "reason"),
    [
        ("shot", 3, 0, "learning"),  # each client has a known day, but none has five
        ("shot", 13, 0, None),
        ("slow", 15, 0, "learning"),  # the shot has seven scored days by then, slow has none
        ("shot", 13, 40, "learning"),  # seven days are scored, and a gap leaves nobody a known day
    ],
)
def test_surge_is_learning_until_a_channel_with_a_share_can_tell(
    channel: str, past: int, away: int, reason: str | None
) -> None:
    days = [DAY - dt.timedelta(days=n) for n in range(past + 1)]
    daily = world(7, 3).filter(pl.col("day").is_in(days), pl.col("client") != "10.0.0.0")
    before = pl.col("day") < DAY
    daily = daily.with_columns(pl.when(before).then(pl.col("day") - dt.timedelta(days=away)).otherwise("day"))
    rule = SURGE.with_numbers({"budget": 5_000.0, "shares": {channel: 1.0}})
    raw = raw_scores(daily, daily["day"].unique(), rule.surge)
    assert set(surge_power(raw, rule, DAY)["reason"]) == {reason}


def test_clients_that_no_channel_with_a_share_judges_are_told_apart_from_those_that_are_not_rare() -> None:
    known, names = [DAY - dt.timedelta(days=n) for n in range(29)], ("10.0.0.0", "10.0.0.1", "10.0.0.2")
    daily = world(40, 5)
    # Two hosts that are there for the first time, and for the third: only new judges them; slow judges the others.
    young = {names[0]: DAY, names[1]: DAY - dt.timedelta(days=2)}
    started = pl.col("client").replace_strict(young, default=known[-1], return_dtype=pl.Date)
    raw = raw_scores(daily.filter(pl.col("day") >= started), known, SURGE.surge)

    def reasons(**shares: float) -> dict[str, str | None]:
        rule = SURGE.with_numbers({"budget": 3_000.0, "shares": shares})
        return dict(surge_power(raw, rule, DAY).select("client", "reason").iter_rows())

    assert [reasons(new=1.0)[c] for c in names] == [None, None, "no_channel"]
    assert [reasons(slow=1.0)[c] for c in names[:2]] == ["no_channel"] * 2
    assert "no_channel" not in [reasons(slow=1.0)[c] for c in names[2:]]
    assert [reasons(slow=0.5, new=0.5)[c] for c in names[:2]] == [None, None]
    early = raw.filter(pl.col("day") > DAY - dt.timedelta(days=9))
    told = dict(
        surge_power(
            early.with_columns(slow=pl.when(pl.col("day") == DAY).then("slow")),
            SURGE.with_numbers({"budget": 3_000.0, "shares": {"slow": 0.5, "new": 0.5}}),
            DAY,
        )
        .select("client", "reason")
        .iter_rows()
    )
    # New has scored days before, slow has none: those that slow will judge are not told that they are never judged.
    assert [told[c] for c in names] == [None, None, "learning"]


def test_coverage_counts_who_needs_no_more_than_the_theft_and_clients_that_never_alert_are_unprotected() -> None:
    rows = [("a", 0), ("b", 100), ("c", 101), ("d", None)]
    told = [{"day": DAY, "rule_id": "r", "client": c, "extra": e} for c, e in rows]
    power = POWER_MAP.conform(pl.DataFrame(told, schema_overrides={"extra": pl.Int64}))
    found = coverage(power, [1, 100, 101, 10**6])
    assert found["protected"].to_list() == [0.25, 0.5, 0.75, 0.75]
    assert found["clients"].to_list() == [4] * 4
    assert coverage(POWER_MAP.empty()).is_empty()


@pytest.mark.parametrize("channel", ["shot", "slow", "new"])
def test_each_channel_reaches_exactly_from_where_it_alerts(channel: str) -> None:
    daily = world(60, 5)
    raw = raw_scores(daily, [DAY - dt.timedelta(days=n) for n in range(29)], SURGE.surge)
    calibration = Calibration.before(raw, DAY, SURGE.surge)
    today = calibration.with_company(raw.filter(pl.col("day") == DAY))
    found = calibration.reach(today, channel, 40.0)
    assert found.height >= {"shot": 55, "slow": 3, "new": 1}[channel]
    rows = found.join(today, on="client", maintain_order="left")

    def alerts(less: int) -> pl.Series:
        with_least = with_scores(rows.with_columns(bytes=pl.col("least") - less))
        return alerting(calibration.rated(with_least, channel), 40.0)

    assert alerts(0).all()
    assert not alerts(1).any()


def test_guesses_that_are_far_off_cost_time_and_change_no_volume(monkeypatch: pytest.MonkeyPatch) -> None:
    days = [DAY - dt.timedelta(days=n) for n in range(14)]
    raw = raw_scores(world(8, 5).filter(pl.col("day").is_in(days)), days, SURGE.surge)
    calibration = Calibration.before(raw, DAY, SURGE.surge)
    today = calibration.with_company(raw.filter(pl.col("day") == DAY)).tail(3)
    found = calibration.reach(today, "shot", 2_000.0)
    assert found.height == 3
    robbed = with_scores(today.with_columns(bytes=found["least"] * 2))
    for guess in (0.0, 1e15):
        monkeypatch.setattr(Calibration, "_guessed", lambda _, rows, *__, at=guess: rows["expected"] * 0 + at)
        assert calibration.reach(today, "shot", 2_000.0).equals(found)
        assert calibration.least_volume(robbed, "shot", 2_000.0, today).to_list() == found["least"].to_list()


def test_the_channel_that_alerts_first_binds_and_of_equals_the_first() -> None:
    shot = {"a": 50, "b": 20, "d": 9} | {f"e{i}": i for i in range(500)}
    slow = {"a": 30, "b": 40, "d": 9} | {f"e{i}": i for i in range(500)}
    least = {"shot": shot, "slow": slow, "new": {"c": 7}}
    clients = sorted({*shot, *slow, "c", "f"})
    today = pl.DataFrame({"day": [DAY] * len(clients), "client": clients, "bytes": [35] * len(clients)})

    class Known:
        with_company = staticmethod(lambda rows: rows)
        unjudged = staticmethod(lambda _: pl.lit(None, pl.String))
        reach = staticmethod(lambda _, c, __: pl.DataFrame({"client": [*least[c]], "least": [*least[c].values()]}))

    found = {r["client"]: r for r in surge_power(today, SURGE, DAY, Known()).iter_rows(named=True)}  # type: ignore[arg-type]
    told = {c: (r["least"], r["extra"], r["bound_by"], r["reason"]) for c, r in found.items()}
    assert [told[c] for c in "abcd"] == [
        (30, 0, "slow", None),
        (20, 0, "shot", None),
        (7, 0, "new", None),
        (9, 0, "shot", None),
    ]
    assert told["f"] == (None, None, None, "budget_too_small")
    assert {told[f"e{i}"][2] for i in range(500)} == {"shot"}
    assert told["e40"][:2] == (40, 5)
