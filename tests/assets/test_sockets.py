"""A run talks to nobody: every connection but those that are configured is refused and told. It loads what it uses."""

import json
import os
import subprocess
import sys
from pathlib import Path

from tests.worlds import day, make_site

GUARDED = """
import json, socket, sys
tried = []
def told(event, args):
    if event in ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname"):
        peer = args[1] if event in ("socket.connect", "socket.sendto") else args[0]
        if not isinstance(peer, (str, bytes)) or event.startswith("socket.get"):
            tried.append(f"{event} {peer}")
            raise PermissionError(f"a connection to {peer}")
sys.addaudithook(told)
if "--probe" in sys.argv:
    sys.argv.remove("--probe")
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=1)
    except PermissionError:
        pass
from assets.cli import main
try:
    main()
except SystemExit as end:
    code = end.code
import threading
for thread in threading.enumerate():
    if thread is not threading.current_thread() and not thread.daemon:
        thread.join(20)
heavy = [m for m in ("scipy.stats._stats_py",) if m in sys.modules]
print(json.dumps({"code": code or 0, "tried": tried, "heavy": heavy}))
"""


def guarded(folder: Path, *words: object) -> dict[str, object]:
    """A command in a process of its own in which every connection is refused; local sockets are no connection."""
    out = ("DAGSTER_HOME", "DAGSTER_DISABLE_TELEMETRY", "GX_ANALYTICS_ENABLED")
    environment = {k: v for k, v in os.environ.items() if k not in out}
    call = [sys.executable, "-c", GUARDED, "--site", str(folder), *map(str, words)]
    done = subprocess.run(call, capture_output=True, text=True, env=environment, check=False)
    assert done.stdout, done.stderr
    found: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_the_guard_sees_a_connection(tmp_path: Path) -> None:
    make_site(tmp_path, 1)
    found = guarded(tmp_path, "--probe", "status")
    assert found == {"code": 0, "tried": ["socket.getaddrinfo 192.0.2.1"], "heavy": []}


def test_a_run_with_its_checks_opens_no_connection_and_loads_no_statistics(tmp_path: Path) -> None:
    make_site(tmp_path, 2)
    found = guarded(tmp_path, "run", "--from", day(0), "--to", day(1))
    assert found == {"code": 0, "tried": [], "heavy": []}
