"""Small literal worlds for tests: a site folder with Zeek logs that hold exactly the bytes a test names."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import Path

from pipeline.site import Site, open_site

FIRST = dt.date(2026, 10, 1)
SERVER = "192.0.2.10"
SEED = "hosts_receiving_high_volume_from_email_server"
TWIN = "email_servers_sending_high_volume_to_hosts"
Received = Mapping[str, int]
"""Client -> bytes it received from the mail server."""

CONFIG = f"""timezone: UTC
start_date: {FIRST}
lookback_days: 30
sources:
  - name: core
    path: logs/{{day}}/conn*.log
inventory:
  - {{address: {SERVER}, category: email_server, name: mx1}}
"""


def day(number: int) -> dt.date:
    """The world's day of that number, from 0."""
    return FIRST + dt.timedelta(days=number)


def record(when: dt.datetime, client: str, received: int, uid: str, server: str = SERVER) -> str:
    """One conn.log record as JSON."""
    facts = {
        "ts": when.timestamp(),
        "uid": uid,
        "id.orig_h": client,
        "id.orig_p": 50_000,
        "id.resp_h": server,
        "id.resp_p": 993,
        "proto": "tcp",
        "duration": 1.5,
        "orig_bytes": 10,
        "resp_bytes": received,
        "conn_state": "SF",
        "missed_bytes": 0,
        "orig_pkts": 2,
        "orig_ip_bytes": 90,
        "resp_pkts": 2,
        "resp_ip_bytes": received,
    }
    return json.dumps(facts) + "\n"


def log_path(folder: Path, of: dt.date) -> Path:
    """Where the log of a day lies."""
    return folder / "logs" / of.isoformat() / "conn.log"


def write_log(folder: Path, of: dt.date, received: Received) -> Path:
    """One day's log: a record a client at noon, and one of web traffic."""
    noon = dt.datetime.combine(of, dt.time(12), dt.UTC)
    lines = [record(noon, client, n, f"C{of}{client}") for client, n in received.items()]
    lines.append(record(noon, "10.0.0.99", 5_000, f"W{of}", server="198.51.100.80"))
    path = log_path(folder, of)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")
    return path


def usual(number: int) -> dict[str, int]:
    """Three quiet clients, a little different each day."""
    return {f"10.0.0.{c}": 1_000 + 10 * ((number * 7 + c * 3) % 5) for c in (1, 2, 3)}


def make_site(folder: Path, days: int, theft: int = 1_000_000, config: str = CONFIG) -> Site:
    """A site of so many days; on the last one, 10.0.0.2 also receives the theft."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "nilometer.yaml").write_text(config, encoding="utf-8")
    for number in range(days):
        received = usual(number)
        if number == days - 1:
            received["10.0.0.2"] += theft
        write_log(folder, day(number), received)
    return open_site(folder)
