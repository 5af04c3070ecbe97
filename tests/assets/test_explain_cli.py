"""`explain`: words, forms and exit codes."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from assets.cli import main
from assets.commands.explain import _past
from pipeline.detections import load_rules
from pipeline.trials.explain import Explanation
from tests.assets.conftest import SPELL
from tests.worlds import SEED, SERVER, day

DAYS = SPELL
LAST = day(DAYS - 1)


def call(*words: object, site: Path) -> Result:
    return CliRunner().invoke(main, ["--site", str(site), *map(str, words)])


@pytest.fixture
def ran(spell: Path) -> Path:
    return spell


def test_one_block_a_rule_with_the_steps_to_take_for_an_alert(ran: Path) -> None:
    found = call("explain", "10.0.0.2", LAST, site=ran)
    assert found.exit_code == 0
    assert f"{SEED}: ALERT nilo-" in found.stdout
    assert "the day's data is verified" in found.stdout
    for word in ("fleet", "own", "samples", "past", "flow", "to do"):
        assert f"\n  {word} " in found.stdout
    assert f"logs/{LAST}/conn.log:" in found.stdout
    assert "NO TRAFFIC" in found.stdout


def test_json_gives_one_object_a_rule(ran: Path) -> None:
    (found,) = [
        json.loads(x) for x in call("explain", "10.0.0.1", LAST, "--rule", SEED, "--json", site=ran).stdout.splitlines()
    ]
    assert (found["state"], found["quality"], found["rule_id"]) == ("normal", "verified", SEED)
    assert found["least"] > found["value"]
    assert found["past"][-1] == {"day": LAST.isoformat(), "value": found["value"]}


def test_a_day_without_a_verdict_exits_with_1_and_an_unknown_rule_with_2(ran: Path) -> None:
    assert call("explain", "10.0.0.1", day(DAYS + 3), site=ran).exit_code == 1
    assert call("explain", "10.0.0.1", LAST, "--rule", "none", site=ran).exit_code == 2
    assert call("explain", "10.0.0.1", "yesterday", site=ran).exit_code == 2


@pytest.mark.parametrize(
    ("values", "field", "words"),
    [
        ((None, 2_000), "bytes_in", "·█  2 days from 2026-10-01 to 2026-10-02, up to 2 kB"),
        ((0, 0), "bytes_in", "▁▁  2 days from 2026-10-01 to 2026-10-02, up to 0 B"),
        ((0, 3), "flows", "▁▇  2 days from 2026-10-01 to 2026-10-02, up to 3 flows"),
        ((None,), "bytes_out", "·  1 day on 2026-10-01, of unknown value"),
    ],
)
def test_the_past_tells_no_value_that_no_day_had(values: tuple[int | None, ...], field: str, words: str) -> None:
    rule = load_rules({}, lookback_days=30)[0].with_numbers({"field": field})
    past = tuple((dt.date(2026, 10, 1 + n), v) for n, v in enumerate(values))
    assert _past(Explanation(rule, "10.0.0.1", day(0), "normal", "below_both_gates", past=past)) == words


def test_a_server_is_told_to_be_one(ran: Path) -> None:
    assert "stands in the inventory as email_server" in call("explain", SERVER, LAST, site=ran).stdout
    assert "inventory" not in call("explain", "10.0.0.2", LAST, site=ran).stdout


@pytest.mark.parametrize("name", ["\udcff", "rubbish", "", "10.0.0", "999.1.1.1", "10.0.0.2:993"])
@pytest.mark.parametrize("form", ["text", "json"])
def test_what_is_no_address_and_no_asset_is_wrong_use(ran: Path, name: str, form: str) -> None:
    found = call("explain", name, LAST, *(["--json"] if form == "json" else []), site=ran)
    assert (found.exit_code, found.stdout) == (2, "")
    assert found.stderr.startswith("error: ")
    assert "is no address, and no asset is called so. Give an address, such as 10.0.0.5" in found.stderr


def test_a_network_is_no_client(ran: Path) -> None:
    found = call("explain", "10.0.0.0/24", LAST, site=ran)
    assert (found.exit_code, "Name one address, not a network." in found.stderr) == (2, True)


def test_an_asset_without_traffic_is_told_of_and_a_slip_of_the_pen_is_asked_about(ran: Path, tmp_path: Path) -> None:
    site = shutil.copytree(ran, tmp_path / "site")
    (site / "leases.csv").write_text("address,asset\n10.9.9.9,laptop-7\n", encoding="utf-8")
    config = (site / "nilometer.yaml").read_text(encoding="utf-8")
    (site / "nilometer.yaml").write_text(config + "context: {entities: leases.csv}\n", encoding="utf-8")
    known = call("explain", "laptop-7", LAST, site=site)
    assert (known.exit_code, "No asset called laptop-7 had traffic on the day." in known.stdout) == (0, True)
    slip = call("explain", "labtop-7", LAST, site=site)
    assert (slip.exit_code, "Is one of these meant: laptop-7?" in slip.stderr) == (2, True)


def test_control_characters_of_a_name_do_not_reach_the_terminal(ran: Path) -> None:
    assert "\x1b" not in call("explain", "\x1b[31mhost", LAST, site=ran).stdout


def test_a_stored_day_that_is_damaged_inside_is_named_with_what_to_do(ran: Path, tmp_path: Path) -> None:
    site = shutil.copytree(ran, tmp_path / "site")
    path = site / f"data/flows/day={LAST}/part.parquet"
    whole = path.read_bytes()
    path.write_bytes(whole[:50] + bytes(b ^ 0x55 for b in whole[50:1_500]) + whole[1_500:])
    found = call("explain", "10.0.0.2", LAST, site=site)
    assert (found.exit_code, str(path) in found.stderr, "Run its day again" in found.stderr) == (1, True, True)
