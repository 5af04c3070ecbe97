"""Context in the surge method's rows: assets are clients, roles may exclude, groups replace subnets, events explain."""

from __future__ import annotations

import datetime as dt

import polars as pl
import pytest

from pipeline.context import Context
from pipeline.groups import Groups
from pipeline.inventory import Inventory
from pipeline.methods.surge import Params, calibrated, raw_scores
from pipeline.settings import InventoryEntry
from pipeline.simulate.settings import WorldSettings
from pipeline.simulate.world import World, make_world
from pipeline.surge.clients import ClientDays, client_days
from tests.pipeline.context.test_context_model import context, day
from tests.pipeline.surge.test_surge_days import rule

Cell = tuple[int, str, int | None]


def stored(cells: list[Cell]) -> pl.LazyFrame:
    """Daily rows of the rule's first series: day, address, bytes."""
    measure = rule().measures[0].id
    told = [(day(n), measure, ip, b) for n, ip, b in cells]
    schema = {"day": pl.Date, "measure": pl.String, "client": pl.String, "bytes": pl.Int64}
    return pl.DataFrame(told, schema=schema, orient="row").lazy()


def made(cells: list[Cell], known: Context, last: int, *entries: InventoryEntry) -> ClientDays:
    return client_days(stored(cells), rule(), Inventory(entries), day(last), known)


def test_the_history_of_an_asset_goes_on_at_another_address() -> None:
    known = context(entities=f"address,asset,from,to\n10.0.0.1,pc,,{day(2)}\n10.0.1.2,pc,{day(1)},\n")
    cells: list[Cell] = [(0, "10.0.0.1", 5), (1, "10.0.0.1", 6), (1, "10.0.1.2", 7), (2, "10.0.1.2", 8)]
    found = made([*cells, (2, "10.0.0.1", 100)], known, 2)
    assert found.rows.select("day", "client", "bytes").rows() == [
        (day(0), "pc", 5),
        (day(1), "pc", 13),
        (day(2), "10.0.0.1", 100),
        (day(2), "pc", 8),
    ]
    assert set(found.rows.filter(pl.col("client") == "pc")["group"]) == {"10.0.1.0/24"}
    assert found.addresses.rows() == [("10.0.0.1", ["10.0.0.1"]), ("pc", ["10.0.1.2"])]


def test_both_series_of_the_rule_add_up_and_rows_of_others_or_of_nobody_count_nothing() -> None:
    own, twin = (m.id for m in rule().measures)
    told = [(own, "10.0.0.1", 5), (twin, "10.0.0.1", 70), ("flows of another rule", "10.0.0.1", 900)]
    told += [(own, None, 11), ("flows of another rule", "10.0.0.2", 9)]
    rows = pl.DataFrame(told, schema={"measure": pl.String, "client": pl.String, "bytes": pl.Int64}, orient="row")
    found = client_days(rows.lazy().with_columns(day=day(0)), rule(), Inventory(()), day(0), context())
    assert found.rows.select("client", "bytes").rows() == [("10.0.0.1", 75)]
    assert found.addresses.rows() == [("10.0.0.1", ["10.0.0.1"])]


def test_unknown_bytes_of_one_address_do_not_hide_those_of_another() -> None:
    known = context(entities="address,asset\n10.0.0.1,pc\n10.0.0.2,pc\n10.0.0.3,tab\n")
    found = made([(0, "10.0.0.1", None), (0, "10.0.0.2", 4), (0, "10.0.0.3", None)], known, 0)
    assert found.rows.select("client", "bytes").rows() == [("pc", 4), ("tab", None)]
    assert dict(found.addresses.rows())["pc"] == ["10.0.0.2", "10.0.0.1"]


@pytest.mark.parametrize(
    ("here", "there", "first"), [(9, 5, "10.0.0.1"), (5, 9, "10.0.1.1"), (5, 5, "10.0.0.1"), (None, 0, "10.0.1.1")]
)
def test_an_asset_is_where_it_had_most_bytes_on_its_last_day(here: int | None, there: int, first: str) -> None:
    known = context(entities="address,asset\n10.0.0.1,pc\n10.0.1.1,pc\n10.0.2.1,pc\n")
    cells: list[Cell] = [(0, "10.0.2.1", 900), (1, "10.0.1.1", there), (1, "10.0.0.1", here)]
    found = made(cells, known, 1)
    assert found.addresses.rows() == [("pc", sorted(["10.0.0.1", "10.0.1.1"], key=lambda ip: ip != first))]
    assert set(found.rows["group"]) == {first.removesuffix("1") + "0/24"}


