"""The lock of a site's tables: who waits for it says so, and who may not wait is told at once."""

import fcntl
import os
import threading
from pathlib import Path

import pytest

from pipeline.errors import BusyError
from pipeline.locks import site_lock
from pipeline.storage import Storage
from pipeline.waits import telling


def test_who_waits_says_so_once_and_goes_on(tmp_path: Path) -> None:
    holder = os.open(tmp_path / "run.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(holder, fcntl.LOCK_EX)
    told: list[str] = []

    def listener(text: str) -> None:
        told.append(text)
        threading.Timer(0.1, os.close, [holder]).start()

    with telling(listener), site_lock(Storage(tmp_path), wait=True):
        pass
    assert told == [f"{tmp_path / 'run.lock'}: another run is at work on this site; this one waits for it to end."]


def test_a_free_lock_is_taken_in_silence_and_a_busy_one_refused(tmp_path: Path) -> None:
    told: list[str] = []
    with telling(told.append), site_lock(Storage(tmp_path), wait=True), site_lock(Storage(tmp_path), wait=True):
        pass
    holder = os.open(tmp_path / "run.lock", os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with telling(told.append), pytest.raises(BusyError, match="at work"), site_lock(Storage(tmp_path), wait=False):
        pass
    os.close(holder)
    assert told == []
