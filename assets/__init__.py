"""Thin Dagster wrapping of the pipeline, and the command line."""

import pipeline  # noqa: F401 - before Polars, whose allocator it sets up.
