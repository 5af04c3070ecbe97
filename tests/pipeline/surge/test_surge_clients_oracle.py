"""Clients, their groups and roles, and what events explain, against a reading of the documents a row at a time."""

from __future__ import annotations

from random import Random

import pytest

from pipeline.context import Context
from pipeline.inventory import Inventory
from pipeline.settings import InventoryEntry
from pipeline.surge.clients import client_days
from tests.examples import examples
from tests.oracle.clients import Said, World
from tests.pipeline.context.test_context_model import context, day
from tests.pipeline.surge.test_surge_clients import stored
from tests.pipeline.surge.test_surge_days import rule

ADDRESSES = ("10.0.0.1", "10.0.0.2", "10.0.1.1", "10.1.0.1", "2001:db8::1", "2001:db8:0:1::1")
NETWORKS = ("10.0.0.0/8", "10.0.0.0/16", "10.0.0.0/24", "10.0.0.1", "2001:db8::/32", "2001:db8::1", "0.0.0.0/0", "::/0")
ASSETS = ("pc", "tab", "b\u00fcro")


def drawn(seed: int) -> World:
    """Addresses that pass from host to host, networks within networks, and events of all kinds."""
    chance = Random(seed)
    days = chance.choice([3, 6, 9])

    def span() -> dict[str, int | None]:
        first = chance.choice([None, chance.randrange(days)])
        return {"first": first, "end": chance.choice([None, (first or 0) + chance.randrange(1, days)])}

    def host() -> dict[str, str]:
        return chance.choice([{"address": chance.choice(NETWORKS)}, {"asset": chance.choice(ASSETS)}])

    leases = []
    for ip in ADDRESSES:
        passed = sorted(chance.sample(range(days + 1), 3))
        spans = [s for s in zip(passed, [*passed[1:], None], strict=True) if chance.random() < 0.5]
        leases += [Said(ip, value=chance.choice(ASSETS), first=a, end=b) for a, b in spans]
    whole = {"first": chance.randrange(days), "end": days}
    # Two rows of one host would contradict each other.
    roles = {
        str(h): Said(**h, value=chance.choice(["nat", "vpn"]), exclude=chance.random() < 0.2, **span())
        for h in (host(), host())
    }
    groups = {str(h): Said(**h, value=chance.choice(["sales", "eng"]), **span()) for h in (host(), host())}
    subjects = [host(), host(), {"group": chance.choice(["sales", "eng", "10.0.0.0/24", "2001:db8::/64"])}]
    events = [Said(**s, value=chance.choice(["b", "c"]), **span()) for s in subjects]
    volume = {
        (d, ip): chance.choice([None, 1, 5, 9, 10, 30, 100, 1000])
        for d in range(days)
        for ip in ADDRESSES
        if chance.random() < 0.6 or d == days - 1
    }
    everybody = Said(value="a", **whole)
    return World(
        volume, days - 1, leases, [*roles.values()], [*groups.values()], [*events, everybody], {"10.1.0.0/16": "wifi"}
    )


def files(world: World) -> Context:
    def text(column: str, rows: list[Said], subjects: tuple[str, ...]) -> str:
        lines = [",".join((*subjects, column, "from", "to"))]
        for said in rows:
            value = f"{said.value},{said.exclude}" if column == "role,exclude" else said.value
            bounds = ("" if n is None else str(day(n)) for n in (said.first, said.end))
            lines.append(",".join((*(getattr(said, s) or "" for s in subjects), value, *bounds)))
        return "\n".join(lines) + "\n"

    hosts = ("address", "asset")
    return context(
        entities=text("asset", [*world.leases], ("address",)),
        host_roles=text("role,exclude", [*world.roles], hosts),
        groups=text("group", [*world.groups], hosts),
        known_events=text("cause", [*world.events], (*hosts, "group")),
    )


@pytest.mark.parametrize("seed", range(examples(6)))
def test_clients_and_what_is_explained_are_as_the_documents_say(seed: int) -> None:
    world = drawn(seed)
    inventory = Inventory([InventoryEntry(address=n, category=(c,)) for n, c in world.inventory.items()])
    rows = [(d, ip, b) for (d, ip), b in world.volume.items()]
    found = client_days(stored(rows), rule(), inventory, day(world.last), files(world))
    clients, who = world.clients(), world.who()
    explained = world.explained() if clients else {}
    wanted = [(day(d), c, b, *who[c], explained.get((d, c))) for (d, c), b in clients.items()]
    assert found.rows.rows() == sorted(wanted, key=lambda row: row[:2])
    left_out = {a or ip for ip in ADDRESSES for a in [world.asset(world.last, ip)] if world.excluded(ip, a)}
    assert found.excluded == len(left_out)
