"""What holds for the whole tree: locks, addresses, words, sizes, and promises of the documents."""

import ast
import ipaddress
import json
import os
import re
import subprocess
import sys
import tomllib
from collections import Counter
from importlib import metadata
from pathlib import Path

import pytest

from pipeline.site import PROJECT

ROOMS = ("pipeline", "assets", "data_quality", "benchmarks", "tests")
MODULES = sorted(p for room in ROOMS for p in (PROJECT / room).rglob("*.py"))
TEXTS = [
    *MODULES,
    *(p for kind in ("*.md", "*.yaml", "*.json", "*.toml") for p in PROJECT.glob(kind)),
    *(PROJECT / "docs").rglob("*.md"),
    *(PROJECT / "pipeline").rglob("*.yaml"),
    *(p for p in (PROJECT / "examples").rglob("*") if p.is_file()),
]
DOCUMENTATION = [
    ipaddress.ip_network(n)
    for n in (
        "192.0.2.0/24",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "10.0.0.0/8",
        "172.16.0.0/12",
        "192.168.0.0/16",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "0.0.0.0/8",
        "240.0.0.0/4",  # reserved: masks
    )
]


def tracked() -> list[str]:
    """The files of the repository; none where it is no checkout."""
    return subprocess.run(["git", "ls-files"], cwd=PROJECT, capture_output=True, text=True, check=False).stdout.split()


def name(path: Path) -> str:
    return str(path.relative_to(PROJECT))


