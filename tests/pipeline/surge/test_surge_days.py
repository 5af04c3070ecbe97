"""Which rows the surge method is given: both directions, groups, roles, and no servers; its rule; its tails."""

from __future__ import annotations

import datetime as dt
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.detections import Rule, RuleOverride, load_rules
from pipeline.detections.fireability import fireability
from pipeline.detections.loader import BUILT_IN
from pipeline.errors import ConfigError
from pipeline.inventory import Inventory
from pipeline.methods.surge import RAW_SCHEMA
from pipeline.methods.surge.tail import fit_tail
from pipeline.schemas import DAILY_TRAFFIC, SURGE_SCORES
from pipeline.settings import InventoryEntry, load_settings
from pipeline.site import open_site
from pipeline.surge.clients import client_days
from pipeline.surge.days import fit_days, of_rule, remembering, scores, verdict_inputs
from pipeline.trials.cases import failed_cases
from tests.pipeline.context.test_context_model import context
from tests.stored_days import stored_site
from tests.worlds import day

ID = "mail_volume_surge"
DAY = dt.date(2026, 6, 1)


def rule(**changes: object) -> Rule:
    override = RuleOverride.model_validate({"enabled": True, **changes})
    return next(r for r in load_rules({ID: override}, lookback_days=30) if r.id == ID)


def test_the_rule_is_off_until_a_site_asks_for_it() -> None:
    assert ID not in {r.id for r in load_rules({}, lookback_days=30)}
    assert rule().surge.limit("shot") == 13
    for change, there in ((RuleOverride(budget=5), True), (RuleOverride(enabled=False, budget=5), False)):
        assert (ID in {r.id for r in load_rules({ID: change}, lookback_days=30)}) is there


