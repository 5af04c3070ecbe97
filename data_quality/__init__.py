"""What good data is: Great Expectations suites, the profiles they judge, and the checks made from them."""

import pipeline  # noqa: F401 - before Polars, whose allocator it sets up.
