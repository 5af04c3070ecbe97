"""Whether a rule can fire, against trying it: small windows by brute force, larger ones by the naive detection."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from itertools import product

import pytest

from pipeline.detections import Rule, RuleOverride, load_rules
from pipeline.detections.fireability import fireability, rows_to_exceed
from tests.oracle import rules as naive
from tests.oracle import seed as oracle
from tests.property.seed_cases import daily_frame, run_pipeline

START = dt.date(2026, 6, 1)
MAIL = ("email_server",)
SEED = load_rules({}, lookback_days=30)[1]
(SURGE,) = (r for r in load_rules({"mail_volume_surge": RuleOverride()}, lookback_days=30) if r.method == "surge")


def rule(**numbers: object) -> Rule:
    return SEED.model_copy(update=numbers)


def numbers(of: Rule) -> oracle.Numbers:
    return oracle.Numbers(
        of.lookback_days,
        of.minimum_data_samples,
        of.threshold,
        stdev_of_one_is_zero=of.stdev_of_one == "zero",
    )


def one_of_rows_can_pass(rows: int, k: Fraction) -> bool:
    """Whether any window of so many small values has its last one above mean + k x deviation."""
    tried = product(range(3), repeat=rows)
    return any(oracle.statistics(v, oracle.Numbers()).above(v[-1], k) for v in tried)


@pytest.mark.parametrize("k", ["0", "0.5", "1", "1.5", "1.7", "2", "2.2"])
def test_fewer_rows_than_named_never_pass_and_so_many_can(k: str) -> None:
    needed = rows_to_exceed(rule(deviation_threshold=k))
    passing = [n for n in range(1, 9) if one_of_rows_can_pass(n, Fraction(k))]
    assert passing == list(range(needed, 9))


@pytest.mark.parametrize(
    ("k", "rows"),
    [("0", 2), ("3", 11), ("3.75", 17), ("15/4", 17), ("1/3", 2), ("100", 10_002), ("1000000", 10**12 + 2)],
)
def test_rows_needed_follow_the_threshold(k: str, rows: int) -> None:
    assert rows_to_exceed(rule(deviation_threshold=k)) == rows


def test_what_would_let_a_rule_alert_is_what_it_lacks() -> None:
    short = rule(lookback_days=1, minimum_data_samples=1, stdev_of_one="null")
    assert fireability(short, START).explanation.endswith("raise lookback_days or take stdev_of_one: zero")


def best_case_alerts(of: Rule, days: int, clients: int) -> bool:
    """The most favourable site of so many days: nobody gets anything, then one client gets one byte."""
    last = START + dt.timedelta(days=days - 1)
    rows: list[oracle.Row] = [
        (START + dt.timedelta(days=d), f"10.0.0.{c}", int(c == 0 and d == days - 1))
        for d in range(days)
        for c in range(clients)
    ]
    return any(v.state == "alert" for v in oracle.judge(rows, last, numbers(of), START))


@pytest.mark.parametrize("minimum", [1, 2, 3, 4, 6])
@pytest.mark.parametrize("lookback", [1, 2, 3, 5])
@pytest.mark.parametrize("stdev_of_one", ["zero", "null"])
def test_the_answer_and_the_first_day_equal_what_the_best_case_shows(
    minimum: int, lookback: int, stdev_of_one: str
) -> None:
    of = rule(minimum_data_samples=minimum, lookback_days=lookback, stdev_of_one=stdev_of_one)
    found = fireability(of, START)
    alerting = [d for d in range(1, 9) if best_case_alerts(of, d, clients=12)]
    assert found.can_fire == bool(alerting)
    if alerting:
        assert found.first_day == START + dt.timedelta(days=alerting[0] - 1)


@pytest.mark.parametrize(("lookback", "k"), [(30, "3"), (5, "3"), (5, "2.5"), (3, "1")])
def test_so_many_clients_seen_every_day_are_enough_and_one_fewer_is_not(lookback: int, k: str) -> None:
    of = rule(lookback_days=lookback, deviation_threshold=k)
    found = fireability(of, START)
    clients = -(-found.fleet_rows // (lookback + 1))
    assert f"({clients} client" in found.explanation
    assert best_case_alerts(of, lookback + 1, clients)
    assert clients == 1 or not best_case_alerts(of, lookback + 1, clients - 1)


NIGHT, DAY_LONG = dt.timedelta(minutes=10), dt.timedelta(days=1)
SCHEDULES = [
    # When it runs (minutes of the day), how far back its window begins (of a midnight), and whether it can alert: the
    # window ends 10 minutes before the run, and the rule asks for a row of the day of the run.
    ("00:00 over the last 30 days", [0], 30 * DAY_LONG, True, False),
    ("hourly over the last hour", [60 * h for h in range(24)], dt.timedelta(minutes=70), False, False),
    ("59 minutes past over the last 30 days", [60 * h + 59 for h in range(24)], 30 * DAY_LONG, True, True),
]


@pytest.mark.parametrize(("name", "minutes", "back", "from_midnight", "can"), SCHEDULES)
def test_of_the_seeds_three_schedules_the_last_one_alone_can_fire(
    name: str, minutes: list[int], back: dt.timedelta, from_midnight: bool, can: bool
) -> None:
    """Twelve clients are seen every hour for 31 days, and one receives a thousand times as much at noon of the last."""
    last = START + dt.timedelta(days=30)
    first, noon = (dt.datetime.combine(d, dt.time(h, 30), dt.UTC) for d, h in ((START, 0), (last, 12)))
    flows = [
        oracle.Flow(at, f"10.0.0.{c}", "192.0.2.1", 10**9 if (c, at) == (0, noon) else 10**6, 0, (), MAIL)
        for at in (first + dt.timedelta(hours=h) for h in range(31 * 24))
        for c in range(12)
    ]
    found = []
    for minute in minutes:
        run = dt.datetime.combine(last, dt.time(), dt.UTC) + dt.timedelta(minutes=minute)
        begin = run - back
        begin = dt.datetime.combine(begin.date(), dt.time(), dt.UTC) if from_midnight else begin
        seen = [f for f in flows if begin <= f.start < run - NIGHT]
        rows = oracle.daily_rows(seen, zone="UTC", twin=False)
        frame = daily_frame(tuple(rows), SEED)
        found += run_pipeline(frame, SEED, last, START)["state"].to_list()
    assert ("alert" in found) == can, name


def test_a_window_of_ten_rows_cannot_fire_and_one_of_eleven_can() -> None:
    of = rule(lookback_days=30)
    assert rows_to_exceed(of) == 11
    assert not best_case_alerts(of, 10, clients=1)
    assert best_case_alerts(of, 11, clients=1)


def test_a_rule_that_asks_for_more_days_than_its_window_holds_says_what_to_change() -> None:
    found = fireability(rule(minimum_data_samples=5, lookback_days=3), START)
    assert not found.can_fire
    assert found.explanation.startswith("never: it needs 5 days of a client, and its window holds 4;")
    assert "lookback_days" in found.explanation


def first_rise_alerts(of: Rule, days: int) -> bool:
    """Whether one of twelve clients of one subnet alerts when it gets a byte on the last of so many days."""
    last = START + dt.timedelta(days=days - 1)
    rows: list[oracle.Row] = [
        (START + dt.timedelta(days=d), f"10.0.0.{c}", int(c == 0 and d == days - 1))
        for d in range(days)
        for c in range(12)
    ]
    past = [START + dt.timedelta(days=d) for d in range(days - 1)]
    shared = numbers(of)
    judging = naive.Judging(shared, of.reference, of.fleet_includes_day, shared, of.fill, of.floor)
    return any(v.alert for v in naive.judge(rows, last, judging, past, {}))


@pytest.mark.parametrize("reference", ["fleet_and_own", "fleet", "own", "group_and_own", "group"])
@pytest.mark.parametrize("includes", [True, False])
@pytest.mark.parametrize("minimum", [1, 3])
def test_the_first_day_of_every_reference_is_that_of_its_best_case(
    reference: str, includes: bool, minimum: int
) -> None:
    of = rule(reference=reference, fleet_includes_day=includes, minimum_data_samples=minimum)
    first = next(d for d in range(1, 9) if first_rise_alerts(of, d))
    assert fireability(of, START).first_day == START + dt.timedelta(days=first - 1)


def test_a_rule_that_asks_only_the_past_needs_no_rows_of_others() -> None:
    assert fireability(rule(reference="own"), START).explanation.endswith("a client needs 4 days")
    group = fireability(rule(reference="group", fleet_includes_day=False), START).explanation
    assert "of the 30 days before it needs 1 row of its group" in group


def test_a_day_that_only_the_others_need_is_not_asked_of_the_client() -> None:
    of = rule(reference="fleet", fleet_includes_day=False, minimum_data_samples=1)
    found = fireability(of, START)
    assert found.first_day == START + dt.timedelta(days=1)
    assert "a client needs 1 day, and the window of the 30 days before it needs 1 row" in found.explanation


@pytest.mark.parametrize(
    ("lookback", "shares", "why"),
    [
        (
            4,
            {"shot": 0.5, "slow": 0.5},
            "it needs 5 past days of a client, and its window holds 4; raise lookback_days",
        ),
        (5, {"slow": 1.0}, "it needs 6 past days of a client, and its window holds 5; raise lookback_days"),
        (30, {"shot": 0.0}, "no channel has a share of the budget; raise shares"),
    ],
)
def test_a_budget_that_no_channel_can_spend_says_what_to_raise(
    lookback: int, shares: dict[str, float], why: str
) -> None:
    found = fireability(SURGE.with_numbers({"lookback_days": lookback, "shares": shares}), START)
    assert (found.can_fire, found.explanation, found.first_day) == (False, f"never: {why}", START)


def test_a_channel_whose_window_is_too_short_leaves_the_others_their_first_day() -> None:
    """Slow needs six past days; shot is then told as if it were alone."""
    both = fireability(SURGE.with_numbers({"lookback_days": 5, "shares": {"shot": 0.5, "slow": 0.5}}), START)
    alone = fireability(SURGE.with_numbers({"lookback_days": 5, "shares": {"shot": 0.5}}), START)
    assert (both.can_fire, both.first_day) == (True, alone.first_day)


@pytest.mark.parametrize("fill", ["none", "zero"])
@pytest.mark.parametrize("reference", ["fleet_and_own", "fleet", "own", "group", "group_and_own"])
@pytest.mark.parametrize("allowed", [(25,), (25, 465), (25, 465, 587)])
@pytest.mark.parametrize("floor", [0, 2, 3])
def test_a_rule_on_ports_fires_where_any_days_of_two_clients_let_it(
    fill: str, reference: str, allowed: tuple[int, ...], floor: int
) -> None:
    of = rule(field="ports", dest_port=allowed, floor=floor, fill=fill, reference=reference)
    of = of.model_copy(update={"deviation_threshold": "1/2", "minimum_data_samples": 2, "lookback_days": 2})
    told = naive.Judging(numbers(of), reference, True, numbers(of), fill, floor)
    days = [START + dt.timedelta(days=n) for n in range(3)]
    places = [(d, f"10.0.0.{c}") for d in days for c in (1, 2)]
    values: tuple[int | None, ...] = (None, *range(1, len(allowed) + 1))
    fires = any(
        any(v.alert for v in naive.judge(rows, days[-1], told, days[:-1], {}))
        for tried in product(values, repeat=len(places))
        if (rows := [(d, c, v) for (d, c), v in zip(places, tried, strict=True) if v is not None])
    )
    assert fireability(of, START).can_fire == fires
    if not fires:
        assert fireability(of, START).explanation.startswith("never: its ")
