"""The record of acceptances: append-only, and in force only for the flows and failures that it was given for."""

import datetime as dt
import itertools
from pathlib import Path

import pytest

from pipeline.acceptance import ACCEPT, WITHDRAW, Event, append, history, in_force, lapsed
from pipeline.errors import NilometerError
from pipeline.schemas import DAILY_TRAFFIC, QUALITIES
from pipeline.storage import Storage
from pipeline.surge.days import fit_days
from tests.worlds import day, make_site

DAY = dt.date(2026, 10, 1)
FAILED = ("flows_valid/nulls",)


def event(action: str = ACCEPT, by: str = "analyst", reason: str = "known fault", flows: str = "f1") -> Event:
    return Event(DAY.isoformat(), action, by, reason, "2026-10-02T08:00:00+00:00", FAILED, flows)


@pytest.fixture
def storage(tmp_path: Path) -> Storage:
    return Storage(tmp_path)


def test_events_are_appended_and_earlier_ones_stay_as_they_were(storage: Storage, tmp_path: Path) -> None:
    append(storage, event())
    first = {p: p.read_bytes() for p in tmp_path.rglob("*.json")}
    append(storage, event(WITHDRAW, by="other"))
    append(storage, event(reason="again"))
    assert [(e.action, e.by) for e in history(storage, DAY)] == [
        (ACCEPT, "analyst"),
        (WITHDRAW, "other"),
        (ACCEPT, "analyst"),
    ]
    assert all(p.read_bytes() == data for p, data in first.items())
    assert history(storage, DAY + dt.timedelta(days=1)) == []


@pytest.mark.parametrize(("flows", "failures"), [*itertools.product(("f1", "f2"), (FAILED, (), (*FAILED, "x/y")))])
def test_it_holds_for_just_these_flows_and_failures(flows: str, failures: tuple[str, ...]) -> None:
    events = [event()]
    same = (flows, failures) == ("f1", FAILED)
    assert (in_force(events, flows, failures) is not None) == same
    assert bool(lapsed(events, flows, failures)) != same


def test_a_withdrawn_one_holds_no_more_and_has_not_lapsed(storage: Storage) -> None:
    for one in (event(), event(WITHDRAW)):
        append(storage, one)
    events = history(storage, DAY)
    assert (in_force(events, "f1", FAILED), lapsed(events, "f1", FAILED)) == (None, "")


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b'{"day": 1}', b'{"failures": 3}', b"\xff{}"])
def test_an_event_that_cannot_be_read_is_no_acceptance(storage: Storage, data: bytes) -> None:
    append(storage, event())
    (storage.root / "acceptance" / f"{DAY}.000002.json").write_bytes(data)
    assert in_force(history(storage, DAY), "f1", FAILED) is None


@pytest.mark.parametrize(("by", "reason"), [("", "x"), ("x", " "), ("x" * 501, "x"), ("x", "x" * 501)])
def test_a_name_and_a_reason_are_needed(storage: Storage, by: str, reason: str) -> None:
    with pytest.raises(NilometerError, match="1 to 500 characters"):
        append(storage, event(by=by, reason=reason))
    assert history(storage, DAY) == []


@pytest.mark.parametrize("quality", QUALITIES)
def test_windows_leave_out_unverified_days_and_keep_accepted_ones(tmp_path: Path, quality: str) -> None:
    site = make_site(tmp_path, 1)
    for n in range(3):
        site.storage.write_day(DAILY_TRAFFIC, day(n), DAILY_TRAFFIC.empty(), inputs={})
    found = fit_days(site, day(2), 2, lambda _, of: quality if of == day(1) else "verified")
    assert (day(1) in found) == (quality != "unverified")
