"""Company beside another volume of one client, against scoring the whole day anew with it."""

from __future__ import annotations

import datetime as dt
import math

import numpy as np
import polars as pl
import pytest

from pipeline.detections import Rule, RuleOverride, load_rules
from pipeline.methods.surge import judged, raw_scores
from pipeline.methods.surge.beside import Neighbours
from pipeline.methods.surge.calibration import Calibration
from pipeline.methods.surge.company import company
from pipeline.methods.surge.raw import with_scores
from pipeline.trials.power import surge_power

RULE = next(r for r in load_rules({"mail_volume_surge": RuleOverride()}, lookback_days=30) if r.method == "surge")
FIRST, DAYS = dt.date(2026, 3, 2), 38
LAST = FIRST + dt.timedelta(days=DAYS - 1)
SLOW, SIZES = pytest.mark.slow, ((3, 2), (4, 2), (5, 1), (17, 1))


def fleet(seed: int, size: int, groups: int) -> pl.DataFrame:
    """Groups of a size, in the first of which half are robbed on the last day; some have no past, some a ticket."""
    rng = np.random.default_rng(seed)
    clients = size * groups
    spread, together = rng.uniform(0.1, 0.8, clients), rng.normal(0, 0.3, DAYS)
    y = rng.normal(16, 0.8, clients) + together[:, None] + rng.standard_t(5, (DAYS, clients)) * spread
    y[-1, : max(2, size // 2)] += rng.choice([1.5, 2.5, 4.0]) * spread[: max(2, size // 2)] + 0.3
    here = rng.random((DAYS, clients)) < 0.9
    here[-1], here[:-1, clients - 1] = True, False
    rows = [
        (FIRST + dt.timedelta(days=d), f"c{c:02}", int(math.exp(y[d, c])), *who(c, size), None)
        for d in range(DAYS)
        for c in range(clients)
        if here[d, c]
    ]
    names = ("day", "client", "bytes", "group", "role", "explained_by")
    daily = pl.DataFrame(rows, schema=names, orient="row", schema_overrides={"explained_by": pl.String})
    told = pl.col("client").str.ends_with("7") & (pl.col("day") == LAST)
    return daily.with_columns(explained_by=pl.when(told).then(pl.lit("resync")))


def who(client: int, size: int) -> tuple[str | None, str | None]:
    """Group and role: some clients of large groups have another role or none, or no group."""
    if size <= 10 or client % 4:
        return f"g{client // size}", "client"
    return (None, "client") if client % 3 else (f"g{client // size}", None)


def robbed(daily: pl.DataFrame, client: str, volume: int) -> pl.DataFrame:
    mine = (pl.col("day") == LAST) & (pl.col("client") == client)
    return raw_scores(daily.with_columns(bytes=pl.when(mine).then(volume).otherwise("bytes")), [LAST], RULE.surge)


@pytest.mark.parametrize(
    ("size", "groups"), [(2, 2), (3, 1), (8, 2), (30, 2), *(pytest.param(*p, marks=SLOW) for p in SIZES)]
)
def test_company_beside_another_volume_is_that_of_the_day_scored_anew(size: int, groups: int) -> None:
    moved, told = 0, 0
    for seed in range(4):
        daily = fleet(seed * 100 + size, size, groups)
        factors = [0.0, 0.3, 0.9, 1.0, 1.1, 2.0, 50.0, 1e6, 1.05, 1e3][seed:]
        today = raw_scores(daily, [LAST], RULE.surge)
        for quantile in (0.2, 0.5, 0.8):  # So that many lie about the surprise from which one is unusual.
            unusual = float(today["surprise"].quantile(quantile) or 0.0)
            today = today.drop("company", "company_from", strict=False).hstack(company(today, unusual, 0.01))
            neighbours = Neighbours(today, unusual, 0.01)
            for row, factor in zip(today.head(6).iter_rows(named=True), factors, strict=False):
                volume = int(row["bytes"] * factor)
                anew = robbed(daily, row["client"], volume)
                wanted = anew.hstack(company(anew, unusual, 0.01)).filter(client=row["client"])
                mine = with_scores(today.filter(client=row["client"]).with_columns(bytes=pl.lit(volume)))
                found = neighbours.with_company(mine)
                assert found["company"].item() == pytest.approx(wanted["company"].item(), rel=1e-12)
                if wanted["company"].item():
                    told += 1
                    assert found["company_from"].item() == pytest.approx(wanted["company_from"].item(), rel=1e-12)
                moved += found.select("company", "company_from").row(0) != mine.select("company", "company_from").row(0)
    assert size < 3 or (told >= 4 and moved >= 2), (told, moved)


def alerts(daily: pl.DataFrame, calibration: Calibration, rule: Rule, client: str, volume: int) -> bool:
    """Whether the whole method alerts with another volume of the day."""
    today = calibration.with_company(robbed(daily, client, volume))
    found = pl.concat(judged(today, calibration, rule.surge).values())
    return not found.filter("alert", client=client).is_empty()


@pytest.mark.parametrize("size", [2, 3, 12, *(pytest.param(n, marks=SLOW) for n in (4, 6, 30))])
def test_the_power_map_holds_to_the_byte_in_small_groups(size: int) -> None:
    tried = 0
    for seed in (1, 2):
        daily = fleet(seed * 100 + size, size, 2)
        raw = raw_scores(daily, [LAST - dt.timedelta(days=n) for n in range(20)], RULE.surge)
        rule = RULE.with_numbers({"budget": 1_000.0})
        calibration = Calibration.before(raw, LAST, rule.surge)
        for row in surge_power(raw, rule, LAST, calibration).head(5).iter_rows(named=True):
            if row["extra"]:
                assert alerts(daily, calibration, rule, row["client"], row["least"])
                assert not alerts(daily, calibration, rule, row["client"], row["least"] - 1)
                tried += 1
    assert tried >= 2
