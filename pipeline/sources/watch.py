"""Which addresses are watched, remembered by the spelling that logs use.

Every distinct spelling is parsed and looked up once in its life, in bulk; blocks of millions of rows are then a set
look-up. What the inventory says of an address on a day is not decided here, only whether it ever covers it.
"""

from __future__ import annotations

import polars as pl

from pipeline.addresses import CANONICAL_IPV4, canonical_frame
from pipeline.inventory import Inventory

_FEW = 2_000
"""Rows up to which looking at all spellings costs less than finding the distinct ones."""


_NONE = pl.Series([[]], dtype=pl.List(pl.String))


class Watch:
    """Spellings seen so far: canonical address, validity, and whether the inventory covers it."""

    def __init__(self, inventory: Inventory | None) -> None:
        """Args: inventory; None keeps every flow."""
        self._inventory = inventory
        self._seen = pl.DataFrame(schema={"raw": pl.String})
        self._invalid, self._watched = _NONE, _NONE
        """One row each, the list of the spellings, as expressions look values up in it."""

    @property
    def keeps_all(self) -> bool:
        """Whether every flow is kept, watched or not."""
        return self._inventory is None

    @property
    def networks(self) -> tuple[str, ...]:
        """The networks outside of which nothing is watched; asked only where not every flow is kept."""
        return self._inventory.prefixes if self._inventory is not None else ()

    def learn(self, spellings: pl.Series) -> None:
        """Look up the spellings that were not seen before."""
        seen = self._seen["raw"]
        if len(spellings) > len(seen):  # Of many most are known: what is left is told apart in less time.
            spellings = spellings.filter(~spellings.is_in(seen.implode()).fill_null(value=False))
        fresh = spellings.unique().to_frame("raw").join(self._seen, on="raw", how="anti", nulls_equal=True)
        if fresh.is_empty():
            return
        known = canonical_frame(fresh["raw"])
        invalid = known["ip"].is_null()
        self._invalid = _more(self._invalid, known["raw"].filter(invalid).drop_nulls())
        self._watched = _more(self._watched, self._covered(known.filter(~invalid))["raw"])
        self._seen = pl.concat([self._seen, known.select("raw")])

    def _covered(self, valid: pl.DataFrame) -> pl.DataFrame:
        if self._inventory is None:
            return valid
        flags = self._inventory.watched_frame(valid["ip"])
        return valid.join(flags.filter("watched"), on="ip", how="semi")

    def is_invalid(self, column: str) -> pl.Expr:
        """Expression: the spelling is not an address (null included)."""
        unknown = pl.col(column).is_null()
        return unknown if self._invalid is _NONE else unknown | pl.col(column).is_in(self._invalid)

    def is_watched(self, column: str) -> pl.Expr:
        """Expression: the spelling stands for an address that the inventory covers at some time."""
        if self.keeps_all:
            return pl.lit(True)
        return pl.col(column).is_in(self._watched)

    def canonical(self, frame: pl.DataFrame, columns: dict[str, str]) -> pl.DataFrame:
        """Add canonical addresses: columns maps a spelling column to the new column's name."""
        for raw, new in columns.items():
            if frame.height < _FEW and frame[raw].str.contains(CANONICAL_IPV4).all():
                frame = frame.with_columns(pl.col(raw).alias(new))
                continue
            known = canonical_frame(frame[raw])
            if known["ip"].equals(known["raw"]):
                frame = frame.with_columns(pl.col(raw).cast(pl.String).alias(new))
            else:
                named = known.rename({"raw": raw, "ip": new})
                frame = frame.join(named, on=raw, how="left", nulls_equal=True, maintain_order="left")
        return frame


def _more(listed: pl.Series, values: pl.Series) -> pl.Series:
    """The one list with more values."""
    return pl.concat([listed.explode(), values]).implode() if len(values) else listed
