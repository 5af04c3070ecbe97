"""Reading rules from YAML: the built-in ones beside this module and those of a site, with the site's overrides.

Every fault names file, line, key and what is allowed. What the fields mean belongs to the model.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import ValidationError

from pipeline.detections.model import Rule, RuleOverride
from pipeline.errors import ConfigError, Location, RuleError
from pipeline.yaml_lines import load_located

BUILT_IN = Path(__file__).parent


def load_rules(
    overrides: Mapping[str, RuleOverride], *, lookback_days: int, folders: Sequence[Path] = ()
) -> tuple[Rule, ...]:
    """The rules in force, ordered by file name.

    Raises:
        RuleError: a rule file is wrong, or an id is given twice.
        ConfigError: an override names a rule that does not exist.
    """
    rules: dict[str, Rule] = {}
    for folder in (BUILT_IN, *folders):
        for path in sorted(folder.glob("*.yaml")):
            rule = read_rule(path, lookback_days)
            if rule.id in rules:
                raise RuleError(f"rule id {rule.id} is given twice.", where=Location(file=str(path), key="id"))
            rules[rule.id] = rule
    if unknown := sorted(set(overrides) - set(rules)):
        raise ConfigError(
            f"unknown rule {unknown[0]!r}.",
            where=Location(key=f"rules.{unknown[0]}"),
            remedy=f"Known rules: {', '.join(sorted(rules))}.",
        )
    return tuple(
        _override(r, overrides.get(r.id)) for r in rules.values() if r.id not in overrides or overrides[r.id].enabled
    )


def read_rule(path: Path, lookback_days: int) -> Rule:
    """One rule file; a rule without its own lookback takes the site's."""
    located = load_located(path)
    data = located.data if isinstance(located.data, dict) else {}
    try:
        return Rule.model_validate({"lookback_days": lookback_days, **data})
    except ValidationError as error:
        fault = error.errors(include_url=False)[0]
        key = ".".join(str(p) for p in fault["loc"])
        raise RuleError(
            f"{fault['msg']} (got {fault.get('input')!r}).",
            where=Location(file=str(path), line=located.line(tuple(fault["loc"])), key=key),
        ) from error


def _override(rule: Rule, change: RuleOverride | None) -> Rule:
    if change is None:
        return rule
    return rule.model_copy(update=change.model_dump(exclude={"enabled"}, exclude_none=True))