def test_budget_and_shares_can_be_changed_and_change_the_fingerprint() -> None:
    assert rule(budget=5).surge.limit("slow") == 1.0
    assert rule(shares={"shot": 1}).surge.limit("new") == 0
    prints = {r.fingerprint for r in (rule(), rule(budget=5), rule(shares={"shot": 1}), rule(lookback_days=20))}
    assert len(prints) == 4


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{shares: {shot: 0.9, slow: 0.2}}", "must not sum to more than 1"),
        ("{shares: {quick: 0.9}}", "unknown channel 'quick'; allowed: shot, slow, new"),
        ("{budget: 0}", "greater than 0"),
    ],
)
def test_an_impossible_budget_is_named(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "nilometer.yaml"
    path.write_text(f"rules:\n  {ID}: {text}\n", encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_settings(path)
    assert words in caught.value.message
    assert caught.value.message.startswith(f"{path}:2")


def test_the_rule_can_fire_unless_no_channel_has_a_share() -> None:
    assert failed_cases(rule()) == []
    assert fireability(rule(), DAY).fleet_rows == math.ceil(10_000 / 13)
    assert not fireability(rule(shares={}), DAY).can_fire


def test_the_stored_table_holds_every_column_of_the_scores() -> None:
    stored = {c: t for c, t in SURGE_SCORES.schema.items() if c not in ("rule_id", "addresses")}
    assert stored == dict(RAW_SCHEMA)


def rows(*of: tuple[int, str, int | None]) -> pl.LazyFrame:
    """Daily rows of a series (by number), client, bytes."""
    measures = rule().measures
    told = [{"day": DAY, "measure": measures[m].id, "client": c, "bytes": b} for m, c, b in of]
    return DAILY_TRAFFIC.conform(pl.DataFrame(told, schema_overrides={"bytes": pl.Int64})).lazy()


def test_both_directions_of_initiation_add_up() -> None:
    found = client_days(
        rows((0, "10.0.0.1", 5), (1, "10.0.0.1", 7), (0, "10.0.0.2", None)), rule(), Inventory([]), DAY
    ).rows
    assert found.select("client", "bytes").rows() == [("10.0.0.1", 12), ("10.0.0.2", None)]


def test_servers_are_no_clients_and_inventory_categories_are_roles() -> None:
    inventory = Inventory(
        [
            InventoryEntry(address="192.0.2.10", category=("email_server",)),
            InventoryEntry(address="10.0.0.1", category=("nat",)),
        ]
    )
    given = rows((0, "10.0.0.1", 5), (0, "10.0.0.2", 5), (1, "192.0.2.10", 5))
    found = client_days(given, rule(), inventory, DAY).rows
    assert found.select("client", "role").rows() == [("10.0.0.1", "nat"), ("10.0.0.2", "client")]


def test_groups_are_subnets() -> None:
    given = rows((0, "10.0.3.1", 5), (0, "2001:db8:0:1::2", 5))
    found = client_days(given, rule(), Inventory([]), DAY).rows
    assert found["group"].to_list() == ["10.0.3.0/24", "2001:db8:0:1::/64"]


def test_a_tail_tells_the_rate_of_an_exponential_law_beyond_what_was_seen() -> None:
    def rate(seed: int) -> float:
        scores = pl.Series(np.random.default_rng(seed).exponential(1.0, 20_000))
        return float(fit_tail(scores, 20_000).rate(pl.Series([math.log(20_000 / 2)])).item())

    # Two alerts in 20,000 client-days are 1 in 10,000; a tail kept at least exponential leans to the careful side.
    assert 0.9 < np.mean([rate(seed) for seed in range(30)]) < 1.5


def test_a_rate_never_rises_with_the_score_and_never_falls_below_a_tenth_of_an_alert() -> None:
    scores = pl.Series(np.random.default_rng(5).standard_t(3, 2_000))
    rates = fit_tail(scores, 2_500).rate(pl.Series(np.linspace(-5, 1e4, 3_000)))
    assert (rates.diff().drop_nulls() <= 0).all()
    assert rates.min() == pytest.approx(10_000 * 0.1 / 2_501)


@pytest.mark.parametrize("known", [0, 5])
def test_with_few_scores_the_rate_is_a_rank(known: int) -> None:
    tail = fit_tail(pl.Series([1.0] * known, dtype=pl.Float64), 99)
    assert tail.rate(pl.Series([0.5, 2.0])).to_list() == [10_000 * (known + 1) / 100, 100.0]


def test_a_rule_scores_a_day_alike_whether_another_rule_looks_further_back_or_not(tmp_path: Path) -> None:
    days, event, client = 22, day(6), "10.0.0.1"
    # The rule sees 16 days before the last; the first alone tells what is usual on the second, that of the event. The
    # client had next to nothing on it, so that the event does not explain its next day; a longer view knows more.
    config = f"rules: {{{ID}: {{lookback_days: 6}}}}\n"
    site = stored_site(tmp_path, config, days, clients=8, first=days)
    rows = site.storage.read_day(DAILY_TRAFFIC, day(5))
    rows = rows.with_columns(bytes=pl.when(pl.col("client") == client).then(1_000).otherwise("bytes"))
    site.storage.write_day(DAILY_TRAFFIC, day(5), rows, inputs={})
    known = context(known_events=f"cause,first,last\nmailing,{event},{event}\n")

    def scored() -> pl.DataFrame:
        return scores(open_site(tmp_path), day(days - 1), lambda *_: "verified", known).frame

    alone = scored()
    longer = (BUILT_IN / f"{ID}.yaml").read_text(encoding="utf-8").replace(f"id: {ID}", "id: longer")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "longer.yaml").write_text(f"{longer}lookback_days: 10\n".replace("enabled: false", ""))
    beside = scored()
    assert (alone.height, beside.height) == (8, 16)
    assert beside.filter(pl.col("rule_id") == ID).equals(alone)


def test_a_rule_looks_back_its_window_and_the_ten_days_that_are_judged_together() -> None:
    days = [DAY - dt.timedelta(days=n) for n in (41, 40, 1, 0)]
    assert of_rule(days, rule(), DAY) == days[1:]
    assert of_rule(days, rule(lookback_days=31), DAY) == days


def storing(*days: dt.date) -> Any:
    """A site of two days before DAY that keeps daily traffic, or scores, of the given days."""
    kept = SimpleNamespace(fingerprint="made", pruned="")
    storage = SimpleNamespace(has=lambda _, d: d in days, record=lambda _, d: kept if d in days else None)
    settings = SimpleNamespace(start_date=DAY - dt.timedelta(days=2))
    return SimpleNamespace(storage=storage, settings=settings, surge_days=56, rules_of=lambda _: (rule(),))


def test_stored_days_that_are_not_unverified_are_fit_and_the_day_itself_always_is() -> None:
    before, eve = (DAY - dt.timedelta(days=n) for n in (2, 1))
    asked: list[dt.date] = []

    def quality(_: Any, d: dt.date) -> str:
        asked.append(d)
        return {before: "partial", eve: "unverified"}.get(d, "unverified")

    quality_of = remembering(quality)
    assert fit_days(storing(before, eve, DAY), DAY, 40, quality_of) == [before, DAY]
    assert fit_days(storing(before), DAY, 40, quality_of) == [before, DAY]
    assert fit_days(storing(eve), DAY, 40, quality_of) == [DAY]
    assert sorted(asked) == [before, eve]


def test_a_verdict_is_made_from_the_scores_that_are_there_and_from_no_surge_without_its_rule() -> None:
    eve, site = DAY - dt.timedelta(days=1), storing(DAY - dt.timedelta(days=1))
    assert set(verdict_inputs(site, DAY)) == {f"surge_scores/{eve}", "surge_rules", "surge_stage"}
    site.rules_of = lambda _: ()
    assert verdict_inputs(site, DAY) == {}
