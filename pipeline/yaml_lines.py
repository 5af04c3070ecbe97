"""Safe YAML that remembers the line of every key, so that errors can point at it.

Only plain data is loaded: no tags that build objects, no anchors (a few bytes of them can unfold into gigabytes), and
no key twice. What the data means is decided by the models that read it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import ConfigError, Location

MAX_BYTES = 4_000_000


@dataclass(frozen=True)
class LocatedYaml:
    """Loaded data and the line (from 1) of every path into it."""

    data: Any
    lines: dict[tuple[Any, ...], int] = field(default_factory=dict)

    def line(self, path: tuple[Any, ...]) -> int | None:
        """The line of the longest known part of a path."""
        for end in range(len(path), 0, -1):
            if (found := self.lines.get(path[:end])) is not None:
                return found
        return 1 if self.lines else None


def load_located(path: Path) -> LocatedYaml:
    """Load one YAML file; raises ConfigError with file and line for anything that is not plain data."""
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"cannot be read ({error.strerror}).",
            where=Location(file=str(path)),
            remedy="Create one with: nilometer init DIR.",
        ) from error
    except UnicodeDecodeError as error:
        raise ConfigError("is not UTF-8 text.", where=Location(file=str(path))) from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(f"is larger than {MAX_BYTES:,} bytes.", where=Location(file=str(path)))
    try:
        _refuse_anchors(text, path)
        node = yaml.compose(text, Loader=yaml.SafeLoader)
        lines: dict[tuple[Any, ...], int] = {}
        if node is not None:
            _walk(node, (), lines, path)
        return LocatedYaml(yaml.safe_load(text), lines)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise ConfigError(
            f"is not valid YAML: {error.problem}.", where=Location(file=str(path), line=mark.line + 1 if mark else None)
        ) from error
    except (yaml.YAMLError, ValueError) as error:
        raise ConfigError(f"is not valid YAML: {error}.", where=Location(file=str(path))) from error
    except RecursionError as error:
        raise ConfigError("is nested too deeply.", where=Location(file=str(path))) from error


def _refuse_anchors(text: str, path: Path) -> None:
    for event in yaml.parse(text, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise ConfigError(
                "anchors and aliases are not allowed.",
                remedy="Write the value out.",
                where=Location(file=str(path), line=mark.line + 1 if (mark := event.start_mark) else None),
            )


def _walk(node: yaml.Node, at: tuple[Any, ...], lines: dict[tuple[Any, ...], int], path: Path) -> None:
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, key.value)
            if here in lines:
                raise ConfigError(
                    f"the key is given twice (first on line {lines[here]}).",
                    where=Location(file=str(path), line=key.start_mark.line + 1, key=key.value),
                )
            lines[here] = key.start_mark.line + 1
            _walk(value, here, lines, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*at, index)] = value.start_mark.line + 1
            _walk(value, (*at, index), lines, path)
