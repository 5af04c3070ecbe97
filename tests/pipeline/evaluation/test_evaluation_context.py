"""What a site could know: whole events, noisy, drawn by the seed, and explaining no more than they can."""

import datetime as dt

import numpy as np
import polars as pl
import pytest

from pipeline.evaluation.context import EXPLAINED, explained_rows, labelled_events, offered
from pipeline.evaluation.detectors import scored
from pipeline.evaluation.judge import judge
from pipeline.evaluation.labelled import LabelledWorld, make_labelled
from pipeline.simulate.known import EVENTS
from tests.pipeline.evaluation.fleets import NO_CONTEXT, day, fleet, label_rows, name, world

CAUSES = [("resync", d, c) for c in range(100) for d in (50, 51, 54)]


def events(*rows: tuple[int, int, str | None, str | None]) -> pl.DataFrame:
    told = [(day(first), day(last), who, group, "something") for first, last, who, group in rows]
    return pl.DataFrame(told, schema=EVENTS, orient="row")


def cells(frame: pl.DataFrame) -> set[tuple[dt.date, str]]:
    return set(frame.select("day", "src_ip").iter_rows())


def grouped(clients: int, days: int) -> pl.DataFrame:
    """A fleet in two groups of the same size."""
    last = pl.col("src_ip").str.split(".").list.last().cast(pl.Int64)
    return fleet(clients, days).with_columns(group=pl.when(last % 2 == 0).then(pl.lit("even")).otherwise(pl.lit("odd")))


def test_nothing_is_known_unless_it_is_offered() -> None:
    assert offered(world(fleet(120, 60), causes=CAUSES), 0.0).explained.equals(pl.DataFrame(schema=EXPLAINED))


def test_labels_of_one_cause_in_a_row_are_one_event() -> None:
    found = labelled_events(world(fleet(300, 70), causes=[*CAUSES, ("resync", 60, 1), ("export", 51, 1)]))
    lengths = (found["last"] - found["first"]).dt.total_days()
    assert lengths.value_counts().sort("count")["count"].to_list()[-1] >= 95  # 50..54, over the gap
    assert found.filter(pl.col("cause") == "export").height >= 1
    assert 100 <= found.height <= 115  # rumours too


@pytest.mark.parametrize(("again", "events_each"), [(53, 1), (54, 2)])
def test_labels_of_one_cause_more_than_three_days_apart_are_two_events(again: int, events_each: int) -> None:
    found = labelled_events(world(fleet(100, 60), causes=[("resync", d, c) for c in range(40) for d in (50, again)]))
    assert 40 * events_each <= found.height < 40 * events_each + 15  # rumours


def test_records_are_noisy() -> None:
    found = labelled_events(world(fleet(1_200, 60), causes=[("resync", 50, c) for c in range(500)]))
    true = found.filter(pl.col("first") == day(50))
    assert 500 < found.height < 560  # rumours
    assert found["last"].equals(found["first"])
    assert 20 < found.filter((pl.col("first") - day(50)).dt.total_days().abs() == 1).height < 80  # slips
    named = set(true["src_ip"].to_list())
    assert 3 < len(named - {name(c) for c in range(500)}) < 40  # confused with a colleague


def test_a_larger_share_holds_the_smaller_one_and_whole_events() -> None:
    judged = world(fleet(300, 60), causes=CAUSES)
    some, more, everything = (cells(offered(judged, s).explained) for s in (0.3, 0.6, 1.0))
    assert some < more < everything
    events_of = {who: {d for d, w in some if w == who} for _, who in some}
    assert 20 <= len(events_of) <= 45
    # Whole: five days each, and the day after where it happens to be larger.
    assert sum(len(days) in (5, 6) for days in events_of.values()) > 0.9 * len(events_of)
    assert everything >= {(day(d), name(c)) for d in (51,) for c in range(80)} - _misnamed(judged)


def _misnamed(judged: LabelledWorld) -> set[tuple[dt.date, str]]:
    named = set(labelled_events(judged)["src_ip"].to_list())
    return {(day(51), name(c)) for c in range(100) if name(c) not in named}


def test_what_is_known_hangs_on_neither_order_nor_later_rows() -> None:
    labels = label_rows(causes=CAUSES)
    early = make_labelled(fleet(300, 60), labels)
    later = make_labelled(
        fleet(300, 70), pl.concat([labels, label_rows(causes=[("export", 66, 5)])]).sample(fraction=1, shuffle=True)
    )
    known = offered(later, 0.5).explained.filter(pl.col("day") < day(57))
    assert offered(early, 0.5).explained.filter(pl.col("day") < day(57)).equals(known)


def test_a_cause_of_half_a_group_is_one_event_of_the_group() -> None:
    causes = [("mailing", 50, c) for c in range(0, 40, 2)]
    found = labelled_events(make_labelled(grouped(40, 60), label_rows(causes=causes)))
    assert found.select("src_ip", "group", "cause").rows() == [(None, "even", "mailing")]


def test_a_group_of_fewer_than_five_clients_has_no_events_of_its_own() -> None:
    told = []
    for clients in (8, 10):
        labels = label_rows(causes=[("mailing", 50, c) for c in range(0, clients, 2)])
        told.append(labelled_events(make_labelled(grouped(clients, 60), labels))["group"].unique().to_list())
    assert told == [[None], ["even"]]


