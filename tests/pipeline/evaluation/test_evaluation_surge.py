"""The surge method as the evaluation sees it: its inputs, and what every method owes: no future, no names."""

import polars as pl
from polars.testing import assert_frame_equal

from pipeline.evaluation.context import EXPLAINED, Context
from pipeline.evaluation.judge import judge
from pipeline.evaluation.surge import client_days, surge
from tests.pipeline.evaluation.fleets import NO_CONTEXT, day, fleet, name, world

DAYS = [day(d) for d in range(52, 54)]


def test_a_client_without_a_group_is_of_its_subnet_and_one_without_a_role_a_client() -> None:
    daily = world(fleet(2, 46).with_columns(group=pl.lit("sales"), role=pl.lit("nat"))).daily
    some = pl.col("src_ip") == name(1)
    daily = daily.with_columns(pl.when(some).then(pl.col(c)).alias(c) for c in ("group", "role"))
    known = Context(pl.DataFrame([(day(3), name(1), "resync")], schema=EXPLAINED, orient="row"))
    rows = client_days(daily, known)
    assert set(rows.select("client", "group", "role").iter_rows()) == {
        (name(0), "10.0.0.0/24", "client"),
        (name(1), "sales", "nat"),
    }
    assert rows.filter(pl.col("explained_by").is_not_null()).select("day", "client").rows() == [(day(3), name(1))]
    assert rows["bytes"].to_list() == daily["bytes_in"].to_list()


def test_a_huge_day_is_found_and_not_where_it_is_explained() -> None:
    theft = (pl.col("day") == day(52)) & (pl.col("src_ip") == name(4))
    daily = fleet(40, 54, seed=3).with_columns(bytes_in=pl.when(theft).then(10**11).otherwise("bytes_in"))
    robbed = world(daily, [("t", "material", 52, 4)])
    assert judge(robbed, surge(), NO_CONTEXT, [20.0])[0]["detected"].item()
    known = Context(pl.DataFrame([(day(52), name(4), "resync")], schema=EXPLAINED, orient="row"))
    assert not judge(robbed, surge(), known, [20.0])[0]["detected"].item()


def test_later_rows_and_other_names_change_no_expectation() -> None:
    daily = world(fleet(60, 58, seed=8, present=0.8)).daily
    early = surge().expect(daily.filter(pl.col("day") <= day(53)), NO_CONTEXT, DAYS)
    assert early.height > 50
    assert early.equals(surge().expect(daily, NO_CONTEXT, DAYS))
    # Names of the same subnet, in another order.
    swap = {name(c): name(59 - c) for c in range(60)}
    swapped = surge().expect(
        daily.with_columns(pl.col("src_ip").replace_strict(swap)).sort("day", "src_ip"), NO_CONTEXT, DAYS
    )
    back = swapped.with_columns(pl.col("src_ip").replace_strict(swap)).sort("day", "src_ip", "channel")
    assert_frame_equal(early.sort("day", "src_ip", "channel"), back)


def test_a_part_of_the_budget_is_a_channel_alone() -> None:
    daily = world(fleet(60, 54, seed=8, present=0.8)).daily
    assert set(surge(shares={"shot": 1.0}).expect(daily, NO_CONTEXT, DAYS)["channel"]) == {"shot"}
    assert {"shot", "slow"} <= set(surge().expect(daily, NO_CONTEXT, DAYS)["channel"])


def test_without_groups_all_clients_are_of_one() -> None:
    rows = [(d, c, "odd" if c % 2 else "even") for d in range(54) for c in range(40)]
    groups = pl.DataFrame(rows, schema=["d", "c", "group"], orient="row").select(
        day=pl.lit(day(0)) + pl.duration(days="d"),
        src_ip=pl.col("c").replace_strict({c: name(c) for c in range(40)}),
        group="group",
    )
    daily = world(fleet(40, 54, seed=9).join(groups, on=["day", "src_ip"])).daily
    mailing = (pl.col("group") == "odd") & (pl.col("day") == day(52))
    loud = daily.with_columns(bytes_in=pl.when(mailing).then(pl.col("bytes_in") * 8).otherwise("bytes_in"))
    seen, blind = (
        s.expect(loud, NO_CONTEXT, [day(52)]).filter(pl.col("channel") == "shot")["expected"].sort()
        for s in (surge(), surge(without=("group",)))
    )
    assert blind[:15].mean() < seen[:15].mean()  # type: ignore[operator]
