"""The numbers of the surge method that a rule may set: windows, alert budget and its shares, each with its meaning.

Numbers of one formula, which nobody would change, stay beside it in `pipeline.methods.surge`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

PER = 10_000
"""Active clients that a budget, and every rate of alerts, is told for."""
CHANNELS = ("shot", "slow", "new")
SHARES: Mapping[str, float] = MappingProxyType({"shot": 0.65, "slow": 0.2, "new": 0.15})


@dataclass(frozen=True)
class Params:
    """Windows in days, the budget in false alerts a day per 10,000 active clients."""

    window: int = 30
    """Past days a client is compared with."""
    calibration: int = 56
    """Past days whose scores say how rare a score is: at a small budget only a few of them exceed a threshold."""
    case_days: int = 7
    """A slow alert within so many days after another one belongs to the same case."""
    budget: float = 20.0
    shares: Mapping[str, float] = field(default_factory=lambda: SHARES)
    """Each channel's part of the budget."""

    def limit(self, channel: str) -> float:
        """The channel's own budget: it alerts when no more false alerts than this are expected."""
        return self.budget * self.shares[channel]

    def spends(self, *channels: str) -> bool:
        """Whether any of the channels has a part of the budget."""
        return any(self.limit(c) > 0 for c in channels)
