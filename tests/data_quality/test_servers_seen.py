"""Whether a server that a rule looks for was ever seen, at whichever end of its flows it stands."""

from __future__ import annotations

import datetime as dt
import json
from pathlib import Path

import pytest

from data_quality.profiles import PROFILES
from data_quality.results import day_quality
from pipeline.schemas import ALERTS
from pipeline.site import Site, open_site
from tests.data_quality.days import make
from tests.worlds import CONFIG, SERVER, day, log_path, record

PEOPLE = "  - {address: 10.0.0.0/8, category: workstation, name: office}\n"
OTHER = "192.0.2.99"
"""An address that no entry has."""


def pushed(when: dt.datetime, client: str, sent: int, server: str) -> str:
    """A session that the server begins, which sends so much to a client."""
    told = json.loads(record(when, client, 0, f"C{when}{client}", server))
    told |= {"id.orig_h": server, "id.orig_p": 50_000, "id.resp_h": client, "id.resp_p": 8_080}
    told |= {"orig_bytes": sent, "orig_ip_bytes": sent, "resp_bytes": 10, "resp_ip_bytes": 10}
    return json.dumps(told) + "\n"


def world(folder: Path, servers: list[str | None], theft: int = 0) -> Site:
    """A site whose servers begin all sessions: of each day the server that did, or nobody."""
    (folder / "nilometer.yaml").write_text(CONFIG + PEOPLE, encoding="utf-8")
    for number, server in enumerate(servers):
        noon = dt.datetime.combine(day(number), dt.time(12), dt.UTC)
        lines = [record(noon, "10.0.0.99", 5_000, f"W{number}", server="198.51.100.80")]
        for c in (1, 2, 3):
            more = theft if (c, number) == (2, len(servers) - 1) else 0
            lines += [pushed(noon, f"10.0.0.{c}", 1_000 + number * c + more, server)] if server else []
        path = log_path(folder, day(number))
        path.parent.mkdir(parents=True)
        path.write_text("".join(lines), encoding="utf-8")
    site = open_site(folder)
    make(site, [day(n) for n in range(len(servers))])
    return site


def test_servers_that_send_to_clients_of_the_inventory_alone_are_seen_and_judged(tmp_path: Path) -> None:
    site = world(tmp_path, [SERVER] * 8, theft=50_000_000)
    found = PROFILES["inputs_valid"](site, day(7))
    assert (found["servers_seen"], day_quality(site, day(7))) == (1, "verified")
    assert site.storage.read_day(ALERTS, day(7))["client"].to_list() == ["10.0.0.2"]


def test_a_quiet_day_after_days_on_which_servers_sent_is_no_day_without_servers(tmp_path: Path) -> None:
    site = world(tmp_path, [SERVER, None])
    assert PROFILES["inputs_valid"](site, day(1))["servers_seen"] == 1
    assert day_quality(site, day(1)) == "verified"


@pytest.mark.parametrize("servers", [[OTHER, OTHER], ["10.0.0.9", "10.0.0.9"], [None, None]])
def test_servers_that_are_not_listed_as_such_are_not_seen(tmp_path: Path, servers: list[str | None]) -> None:
    """Nor are clients of the inventory that send to each other."""
    site = world(tmp_path, servers)
    assert PROFILES["inputs_valid"](site, day(1))["servers_seen"] == 0
    assert day_quality(site, day(1)) == "unverified"
