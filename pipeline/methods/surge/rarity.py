"""How rare a volume is for the network: the share of past client-days that exceeded their expectation by as much.

Hosts of a role are compared with their like, and quiet days with quiet days, as long as there are enough of them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import polars as pl

ENOUGH_ROWS = 300
"""So many past client-days of the same kind, or the next wider kind is taken."""
LIKE = 1e-9
"""Values that differ by less, in parts of themselves, are equal but for rounding: of equal pasts in another order."""


@dataclass(frozen=True)
class Excesses:
    """Sorted past excesses of each kind of client-day, and of all."""

    kinds: dict[tuple[str | None, bool | None], pl.Series]
    all: pl.Series

    @classmethod
    def of(cls, past: pl.DataFrame) -> Excesses:
        """From past rows of raw scores."""
        kinds: dict[tuple[str | None, bool | None], pl.Series] = {}
        for (role,), rows in past.select("role", "quiet", "excess").partition_by("role", as_dict=True).items():
            kinds[role, None] = rows["excess"].sort()
            for (quiet,), part in rows.partition_by("quiet", as_dict=True).items():
                kinds[role, quiet] = part["excess"].sort()
        return cls(kinds, past["excess"].sort())

    def like(self, role: str | None, quiet: bool) -> pl.Series:
        """The narrowest kind with enough rows."""
        wanted = (self.kinds.get((role, quiet)), self.kinds.get((role, None)))
        return next((s for s in wanted if s is not None and s.len() >= ENOUGH_ROWS), self.all)

    def rarity(self, rows: pl.DataFrame, *, past: bool) -> pl.Series:
        """-ln of the share of the like with at least the row's excess.

        A past row counts itself already, as it is among its like; another is added to them: (k + 1) / (N + 1). So both
        are ranks of the same kind.
        """
        own = 0 if past else 1
        parts = []
        for (role, quiet), part in _parts(rows, "excess"):
            like = self.like(role, quiet)
            alike = part["excess"] - LIKE * part["excess"].abs()
            least = like.len() - like.search_sorted(alike, side="left").cast(pl.Int64)
            share = (least + own).clip(1) / (like.len() + own)
            parts.append(part.select("row", rarity=-share.log()))
        if not parts:
            return pl.Series([], dtype=pl.Float64)
        return pl.concat(parts).sort("row")["rarity"]

    def reach(self, rows: pl.DataFrame) -> pl.Series:
        """The inverse for a new row: the excess beyond which it is at least as rare as the row's rarity says."""
        parts = []
        for (role, quiet), part in _parts(rows, "rarity"):
            like = self.like(role, quiet)
            most = ((like.len() + 1) * (-part["rarity"]).exp()).floor().clip(1, like.len()) - 1
            beyond = like.gather((like.len() - 1 - most).cast(pl.Int64))
            parts.append(part.select("row", reach=beyond / (1 - LIKE * beyond.sign())))
        if not parts:
            return pl.Series([], dtype=pl.Float64)
        return pl.concat(parts).sort("row")["reach"]


def _parts(rows: pl.DataFrame, value: str) -> Iterable[tuple[tuple[Any, ...], pl.DataFrame]]:
    """By role and quiet the numbers of the rows and their values: other columns would be copied in vain."""
    narrow = rows.select("role", "quiet", value).with_row_index("row")
    return narrow.partition_by("role", "quiet", as_dict=True).items()
