"""Fields of nfdump's records, whatever the output: which direction a counter is of, what the flags tell, sums.

The outputs bring columns named alike here; how their lines are cut is in `nfdump_csv` and `nfdump_table`, and which
outputs there are in `nfdump`.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from pipeline.addresses import NOWHERE
from pipeline.sources.orienting import leaving
from pipeline.sources.reverse import Reverse

NAMES = (
    "ts",
    "end",
    "duration",
    "src",
    "src_port",
    "dest",
    "dest_port",
    "proto",
    "flags",
    "forwarding",
    "event",
    "event_time",
    "in_packets",
    "in_bytes",
    "out_packets",
    "out_bytes",
    "system",
    "src_nat",
    "dest_nat",
    "received_port",
    "way",
)
"""What an output may tell of a record, all text."""
_COUNTERS = ("in_bytes", "out_bytes", "in_packets", "out_packets")
_ICMP = {"icmp6": "icmp", "1": "icmp", "58": "icmp", "ipv6-icmp": "icmp"}
_UPDATED = ("UPDATE", "UPDATED", "UNKNOW", "UNKNOWN", "5")  # Tables of 1.7.1 have no name for it.
_ENDED = ("DELETE", "DELETED", "2")
BEGUN = ("CREATE", "CREATED", "ADD", "1")
"""How outputs name the event that a connection began."""
_NO_EVENT = ("<no-evt>", "IGNORE", "Ignore", "0")
_NEVER = r"^(?:1970-01-01|1969-12-31|0000-00-00|<unknown>|0(?:\.0+)?$)"
"""A time that is not set, in any zone."""
_CAME = r'"(?:t_)?received"\s*:\s*"([^"]+)"'
_MOST = 1e15
"""A byte counter above this is no counter; it is judged elsewhere and kept out of the sums here."""


def _seen(column: str) -> pl.Expr:
    return pl.col(column).is_not_null() & (pl.col(column) != "0")


def _seconds(text: pl.Expr) -> pl.Expr:
    """A duration as seconds: 33.737, 00:00:33.737 or 1d 03:46:35.000; anything else stays as it is."""
    parts = text.str.extract_groups(r"^(?:(\d+)d\s*)?(\d+):(\d\d):(\d\d(?:\.\d+)?)$").struct
    days, hours, minutes, rest = (parts.field(str(i)).cast(pl.Float64) for i in (1, 2, 3, 4))
    total = days.fill_null(0) * 86_400 + hours * 3_600 + minutes * 60 + rest
    return pl.coalesce(total.round(6).cast(pl.String), text)


def _timed(found: pl.DataFrame) -> tuple[pl.DataFrame, pl.Series]:
    """(records, which have a start and no end); those without times are dated to when they came, where JSON says so."""
    endless = found["end"].str.contains(_NEVER).fill_null(value=False)
    if not endless.any():
        return found, endless
    never = found["ts"].cast(pl.String).str.contains(_NEVER).fill_null(value=False)
    if never.any():
        came = pl.when(pl.lit(never)).then(pl.col("raw").str.extract(_CAME))
        end = pl.when(~pl.lit(never)).then("end")
        found = found.with_columns(ts=pl.coalesce(came, pl.col("ts").cast(pl.String)), end=end)
    return found, endless & ~never


def _events(found: pl.DataFrame) -> pl.DataFrame:
    """Add `nsel`, what a firewall event's counters are: update, cumulative or final; null for other records.

    Cisco's NSEL tells both ends' octets, its source being who began, and no end: nfdump leaves that unset. An update
    counts since the last one, an end since the beginning. CSV up to 1.7.4 does not tell the event, so that the largest
    record of a connection counts, which is that of its end. Deltas of one direction with an event (PAN-OS) are of a
    stretch that ends.
    """
    found, endless = _timed(found)
    if not endless.any() and not found["event"].is_not_null().any():
        return found.with_columns(nsel=pl.lit(None, pl.String))
    event = pl.when(~pl.col("event").is_in(_NO_EVENT)).then(pl.col("event").str.to_uppercase())
    empty = ~pl.any_horizontal(_seen(c) for c in _COUNTERS)
    told = pl.lit(endless) | _seen("out_bytes")
    nsel = (
        pl.when(told & event.is_in(_UPDATED))
        .then(pl.lit("update"))
        .when(pl.lit(endless) & event.is_null())
        .then(pl.lit("cumulative"))
        .when(told & event.is_in([*_ENDED, *BEGUN]))
        .then(pl.lit("final"))
    )
    nothing = empty & nsel.is_not_null() & ~event.is_in(_ENDED).fill_null(value=False)
    at = pl.col("event_time").str.replace(r"\.(\d)$", ".00$1").str.replace(r"\.(\d\d)$", ".0$1")
    at = (
        pl.when(at.str.contains(r"^\d{13}$"))
        .then((at.cast(pl.Float64, strict=False) / 1_000).cast(pl.String))
        .otherwise(at)
    )
    uncounted = nsel.is_not_null() & ~_seen("in_packets") & ~_seen("out_packets")
    return found.with_columns(
        *(pl.when(~nothing).then(c).alias(c) for c in _COUNTERS[:2]),
        *(pl.when(~nothing & ~uncounted).then(c).alias(c) for c in _COUNTERS[2:]),
        nsel=pl.when(~nothing).then(nsel),
        end=pl.when(pl.lit(endless)).then(at).otherwise("end"),
        duration=pl.when(~pl.lit(endless)).then("duration"),
    )


def impossible(packets: pl.Expr | str, size: pl.Expr | str) -> pl.Expr:
    """Whether packets are smaller than their headers, by their number and their bytes in all."""
    packets, size = (pl.col(e) if isinstance(e, str) else e for e in (packets, size))
    return size < packets * 20


def settle(found: pl.DataFrame, reverse: Reverse) -> tuple[pl.DataFrame, dict[str, int]]:
    """Columns as nfdump names them -> fields of a form, and what is odd about the block.

    A record without anything from its dest tells one direction. Counters `in` are what src sent. Flags are those of all
    packets of the record, or-ed: only SYN without ACK tells who began. The ends of other two-way records are those of
    the first record seen (nfdump -b), so that the ports decide; events of a firewall know who began.
    """
    missing = [pl.lit(None, pl.String).alias(c) for c in (*NAMES, "sampled") if c not in found.columns]
    # Times that are numbers in every record of a block are no text.
    found = _events(found.with_columns(missing).with_columns(pl.col("end", "duration").cast(pl.String)))
    clocks = found["duration"].str.contains(":", literal=True).any()  # Most outputs write seconds.
    proto = pl.col("proto").str.to_lowercase().replace(_ICMP)
    nsel = pl.col("nsel").is_not_null()
    two_way, there = (_seen(f"{side}_bytes") | _seen(f"{side}_packets") | nsel for side in ("out", "in"))
    ack = pl.col("flags").str.contains("A", literal=True)
    syn = pl.col("flags").str.contains("S", literal=True) & ~ack & there & (proto.is_in(["tcp", "6"]))
    ports = [pl.when(proto.ne_missing("icmp")).then(c).alias(c) for c in ("src_port", "dest_port")]
    unset = [pl.when(~pl.col(c).is_in(NOWHERE)).then(c).alias(c) for c in ("system", "src_nat", "dest_nat")]
    fields = found.with_columns(
        *ports,
        *unset,
        proto=proto,
        duration=_seconds(pl.col("duration")) if clocks else "duration",
        sent=pl.when(~two_way).then("in_bytes"),
        orig_ip_bytes=pl.when(two_way & there).then("in_bytes"),
        resp_ip_bytes=pl.when(two_way).then("out_bytes"),
        orig_pkts=pl.when(~two_way | there).then("in_packets"),
        resp_pkts=pl.when(two_way).then("out_packets"),
        reporter=leaving(~two_way),
        received_by="dest_nat",
        initiator=pl.when(syn | nsel).then(pl.lit("src")).when(two_way).then(pl.lit("ports")),
    )
    packets, size = (pl.col(c).cast(pl.Float64, strict=False) for c in ("in_packets", "in_bytes"))
    odd = found.select(
        sampled=(pl.col("sampled") == "1").sum(),
        impossible_packet_size=(impossible(packets, size) & ~pl.col("src").str.contains(":", literal=True)).sum(),
    ).row(0, named=True)
    tcp = proto.is_in(["tcp", "6"])
    answered = tcp & pl.coalesce(ack, packets >= 3)
    return fields, merged({k: int(v or 0) for k, v in odd.items()}, reverse.look(fields, answered, two_way & there))


@dataclass
class Tally:
    """Bytes read since the last Summary, to be compared with what the next one says."""

    bytes: float = 0.0
    exact: bool = True

    def state(self) -> list[float]:
        """As plain data."""
        return [self.bytes, float(self.exact)]

    def resume(self, state: list[float]) -> None:
        """Take up a state."""
        self.bytes, self.exact = state[0], bool(state[1])

    def mismatches(
        self,
        found: pl.DataFrame,
        marks: pl.DataFrame,
        rounded: pl.Expr | None = None,
        skipped: pl.DataFrame | None = None,
    ) -> int:
        """How many Summaries differ from the records before them.

        Args:
            found: records with source_line, in_bytes and out_bytes as text.
            marks: Summaries (source_line, total); no total where it is rounded.
            rounded: which records' counters are.
            skipped: other records with the same as numbers, whose counters are believed.
        """
        size = [pl.col(c).cast(pl.Float64, strict=False) for c in ("in_bytes", "out_bytes")]
        plain = [pl.when(s.is_between(0, _MOST)).then(s).otherwise(0.0) for s in size]
        lines = found.select(
            "source_line",
            bytes=plain[0] + plain[1],
            rounded=pl.lit(False) if rounded is None else rounded,
        )
        if skipped is not None:
            size = [pl.col(c).fill_null(0).cast(pl.Float64) for c in ("in_bytes", "out_bytes")]
            more = skipped.select("source_line", bytes=size[0] + size[1], rounded=pl.lit(False))
            lines = pl.concat([lines, more])
        if marks.is_empty():
            read, rounds = lines.select(pl.col("bytes").sum(), pl.col("rounded").any()).row(0)
            self.bytes, self.exact = self.bytes + float(read), self.exact and not rounds
            return 0
        lines = lines.with_columns(part=marks["source_line"].search_sorted(lines["source_line"]))
        sums = lines.group_by("part").agg(pl.col("bytes").sum(), pl.col("rounded").any())
        parts = pl.DataFrame({"part": range(marks.height + 1)}, schema={"part": lines.schema["part"]})
        both = parts.join(sums, on="part", how="left", maintain_order="left").with_columns(
            (pl.col("bytes").fill_null(0.0) + pl.when(pl.col("part") == 0).then(self.bytes).otherwise(0.0)),
            (pl.col("rounded").fill_null(False) | ((pl.col("part") == 0) & (not self.exact))),
        )
        last = both.row(-1, named=True)
        self.bytes, self.exact = float(last["bytes"]), not last["rounded"]
        told = both.head(marks.height).with_columns(total=marks["total"])
        wrong = (pl.col("total") - pl.col("bytes")).abs() > 0.5
        return int(told.select((wrong & ~pl.col("rounded")).fill_null(False).sum()).item())


def merged(*counts: dict[str, int]) -> dict[str, int]:
    """Warnings of several kinds as one."""
    return {k: sum(c.get(k, 0) for c in counts) for k in {k for c in counts for k, v in c.items() if v}}
