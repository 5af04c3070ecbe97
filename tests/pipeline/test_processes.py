"""Processes that share a work: they end with the one that began them, however it ends."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline.processes import worker_pool


def note_pid(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(0.2)


def linger(folder: str) -> None:
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(600)


def threads(_: int) -> str | None:
    return os.environ.get("POLARS_MAX_THREADS")


KILLED = """
import os, signal, sys, time
from pathlib import Path
from pipeline.processes import worker_pool
from tests.pipeline.test_processes import linger
if __name__ == "__main__":
    with worker_pool(2) as pool:
        for _ in range(2):
            pool.submit(linger, sys.argv[1])
        while len(list(Path(sys.argv[1]).iterdir())) < 2:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGKILL)
"""


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state not in "ZX"


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_processes_do_not_outlive_one_that_is_killed(tmp_path: Path) -> None:
    script, noted = tmp_path / "killed.py", tmp_path / "pids"
    script.write_text(KILLED, encoding="utf-8")
    noted.mkdir()
    paths = os.pathsep.join(p for p in sys.path if p)
    ended = subprocess.run(
        [sys.executable, script, noted], env=os.environ | {"PYTHONPATH": paths}, check=False, timeout=120
    )
    assert ended.returncode == -signal.SIGKILL
    pids = [int(p.name) for p in noted.iterdir()]
    assert len(pids) == 2
    until = time.monotonic() + 60
    while any(map(alive, pids)) and time.monotonic() < until:
        time.sleep(0.05)
    assert not any(map(alive, pids))


def test_each_has_its_share_of_the_processors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("POLARS_MAX_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 8)
    with worker_pool(2) as pool:
        assert pool.submit(threads, 0).result() == "4"
    assert "POLARS_MAX_THREADS" not in os.environ
    monkeypatch.setenv("POLARS_MAX_THREADS", "3")
    with worker_pool(1) as pool:
        assert pool.submit(threads, 0).result() == "3"


def test_work_that_was_not_begun_is_dropped_with_an_error_and_nobody_is_left(tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="enough"), worker_pool(1) as pool:
        for _ in range(200):
            pool.submit(note_pid, str(tmp_path))
        raise RuntimeError("enough")
    assert (len(list(tmp_path.iterdir())) < 10, multiprocessing.active_children()) == (True, [])
