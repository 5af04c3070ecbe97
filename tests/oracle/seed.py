"""A naive reading of the seed detection (R0-R15) in plain Python with exact arithmetic.

It shares no code with the pipeline: rows are lists, numbers are integers and fractions, and a gate is decided by
comparing squares. It is slow on purpose; only what the specification says is in it.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from zoneinfo import ZoneInfo

CATEGORY = "email_server"
Row = tuple[dt.date, str | None, int | None]
"""Day, client, bytes."""


@dataclass(frozen=True)
class Flow:
    """One flow as the detection's data model has it."""

    start: dt.datetime
    src_ip: str | None
    dest_ip: str | None
    bytes_in: int | None
    bytes_out: int | None
    src_category: tuple[str, ...] = ()
    dest_category: tuple[str, ...] = ()


@dataclass(frozen=True)
class Numbers:
    """What a rule sets."""

    lookback: int = 30
    minimum: int = 4
    threshold: Fraction = Fraction(3)
    keep_null_client: bool = False
    stdev_of_one_is_zero: bool = True


@dataclass(frozen=True)
class Statistics:
    """Mean and sample variance of some known values, each None where unknown (R7, R8)."""

    n: int
    mean: Fraction | None
    variance: Fraction | None

    @property
    def deviation(self) -> float | None:
        """The square root of the variance, to 200 bits before it is rounded."""
        return None if self.variance is None else float(_root(self.variance))

    def above(self, x: int | None, k: Fraction) -> bool | None:
        """Whether x > mean + k x deviation, strictly; None when anything is unknown (R10)."""
        if x is None or self.mean is None or self.variance is None:
            return None
        return x > self.mean and (x - self.mean) ** 2 > k * k * self.variance

    def distance_squared(self, x: int | None) -> Fraction | None:
        """The z-score squared; None when the deviation is 0 or anything is unknown (R11)."""
        if x is None or self.mean is None or not self.variance:
            return None
        return (x - self.mean) ** 2 / self.variance


@dataclass(frozen=True)
class Verdict:
    """What the detection says of one client on the day."""

    client: str
    value: int | None
    n: int
    fleet: Statistics
    own: Statistics
    gate_samples: bool
    gate_fleet: bool | None
    gate_client: bool | None
    state: str
    server_z_squared: Fraction | None = field(repr=False)
    client_z_squared: Fraction | None = field(repr=False)


def daily_rows(flows: Iterable[Flow], *, zone: str, twin: bool) -> list[Row]:
    """R0, R2-R4, R6: the rows of the detection's first line, ordered by day and client."""
    groups: dict[tuple[dt.date, str | None], list[int | None]] = defaultdict(list)
    for f in flows:
        day = f.start.astimezone(ZoneInfo(zone)).date()
        if not twin and CATEGORY in f.dest_category:
            groups[day, f.src_ip].append(f.bytes_in)
        if twin and CATEGORY in f.src_category:
            groups[day, f.dest_ip].append(f.bytes_out)
    rows = [(day, client, _known_sum(values)) for (day, client), values in groups.items()]
    return sorted(rows, key=lambda r: (r[0], r[1] is None, r[1] or ""))


def judge(rows: Iterable[Row], day: dt.date, numbers: Numbers, start: dt.date = dt.date.min) -> list[Verdict]:
    """R1, R5, R7-R11: a verdict for every client that has a row on the day, ordered by client."""
    first = max(start, day - dt.timedelta(days=numbers.lookback))
    window = [
        (d, "null" if client is None else client, value)
        for d, client, value in rows
        if first <= d <= day and (client is not None or numbers.keep_null_client)
    ]
    fleet = statistics([v for _, _, v in window], numbers)
    today = sorted((client, value) for d, client, value in window if d == day)
    return [_verdict(client, value, window, day, fleet, numbers) for client, value in today]


