"""Which bytes count: the layer is chosen for a source and day as a whole, never row by row, so that layers never mix.

Pure functions on raw flows. Which records count at all is decided in `pipeline.counting.once`.
"""

from __future__ import annotations

import polars as pl


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
    named = dict(layers.select("source", layer_name()).iter_rows())
    has_ip, has_payload = (
        pl.col("source").is_in(layers.filter(c)["source"].implode()) for c in ("has_ip", "has_payload")
    )
    whole = pl.col("missed_bytes").fill_null(0) == 0

    def side(name: str) -> pl.Expr:
        payload = pl.when(whole).then(pl.col(f"payload_bytes_{name}"))
        counted = pl.when(has_ip).then(pl.col(f"ip_bytes_{name}")).when(has_payload).then(payload)
        return counted.otherwise(pl.col(f"other_bytes_{name}")).alias(f"bytes_{name}")

    layer = pl.col("source").replace_strict(named, default="unknown", return_dtype=pl.String).alias("bytes_layer")
    return flows.with_columns(side("in"), side("out"), layer)
