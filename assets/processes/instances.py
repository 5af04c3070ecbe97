"""Which Dagster instance a site's runs are recorded in: its own on this machine, its own file's, or DAGSTER_HOME's.

The order is: DAGSTER_HOME where it is set, else `dagster_home/` in the site, whose `dagster.yaml` is written at first
use and belongs to the user from then on. What is run in the instance is decided elsewhere.
"""

from __future__ import annotations

import importlib.util
import os
import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import dagster as dg
from dagster._core.instance.ref import InstanceRef
from sqlalchemy.exc import DBAPIError

from assets.processes.kept_open import kept_open
from assets.processes.location import carry_over
from assets.processes.run_tags import SITE
from assets.processes.ticks import set_right
from pipeline.disk import exists, is_dir, is_file
from pipeline.errors import ConfigError, Location, NilometerError
from pipeline.site import Site
from pipeline.whole import write_text_whole

HOME = "dagster_home"
CONFIG = "dagster.yaml"
ENV_HOME = "DAGSTER_HOME"
POOL = "nilometer"
"""Runs that write the site's tables; the site's instance lets one of them work at a time."""
_POSTGRES = "dagster_postgres"
_ASKS_POSTGRES = re.compile(r"(?m)^\s*(postgres:|module:\s*dagster_postgres)")
_VARIABLE = re.compile(r'environment variable "(\w+)"')
_NOT_AS_IT_IS = re.compile(r"[*?[]|%[0-9A-Fa-f]{2}")
"""In a path Dagster takes these for patterns as it looks for its file, and for parts of a URL as it opens sqlite."""
_LONGEST = 504 - len("/history/runs/.db") - 36
"""Bytes of a path to a folder in which sqlite can open the file of a run, whose name is a UUID."""
_UNTOLD = {"telemetry": {"enabled": False}}
"""In an instance of the user's own it is on unless said otherwise, and runs fail by it where there is no home."""
_FIRST = """# The site's Dagster instance: run history, on this machine only.
telemetry: {enabled: false}
nux: {enabled: false}
"""
_QUEUED = f"""{_FIRST}# Overdue assets are shown as such.
freshness: {{enabled: true}}
# One run at a time writes the site's tables; the others wait in the queue.
concurrency: {{pools: {{granularity: run, default_limit: 1}}}}
"""
_SECOND = f"""{_QUEUED}# A run that does not start is ended, so that none waits for it.
run_monitoring: {{enabled: true, start_timeout_seconds: 300}}
"""
_INSTANCE = f"""{_QUEUED}# A run that does not start is ended, so that none waits for it. To plan years takes minutes.
run_monitoring: {{enabled: true, start_timeout_seconds: 3600}}
"""
_FORMER = (_FIRST, _SECOND)
"""Files of earlier versions, which give way where nobody changed them."""


def home(site: Site) -> Path:
    """Where the site's Dagster instance is configured.

    Raises:
        ConfigError: DAGSTER_HOME is no folder, or no absolute path.
    """
    named = os.environ.get(ENV_HOME)
    if not named:
        return site.root / HOME
    folder = Path(named).expanduser()
    if not folder.is_absolute() or not is_dir(folder):
        raise ConfigError(
            "DAGSTER_HOME must be the absolute path of a folder that is there.",
            where=Location(file=named),
            remedy=f"Create it, or unset DAGSTER_HOME to use {HOME}/ in the site.",
        )
    return folder


def is_shared() -> bool:
    """Whether the instance may have runs of other sites and of other code; one in the site's own folder has none."""
    return bool(os.environ.get(ENV_HOME))


def other_sites(instance: dg.DagsterInstance, site: Site) -> list[str]:
    """The names of other sites whose runs an instance holds that may be shared."""
    known = instance.get_run_tags(tag_keys=[SITE]) if is_shared() else []
    return sorted({name for _, names in known for name in names} - {site.root.name})


