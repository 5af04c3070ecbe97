"""Generated cases of the seed detection: windows of daily rows, most of them close to where a verdict turns."""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, replace
from fractions import Fraction

import polars as pl
from hypothesis import strategies as st

from pipeline.baseline import build_baseline
from pipeline.detections import Rule, load_rules
from pipeline.methods import METHODS
from pipeline.schemas import DAILY_TRAFFIC, FLOWS
from tests.oracle import seed as oracle

RULES = load_rules({}, lookback_days=30)
TWIN = "email_servers_sending_high_volume_to_hosts"
LARGEST = 2**63 - 1
THRESHOLDS = ("3", "0", "1", "2.5", "3.75", "0.1", "1/3", "7/2", "15/4", "100")
CLIENTS: tuple[str | None, ...] = ("10.0.0.1", "10.0.0.2", "2001:db8::3", None)

FLOW_COLUMNS = (
    "flow_uid",
    "start_time",
    "src_ip",
    "dest_ip",
    "bytes_in",
    "bytes_out",
    "src_category",
    "dest_category",
    "action",
)


@dataclass(frozen=True)
class Case:
    """A window and the numbers of the rule that judges its last day."""

    day: dt.date
    start: dt.date
    rows: tuple[oracle.Row, ...]
    numbers: oracle.Numbers
    threshold: str
    twin: bool

    @property
    def rule(self) -> Rule:
        """The built-in rule with the case's numbers."""
        rule = next(r for r in RULES if (r.id == TWIN) == self.twin)
        return rule.model_copy(
            update={
                "lookback_days": self.numbers.lookback,
                "minimum_data_samples": self.numbers.minimum,
                "deviation_threshold": self.threshold,
                "null_client": "literal" if self.numbers.keep_null_client else "drop",
                "stdev_of_one": "zero" if self.numbers.stdev_of_one_is_zero else "null",
            }
        )

    def verdicts(self) -> list[oracle.Verdict]:
        """What the naive reading says."""
        return oracle.judge(self.rows, self.day, self.numbers, self.start)


def daily_frame(rows: tuple[oracle.Row, ...], rule: Rule) -> pl.DataFrame:
    """Rows as DAILY_TRAFFIC, in the order given."""
    time = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    days, clients, values = zip(*rows, strict=True) if rows else ((), (), ())
    return pl.DataFrame(
        {"day": days, "client": clients, "bytes": values},
        schema={"day": pl.Date, "client": pl.String, "bytes": pl.Int64},
    ).select(
        "day",
        pl.lit(rule.measure.id).alias("measure"),
        "client",
        "bytes",
        pl.lit(1, pl.Int64).alias("flows"),
        pl.col("bytes").is_null().cast(pl.Int64).alias("flows_unknown"),
        pl.lit(1, pl.Int64).alias("servers"),
        pl.lit(time, DAILY_TRAFFIC.schema["first_start"]).alias("first_start"),
        pl.lit(time, DAILY_TRAFFIC.schema["last_start"]).alias("last_start"),
    )


def flow_frame(flows: list[oracle.Flow]) -> pl.DataFrame:
    """Flows as FLOWS, all of them allowed."""
    rows = [
        {
            "flow_uid": str(i),
            "start_time": f.start,
            "src_ip": f.src_ip,
            "dest_ip": f.dest_ip,
            "bytes_in": f.bytes_in,
            "bytes_out": f.bytes_out,
            "src_category": list(f.src_category) or None,
            "dest_category": list(f.dest_category) or None,
            "action": "allowed",
        }
        for i, f in enumerate(flows)
    ]
    return FLOWS.conform(pl.DataFrame(rows, schema={c: FLOWS.schema[c] for c in FLOW_COLUMNS}))


def run_pipeline(daily: pl.DataFrame, rule: Rule, day: dt.date, start: dt.date) -> pl.DataFrame:
    """The scores of the day, by the pipeline."""
    present = daily["day"].unique().to_list()
    past = build_baseline(daily.lazy(), day, [(rule.measure, rule.lookback_days)], start=start, present=present)
    return METHODS[rule.method](daily.filter(pl.col("day") == day), past, rule, day)


def values() -> st.SearchStrategy[int | None]:
    """Bytes of a client's day: unknown, tiny, equal, huge with a little noise, and the largest that is stored."""
    return st.one_of(
        st.just(100),
        st.integers(0, 6),
        st.integers(0, 10**15),
        st.integers(10**15 - 3, 10**15),
        st.none(),
        st.sampled_from([2**53 + 1, LARGEST - 1, LARGEST]),
    )


