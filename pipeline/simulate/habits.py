"""What a client usually receives on each of its days: log-normal, autocorrelated, heavy-tailed, with a week's rhythm.

Who the clients are and on which days they are there is in `population`; what disturbs them is in `lookalikes`.
"""

from __future__ import annotations

import numpy as np

from pipeline.simulate.population import Calendar, Floats, Ints, People, Presence, stream
from pipeline.simulate.settings import WorldSettings

_LARGEST = 1e14
"""No client receives more on a day: 9 Gbit/s for 24 hours."""


def usual_volumes(settings: WorldSettings, calendar: Calendar, people: People, presence: Presence) -> Ints:
    """Whole bytes (clients x days), at least 1 on a day with mail and 0 on others."""
    weekday = np.array(settings.weekday_log)[calendar.weekday - 1]
    quiet = calendar.off[None, :] & people.quiet[:, None]
    level = people.level[:, None] + weekday[None, :] + np.where(quiet, np.log(settings.off_factor), 0.0)
    volume = np.exp(np.minimum(level + people.within[:, None] * _noise(settings), np.log(_LARGEST)))
    return np.where(presence.active, np.maximum(np.rint(volume), 1), 0).astype(np.int64)


def _noise(settings: WorldSettings) -> Floats:
    """AR(1) of unit variance with Student's t innovations (clients x days)."""
    freedom, keep = settings.tail_freedom, settings.autocorrelation
    shape = (settings.days, settings.clients)
    noise: Floats = stream(settings.seed, "noise").standard_t(freedom, shape) / np.sqrt(freedom / (freedom - 2))
    for day in range(1, settings.days):
        noise[day] = keep * noise[day - 1] + np.sqrt(1 - keep**2) * noise[day]
    return np.ascontiguousarray(noise.T)
