"""`nilometer rules`: list, test, write and show detection rules. What a rule means belongs to the pipeline.

Without a nilometer.yaml in the current folder, the built-in rules and those in `rules/` are meant.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from shlex import quote
from typing import Any

import click

from assets.commands.options import NamedPath
from assets.reporting import screen
from pipeline.detections.fireability import fireability
from pipeline.detections.loader import BUILT_IN, read_rule, rule_files
from pipeline.detections.model import NUMBERS_OF, Rule
from pipeline.detections.template import template_text
from pipeline.disk import exists, is_file
from pipeline.errors import ConfigError, Location, RuleError
from pipeline.exports.attack import TACTICS
from pipeline.settings import CONFIG_NAME, Settings
from pipeline.site import Site, open_site
from pipeline.trials.cases import failed_cases
from pipeline.whole import write_text_whole

PROBLEMS, MISUSE = 1, 2


@click.group()
def rules() -> None:
    """List, test, write and show detection rules."""


def _site(folder: Path) -> Site:
    """The site of a folder; a current folder without a configuration has the built-in rules and those in rules/."""
    if folder != Path() or is_file(folder / CONFIG_NAME):
        return open_site(folder)
    return Site(folder.absolute(), Settings(), "built-in defaults")


def _facts(path: Path, site: Site) -> dict[str, Any]:
    """A rule in a few words."""
    rule = site.known_rules[path]
    return {
        "id": rule.id,
        "on": rule.id in {r.id for r in site.rules},
        "method": rule.method,
        "series": [m.id for m in rule.measures],
        "compared_with": rule.reference.replace("_", " ") if rule.method == "seed" else "budget",
        "attack": list(rule.attack),
        "file": str(path) if path.parent != BUILT_IN else "built in",
    }


@rules.command("list")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a rule.")
@click.pass_obj
def list_rules(folder: Path, as_json: bool) -> None:
    """List every rule, and whether it is on."""
    site = _site(folder)
    found = [_facts(path, site) for path in site.known_rules]
    if as_json:
        screen.json_lines(found)
        return
    columns = ("rule", "on", "attack", "compared with", "series", "file")
    cells = (
        [f["id"], "on" if f["on"] else "off", " ".join(f["attack"]), f["compared_with"], f["series"][0], f["file"]]
        for f in found
    )
    screen.table(columns, cells)


@rules.command("test")
@click.argument("files", nargs=-1, type=NamedPath())
@click.option("--json", "as_json", is_flag=True, help="One JSON object a rule.")
@click.pass_obj
def test_rules(folder: Path, files: tuple[Path, ...], as_json: bool) -> None:
    """Run the cases inside each rule, and name rules that never can alert.

    FILES are rule files or folders, without one all of the site's, with its numbers where they are on.
    """
    found, faults = _read(files) if files else (_known(_site(folder)), [])
    failed = False
    for path, rule in found:
        bad, able = failed_cases(rule), fireability(rule, Settings().start_date)
        failed |= bool(bad) or not able.can_fire
        told = {"id": rule.id, "file": str(path), "cases": len(rule.tests), "failed": bad, "can_fire": able.can_fire}
        if as_json:
            screen.json_lines([told])
        else:
            _tell(told)
        if not able.can_fire:
            screen.warn(f"the rule {rule.id} can fire {able.explanation}")
        if rule.tactic not in TACTICS:
            screen.warn(f"note: the rule {rule.id} has the tactic {rule.tactic!r}, {_no_tactic(rule.tactic)}")
    for fault in faults:
        screen.warn(f"error: {fault.message}")
    sys.exit(MISUSE if faults else PROBLEMS if failed else 0)


def _no_tactic(name: str) -> str:
    """What is to be said of a tactic without an id, which alerts elsewhere have by its name alone."""
    close = get_close_matches(name, TACTICS, n=1)
    return (
        f"which ATT&CK (enterprise) does not have; {f'is {close[0]} meant?' if close else 'alerts have no id of it.'}"
    )


def _known(site: Site) -> list[tuple[Path, Rule]]:
    """Every rule by its file, with the site's numbers where it is on."""
    mine = {rule.id: rule for rule in site.rules}
    return [(path, mine.get(rule.id, rule)) for path, rule in site.known_rules.items()]


