"""docs/siem.md: its scripts lose no alert in silence, whatever the receiver answers."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from pipeline.site import PROJECT

SPLUNK, ELASTIC = re.findall(r"```sh\n(.+?)```", (PROJECT / "docs" / "siem.md").read_text(encoding="utf-8"), re.DOTALL)
ALERT = '{"event": {"id": "nilo-1"}}\n'


@pytest.mark.parametrize(
    ("script", "alerts", "code", "answer", "status", "ended"),
    [
        (SPLUNK, ALERT, 0, "", 0, 0),
        (SPLUNK, ALERT, 1, "", 0, 1),
        (SPLUNK, ALERT, 0, "", 22, 3),
        (SPLUNK, "", 1, "", 22, 1),
        (ELASTIC, ALERT, 1, '{"errors":false}', 0, 1),
        (ELASTIC, ALERT, 0, '{"errors":true,"items":[{"index":{"error":{"type":"x"}}}]}', 0, 3),
        (ELASTIC, ALERT, 0, "", 0, 3),
        (ELASTIC, ALERT, 0, "", 22, 3),
        (ELASTIC, "", 0, "", 22, 0),
    ],
)
def test_what_a_receiver_refuses_ends_the_script_with_its_own_code(
    tmp_path: Path, script: str, alerts: str, code: int, answer: str, status: int, ended: int
) -> None:
    (tmp_path / "alerts").write_text(alerts, encoding="utf-8")
    programs = {
        "nilometer": f"cat {tmp_path}/alerts; exit {code}",
        "curl": f"cat >{tmp_path}/sent; printf '%s' '{answer}'",
    }
    for name, body in (programs | {"curl": f"{programs['curl']}; exit {status}"}).items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        (tmp_path / name).chmod(0o755)
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(["sh", "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == ended
    assert answer.replace('{"errors":false}', "") in done.stderr
    assert (tmp_path / "sent").exists() == bool(alerts)
    if alerts:
        assert (tmp_path / "sent").read_text(encoding="utf-8").endswith(ALERT)