def histories() -> st.SearchStrategy[list[int | None]]:
    """A client's past, latest day first: mixed, flat, or one whose mean and deviation are whole numbers."""
    whole = st.integers(1, 10**14).map(lambda m: [m, m, m, 5 * m])
    flat = st.tuples(values(), st.integers(1, 12)).map(lambda t: [t[0]] * t[1])
    return st.one_of(st.lists(values(), max_size=8), flat, whole)


@st.composite
def cases(draw: st.DrawFn) -> Case:
    """A case whose last day often holds a value exactly at a gate or one byte beside it."""
    threshold = draw(st.sampled_from(THRESHOLDS))
    numbers = oracle.Numbers(
        lookback=draw(st.one_of(st.just(30), st.just(60), st.integers(1, 60))),
        minimum=draw(st.one_of(st.just(4), st.integers(1, 8))),
        threshold=Fraction(threshold),
        keep_null_client=draw(st.booleans()),
        stdev_of_one_is_zero=draw(st.booleans()),
    )
    day = draw(st.dates(dt.date(2024, 1, 1), dt.date(2027, 12, 31)))
    start = day - dt.timedelta(days=draw(st.sampled_from([400, 400, 30, 3, 0])))
    rows = _fleet_rows(draw, day) | _client_rows(draw, day)
    case = Case(day, start, _listed(rows), numbers, threshold, draw(st.booleans()))
    return _moved_to_a_gate(draw, case)


def _client_rows(draw: st.DrawFn, day: dt.date) -> dict[tuple[dt.date, str | None], int | None]:
    """Some clients' own days, with gaps, some of them outside the window."""
    rows = {}
    for client in CLIENTS[: draw(st.integers(1, len(CLIENTS)))]:
        gap = draw(st.sampled_from([1, 1, 1, 2, 9]))
        for i, value in enumerate(draw(histories())):
            rows[day - dt.timedelta(days=1 + i * gap), client] = value
        if draw(st.integers(0, 5)):
            rows[day, client] = draw(values())
    return rows


def _fleet_rows(draw: st.DrawFn, day: dt.date) -> dict[tuple[dt.date, str | None], int | None]:
    """A quiet crowd, so that one client can stand out of it; often none."""
    size, days = draw(st.sampled_from([(0, 0), (1, 15), (1, 16), (6, 6), (12, 4)]))
    level: int | None = draw(st.sampled_from([0, 100, 10**15]))
    return {
        (day - dt.timedelta(days=1 + i), f"192.0.2.{c}"): level if (c + i) % 3 or size > 1 else 100
        for c in range(size)
        for i in range(days)
    }


def _moved_to_a_gate(draw: st.DrawFn, case: Case) -> Case:
    """One client's value of the day put at the smallest one that passes a gate (or both), or beside it."""
    gate = draw(st.sampled_from(["none", "client", "fleet", "both", "both"]))
    today = sorted((c for d, c, _ in case.rows if d == case.day), key=str)
    if gate == "none" or not today:
        return case
    client, gates = draw(st.sampled_from(today)), {"client": (0,), "fleet": (1,), "both": (0, 1)}[gate]
    edges = [_edges(case, client)[i] for i in gates]
    if None in edges:
        return case
    beside = max(e for e in edges if e is not None) + draw(st.sampled_from([-1, -1, 0, 0, 1]))
    return replace(case, rows=_with_value(case, client, max(0, min(LARGEST, beside))))


def _with_value(case: Case, client: str | None, x: int) -> tuple[oracle.Row, ...]:
    return tuple((d, c, x if (d, c) == (case.day, client) else v) for d, c, v in case.rows)


def _edges(case: Case, client: str | None) -> tuple[int | None, int | None]:
    """The smallest value of the day that passes the client's own gate, and the fleet's (which it moves itself)."""
    name, k = "null" if client is None else client, case.numbers.threshold
    mine = [v for v in replace(case, rows=_with_value(case, client, 0)).verdicts() if v.client == name]
    if not mine:
        return None, None
    first = max(case.start, case.day - dt.timedelta(days=case.numbers.lookback))
    others = [
        v
        for d, c, v in case.rows
        if first <= d <= case.day
        and (d, c) != (case.day, client)
        and (c is not None or case.numbers.keep_null_client)
        and v is not None
    ]
    own = oracle.smallest(lambda x: mine[0].own.above(x, k), LARGEST)
    return own, oracle.smallest(lambda x: oracle.statistics([*others, x], case.numbers).above(x, k), LARGEST)


def _listed(rows: dict[tuple[dt.date, str | None], int | None]) -> tuple[oracle.Row, ...]:
    return tuple((d, c, v) for (d, c), v in rows.items())
