"""Rules whose filter no flow passes: the part that lets none through is named, and what the flows have instead."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.insight.reach import Reach, reaches, unseen
from pipeline.insight.sampling import samples
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.site import Site, open_site
from tests.worlds import CONFIG, SEED, TWIN, day, make_site

RULE = {
    "id": "mine",
    "title": "A rule",
    "description": "What it is for.",
    "status": "experimental",
    "attack": ["T1114"],
    "tactic": "collection",
    "severity": "low",
    "subject": "src_ip",
    "field": "bytes_in",
    "category": "email_server",
    "category_side": "dest",
    "minimum_data_samples": 1,
}
NOW = dt.datetime(2026, 12, 1, tzinfo=dt.UTC)


def site_with(folder: Path, *, timezone: str = "UTC", **changes: Any) -> Site:
    """Two days of three clients that fetch their mail by TCP from port 993, and a rule that asks for something else."""
    (folder / "rules").mkdir()
    (folder / "rules" / "mine.yaml").write_text(json.dumps(RULE | changes), encoding="utf-8")
    return make_site(folder, 2, config=CONFIG.replace("timezone: UTC", f"timezone: {timezone}"))


def reach(site: Site, rule: str = "mine") -> Reach:
    return reaches(site, samples(site, NOW))[rule]


@pytest.mark.parametrize(
    ("filters", "cause"),
    [
        ({"dest_port": [995, 143]}, "none has dest_port 143 or 995: they have 993 (6)"),
        ({"transport": ["udp"]}, "none has transport udp: they have tcp (6)"),
        ({"app": ["imap"]}, "none has app imap: their logs do not tell app"),
        ({"dest_port": [993], "transport": ["udp"]}, "none has transport udp: they have tcp (6)"),
        (
            {"category_side": "src"},
            "none has an address of category email_server at its src end (6 have it at the dest end)",
        ),
        ({"category": "web_server"}, "none has an address of category web_server at either end"),
    ],
)
def test_the_part_of_a_filter_that_lets_no_flow_pass_is_named(
    tmp_path: Path, filters: dict[str, Any], cause: str
) -> None:
    found = reach(site_with(tmp_path, **filters))
    assert (found.looked_at, found.passing, found.cause, found.idle) == (6, 0, cause, True)
    assert found.told == f"of 6 flows of watched servers looked at, {cause}"


@pytest.mark.parametrize("filters", [{}, {"dest_port": [993, 995]}, {"field": "peers"}, {"field": "flows"}])
def test_a_rule_with_something_to_judge_is_not_idle(tmp_path: Path, filters: dict[str, Any]) -> None:
    found = reach(site_with(tmp_path, **filters))
    assert (found.passing, found.cause, found.idle) == (6, "", False)
    assert found.as_dict()["nothing_to_judge"] is None


def test_filters_that_flows_pass_one_by_one_but_never_together_are_named_as_such(tmp_path: Path) -> None:
    site = site_with(tmp_path, dest_port=[995], transport=["tcp"])
    (sample,) = samples(site, NOW)
    odd = sample.flows.head(1).with_columns(transport=pl.lit("udp"), dest_port=pl.lit(995, pl.UInt16))
    mixed = sample.__class__(pl.concat([sample.flows, odd]), [], "core", sample.account)
    assert reaches(site, [mixed])["mine"].cause == "none has all that its filter asks for at once"


def test_flows_that_were_all_blocked_or_tell_no_bytes_count_for_nothing(tmp_path: Path) -> None:
    site = site_with(tmp_path)
    (sample,) = samples(site, NOW)
    told = []
    for changed in ({"action": pl.lit("blocked")}, {"bytes_in": pl.lit(None, pl.Int64)}):
        other = sample.__class__(sample.flows.with_columns(**changed), [], "core", sample.account)
        told.append(reaches(site, [other])["mine"])
    assert [t.cause for t in told] == [
        "every one with an address of category email_server at its dest end was blocked",
        "6 are of its series, but none tells its bytes in, so that every day's value is unknown",
    ]
    assert [t.idle for t in told] == [True, True]


def test_a_stored_day_of_the_series_clears_a_rule_and_one_without_a_known_value_does_not(tmp_path: Path) -> None:
    site = site_with(tmp_path, dest_port=[995])
    (mine,) = [r for r in site.rules if r.id == "mine"]
    row = {"day": day(0), "measure": mine.measure.id, "client": "10.0.0.1", "bytes": None, "flows": 1}
    for value in (None, 7):
        rows = DAILY_TRAFFIC.conform(pl.DataFrame([row | {"bytes": value}]))
        site.storage.write_day(DAILY_TRAFFIC, day(0), rows, inputs={})
        assert reach(site).idle == (value is None)


def test_the_day_of_a_flow_is_that_of_the_sites_zone_when_servers_change(tmp_path: Path) -> None:
    site = site_with(tmp_path, timezone="Pacific/Kiritimati")  # Noon in UTC is the next day's 02:00 there.
    config = (tmp_path / "nilometer.yaml").read_text(encoding="utf-8")
    (tmp_path / "nilometer.yaml").write_text(
        config.replace("name: mx1", f"name: mx1, valid_from: {day(2)}"), encoding="utf-8"
    )
    found = reach(open_site(site.root))
    assert (found.looked_at, found.passing) == (6, 3)


def test_the_twin_is_idle_where_servers_never_begin_and_surge_is_not(tmp_path: Path) -> None:
    found = reaches(site := site_with(tmp_path), samples(site, NOW))
    assert (found[TWIN].idle, found[TWIN].one_sided, found[SEED].idle) == (True, True, False)
    assert reaches(site, []) == {}


def test_an_inventory_that_no_flow_has_an_address_of_is_told(tmp_path: Path) -> None:
    wrong = make_site(tmp_path, 2, config=CONFIG.replace("192.0.2.10", "203.0.113.10"))
    told = unseen(wrong, samples(wrong, NOW))
    assert told is not None
    assert told.startswith("none of the 8 flows looked at has an address of the inventory at either end")


def test_one_flow_of_a_server_now_or_on_a_stored_day_is_enough(tmp_path: Path) -> None:
    site = make_site(tmp_path, 2)
    assert unseen(site, samples(site, NOW)) is None
    (tmp_path / "other").mkdir()
    wrong = make_site(tmp_path / "other", 2, config=CONFIG.replace("192.0.2.10", "203.0.113.10"))
    row = {"day": day(0), "measure": wrong.measures[0].id, "client": "10.0.0.1", "bytes": 5}
    wrong.storage.write_day(DAILY_TRAFFIC, day(0), DAILY_TRAFFIC.conform(pl.DataFrame([row])), inputs={})
    assert unseen(wrong, samples(wrong, NOW)) is None
    assert unseen(wrong, samples(wrong, NOW), stored=False) is not None


def test_a_site_without_a_log_is_told_nothing_of_its_inventory(tmp_path: Path) -> None:
    site = make_site(tmp_path, 0)
    assert unseen(site, samples(site, NOW)) is None
