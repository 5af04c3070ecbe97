"""The UI's processes end with the command that started them, and a site has one UI at a time."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from assets.commands import serve
from assets.processes.instances import HOME
from pipeline.locks import BusyError, lock
from pipeline.site import PROJECT
from tests.worlds import make_site


def test_a_process_of_the_ui_ends_when_the_command_is_gone() -> None:
    words = [sys.executable, "-u", "-m", "assets.processes.leash", "http.server", "--bind", "127.0.0.1", "0"]
    with subprocess.Popen(
        words,
        cwd=PROJECT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline().startswith(b"Serving HTTP")
        assert process.poll() is None
        process.stdin.close()  # As the system does for a process that dies.
        # SIGINT where it does not listen yet; SIGKILL, 15 s later, where Python lost the interrupt in a callback.
        assert process.wait(20) in (0, -signal.SIGINT, -signal.SIGKILL)


def test_a_second_ui_of_a_site_is_refused_before_it_starts_a_daemon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(tmp_path / "site", 1)
    monkeypatch.setattr(serve, "_check_port", lambda _: None)
    monkeypatch.setattr(serve, "_start", lambda *_: pytest.fail("a process was started"))
    (site.root / HOME).mkdir()
    with (
        lock(site.root / HOME / "ui.lock", BusyError("first")),
        pytest.raises(BusyError, match="another `nilometer ui` has this site open"),
    ):
        serve.serve(site, 3000)
