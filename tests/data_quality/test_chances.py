"""Chances of counts, silence and shifted hours: against scipy, by their stated rates, and on sites of every size."""

import datetime as dt
import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import t as student_t

from data_quality.chances import Hourly, Silence, silence, student, usual
from data_quality.compared import _both, _typical

FIRST = dt.date(2026, 8, 3)  # A Monday.
DAYS = [FIRST + dt.timedelta(days=n) for n in range(57)]
KINDS = {d: d.strftime("%A") for d in DAYS}
LAST = DAYS[-1]
PAST = DAYS[:-1]


@given(st.floats(-60, 60))
def test_the_closed_form_is_students_distribution(t: float) -> None:
    assert student(t) == pytest.approx(float(student_t.cdf(t, 8)), rel=1e-6, abs=1e-12)


def test_two_days_of_a_kind_tell_nothing_and_three_do() -> None:
    past = {d: 100.0 for d in PAST[-20:]}
    assert usual("Monday", {d: v for d, v in past.items() if d.weekday()}, KINDS) is None
    assert usual("Monday", {d: 100.0 for d in PAST if d.weekday() == 0 and d >= PAST[-21]}, KINDS) is not None


# What the median deviation of n values falls short by, as 10^5 draws of n normal values tell it to two digits.
SHORT = {3: 1.49, 4: 1.36, 5: 1.21, 6: 1.19, 7: 1.14, 8: 1.13, 9: 1.10, 10: 1.09, 15: 1.06}