def test_the_lock_has_hashes_and_names_no_host() -> None:
    text = (PROJECT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert text.count("--hash=sha256:") > 100
    assert not {"uv.lock", "pylock.toml"} & set(tracked())


def test_nothing_lies_at_the_top_but_what_belongs_there() -> None:
    """Inputs that were tried by hand, say."""
    known = {"pyproject.toml", "requirements.lock", "workspace.yaml", "Makefile", ".gitignore"}
    assert {p for p in tracked() if "/" not in p and not p.endswith(".md")} <= known


@pytest.mark.parametrize("path", TEXTS, ids=name)
def test_only_documentation_addresses_are_written_down(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    found = re.findall(r"(?<![\d.])(\d{1,3}(?:\.\d{1,3}){3})(?![\d.])", text)
    valid = [ipaddress.ip_address(t) for t in found if all(int(p) < 256 and str(int(p)) == p for p in t.split("."))]
    strange = [str(a) for a in valid if not any(a in net for net in DOCUMENTATION)]
    assert strange == []


@pytest.mark.parametrize("path", MODULES, ids=name)
def test_modules_say_what_they_hold_and_stay_readable(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(text)
    assert text.count("\n") <= 450
    assert ast.get_docstring(tree) or not tree.body
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            assert node.end_lineno is not None
            assert node.end_lineno - node.lineno < 80, node.name


@pytest.mark.parametrize("path", [p for p in MODULES if not name(p).startswith("tests")], ids=name)
def test_heavy_libraries_are_not_imported_when_modules_load(path: Path) -> None:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    top = [n for n in tree.body if isinstance(n, ast.Import | ast.ImportFrom)]
    names = {a.name.split(".")[0] for n in top if isinstance(n, ast.Import) for a in n.names}
    names |= {(n.module or "").split(".")[0] for n in top if isinstance(n, ast.ImportFrom)}
    assert not names & {"great_expectations", "pandas", "duckdb"}


def test_setup_readme_and_package_name_the_pythons_that_dagster_runs_on() -> None:
    needs = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["requires-python"]
    oldest, newest = (int(n) for n in re.fullmatch(r">=3\.(\d+),<3\.(\d+)", needs).groups())
    for name in ("dagster", "dagster-webserver", "great-expectations"):
        allowed = metadata.metadata(name)["Requires-Python"]
        assert f"<3.{newest}" in allowed, f"{name} runs on {allowed}"
        assert int(re.search(r">=3\.(\d+)", allowed)[1]) <= oldest
    makefile = (PROJECT / "Makefile").read_text()
    assert f"(3, {oldest}) <= sys.version_info < (3, {newest})" in makefile
    assert f"PYTHON ?= python3 {' '.join(f'python3.{n}' for n in range(newest - 1, oldest - 1, -1))}\n" in makefile
    for text in (makefile, (PROJECT / "README.md").read_text()):
        assert f"Python 3.{oldest} to 3.{newest - 1}" in text


@pytest.mark.parametrize("path", [p for p in MODULES if "tests" not in p.parts], ids=str)
def test_no_module_asks_a_path_what_newer_pythons_tell_otherwise(path: Path) -> None:
    # They say that nothing is there where a disk does not answer: ask pipeline.disk. What is in an archive has no disk.
    asked = re.findall(r"(?<!\bi)\.(?:exists|is_file|is_dir)\(\)", path.read_text(encoding="utf-8"))
    assert not asked


def test_the_readme_promises_only_targets_files_and_commands_that_exist() -> None:
    from assets.cli import main

    readme = (PROJECT / "README.md").read_text(encoding="utf-8")
    makefile = (PROJECT / "Makefile").read_text(encoding="utf-8")
    for target in set(re.findall(r"(?:`|\$ )make ([a-z-]+)", readme)):
        assert re.search(rf"(?m)^{target}:", makefile), target
    for link in re.findall(r"\]\(([^)#]+)\)", readme):
        assert "://" in link or (PROJECT / link).exists(), link
    for command in set(re.findall(r"`nilometer (?:--site \S+ )?([a-z]+)", readme)):
        assert command in main.commands, command
    rows = re.findall(r"(?m)^\| (`[^|].*?) \| [^|]*\|$", readme)
    assert {word for row in rows for word in re.findall(r"(?:^|, )`([a-z]+)", row)} == set(main.commands)


def test_what_a_site_may_change_of_rules_stores_and_contexts_is_documented() -> None:
    from pipeline.context import INPUTS
    from pipeline.detections.model import RuleOverride
    from pipeline.objects.urls import COMMON, OPTIONS

    columns = {n for i in INPUTS.values() for c in i.columns for n in (c.name, *c.also)}
    told = {
        "detection.md": set(RuleOverride.model_fields) - {"budget", "shares"},
        "surge.md": {"budget", "shares", "lookback_days"},
        "object-storage.md": {*COMMON, *(o for options in OPTIONS.values() for o in options)},
        "context.md": {*INPUTS, *columns},
    }
    for name, keys in told.items():
        text = (PROJECT / "docs" / name).read_text(encoding="utf-8")
        assert sorted(k for k in keys if f"`{k}`" not in text) == [], name


TELL_IT_THEMSELVES = {
    "assets/commands/power.py": 1,
    "pipeline/detections/loader.py": 1,
    "pipeline/flows.py": 2,
    "pipeline/intake/ledger.py": 1,
    "pipeline/objects/base.py": 1,
    "pipeline/settings.py": 1,
    "pipeline/sources/registry.py": 1,
    "pipeline/storage.py": 1,
    "pipeline/trials/explain.py": 1,
}
"""Errors without a remedy of their own: what they retell has one, their text does, or no user can meet them."""


def test_every_error_says_what_to_do() -> None:
    without = Counter(
        name(path)
        for path in MODULES
        if not path.is_relative_to(PROJECT / "tests")
        for call in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(call, ast.Call)
        and isinstance(call.func, ast.Name)
        and re.fullmatch("(Config|Source|Storage|Rule|Nilometer|Notify|Busy|Injection|Changed)Error", call.func.id)
        and not any(k.arg == "remedy" for k in call.keywords)
    )
    assert dict(without) == TELL_IT_THEMSELVES


def test_continuous_integration_calls_make_test() -> None:
    text = (PROJECT / ".ci" / "run").read_text(encoding="utf-8")
    assert "make test" in text
    assert "NILOMETER_SAMPLES" in text


def test_suites_and_rules_are_data_beside_their_code() -> None:
    assert all(json.loads(p.read_text(encoding="utf-8")) for p in (PROJECT / "data_quality" / "suites").glob("*.json"))
    assert len(list((PROJECT / "pipeline" / "detections").glob("*.yaml"))) == 8


def test_the_documentation_holds_the_direction_contracts_as_the_readers_declare_them() -> None:
    from pipeline.settings import FORMATS as named
    from pipeline.sources.contracts import table
    from pipeline.sources.registry import FORMATS as known

    text = (PROJECT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert set(named) == {"auto", *known}
    assert table() in text, "write the table of `python -m pipeline.sources.contracts` into docs/formats.md"


@pytest.mark.parametrize("package", ["assets", "benchmarks", "data_quality"])
def test_every_package_sets_up_the_allocator_before_polars_reads_how(package: str) -> None:
    asked = f"import {package}, os, sys; print('polars' in sys.modules, os.environ['_RJEM_MALLOC_CONF'])"
    environment = {k: v for k, v in os.environ.items() if k != "_RJEM_MALLOC_CONF"}
    told = subprocess.run(
        [sys.executable, "-c", asked], cwd=PROJECT, env=environment, capture_output=True, text=True, check=True
    )
    assert told.stdout.startswith("False dirty_decay_ms:10000,narenas:")
