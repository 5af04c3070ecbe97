"""Whatever exporters tell of the same sessions, and however they part them, each byte counts once."""

import datetime as dt
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import polars as pl
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counting.once import count_once
from pipeline.sources.base import RAW
from tests.examples import examples

NOON = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
SCHEMA = pl.Schema([*RAW.items(), ("source", pl.String()), ("source_file", pl.String())])
Packets = list[tuple[int, int]]
"""Seconds after noon and what the client received then, in order; each is answered at once."""
Session = tuple[int, Packets]
"""The client's port, and what went over it."""


@st.composite
def sessions(draw: st.DrawFn) -> Session:
    silences = draw(st.lists(st.sampled_from([1, 7, 20, 50, 100, 250, 400, 1_700]), min_size=1, max_size=12))
    times = [draw(st.integers(0, 900))]
    for silence in silences:
        times.append(times[-1] + silence)
    return draw(st.integers(50_000, 60_000)), [(t, draw(st.integers(40, 5_000))) for t in times]


def parts(packets: Packets, idle: int, active: int = 10**6) -> Iterator[Packets]:
    """The packets as a table of flows parts them: by silence and by age."""
    part = packets[:1]
    for before, packet in pairwise(packets):
        if packet[0] - before[0] > idle or packet[0] - part[0][0] > active:
            yield part
            part = []
        part.append(packet)
    yield part


def record(port: int, part: Packets, **more: Any) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(SCHEMA.names()) | {"src_ip": "10.0.0.1", "src_port": port, "transport": "tcp"}
    row |= {"dest_ip": "192.0.2.10", "dest_port": 993, "orientation": "native", "accounting": "final"}
    row |= {"start_time": NOON + dt.timedelta(seconds=part[0][0]), "duration": (part[-1][0] - part[0][0]) * 1_000_000}
    return row | {"ip_bytes_in": sum(n for _, n in part), "ip_bytes_out": 40 * len(part)} | more


def whole(port: int, packets: Packets) -> Iterator[dict[str, Any]]:
    """A firewall: one record, and interim ones of what there was so far."""
    yield record(port, packets, uid=f"F{port}")
    for n in range(1, len(packets)):
        yield record(port, packets[:n], uid=f"F{port}", accounting="cumulative")


def parted(port: int, packets: Packets) -> Iterator[dict[str, Any]]:
    """A sensor that takes a session for ended after five minutes of silence."""
    for n, part in enumerate(parts(packets, 300)):
        yield record(port, part, uid=f"Z{port}-{n}")


def stretches(port: int, packets: Packets) -> Iterator[dict[str, Any]]:
    """A router: a record for each direction and stretch."""
    for part in parts(packets, 15, 60):
        yield record(port, part, accounting="delta", ip_bytes_out=None)
        yield record(port, part, accounting="delta", ip_bytes_in=None)


def reports(port: int, packets: Packets) -> Iterator[dict[str, Any]]:
    """A cloud: what came since the report before, at the end of each five minutes in which there was something."""
    for slot in sorted({t // 300 for t, _ in packets}):
        part = [p for p in packets if p[0] // 300 == slot]
        when = part[-1][0] if part[-1] == packets[-1] else (slot + 1) * 300
        start = NOON + dt.timedelta(seconds=when)
        yield record(port, part, accounting="delta", start_time=start, duration=None, reporter="dest")


EXPORTERS = [whole, parted, stretches, reports]


@settings(max_examples=examples(20))
@given(
    st.lists(sessions(), min_size=1, max_size=3, unique_by=lambda s: s[0]),
    st.lists(st.sampled_from(EXPORTERS), min_size=1, max_size=3, unique=True),
    st.randoms(use_true_random=False),
)
def test_the_bytes_of_every_client_port_are_those_that_went_over_it(
    seen: list[Session], exporters: list[Any], random: Any
) -> None:
    names = {e: e.__name__ for e in exporters}
    rows = [r | {"source": n, "dvc": n, "source_file": n} for e, n in names.items() for s in seen for r in e(*s)]
    rows = [r | {"source_line": n} for n, r in enumerate(rows, 1)]
    random.shuffle(rows)
    flows, dropped = count_once(pl.DataFrame(rows, schema=SCHEMA))
    found = flows.group_by("src_port").agg(pl.col("ip_bytes_in").sum(), pl.col("ip_bytes_out").sum())
    truth = {port: (sum(n for _, n in packets), 40 * len(packets)) for port, packets in seen}
    assert {port: (got, sent) for port, got, sent in found.iter_rows()} == truth
    assert len(rows) == flows.height + sum(vars(dropped).values())
