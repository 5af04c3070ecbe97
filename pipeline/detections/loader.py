"""Reading rules from YAML: the built-in ones beside this module and those of a site, with the site's overrides.

Every fault names file, line, key and what is allowed. What the fields mean belongs to the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from functools import cache
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from pipeline.detections.model import NUMBERS_OF, Rule, RuleOverride, RuleTest
from pipeline.disk import exists, is_dir, is_file
from pipeline.errors import ConfigError, Location, RuleError
from pipeline.wording import fault_text
from pipeline.yaml_lines import load_located

BUILT_IN = Path(__file__).parent
_SHOWN = 80
"""Characters of a value that a message repeats; a longer one is a part of the file, which the line names."""
_ENDINGS = (".yaml", ".yml")


def load_rules(
    overrides: Mapping[str, RuleOverride], *, lookback_days: int, folders: Sequence[Path] = ()
) -> tuple[Rule, ...]:
    """The rules in force: the built-in ones, then those of the files and folders given, each ordered by file name.

    Raises:
        RuleError: a rule file is wrong, or an id is given twice.
        ConfigError: an override names a rule that does not exist.
    """
    return in_force(known_rules(lookback_days, folders).values(), overrides)


def in_force(known: Iterable[Rule], overrides: Mapping[str, RuleOverride]) -> tuple[Rule, ...]:
    """Of the known rules those that are on, with the site's numbers; raises ConfigError as load_rules does."""
    rules = {rule.id: rule for rule in known}
    if unknown := sorted(set(overrides) - set(rules)):
        raise ConfigError(
            f"unknown rule {unknown[0]!r}.",
            where=Location(key=f"rules.{unknown[0]}"),
            remedy=f"Known rules: {', '.join(sorted(rules))}.",
        )
    return tuple(_override(r, overrides.get(r.id)) for r in rules.values() if _in_force(r, overrides.get(r.id)))


def known_rules(lookback_days: int, paths: Sequence[Path] = ()) -> dict[Path, Rule]:
    """Every rule by its file, as written, whether in force or not; raises RuleError as load_rules does."""
    found: dict[Path, Rule] = {}
    files: dict[str, Path] = {}
    for path in (p for root in (BUILT_IN, *paths) for p in rule_files(root)):
        if path in found:
            continue
        rule = (_built_in if path.parent == BUILT_IN else read_rule)(path, lookback_days)
        if rule.id in files:
            where = Location(file=str(path), line=load_located(path).line(("id",)), key="id")
            raise RuleError(
                f"rule id {rule.id} is given twice; the other file is {files[rule.id]}.",
                where=where,
                remedy="Give one of them another id.",
            )
        found[path], files[rule.id] = rule, path
    return found


def rule_files(path: Path) -> list[Path]:
    """The rule files of a folder, by name, or the file itself; raises RuleError when there is neither.

    Hidden files are what editors and other systems leave beside rules.
    """
    if is_dir(path):
        found = [p for p in sorted(path.iterdir()) if p.suffix in _ENDINGS and not p.name.startswith(".")]
        if lost := [p for p in found if not exists(p)]:
            raise RuleError("is a link to nothing.", where=Location(file=str(lost[0])), remedy="Remove or mend it.")
        return [p for p in found if is_file(p)]
    if not is_file(path):
        raise RuleError(
            "there is no such rule file or folder.",
            where=Location(file=str(path)),
            remedy=f"Write one with: nilometer rules new {path}",
        )
    return [path]


def read_rule(path: Path, lookback_days: int) -> Rule:
    """One rule file; a rule without its own lookback takes the site's."""
    located = load_located(path)
    if not isinstance(located.data, dict):
        raise RuleError(
            "is not a rule: it must hold keys and values.",
            where=Location(file=str(path), line=1),
            remedy="Write one with: nilometer rules new FILE.",
        )
    try:
        rule = Rule.model_validate(located.data)
    except ValidationError as error:
        fault = _first_fault(error.errors(include_url=False))
        at = tuple(fault["loc"])
        where = Location(file=str(path), line=located.line(at), key=".".join(str(p) for p in at) or None)
        raise RuleError(_explain(fault), where=where) from error
    return rule if "lookback_days" in rule.model_fields_set else rule.with_numbers({"lookback_days": lookback_days})


@cache
def _built_in(path: Path, lookback_days: int) -> Rule:
    """A rule that comes with the package, whose file nobody changes while it is at work."""
    return read_rule(path, lookback_days)


def _first_fault(faults: Sequence[Any]) -> Any:
    """The fault to tell: the first, but of a key that is missing as it is spelled otherwise, the one that is there."""
    first = faults[0]
    if first["type"] != "missing":
        return first
    spelled = (f for f in faults if f["type"] == "extra_forbidden" and (*f["loc"][:-1], _meant(f)) == first["loc"])
    return next(spelled, first)


def _keys(fault: Any) -> list[str]:
    """The keys that are allowed where the fault is."""
    return sorted((RuleTest if len(fault["loc"]) > 1 else Rule).model_fields)


def _meant(fault: Any) -> str:
    """The key that an unknown one is nearly spelled as; empty where there is none."""
    written = str(fault["loc"][-1]).strip().casefold().replace("-", "_").replace(" ", "_")
    return next(iter(get_close_matches(written[:_SHOWN], _keys(fault), 1)), "")


def _explain(fault: Any) -> str:
    """What is wrong with a key, and what is allowed."""
    if fault["type"] == "missing":
        return "this key is required."
    if fault["type"] == "extra_forbidden":
        meant = _meant(fault)
        hint = f"; {meant} may be meant" if meant else ""
        return f"unknown key{hint}. Allowed: {', '.join(_keys(fault))}."
    shown = repr(fault.get("input"))
    return f"{fault_text(fault)} (got {shown})." if len(shown) <= _SHOWN else f"{fault_text(fault)}."


def _in_force(rule: Rule, change: RuleOverride | None) -> bool:
    """A rule that a site names is on, unless the site says otherwise."""
    return rule.enabled if change is None else change.enabled


def _override(rule: Rule, change: RuleOverride | None) -> Rule:
    """The rule with a site's numbers; those of the other method would decide nothing and are refused."""
    if change is None:
        return rule
    numbers = change.numbers
    other = {"seed": "surge", "surge": "seed"}[rule.method]
    if wrong := sorted(set(numbers) & NUMBERS_OF[other]):
        where = Location(key=f"rules.{rule.id}.{wrong[0]}")
        fault = f"is for rules of method {other}; {rule.id} is of method {rule.method}."
        raise ConfigError(fault, where=where, remedy="Take the key out.")
    return rule.with_numbers(numbers)
