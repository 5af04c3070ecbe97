"""The guess at nilometer.yaml loads, and its pattern finds the file it was made from."""

from pathlib import Path, PurePosixPath

import pytest
import yaml

from pipeline.insight.suggest import pattern_of, suggestion
from pipeline.intake.files import list_files
from pipeline.settings import Settings


@pytest.mark.parametrize(
    ("path", "pattern"),
    [
        ("logs/2026-10-01/conn.log", "logs/{day}/conn.log"),
        ("logs/2026-10-01/conn.00_00_00-01_00_00.log.gz", "logs/{day}/conn.*.log*"),
        ("logs/conn.2026-10-01-23.log", "logs/conn.{day}-*.log"),
        (
            "AWSLogs/123/vpcflowlogs/2026/10/01/a_20261001T0000Z_1f.log.gz",
            "AWSLogs/123/vpcflowlogs/2026/10/01/a_*Z_*f.log*",
        ),
        ("/var/log/2026-10-01/eve-2026-10-01.json", "/var/log/{day}/eve-*.json"),
        ("conn.log", "conn.log"),
    ],
)
def test_days_and_numbers_become_wildcards(path: str, pattern: str) -> None:
    assert pattern_of(PurePosixPath(path)) == pattern


@pytest.mark.parametrize("name", ["2026-10-01/conn.12.log.gz", "eve.json", "x/y.2026-10-01.csv", "a b/1.log"])
def test_a_suggested_source_finds_the_file_it_was_made_from(tmp_path: Path, name: str) -> None:
    path = tmp_path / "logs" / name
    path.parent.mkdir(parents=True)
    path.write_bytes(b"x")
    servers = [{"ip": "192.0.2.10", "port": 993}, {"ip": "192.0.2.10", "port": 143}]
    text = suggestion(path, "suricata", "suricata", servers, swapped=False)
    settings = Settings.model_validate(yaml.safe_load(text))
    assert [f.path for f in list_files(tmp_path, settings.sources[0]).files] == [path]
    assert [(e.address, e.category) for e in settings.inventory] == [("192.0.2.10/32", ("email_server",))]
    assert settings.sources[0].format == "suricata"


@pytest.mark.parametrize("encoding", ["fortinet", "fortinet@message", "zscaler_json@{event}"])
def test_a_log_whose_times_have_no_zone_is_asked_for_one_in_whatever_it_lies(encoding: str) -> None:
    text = suggestion(Path("a.log"), "fortinet", encoding, [], swapped=False)
    assert yaml.safe_load(text)["sources"][0]["timezone"] == "UTC"