def test_the_events_a_world_tells_itself_are_used_instead() -> None:
    told = events((50, 50, name(3), None))
    judged = make_labelled(fleet(5, 60), label_rows(causes=[("resync", 51, 1)]), events=told)
    assert offered(judged, 1.0).explained.rows() == [(day(50), name(3), "something")]


def test_an_event_of_a_client_explains_its_days_with_traffic() -> None:
    daily = world(fleet(3, 60).filter(pl.col("day") != day(51))).daily
    found = explained_rows(daily, events((50, 52, name(1), None), (52, 53, name(1), None)))
    assert cells(found) == {(day(d), name(1)) for d in (50, 52, 53)}
    assert found.height == 3


@pytest.mark.parametrize(
    ("times", "late"),
    [
        ({51: 50}, True),  # the day after stands out
        ({50: 50, 51: 50}, False),  # what was announced came in time
        ({51: 1}, False),
        ({52: 50}, False),  # two days late is another matter
        ({50: 0, 51: 1}, True),  # nothing came on the event's day
    ],
)
def test_an_event_of_a_client_explains_the_day_after_where_it_came_late(times: dict[int, int], late: bool) -> None:
    flat = fleet(3, 60).with_columns(bytes_in=pl.lit(1_000))
    mine = pl.col("src_ip") == name(1)
    for number, factor in times.items():
        on = mine & (pl.col("day") == day(number))
        flat = flat.with_columns(bytes_in=pl.when(on).then(pl.col("bytes_in") * factor).otherwise("bytes_in"))
    found = explained_rows(world(flat).daily, events((50, 50, name(1), None)))
    assert ((day(51), name(1)) in cells(found)) is late
    assert cells(found) <= {(day(50), name(1)), (day(51), name(1))}


def test_an_event_of_a_day_nobody_saw_says_nothing_of_the_day_after() -> None:
    unseen = world(fleet(3, 60).filter(pl.col("day") != day(50))).daily
    assert explained_rows(unseen, events((50, 50, name(1), None))).is_empty()


@pytest.mark.parametrize(("group", "size"), [("even", 20), (None, 40)])
def test_an_event_of_many_explains_only_what_the_others_show_too(group: str | None, size: int) -> None:
    mailing = pl.col("day") == day(50)
    theft = mailing & (pl.col("src_ip") == name(6))
    times = pl.when(theft).then(300).when(mailing).then(3).otherwise(1)
    found = explained_rows(
        grouped(40, 60).with_columns(bytes_in=pl.col("bytes_in") * times), events((50, 50, None, group))
    )
    assert (day(50), name(6)) not in cells(found)
    assert size * 0.8 <= found.height < size
    assert found["day"].unique().to_list() == [day(50)]


@pytest.mark.parametrize("clients", [2, 3, 11, 12])
def test_an_event_of_a_group_explains_up_to_twice_the_quantile_of_the_others(clients: int) -> None:
    ratios = np.exp(np.random.default_rng(clients).normal(0, 1, clients)).round(2)
    volumes = {0: [100] * clients, 1: (100 * ratios).astype(int).tolist()}
    rows = [(day(d), name(c), v, "g") for d, of in volumes.items() for c, v in enumerate(of)]
    daily = pl.DataFrame(rows, schema=["day", "src_ip", "bytes_in", "group"], orient="row")
    limits = [2 * np.quantile(np.delete(ratios, c), 0.9) for c in range(clients)]
    within = {(day(1), name(c)) for c in range(clients) if ratios[c] <= limits[c]}
    assert cells(explained_rows(daily, events((1, 1, None, "g")))) == within
    # A volume just above its own limit is not explained, one just below it is.
    for c, limit in enumerate(limits):
        for factor, explained in ((0.999, True), (1.001, False)):
            mine = (pl.col("day") == day(1)) & (pl.col("src_ip") == name(c))
            moved = daily.with_columns(bytes_in=pl.when(mine).then(100 * limit * factor).otherwise("bytes_in"))
            assert ((day(1), name(c)) in cells(explained_rows(moved, events((1, 1, None, "g"))))) is explained


def test_an_event_of_a_group_in_which_nobody_has_a_usual_day_explains_nobody() -> None:
    known = grouped(4, 60).filter((pl.col("group") == "even") | (pl.col("day") == day(50)))
    assert explained_rows(known, events((50, 50, None, "odd"))).is_empty()


def test_an_explanation_hides_a_theft_and_leaves_the_calibration_cleaner() -> None:
    daily = fleet(60, 70, seed=2)
    loud = pl.col("day").is_between(day(20), day(44)) & (pl.col("src_ip") == name(0))
    theft = (pl.col("day") == day(46)) & (pl.col("src_ip") == name(1))
    times = pl.when(loud & (pl.col("day").dt.day() % 3 == 0)).then(10_000).when(theft).then(100).otherwise(1)
    daily = daily.with_columns(bytes_in=pl.col("bytes_in") * times)
    thefts = label_rows([("t", "material", 46, 1)])
    known = make_labelled(daily, thefts, events=events((20, 44, name(0), None)))
    hiding = make_labelled(daily, thefts, events=events((20, 44, name(0), None), (46, 46, name(1), None)))
    detector = scored("client_log_z")
    assert not judge(known, detector, NO_CONTEXT, [5.0])[0]["detected"].item()
    assert judge(known, detector, offered(known, 1.0), [5.0])[0]["detected"].item()
    assert not judge(hiding, detector, offered(hiding, 1.0), [5.0])[0]["detected"].item()
