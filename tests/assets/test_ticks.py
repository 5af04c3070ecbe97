"""A clock that was ahead does not silence schedules and sensors until its time has come."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from dagster._core.definitions.sensor_definition import SensorType
from dagster._core.remote_origin import RegisteredCodeLocationOrigin, RemoteInstigatorOrigin, RemoteRepositoryOrigin
from dagster._core.scheduler.instigation import (
    InstigatorState,
    InstigatorStatus,
    InstigatorType,
    ScheduleInstigatorData,
    SensorInstigatorData,
    TickData,
    TickStatus,
)
from dagster._daemon.sensor import is_under_min_interval

from assets.processes.instances import ENV_HOME, history, open_instance
from assets.processes.location import NAME
from assets.processes.ticks import set_right
from tests.worlds import make_site

YEAR = 31_536_000.0


def _state(location: str, name: str, data: Any) -> InstigatorState:
    repository = RemoteRepositoryOrigin(RegisteredCodeLocationOrigin(location), "__repository__")
    kind = InstigatorType.SCHEDULE if isinstance(data, ScheduleInstigatorData) else InstigatorType.SENSOR
    return InstigatorState(RemoteInstigatorOrigin(repository, name), kind, InstigatorStatus.DECLARED_IN_CODE, data)


def _sensor(at: float) -> SensorInstigatorData:
    kept = {"cursor": "kept", "sensor_type": SensorType.STANDARD}
    return SensorInstigatorData(last_tick_timestamp=at, last_tick_start_timestamp=at, **kept)  # type: ignore[arg-type]


def _tick(state: InstigatorState, at: float) -> TickData:
    kind, run = state.instigator_type, ["run"]
    return TickData(
        state.instigator_origin_id,
        state.instigator_name,
        kind,
        TickStatus.SUCCESS,
        at,
        run,
        selector_id=state.selector_id,
    )


def test_looks_of_a_time_that_has_not_come_are_put_at_this_moment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(ENV_HOME, raising=False)
    site, now = make_site(tmp_path / "site", 1), time.time()
    states = [
        _state(NAME, "daily", ScheduleInstigatorData("0 3 * * *", None, now + YEAR)),
        _state(NAME, "new_logs", _sensor(now + YEAR)),
        _state(NAME, "stale_days", _sensor(now - 40)),
        _state("others", "new_logs", _sensor(now + YEAR)),
    ]
    with open_instance(site) as instance:
        for state in states:
            instance.add_instigator_state(state)
        for at in (now - 60, now + YEAR):
            instance.create_tick(_tick(states[0], at))
    with history(site) as instance:
        (daily, logs, stale, others) = (
            instance.get_instigator_state(s.instigator_origin_id, s.selector_id) for s in states
        )
        assert daily is not None
        assert logs is not None
        assert daily.instigator_data.last_iteration_timestamp == pytest.approx(now, abs=60)  # type: ignore[union-attr]
        assert logs.instigator_data.cursor == "kept"  # type: ignore[union-attr]
        assert (stale, others) == (states[2], states[3])
        ticks = instance.get_ticks(daily.instigator_origin_id, daily.selector_id)
        assert [t.run_ids for t in ticks] == [["run"], ["run"]]
        assert max(t.timestamp for t in ticks) < now + 60
        sensor: Any = SimpleNamespace(min_interval_seconds=0.001)
        assert not is_under_min_interval(logs, sensor)
        assert is_under_min_interval(others, sensor)  # As every sensor was.
        assert set_right(instance) == []
