"""The one family of errors that this project raises on purpose.

Every message says what is wrong, where (file:line, key, column or partition) and what to do about it. Faults of
programs (a bug, a full disk) are not wrapped: they keep their own type and traceback.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Location:
    """Where a fault is: a file with an optional line, a configuration key, a column, or a partition day."""

    file: str | None = None
    line: int | None = None
    key: str | None = None
    column: str | None = None
    day: str | None = None

    def __str__(self) -> str:
        """The location in one phrase, in the form editors can jump to (file:line)."""
        parts = []
        if self.file is not None:
            parts.append(f"{self.file}:{self.line}" if self.line is not None else self.file)
        parts += [
            f"{label} {value}"
            for label, value in (("key", self.key), ("column", self.column), ("day", self.day))
            if value is not None
        ]
        return ", ".join(parts)


class NilometerError(Exception):
    """Base of all errors raised on purpose: what, where, and what to do."""

    def __init__(self, what: str, *, where: Location | None = None, remedy: str = "") -> None:
        self.what, self.where, self.remedy = what, where or Location(), remedy
        super().__init__(self.message)

    @property
    def message(self) -> str:
        """The whole message on one line."""
        place = str(self.where)
        text = f"{place}: {self.what}" if place else self.what
        return f"{text} {self.remedy}".strip()


class ConfigError(NilometerError):
    """The site's configuration, or a rule, cannot be used as written."""


class SourceError(NilometerError):
    """A flow log cannot be read as a whole: missing, unreadable, corrupt or of no known format."""


class StorageError(NilometerError):
    """A stored table is missing, damaged or not what its name says."""


class BusyError(NilometerError):
    """Another process is at work on the site."""


class LimitError(NilometerError):
    """The system gives this process no more threads or open files: no fault of what was being read then."""


class RuleError(NilometerError):
    """A detection rule is not valid, or cannot be applied to the data that exists."""
