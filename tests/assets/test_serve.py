"""The UI's processes end with the command that started them, and a site has one UI at a time."""

import signal
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from assets.commands import serve
from assets.processes.instances import HOME, open_instance
from pipeline.errors import BusyError
from pipeline.locks import lock
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


def test_a_second_ui_of_an_instance_is_told_that_another_site_needs_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = make_site(tmp_path / "site", 1)
    monkeypatch.setenv("DAGSTER_HOME", str(home := tmp_path / "company"))
    home.mkdir()
    monkeypatch.setattr(serve, "_check_port", lambda _: None)
    with lock(home / "ui.lock", BusyError("first")), pytest.raises(BusyError) as refused:
        serve.serve(site, 3000)
    assert "uses this DAGSTER_HOME" in str(refused.value)
    assert "Another site needs a DAGSTER_HOME of its own." in str(refused.value)


@pytest.mark.parametrize("shared", [True, False])
def test_other_sites_of_an_instance_are_named_where_it_may_be_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], shared: bool
) -> None:
    site = make_site(tmp_path / "site", 1)
    if shared:
        monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    with open_instance(site) as instance:
        for name in ("berlin", "site", "athens"):
            instance.add_run(dg.DagsterRun("nilometer_daily", tags={"nilometer/site": name}))
    monkeypatch.setattr(serve, "_check_port", lambda _: None)
    monkeypatch.setattr(serve, "_serve", lambda *_: None)
    serve.serve(site, 3000)
    assert ("runs of other sites, too (athens, berlin)" in capsys.readouterr().err) is shared
