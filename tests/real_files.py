"""Files that tests read: small ones kept beside the tests, and real samples where NILOMETER_SAMPLES is set."""

import os
from pathlib import Path

import pytest

GOLDEN = Path(__file__).parent / "golden"
SAMPLES = Path(os.environ.get("NILOMETER_SAMPLES", "no-samples"))
needs_samples = pytest.mark.skipif(not SAMPLES.is_dir(), reason="NILOMETER_SAMPLES is not set")
