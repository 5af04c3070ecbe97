"""A site folder with Zeek logs that is landed anew for every question, for tests of the landing."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import polars as pl

from pipeline.flows import build_flows
from pipeline.intake.landing import Landing, LandingReport
from pipeline.intake.ledger import Entry
from pipeline.inventory import Inventory
from pipeline.settings import Settings
from tests.oracle.zeek import SERVER, conn

D1 = dt.date(2026, 10, 1)
D2 = D1 + dt.timedelta(days=1)
NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
NOON = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
BY_DAY, FLAT = "logs/{day}/conn*.log*", "logs/*"


def settings(pattern: str = BY_DAY, servers: tuple[str, ...] = (SERVER,), **source: Any) -> Settings:
    inventory = [{"address": a, "category": "email_server"} for a in servers]
    return Settings.model_validate({"sources": [{"name": "core", "path": pattern, **source}], "inventory": inventory})


class World:
    """A site folder, landed anew for every question, as every run does."""

    def __init__(self, root: Path, chosen: Settings) -> None:
        self.root, self.settings = root, chosen

    def put(self, name: str, data: bytes) -> Path:
        path = self.root / "logs" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
        return path

    def landing(self) -> Landing:
        return Landing(self.root, self.root / "data", self.settings, NOW)

    def land(self, *days: dt.date) -> LandingReport:
        return self.landing().land(days or (D1, D2))

    def entry(self, name: str) -> Entry:
        return self.landing().ledger.entries[("core", f"logs/{name}")]

    def received(self, day: dt.date = D1) -> list[int]:
        made = build_flows(self.landing(), self.settings, Inventory(self.settings.inventory), day)
        return sorted(made.collect()["bytes_in"].to_list())

    def quarantine(self) -> list[tuple[str, int, str]]:
        paths = sorted((self.root / "data" / "quarantine").rglob("*.parquet"))
        frames = [pl.read_parquet(p, glob=False).select("source_file", "source_line", "reason") for p in paths]
        return sorted(pl.concat(frames).rows()) if frames else []

    def parquet(self) -> set[str]:
        folder = self.root / "data" / "landing"
        return {str(p.relative_to(folder)) for p in folder.rglob("*.parquet")}


def flow(uid: str, received: int = 220, day: dt.date = D1, **changes: str) -> dict[str, str]:
    """A flow at noon of a day."""
    return conn(NOON + (day - D1), uid=uid, resp_ip_bytes=str(received), **changes)
