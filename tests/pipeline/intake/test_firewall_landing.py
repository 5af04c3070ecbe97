"""Firewall logs in a site: zones of sources, interim records across files, and connections of a file that grows."""

import datetime as dt
import os
from pathlib import Path
from typing import Any

import pytest

from pipeline.flows import build_flows
from pipeline.inventory import Inventory
from tests.pipeline.landings import D1, D2, FLAT, World, settings

CLIENT, SERVER = "203.0.113.7", "10.9.0.25"


def world(tmp_path: Path, **source: Any) -> World:
    return World(tmp_path, settings(FLAT, servers=(SERVER,), **source))


def flows(made: World) -> list[dict[str, Any]]:
    lazy = build_flows(made.landing(), made.settings, Inventory(made.settings.inventory), D1)
    return lazy.collect().sort("start_time").to_dicts()


def forti(number: int, logid: str, minutes: int, received: int) -> bytes:
    line = (
        f'date=2026-10-01 time=12:{minutes:02}:00 devname="fw1" devid="FG1" tz="+0000" logid="{logid}" type="traffic" '
        f"subtype=forward srcip={CLIENT} srcport=50001 dstip={SERVER} dstport=993 sessionid={number} proto=6 "
        f"action=accept duration={minutes * 60} sentbyte=10 rcvdbyte={received}\n"
    )
    return line.encode()


def test_interim_records_give_way_to_the_close_in_a_later_file(tmp_path: Path) -> None:
    made = world(tmp_path)
    made.put("a.log", forti(7, "0000000020", 2, 50_000) + forti(8, "0000000020", 2, 1_000))
    made.put("b.log", forti(7, "0000000013", 5, 95_000) + forti(8, "0000000020", 4, 3_000))
    assert made.land(D1, D2).problems == []
    assert made.received() == [3_000, 95_000]


def asa(text: str) -> bytes:
    return f"<166>Oct  1 2026 12:00:00 fw1 : %ASA-6-{text}\n".encode()


def test_a_growing_file_remembers_who_began_a_connection_and_keeps_the_total_apart(tmp_path: Path) -> None:
    made = world(tmp_path)
    ends = f"outside:{CLIENT}/993 ({CLIENT}/993) to dmz:{SERVER}/50001 ({SERVER}/50001)"
    built = asa(f"302013: Built outbound TCP connection 5 for {ends}")
    made.put("asa.log", built)
    made.land()
    made.put(
        "asa.log",
        built
        + asa(
            f"302014: Teardown TCP connection 5 for outside:{CLIENT}/993 to dmz:{SERVER}/50001 duration 0:00:09 bytes 9"
        ),
    )
    made.land()
    (flow,) = flows(made)
    assert (flow["src_ip"], flow["dest_ip"], flow["orientation"]) == (SERVER, CLIENT, "native")
    assert (flow["bytes_in"], flow["bytes_out"]) == (None, None)


@pytest.mark.parametrize(("zone", "start"), [("UTC", "12:00"), ("Asia/Tokyo", "03:00")])
def test_local_times_are_those_of_the_source(tmp_path: Path, zone: str, start: str) -> None:
    made = world(tmp_path, format="paloalto", timezone=zone)
    cells = (
        f"2026/10/01 12:01:00,0072,TRAFFIC,end,,2026/10/01 12:01:00,{CLIENT},{SERVER},,,r,,,imap,vsys1,a,b,c,d,e,,5,1,"
        "50001,993,0,0,0,tcp,allow,30,10,20,4,2026/10/01 12:00:00,60,any,,1,0,,,,2,2,aged-out"
    )
    made.put("pa.log", f"<14>Oct  1 12:01:00 fw1 1,{cells}\n".encode())
    assert made.land().problems == []
    (flow,) = flows(made)
    assert (flow["bytes_in"], flow["dvc"], f"{flow['start_time']:%H:%M}") == (20, "0072", start)


def test_lines_without_a_year_in_an_old_file_are_of_its_year(tmp_path: Path) -> None:
    made, day = world(tmp_path), dt.date(2023, 10, 1)
    text = f"302014: Teardown TCP connection 5 for outside:{CLIENT}/50001 to dmz:{SERVER}/993 duration 0:00:09 bytes 9"
    path = made.put("asa.log", asa(text).replace(b" 2026", b""))
    written = dt.datetime(2023, 10, 2, tzinfo=dt.UTC).timestamp()
    os.utime(path, (written, written))
    assert list(made.landing().pending([day])) == [day]
    made.land(day)
    assert made.entry("asa.log").days_held == {day.isoformat()}