@pytest.mark.parametrize(("days", "short"), SHORT.items())
def test_the_scale_of_few_days_is_wider_by_what_their_median_deviation_falls_short(days: int, short: float) -> None:
    """The logarithms are 1, 2, 3 ...; two days of another kind say nothing, however far apart they lie."""
    kinds = dict.fromkeys(DAYS, "any")
    past = {DAYS[n]: 3 * (math.exp(n + 1) - 0.5) for n in range(days)}
    others = {DAYS[30]: 0.0, DAYS[31]: 10.0**6}
    found = usual("any", past | others, kinds | dict.fromkeys(others, "rare"), unit=3.0, noise=0.0)
    assert found is not None
    middle = (days + 1) / 2
    away = sorted(abs(n - middle) for n in range(1, days + 1))
    deviation = 1.4826 * (away[(days - 1) // 2] + away[days // 2]) / 2
    assert found.count == pytest.approx(3 * (math.exp(middle) - 0.5))
    assert found.scale == pytest.approx(short * deviation * math.sqrt(1 + math.pi / 2 / days), rel=0.01)


@pytest.mark.parametrize("clients", [5, 40, 2_000, 100_000])
def test_half_of_what_is_usual_is_odd_at_a_large_site_and_nothing_is_odd_at_any(clients: int) -> None:
    draw = random.Random(clients)
    past = {d: float(round(clients * draw.gauss(0.9, 0.02))) if d.weekday() < 5 else 0.0 for d in PAST}
    ordinary = usual("Monday", past, KINDS)
    assert ordinary is not None
    assert ordinary.fewer(round(0.9 * clients)) > 0.05
    assert ordinary.fewer(0) < 0.0005
    assert (ordinary.fewer(0.45 * clients) < 0.0005) == (clients >= 40)


def test_weekends_without_traffic_are_usual_and_a_crowd_on_one_is_not() -> None:
    past = {d: 50.0 if d.weekday() < 5 else 0.0 for d in PAST}
    ordinary = usual("Sunday", past, KINDS)
    assert ordinary is not None
    assert ordinary.fewer(0) == pytest.approx(0.5)
    assert ordinary.more(2) > 0.0005
    assert ordinary.more(40) < 0.0005


def test_one_broken_day_in_the_past_widens_nothing() -> None:
    draw = random.Random(1)
    past = {d: 1_000 * math.exp(draw.gauss(0, 0.05)) for d in PAST}
    broken = past | {PAST[-7]: 3.0}
    whole, odd = usual("Monday", past, KINDS), usual("Monday", broken, KINDS)
    assert whole is not None
    assert odd is not None
    assert odd.fewer(400) == pytest.approx(whole.fewer(400), abs=1e-4)
    assert odd.fewer(400) < 0.0005


@pytest.mark.parametrize("spread", [0.02, 0.15, 0.5])
def test_an_ordinary_day_fails_no_oftener_than_the_limit_says(spread: float) -> None:
    draw, failed, days = random.Random(7), 0, 1_500
    for _ in range(days):
        past = {d: 5_000 * math.exp(draw.gauss(0, spread)) for d in PAST[-28:]}
        ordinary = usual("Monday", past, KINDS)
        assert ordinary is not None
        failed += ordinary.fewer(5_000 * math.exp(draw.gauss(0, spread))) < 0.0005
    assert failed <= 3  # Expected are 0.75.


def seen(counts: dict[str, int], days: list[dt.date]) -> dict[dt.date, dict[str, int]]:
    return {d: {name: n for name, n in counts.items() if n} for d in days}


def test_a_sensor_of_three_weeks_is_missed_on_its_weekday() -> None:
    found = silence("Monday", {"a"}, seen({"a": 9, "b": 8}, PAST[-21:]), KINDS)
    assert found.silent == ("b",)
    assert found.chance is not None
    assert found.chance < 0.001


def test_a_sensor_of_one_week_is_missed_if_it_was_there_every_day() -> None:
    assert silence("Monday", {"a"}, seen({"a": 9, "b": 8}, PAST[-7:]), KINDS).silent == ("b",)
    assert silence("Monday", {"a"}, seen({"a": 9, "b": 8}, PAST[-6:]), KINDS).chance is None
    weekdays = {d: {"a": 9} | ({"b": 8} if d.weekday() < 5 else {}) for d in PAST[-7:]}
    assert silence("Saturday", {"a"}, weekdays, KINDS).chance == 1.0


def test_a_sensor_that_is_gone_is_forgotten_and_one_absence_is_not() -> None:
    mondays = [d for d in PAST if d.weekday() == 0]
    once = {d: {"a": 9} | ({"b": 8} if d != mondays[-2] else {}) for d in mondays}
    assert silence("Monday", {"a"}, once, KINDS).silent == ("b",)
    gone = {d: {"a": 9} | ({"b": 8} if d < mondays[-2] else {}) for d in mondays}
    assert silence("Monday", {"a"}, gone, KINDS).chance == 1.0


def test_small_interfaces_that_come_and_go_are_not_missed() -> None:
    draw = random.Random(3)

    def day() -> dict[str, int]:
        counts = {f"eni-{n}": sum(draw.random() < 0.01 for _ in range(300)) for n in range(200)}
        return {name: n for name, n in counts.items() if n}

    past = {d: day() for d in PAST if d.weekday() == 0}
    for _ in range(5):
        chance = silence("Monday", day(), past, KINDS).chance
        assert chance is None or chance > 0.001


def crowd(draw: random.Random, share: float) -> dict[dt.date, dict[str, int]]:
    """Four weeks of two sensors with 24 people each, who all come on working days, and a share of them on weekends."""
    past = {}
    for d in PAST[-28:]:
        come = {name: sum(draw.random() < (share if d.weekday() > 4 else 0.95) for _ in range(24)) for name in "ab"}
        past[d] = {name: n for name, n in come.items() if n}
    return past


@pytest.mark.parametrize("share", [0.08, 0.12, 0.16, 0.2])
def test_weekends_on_which_few_of_many_come_are_no_oftener_called_silent_than_the_limit_says(share: float) -> None:
    draw, called, days = random.Random(11), 0, 2_000
    for _ in range(days):
        today = {name for name in "ab" if any(draw.random() < share for _ in range(24))}
        chance = silence("Sunday", today, crowd(draw, share), KINDS, 0.38).chance
        called += chance is not None and chance < 0.001
    assert called <= 6  # Expected are 2.


@pytest.mark.parametrize(("kind", "share"), [("Monday", 0.16), ("Sunday", 0.5), ("Sunday", 0.9)])
def test_a_sensor_that_is_silent_on_a_day_when_many_come_is_found(kind: str, share: float) -> None:
    draw = random.Random(12)
    found = [silence(kind, {"a"}, crowd(draw, share), KINDS, 0.38) for _ in range(200)]
    assert sum(f.silent[:1] == ("b",) and f.chance is not None and f.chance < 0.001 for f in found) >= 190


OFFICE = (0, 0, 0, 0, 0, 0, 2, 20, 60, 80, 90, 70, 40, 60, 70, 60, 40, 15, 5, 2, 0, 0, 0, 0)


def drawn(draw: random.Random, share: float = 1.0) -> tuple[int, ...]:
    return tuple(max(0, round(draw.gauss(share * m, math.sqrt(share * m)))) for m in OFFICE)


def office(draw: random.Random, share: float = 1.0) -> Hourly:
    found = Hourly.of([drawn(draw, share) for _ in range(4)])
    assert found is not None
    return found


def test_silence_weighs_what_is_usual_by_how_it_varies() -> None:
    """By hand: 10, 20 and 30 spread by (100 + 0 + 100) / 20 = 10, so D = (10 + 7 (10 + 2.5) / 7) / 9 = 2.5."""
    past = {day: {"mx": count} for day, count in zip(DAYS, (10.0, 20.0, 30.0), strict=False)}
    found = silence("any", (), past, dict.fromkeys(DAYS, "any"))
    assert (found.silent, found.usual) == (("mx",), 1)
    assert found.chance == pytest.approx(math.exp(-20 / 2.5))


def test_silent_hours_weigh_what_is_usual_by_how_days_vary() -> None:
    """By hand: two hours of 10, 20 and 30 lie (100 + 100) / 40 x 3/2 = 7.5 apart on two of three days."""
    hourly = Hourly.of([[count if h in (10, 11) else 0 for h in range(24)] for count in (10, 20, 30)])
    assert hourly is not None
    assert hourly.dispersion == pytest.approx(7.5)
    chance, hours = hourly.silent([0] * 24, range(24))
    assert hours == (10, 11)
    assert chance == pytest.approx(24 * math.exp(-40 / 7.5))


def test_a_silent_afternoon_is_odd_and_silent_nights_are_not() -> None:
    draw = random.Random(1)
    hourly, today = office(draw), drawn(draw)
    assert hourly.silent(today, range(24))[0] == 1.0
    chance, stretch = hourly.silent((*today[:13], *[0] * 11), range(24))
    assert chance < 1e-6
    assert stretch[0] == 13
    assert 17 <= stretch[-1] <= 20


def test_one_lost_hour_is_seen_and_an_hour_that_the_day_lacks_is_not_missed() -> None:
    draw = random.Random(2)
    hourly, today = office(draw), drawn(draw)
    lost = tuple(0 if h == 9 else n for h, n in enumerate(today))
    assert hourly.silent(lost, range(24))[0] < 1e-6
    assert hourly.silent(lost, [h for h in range(24) if h != 9])[0] == 1.0


def test_a_lonely_job_that_did_not_run_is_no_silence() -> None:
    jobs = Hourly.of([tuple(500 if h == 2 else 0 for h in range(24))] * 4)
    assert jobs is not None
    assert jobs.silent([0] * 23 + [1], range(24))[0] == 1.0


@pytest.mark.parametrize("lag", [-2, -1, 1, 5])
def test_moved_hours_are_named_by_how_many(lag: int) -> None:
    draw = random.Random(4)
    hourly, today = office(draw), drawn(draw)
    chance, found = hourly.shift([today[(h - lag) % 24] for h in range(24)])
    assert (found, chance < 0.0005) == (lag, True)
    assert hourly.shift(today)[0] > 0.0005


@pytest.mark.parametrize("share", [0.03, 0.2, 1.0])
def test_ordinary_hours_are_hardly_ever_called_moved(share: float) -> None:
    draw = random.Random(5)
    chances = [office(draw, share).shift(drawn(draw, share))[0] for _ in range(150)]
    assert sum(c < 0.0005 for c in chances) == 0


def test_a_morning_alone_is_no_shift() -> None:
    draw = random.Random(6)
    assert office(draw).shift((*drawn(draw)[:12], *[0] * 12))[0] > 0.0005


def test_of_three_days_who_missed_one_is_not_usually_there_and_of_four_it_is() -> None:
    days = [dt.date(2026, 11, 2) + dt.timedelta(days=7 * n) for n in range(4)]
    kinds = dict.fromkeys(days, "Monday")
    there = [{"core": 50.0}, {"core": 50.0}, {}]
    three = silence("Monday", [], dict(zip(days[1:], there, strict=True)), kinds)
    assert (three.chance, three.usual) == (None, 0)
    four = silence("Monday", [], dict(zip(days, [{"core": 50.0}, *there], strict=True)), kinds)
    assert (four.silent, four.usual) == (("core",), 1)


def test_the_more_telling_of_a_silent_sensor_and_a_silent_source_counts() -> None:
    """A source that wrote no line is named once: by its sensor where that fell silent, else by itself."""
    sensors, sources = Silence(0.5, (("core", "s1"),), 3), Silence(0.01, ("core", "edge"), 2)
    both = _both(sensors, sources)
    assert (both.chance, both.silent, both.usual) == (0.01, (("core", "s1"), ("edge", "no line")), 3)
    assert _both(Silence(0.01), Silence(0.5)).chance == 0.01
    assert _both(Silence(None), Silence(0.5)).chance == 0.5
    assert _both(Silence(None), Silence(None)).chance is None


def test_days_of_fewer_than_five_clients_do_not_tell_what_is_typical() -> None:
    days = [dt.date(2026, 9, 7) + dt.timedelta(days=7 * n) for n in range(7)]
    kinds = dict.fromkeys(days, "Monday")
    seen = {d: (5, 100.0) if n < 3 else (4, 1e6) for n, d in enumerate(days)}
    profile = _typical("Monday", 5, 100.0, seen, kinds)
    assert profile["typical_value_usual"] == pytest.approx(100)
    assert profile["typical_value_chance"] == 1
