"""`nilometer check` warns of what changed before it is read, and nothing in a log can forge a line of it."""

import json
from pathlib import Path

from tests.assets.test_cli import call, objects
from tests.data_quality.test_drift import EVIL, write
from tests.worlds import day, log_path, make_site

DAYS = 5
LAST = day(DAYS - 1)
OTHER = "198.51.100.25"


def site(folder: Path) -> Path:
    """Logs of some days, none read yet; the last has another field, lacks one, and a server nobody listed."""
    make_site(folder, 1)
    log_path(folder, day(0)).unlink()
    for n in range(DAYS):
        changed = {"duration": None, f"{EVIL}problem: forged": 1} if n == DAYS - 1 else {}
        write(folder, day(n), "192.0.2.10", **changed)
    write(folder, LAST, OTHER, **changed)
    return folder


def test_changes_are_warnings_that_name_the_file_and_do_not_change_the_exit_code(tmp_path: Path) -> None:
    result = call("check", site=site(tmp_path))
    assert result.exit_code == 0, result.output
    warnings = [line for line in result.stderr.splitlines() if line.startswith("warning: ")]
    assert len(warnings) == len(result.stderr.splitlines()) == 3
    assert f"source core: logs/{LAST}/conn.log: field duration is missing" in result.stderr
    assert f'- {{address: "{OTHER}", category: email_server}}' in result.stderr
    assert "\x1b" not in result.output


def test_json_has_an_object_a_finding(tmp_path: Path) -> None:
    found = [o for o in objects(call("check", "--json", site=site(tmp_path))) if o["what"] == "drift"]
    told = {(o["kind"], o["subject"], o["file"]) for o in found}
    name = f"logs/{LAST}/conn.log"
    assert told == {
        ("new_fields", "core", name),
        ("missing_fields", "core", name),
        ("unlisted_servers", OTHER, ""),
    }
    assert all(json.dumps(o) and o["message"] and o["remedy"] for o in found)


def test_quiet_logs_have_no_warning(tmp_path: Path) -> None:
    folder = site(tmp_path)
    log_path(folder, LAST).unlink()
    assert call("check", site=folder).stderr == ""
