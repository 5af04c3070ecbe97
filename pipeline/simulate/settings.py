"""The parameters of a simulated world: every rate is a visible field with its unit, and assumptions are called so.

Sizes of mail come from Microsoft's planning figures, shapes of traffic from the literature; the rates of benign
lookalikes are assumptions, there to be varied. How a world is drawn from them is in `pipeline.simulate.world`.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass, fields
from typing import Literal

BASKETS = ("material", "small", "slow", "new", "weekend", "multi", "nat")
"""Classes of attacks that recall is told for."""
DAYS_A_YEAR = 365
INFRASTRUCTURE = "infra"
"""The group most of the machines that are nobody's stand in."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of client.

    Attributes:
        name: the kind's name.
        share: of all clients; the shares of a world sum to 1.
        volume: usual bytes a working day, in fleet medians.
        spread: standard deviation of the logarithm between clients of the kind; None takes the fleet's.
        within: standard deviation of the logarithm from day to day; None draws one for each client.
        present: mean chance to use mail on a working day.
        present_off: the same on weekends and holidays; None: by whether the client is always on.
        quiet: whether volume falls on weekends and holidays.
        person: has a mailbox, goes on leave, gets mailings and lookalikes of people.
        role: what an inventory calls it.
    """

    name: str
    share: float
    volume: float = 1.0
    spread: float | None = None
    within: float | None = None
    present: float = 0.9
    present_off: float | None = None
    quiet: bool = True
    person: bool = True
    role: str = "client"

    def __post_init__(self) -> None:
        chances = (self.share, self.present, self.present_off or 0)
        if not all(0 <= c <= 1 for c in chances) or not self.volume > 0 or min(self.spread or 0, self.within or 0) < 0:
            raise ValueError(f"kind {self.name}: chances must be in 0..1, volume above 0, deviations not negative")


KINDS = (
    Kind(name="workstation", share=0.845),
    Kind(name="mobile", share=0.06, volume=0.22),
    Kind(name="sparse", share=0.05, volume=0.37, present=0.15, present_off=0.02),
    Kind(name="delegate", share=0.035, volume=3.3),
    Kind(
        name="nat",
        share=0.005,
        volume=150.0,
        spread=0.4,
        within=0.15,
        present=1.0,
        present_off=1.0,
        person=False,
        role="nat",
    ),
    Kind(
        name="backup",
        share=0.003,
        volume=2_670.0,
        spread=0.6,
        within=0.2,
        present=1.0,
        present_off=1.0,
        quiet=False,
        person=False,
        role="backup",
    ),
    Kind(name="ediscovery", share=0.002, role="ediscovery"),
)
"""The default fleet; 2,670 medians are 40 GB a day."""


@dataclass(frozen=True, kw_only=True)
class Attack:
    """One cell of the list of attacks: `count` thefts of one size and form.

    Attributes:
        name: begins the attack_id of each.
        basket: the class it is counted in, one of BASKETS.
        size: how much is taken a day; a ramp ends with it.
        unit: of size: the victim's own median day, the fleet's, or bytes.
        victim: an ordinary client, one with few days, one behind NAT, or an address never seen before.
        days: working days it lasts.
        ramp: whether it grows by equal steps from size / days to size.
        hosts: clients of one group that are robbed on the same days.
        off: on a weekend or holiday, not on a working day.
        count: how many are planted in one world, as far as there are clients for it.
    """

    name: str
    basket: str
    size: float
    unit: Literal["own", "fleet", "bytes"] = "own"
    victim: Literal["client", "sparse", "nat", "new"] = "client"
    days: int = 1
    ramp: bool = False
    hosts: int = 1
    off: bool = False
    count: int = 5

    def __post_init__(self) -> None:
        if self.basket not in BASKETS:
            raise ValueError(f"basket must be one of {', '.join(BASKETS)}, not {self.basket!r}")
        if self.size < 0 or self.days < 1 or self.hosts < 1 or self.count < 0:
            raise ValueError(f"attack {self.name}: size and count must not be negative, days and hosts at least 1")


def default_attacks(count: int = 5, **counts: int) -> tuple[Attack, ...]:
    """The documented list: `count` of each size; `counts` says other numbers for a basket (`slow=20`).

    Slow thefts below 2 medians a day and thefts at hosts with few days count as small.
    """
    if strange := sorted(set(counts) - set(BASKETS)):
        raise ValueError(f"no such basket: {', '.join(strange)}; known: {', '.join(BASKETS)}")
    gigabytes = [(0.1, "small"), (0.5, "material"), (1.0, "material"), (4.0, "material")]
    times = [(r, "small") for r in (0.2, 0.5, 1, 2, 5, 10)] + [(r, "material") for r in (20, 50, 200)]

    def number(basket: str) -> int:
        return counts.get(basket, count)

    def cell(name: str, basket: str, size: float, **form: object) -> Attack:
        return Attack(name=name, basket=basket, size=size, count=number(basket), **form)  # type: ignore[arg-type]

    cells = (
        *(cell(f"shot_{g:g}gb", basket, g * 1e9, unit="bytes") for g, basket in gigabytes),
        *(cell(f"shot_{r:g}x", basket, r) for r, basket in times),
        *(cell(f"weekend_{r:g}x", "weekend", r, off=True) for r in (1, 5, 20)),
        *(cell(f"slow_{r:g}x", "slow" if r >= 2 else "small", r, days=10) for r in (0.5, 1, 2, 5)),
        *(cell(f"ramp_{r:g}x", "slow" if r >= 10 else "small", r, days=20, ramp=True) for r in (3, 10)),
        *(cell(f"multi_{r:g}x", "multi", r, hosts=5) for r in (1, 2, 5, 10)),
        *(cell(f"new_{r:g}x", "new", r, unit="fleet", victim="new") for r in (5, 50, 200)),
        *(cell(f"sparse_{r:g}x", "small", r, victim="sparse") for r in (5, 50)),
        cell("nat_200x", "nat", 200, unit="fleet", victim="nat"),
    )
    return tuple(attack for attack in cells if attack.count)


@dataclass(frozen=True, kw_only=True)
class WorldSettings:
    """All that decides a world; equal settings give equal worlds.

    Rates "a year" are of one client of a person and calendar year unless said otherwise; sd is the standard deviation
    of the natural logarithm. Sources: [M] Microsoft's planning sizes for Exchange, [L] arXiv 2007.10150 (traffic
    is log-normal), [S] the counts of Storm-0558, [A] an assumption to be varied.

    Attributes:
        seed: names everything random, from 0.
        start: first day.
        clients: clients of the fleet, in 10.0.0.0/8; 1..100,000.
        days: days simulated; 1..3,660.
        warmup_days: first days, in which nothing is stolen.
        groups: groups (subnets) of clients; 1..200.
        kinds: the kinds of clients and their shares [A].
        median_bytes: usual bytes a working day: 200 messages of 75 KB [M].
        between_sd: sd between clients of a group [L, A].
        group_sd: sd between the medians of groups [A].
        within_sd: median over clients of their sd from day to day [L, A].
        within_sd_spread: sd of that sd between clients [A].
        autocorrelation: of the logarithm from one day to the next [A].
        tail_freedom: degrees of freedom of Student's t, whose innovations make the tail; above 2 [A].
        weekday_log: natural logarithm of a weekday's factor, Monday first [A].
        weekend: ISO weekdays without work.
        off_factor: volume on weekends and holidays, in working days [A].
        holidays_per_year: working days of a year that are holidays for all [A].
        always_on: share of the clients that use mail on weekends and holidays too [A].
        present_always_on: chance of those to do so on such a day [A].
        present_off: chance of the others [A].
        leave_per_year: absences of 5 to 14 days [A].
        leave_backlog: a day of absence adds this many usual days to the day of return [A].
        mailbox_bytes: median mailbox [A]; known thefts took .4 to .5 GB each [S].
        mailbox_sd: sd of mailboxes between clients [A].
        resync_per_year: a mailbox is synchronised anew, 20 to 100 % of it [A].
        re_enrolment_per_year: a phone is enrolled anew, 2 to 10 % of the mailbox [A].
        onboarding_per_year: clients that appear, with 2 to 100 % of a mailbox on the first day, a client [A].
        migration_waves_per_year: waves of 3 to 5 days, of the whole fleet [A].
        migration_share: share of the fleet moved by a wave, 50 to 100 % of its mailboxes [A].
        attachments_per_day: chance of a burst of attachments on a client's day with mail [A].
        attachments_bytes: median burst [A].
        attachments_sd: sd of bursts [A].
        org_mailing_per_day: chance that a working day has a mailing to 30-100 % of the groups, x1.5-4 [A].
        group_mailing_per_day: the same for one group, x1.5-5 [A].
        sensor_gap_per_day: chance that a day's sensor sees only 20-70 % of the bytes [A].
        dhcp_pool: share of the workstations without a fixed address [A].
        dhcp_per_day: chance of those to get another one of the group's pool on a day [A].
        dhcp_days: days for which a new holder counts as the cause of what is seen at an address.
        backup_weekday: ISO weekday of full backups, which add 6 to 12 usual days.
        export_per_day: chance of an export on a working day of an eDiscovery host [A].
        export_bytes: median export, sd 1 [A].
        role_known: chance that the inventory knows the role of a client that is no ordinary one [A].
        event_slip: chance that a known event is dated a day early or late [A].
        event_wrong: chance that a known event names another client of the group [A].
        false_events_per_year: known events of things that never happened, a client [A].
        attacks: what is stolen; an empty tuple leaves all else as it is.
    """

    seed: int = 0
    start: dt.date = dt.date(2025, 1, 6)
    clients: int = 3_000
    days: int = 75
    warmup_days: int = 45
    groups: int = 12
    kinds: tuple[Kind, ...] = KINDS
    median_bytes: float = 15e6
    between_sd: float = 0.8
    group_sd: float = 0.4
    within_sd: float = 0.55
    within_sd_spread: float = 0.35
    autocorrelation: float = 0.3
    tail_freedom: float = 5.0
    weekday_log: tuple[float, ...] = (0.14, 0.05, 0.03, 0.02, -0.12, 0.0, 0.0)
    weekend: tuple[int, ...] = (6, 7)
    off_factor: float = 0.25
    holidays_per_year: float = 12.0
    always_on: float = 0.3
    present_always_on: float = 0.5
    present_off: float = 0.03
    leave_per_year: float = 2.4
    leave_backlog: float = 0.45
    mailbox_bytes: float = 4e9
    mailbox_sd: float = 0.9
    resync_per_year: float = 0.5
    re_enrolment_per_year: float = 0.3
    onboarding_per_year: float = 0.2
    migration_waves_per_year: float = 6.0
    migration_share: float = 0.06
    attachments_per_day: float = 0.004
    attachments_bytes: float = 2e8
    attachments_sd: float = 1.0
    org_mailing_per_day: float = 0.05
    group_mailing_per_day: float = 0.025
    sensor_gap_per_day: float = 0.025
    dhcp_pool: float = 0.12
    dhcp_per_day: float = 0.03
    dhcp_days: int = 7
    backup_weekday: int = 6
    export_per_day: float = 0.07
    export_bytes: float = 2e10
    role_known: float = 0.8
    event_slip: float = 0.1
    event_wrong: float = 0.03
    false_events_per_year: float = 0.1
    attacks: tuple[Attack, ...] = default_attacks()

    def __post_init__(self) -> None:
        bounds: dict[str, tuple[float, float]] = {
            "seed": (0, 2**63 - 1),
            "clients": (1, 100_000),
            "days": (1, 3_660),
            "groups": (1, 200),
            "dhcp_days": (1, 3_660),
            "tail_freedom": (2.001, 1e6),
            "median_bytes": (1, 1e12),
            "mailbox_bytes": (1, 1e12),
            "autocorrelation": (0, 0.999),
            "off_factor": (1e-6, 1e3),
        }
        for field in fields(self):
            value = getattr(self, field.name)
            share = field.name.endswith("_per_day") or field.name in _SHARES
            low, high = bounds.get(field.name, (0, 1 if share else 1e15))
            if isinstance(value, int | float) and not low <= value <= high:
                raise ValueError(f"{field.name} must be in {low:g}..{high:g}, not {value}")
        if not 1990 <= self.start.year <= 2200:
            raise ValueError(f"start must be in 1990..2200, not {self.start}")
        if abs(sum(kind.share for kind in self.kinds) - 1) > 1e-9:
            raise ValueError("the shares of the kinds must sum to 1")
        if self.clients > 50_000 * self.groups:
            raise ValueError(f"{self.groups} groups have addresses for {50_000 * self.groups} clients")
        if len(self.weekday_log) != 7:
            raise ValueError("weekday_log must hold seven numbers, Monday first")


_SHARES = {
    "always_on",
    "present_always_on",
    "present_off",
    "migration_share",
    "dhcp_pool",
    "role_known",
    "event_slip",
    "event_wrong",
}
