"""Safe YAML that remembers the line of every key, so that errors can point at it.

Only plain data is loaded: no tags that build objects, no anchors (a few bytes of them can unfold into gigabytes), and
no key twice. What the data means is decided by the models that read it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from pipeline.errors import ConfigError, Location

MAX_BYTES = 4_000_000
_INIT = "Create one with: nilometer init DIR."
_MEND = "Correct this line or the one before it: its quotes, colons and indentation."
_RESOLVED_HERE = ("timestamp", "int", "float")


class _NamedNodeError(Exception):
    """A node has a name, or refers to one; its argument is the line."""


class _Loader(yaml.SafeLoader):
    """Plain data only: days stay text, so that an impossible one is an error of its key, and numbers are decimal.

    YAML 1.1 would take 010 for 8, and addresses such as 2001:10:20:30:40:50:10:20 for numbers of base 60.
    """

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        """The next node; refused before it is made where it has a name, or refers to one."""
        event: Any = self.peek_event()  # type: ignore[no-untyped-call]
        if event.anchor is not None:
            raise _NamedNodeError(event.start_mark.line + 1)
        return super().compose_node(parent, index)


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in _RESOLVED_HERE]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_Loader.add_implicit_resolver("tag:yaml.org,2002:int", re.compile(r"[-+]?(?:0|[1-9][0-9_]*)\Z"), list("-+0123456789"))
_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float",
    re.compile(r"(?:[-+]?(?:[0-9]+\.[0-9]*|\.[0-9]+)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"),
    list("-+0123456789."),
)


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
    text = _read_text(path)
    try:
        return _parsed(text, path)
    except _NamedNodeError as error:
        where = Location(file=str(path), line=error.args[0])
        raise ConfigError("anchors and aliases are not allowed.", where=where, remedy="Write the value out.") from error
    except (yaml.YAMLError, ValueError) as error:
        what, line = _yaml_fault(error, text)
        where = Location(file=str(path), line=line)
        raise ConfigError(f"is not valid YAML: {what}.", where=where, remedy=_MEND) from error
    except RecursionError as error:
        raise ConfigError(
            "is nested too deeply.", where=Location(file=str(path)), remedy="Close its brackets, or write it flatter."
        ) from error


def _read_text(path: Path) -> str:
    try:
        raw = path.read_bytes()
        text = raw.decode("utf-8-sig")
    except OSError as error:
        raise ConfigError(
            f"cannot be read ({error.strerror}).",
            where=Location(file=str(path)),
            remedy=_INIT if isinstance(error, FileNotFoundError) else "Let this user read it; it must be a file.",
        ) from error
    except UnicodeDecodeError as error:
        where = Location(file=str(path), line=raw.count(b"\n", 0, error.start) + 1)
        shown = f"byte 0x{raw[error.start]:02x}"
        raise ConfigError(f"is not UTF-8 text ({shown}).", where=where, remedy="Save it as UTF-8.") from error
    if len(raw) > MAX_BYTES:
        raise ConfigError(
            f"is larger than {MAX_BYTES:,} bytes.",
            where=Location(file=str(path)),
            remedy="Shorten it, such as by networks in place of single addresses.",
        )
    return text


def _parsed(text: str, path: Path) -> LocatedYaml:
    loader = _Loader(text)
    node = loader.get_single_node()
    if node is None:
        return LocatedYaml(None)
    lines: dict[tuple[Any, ...], int] = {}
    _walk(node, (), lines, path)
    return LocatedYaml(loader.construct_document(node), lines)


def _yaml_fault(error: yaml.YAMLError | ValueError, text: str) -> tuple[str, int | None]:
    """What a parser of YAML complains about, and on which line, where it says so."""
    if isinstance(error, yaml.MarkedYAMLError):
        if (mark := error.problem_mark) is None:
            return str(error.problem), None
        return f"{error.problem} (at character {mark.column + 1} of the line)", mark.line + 1
    if isinstance(error, yaml.reader.ReaderError):
        line = text.count("\n", 0, error.position) + 1
        return f"character U+{int(error.character):04X} is not allowed", line
    return " ".join(str(error).split()), None


def _walk(node: yaml.Node, at: tuple[Any, ...], lines: dict[tuple[Any, ...], int], path: Path) -> None:
    """Note the line of every key and element below a node, and refuse keys that are no text or come twice."""
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            here = (*at, _key(key, path))
            line = key.start_mark.line + 1
            if here in lines:
                raise ConfigError(
                    f"the key is given twice (first on line {lines[here]}).",
                    where=Location(file=str(path), line=line, key=key.value),
                    remedy="Keep one, with all that belongs below it.",
                )
            lines[here] = line
            _walk(value, here, lines, path)
    elif isinstance(node, yaml.ScalarNode):
        _join(node, path)
    elif isinstance(node, yaml.SequenceNode):
        for index, value in enumerate(node.value):
            lines[(*at, index)] = value.start_mark.line + 1
            _walk(value, (*at, index), lines, path)


def _key(key: yaml.Node, path: Path) -> str:
    """The text of a key; raises ConfigError when it is none."""
    line = key.start_mark.line + 1
    if not isinstance(key, yaml.ScalarNode):
        raise ConfigError(
            "a key must be plain text, not a list or a mapping.",
            where=Location(file=str(path), line=line),
            remedy="Put text that begins with a bracket or a brace in quotes.",
        )
    if not key.tag.endswith(":str"):
        raise ConfigError(
            "a key must be text, and this is not text as YAML reads it.",
            where=Location(file=str(path), line=line, key=key.value),
            remedy="Put it in quotes.",
        )
    _join(key, path)
    return str(key.value)


def _join(node: yaml.ScalarNode, path: Path) -> None:
    """Make one character of two escapes, as JSON writes it; half of a character is none."""
    try:
        node.value = str(node.value).encode("utf-16", "surrogatepass").decode("utf-16")
    except UnicodeDecodeError as error:
        raise ConfigError(
            "half of a character is written as an escape (\\ud800 to \\udfff).",
            where=Location(file=str(path), line=node.start_mark.line + 1),
            remedy="Write the character itself, or both halves.",
        ) from error