def test_roles_of_the_context_count_before_the_inventory_and_servers_stay_no_clients() -> None:
    entries = (
        InventoryEntry(address="10.0.0.1", category=("vpn",)),
        InventoryEntry(address="10.0.0.2", category=("wifi", "vpn")),
        InventoryEntry(address="192.0.2.10", category=("email_server",)),
    )
    known = context(host_roles="address,role\n10.0.0.1,nat\n192.0.2.10,backup\n203.0.113.1,nat\n")
    cells: list[Cell] = [(0, ip, 1) for ip in ("10.0.0.1", "10.0.0.2", "10.0.0.3", "192.0.2.10")]
    found = made(cells, known, 0, *entries)
    assert found.rows.select("client", "role").rows() == [
        ("10.0.0.1", "nat"),
        ("10.0.0.2", "vpn"),
        ("10.0.0.3", "client"),
    ]


def test_excluded_hosts_are_left_out_and_counted_on_the_day() -> None:
    known = context(
        host_roles=f"address,asset,role,exclude,to\n10.8.0.0/16,,vpn,true,{day(2)}\n,old,lab,true,\n",
        entities="address,asset\n10.0.0.1,pc\n10.0.0.5,old\n",
    )
    cells: list[Cell] = [(n, ip, 9) for n in range(3) for ip in ("10.0.0.1", "10.8.0.1", "10.0.0.5")]
    cells.append((0, "10.8.0.2", 9))
    assert set(made(cells, known, 1).rows["client"]) == {"pc"}
    assert made(cells, known, 1).excluded == 2
    assert set(made(cells, known, 2).rows["client"]) == {"pc", "10.8.0.1", "10.8.0.2"}
    assert made(cells, known, 2).excluded == 1


def test_groups_of_the_context_stand_for_subnets() -> None:
    known = context(groups="address,group\n10.0.0.0/24,sales\n", entities="address,asset\n10.0.0.1,pc\n")
    found = made([(0, "10.0.0.1", 1), (0, "10.0.1.1", 1)], known, 0)
    assert found.rows.select("client", "group").rows() == [("10.0.1.1", "10.0.1.0/24"), ("pc", "sales")]


def test_the_sites_groups_stand_where_the_context_names_none() -> None:
    known = context(groups="address,group\n10.0.0.1,sales\n")
    groups = Groups({"office": ["10.0.0.0/16"]})
    found = client_days(
        stored([(0, ip, 1) for ip in ("10.0.0.1", "10.0.0.2", "10.1.0.1")]),
        rule(),
        Inventory([]),
        day(0),
        known,
        groups,
    )
    assert found.rows.select("client", "group").rows() == [
        ("10.0.0.1", "sales"),
        ("10.0.0.2", "office"),
        ("10.1.0.1", "10.1.0.0/24"),
    ]


def test_events_explain_the_days_of_those_they_name() -> None:
    known = context(
        entities=f"address,asset,from,to\n10.0.0.1,pc,,{day(1)}\n10.0.0.1,tab,{day(1)},\n",
        known_events=(
            "address,asset,cause,from,to\n"
            f"10.0.0.1,,resync,{day(0)},{day(2)}\n,pc,export,{day(0)},{day(1)}\n10.9.0.0/16,,move,{day(1)},\n"
        ),
    )
    cells: list[Cell] = [(n, ip, 9) for n in range(3) for ip in ("10.0.0.1", "10.9.0.1")]
    found = made(cells, known, 2).rows.drop_nulls("explained_by")
    assert found.select("day", "client", "explained_by").rows() == [
        (day(0), "pc", "export"),
        (day(1), "10.9.0.1", "move"),
        (day(1), "tab", "resync"),
        (day(2), "10.9.0.1", "move"),
    ]


