"""The `power_map` asset: the map of the last scored day, stored and shown; nothing on a site without one."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import dagster as dg
import polars as pl

from assets.power import _clients, build
from pipeline.intake.landing import Landing
from pipeline.schemas import POWER_MAP, SURGE_SCORES
from pipeline.site import Site
from pipeline.stored.stages import make_baseline, make_daily, make_flows, make_scores
from pipeline.trials.power import power_map
from tests.worlds import TWIN, day, make_site

DAYS = 6
LAST = day(DAYS - 1)


def scored(folder: Path) -> Site:
    site = make_site(folder, DAYS)
    landing = Landing(site.root, site.storage.root, site.settings, dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    days = [day(n) for n in range(DAYS)]
    landing.land(days)
    for d in days:
        make_flows(site, landing, d)
        make_daily(site, d)
    make_baseline(site, LAST)
    make_scores(site, LAST)
    return site


def materialised(site: Site) -> dict[str, object]:
    asset = build(site)
    sources = [dg.AssetSpec("anomaly_scores")]
    with dg.DagsterInstance.ephemeral() as instance:
        result = dg.materialize([asset, *sources], instance=instance, selection=[asset])
        (event,) = result.asset_materializations_for_node("power_map")
    return {k: v.value for k, v in event.metadata.items()}


def test_the_map_of_the_last_scored_day_is_stored_and_shown(tmp_path: Path) -> None:
    site = scored(tmp_path)
    shown = materialised(site)
    stored = site.storage.read_day(POWER_MAP, LAST)
    assert stored.equals(power_map(site, LAST, site.rules))
    assert shown["dagster/row_count"] == stored.height == 3
    assert shown["clients that can alert"] == stored.filter(pl.col("extra").is_not_null()).height == 3
    assert "█" in str(shown["protected by size of theft"])
    assert shown["rules without clients"] == TWIN
    record = site.storage.record("power_map", LAST)
    assert record is not None
    assert shown["fingerprint"] == record.fingerprint
    made_of = {f"{t}/{LAST}" for t in ("daily_traffic", "traffic_baseline", "anomaly_scores")}
    assert set(record.inputs) == made_of | {"rules", "stage"}


def test_every_column_of_the_map_is_in_the_catalog(tmp_path: Path) -> None:
    asset = build(make_site(tmp_path, 1))
    schema = asset.metadata_by_key[dg.AssetKey("power_map")]["dagster/column_schema"]
    assert [c.name for c in schema.columns] == POWER_MAP.schema.names()


def test_a_site_without_a_scored_day_has_an_empty_map(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    assert materialised(site)["dagster/row_count"] == 0
    assert site.storage.days("power_map") == []


def test_an_address_and_the_asset_that_had_it_are_one_client(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    rows = [
        {"day": LAST, "rule_id": "surge", "client": "laptop", "addresses": ["10.0.0.1", "10.0.0.2"]},
        {"day": LAST, "rule_id": "other", "client": "laptop", "addresses": ["10.0.0.1", "10.0.0.2"]},
        {"day": LAST, "rule_id": "surge", "client": "10.0.0.3", "addresses": ["10.0.0.3"]},
        {"day": LAST, "rule_id": "surge", "client": "nowhere", "addresses": None},
    ]
    site.storage.write_day(SURGE_SCORES, LAST, SURGE_SCORES.conform(pl.DataFrame(rows)), inputs={})
    names = pl.Series(["10.0.0.1", "10.0.0.2", "laptop", "10.0.0.3", "10.0.0.9"])
    assert _clients(site, LAST, names) == 3
    assert _clients(site, day(0), names) == 5
