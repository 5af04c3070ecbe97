"""How hypothesis draws: the same examples everywhere, and no clock, as a busy machine is no fault of the code.

Python looks for cycles as seldom as in the command itself, which saves a fourteenth of the time of all tests.
"""

import gc

from hypothesis import HealthCheck, settings

from assets.command import COLLECT_AFTER

gc.set_threshold(*COLLECT_AFTER)

settings.register_profile(
    "nilometer", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("nilometer")
