"""How hypothesis draws: the same examples everywhere, and no clock, as a busy machine is no fault of the code."""

from hypothesis import HealthCheck, settings

settings.register_profile(
    "nilometer", deadline=None, derandomize=True, database=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("nilometer")
