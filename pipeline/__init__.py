"""Pure Polars stages of the gauge, from flow logs to alerts; imports nothing of Dagster or Great Expectations."""
