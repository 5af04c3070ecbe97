"""Measurements against other engines, in one run on one machine; never part of the tests."""

import pipeline  # noqa: F401 - before Polars, whose allocator it sets up.
