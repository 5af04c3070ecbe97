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

    def plus(self, other: Dropped) -> Dropped:
        """Both together."""
        return Dropped(self.interim + other.interim, self.duplicates + other.duplicates)


_SESSION = ("source", "dvc", "uid", "start_time", "src_ip", "src_port", "dest_ip", "dest_port", "transport")
_ORDER = ("source_file", "source_line")


def count_once(flows: pl.DataFrame) -> tuple[pl.DataFrame, Dropped]:
    """One row a session: the final record before interim ones, then the longest, then the largest.

    A session is known by sensor, the sensor's id, start and addresses. Without the sensor's id, records that start at
    the same microsecond between the same ports are one flow; without time or ports, none is taken for another.
    """
    if flows.is_empty():
        return flows, Dropped()
    interim = pl.col("accounting") == "cumulative"
    size = pl.sum_horizontal(
        pl.col(c).fill_null(0) for c in ("ip_bytes_in", "ip_bytes_out", "payload_bytes_in", "payload_bytes_out")
    )
    by_ends = pl.all_horizontal(pl.col(c).is_not_null() for c in ("start_time", "src_port", "dest_port"))
    told_apart = pl.col("uid").is_not_null() | by_ends
    repeated = pl.struct(_SESSION).is_duplicated() & told_apart
    if not flows.select(repeated.any()).item():
        return flows, Dropped()
    many = flows.filter(repeated).sort(
        interim,
        pl.col("duration").fill_null(-1),
        size,
        *_ORDER,
        descending=[False, True, True, *[False] * len(_ORDER)],
        maintain_order=True,
    )
    kept = many.unique(_SESSION, keep="first", maintain_order=True)
    dropped_interim = many.filter(interim).height - kept.filter(interim).height
    drops = Dropped(dropped_interim, many.height - kept.height - dropped_interim)
    return pl.concat([flows.filter(~repeated), kept]), drops


def layers_of(flows: pl.LazyFrame) -> pl.DataFrame:
    """For each source whether any record has IP bytes, and payload bytes: columns source, has_ip, has_payload."""

    def known(layer: str) -> pl.Expr:
        return (pl.col(f"{layer}_bytes_in").is_not_null() | pl.col(f"{layer}_bytes_out").is_not_null()).any()

    return flows.group_by("source").agg(has_ip=known("ip"), has_payload=known("payload")).collect(engine="streaming")


def choose_layer(flows: pl.DataFrame, layers: pl.DataFrame | None = None) -> pl.DataFrame:
    """Add bytes_in, bytes_out and bytes_layer.

    IP bytes where the source has any on the day; else payload bytes, unknown where the sensor missed some, since
    payload counts come from sequence numbers and cannot be trusted then.

    Args:
        flows: rows of RAW with their source.
        layers: what `layers_of` says of the whole day, when flows are a part of it.
    """
    layers = layers_of(flows.lazy()) if layers is None else layers
    flows = flows.join(layers, on="source", how="left", maintain_order="left")
    has_ip, has_payload = pl.col("has_ip"), pl.col("has_payload")
    whole = pl.col("missed_bytes").fill_null(0) == 0
    layer = pl.when(has_ip).then(pl.lit("ip")).when(has_payload).then(pl.lit("payload")).otherwise(pl.lit("unknown"))

    def side(name: str) -> pl.Expr:
        payload = pl.when(whole).then(pl.col(f"payload_bytes_{name}"))
        return pl.when(has_ip).then(pl.col(f"ip_bytes_{name}")).otherwise(payload).alias(f"bytes_{name}")

    return flows.with_columns(side("in"), side("out"), layer.alias("bytes_layer")).drop("has_ip", "has_payload")
