"""Pure Polars stages of the gauge, from flow logs to alerts; imports nothing of Dagster or Great Expectations."""

import os

# Polars' allocator gives memory back after half a second, and a log of gigabytes then asks for the same pages again and
# again; and it keeps four heaps a processor, where what one has freed the next asks for anew. It reads this once, when
# Polars is first imported; what the user has set stays.
os.environ.setdefault("_RJEM_MALLOC_CONF", f"dirty_decay_ms:10000,narenas:{os.cpu_count() or 1}")
