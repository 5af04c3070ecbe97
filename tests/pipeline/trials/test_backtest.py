"""Back-tests by hand-made sites: counts, causes, planted thefts, the sweep by the real scoring, nothing written."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest

from pipeline.daily import build_daily
from pipeline.detections import RuleOverride, load_rules
from pipeline.evaluation.plot import picture
from pipeline.schemas import DAILY_TRAFFIC, FLOWS
from pipeline.simulate.inject import Injection
from pipeline.site import Site, open_site
from pipeline.trials.backtest import (
    BOTH,
    SWEEPS,
    THEFTS,
    Backtest,
    _robbable,
    _swept,
    backtest,
    by_cause,
    compared,
    compared_methods,
)
from pipeline.trials.trial import CAUSES, VERDICTS, SeedTrial, SurgeTrial, trial
from tests.pipeline.context.test_context_model import context
from tests.worlds import CONFIG, SEED, TWIN, day

RULES = {r.id: r for r in load_rules({"mail_volume_surge": RuleOverride()}, lookback_days=30)}
RULE, SURGE = RULES[SEED], RULES["mail_volume_surge"]
DAYS, LAST = 14, day(13)
SIDES = ("candidate", "current")


def verified(_site: Site, _day: dt.date) -> str:
    return "verified"


def stored(folder: Path, volumes: dict[str, list[int | None]], config: str = CONFIG) -> Site:
    """A site with so many stored days; a client's list ends with the last day, and -1 is a day without traffic."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nilometer.yaml").write_text(config, encoding="utf-8")
    site = open_site(folder)
    for n in range(DAYS):
        of = {c: v[n - DAYS] for c, v in volumes.items() if len(v) >= DAYS - n and v[n - DAYS] != -1}
        rows = [{"day": day(n), "measure": RULE.measure.id, "client": c, "bytes": b} for c, b in of.items()]
        frame = pl.DataFrame(rows, schema_overrides={"bytes": pl.Int64})
        site.storage.write_day(DAILY_TRAFFIC, day(n), DAILY_TRAFFIC.conform(frame), inputs={})
    return site


def quiet(c: int) -> list[int | None]:
    return [1_000 + 10 * ((n * 7 + c * 3) % 5) for n in range(DAYS)]


@pytest.fixture
def site(tmp_path: Path) -> Site:
    """Three quiet clients and one of each cause on the last day."""
    crowd = {f"10.0.0.{c}": quiet(c) for c in range(3)}
    return stored(
        tmp_path / "site",
        crowd
        | {
            "10.0.1.1": [*quiet(1)[:-1], 90_000],
            "10.0.1.2": [*[500] * (DAYS - 1), 500],
            "10.0.1.3": [*quiet(3)[:-1], 1_200],
            "10.0.1.4": [1_000, 2_000],
            "10.0.1.5": [700],
            "10.0.1.6": [*quiet(6)[:-1], None],
        },
    )


def causes(of: SeedTrial | SurgeTrial, on: dt.date = LAST) -> dict[str, str]:
    return dict(of.verdicts(on).select("client", "cause").iter_rows())


def test_each_cause_of_the_seed_is_named(site: Site) -> None:
    found = causes(SeedTrial(site, RULE))
    assert {c: found[c] for c in sorted(found) if c.startswith("10.0.1.")} == {
        "10.0.1.1": "above_both_gates",
        "10.0.1.2": "below_both_gates",
        "10.0.1.3": "masked_by_fleet",
        "10.0.1.4": "too_few_samples",
        "10.0.1.5": "no_history",
        "10.0.1.6": "unknown_bytes",
    }
    assert set(found.values()) <= set(CAUSES)


