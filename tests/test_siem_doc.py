"""docs/siem.md: its scripts lose no alert in silence, whatever the receiver answers."""

import datetime as dt
import json
import os
import random
import re
import subprocess
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.alerts import alert_id
from pipeline.schemas import ALERTS
from pipeline.site import PROJECT, Site, open_site
from pipeline.stored.verdicts import settle
from tests.calls import call
from tests.examples import examples
from tests.worlds import SEED, day, make_site

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


class Receiver:
    """A SIEM that the page's script feeds: what it was sent and has open, and what it was told to close."""

    def __init__(self, folder: Path, site: Path) -> None:
        self._folder, self._site = folder, site
        self.open: dict[str, dict[str, Any]] = {}
        self.told = 0

    def look(self) -> None:
        """One run of the script, whose every `nilometer` is the true command."""
        answers: list[str] = []
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(subprocess, "run", self._run)
            patch.chdir(self._folder)
            exec(CHANGES, {"print": lambda *words: answers.append(" ".join(words))})
        self.told = len(answers)
        for answer in answers:
            word, rest = answer.split(" ", 1)
            if word == "send":
                finding = json.loads(rest)
                self.open[finding["finding_info"]["uid"]] = finding
            else:
                self.open.pop(rest.split(" ", 1)[0], None)

    def _run(self, words: list[str], **_: object) -> subprocess.CompletedProcess[str]:
        done = call(*words[3:], site=self._site)
        return subprocess.CompletedProcess(words, done.exit_code, done.stdout, done.stderr)


def publish(site: Site, on: dt.date, volumes: dict[str, int]) -> None:
    """Store the alerts of a day, one a client."""
    gates = json.dumps({g: {"n": 9, "avg": 1e3, "stdev": 5e2, "threshold": 2.5e3} for g in ("fleet", "client")})
    start = dt.datetime.combine(on, dt.time(), dt.UTC)
    rows = [
        {"alert_id": alert_id(SEED, on, c), "rule_id": SEED, "rule_title": "t", "day": on, "_time": start, "client": c}
        | {"src_ip": c, "bytes_in": v, "quality": "verified", "message": f"{c} {v}", "evidence": gates}
        for c, v in volumes.items()
    ]
    roots = {"alerts": {"inputs": {"files": str(volumes)}, "details": {}}}
    frame = ALERTS.conform(pl.DataFrame(rows)) if rows else ALERTS.empty()
    site.storage.write_day(ALERTS, on, frame, inputs={}, facts={"roots": roots})


def exported(site: Path, days: range) -> dict[str, dict[str, Any]]:
    found = call("alerts", "--from", day(days[0]), "--to", day(days[-1]), "--format", "ocsf", site=site)
    return {f["finding_info"]["uid"]: f for f in map(json.loads, found.stdout.splitlines())}


@pytest.mark.parametrize("seed", range(examples(3)))
def test_a_receiver_has_what_stands_however_days_and_clocks_went(tmp_path: Path, seed: int) -> None:
    make_site(tmp_path / "site", 1)
    site, rng, clock = open_site(tmp_path / "site"), random.Random(seed), dt.datetime(2026, 10, 9, tzinfo=dt.UTC)
    receiver, days = Receiver(tmp_path, site.root), range(3)
    for n in days:
        publish(site, day(n), {})
    for _ in range(12):
        clock += dt.timedelta(seconds=rng.choice((0, 0.4, 1, 3_600, -1, -1_800, -90_000, 90_000)))
        for n in days:  # As each run begins: what one that died left is noted before anything is made again.
            settle(site.storage, day(n), clock)
        on = day(rng.choice(days))
        publish(site, on, {f"10.0.0.{c}": rng.choice((4_000, 5_000)) for c in range(3) if rng.random() < 0.5})
        if rng.random() < 0.8:  # Else the run died before it took note.
            settle(site.storage, on, clock)
        if rng.random() < 0.5:
            receiver.look()
    receiver.look()
    assert receiver.open == exported(site.root, days)
    for n in days:
        settle(site.storage, day(n), clock)
    receiver.look()
    receiver.look()
    assert (receiver.open, receiver.told) == (exported(site.root, days), 0)


def test_what_is_noted_by_a_clock_that_was_set_back_an_hour_reaches_the_receiver(tmp_path: Path) -> None:
    make_site(tmp_path / "site", 1)
    site, noon = open_site(tmp_path / "site"), dt.datetime(2026, 10, 9, 12, tzinfo=dt.UTC)
    receiver = Receiver(tmp_path, site.root)
    for n, known_at in enumerate((noon, noon - dt.timedelta(hours=1))):
        publish(site, day(n), {"10.0.0.1": 5_000})
        settle(site.storage, day(n), known_at)
        receiver.look()
        assert (receiver.told, len(receiver.open)) == (1, n + 1)


def test_a_history_that_cannot_be_read_ends_the_script_and_forgets_nothing(tmp_path: Path) -> None:
    make_site(tmp_path / "site", 1)
    site, receiver = open_site(tmp_path / "site"), Receiver(tmp_path, tmp_path / "site")
    publish(site, day(0), {"10.0.0.1": 5_000})
    settle(site.storage, day(0))
    receiver.look()
    ledger = site.storage.root / "verdicts" / f"day={day(0)}.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole[:20])
    with pytest.raises(SystemExit, match="cannot be read"):
        receiver.look()
    ledger.unlink()  # As the message says: a new one begins, with what is stored.
    settle(site.storage, day(0), dt.datetime(2027, 1, 1, tzinfo=dt.UTC))
    receiver.look()
    assert receiver.told == 1


def test_documents_get_the_time_of_arrival_that_the_page_searches_by() -> None:
    (console,) = re.findall(r"```\n(PUT .+?)```", TEXT, re.DOTALL)
    asked = {name: json.loads(body) for name, body in re.findall(r"PUT (\S+)\n(.+?)(?=\nPUT |\Z)", console, re.DOTALL)}
    assert list(asked) == ["_ingest/pipeline/nilometer-alerts", "_index_template/nilometer-alerts"]
    pipeline, template = asked.values()
    assert [p["set"]["field"] for p in pipeline["processors"]] == ["event.ingested"]
    assert template["template"]["settings"] == {"index.default_pipeline": "nilometer-alerts"}
    assert "`event.ingested`" in TEXT