def open_instance(site: Site) -> dg.DagsterInstance:
    """The site's Dagster instance; in the site's own folder it is made at its first use.

    Raises:
        ConfigError: its storage cannot be opened: not configured, not reachable, an extra is missing, or its path is
            one that Dagster reads as another.
        NilometerError: its files are damaged, locked or on a full disk.
    """
    _check_path(folder := home(site))
    if not os.environ.get(ENV_HOME):
        # Dagster's own files are as open as the user's umask lets them be.
        folder.mkdir(mode=0o750, parents=True, exist_ok=True)
        if not exists(folder / CONFIG) or (folder / CONFIG).read_text(encoding="utf-8") in _FORMER:
            write_text_whole(folder / CONFIG, _INSTANCE)
    _check_extra(folder)
    try:
        instance = dg.DagsterInstance.from_ref(InstanceRef.from_dir(str(folder), overrides=_UNTOLD))
        instance.get_runs(limit=1)  # Storages connect when they are first asked.
    except Exception as error:
        if isinstance(_first(error), sqlite3.Error):
            raise _unusable(site, error) from None
        # The message of a driver may quote the whole URL, password included: only its kind is told.
        raise ConfigError(
            f"the Dagster instance cannot be opened ({_kind(error)}).",
            where=Location(file=str(folder / CONFIG)),
            remedy="See that the file is valid, the database up, and that the environment variables it names are set.",
        ) from None
    return instance


@contextmanager
def history(site: Site) -> Iterator[dg.DagsterInstance]:
    """The instance, for a run that it is to record.

    Raises:
        ConfigError: it cannot be opened.
        NilometerError: its database is damaged, locked or on a full disk, at its opening or during the run.
    """
    try:
        with open_instance(site) as instance, kept_open(instance):
            carry_over(instance)
            set_right(instance)
            _limit_pool(instance)
            yield instance
    except DBAPIError as error:
        raise _unusable(site, error) from None


def _limit_pool(instance: dg.DagsterInstance) -> None:
    """Let the pool's limit hold from the first run: Dagster learns of a pool as it launches all that wait for it."""
    storage = instance.event_log_storage
    if instance.global_op_concurrency_default_limit and POOL not in {p.name for p in storage.get_pool_limits()}:
        storage.initialize_concurrency_limit_to_default(POOL)


def _unusable(site: Site, error: BaseException) -> NilometerError:
    first = _first(error)
    why = str(first) if isinstance(first, sqlite3.Error) else type(first).__name__  # A driver may quote what is secret.
    return NilometerError(
        f"Dagster's run history cannot be used ({why}). The tables are whole.",
        where=Location(file=str(home(site))),
        remedy="End other processes that use it, make room on its disk, let this user write there, or move the folder "
        "away, which holds history and no data; then run the same command again.",
    )


def _check_path(folder: Path) -> None:
    if found := _NOT_AS_IT_IS.search(str(folder)):
        raise ConfigError(
            f"Dagster cannot keep its history in a folder whose path has {found[0]!r}: it would read its configuration "
            "and write its history elsewhere.",
            where=Location(file=str(folder)),
            remedy="Rename that folder, or set DAGSTER_HOME to another one, outside of it. Tables and logs may stay.",
        )
    if not is_shared() and (size := len(os.fsencode(folder))) > _LONGEST:
        raise ConfigError(
            f"the folder's path has {size} bytes; with more than {_LONGEST} sqlite cannot keep a history in it.",
            where=Location(file=str(folder)),
            remedy="Set DAGSTER_HOME to a folder with a shorter path, or move the site. Tables and logs may stay.",
        )


def _check_extra(folder: Path) -> None:
    config = folder / CONFIG
    text = config.read_text(encoding="utf-8") if is_file(config) else ""
    if _ASKS_POSTGRES.search(text) and importlib.util.find_spec(_POSTGRES) is None:
        raise ConfigError(
            "the Dagster instance asks for PostgreSQL, which needs the extra postgres.",
            where=Location(file=str(config)),
            remedy="Install it: pip install 'nilometer[postgres]'.",
        )


def _kind(error: BaseException) -> str:
    """What began it, by its type, or by the variables that are not set."""
    first = _first(error)
    unset = sorted(set(_VARIABLE.findall(str(error) + str(first))))
    return f"not set: {', '.join(unset)}" if unset else type(first).__name__


def _first(error: BaseException) -> BaseException:
    """What began it."""
    while cause := error.__cause__ or error.__context__:
        error = cause
    return error
