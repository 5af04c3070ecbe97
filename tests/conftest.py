"""How hypothesis draws: the same examples everywhere, and no clock, as a busy machine is no fault of the code.

Python looks for cycles as seldom as in the command itself, which saves a fourteenth of the time of all tests. Nothing
waits for the disk: a file is flushed against the loss of power, which no test plays, and what a killed process has
written stays without it. A run of two days on a busy machine takes a third of the time so. What is done once where
libraries would do it over and over is in `tests.quickly`.
"""

import gc
import os
import sqlite3
from typing import Any

from hypothesis import HealthCheck, settings

from assets.command import COLLECT_AFTER
from tests import quickly
from tests.examples import examples

gc.set_threshold(*COLLECT_AFTER)

settings.register_profile(
    "nilometer",
    max_examples=examples(30),
    deadline=None,
    derandomize=True,
    database=None,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.load_profile("nilometer")

_connect = sqlite3.dbapi2.connect


def _connect_without_flushing(*words: Any, **named: Any) -> sqlite3.Connection:
    quickly.lay_empty(words[0] if words else None)
    connection = _connect(*words, **named)
    connection.execute("PRAGMA synchronous=OFF")
    return connection


os.fsync = lambda _: None
sqlite3.dbapi2.connect = _connect_without_flushing


def pytest_collection_finish() -> None:
    quickly.begin()


def pytest_runtest_teardown() -> None:
    quickly.end_test()
