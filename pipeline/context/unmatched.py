"""Names in the context's inputs that occur nowhere else, so that their rows have no effect.

An address that never occurs is no fault; an asset without a lease, or a group without a member, is mostly one name in
two spellings. Nothing is refused here.
"""

from __future__ import annotations

from pipeline.addresses import canonical_network
from pipeline.context.model import Context, ContextTable
from pipeline.groups import Groups


def unmatched(table: ContextTable, context: Context, groups: Groups) -> dict[str, list[str]]:
    """Assets of an input that hold no address on any day, and groups of events that are nobody's; sorted.

    Args:
        table: the input.
        context: all inputs of the site.
        groups: the site's groups, which clients belong to that the context's input of that name leaves out.
    """
    found: dict[str, list[str]] = {}
    if table.name != "entities" and "asset" in table.frame.columns:
        found["assets"] = sorted(_names(table, "asset") - _names(context.tables.get("entities"), "asset"))
    if table.name == "known_events":
        told = _names(table, "group") - _names(context.tables.get("groups"), "group") - groups.names
        found["groups"] = sorted(g for g in told if not _is_subnet(g))
    return {kind: names for kind, names in found.items() if names}


def _names(table: ContextTable | None, column: str) -> set[str]:
    return set() if table is None else set(table.frame[column].drop_nulls())


def _is_subnet(name: str) -> bool:
    """Whether clients without a group of their own may belong to it."""
    try:
        return canonical_network(name) == name and name.endswith("/64" if ":" in name else "/24")
    except ValueError:
        return False
