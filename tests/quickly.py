"""What makes runs cheap in tests: libraries that do the same over and over do it once a process here.

Dagster makes an engine for every event that it stores and opens the database anew, and reads all its migrations for
each new one; here each database is opened once a test, and a new one is a copy of an empty one. It also starts four
processes a run that show on the terminal what goes to its log; here it does not. Great Expectations names each number
that it works out by a digest of JSON, some thousand times a day of data; here a text of the same does. The small worlds
of the tests are alike, and so are the questions put to it, a quarter of the CPU of a run: it is asked each of them
once, and judges anew whatever differs in a suite, a limit or a value. What is changed for all tests without a library
is in `tests.conftest`.
"""

import os
import re
import sqlite3
import sys
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

_STORAGE = "dagster._core.storage"
_MAKERS = (f"{_STORAGE}.event_log.sqlite.sqlite_event_log", f"{_STORAGE}.runs.sqlite.sqlite_run_storage")
_ONE_RUN = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\.db")
_engines: dict[tuple[str, tuple[Any, ...]], Any] = {}
_empty: dict[str, bytes] = {}
"""Name of a database -> what is in a new one of its kind; that of one run is named by an empty text."""


def begin() -> None:
    """Where a test works with Dagster, which takes seconds to import, it has been imported by now."""
    for maker in filter(None, map(sys.modules.get, _MAKERS)):
        maker.create_engine = _once(maker.create_engine)
    if migrations := sys.modules.get("alembic.script"):
        migrations.ScriptDirectory.from_config = cache(migrations.ScriptDirectory.from_config)
    if mirrors := sys.modules.get("dagster._core.execution.compute_logs"):
        mirrors.tail_to_stream = lambda *_: nullcontext()
    if _MAKERS[0] in sys.modules:
        _make_empty()
    if judging := sys.modules.get("data_quality.checks"):
        judging._results = _answered(judging._results)


def end_test() -> None:
    """What a test has opened is closed with it; the first one that needs the library of the checks has imported it."""
    if named := sys.modules.get("great_expectations.core.id_dict"):
        named.IDDict.to_id = _text
    while _engines:
        _engines.popitem()[1].pool.dispose()


def lay_empty(database: object) -> None:
    """Where Dagster is about to make a database, put one that is as it would make it."""
    path = Path(database) if isinstance(database, str) else None
    if path is None or path.exists() or not path.parent.is_dir():
        return
    if (content := _empty.get("" if _ONE_RUN.fullmatch(path.name) else path.name)) is not None:
        beside = path.with_suffix(f".{os.getpid()}")
        beside.write_bytes(content)
        with suppress(FileExistsError):
            path.hardlink_to(beside)
        beside.unlink()


def _make_empty() -> None:
    """Let Dagster make its databases once, and remember them."""
    import dagster as dg
    from dagster._core.instance.ref import InstanceRef

    run = "00000000-0000-0000-0000-000000000000"
    with TemporaryDirectory() as folder:
        with dg.DagsterInstance.from_ref(InstanceRef.from_dir(folder)) as instance:
            instance.get_runs(limit=1)
            instance.schedule_storage.get_ticks("origin", "selector")  # type: ignore[union-attr]
            instance.all_logs(run)
        end_test()
        for path in Path(folder).rglob("*.db"):
            with closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            _empty["" if path.stem == run else path.name] = path.read_bytes()
    assert _empty.keys() == {"runs.db", "index.db", "schedules.db", ""}, sorted(_empty)


def _text(named: dict[str, Any], id_keys: Any = None, id_ignore_keys: Any = None) -> str | tuple[()]:
    """What stands for the content of a dict."""
    left_out = named._id_ignore_keys if id_ignore_keys is None else id_ignore_keys  # type: ignore[attr-defined]
    told = [(key, named[key]) for key in sorted(named if id_keys is None else id_keys) if key not in left_out]
    return repr(told) if told else ()


def _answered(ask: Callable[..., Any]) -> Callable[..., Any]:
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
