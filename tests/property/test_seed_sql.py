"""The pipeline against the original search written as SQL for DuckDB, from flows to the output table."""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from typing import Any

import duckdb
import polars as pl
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from pipeline.alerts import build_alerts, seed_table
from pipeline.daily import build_daily
from pipeline.detections import Rule
from tests.examples import examples
from tests.oracle import seed as oracle
from tests.property.seed_cases import RULES, TWIN, flow_frame, run_pipeline

DAY = dt.date(2026, 6, 30)
LOOKBACK = 30

SEARCH = """
with daily as (
    select {subject} as client, time_bucket(interval '1 day', start_time) as day, sum({field}) as bytes
    from flows where list_contains({side}_category, 'email_server') and start_time >= $first group by all
), fleet as (
    select *, avg(bytes) over () as avg_bytes, stddev_samp(bytes) over () as stdev_bytes from daily
), own as (
    select *,
        count(*) over (partition by client) as n,
        avg(case when day < $today then bytes end) over (partition by client) as own_avg,
        case when count(case when day < $today then bytes end) over (partition by client) = 1 then 0
            else stddev_samp(case when day < $today then bytes end) over (partition by client) end as own_stdev
    from fleet
)
select client, bytes, avg_bytes, own_avg,
    floor(abs(bytes - avg_bytes) / nullif(stdev_bytes, 0) * 100 + 0.5) / 100,
    floor(abs(bytes - own_avg) / nullif(own_stdev, 0) * 100 + 0.5) / 100
from own
where n >= $minimum and bytes > avg_bytes + $k * stdev_bytes and bytes > own_avg + $k * own_stdev and day >= $today
order by bytes desc, client
"""


def search(
    db: duckdb.DuckDBPyConnection, flows: list[oracle.Flow], twin: bool, minimum: int, k: float
) -> list[tuple[Any, ...]]:
    """The alerts of the search, by DuckDB."""
    text = SEARCH.format(
        subject="dest_ip" if twin else "src_ip",
        field="bytes_out" if twin else "bytes_in",
        side="src" if twin else "dest",
    )
    midnight = dt.datetime.combine(DAY, dt.time())
    db.execute(
        "create or replace table flows (start_time timestamp, src_ip text, dest_ip text, bytes_in bigint,"
        " bytes_out bigint, src_category text[], dest_category text[])"
    )
    db.executemany("insert into flows values (?, ?, ?, ?, ?, ?, ?)", [_values(f) for f in flows])
    given = {"first": midnight - dt.timedelta(days=LOOKBACK), "today": midnight, "minimum": minimum, "k": k}
    return db.execute(text, given).fetchall()


def _values(f: oracle.Flow) -> tuple[Any, ...]:
    start = f.start.replace(tzinfo=None)
    return start, f.src_ip, f.dest_ip, f.bytes_in, f.bytes_out, list(f.src_category), list(f.dest_category)


def pipeline_alerts(flows: list[oracle.Flow], rule: Rule) -> list[tuple[Any, ...]]:
    """The alerts of the same flows, by the pipeline."""
    frame = flow_frame(flows)
    days = sorted({f.start.date() for f in flows})
    daily = pl.concat([build_daily(frame.filter(pl.col("start_time").dt.date() == d), [rule.measure], d) for d in days])
    scores = run_pipeline(daily, rule, DAY, days[0])
    table = seed_table(build_alerts(scores, [rule], frame.lazy(), DAY, "UTC", "verified"), rule, "UTC")
    return table.drop("_time").rows()


@st.composite
def flow_lists(draw: st.DrawFn, twin: bool) -> list[oracle.Flow]:
    """Some clients' flows of a few days each, with one that may receive far more on the last day."""
    flows = []
    for client in range(draw(st.sampled_from([1, 2, 5, 6]))):
        for back in range(draw(st.sampled_from([1, 3, 4, 6, 7]))):
            for _ in range(draw(st.integers(1, 2))):
                size = draw(st.one_of(st.integers(90, 110), st.integers(90, 110), st.integers(0, 1_000), st.none()))
                flows.append(_flow(client, back, size, twin, mail=bool(draw(st.integers(0, 4)))))
    spike = draw(st.one_of(st.integers(0, 3_000), st.integers(10_000, 10**9)))
    return [*flows, _flow(0, 0, spike, twin, mail=True)]


def _flow(client: int, back: int, size: int | None, twin: bool, mail: bool) -> oracle.Flow:
    start = dt.datetime.combine(DAY, dt.time(client, 30), dt.UTC) - dt.timedelta(days=back)
    category, host, server = ("email_server", "web") if mail else ("web",), f"10.0.0.{client}", "192.0.2.10"
    if twin:
        return oracle.Flow(start, server, host, 7, size, category, ())
    return oracle.Flow(start, host, server, size, 7, (), category)


def clear_of_gates(flows: list[oracle.Flow], twin: bool, numbers: oracle.Numbers) -> bool:
    """Whether no gate is so close that floats may decide it either way; those cases are the exact oracle's."""
    verdicts = oracle.judge(oracle.daily_rows(flows, zone="UTC", twin=twin), DAY, numbers)
    squares = [z for v in verdicts for z in (v.server_z_squared, v.client_z_squared) if z is not None]
    k2 = float(numbers.threshold) ** 2
    return all(abs(float(z) - k2) > 1e-9 for z in squares) and all(
        v.fleet.variance != 0 or v.value == v.fleet.mean for v in verdicts
    )


def same_hundredth(a: float | None, b: float | None) -> bool:
    return a == b if a is None or b is None else a == pytest.approx(b, rel=1e-9, abs=0.010001)


@pytest.mark.parametrize("rule", RULES, ids=lambda r: r.id)
def test_alerts_equal_the_search_in_sql(rule: Rule) -> None:
    twin, alerts, db = rule.id == TWIN, 0, duckdb.connect()
    spiked = [_flow(client, back, 100 + client, twin, mail=True) for client in range(6) for back in range(7)]

    @settings(max_examples=examples(50), suppress_health_check=list(HealthCheck))
    @example([*spiked, _flow(0, 0, 10**9, twin, mail=True)], 4, "1")
    @example([*spiked, _flow(3, 0, 50_000, twin, mail=True)], 2, "2")
    @given(flow_lists(twin), st.integers(1, 6), st.sampled_from(["3", "1", "2.5"]))
    def check(flows: list[oracle.Flow], minimum: int, k: str) -> None:
        nonlocal alerts
        numbers = oracle.Numbers(LOOKBACK, minimum, Fraction(k))
        assume(clear_of_gates(flows, twin, numbers))
        changed = rule.model_copy(update={"deviation_threshold": k, "minimum_data_samples": minimum})
        found, expected = pipeline_alerts(flows, changed), search(db, flows, twin, minimum, float(k))
        assert [r[:2] for r in found] == [r[:2] for r in expected]
        for one, other in zip(found, expected, strict=True):
            assert one[2:4] == pytest.approx(other[2:4], rel=1e-9)
            # Beside a tie, the two may round to neighbouring hundredths.
            assert all(same_hundredth(a, b) for a, b in zip(one[4:], other[4:], strict=True))
        alerts += len(found)

    check()
    db.close()
    assert alerts >= 3
