"""The surge method as the evaluation sees it: its inputs, and what every method owes: no future, no names."""

import datetime as dt

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from pipeline.evaluation.context import EXPLAINED, Context
from pipeline.evaluation.surge import client_days, surge
from pipeline.methods.surge import Params, raw_scores
from tests.pipeline.evaluation.fleets import NO_CONTEXT, day, fleet, name, world

DAYS = [day(26), day(27)]


def quiet() -> pl.DataFrame:
    """As many days as the slow channel asks for, the last two of which are judged."""
    text = pl.lit(None, pl.String)
    return fleet(60, 28, seed=8, present=0.8).sort("day", "src_ip").with_columns(group=text, role=text)


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


def test_clients_named_by_hardware_addresses_are_judged_as_others_of_no_group() -> None:
    rows = quiet().with_columns(group=pl.lit("all"))
    found = surge().expect(rows, NO_CONTEXT, DAYS[:1]).sort("src_ip", "channel")
    other = rows.with_columns(src_ip=pl.lit("02:00:00:00:") + pl.col("src_ip"), group=pl.lit(None, pl.String))
    assert client_days(other, NO_CONTEXT)["group"].null_count() == other.height
    named = surge().expect(other, NO_CONTEXT, DAYS[:1]).sort("src_ip", "channel")
    assert named["src_ip"].str.strip_prefix("02:00:00:00:").to_list() == found["src_ip"].to_list()


def test_a_huge_day_is_rare() -> None:
    theft = (pl.col("day") == DAYS[0]) & (pl.col("src_ip") == name(4))
    robbed = quiet().with_columns(bytes_in=pl.when(theft).then(10**11).otherwise("bytes_in"))
    shot = surge().expect(robbed, NO_CONTEXT, DAYS[:1]).filter(pl.col("channel") == "shot").sort("expected")
    assert shot["src_ip"][0] == name(4)
    assert shot["expected"][0] < 2
    # A day that is not above what is expected is nobody's.
    assert shot.height < robbed.filter(pl.col("day") == DAYS[0]).height / 2 + 10


def test_scores_of_56_days_judge_a_day(monkeypatch: pytest.MonkeyPatch) -> None:
    scored: list[dt.date] = []

    def noted(rows: pl.DataFrame, days: list[dt.date], params: Params) -> pl.DataFrame:
        scored.extend(days)
        return raw_scores(rows.clear(), days, params)

    monkeypatch.setattr("pipeline.evaluation.surge.raw_scores", noted)
    text = pl.lit(None, pl.String)
    surge().expect(fleet(1, 80).with_columns(group=text, role=text), NO_CONTEXT, [day(79)])
    assert scored == [day(n) for n in range(79 - 56, 80)]


def test_later_rows_and_other_names_change_no_expectation() -> None:
    early = surge().expect(quiet(), NO_CONTEXT, DAYS).sort("day", "src_ip", "channel")
    assert early.height > 50
    later = quiet().filter(pl.col("day") == DAYS[0]).with_columns(day=DAYS[1] + pl.duration(days=1), bytes_in=10**11)
    # Names of the same subnet, in another order.
    swap = {name(c): name(59 - c) for c in range(60)}
    rows = pl.concat([quiet(), later]).with_columns(pl.col("src_ip").replace_strict(swap)).sort("day", "src_ip")
    back = surge().expect(rows, NO_CONTEXT, DAYS).with_columns(pl.col("src_ip").replace_strict(swap))
    assert_frame_equal(early, back.sort("day", "src_ip", "channel"))


def test_a_part_of_the_budget_is_a_channel_alone() -> None:
    slow = surge(shares={"slow": 1.0})
    assert slow.shares == {"slow": 1.0}
    assert set(slow.expect(quiet(), NO_CONTEXT, DAYS)["channel"]) == {"slow"}
    assert surge().fold_days == {"slow": 7}


def test_without_groups_all_clients_are_of_one() -> None:
    odd = pl.col("src_ip").str.split(".").list.last().cast(pl.Int64) % 2 == 1
    daily = quiet().with_columns(group=pl.when(odd).then(pl.lit("odd")).otherwise(pl.lit("even")))
    mailing = (pl.col("group") == "odd") & (pl.col("day") == DAYS[0])
    loud = daily.with_columns(bytes_in=pl.when(mailing).then(pl.col("bytes_in") * 8).otherwise("bytes_in"))
    seen, blind = (
        s.expect(loud, NO_CONTEXT, DAYS[:1]).filter(pl.col("channel") == "shot")["expected"].sort()
        for s in (surge(), surge(without=("group",)))
    )
    assert blind[:15].mean() < seen[:15].mean()  # type: ignore[operator]
