"""Child processes that start quickly: forked from one that has imported Dagster and Great Expectations already.

Polars does not survive a fork, so that the parent never imports it, nor anything of ours that does.
"""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import Any

from pipeline.site import PROJECT


class Nursery:
    """The process that children are forked from."""

    def __init__(self, log: Path) -> None:
        environment = os.environ | {"OPENBLAS_NUM_THREADS": "1", "POLARS_MAX_THREADS": "2", "PYTHONPATH": str(PROJECT)}
        code = "import runpy; runpy.run_path('tests/faults/nursery.py', run_name='__main__')"
        self.log = log
        with log.open("ab") as errors:
            self._process = subprocess.Popen(
                [sys.executable, "-c", code],
                stdin=-1,
                stdout=-1,
                stderr=errors,
                text=True,
                env=environment,
                cwd=PROJECT,
            )

    def run(self, **job: Any) -> int:
        """Do a job in a child to its end: its exit code, -9 when it was killed."""
        return int(self._ask(job)["code"])

    def start(self, **job: Any) -> None:
        """Start a job in a child and do not wait for it."""
        self._ask(job | {"wait": False})

    def _ask(self, job: dict[str, Any]) -> dict[str, Any]:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(job, default=str) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer

    def __enter__(self) -> Nursery:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(60)
        assert self._process.stdout is not None
        self._process.stdout.close()


def work(job: dict[str, Any]) -> None:
    """What a child does: first mend a site as a plain run does, then run another one and die in it; or only read."""
    if job["do"] == "poll":
        from tests.faults.polling import poll

        poll(Path(job["current"]), Path(job["result"]))
        return
    for part in job["parts"]:
        _run(part)


def _run(part: dict[str, Any]) -> None:
    from pipeline.site import open_site
    from tests.faults.killing import Killer

    site = open_site(Path(part["site"]))
    days = [dt.date.fromisoformat(d) for d in part["days"]]
    at = tuple(part["at"]) if part.get("at") else None
    killer = Killer(site.storage.root, at, in_place=part.get("in_place", False))  # type: ignore[arg-type]
    killer.arm()
    if part["by"] == "command":
        from assets.runner import run_days

        run_days(site, days)
    else:
        from tests.faults.chain import run_chain

        run_chain(site, days)
    killer.disarm()
    if part.get("points"):
        Path(part["points"]).write_text(json.dumps(killer.seen), encoding="utf-8")


def wait_for(path: Path, seconds: float = 120) -> str:
    """The text of a file that another process is about to write."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if path.exists():
            return path.read_text(encoding="utf-8")
        time.sleep(0.02)
    raise TimeoutError(path)
