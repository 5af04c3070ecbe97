"""Processes that share a work with this one: each with its part of the processors, and gone when this one goes.

A process begins anew (spawn), as Polars' threads do not live through a fork, so its work must be plain data. What is
shared, and what a lost process means, is decided by the caller.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from typing import Any

_THREADS = "POLARS_MAX_THREADS"


@contextmanager
def worker_pool(
    processes: int, begin: Callable[..., None] | None = None, args: tuple[Any, ...] = ()
) -> Iterator[ProcessPoolExecutor]:
    """A pool of processes, which are ended at once where this one is interrupted or fails.

    Args:
        processes: how many.
        begin: called once in each, before its first work.
        args: what it is called with.
    """
    others = set(multiprocessing.active_children())
    spawn = multiprocessing.get_context("spawn")
    with _threads_shared_by(processes):
        pool = ProcessPoolExecutor(processes, mp_context=spawn, initializer=_begin, initargs=(begin, args))
        try:
            yield pool
        except BaseException:
            for child in set(multiprocessing.active_children()) - others:
                child.terminate()  # Else it would end what it is at first, which may take minutes.
            raise
        finally:
            pool.shutdown(wait=True, cancel_futures=True)


@contextmanager
def _threads_shared_by(processes: int) -> Iterator[None]:
    """Polars takes all processors in each process, unless it is told of others, or the user said how many."""
    told = os.environ.get(_THREADS)
    os.environ[_THREADS] = told or str(max((os.cpu_count() or 1) // processes, 1))
    try:
        yield
    finally:
        if told is None:
            del os.environ[_THREADS]


def _begin(begin: Callable[..., None] | None, args: tuple[Any, ...]) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # A terminal sends it to all; whoever began this process ends it.
    threading.Thread(target=_follow, daemon=True).start()
    if begin is not None:
        begin(*args)


def _follow() -> None:
    """End with the process that began this one: where that was killed, nobody else would."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
