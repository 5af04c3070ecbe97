"""Servers among others: sums by day, address and port are those of all rows, however a file is cut."""

import datetime as dt

import polars as pl
from hypothesis import given
from hypothesis import strategies as st

from pipeline.counting.mail_servers import CLIENTS, KEPT, WORKED, Servers, of_day
from pipeline.schemas import UTC_TIME

NOON = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
Row = tuple[dt.datetime, str, str, int, int | None]


def frame(rows: list[Row]) -> pl.DataFrame:
    schema = {
        "start_time": UTC_TIME,
        "src_ip": pl.String,
        "dest_ip": pl.String,
        "dest_port": pl.UInt16,
        "bytes": pl.Int64,
    }
    return pl.DataFrame(rows, schema=schema, orient="row")


def naive(rows: list[Row], day: str) -> list[dict[str, object]]:
    found: dict[str, tuple[set[int], set[str], list[int | None]]] = {}
    for when, client, server, port, sent in rows:
        if when.date().isoformat() == day and port in (25, 993):
            ports, clients, sizes = found.setdefault(server, (set(), set(), []))
            ports.add(port)
            clients.add(client)
            sizes.append(sent)
    told = [
        {
            "address": ip,
            "ports": sorted(ports),
            "clients": min(len(clients), CLIENTS),
            "flows": len(sizes),
            "bytes": sum(s or 0 for s in sizes),
        }
        for ip, (ports, clients, sizes) in found.items()
    ]
    return sorted(told, key=lambda s: (-int(str(s["clients"])), -int(str(s["bytes"])), str(s["address"])))


ROWS = st.lists(
    st.tuples(
        st.sampled_from([NOON, NOON + dt.timedelta(days=1)]),
        st.integers(1, 40).map(lambda n: f"10.0.0.{n}"),
        st.sampled_from(["198.51.100.1", "198.51.100.2", "2001:db8::1"]),
        st.sampled_from([25, 993, 80]),
        st.none() | st.integers(0, 10**9),
    ),
    max_size=60,
)


@given(rows=ROWS, cut=st.integers(0, 60))
def test_sums_are_those_of_a_naive_count_however_the_rows_are_cut_in_blocks_and_files(
    rows: list[Row], cut: int
) -> None:
    whole, parts = Servers(), [Servers(), Servers()]
    for block in (rows[:cut], rows[cut:]):
        whole.take(frame(block))
    for part, block in zip(parts, (rows[:cut], rows[cut:]), strict=True):
        part.take(frame(block))
    for day in ("2026-10-01", "2026-10-02"):
        assert list(of_day(whole.as_list(), day)) == naive(rows, day)
        assert list(of_day([s for p in parts for s in p.as_list()], day)) == naive(rows, day)


def test_spellings_of_one_address_are_one_server_and_one_client() -> None:
    servers = Servers()
    servers.take(frame([(NOON, "10.0.0.1", "2001:DB8::1", 25, 5), (NOON, "::ffff:10.0.0.1", "2001:db8:0::1", 25, 6)]))
    (found,) = of_day(servers.as_list(), "2026-10-01")
    assert (found["address"], found["clients"], found["bytes"]) == ("2001:db8::1", 1, 11)


def test_a_scan_of_many_addresses_keeps_few_and_the_busiest_among_them() -> None:
    scan = [(NOON, "10.9.9.9", f"198.51.{n // 250}.{n % 250}", 25, 60) for n in range(3_000)]
    busy = [(NOON, f"10.0.0.{n}", "203.0.113.9", 993, 9_000) for n in range(20)]
    servers = Servers()
    for at in range(0, 3_000, 500):
        servers.take(frame(scan[at : at + 500] + busy[:3]))
    servers.take(frame(busy))
    assert len(servers.as_list()) == KEPT
    assert next(of_day(servers.as_list(), "2026-10-01"))["address"] == "203.0.113.9"


def test_of_a_block_of_too_many_servers_those_with_most_clients_stay_and_then_those_with_most_bytes() -> None:
    scan = [(NOON, "10.9.9.9", f"198.51.{n // 250}.{n % 250}", 25, 60) for n in range(600)]
    large = [(NOON, "10.9.9.9", "203.0.113.8", 25, 10**9)]
    shared = [(NOON, f"10.0.0.{n}", "203.0.113.9", 993, 1) for n in range(2)]
    servers = Servers()
    for _ in range(2):
        servers.take(frame(scan[:150] + large + shared + scan[150:300]))
    servers.take(frame(scan[300:450]))
    servers.take(frame(scan[450:]))
    assert [s["address"] for s in of_day(servers.as_list(), "2026-10-01")][:2] == ["203.0.113.9", "203.0.113.8"]
    for at in range(0, 600, 100):
        servers.take(frame(scan[at : at + 100]))
        assert len(servers.found) <= 4 * WORKED


def test_the_day_is_that_of_the_site() -> None:
    servers = Servers("Pacific/Auckland")
    servers.take(frame([(NOON, "10.0.0.1", "198.51.100.1", 25, 5)]))
    assert [row[0] for row in servers.as_list()] == ["2026-10-02"]