def statistics(values: Iterable[int | None], numbers: Numbers) -> Statistics:
    """R7, R8: over the known values."""
    known = [v for v in values if v is not None]
    n = len(known)
    if n == 0:
        return Statistics(0, None, None)
    total = sum(known)
    mean = Fraction(total, n)
    if n == 1:
        return Statistics(1, mean, Fraction(0) if numbers.stdev_of_one_is_zero else None)
    # The mean of (v - mean)^2 over n - 1, times n^2 above and below to stay in whole numbers.
    return Statistics(n, mean, Fraction(sum((n * v - total) ** 2 for v in known), n * n * (n - 1)))


def alert_rows(verdicts: Iterable[Verdict], day: dt.date, *, zone: str, twin: bool) -> list[dict[str, object]]:
    """R12, R13: the output table, largest volume first."""
    subject, bytes_name = ("dest_ip", "bytes_out") if twin else ("src_ip", "bytes_in")
    hits = [(v.value, v) for v in verdicts if v.state == "alert" and v.value is not None]
    return [
        {
            subject: v.client,
            "_time": start_of(day, zone).isoformat(),
            bytes_name: value,
            f"avg_{bytes_name}": _rounded(v.fleet.mean),
            f"per_source_avg_{bytes_name}": _rounded(v.own.mean),
            "num_standard_deviations_away_from_server_average": rounded_distance(v.server_z_squared),
            "num_standard_deviations_away_from_client_average": rounded_distance(v.client_z_squared),
        }
        for value, v in sorted(hits, key=lambda hit: (-hit[0], hit[1].client))
    ]


def rounded_distance(z_squared: Fraction | None) -> float | None:
    """R12: floor(100 z + 1/2) / 100, which is (floor(sqrt(40000 z^2)) + 1) // 2 hundredths."""
    return None if z_squared is None else float(Fraction((math.isqrt(math.floor(40_000 * z_squared)) + 1) // 2, 100))


def distance_to_tie(z_squared: Fraction) -> float:
    """How far 100 z + 1/2 lies from a whole number, relative to itself: there a float may round either way."""
    scaled = _root(10_000 * z_squared) + Fraction(1, 2)
    return float(abs(scaled - round(scaled)) / scaled)


def start_of(day: dt.date, zone: str) -> dt.datetime:
    """R2: the first quarter of an hour whose date in the zone is the day."""
    at = dt.datetime.combine(day, dt.time(), dt.UTC) - dt.timedelta(hours=15)
    while at.astimezone(ZoneInfo(zone)).date() != day:
        at += dt.timedelta(minutes=15)
    return at.astimezone(ZoneInfo(zone))


def smallest(passes: Callable[[int], bool | None], end: int) -> int | None:
    """The smallest x from 0 to end that passes, for a test that once passed keeps passing; None when none does."""
    if not passes(end):
        return None
    low, high = -1, end
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if passes(middle) else (middle, high)
    return high


def _verdict(
    client: str,
    value: int | None,
    window: Sequence[tuple[dt.date, str, int | None]],
    day: dt.date,
    fleet: Statistics,
    numbers: Numbers,
) -> Verdict:
    mine = [(d, v) for d, c, v in window if c == client]
    own = statistics([v for d, v in mine if d < day], numbers)
    enough = len(mine) >= numbers.minimum
    above_fleet, above_own = fleet.above(value, numbers.threshold), own.above(value, numbers.threshold)
    if enough and above_fleet and above_own:
        state = "alert"
    elif own.n == 0:
        state = "no_history"
    else:
        state = "normal" if enough else "learning"
    distances = fleet.distance_squared(value), own.distance_squared(value)
    return Verdict(client, value, len(mine), fleet, own, enough, above_fleet, above_own, state, *distances)


def _known_sum(values: Iterable[int | None]) -> int | None:
    """R6: the sum of what is known; nothing known is unknown, not 0."""
    known = [v for v in values if v is not None]
    return sum(known) if known else None


def _rounded(x: Fraction | None) -> float | None:
    return None if x is None else float(x)


def _root(x: Fraction) -> Fraction:
    scale = 1 << 400
    return Fraction(math.isqrt(x.numerator * scale * scale // x.denominator), scale)
