"""A simulated world gives a site all five inputs, and its table of events fits as it is."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl

from pipeline.context import INPUTS, load_context
from pipeline.context.load import load_input
from pipeline.settings import ContextSettings, load_settings
from pipeline.simulate.settings import WorldSettings
from pipeline.simulate.world import make_world
from pipeline.simulate.world_site import write_context, write_logs, write_tables
from tests.pipeline.context.test_context_model import hosts


def test_a_world_gives_all_inputs_and_names_them_in_its_configuration(tmp_path: Path) -> None:
    world = make_world(WorldSettings(seed=7, clients=300, days=50, dhcp_pool=0.5, attacks=()))
    write_tables(world, tmp_path)
    write_context(world, tmp_path)
    write_logs(world.daily.head(1), tmp_path, "zeek", seed=1, start=world.settings.start)
    config = tmp_path / "nilometer.yaml"
    text = config.read_text(encoding="utf-8").replace("# context:", "context:").replace("#   ", "  ")
    config.write_text(text, encoding="utf-8")
    settings = load_settings(config).context
    assert set(settings.files) == set(INPUTS)
    known = load_context(tmp_path, settings)

    last = world.daily["day"].max()
    assert isinstance(last, dt.date)
    today = world.daily.filter(pl.col("day") == last)
    told = known.of_hosts("host_roles", hosts(*((ip, None) for ip in today["src_ip"])), last)
    special = today.filter(pl.col("role") != "client").select("src_ip", "role")
    assert sorted(told.select("ip", "role").rows()) == sorted(special.rows())
    assert [known.off(d) for d in world.calendar["day"]] == world.calendar["off"].to_list()
    events = load_input(tmp_path, "known_events", "events.parquet")
    assert events.frame.equals(known.tables["known_events"].frame)
    assert events.rows == world.events.height > 0
    assert events.unread == ()


def test_an_event_of_a_world_holds_through_its_last_day(tmp_path: Path) -> None:
    day = dt.date(2026, 1, 5)
    pl.DataFrame({"first": [day], "last": [day], "src_ip": ["10.0.0.1"], "cause": ["resync"]}).write_parquet(
        tmp_path / "e.parquet"
    )
    known = load_context(tmp_path, ContextSettings(known_events="e.parquet"))
    rows = pl.DataFrame({"day": [day - dt.timedelta(days=1), day, day + dt.timedelta(days=1)]})
    assert known.events(rows)["day"].to_list() == [day]
