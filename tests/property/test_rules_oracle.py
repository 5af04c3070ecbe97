"""Rules beyond the seed against a naive reading, on generated flows and windows, and against DuckDB."""

from __future__ import annotations

import datetime as dt
from collections import Counter
from fractions import Fraction
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.baseline import build_baseline
from pipeline.daily import build_daily, conserved, measure_totals
from pipeline.days import day_range
from pipeline.detections.model import Measure, Rule
from pipeline.groups import Groups
from pipeline.methods.seed import score
from pipeline.methods.surroundings import Surroundings
from pipeline.schemas import FLOWS
from tests.examples import examples
from tests.oracle import rules as oracle
from tests.oracle.seed import Numbers
from tests.property.seed_cases import daily_frame

PROFILE = settings(suppress_health_check=list(HealthCheck))
DAY = dt.date(2026, 6, 30)
NOON = dt.datetime(2026, 6, 30, 12, tzinfo=dt.UTC)
FIELDS = ("bytes_in", "bytes_out", "bytes", "flows", "peers", "ports")
REFERENCES = ("fleet_and_own", "fleet", "own", "group_and_own", "group")
CLIENTS = ("10.0.1.1", "10.0.1.2", "10.0.2.1", "10.0.2.2", "2001:db8::1", "2001:db8:0:1::1")
NAMED = {"10.0.2.0/24": "finance", "10.0.2.2/32": "boss", "2001:db8::/32": "six"}
LARGEST = 2**63 - 1
BYTES = st.one_of(st.none(), st.integers(0, 9), st.sampled_from([10**15, LARGEST]))
CATEGORIES = st.sampled_from([None, [], ["dns_server"], ["email_server", "dns_server"], ["email_server"]])


@st.composite
def flow(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "start_time": NOON,
        "src_ip": draw(st.sampled_from([*CLIENTS[:2], None])),
        "dest_ip": draw(st.sampled_from(["192.0.2.10", "192.0.2.11", "10.0.1.1"])),
        "dest_port": draw(st.sampled_from([None, 0, 25, 53, 65_535])),
        "transport": draw(st.sampled_from(["tcp", "udp", "unknown"])),
        "app": draw(st.sampled_from([None, "", "smtp", "ssl,smtp", "SSL, IMAP", "smtps"])),
        "bytes_in": draw(BYTES),
        "bytes_out": draw(BYTES),
        "bytes": draw(BYTES),
        "src_category": draw(CATEGORIES),
        "dest_category": draw(CATEGORIES),
        "action": draw(st.sampled_from(["allowed", "unknown", "blocked"])),
    }


@st.composite
def series(draw: st.DrawFn) -> oracle.Series:
    return oracle.Series(
        draw(st.sampled_from(FIELDS)),
        draw(st.sampled_from(["src_ip", "dest_ip"])),
        "email_server",
        draw(st.sampled_from(["src", "dest"])),
        draw(st.sampled_from([(), (), (25,), (0, 53)])),
        draw(st.sampled_from([(), (), ("smtp",), ("imap", "smtp")])),
        draw(st.sampled_from([(), (), ("tcp",), ("udp", "unknown")])),
    )


def measure(of: oracle.Series) -> Measure:
    return Measure(of.field, of.category, of.side, of.subject, of.ports, of.apps, of.transports)


def frame(flows: list[dict[str, Any]]) -> pl.DataFrame:
    return FLOWS.conform(pl.DataFrame(flows, schema={c: FLOWS.schema[c] for c in flows[0]} if flows else FLOWS.schema))


@settings(PROFILE, max_examples=examples(200))
@given(st.lists(flow(), max_size=14), series())
def test_daily_values_of_any_measure_equal_the_naive_ones(flows: list[dict[str, Any]], of: oracle.Series) -> None:
    found = build_daily(frame(flows), [measure(of)], DAY)
    expected = oracle.daily(flows, of)
    assert dict(found.select("client", "bytes").iter_rows()) == expected
    mine = [f for f in flows if oracle.counts(f, of)]
    unknown = 0 if of.field == "flows" else sum(oracle.part(f, of) is None for f in mine)
    assert (found["flows"].sum(), found["flows_unknown"].sum()) == (len(mine), unknown)


