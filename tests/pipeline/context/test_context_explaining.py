"""What shared and late events explain, beside a naive reading of the same words."""

from __future__ import annotations

import datetime as dt
from random import Random
from statistics import median

import numpy as np
import polars as pl
import pytest

from pipeline.context.explaining import late_explanations, shared_explanations

Row = tuple[dt.date, str, str, int | None]
SCHEMA = {"day": pl.Date, "client": pl.String, "group": pl.String, "bytes": pl.Int64}
FIRST = dt.date(2026, 1, 1)


def day(number: int) -> dt.date:
    return FIRST + dt.timedelta(days=number)


def shared(rows: list[Row], *events: tuple[int, str | None]) -> set[tuple[dt.date, str]]:
    announced = pl.DataFrame(
        [(day(n), group, "a cause") for n, group in events],
        schema={"day": pl.Date, "group": pl.String, "cause": pl.String},
        orient="row",
    )
    found = shared_explanations(pl.DataFrame(rows, schema=SCHEMA, orient="row"), announced)
    return {(d, client) for d, client, _ in found.rows()}


def naive(rows: list[Row], *events: tuple[int, str | None]) -> set[tuple[dt.date, str]]:
    ratios: dict[tuple[dt.date, str], float] = {}
    for d, client, _, volume in rows:
        past = [
            v for p, c, _, v in rows if c == client and v is not None and dt.timedelta() < d - p <= dt.timedelta(30)
        ]
        if volume is not None and past and median(past) > 0:
            ratios[d, client] = volume / median(past)
    found = set()
    for number, whose in events:
        today = [(client, group) for d, client, group, _ in rows if d == day(number)]
        for client, group in today:
            others = [
                ratios[day(number), c] for c, g in today if c != client and g == group and (day(number), c) in ratios
            ]
            if whose is None and not others:
                others = [ratios[day(number), c] for c, _ in today if c != client and (day(number), c) in ratios]
            mine = ratios.get((day(number), client))
            if whose in (None, group) and mine is not None and others and mine <= 2 * np.quantile(others, 0.9):
                found.add((day(number), client))
    return found


@pytest.mark.parametrize("seed", range(12))
def test_shared_events_explain_what_a_naive_reading_says(seed: int) -> None:
    chance = Random(seed)
    groups = {f"c{n}": chance.choice("abc") for n in range(9)}
    rows: list[Row] = [
        (day(n), client, group, None if chance.random() < 0.1 else chance.choice([0, 10, 11, 20, 25, 40, 400]))
        for n in range(34)
        for client, group in groups.items()
        if chance.random() < 0.8
    ]
    events: list[tuple[int, str | None]] = [(33, chance.choice("abc")), (chance.randrange(20, 33), None)]
    assert shared(rows, *events) == naive(rows, *events)


@pytest.mark.parametrize(("volume", "told"), [(40, True), (41, False)])
def test_a_row_is_explained_up_to_twice_the_quantile_of_the_others(volume: int, told: bool) -> None:
    # The ratios of the eleven others are .2, .4 ... 2.2: their 90 % quantile is 2.
    past: list[Row] = [(day(0), f"c{n}", "a", 10) for n in range(12)]
    today: list[Row] = [(day(1), f"c{n}", "a", 2 * n) for n in range(1, 12)]
    found = shared([*past, *today, (day(1), "c0", "a", volume)], (1, "a"))
    assert ((day(1), "c0") in found) is told


@pytest.mark.parametrize(("volume", "told"), [(10, True), (50, True), (133, True), (135, False)])
def test_between_two_others_the_quantile_does_not_hang_on_the_client_itself(volume: int, told: bool) -> None:
    # Seven others have a ratio of 1, one of 20: their 90 % quantile is 1 + .3 x 19 = 6.7, wherever the client stands.
    # Those of another group stand below them all.
    past: list[Row] = [(day(0), f"c{n}", "a" if n < 9 else "b", 10) for n in range(12)]
    today: list[Row] = [(day(1), f"c{n}", "a", 200 if n == 8 else 10) for n in range(1, 9)]
    today += [(day(1), f"c{n}", "b", 1) for n in range(9, 12)]
    assert ((day(1), "c0") in shared([*past, *today, (day(1), "c0", "a", volume)], (1, "a"))) is told


@pytest.mark.parametrize(
    ("before", "volume", "told"), [(10, 20, False), (10, 21, True), (None, 1, True), (None, 0, False)]
)
def test_an_event_is_late_where_the_day_after_has_more_than_twice_its_bytes(
    before: int | None, volume: int, told: bool
) -> None:
    cells = [(day(1), "b", 5), (day(2), "a", volume), *([(day(1), "a", before)] if before is not None else [])]
    rows = pl.DataFrame(cells, schema={"day": pl.Date, "client": pl.String, "bytes": pl.Int64}, orient="row")
    events = pl.DataFrame({"day": [day(1)], "client": ["a"], "cause": ["moved"]})
    assert late_explanations(rows, events).rows() == ([(day(2), "a", "moved")] if told else [])


def test_an_event_of_a_day_without_any_row_says_nothing_of_the_day_after() -> None:
    rows = pl.DataFrame({"day": [day(2)], "client": ["a"], "bytes": [10**9]})
    events = pl.DataFrame({"day": [day(1)], "client": ["a"], "cause": ["moved"]})
    assert late_explanations(rows, events).is_empty()


def test_a_client_whose_usual_day_is_nothing_shows_nothing_of_an_event() -> None:
    past: list[Row] = [(day(0), "a", "g", 10), (day(0), "b", "g", 0)]
    assert shared([*past, (day(1), "a", "g", 10**9), (day(1), "b", "g", 5)], (1, "g")) == set()
