"""Whether one-way records come with their reverse: a feed that lost one direction reads as if servers sent nothing.

The evidence is kept for a file as a whole and is a few numbers, so that a reader can go on where it stopped. What an
aggregated export does to its counters belongs to the formats.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass

import polars as pl

from pipeline.sources.orienting import SERVICE_PORTS

WARNING = "no_reverse_counters"
_ENOUGH = 5
"""Answered sessions that must be seen before a file is judged."""
_SETTLED = 1_000
"""Pairs of records that settle that a file has both directions."""
_RARE = 100
"""One pair in so many sessions may be chance, such as a session whose ports were used again."""
_KEY = ("src", "src_port", "dest", "dest_port")


@dataclass
class Reverse:
    """What a file has shown so far; its records must have src, src_port, dest, dest_port as text.

    A TCP record that carries an ACK has been answered, so that its reverse exists. When hardly any such record has its
    reverse in the file, and no record counts both ways, the counters of the answers are lost: nfdump 1.7.1 does so when
    it aggregates both directions (-b, -B) and writes JSON.
    """

    answered: int = 0
    """Answered sessions, told by records of one direction."""
    pairs: int = 0
    """Those that have their reverse in the same block, and records that count both ways."""
    pending: int = 0
    """Records of clients without the server's answer that were not reported yet."""

    def state(self) -> dict[str, int]:
        """The numbers as plain data."""
        return asdict(self)

    @property
    def settled(self) -> bool:
        """Whether nothing more is asked of records."""
        return self.pairs >= _SETTLED

    def look(self, records: pl.DataFrame, answered: pl.Expr, two_way: pl.Expr) -> dict[str, int]:
        """Take up a block of records; the warnings it deserves: client records whose answers are not counted."""
        if self.settled:
            return {}
        # Where no record of a block has a port of one end, that column is text whatever the other is.
        alike = records.schema["src_port"] == records.schema["dest_port"]
        ends = _KEY if alike else [pl.col(c).cast(pl.String) for c in _KEY]
        known = records.select(*ends, answered=answered, both=two_way.fill_null(False))
        both = known.select(pl.col("both").sum()).item()
        sessions = known.filter(pl.col("answered") & ~pl.col("both")).select(_KEY)
        mirror = sessions.select(src="dest", src_port="dest_port", dest="src", dest_port="src_port")
        self.answered += sessions.height
        self.pairs += int(both) + sessions.join(mirror.unique(), on=_KEY, how="semi").height
        served = [pl.col(c).cast(pl.Int64, strict=False).is_in(SERVICE_PORTS) for c in ("src_port", "dest_port")]
        self.pending += int(sessions.select((served[1] & ~served[0]).fill_null(False).sum()).item())
        if self.answered < _ENOUGH or self.pairs * _RARE >= self.answered or not self.pending:
            return {}
        found, self.pending = self.pending, 0
        return {WARNING: found}


class Evident:
    """Base of decoders whose lines may be matched with templates once a file has shown both directions."""

    expects_header = False
    _reverse: Reverse

    @property
    def expects_evidence(self) -> bool:
        """Whether it is not settled that both directions are there, so that every record is evidence."""
        return not self._reverse.settled
