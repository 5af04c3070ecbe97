"""A world on disk: its tables as Parquet, the settings it came from, and flow logs with a site to run them.

Worlds are drawn in `world`; how logs look is said in `zeek`, `suricata` and `vpc`.
"""

from __future__ import annotations

import dataclasses
import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path

import polars as pl

from pipeline.settings import CONFIG_NAME, ContextSettings
from pipeline.simulate import suricata, vpc, zeek
from pipeline.simulate.sessions import daily_sessions, server_addresses
from pipeline.simulate.settings import WorldSettings
from pipeline.simulate.world import World
from pipeline.whole import whole_folder, write_frames, write_text_whole

SETTINGS_FILE = "world.json"
"""What a world was made from; a folder with it holds a world and may be replaced by another."""
TABLES = ("daily", "labels", "events", "thefts", "leases", "calendar")
SERVERS = 3
CONTEXT_FOLDER = "context"


def _zeek_day(flows: pl.DataFrame, folder: Path, _: dt.date) -> int:
    zeek.write_days(flows, folder, "UTC")
    return flows.height


_WRITERS: dict[str, tuple[str, str, Callable[[pl.DataFrame, Path, dt.date], int]]] = {
    "zeek": ("zeek", "conn*.log*", _zeek_day),
    "suricata": ("suricata", "eve.json*", suricata.write_day),
    "vpc": ("auto", "vpcflowlogs.log*", vpc.write_day),
}
"""Logs that can be written: the format as a site names it, their files, and the writer of one day."""
LOGS = tuple(_WRITERS)


def write_tables(world: World, folder: Path) -> dict[str, int]:
    """Write each of TABLES as folder/NAME.parquet, and the settings; the rows of each. Equal worlds, equal bytes."""
    frames: dict[str, pl.DataFrame] = {name: getattr(world, name) for name in TABLES}
    write_frames(frames, folder, {SETTINGS_FILE: settings_text(world.settings)})
    return {name: frame.height for name, frame in frames.items()}


def settings_text(settings: WorldSettings) -> str:
    """All parameters as JSON."""
    return json.dumps(dataclasses.asdict(settings), default=str, indent=1) + "\n"


def write_logs(daily: pl.DataFrame, folder: Path, form: str, *, seed: int, start: dt.date) -> int:
    """Flow logs whose daily sums are the rows of `daily` (day, src_ip, bytes_in), and the site's configuration.

    Days are those of UTC; logs go to folder/logs/YYYY-MM-DD/, days without rows have none, and `start` is the site's
    first day. One of LOGS is written, day by day; the number of records is returned.
    """
    _, _, write = _WRITERS[form]
    servers, lines = server_addresses(SERVERS), 0
    days = daily.partition_by("day", as_dict=True, maintain_order=True)
    folder.mkdir(parents=True, exist_ok=True)
    write_text_whole(folder / CONFIG_NAME, _config_text(form, start))
    with whole_folder(folder / "logs") as logs:
        for (day,), rows in sorted(days.items(), key=lambda item: item[0]):
            flows = daily_sessions(rows, seed=seed, timezone="UTC", servers=servers)
            lines += write(flows, logs, day)
    return lines


def write_context(world: World, folder: Path) -> None:
    """What a site of this world could know, as context inputs below folder/context: noisy events and roles, leases."""
    told = world.daily.select("src_ip", "group", "role").unique()
    leases = world.leases.sort("src_ip", "day").select(
        address="src_ip",
        asset="host-" + pl.col("client").cast(pl.String),
        valid_from="day",
        valid_to=pl.col("day").shift(-1).over("src_ip"),
    )
    frames = {
        "host_roles": told.filter(pl.col("role") != "client").select(address="src_ip", role="role"),
        "known_events": world.events,
        "entities": leases,
        "groups": told.select(address="src_ip", group="group").unique(),
        "calendar": world.calendar.select("day", "off"),
    }
    ordered = {name: f if name == "known_events" else f.sort(f.columns) for name, f in frames.items()}
    write_frames(ordered, folder / CONTEXT_FOLDER)


def _config_text(form: str, start: dt.date) -> str:
    name, files, _ = _WRITERS[form]
    named = enumerate(server_addresses(SERVERS), 1)
    servers = "\n".join(f"  - {{address: {ip}, category: email_server, name: mx{i}}}" for i, ip in named)
    context = "\n".join(f"#   {name}: {CONTEXT_FOLDER}/{name}.parquet" for name in ContextSettings.model_fields)
    return f"""# A simulated world; what it was made from is in {SETTINGS_FILE}.
timezone: UTC
start_date: {start}   # the world's first day
storage: data            # tables, below this folder
sources:
  - name: core
    format: {name}
    path: logs/{{day}}/{files}
inventory:               # which addresses are email servers
{servers}
# rules: {{mail_volume_surge: true}}
# context:                # what the site could know, with its errors; for mail_volume_surge
{context}
"""