@settings(PROFILE, max_examples=examples(100))
@given(st.lists(flow(), max_size=14), series())
def test_what_adds_up_adds_up_for_any_measure(flows: list[dict[str, Any]], of: oracle.Series) -> None:
    small = [f | {c: None if f[c] is None else f[c] % 1000 for c in ("bytes", "bytes_in", "bytes_out")} for f in flows]
    asked = measure(of)
    total = build_daily(frame(small), [asked], DAY)[conserved(asked)].sum()
    assert {asked.id: total} == measure_totals(frame(small), [asked])


def test_distinct_counts_equal_duckdb() -> None:
    rows = [
        {
            "start_time": NOON,
            "src_ip": f"10.0.{i % 7}.{i * i % 31}",
            "dest_ip": f"192.0.2.{i * 7 % 5}",
            "dest_port": None if i % 11 == 0 else i * i * i % 97,
            "dest_category": ["email_server"],
            "action": "allowed",
        }
        for i in range(3_000)
    ]
    flows = frame(rows)
    plain = flows.select("src_ip", "dest_ip", "dest_port").to_dict(as_series=False)
    with duckdb.connect() as sql:
        sql.execute("create table flows (src_ip text, dest_ip text, dest_port integer)")
        sql.executemany("insert into flows values (?, ?, ?)", list(zip(*plain.values(), strict=True)))
        for subject, peer in (("src_ip", "dest_ip"), ("dest_ip", "src_ip")):
            for field, column in (("peers", peer), ("ports", "dest_port")):
                found = build_daily(flows, [Measure(field, "email_server", "dest", subject)], DAY)
                query = f"select {subject}, count(distinct {column}) from flows group by 1"
                assert dict(found.select("client", "bytes").iter_rows()) == dict(sql.execute(query).fetchall())


@st.composite
def windows(draw: st.DrawFn) -> list[tuple[dt.date, str | None, int | None]]:
    """Clients with gaps, a few values that repeat, and huge ones; the last day often holds a spike."""
    usual = st.sampled_from([0, 1, 100, 100, 101, None] + [10**15, LARGEST] * draw(st.booleans()))
    rows: list[tuple[dt.date, str | None, int | None]] = []
    for client in CLIENTS[: draw(st.integers(1, 6))]:
        for back in draw(st.sets(st.integers(1, 12), max_size=9)):
            rows.append((DAY - dt.timedelta(days=back), client, draw(usual)))
        if draw(st.integers(0, 4)):
            rows.append((DAY, client, draw(st.one_of(usual, st.integers(99, 400), st.just(10**15 + 1)))))
    return rows


@st.composite
def judgings(draw: st.DrawFn) -> oracle.Judging:
    lookback, minimum = draw(st.sampled_from([8, 30])), draw(st.integers(1, 4))
    zero = draw(st.booleans())
    fleet, own = (Fraction(draw(st.sampled_from(["0", "1/2", "1", "1.5"]))) for _ in range(2))
    return oracle.Judging(
        Numbers(lookback, minimum, fleet, stdev_of_one_is_zero=zero),
        draw(st.sampled_from(REFERENCES)),
        draw(st.booleans()),
        Numbers(lookback, minimum, own, stdev_of_one_is_zero=zero),
        draw(st.sampled_from(["none", "zero"])),
        draw(st.sampled_from([0, 0, 0, 101, 10**15])),
    )


