"""Whether a source's bytes go the way its format says, judged by what mail servers do.

Who reads mail receives more than it sends, and a server answers on the service's port: a source where it is the other
way round was swapped on its way, and its sums would name the wrong hosts. What is done about it belongs to the
callers; which bytes count, to `pipeline.counting.once`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import polars as pl

READING_PORTS = (110, 143, 993, 995)
"""Ports of mailbox access (POP3, IMAP and their TLS forms): the server sends most."""
WEB_PORTS = (443,)
MAIL_PORTS = (25, 465, 587, *READING_PORTS)
ENOUGH = 20
"""Flows below which nothing is concluded."""
RIGHT, WRONG = 0.5, 0.25
"""Share of the bytes, or of the flows, in which the server must send more to be right; the share at or below which both
are taken for swapped."""
EXAMPLES = 3


@dataclass(frozen=True)
class Direction:
    """What a source's own data says of its direction."""

    source: str
    verdict: str
    """right, swapped, ambiguous, reversed_ends, unknown (no split of bytes at all) or unproved (too little to tell)."""
    flows: int
    """Flows with watched servers."""
    reading: int
    """Of these, flows of mailbox access (by web, where there are no others) with both directions known."""
    server_share: float | None
    """Share of the bytes in these that the server sent."""
    reversed_share: float
    """Share of the flows in which the server's port is on the initiator's side."""
    unsplit_share: float
    """Share of the flows whose bytes are known as a total only, or in neither direction."""
    examples: tuple[str, ...] = ()
    """Lines (file:line) that speak against it, largest first."""

    @property
    def refused(self) -> bool:
        """Whether the source's sums must not be trusted."""
        return self.verdict in ("swapped", "ambiguous", "reversed_ends", "unknown")

    @property
    def message(self) -> str:
        """What is wrong, by which lines, and what to do."""
        what, remedy = _WORDS[self.verdict]
        share = f"{self.server_share:.0%}" if self.server_share is not None else "none"
        numbers = {"share": share, "reversed": f"{self.reversed_share:.0%}", "unsplit": f"{self.unsplit_share:.0%}"}
        lines = f" Such as {', '.join(self.examples)}." if self.examples else ""
        said = what.format(**numbers, n=self.reading, flows=self.flows)
        return f"source {self.source}: {said}.{lines} {remedy}".rstrip()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for JSON lines."""
        return {"what": "direction", **asdict(self), "refused": self.refused}


_WORDS = {
    "right": ("servers sent {share} of the bytes in {n:,} flows of mailbox access", "Its direction holds."),
    "swapped": (
        "servers sent only {share} of the bytes in {n:,} flows of mailbox access, so both directions look swapped",
        "Set swap_bytes: true for the source if its exporter means them the other way; mend its mapping otherwise.",
    ),
    "ambiguous": (
        "servers sent {share} of the bytes in {n:,} flows of mailbox access, where most should be theirs",
        "Compare some flows with another sensor, and mend the exporter or set swap_bytes.",
    ),
    "reversed_ends": (
        "{reversed} of {flows:,} flows have the server's port on the initiator's side, so the ends look exchanged",
        "Mend the exporter's source and destination, or the source's field mapping.",
    ),
    "unknown": (
        "{unsplit} of {flows:,} flows do not tell how many bytes went which way",
        "Have the exporter write both directions; a total alone cannot show who received what.",
    ),
    "unproved": ("too few flows of mailbox access to prove its direction ({n:,} of {flows:,})", ""),
}


def judge(flows: pl.DataFrame) -> list[Direction]:
    """One verdict a source.

    Args:
        flows: counted flows with watched servers: source, source_file, source_line, src_port, dest_port, bytes_in,
            bytes_out, bytes, and `server`, which end is the server: src or dest.
    """
    return [_judge(str(key[0]), part) for key, part in sorted(flows.group_by("source"), key=lambda g: str(g[0][0]))]


def server_end(src: pl.Expr, dest: pl.Expr) -> pl.Expr:
    """Expression: which end is the server, from whether each is watched; null when neither is."""
    return pl.when(dest).then(pl.lit("dest")).when(src).then(pl.lit("src"))


def evidence() -> dict[str, pl.Expr]:
    """Aggregations over flows as `judge` takes them: what `verdict_of` judges a source by.

    Whole numbers, so that evidence of parts of a source may be added up.
    """
    mail = pl.col("src_port").is_in(MAIL_PORTS) | pl.col("dest_port").is_in(MAIL_PORTS)
    found = {"of_all": pl.len(), "unsplit": _unsplit().sum(), "mail": mail.sum(), "turned": _turned().sum()}
    for name, ports in (("access", READING_PORTS), ("web", WEB_PORTS)):
        reading = _reading(ports)
        found |= {
            name: reading.sum(),
            f"{name}_down": pl.col("bytes_in").cast(pl.Int128).filter(reading).sum(),
            f"{name}_up": pl.col("bytes_out").cast(pl.Int128).filter(reading).sum(),
            f"{name}_votes": (reading & (pl.col("bytes_in") > pl.col("bytes_out"))).sum(),
        }
    return found


def verdict_of(source: str, found: Mapping[str, Any]) -> Direction:
    """What the evidence says of a source; without examples."""
    kind = "web" if found["access"] < ENOUGH <= found["web"] else "access"
    reading, down, total = found[kind], found[f"{kind}_down"], found[f"{kind}_down"] + found[f"{kind}_up"]
    share = down / total if total else None
    reversed_share, unsplit_share = _ratio(found["turned"], found["mail"]), _ratio(found["unsplit"], found["of_all"])
    if found["of_all"] >= ENOUGH and unsplit_share > 0.5:
        verdict = "unknown"
    elif found["mail"] >= ENOUGH and reversed_share >= 0.5:
        verdict = "reversed_ends"
    elif reading < ENOUGH or share is None:
        verdict = "unproved"
    else:
        best = max(share, _ratio(found[f"{kind}_votes"], reading))
        verdict = "right" if best >= RIGHT else "swapped" if best <= WRONG else "ambiguous"
    return Direction(source, verdict, found["of_all"], reading, share, reversed_share, unsplit_share)


def _judge(source: str, flows: pl.DataFrame) -> Direction:
    found = flows.select(**evidence()).row(0, named=True)
    told = verdict_of(source, found)
    against = {
        "unknown": _unsplit(),
        "reversed_ends": _turned(),
        **dict.fromkeys(
            ("swapped", "ambiguous"),
            _reading(WEB_PORTS if found["access"] < ENOUGH <= found["web"] else READING_PORTS)
            & (pl.col("bytes_out") > pl.col("bytes_in")),
        ),
    }
    if told.verdict not in against:
        return told
    return replace(told, examples=_examples(flows.filter(against[told.verdict])))


def _unsplit() -> pl.Expr:
    return pl.col("bytes_in").is_null() & (pl.col("bytes").is_not_null() | pl.col("bytes_out").is_null())


def _turned() -> pl.Expr:
    """Whether the server's port is on the initiator's side alone."""
    return (pl.col("src_port").is_in(MAIL_PORTS) & ~pl.col("dest_port").is_in(MAIL_PORTS)).fill_null(False)


def _reading(ports: Sequence[int]) -> pl.Expr:
    """Whether a flow goes to the server's own such port with both directions known."""
    known = pl.col("bytes_in").is_not_null() & pl.col("bytes_out").is_not_null()
    return ((pl.col("server") == "dest") & known & pl.col("dest_port").is_in(ports)).fill_null(False)


def _ratio(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _examples(flows: pl.DataFrame) -> tuple[str, ...]:
    size = pl.sum_horizontal(pl.col(c).fill_null(0) for c in ("bytes_in", "bytes_out", "bytes"))
    top = flows.sort(-size, "source_file", "source_line").head(EXAMPLES)
    return tuple(f"{file}:{line}" for file, line in top.select("source_file", "source_line").iter_rows())
