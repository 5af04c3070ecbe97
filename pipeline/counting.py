"""Counting each byte once, and choosing which bytes count: pure functions on raw flows.

Interim records of a session give way to its last one, and a record that was logged twice counts once; each kind of
drop is counted. The byte layer is chosen for a source and day as a whole, never row by row, so that layers never mix.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl


@dataclass(frozen=True)
class Dropped:
    """Records that were not counted, by reason."""

    interim: int = 0
    """Interim records of sessions, superseded by a later or final record."""
    duplicates: int = 0
    """Records of a flow that another record already tells of."""
    paired: int = 0
    """Records of one direction that were joined to the record of the other."""

    def plus(self, other: Dropped) -> Dropped:
        """Both together."""
        return Dropped(self.interim + other.interim, self.duplicates + other.duplicates, self.paired + other.paired)


_SESSION = ("source", "dvc", "uid", "start_time", "src_ip", "src_port", "dest_ip", "dest_port", "transport")
_ORDER = ("source_file", "source_line")
_LAYERS = ("ip", "payload", "other")
_BYTES = tuple(f"{layer}_bytes_{side}" for layer in _LAYERS for side in ("in", "out"))
_COUNTS = (*_BYTES, "packets_in", "packets_out")


def count_once(flows: pl.DataFrame) -> tuple[pl.DataFrame, Dropped]:
    """One row a session: final records before interim ones, whole before one-sided, then the longest, then the largest.

    A session is known by sensor, the sensor's id, start and addresses. Without the sensor's id, records that start at
    the same microsecond between the same ports are one flow; without time or ports, none is taken for another.
    """
    if flows.is_empty():
        return flows, Dropped()
    interim = pl.col("accounting") == "cumulative"
    size = pl.sum_horizontal(pl.col(c).fill_null(0) for c in _BYTES)
    by_ends = pl.all_horizontal(pl.col(c).is_not_null() for c in ("start_time", "src_port", "dest_port"))
    told_apart = pl.col("uid").is_not_null() | by_ends
    repeated = pl.struct(_SESSION).is_duplicated() & told_apart
    if not flows.select(repeated.any()).item():
        return flows, Dropped()
    many = flows.filter(repeated).sort(
        interim,
        _one_sided(),
        pl.col("duration").fill_null(-1),
        size,
        *_ORDER,
        descending=[False, False, True, True, *[False] * len(_ORDER)],
        maintain_order=True,
    )
    kept = many.unique(_SESSION, keep="first", maintain_order=True)
    whole, paired = _joined(many.filter(~interim), kept)
    dropped_interim = many.filter(interim).height - kept.filter(interim).height
    drops = Dropped(dropped_interim, many.height - kept.height - dropped_interim - paired, paired)
    return pl.concat([flows.filter(~repeated), whole]), drops


def _one_sided() -> pl.Expr:
    """Whether a record knows the bytes of one direction only."""
    known = [pl.any_horizontal(pl.col(c).is_not_null() for c in _BYTES if c.endswith(side)) for side in ("_in", "_out")]
    return known[0] != known[1]


def _joined(final: pl.DataFrame, kept: pl.DataFrame) -> tuple[pl.DataFrame, int]:
    """Kept rows, those of one direction with the side that they lack from the other's record; how many were joined."""
    halves = final.group_by(_SESSION).agg(pl.col(c).max() for c in _COUNTS)
    both = kept.join(halves, on=_SESSION, how="left", nulls_equal=True, maintain_order="left", suffix="_half")
    gains = pl.any_horizontal(pl.col(c).is_null() & pl.col(f"{c}_half").is_not_null() for c in _BYTES)
    both = both.with_columns(_lacking=_one_sided() & gains)
    joined = [pl.when("_lacking").then(pl.coalesce(c, f"{c}_half")).otherwise(pl.col(c)).alias(c) for c in _COUNTS]
    return both.with_columns(joined).select(kept.columns), int(both["_lacking"].sum())


def layers_of(flows: pl.LazyFrame) -> pl.DataFrame:
    """For each source which layers any of its records has: columns source, has_ip, has_payload, other."""

    def known(layer: str) -> pl.Expr:
        return (pl.col(f"{layer}_bytes_in").is_not_null() | pl.col(f"{layer}_bytes_out").is_not_null()).any()

    found = flows.group_by("source").agg(
        has_ip=known("ip"), has_payload=known("payload"), other=pl.col("other_layer").min()
    )
    return found.collect(engine="streaming")


def layer_name() -> pl.Expr:
    """The layer that counts, from the columns of `layers_of`."""
    payload = pl.when("has_payload").then(pl.lit("payload"))
    return pl.when("has_ip").then(pl.lit("ip")).otherwise(pl.coalesce(payload, "other", pl.lit("unknown")))


def choose_layer(flows: pl.DataFrame, layers: pl.DataFrame | None = None) -> pl.DataFrame:
    """Add bytes_in, bytes_out and bytes_layer.

    IP bytes where the source has any on the day; else payload bytes, unknown where the sensor missed some, since
    payload counts come from sequence numbers and cannot be trusted then; else what else the log counts.

    Args:
        flows: rows of RAW with their source.
        layers: what `layers_of` says of the whole day, when flows are a part of it.
    """
    layers = layers_of(flows.lazy()) if layers is None else layers
    flows = flows.join(layers, on="source", how="left", maintain_order="left")
    whole = pl.col("missed_bytes").fill_null(0) == 0

    def side(name: str) -> pl.Expr:
        payload = pl.when(whole).then(pl.col(f"payload_bytes_{name}"))
        counted = pl.when("has_ip").then(pl.col(f"ip_bytes_{name}")).when("has_payload").then(payload)
        return counted.otherwise(pl.col(f"other_bytes_{name}")).alias(f"bytes_{name}")

    named = flows.with_columns(side("in"), side("out"), layer_name().alias("bytes_layer"))
    return named.drop("has_ip", "has_payload", "other")
