"""How hypothesis draws: the same examples everywhere, and no clock, as a busy machine is no fault of the code.

Python looks for cycles as seldom as in the command itself, which saves a fourteenth of the time of all tests. Nothing
waits for the disk: a file is flushed against the loss of power, which no test plays, and what a killed process has
written stays without it. A run of two days on a busy machine takes a third of the time so. Dagster makes an engine for
every event that it stores and opens the database anew, and reads all its migrations for each new one, which is a third
of the CPU of a run; here each database is opened once a test, and migrations are read once. Great Expectations names
each number that it works out by a digest of JSON, some thousand times a day of data; here a text of the same does. The
small worlds of the tests are alike, and so are the questions put to Great Expectations, a quarter of the CPU of a run:
it is asked each of them once a process, and judges anew whatever differs in a suite, a limit or a value.
"""

import gc
import os
import sqlite3
import sys
from functools import cache
from typing import Any

from hypothesis import HealthCheck, settings

from assets.command import COLLECT_AFTER
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
    connection = _connect(*words, **named)
    connection.execute("PRAGMA synchronous=OFF")
    return connection


os.fsync = lambda _: None
sqlite3.dbapi2.connect = _connect_without_flushing

_STORAGE = "dagster._core.storage"
_MAKERS = (f"{_STORAGE}.event_log.sqlite.sqlite_event_log", f"{_STORAGE}.runs.sqlite.sqlite_run_storage")
_engines: dict[tuple[str, tuple[Any, ...]], Any] = {}


def pytest_collection_finish() -> None:
    """Where a test works with Dagster, which takes seconds to import, it has been imported by now."""
    for maker in filter(None, map(sys.modules.get, _MAKERS)):
        maker.create_engine = _once(maker.create_engine)
    if migrations := sys.modules.get("alembic.script"):
        migrations.ScriptDirectory.from_config = cache(migrations.ScriptDirectory.from_config)
    if judging := sys.modules.get("data_quality.checks"):
        judging._results = _answered(judging._results)


def pytest_runtest_teardown() -> None:
    """What a test has opened is closed with it; the first one that needs the library of the checks has imported it."""
    if named := sys.modules.get("great_expectations.core.id_dict"):
        named.IDDict.to_id = _text
    while _engines:
        _engines.popitem()[1].pool.dispose()


def _text(named: dict[str, Any], id_keys: Any = None, id_ignore_keys: Any = None) -> str | tuple[()]:
    """What stands for the content of a dict."""
    left_out = named._id_ignore_keys if id_ignore_keys is None else id_ignore_keys  # type: ignore[attr-defined]
    told = [(key, named[key]) for key in sorted(named if id_keys is None else id_keys) if key not in left_out]
    return repr(told) if told else ()


def _answered(ask: Any) -> Any:
    """The same question is answered from memory; one that raised is asked again."""
    known: dict[str, Any] = {}

    def results(name: str, expectations: Any, frame: Any, wanted: Any) -> Any:
        question = repr((name, expectations, frame.dtypes.to_list(), frame.to_dict("list"), wanted))
        if question not in known:
            known[question] = ask(name, expectations, frame, wanted)
        return known[question]

    return results


def _once(make: Any) -> Any:
    def made(url: str, poolclass: Any, connect_args: dict[str, Any] | None = None) -> Any:
        key = url, tuple((connect_args or {}).items())
        if key not in _engines:
            _engines[key] = make(url, connect_args=connect_args or {})
            _engines[key].dispose = lambda: None
        return _engines[key]

    return made
