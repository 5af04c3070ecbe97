"""The columns of each context input: what they hold, their other names, and which rows contradict each other.

Only declarations belong here. Every input states its days in the same way: the first day, and the first day after it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

START, END, LAST = "valid_from", "valid_to", "last"


@dataclass(frozen=True)
class Column:
    """One column: its name, what its values are, and its other names."""

    name: str
    kind: str
    """network (an address or network), address, slug, text, flag or day."""
    also: tuple[str, ...] = ()
    required: bool = False


@dataclass(frozen=True)
class Input:
    """One context input.

    Attributes:
        subjects: columns that say whom a row is about.
        needs_subject: whether a row must name one of them; it never may name several.
        values: what a row says; rows of one subject that say different things must not overlap in time.
        one_day: a row without an end is one day long.
    """

    name: str
    columns: tuple[Column, ...]
    subjects: tuple[str, ...]
    values: tuple[str, ...]
    needs_subject: bool = True
    one_day: bool = False

    @property
    def stored(self) -> tuple[str, ...]:
        """Columns of the checked table beside the days."""
        return (*self.subjects, *(c.name for c in self.columns if c.name not in (*self.subjects, START, END, LAST)))


_DATED = (Column(START, "day", ("from", "first", "start")), Column(END, "day", ("to",)), Column(LAST, "day"))
_NETWORK = Column("address", "network", ("src_ip", "ip", "network"))
_ASSET = Column("asset", "text")

_ALL = (
    Input(
        "host_roles",
        (_NETWORK, _ASSET, Column("role", "slug", required=True), Column("exclude", "flag"), *_DATED),
        ("address", "asset"),
        ("role", "exclude"),
    ),
    Input(
        "known_events",
        (_NETWORK, _ASSET, Column("group", "text"), Column("cause", "text", ("explained_by",), required=True), *_DATED),
        ("address", "asset", "group"),
        (),
        needs_subject=False,
    ),
    Input(
        "entities",
        (
            Column("address", "address", ("src_ip", "ip"), required=True),
            Column("asset", "text", required=True),
            *_DATED,
        ),
        ("address",),
        ("asset",),
    ),
    Input(
        "groups",
        (_NETWORK, _ASSET, Column("group", "text", required=True), *_DATED),
        ("address", "asset"),
        ("group",),
    ),
    Input(
        "calendar",
        (
            Column(START, "day", ("day", "from", "first", "start"), required=True),
            *_DATED[1:],
            Column("off", "flag"),
        ),
        (),
        ("off",),
        needs_subject=False,
        one_day=True,
    ),
)
INPUTS: Mapping[str, Input] = MappingProxyType({i.name: i for i in _ALL})
"""Each input by its key below `context` in `nilometer.yaml`."""
DEFAULTS: Mapping[str, bool] = MappingProxyType({"exclude": False, "off": True})
"""What an empty flag means."""
