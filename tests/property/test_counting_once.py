"""Counting once agrees with the plain reading of its rules, whatever records meet."""

import datetime as dt
from collections import Counter
from dataclasses import asdict
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counting.attribution import Attribution
from pipeline.counting.once import count_once
from pipeline.counting.records import COUNTS, Rules
from pipeline.sources.base import RAW
from tests.examples import examples
from tests.oracle import counting as oracle

NOON = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
SCHEMA = pl.Schema([*RAW.items(), ("source", pl.String()), ("source_file", pl.String())])
WINDOW = dt.timedelta(seconds=100)
ENDS = [("10.0.0.1", 50_000), ("10.0.0.2", 993), ("10.0.0.2", 40_000)]
SECONDS = st.sampled_from([0, 0.5, 1, 2, 3, 30, 59, 60, 61, 99, 100, 101, 150, 250, 400])


@st.composite
def records(draw: st.DrawFn) -> dict[str, Any]:
    src, dest = draw(st.permutations(ENDS))[:2]
    layer = draw(st.sampled_from(["ip", "ip", "payload", "other"]))
    way = draw(st.sampled_from(["both", "in", "out", "none"]))
    count = st.integers(0, 5)
    row: dict[str, Any] = dict.fromkeys(SCHEMA.names())
    row |= {"source": draw(st.sampled_from(["core", "core", "edge"])), "source_file": "a"}
    row |= {"dvc": draw(st.sampled_from(["t1", "t1", "t2"])), "reporter": draw(st.sampled_from([None, "src", "dest"]))}
    row |= {"src_ip": src[0], "src_port": src[1], "dest_ip": dest[0], "dest_port": dest[1]}
    row["transport"] = draw(st.sampled_from(["tcp", "tcp", "tcp", "udp", "unknown"]))
    row["start_time"] = NOON + dt.timedelta(seconds=draw(SECONDS))
    row["duration"] = draw(st.sampled_from([None, 0, 500_000, 30_000_000]))
    row |= {"uid": draw(st.sampled_from([None, None, "u1", "u2"]))}
    row |= {"record_id": draw(st.sampled_from([None, None, None, "r1", "r2"]))}
    row |= {"accounting": draw(st.sampled_from(["final", "delta", "cumulative"]))}
    row |= {"orientation": draw(st.sampled_from(["native", "port_rule", "unknown"]))}
    if way != "none":
        row |= {f"{layer}_bytes_{s}": draw(count) for s in (("in", "out") if way == "both" else (way,))}
    if draw(st.integers(0, 9)) == 0:
        row["src_port"] = None
    return row


@st.composite
def stretches(draw: st.DrawFn) -> dict[str, Any]:
    """Of one session, whose sensors take turns."""
    row = draw(records()) | {
        "src_ip": ENDS[0][0],
        "src_port": ENDS[0][1],
        "dest_ip": ENDS[1][0],
        "dest_port": ENDS[1][1],
    }
    row |= {"transport": "tcp", "orientation": "native", "uid": None, "record_id": None}
    return row | {"accounting": draw(st.sampled_from(["delta", "delta", "final"]))}


def numbered(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The lines of each source in a file of its own; all of these have one name."""
    last: Counter[str] = Counter()
    for row in rows:
        last[row["source"]] += 1
        row["source_line"] = last[row["source"]]
    return rows


def comparable(rows: list[dict[str, Any]]) -> list[tuple[Any, ...]]:
    names = ("source", "source_line", "start_time", "duration", "src_ip", "dest_ip", "orientation", "dvc", *COUNTS)
    return sorted(tuple(str(r[n]) for n in names) for r in rows)


@settings(max_examples=examples(90))
@given(
    st.lists(records(), max_size=9) | st.lists(stretches(), min_size=4, max_size=9),
    st.sampled_from([(), ("t2",), ("edge", "t1")]),
    st.booleans(),
)
def test_every_record_is_counted_as_the_rules_say(
    rows: list[dict[str, Any]], sensors: tuple[str, ...], cut: bool
) -> None:
    rows = numbered(rows)
    within = (NOON + dt.timedelta(seconds=2), NOON + dt.timedelta(seconds=101)) if cut else None
    frame = pl.DataFrame(rows, schema=SCHEMA)
    found, dropped = count_once(frame, Rules(WINDOW, sensors), Attribution(*within) if within else None)
    expected = oracle.count_once(rows, WINDOW, sensors, within)
    assert comparable(found.to_dicts()) == comparable(expected)
    inside = [r for r in rows if within is None or within[0] <= r["start_time"] < within[1]]
    assert len(inside) == found.height + sum(asdict(dropped).values())


@settings(max_examples=examples(45))
@given(st.lists(records(), max_size=9), st.randoms(use_true_random=False))
def test_the_order_in_which_records_are_read_changes_nothing(rows: list[dict[str, Any]], random: Any) -> None:
    rows = numbered(rows)
    shuffled = list(rows)
    random.shuffle(shuffled)
    results = [count_once(pl.DataFrame(r, schema=SCHEMA), Rules(WINDOW)) for r in (rows, shuffled)]
    assert comparable(results[0][0].to_dicts()) == comparable(results[1][0].to_dicts())
    assert results[0][1] == results[1][1]
