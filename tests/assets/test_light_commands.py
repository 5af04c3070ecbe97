"""Commands that only look start without Dagster, Great Expectations and what comes with them, and so at once."""

import subprocess
import sys
from pathlib import Path

import pytest

from assets.runner import run_days
from tests.worlds import CONFIG, day, log_path, make_site

HEAVY = ("dagster", "great_expectations", "pandas", "scipy", "sqlalchemy")
PROGRAM = f"""
import sys
from click.testing import CliRunner
from assets.cli import main

for line in sys.stdin.read().splitlines():
    result = CliRunner().invoke(main, line.split())
    assert result.exit_code == 0, (line, result.output, result.exception)
    bad = [m for m in {HEAVY} if m in sys.modules]
    assert not bad, (line, bad)
"""


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    site = make_site(tmp_path_factory.mktemp("light") / "site", 2, config=CONFIG + "retention: {flows: 90d}\n")
    assert run_days(site, [day(0), day(1)]).good
    return site.root


def test_commands_that_look_import_neither_dagster_nor_great_expectations(root: Path) -> None:
    words = (
        "status",
        "status --json",
        "alerts --format ecs",
        f"identify {log_path(root, day(0))}",
        "check",
        f"explain 10.0.0.1 {day(1)}",
        "quality",
        "prune",
        "rules list",
    )
    lines = "".join(f"--site {root} {w}\n" for w in words)
    done = subprocess.run([sys.executable, "-c", PROGRAM], input=lines, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
