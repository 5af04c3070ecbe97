"""What is known of a Zeek log's lines before they are read: its header, or the shape of lines that come without one.

That is which columns there are and what parts them, which log it is, and what stands for no value. How lines are read
under it is up to the readers; what the columns mean is in `zeek_columns`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pipeline.addresses import canonical_address
from pipeline.counting.direction import MAIL_PORTS
from pipeline.sources import zeek_columns as zeek
from pipeline.sources import zeek_paths
from pipeline.sources.glances import glance

_PADDING = " \t\0"
"""What spreadsheets and copies of memory leave behind the end of a line."""


@dataclass
class ZeekHeader:
    """The header in force; its fields are what is kept of it for a file that grows."""

    separator: str = "\t"
    fields: list[str] | None = None
    """The columns; None as long as they are not known."""
    path: str = "conn"
    unset: str = "-"
    empty: str = "(empty)"

    def take(self, line: str) -> None:
        """Take one line of a header in; what others of Zeek's comments say is let go."""
        if line.startswith("#separator"):
            decoded = zeek.decode(line.removeprefix("#separator").strip(_PADDING))
            self.separator = decoded if len(decoded) == 1 else "\t"
            return
        name, _, value = line.rstrip(f"{_PADDING}{self.separator}").partition(self.separator)
        if name == "#fields" and value:
            self.fields = value.split(self.separator)
        elif name == "#path":
            self.path = value
        elif name == "#unset_field":
            self.unset = zeek.decode(value)
        elif name == "#empty_field":
            self.empty = zeek.decode(value)

    def guess(self, lines: Iterable[str]) -> int | None:
        """Where no header came: take the columns from the first line that shows some; its place, None where none does.

        Such lines are written by zeek-cut. Only a time in front and the first two addresses behind it can be told;
        byte counts stay unknown.
        """
        for at, line in enumerate(lines):
            values = line.split(self.separator)
            addresses = [i for i, v in enumerate(values) if canonical_address(v) is not None]
            if len(addresses) >= 2 and re.fullmatch(r"\d{9,10}\.\d{1,9}", values[0]):
                names = {0: "ts", addresses[0]: "id.orig_h", addresses[1]: "id.resp_h"}
                self.fields = [names.get(i, f"unnamed_{i}") for i in range(len(values))]
                return at
        return None

    @property
    def is_conn(self) -> bool:
        """Whether the lines are those of a connection log."""
        return zeek_paths.is_conn(self.path, self.fields or ())

    @property
    def interim(self) -> bool:
        """Whether the log is of connections that go on."""
        return self.path in ("conn_long", "open_conn")

    @property
    def marks(self) -> tuple[str, ...]:
        """The texts that stand for no value, by the header or by custom."""
        return (*zeek.UNSET, self.unset, self.empty)

    def names(self) -> dict[int, str]:
        """Position -> our name, for the fields we use; the first of several spellings wins."""
        found: dict[int, str] = {}
        for position, field in enumerate(self.fields or []):
            name = zeek.BY_SPELLING.get(field)
            if name is not None and name not in found.values():
                found[position] = name
        return found

    def repeated(self) -> dict[str, list[int]]:
        """Fields that we use and the header names more than once: where they stand."""
        fields = self.fields or []
        twice = {f for f in zeek.BY_SPELLING if fields.count(f) > 1}
        return {f: [i for i, field in enumerate(fields) if field == f] for f in sorted(twice)}

    @property
    def sufficient(self) -> bool:
        """Whether it names all that a flow must have, and nothing that we use twice."""
        return set(zeek.REQUIRED) <= set(self.names().values()) and not self.repeated()

    def pattern(self, networks: Sequence[str]) -> str | None:
        """The pattern of sound lines between ends outside of the networks; None where there can be none."""
        names = self.names()
        fields = [names.get(i) for i in range(len(self.fields or []))]
        if not self.sufficient or fields[0] != "ts":
            return None
        # A separator or mark that could be part of a time or an address would change what they are.
        if self.separator not in "\t,;|" or not all(re.fullmatch(r"[A-Za-z()_?*-]*", m) for m in self.marks):
            return None
        if (address := glance.unwatched(networks)) is None:
            return None
        values = {"ts": glance.TIME, "src": address, "dest": address, "duration": glance.REAL}
        values["src_port"] = glance.numerals(0, 65_535)
        values["dest_port"] = glance.numbers_but(MAIL_PORTS, 65_535)
        values |= dict.fromkeys(zeek.COUNTERS, glance.COUNT)
        return glance.line_pattern(fields, self.separator, self.marks, values)