def test_an_event_at_an_address_is_of_its_holder_where_another_address_had_the_traffic() -> None:
    known = context(
        entities="address,asset\n10.0.0.1,pc\n10.0.0.2,pc\n",
        known_events=f"address,cause,from,to\n10.0.0.2,resync,{day(1)},{day(2)}\n",
    )
    found = made([(n, "10.0.0.1", 9) for n in range(3)], known, 2).rows.drop_nulls("explained_by")
    assert found.select("day", "client", "explained_by").rows() == [(day(1), "pc", "resync")]


def test_an_event_explains_the_day_after_of_whom_it_names_where_it_came_late() -> None:
    known = context(
        entities=f"address,asset,from,to\n10.0.0.1,pc,,{day(2)}\n10.0.0.1,tab,{day(2)},\n",
        known_events=(
            "address,asset,cause,from,to\n"
            f"10.0.0.1,,resync,{day(1)},{day(2)}\n,tab,export,{day(3)},{day(4)}\n10.0.0.2,,move,{day(1)},{day(2)}\n"
        ),
    )
    # 10.0.0.1 passes to another holder, whom its ticket does not name; 10.0.0.2 is silent on its ticket's day.
    cells: list[Cell] = [(n, "10.0.0.1", 900 if n in (2, 4) else 9) for n in range(5)]
    cells += [(n, ip, 9) for n in range(5) for ip in ("10.0.0.2", "10.0.0.3") if (n, ip) != (1, "10.0.0.2")]
    found = made(cells, known, 4).rows.drop_nulls("explained_by")
    assert found.select("day", "client", "explained_by").rows() == [
        (day(1), "pc", "resync"),
        (day(2), "10.0.0.2", "move"),
        (day(3), "tab", "export"),
        (day(4), "tab", "export"),
    ]


def test_an_address_that_nobody_held_is_of_who_has_it_on_the_day_after() -> None:
    known = context(
        entities=f"address,asset,from,to\n10.0.0.1,pc,,{day(1)}\n10.0.0.1,tab,{day(2)},\n",
        known_events=f"address,cause,from,to\n10.0.0.1,move,{day(1)},{day(2)}\n",
    )
    cells: list[Cell] = [(0, "10.0.0.1", 9), (1, "10.0.0.9", 9), (2, "10.0.0.1", 9)]
    found = made(cells, known, 2).rows.drop_nulls("explained_by")
    assert found.select("day", "client", "explained_by").rows() == [(day(2), "tab", "move")]


def test_an_event_of_a_group_explains_what_the_others_show_and_no_theft() -> None:
    known = context(
        groups="address,group\n10.0.0.0/24,sales\n",
        known_events=f"group,cause,from,to\nsales,mailing,{day(5)},{day(6)}\n",
    )
    cells: list[Cell] = [(n, f"10.0.0.{c}", 100 * (3 if n == 5 else 1)) for n in range(6) for c in range(1, 12)]
    cells.append((5, "10.0.1.1", 300))
    cells = [(n, ip, 9_000 if (n, ip) == (5, "10.0.0.4") else b) for n, ip, b in cells]
    found = made(cells, known, 5).rows.drop_nulls("explained_by")
    assert set(found["day"]) == {day(5)}
    assert sorted(found["client"]) == sorted(f"10.0.0.{c}" for c in range(1, 12) if c != 4)


@pytest.mark.parametrize(("group", "usual"), [(2, 100), (6, 100), (12, 0)])
def test_a_theft_is_not_what_shows_that_its_group_had_a_mailing(group: int, usual: int) -> None:
    known = context(
        groups="address,group\n10.0.0.0/24,sales\n",
        known_events=f"group,cause,from,to\nsales,mailing,{day(5)},{day(6)}\n,all,{day(5)},{day(6)}\n",
    )
    # Of some clients there is no usual day to compare with: they say nothing of the others.
    past = {f"10.0.0.{c}": usual if c > group - 3 else 100 for c in range(1, group + 1)}
    cells: list[Cell] = [(n, ip, b) for n in range(5) for ip, b in past.items()]
    cells += [(5, ip, 9_000 if ip == "10.0.0.1" else 300) for ip in past]
    found = made(cells, known, 5).rows.drop_nulls("explained_by")
    assert sorted(found["client"]) == sorted(ip for ip, b in past.items() if b and ip != "10.0.0.1")


