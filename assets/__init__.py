"""Thin Dagster wrapping of the pipeline, and the command line."""
