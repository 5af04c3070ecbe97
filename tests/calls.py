"""The command line as a user calls it, in this process, and what it printed as JSON lines."""

import json
from pathlib import Path
from typing import Any

from click.testing import CliRunner, Result

from assets.cli import main


def call(*words: object, site: Path | None = None) -> Result:
    """`nilometer WORDS`, on a site where one is given."""
    on = [] if site is None else ["--site", str(site)]
    return CliRunner().invoke(main, [*on, *map(str, words)])


def objects(result: Result) -> list[dict[str, Any]]:
    """One object a line of what was printed."""
    return [json.loads(line) for line in result.stdout.splitlines()]
