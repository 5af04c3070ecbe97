"""What is shipped for production: it listens on the loopback, holds no secret, and names what exists."""

import re
import tomllib
from pathlib import Path

import pytest
import yaml

from pipeline.site import PROJECT

DEPLOY = PROJECT / "deploy"
FILES = sorted(p for p in DEPLOY.rglob("*") if p.is_file())
UNITS = [p for p in FILES if p.suffix == ".service"]


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.name)
def test_every_web_server_listens_on_the_loopback_only(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    if "dagster_webserver" in text:
        assert "-h 127.0.0.1" in text
        assert ("--read-only" in text) == ("readonly" in path.name)
    assert "User=nilometer" in text
    assert "NoNewPrivileges=yes" in text


def test_the_proxy_passes_on_the_read_only_server_and_nothing_else() -> None:
    proxy = (DEPLOY / "nginx.conf").read_text(encoding="utf-8")
    readonly = (DEPLOY / "systemd" / "nilometer-web-readonly.service").read_text(encoding="utf-8")
    ports = re.findall(r"proxy_pass http://127\.0\.0\.1:(\d+);", proxy)
    assert len(ports) == 1
    assert f"-p {ports[0]} " in readonly
    assert "auth_basic " in proxy


def test_the_instance_takes_every_secret_from_a_variable_that_the_example_names() -> None:
    loaded = yaml.safe_load((DEPLOY / "dagster.yaml").read_text(encoding="utf-8"))
    database = loaded["storage"]["postgres"]["postgres_db"]
    asked = {v["env"] for k, v in database.items() if k != "scheme"}
    lines = (DEPLOY / "environment.example").read_text(encoding="utf-8").splitlines()
    example = dict(line.split("=", 1) for line in lines if line and not line.startswith("#"))
    assert asked <= set(example)
    assert example["NILOMETER_PG_PASSWORD"] == ""
    assert loaded["telemetry"] == {"enabled": False}


@pytest.mark.parametrize("path", UNITS, ids=lambda p: p.name)
def test_what_a_unit_expects_to_find_is_named_where_units_are_described(path: Path) -> None:
    told = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8").partition("The units expect")[2]
    unit = dict(re.findall(r"(?m)^(User|EnvironmentFile|WorkingDirectory|UMask)=(.+)$", path.read_text("utf-8")))
    assert len(unit) == 4
    assert [name for name, value in unit.items() if value not in told] == []


def test_the_commands_of_the_units_exist() -> None:
    from assets.cli import main

    scripts = tomllib.loads((PROJECT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    for path in UNITS:
        command = re.search(r"(?m)^ExecStart=\S*/bin/(\S+) (\S+) ?(\S*)", path.read_text(encoding="utf-8"))
        assert command is not None
        program, first, second = command.groups()
        assert (program in scripts and first in main.commands) or (program, first) == ("python", "-m"), path.name
        assert first != "-m" or second in ("dagster_webserver", "dagster._daemon")


def test_every_unit_is_shut_in_alike() -> None:
    def fence(path: Path) -> set[str]:
        words = ("Private", "Protect", "Restrict", "Capability", "Lock", "NoNew", "SystemCall", "UMask")
        return {row for row in path.read_text(encoding="utf-8").splitlines() if row.startswith(words)} - {
            "RestartPreventExitStatus=2"
        }

    fences = [fence(p) for p in sorted((PROJECT / "deploy" / "systemd").glob("*.service"))]
    assert len(fences) == 4
    assert all(f == fences[0] for f in fences)
    assert {"CapabilityBoundingSet=", "PrivateDevices=yes", "ProtectKernelModules=yes"} <= fences[0]