def test_a_flat_past_that_alerts_and_a_value_above_the_fleet_alone_are_named(tmp_path: Path) -> None:
    crowd = {f"10.0.0.{c}": quiet(c) for c in range(5)}
    wild: list[int | None] = [1_000, 60_000] * (DAYS // 2)
    site = stored(tmp_path / "s", crowd | {"10.0.1.1": [*[500] * (DAYS - 1), 90_000], "10.0.1.2": [*wild[:-1], 80_000]})
    found = causes(SeedTrial(site, RULE.with_numbers({"deviation_threshold": "1.7"})))
    assert found["10.0.1.1"] == "flat_past"
    assert found["10.0.1.2"] == "below_own_gate"


def test_a_looser_candidate_finds_more_and_each_difference_has_both_causes(site: Site) -> None:
    loose = SeedTrial(site, RULE.with_numbers({"minimum_data_samples": 2, "deviation_threshold": "0.5"}))
    found = backtest((loose, SeedTrial(site, RULE)), SIDES, [day(12), LAST])
    assert found.daily.filter(pl.col("day") == LAST).row(0) == (LAST, 9, 1, 1, 1, 1)
    # The day before, ordinary days lie half a deviation off.
    first = found.daily.filter(pl.col("day") == day(12)).row(0, named=True)
    assert (first["second"], first["both"]) == (0, 0)
    assert first["first"] == found.alerts.filter(pl.col("day") == day(12)).height
    assert found.differences["alerts"].sum() == found.alerts.height
    last = found.alerts.filter(pl.col("day") == LAST)
    assert last.rows() == [(LAST, "10.0.1.1", 90_000, BOTH, "above_both_gates", "above_both_gates")]


def test_compared_tells_who_alerts_and_what_the_other_says() -> None:
    def verdicts(*rows: tuple[str, bool, str]) -> pl.DataFrame:
        told = [(LAST, client, 7, alert, cause) for client, alert, cause in rows]
        return pl.DataFrame(told, schema=VERDICTS, orient="row")

    one = verdicts(("a", True, "above_both_gates"), ("b", True, "flat_past"), ("c", False, "below_own_gate"))
    two = verdicts(("a", True, "shot"), ("b", False, "not_rare_enough"), ("d", True, "new"), ("e", False, "learning"))
    found = compared(one, two, ("x", "y"))
    assert found.drop("day", "bytes").rows() == [
        ("a", BOTH, "above_both_gates", "shot"),
        ("b", "x", "flat_past", "not_rare_enough"),
        ("d", "y", "not_judged", "new"),
    ]
    assert by_cause(pl.concat([found, found.head(1)])).row(0) == (BOTH, "above_both_gates", "shot", 2)


def whole(folder: Path, **stolen: int) -> Site:
    """Thirty clients, log-normal, with 5 GB stolen on the last day; ten days of history are enough for surge."""
    rng = np.random.default_rng(4)
    level = rng.normal(16, 0.6, 30)
    volumes = {f"10.0.2.{c}": [int(v) for v in np.exp(level[c] + rng.normal(0, 0.4, DAYS))] for c in range(30)}
    volumes["10.0.2.7"][-1] += 5 * 10**9
    for client, size in stolen.items():
        volumes[client][-1] += size
    return stored(folder, dict(volumes))  # type: ignore[arg-type]


def test_the_sweep_at_the_rules_own_number_equals_the_planted_thefts(tmp_path: Path) -> None:
    site = whole(tmp_path / "s")
    budget = SURGE.with_numbers({"budget": 100.0})
    trials = trial(site, RULE, verified), trial(site, budget, verified)
    found = backtest(trials, SIDES, [day(n) for n in range(9, DAYS)])
    for name, value in zip(SIDES, (3.0, 100.0), strict=True):
        swept = found.sweep.filter((pl.col("rule") == name) & (pl.col("value") == value)).sort("theft_bytes")
        real = found.recall.filter(pl.col("rule") == name).sort("theft_bytes")
        assert swept["detected"].to_list() == real["detected"].to_list()
        assert real["events"].to_list() == [5] * 5
        side = {"candidate": "first", "current": "second"}[name]
        assert swept["alerts"].unique().to_list() == [found.daily[side].sum()]
        # Thirty clients on five days.
        assert swept["per_day_per_10k"].unique().to_list() == [10_000 * found.daily[side].sum() / 150]
    largest = dict(found.recall.filter(pl.col("theft_bytes") == 10**10).select("rule", "detected").iter_rows())
    assert largest["candidate"] == 5
    assert largest["current"] > 0
    assert found.recall.filter(pl.col("theft_bytes") == 10**7)["detected"].max() < 5  # type: ignore[operator]


def test_a_higher_threshold_never_finds_more_and_never_costs_more(tmp_path: Path) -> None:
    found = backtest_of(whole(tmp_path / "s"))
    for _, part in found.sweep.sort("value").group_by("rule", "theft_bytes"):
        assert (part["alerts"].diff().drop_nulls() <= 0).all()
        assert ((part["detected"] + part["already"]).diff().drop_nulls() <= 0).all()
        assert (part["events"] + part["already"]).n_unique() == 1


def test_a_theft_is_found_where_it_is_as_large_as_what_is_needed_and_none_is_planted_beside_an_alert() -> None:
    needed = {"a": 0, "b": 1, "c": THEFTS[2], "d": THEFTS[3] + 1, "e": None}

    class Told(SeedTrial):
        def power(self, day: dt.date, knob: float | str) -> pl.DataFrame:
            return pl.DataFrame({"client": list(needed), "extra": list(needed.values())})

    rows = _swept("r", Told(None, RULE), LAST, dict(zip(THEFTS, needed, strict=True)))  # type: ignore[arg-type]
    for value in SWEEPS["seed"]:
        mine = [row for row in rows if row[2] == value]
        assert {row[3:5] for row in mine} == {(1, 5)}  # Alerts and clients.
        assert [row[6:] for row in mine] == [(0, 1, 0), (1, 0, 1), (1, 0, 1), (1, 0, 0), (1, 0, 0)]


def test_only_clients_with_a_past_and_a_known_volume_are_robbed(tmp_path: Path) -> None:
    newcomers: dict[str, list[int | None]] = {f"10.0.1.{c}": [700] for c in range(15)}
    unknown = {f"10.0.2.{c}": [*quiet(c)[:-1], None] for c in range(15)}
    site = stored(tmp_path / "s", {"10.0.0.1": quiet(1)} | newcomers | unknown)
    own = SeedTrial(site, RULE.with_numbers({"reference": "own"}))
    found = backtest((own, own), SIDES, [LAST])
    assert found.recall.select("events", "detected").unique().rows() == [(1, 1)]
    assert found.daily.select("clients", "already").row(0) == (31, 0)


def test_a_client_that_either_rule_cannot_judge_is_not_robbed_and_nobody_is_not() -> None:
    causes = {"10.0.0.1": "below_both_gates", "10.0.0.2": "masked_by_fleet", "null": "below_both_gates"}
    some = pl.DataFrame({"client": list(causes), "cause": list(causes.values())})
    for missing in ("no_history", "unknown_bytes"):
        fewer = some.with_columns(
            cause=pl.when(pl.col("client") == "10.0.0.2").then(pl.lit(missing)).otherwise("cause")
        )
        for told in ([some, fewer], [fewer, some], [some, some.head(1)], [some.head(1), some]):
            assert _robbable(told)["client"].to_list() == ["10.0.0.1"]
    assert _robbable([some.reverse(), some])["client"].to_list() == ["10.0.0.1", "10.0.0.2"]


def test_no_client_that_alerts_anyway_counts_as_a_theft_that_was_found(tmp_path: Path) -> None:
    crowd = {f"10.0.0.{c}": quiet(c) for c in range(3)}
    site = stored(tmp_path / "s", crowd | {"10.0.1.1": [*quiet(1)[:-1], 10**12], "10.0.1.2": [*quiet(2)[:-1], 10**12]})
    # A gate of the fleet that its own 10^12 lift far above any theft of the others; two of five alert.
    rule = RULE.with_numbers({"deviation_threshold": "1", "fleet_includes_day": True})
    found = backtest((SeedTrial(site, rule), SeedTrial(site, rule)), SIDES, [LAST])
    assert found.daily.row(0) == (LAST, 5, 2, 2, 2, 2)
    assert found.recall.select("events", "detected").unique().rows() == [(1, 0)]
    at = found.sweep.filter(pl.col("value") == 1.0)
    assert at.select("alerts", "events", "already", "detected").unique().rows() == [(2, 1, 0, 0)]


def test_a_threshold_at_which_a_client_alerts_anyway_finds_nothing_at_it(tmp_path: Path) -> None:
    # 1,030 lies 1.5 deviations off: it alerts at 1 without a theft, not at 3.
    rising = {f"10.0.0.{c}": [*[980, 1_000, 1_020] * 4, 1_000, 1_030] for c in range(4)}
    site = stored(tmp_path / "s", rising)
    own = RULE.with_numbers({"reference": "own", "deviation_threshold": "3"})
    found = backtest((SeedTrial(site, own), SeedTrial(site, own)), SIDES, [LAST])
    told = found.sweep.filter(pl.col("theft_bytes") == 10**9).sort("rule", "value").unique(["value"]).sort("value")
    assert told.head(1).select("value", "alerts", "events", "already", "detected").rows() == [(1.0, 4, 0, 1, 0)]
    assert told.filter(pl.col("value") == 3).select("alerts", "events", "already", "detected").rows() == [(0, 1, 0, 1)]
    assert told.head(1)["recall"].to_list() == [None]


def backtest_of(site: Site, seed: int = 0) -> Backtest:
    return backtest((SeedTrial(site, RULE), SeedTrial(site, RULE)), SIDES, [day(12), LAST], seed=seed)


def test_a_back_test_is_the_same_again_writes_nothing_and_its_thefts_follow_the_seed(tmp_path: Path) -> None:
    site = whole(tmp_path / "s")
    before = {p: p.read_bytes() for p in sorted(site.root.rglob("*")) if p.is_file()}
    first = backtest_of(site)
    assert first.as_rows() == backtest_of(site).as_rows()
    assert {p: p.read_bytes() for p in sorted(site.root.rglob("*")) if p.is_file()} == before
    named = first.sweep.with_columns(basket=pl.lit("thefts"), method="rule")
    assert picture(named, "alerts").count("<polyline") == 2


def test_surge_is_learning_at_first_and_the_methods_are_told_apart(tmp_path: Path) -> None:
    site = whole(tmp_path / "s")
    surges = [SurgeTrial(site, SURGE.with_numbers({"budget": 100.0}), verified)]
    for early in (day(1), day(6)):  # Before a client has five past days nobody has a score at all.
        told = surges[0].verdicts(early)
        assert (told.height, told["alert"].any(), set(told["cause"])) == (30, False, {"learning"})
    found = compared_methods([SeedTrial(site, RULE), SeedTrial(site, RULES[TWIN])], surges, ("s", "g"), [LAST])
    assert found.filter(pl.col("client") == "10.0.2.7").drop("bytes").rows() == [
        (LAST, "10.0.2.7", BOTH, "above_both_gates", "shot")
    ]


def test_an_address_and_the_asset_that_held_it_are_one_client(tmp_path: Path) -> None:
    site = whole(tmp_path / "s")
    known = context(entities="address,asset\n10.0.2.7,laptop\n")
    surges = [SurgeTrial(site, SURGE.with_numbers({"budget": 100.0}), verified, known)]
    assert surges[0].holders(LAST) == {"10.0.2.7": "laptop"}
    found = compared_methods([SeedTrial(site, RULE)], surges, ("s", "g"), [LAST])
    assert found.filter(pl.col("client").is_in(["laptop", "10.0.2.7"])).drop("bytes").rows() == [
        (LAST, "laptop", BOTH, "above_both_gates", "shot")
    ]


def test_of_the_addresses_of_an_asset_the_busiest_speaks_for_it(tmp_path: Path) -> None:
    site = whole(tmp_path / "s", **{"10.0.2.8": 2 * 10**9})
    known = context(entities="address,asset\n10.0.2.7,laptop\n10.0.2.8,laptop\n")
    seed, surge = SeedTrial(site, RULE), SurgeTrial(site, SURGE, verified, known)
    volumes = dict(seed.verdicts(LAST).filter("alert").select("client", "bytes").iter_rows())
    assert volumes.keys() == {"10.0.2.7", "10.0.2.8"}
    found = compared_methods([seed], [surge], ("s", "g"), [LAST]).filter(pl.col("by") != "g")
    assert found.select("client", "bytes").rows() == [("laptop", volumes["10.0.2.7"])]


def test_a_back_test_of_both_methods_joins_and_robs_an_asset_under_each_rules_own_name(tmp_path: Path) -> None:
    site = whole(tmp_path / "s")
    leases = "".join(f"10.0.2.{c},host{c}\n" for c in range(30))
    surge = SurgeTrial(
        site, SURGE.with_numbers({"budget": 100.0}), verified, context(entities=f"address,asset\n{leases}")
    )
    found = backtest((SeedTrial(site, RULE), surge), SIDES, [LAST])
    assert found.daily.select("clients", "both").row(0) == (30, 1)
    stolen = found.alerts.filter(pl.col("client").is_in(["host7", "10.0.2.7"])).drop("bytes")
    assert stolen.rows() == [(LAST, "host7", BOTH, "above_both_gates", "shot")]
    largest = found.recall.filter(pl.col("theft_bytes") == 10**10)
    assert largest.select("events", "detected").rows() == [(1, 1), (1, 1)]
    swept = found.sweep.filter((pl.col("theft_bytes") == 10**10) & pl.col("value").is_in([1.0, 100.0]))
    assert swept.filter(pl.col("rule") == "candidate")["detected"].max() == 1
    assert swept.filter(pl.col("rule") == "current")["detected"].max() == 1


def test_unverified_days_are_left_out_of_surge_alone(tmp_path: Path) -> None:
    site = whole(tmp_path / "s")

    def quality(_site: Site, of: dt.date) -> str:
        return "unverified" if of == day(5) else "verified"

    assert day(5) not in SurgeTrial(site, SURGE, quality).rows(LAST)["day"].to_list()
    assert day(5) in SurgeTrial(site, SURGE, verified).rows(LAST)["day"].to_list()


def test_a_series_that_the_site_does_not_keep_is_made_from_flows(tmp_path: Path) -> None:
    site = whole(tmp_path / "s")
    other = RULE.with_numbers({"category": "web"})
    time = dt.datetime.combine(LAST, dt.time(9), dt.UTC)
    flow = {"flow_uid": "1", "start_time": time, "src_ip": "10.0.2.1", "dest_ip": "192.0.2.80", "bytes_in": 77}
    told = FLOWS.conform(pl.DataFrame([flow | {"dest_category": ["web"], "action": "allowed"}]))
    site.storage.write_day(FLOWS, LAST, told, inputs={})
    assert build_daily(told, [other.measure], LAST).height == 1
    assert SeedTrial(site, other).verdicts(LAST).select("client", "bytes", "cause").rows() == [
        ("10.0.2.1", 77, "no_history")
    ]


def test_a_day_under_surge_is_judged_by_its_window_and_what_the_slow_channel_asks_before_it(tmp_path: Path) -> None:
    (tmp_path / "nilometer.yaml").write_text(CONFIG, encoding="utf-8")
    site = open_site(tmp_path)
    row = {"measure": RULE.measure.id, "client": "10.0.0.1", "bytes": 1_000}
    for n in range(14):
        rows = DAILY_TRAFFIC.conform(pl.DataFrame([{"day": day(n), **row}]))
        site.storage.write_day(DAILY_TRAFFIC, day(n), rows, inputs={})
    of = SurgeTrial(site, SURGE.with_numbers({"lookback_days": 2}), verified)
    assert sorted(of.rows(LAST)["day"].unique()) == [day(n) for n in range(1, 14)]


def test_nobody_is_robbed_under_a_rule_that_counts_and_each_day_is_told_of(site: Site) -> None:
    counting = RULE.model_copy(update={"field": "flows"})
    for n in range(DAYS):
        rows = site.storage.read_day(DAILY_TRAFFIC, day(n))
        both = pl.concat([rows, rows.with_columns(measure=pl.lit(counting.measure.id))])
        site.storage.write_day(DAILY_TRAFFIC, day(n), both, inputs={})
    steps: list[tuple[int, int]] = []
    trials = SeedTrial(site, counting), SeedTrial(site, RULE)
    found = backtest(trials, SIDES, [day(12), LAST], step=lambda done, of: steps.append((done, of)))
    assert set(found.recall["rule"]) == {"current"}
    assert dict(found.sweep.group_by("rule").agg(pl.col("events").max()).iter_rows()) == {"candidate": 0, "current": 2}
    assert steps == [(1, 2), (2, 2)]


def test_a_theft_is_planted_into_a_copy(site: Site) -> None:
    of = SeedTrial(site, RULE)
    before = of.verdicts(LAST)
    theft = Injection(client="10.0.0.1", day=LAST, size=10**6)
    robbed = of.verdicts(LAST, theft).filter(pl.col("client") == "10.0.0.1").row(0, named=True)
    assert robbed["alert"]
    assert of.verdicts(LAST).equals(before)


BEYOND: list[dict[str, Any]] = [
    {"reference": "own"},
    {"reference": "group"},
    {"reference": "group_and_own", "fleet_includes_day": False},
    {"reference": "fleet", "fill": "zero"},
    {"fill": "zero", "floor": 40_000_000},
]


@pytest.mark.parametrize("change", BEYOND)
def test_the_sweep_of_a_rule_beyond_the_seed_equals_its_planted_thefts(tmp_path: Path, change: dict[str, Any]) -> None:
    site = whole(tmp_path / "s")
    trials = trial(site, RULE.with_numbers(change), verified), trial(site, RULE, verified)
    found = backtest(trials, SIDES, [day(n) for n in range(11, DAYS)])
    swept = found.sweep.filter((pl.col("rule") == "candidate") & (pl.col("value") == 3.0)).sort("theft_bytes")
    real = found.recall.filter(pl.col("rule") == "candidate").sort("theft_bytes")
    assert swept["detected"].to_list() == real["detected"].to_list()
    assert swept["alerts"].unique().to_list() == [found.daily["first"].sum()]
    assert set(found.alerts["cause_first"]) <= set(CAUSES)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            {"reference": "own"},
            {"10.0.1.1": "above_its_gate", "10.0.1.3": "above_its_gate", "10.0.0.1": "below_its_gate"},
        ),
        (
            {"reference": "fleet"},
            {"10.0.1.1": "above_its_gate", "10.0.1.3": "below_its_gate", "10.0.1.5": "too_few_samples"},
        ),
        ({"floor": 91_000}, {"10.0.1.1": "below_floor", "10.0.1.3": "masked_by_fleet"}),
        ({"reference": "group_and_own"}, {"10.0.1.1": "above_both_gates", "10.0.1.3": "masked_by_group"}),
        (
            {"fleet_includes_day": False, "reference": "group", "minimum_data_samples": 1, "stdev_of_one": "null"},
            {"10.0.2.1": "others_unknown"},
        ),
    ],
)
def test_causes_of_rules_beyond_the_seed_are_those_of_what_they_ask(
    site: Site, change: dict[str, Any], expected: dict[str, str]
) -> None:
    if "10.0.2.1" in expected:
        rows = site.storage.read_day(DAILY_TRAFFIC, LAST)
        alone = rows.head(1).with_columns(client=pl.lit("10.0.2.1"))
        site.storage.write_day(DAILY_TRAFFIC, LAST, pl.concat([rows, alone]), inputs={})
    found = causes(trial(site, RULE.with_numbers(change), verified))
    assert {c: found[c] for c in expected} == expected


def test_silent_days_count_as_nothing_only_where_their_logs_were_read(site: Site) -> None:
    rule = RULE.with_numbers({"reference": "own", "fill": "zero"})
    assert causes(trial(site, rule, verified))["10.0.1.5"] == "no_history"
    for n in range(DAYS):
        site.storage.write_day(FLOWS, day(n), FLOWS.empty(), inputs={}, facts={"lines": 1})
    assert causes(trial(site, rule, verified))["10.0.1.5"] == "flat_past"


def test_the_sweep_turns_both_gates_whatever_each_had(site: Site) -> None:
    apart = SeedTrial(site, RULE.with_numbers({"fleet_deviation_threshold": "1", "own_deviation_threshold": "1"}))
    assert apart.power(LAST, 9).equals(SeedTrial(site, RULE).power(LAST, 9))