def test_of_a_group_of_one_only_the_fleet_shows_an_event_of_everybody() -> None:
    events = [f"10.0.{c}.0/24,mailing,{day(5)},{day(6)}" for c in range(1, 4)] + [f",all,{day(5)},{day(6)}"]
    known = context(known_events="\n".join(["group,cause,from,to", *events]) + "\n")
    cells: list[Cell] = [(n, f"10.0.{c}.1", 100 if n < 5 else 300) for n in range(6) for c in range(1, 4)]
    cells[-1] = 5, "10.0.3.1", 9_000
    found = made(cells, known, 5).rows.drop_nulls("explained_by")
    assert found.select("client", "explained_by").rows() == [("10.0.1.1", "all"), ("10.0.2.1", "all")]


def test_a_day_off_of_the_calendar_is_quiet_and_a_working_day_is_not() -> None:
    rows = pl.DataFrame({"day": [day(0), day(1)], "client": ["a", "a"], "bytes": [5, 6]})
    quiet = [raw_scores(rows, [day(1)], Params(), off=off)["quiet"].item() for off in (True, False, None)]
    assert quiet == [True, False, False]


@pytest.fixture(scope="module")
def world() -> World:
    """Half of the workstations exchange their addresses, each about every tenth day."""
    return make_world(
        WorldSettings(seed=11, clients=60, days=60, groups=2, dhcp_pool=0.6, dhcp_per_day=0.1, attacks=())
    )


def world_context(world: World) -> Context:
    leases = world.leases.sort("src_ip", "day").with_columns(to=pl.col("day").shift(-1).over("src_ip"))
    lines = [f"{ip},host-{c},{d},{to or ''}" for d, ip, c, to in leases.iter_rows()]
    return context(entities="\n".join(["address,asset,from,to", *lines]))


def test_leases_of_a_world_give_back_the_series_of_its_clients(world: World) -> None:
    daily = world.daily.select(
        "day", pl.lit(rule().measures[0].id).alias("measure"), client="src_ip", bytes="bytes_in"
    ).lazy()
    last = world.daily["day"].max()
    assert isinstance(last, dt.date)
    found = client_days(daily, rule(), Inventory([]), last, world_context(world)).rows
    # The holder of each row, told from the leases by hand.
    holder: dict[str, str] = {}
    moves = {(d, ip): f"host-{c}" for d, ip, c in world.leases.iter_rows()}
    wanted = []
    for d in world.daily["day"].unique().sort():
        holder |= {ip: c for (on, ip), c in moves.items() if on == d}
        for ip, volume in world.daily.filter(pl.col("day") == d).select("src_ip", "bytes_in").iter_rows():
            wanted.append((d, holder[ip], volume))
    assert sorted(found.select("day", "client", "bytes").rows()) == sorted(wanted)
    assert world.leases.height > 60


def test_an_explained_surge_is_kept_as_low() -> None:
    """The same theft, once with a ticket: its alert stays, and says by what it is explained."""
    params = Params(budget=200)
    cells: list[Cell] = [
        (n, f"10.0.0.{c}", 1_000_000 * c + 10_000 * ((n * 7 + c * 3) % 11)) for n in range(60) for c in range(1, 40)
    ]
    cells = [(n, ip, 3_000_000_000 if (n, ip) == (59, "10.0.0.4") else b) for n, ip, b in cells]
    ticket = context(known_events=f"address,cause,from,to\n10.0.0.4,resync,{day(59)},{day(60)}\n")
    found = {}
    for name, known in (("open", Context({})), ("ticket", ticket)):
        raw = raw_scores(made(cells, known, 59).rows, [day(n) for n in range(48, 60)], params)
        told = calibrated(raw, [day(59)], params).filter((pl.col("client") == "10.0.0.4") & pl.col("alert"))
        found[name] = told.select("channel", "severity", "explained_by").rows()
    assert found["ticket"] == [("shot", "low", "resync")]
    assert ("shot", "critical", None) in found["open"] or ("shot", "high", None) in found["open"]
