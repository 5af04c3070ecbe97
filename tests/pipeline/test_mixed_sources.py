"""Sources of several formats in one site: each is known by its content, and their flows add up in one day."""

import datetime as dt
import json
from pathlib import Path

import polars as pl
import pytest

from pipeline.intake.landing import Landing
from pipeline.schemas import DAILY_TRAFFIC, FLOWS
from pipeline.settings import Settings, load_settings
from pipeline.site import open_site
from pipeline.stored.stages import make_daily, make_flows
from tests.oracle.zeek import conn, tsv
from tests.pipeline.landings import World, settings
from tests.worlds import CONFIG, SERVER, day, make_site

NOON = f"{day(0)}T12:00:00.000000+0000"


def eve(client: str, received: int) -> str:
    flow = {"bytes_toserver": 5, "bytes_toclient": received, "start": NOON, "end": NOON}
    ends = {"src_ip": client, "src_port": 50_001, "dest_ip": SERVER, "dest_port": 993, "proto": "TCP"}
    return json.dumps({"timestamp": NOON, "event_type": "flow", "flow_id": 5, **ends, "flow": flow}) + "\n"


def test_zeek_and_suricata_logs_add_up_in_one_day(tmp_path: Path) -> None:
    other = '  - {name: edge, path: "edge/{day}/eve*.json"}\ninventory:'
    site = make_site(tmp_path, 1, theft=0, config=CONFIG.replace("inventory:", other))
    log = tmp_path / "edge" / day(0).isoformat() / "eve.json"
    log.parent.mkdir(parents=True)
    log.write_text(eve("10.0.0.1", 700) + eve("10.0.0.9", 40), encoding="utf-8")
    landing = Landing(site.root, site.storage.root, site.settings, dt.datetime(2026, 11, 1, tzinfo=dt.UTC))
    assert landing.land([day(0)]).problems == []
    record = make_flows(site, landing, day(0))
    make_daily(site, day(0))
    assert record.facts["bytes_layers"] == {"core": "ip", "edge": "l2"}
    flows = site.storage.read_day(FLOWS, day(0))
    assert dict(flows.group_by("source").agg(pl.col("vendor_product").first()).iter_rows()) == {
        "core": "Zeek",
        "edge": "Suricata",
    }
    daily = site.storage.read_day(DAILY_TRAFFIC, day(0)).filter(pl.col("measure").str.starts_with("bytes_in"))
    assert dict(daily.select("client", "bytes").iter_rows()) == {
        "10.0.0.1": 1_000 + 10 * 3 + 700,
        "10.0.0.2": 1_000 + 10 * 1,
        "10.0.0.3": 1_000 + 10 * 4,
        "10.0.0.9": 40,
    }


@pytest.mark.parametrize("vlan", [20, [20], [10, 20]])
@pytest.mark.parametrize("shipped", [False, True])
def test_a_flow_that_one_sensor_sees_in_two_vlans_counts_once(tmp_path: Path, vlan: object, shipped: bool) -> None:
    seen = {"in_iface": "eth0", "vlan": [10]}, {"in_iface": "eth0", "vlan": vlan}
    records = [json.loads(eve("10.0.0.1", 700)) | met | {"flow_id": n} for n, met in enumerate(seen)]
    if shipped:
        ends = {"source": {"ip": "10.0.0.1", "port": 1, "bytes": 5}, "destination": {"ip": SERVER, "port": 993}}
        ends["destination"] |= {"bytes": 700}
        times = {"event": {"start": NOON, "end": NOON}}
        records = [ends | times | {"flow": {"id": r["flow_id"], "vlan": r["vlan"]}} for r in records]
    world = World(tmp_path, settings("logs/*.json"))
    world.put("eve.json", "".join(json.dumps(r) + "\n" for r in records).encode())
    assert world.land(day(0)).problems == []
    assert world.received(day(0)) == [700]


MINUTE = dt.timedelta(minutes=1)


def stretch(start: dt.datetime) -> str:
    """A minute of a session as a collector of NetFlow tells it: what its server sent."""
    times = {"time_flow_start_ns": int(start.timestamp()) * 10**9, "time_flow_end_ns": int(start.timestamp()) * 10**9}
    ends = {"src_addr": SERVER, "dst_addr": "10.0.0.1", "src_port": 993, "dst_port": 50_000, "proto": "TCP"}
    return json.dumps({**times, **ends, "bytes": 100, "packets": 2, "sampling_rate": 0}) + "\n"


@pytest.mark.parametrize("others", [1, 0])  # Where its file has no flow of the second day, it only lasts into it.
def test_a_session_over_midnight_that_a_second_source_tells_in_stretches_counts_once(
    tmp_path: Path, others: int
) -> None:
    midnight = dt.datetime.combine(day(1), dt.time(), dt.UTC)
    whole = conn(midnight - 30 * MINUTE, duration="3600", resp_ip_bytes="6001", orig_ip_bytes="9")
    quiet = conn(midnight + 600 * MINUTE, uid="C2", id__orig_h="10.9.9.9", id__resp_h="10.9.9.8")
    sources = [{"name": "zeek", "path": "logs/*.log"}, {"name": "flow", "path": "logs/*.json"}]
    chosen = Settings.model_validate(settings().model_dump() | {"sources": sources})
    world = World(tmp_path, chosen)
    world.put("conn.log", tsv(whole | {"id.orig_h": "10.0.0.1"}, *[quiet] * others))
    world.put("a.json", "".join(stretch(midnight + n * MINUTE) for n in range(-30, 0)).encode())
    world.put("b.json", "".join(stretch(midnight + n * MINUTE) for n in range(30)).encode())
    assert world.land(day(0), day(1)).problems == []
    assert [world.received(day(n)) for n in (0, 1)] == [[6001], []]


@pytest.mark.parametrize("days", [1, 2])
def test_by_its_end_a_session_over_midnight_is_not_counted_by_its_interim_record_too(tmp_path: Path, days: int) -> None:
    midnight = dt.datetime.combine(day(1), dt.time(), dt.UTC)
    chosen = settings("logs/*").model_dump() | {"counting": {"attribute": "end"}}
    world = World(tmp_path, Settings.model_validate(chosen))
    minutes = (1440 * days - 1411, 1440 * days - 1380)  # From half an hour before midnight.
    so_far, whole = ({"duration": str(60 * n), "resp_ip_bytes": str(100 * n)} for n in minutes)
    world.put("conn_long.log", tsv(conn(midnight - 30 * MINUTE, **so_far), path="conn_long"))
    world.put("conn.log", tsv(conn(midnight - 30 * MINUTE, **whole)))
    assert world.land(*map(day, range(3))).problems == []
    assert [world.received(day(n)) for n in range(3)] == [[100 * minutes[1]] if n == days else [] for n in range(3)]


def test_a_site_file_may_name_each_format(tmp_path: Path) -> None:
    names = ("zeek", "suricata", "ecs", "ocsf", "cim")
    sources = "".join(f"  - {{name: {n}, format: {n}, path: '{n}/*.log'}}\n" for n in names)
    (tmp_path / "nilometer.yaml").write_text(f"sources:\n{sources}", encoding="utf-8")
    assert [s.format for s in load_settings(tmp_path / "nilometer.yaml").sources] == list(names)
    assert len(open_site(tmp_path).settings.sources) == len(names)
