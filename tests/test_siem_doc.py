"""docs/siem.md: its scripts lose no alert in silence, whatever the receiver answers."""

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.site import PROJECT

TEXT = (PROJECT / "docs" / "siem.md").read_text(encoding="utf-8")
SPLUNK, ELASTIC = re.findall(r"```sh\n(.+?)```", TEXT, re.DOTALL)
(CHANGES,) = re.findall(r"```python\n(.+?)```", TEXT, re.DOTALL)
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


@pytest.mark.parametrize(
    ("mark", "asked", "kept"),
    [
        (None, "1970-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"),
        ("2026-01-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"),
        ("2999-01-01T00:00:00+00:00", "1970-01-01T00:00:00+00:00", "2026-01-02T00:00:00+00:00"),
    ],
)
def test_a_clock_that_was_ahead_costs_no_change(tmp_path: Path, mark: str | None, asked: str, kept: str) -> None:
    noted = ["2026-01-02T00:00:00+00:00", "2999-01-01T00:00:00+00:00", None]
    changes = [
        {"alert_id": f"nilo-{n}", "day": "2026-01-01", "change": "withdrawn", "known_at": at, "reasons": []}
        for n, at in enumerate(noted)
    ]
    (tmp_path / "changes").write_text("".join(json.dumps(c) + "\n" for c in changes), encoding="utf-8")
    (tmp_path / "nilometer").write_text(
        f'#!/bin/sh\necho "$@" >>{tmp_path}/asked\ncase "$*" in *--changes*) cat {tmp_path}/changes;; esac\n',
        encoding="utf-8",
    )
    (tmp_path / "nilometer").chmod(0o755)
    if mark is not None:
        (tmp_path / "sent-until.txt").write_text(mark, encoding="utf-8")
    environment = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    done = subprocess.run(
        [sys.executable, "-c", CHANGES], env=environment, cwd=tmp_path, capture_output=True, text=True, check=True
    )
    assert [line.split()[1] for line in done.stdout.splitlines()] == ["nilo-0", "nilo-1", "nilo-2"]
    assert f"--since {asked} --json" in (tmp_path / "asked").read_text(encoding="utf-8")
    assert (tmp_path / "sent-until.txt").read_text(encoding="utf-8") == kept


def test_documents_get_the_time_of_arrival_that_the_page_searches_by() -> None:
    (console,) = re.findall(r"```\n(PUT .+?)```", TEXT, re.DOTALL)
    asked = {name: json.loads(body) for name, body in re.findall(r"PUT (\S+)\n(.+?)(?=\nPUT |\Z)", console, re.DOTALL)}
    assert list(asked) == ["_ingest/pipeline/nilometer-alerts", "_index_template/nilometer-alerts"]
    pipeline, template = asked.values()
    assert [p["set"]["field"] for p in pipeline["processors"]] == ["event.ingested"]
    assert template["template"]["settings"] == {"index.default_pipeline": "nilometer-alerts"}
    assert "`event.ingested`" in TEXT
