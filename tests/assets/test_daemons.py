"""A site's second daemon is noticed, however the first one was started and wherever it keeps its history."""

import json
import os
import platform
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from assets.build import build_defs
from assets.commands import serve
from assets.processes import daemons
from assets.processes.daemons import SILENT_SECONDS
from assets.processes.instances import open_instance
from pipeline.errors import BusyError
from pipeline.site import Site, open_site
from tests.worlds import make_site


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site", 1)


def other(site: Site, /, **changes: Any) -> None:
    """Put a daemon down that is the process that tests are run from, or as changed."""
    known = {
        "host": platform.node(),
        "process": os.getpid(),
        "site": str(site.root),
        "home": "/srv/dagster",
        "history": "",
    }
    daemons.note(site).parent.mkdir(parents=True, exist_ok=True)
    daemons.note(site).write_text(json.dumps(known | {"seen": time.time()} | changes))


def ended() -> int:
    """The id of a process that has ended."""
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def skipped(site: Site, since: float | None = 1.0) -> str:
    """Why a sensor asks for nothing that a daemon has looked with since then; without it, somebody tries it by hand."""
    defs = build_defs(site)
    with (
        open_instance(site) as instance,
        dg.build_sensor_context(
            instance, repository_def=defs.get_repository_def(), last_sensor_start_time=since
        ) as context,
    ):
        return defs.resolve_sensor_def("new_logs").evaluate_tick(context).skip_message or ""


def test_the_ui_is_refused_beside_a_daemon_of_another_instance(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(serve, "_check_port", lambda _: None)
    monkeypatch.setattr(serve, "_start", lambda *_: pytest.fail("a process was started"))
    other(site)
    with pytest.raises(
        BusyError, match=rf"a daemon looks at this site already \(process {os.getpid()} on .*/srv/dagster"
    ):
        serve.serve(site, 3000)


def test_a_second_daemon_leaves_the_looking_to_the_first_one(site: Site) -> None:
    assert "Another daemon" not in skipped(site)
    assert daemons.looking(site) is not None
    assert "Another daemon" not in skipped(site)
    other(site)
    assert f"Another daemon looks at this site: process {os.getpid()} on" in skipped(site)


def test_two_daemons_that_ask_one_code_server_are_two(site: Site) -> None:
    assert "Another daemon" not in skipped(site)
    known = json.loads(daemons.note(site).read_text())
    other(site, **known | {"home": "/srv/dagster"})
    assert "DAGSTER_HOME /srv/dagster. End one of them" in skipped(site)


def test_two_daemons_whose_containers_call_their_homes_alike_are_two(site: Site) -> None:
    assert "Another daemon" not in skipped(site)
    known = json.loads(daemons.note(site).read_text())
    assert known["history"]
    other(site, **known | {"history": "another"})
    assert "End one of them" in skipped(site)


@pytest.mark.parametrize(
    ("words", "held_by"), [([], os.getpid()), (["--heartbeat", "--location-name", "nilometer"], os.getppid())]
)
def test_a_code_server_that_nobody_waits_for_is_no_child_of_the_daemon(
    site: Site, monkeypatch: pytest.MonkeyPatch, words: list[str], held_by: int
) -> None:
    # Its parent may be process 1, which nobody is to be asked to end.
    monkeypatch.setattr(sys, "argv", ["dagster", "api", "grpc", *words])
    assert "Another daemon" not in skipped(site)
    assert json.loads(daemons.note(site).read_text())["process"] == held_by


def test_who_tries_a_sensor_by_hand_is_no_daemon_and_is_told_what_it_would_ask_for(site: Site) -> None:
    assert "Another daemon" not in skipped(site, None)
    assert daemons.looking(site) is None
    other(site)
    assert "No log is new" in skipped(site, None)


@pytest.mark.parametrize(
    "changes",
    [
        {"seen": time.time() - SILENT_SECONDS - 1},
        {"seen": time.time() + 10 * SILENT_SECONDS},
        {"process": ended()},
        {"site": "/srv/another"},
        {"unknown": 1},
        {"seen": "rubbish"},
    ],
    ids=["silent", "future", "ended", "copied", "newer version", "damaged"],
)
def test_a_daemon_that_is_gone_stops_nobody(site: Site, changes: dict[str, Any]) -> None:
    other(site, **changes)
    assert daemons.looking(site) is None
    assert "Another daemon" not in skipped(site)
    assert daemons.looking(site) is not None


def test_of_a_daemon_on_another_machine_its_silence_alone_tells(site: Site) -> None:
    other(site, host="another", process=ended())
    assert daemons.looking(site) is not None
    other(site, host="another", process=os.getpid(), seen=time.time() - SILENT_SECONDS - 1)
    assert daemons.looking(site) is None


def test_a_copy_of_a_site_has_no_daemon(site: Site, tmp_path: Path) -> None:
    other(site)
    assert daemons.looking(open_site(shutil.copytree(site.root, tmp_path / "copy"))) is None