def _read(files: tuple[Path, ...]) -> tuple[list[tuple[Path, Rule]], list[ConfigError | RuleError]]:
    """The rules of the files, and what is wrong with the others; one bad file hides no other."""
    found: dict[Path, Rule] = {}
    faults: list[ConfigError | RuleError] = []
    for path in (path for given in files for path in _paths(given, faults)):
        try:
            found[path] = read_rule(path, Settings().lookback_days)
        except (ConfigError, RuleError) as error:
            faults.append(error)
    return list(found.items()), faults + _given_twice(found)


def _paths(given: Path, faults: list[ConfigError | RuleError]) -> list[Path]:
    """The rule files that a file or a folder stands for; where there are none, why is added to the faults."""
    try:
        paths = rule_files(given)
    except RuleError as error:
        faults.append(error)
        return []
    if not paths:
        where, remedy = Location(file=str(given)), "Write one with: nilometer rules new FILE."
        faults.append(RuleError("holds no rule file (.yaml or .yml).", where=where, remedy=remedy))
    return paths


def _given_twice(found: Mapping[Path, Rule]) -> list[RuleError]:
    """Rules that a site could not have together, or beside the built-in ones."""
    files = {path.stem: path for path in rule_files(BUILT_IN)}
    faults = []
    for path, rule in found.items():
        if not files.setdefault(rule.id, path).samefile(path):
            what = f"rule id {rule.id} is given twice; the other file is {files[rule.id]}."
            faults.append(RuleError(what, where=Location(file=str(path), key="id"), remedy="Give it an id of its own."))
    return faults


def _tell(told: Mapping[str, Any]) -> None:
    count, bad = told["cases"], told["failed"]
    if not count:
        screen.say(f"{told['id']}: no cases")
    else:
        screen.say(f"{told['id']}: {count - len(bad)} of {count} cases hold")
    for sentence in bad:
        screen.say(f"  FAILED {sentence}")


@rules.command("new")
@click.argument("file", type=NamedPath(dir_okay=False))
def new_rule(file: Path) -> None:
    """Write a commented rule into FILE, a .yaml file, that passes its own cases."""
    if file.suffix not in (".yaml", ".yml"):
        raise click.UsageError(f"{file} must end in .yaml or .yml.")
    if file.name.startswith("."):
        raise click.UsageError(f"{file} begins with a dot: hidden files are not read as rules.")
    if exists(file):
        raise ConfigError(f"{file} is there already.", remedy="Edit it, or choose another name.")
    file.parent.mkdir(parents=True, exist_ok=True)
    write_text_whole(file, template_text(file.stem))
    screen.say(f"Wrote {file}.")
    name = f"./{file}" if str(file).startswith("-") else str(file)  # Else it would be taken for an option.
    screen.say(f"Change it to your needs, then run: nilometer rules test {quote(name)}")


def _as_written(value: object) -> str:
    """A value as a rule file has it."""
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items())
    return str(value).lower() if isinstance(value, bool) else str(value)


@rules.command("show")
@click.argument("rule_id", metavar="RULE")
@click.option("--json", "as_json", is_flag=True, help="One JSON object.")
@click.pass_obj
def show_rule(folder: Path, rule_id: str, as_json: bool) -> None:
    """Show RULE with the site's numbers: its series, keys, runbook, and whether it can fire."""
    site = _site(folder)
    by_id = {rule.id: path for path, rule in site.known_rules.items()}
    if rule_id not in by_id:
        raise ConfigError(f"unknown rule {rule_id!r}.", remedy=f"Known rules: {', '.join(sorted(by_id))}.")
    path = by_id[rule_id]
    rule = {r.id: r for r in site.rules}.get(rule_id, site.known_rules[path])
    facts = _facts(path, site) | {"can_fire": fireability(rule, site.settings.start_date).explanation}
    others = {key for method, keys in NUMBERS_OF.items() if method != rule.method for key in keys}
    keys = rule.model_dump(mode="json", exclude={"tests", "id", "enabled", "method", "attack"} | others)
    facts |= {k: v for k, v in keys.items() if v not in (None, [], "")} | {"cases": len(rule.tests)}
    if as_json:
        screen.json_lines([facts])
        return
    for name, value in facts.items():
        lines = [_as_written(v) for v in (value if isinstance(value, list) else [value])]
        screen.say(f"{name:<25} {lines[0]}")
        for line in lines[1:]:
            screen.say(f"{'':<25} {line}")