def rule_of(judging: oracle.Judging) -> Rule:
    return Rule(
        id="any",
        title="Any",
        description="Any.",
        attack=("T1114",),
        subject="src_ip",
        field="flows",
        category="email_server",
        category_side="dest",
        reference=judging.reference,  # type: ignore[arg-type]
        fleet_includes_day=judging.includes_day,
        fleet_deviation_threshold=str(judging.numbers.threshold),
        own_deviation_threshold=str(judging.own.threshold),
        fill=judging.fill,  # type: ignore[arg-type]
        floor=judging.floor,
        lookback_days=judging.numbers.lookback,
        minimum_data_samples=judging.numbers.minimum,
        stdev_of_one="zero" if judging.numbers.stdev_of_one_is_zero else "null",
    )


def judged(rows: list[Any], rule: Rule, read: list[dt.date], groups: dict[str, str]) -> pl.DataFrame:
    daily, start = daily_frame(tuple(rows), rule), dt.date(2020, 1, 1)
    past = build_baseline(daily.lazy(), DAY, [(rule.measure, rule.lookback_days)], start=start, present=read)
    named = {g: [n for n, of in groups.items() if of == g] for g in groups.values()}
    today = daily.filter(pl.col("day") == DAY)
    return score(today, past, rule, DAY, Surroundings(frozenset(read), Groups(named)))


def test_every_verdict_of_every_reference_and_fill_equals_the_naive_one() -> None:
    seen: Counter[tuple[str, str, bool]] = Counter()

    @settings(PROFILE, max_examples=examples(450))
    @given(windows(), judgings(), st.sets(st.integers(1, 35)), st.booleans())
    def check(rows: list[Any], judging: oracle.Judging, extra: set[int], named: bool) -> None:
        groups = NAMED if named else {}
        read = sorted({d for d, _, _ in rows if d < DAY} | {DAY - dt.timedelta(days=n) for n in extra})
        scores = judged(rows, rule_of(judging), read, groups)
        verdicts = oracle.judge(rows, DAY, judging, read, groups)
        assert scores.height == len(verdicts)
        for row, v in zip(scores.iter_rows(named=True), verdicts, strict=True):
            exact = (row["client"], row["state"] == "alert", row["n"], row["gate_fleet"], row["gate_client"])
            assert exact == (v.client, v.alert, v.n, v.above_others, v.above_own)
            assert (row["fleet_n"], row["n_past_values"]) == (v.others.n, v.own.n)
            for prefix, side in (("", v.others), ("per_source_", v.own)):
                mean = None if side.mean is None else float(side.mean)
                assert row[f"{prefix}avg_bytes"] == (mean if mean is None else pytest.approx(mean, rel=1e-12))
                deviation = side.deviation
                shown = deviation if deviation is None else pytest.approx(deviation, rel=1e-12)
                assert row[f"{prefix}stdev_bytes"] == shown
            seen[judging.reference, judging.fill, v.alert] += 1

    check()
    assert len(seen) == len(REFERENCES) * 2 * 2
    assert min(seen.values()) >= 5, seen


def test_a_value_at_the_floor_alerts_and_one_below_it_does_not() -> None:
    rule = rule_of(oracle.Judging(reference="own", fill="zero", numbers=Numbers(minimum=1), floor=5))
    read = day_range(DAY - dt.timedelta(days=40), DAY - dt.timedelta(days=1))
    found = judged([(DAY, "10.0.1.1", 5), (DAY, "10.0.1.2", 4)], rule, read, {}).sort("client")
    assert found["state"].to_list() == ["alert", "normal"]


def test_the_days_of_a_silent_client_are_those_that_were_read_and_no_others() -> None:
    rule = rule_of(oracle.Judging(reference="own", fill="zero", numbers=Numbers(minimum=1)))
    read = day_range(DAY - dt.timedelta(days=40), DAY - dt.timedelta(days=1))
    found = judged([(DAY, "10.0.1.1", 5)], rule, read, {}).row(0, named=True)
    assert (found["n"], found["n_past_values"], found["per_source_avg_bytes"]) == (31, 30, 0.0)
    assert found["state"] == "alert"
    unread = judged([(DAY, "10.0.1.1", 5)], rule, [], {}).row(0, named=True)
    assert (unread["n"], unread["state"]) == (1, "no_history")
