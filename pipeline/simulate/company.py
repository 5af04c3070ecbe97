"""A small, seeded company: its people, mail servers, partners and calendar, and who its mailbox thief is.

Only who exists and how they usually behave; the connections they make are in `pipeline.simulate.traffic`, log formats
in `pipeline.simulate.zeek`. There is no clock here: the last day is given. Volumes are deliberately tame (no re-syncs,
no backups), so that the one theft is the one alert; labelled worlds with lookalikes are not this module's matter.
"""

from __future__ import annotations

import datetime as dt
import random
from dataclasses import dataclass
from functools import cached_property

import polars as pl

from pipeline.days import day_bounds_utc, day_range
from pipeline.simulate.draws import Draws, micros

MAILBOX_MEDIAN = 15_000_000
"""Bytes a usual client downloads on a working day: 200 messages of 75 KB (Microsoft's planning sizes)."""
PARTNER_MEDIAN = 6_000_000
"""Bytes of mail a usual partner is sent on a working day."""
DEFAULT_THEFT = 1_500_000_000
"""IP bytes of a stolen mailbox: about 100 times a usual day."""
MAX_CLIENTS = 20_000
_KINDS = (("workstation", 0.86), ("mobile", 0.92), ("sparse", 0.97), ("delegate", 1.0))
"""Kinds of client with the upper end of their share of all clients."""
_PRESENT = {"workstation": 0.95, "mobile": 0.98, "sparse": 0.12, "delegate": 0.97}
"""Chance of a kind to use mail on a working day."""
_WEEKEND_SHARE = 0.3
"""Share of the workstations that use mail at weekends too."""


@dataclass(frozen=True, kw_only=True)
class Company:
    """One company over a span of days; the same fields always give the same company.

    Attributes:
        seed: names everything random: addresses, habits, sessions and the thief.
        last_day: the last day simulated, and the day of the theft.
        clients: people and devices in 10.20.0.0/16.
        servers: mail servers in 192.0.2.0/24.
        days: days simulated, the last one included.
        theft_bytes: IP bytes the thief downloads on the last day on top of the usual; 0 plants nothing.
        timezone: IANA zone whose calendar the company keeps.
    """

    seed: int
    last_day: dt.date
    clients: int = 300
    servers: int = 3
    days: int = 45
    theft_bytes: int = DEFAULT_THEFT
    timezone: str = "UTC"

    def __post_init__(self) -> None:
        bounds = {"clients": (1, MAX_CLIENTS), "servers": (1, 100), "days": (1, 3_660), "theft_bytes": (0, 10**14)}
        for name, (low, high) in bounds.items():
            if not low <= getattr(self, name) <= high:
                raise ValueError(f"{name} must be in {low}..{high}, not {getattr(self, name)}")

    @property
    def first_day(self) -> dt.date:
        """The first day simulated."""
        return self.last_day - dt.timedelta(days=self.days - 1)

    @cached_property
    def server_addresses(self) -> tuple[str, ...]:
        """The mail servers; the first is mx1."""
        return tuple(f"192.0.2.{10 + i}" for i in range(self.servers))

    @cached_property
    def people(self) -> pl.DataFrame:
        """One row a client: its kind, its usual volume (bytes) and its chance to be there on a day."""
        draw = Draws(self.seed, "people", "party")
        kind = draw.uniform("kind")
        chain = pl.lit(None, pl.String)
        for name, upper in reversed(_KINDS):
            chain = pl.when(kind < upper).then(pl.lit(name)).otherwise(chain)
        frame = (
            pl.DataFrame({"address": self._client_addresses()})
            .with_row_index("party")
            .with_columns(
                chain.alias("kind"),
                draw.log_normal("usual", MAILBOX_MEDIAN, 0.8, 2.5).alias("usual"),
                home=draw.integer("home", 0, self.servers - 1),
                imap=draw.uniform("imap") < 0.6,
            )
        )
        return frame.with_columns(
            usual=pl.col("usual") * pl.when(pl.col("kind") == "delegate").then(2.0).otherwise(1.0),
            on_workdays=pl.col("kind").replace_strict(_PRESENT, return_dtype=pl.Float64),
            on_weekends=self._weekend_chance(draw),
        )

    @staticmethod
    def _weekend_chance(draw: Draws) -> pl.Expr:
        always_on = draw.uniform("weekend") < _WEEKEND_SHARE
        return (
            pl.when(pl.col("kind") == "mobile")
            .then(0.9)
            .when(pl.col("kind") == "sparse")
            .then(0.03)
            .when(always_on)
            .then(0.8)
            .otherwise(0.0)
        )

    @cached_property
    def partners(self) -> pl.DataFrame:
        """One row an outside mail exchanger that the mail servers deliver to."""
        draw = Draws(self.seed, "partners", "party")
        addresses = [f"203.0.113.{i}" for i in range(10, 70)]
        return (
            pl.DataFrame({"address": addresses})
            .with_row_index("party")
            .with_columns(
                usual=draw.log_normal("usual", PARTNER_MEDIAN, 0.7, 2.5),
                on_workdays=pl.lit(0.9),
                on_weekends=pl.lit(0.4),
            )
        )

    @cached_property
    def calendar(self) -> pl.DataFrame:
        """One row a day: whether it is a weekend, its first instant (UTC microseconds) and its length."""
        days = day_range(self.first_day, self.last_day)
        bounds = [day_bounds_utc(day, self.timezone) for day in days]
        return pl.DataFrame(
            {
                "day": days,
                "ordinal": [day.toordinal() for day in days],
                "weekday": [day.isoweekday() for day in days],
                "day_start": [micros(start) for start, _ in bounds],
                "day_length": [micros(end) - micros(start) for start, end in bounds],
            }
        )

    @cached_property
    def thief(self) -> str | None:
        """Whose mailbox is stolen: a workstation of ordinary volume; None without a theft."""
        if not self.theft_bytes:
            return None
        ordinary = self.people.filter(
            pl.col("kind") == "workstation", pl.col("usual").is_between(MAILBOX_MEDIAN / 2, MAILBOX_MEDIAN * 2)
        )
        pool = ordinary if ordinary.height else self.people
        return str(self._random("thief").choice(pool["address"].to_list()))

    def _client_addresses(self) -> list[str]:
        """Distinct addresses scattered over a few /24 of 10.20.0.0/16, other ones for every seed."""
        chance = self._random("addresses")
        subnets = chance.sample(range(1, 255), max(12, self.clients // 100))
        hosts = chance.sample(range(len(subnets) * 240), self.clients)
        return [f"10.20.{subnets[h // 240]}.{10 + h % 240}" for h in hosts]

    def _random(self, topic: str) -> random.Random:
        return random.Random(f"{self.seed}:{topic}")  # noqa: S311 - a simulation, nothing secret
