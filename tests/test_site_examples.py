"""The sites in `examples/`: each loads, uses only what is there, and finds a theft in logs made for it."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import yaml

from pipeline.context import load_context
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.settings import load_settings
from pipeline.site import PROJECT, Site, open_site
from tests.calls import call, objects
from tests.cloud.buckets import Bucket, bucket_in, s3_server
from tests.oracle.zeek import conn, tsv
from tests.worlds import CONFIG

EXAMPLES = PROJECT / "examples"
NAMES = sorted(p.parent.name for p in EXAMPLES.glob("*/nilometer.yaml"))
FIRST, DAYS = dt.date(2026, 10, 1), 7
HOSTS, THIEF = range(10, 22), 15
STOLEN = 5_000_000_000
Flow = tuple[dt.datetime, str, int]
"""Start, client, bytes it received."""


def days() -> list[dt.date]:
    return [FIRST + dt.timedelta(days=n) for n in range(DAYS)]


def flows(of: dt.date, zone: str, network: str) -> list[Flow]:
    """One session of each client at its noon; on the last day one takes a mailbox."""
    noon = dt.datetime.combine(of, dt.time(12), ZoneInfo(zone)).astimezone(dt.UTC)
    stolen = {f"{network}.{THIEF}": STOLEN} if of == days()[-1] else {}
    clients = [f"{network}.{n}" for n in HOSTS]
    return [
        (noon + dt.timedelta(seconds=n), c, stolen.get(c, 1_000_000 + 1_000 * n + 777 * of.day))
        for n, c in enumerate(clients)
    ]


def zeek(sessions: list[Flow], server: str) -> bytes:
    made = [
        conn(at, uid=f"C{client}", id__orig_h=client, id__resp_h=server, resp_ip_bytes=str(size), resp_bytes=str(size))
        for at, client, size in sessions
    ]
    return gzip.compress(tsv(*made), mtime=0)


def vpc(sessions: list[Flow], server: str) -> bytes:
    """Both directions, as the server's interface sees them."""
    head = "version account-id interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end action"
    lines = [f"{head} log-status"]
    for at, client, size in sessions:
        first = int(at.timestamp())
        rest = f"{first} {first + 60} ACCEPT OK"
        lines.append(f"2 123456789012 eni-0a {server} {client} 993 40001 6 10 {size} {rest}")
        lines.append(f"2 123456789012 eni-0a {client} {server} 40001 993 6 10 900 {rest}")
    return gzip.compress("\n".join([*lines, ""]).encode(), mtime=0)


def cim(sessions: list[Flow], server: str) -> bytes:
    out = io.StringIO()
    table = csv.writer(out)
    table.writerow(["_time", "src_ip", "src_port", "dest_ip", "dest_port", "transport", "bytes_in", "bytes_out", "dvc"])
    for at, client, size in sessions:
        table.writerow([at.isoformat(), client, 40_001, server, 993, "tcp", size, 900, "fw1"])
    return gzip.compress(out.getvalue().encode(), mtime=0)


def fortinet(sessions: list[Flow], server: str) -> bytes:
    """Sessions at their end, five seconds after they began."""
    lines = [
        f'date={at:%Y-%m-%d} time={at:%H:%M:%S} devname="branch-fw" devid="FG1" tz="+0000" logid="0000000013" '
        f'eventtime={int(at.timestamp() + 5) * 10**9} type="traffic" subtype="forward" srcip={client} srcport=50000 '
        f'dstip={server} dstport=993 sessionid={n + 1} proto=6 action="close" service="IMAPS" duration=5 sentbyte=90 '
        f"rcvdbyte={size} sentpkt=9 rcvdpkt=10"
        for n, (at, client, size) in enumerate(sessions)
    ]
    return "\n".join([*lines, ""]).encode()


@pytest.fixture
def bucket() -> Iterator[Bucket]:
    with s3_server() as server, bucket_in(server, "example-nilometer") as tables:
        tables.direct.create_bucket(Bucket="example-flow-logs")
        yield tables


def site_of(name: str, folder: Path) -> Site:
    """A copy of an example, which finds the logs of the machine below its own folder."""
    shutil.copytree(EXAMPLES / name, folder)
    path = folder / "nilometer.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("/opt/zeek/logs", "zeek"), encoding="utf-8")
    return open_site(folder)


def put(site: Site, name: str, data: bytes) -> None:
    path = site.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def fill_zeek(site: Site, of: dt.date) -> str:
    made = zeek(flows(of, "Europe/Berlin", "10.20.0"), "192.0.2.10")
    put(site, f"zeek/{of}/conn.00:00:00-00:00:00.log.gz", made)
    put(site, f"zeek/{of}/conn-summary.00:00:00-00:00:00.log.gz", gzip.compress(b"nothing\n"))
    return f"10.20.0.{THIEF}"


def fill_splunk(site: Site, of: dt.date) -> str:
    put(site, f"exports/{of}.csv.gz", cim(flows(of, "Europe/London", "10.40.0"), "192.0.2.11"))
    return f"10.40.0.{THIEF}"


def fill_both(site: Site, of: dt.date) -> str:
    seen = flows(of, "America/New_York", "10.30.0")
    put(site, f"logs/zeek/{of}/conn.log.gz", zeek(seen[:-1], "192.0.2.10"))
    put(site, f"logs/fortigate/traffic-{of}.log", fortinet(seen, "192.0.2.10"))
    return f"10.30.0.{THIEF}"


@pytest.mark.parametrize("name", NAMES)
def test_an_example_loads_and_names_nothing_that_is_not_there(name: str, tmp_path: Path) -> None:
    site = site_of(name, tmp_path / name)
    assert site.rules
    assert site.settings.start_date == FIRST
    written = yaml.safe_load((site.root / "nilometer.yaml").read_text(encoding="utf-8"))
    assert {"timezone", "start_date", "sources", "inventory"} <= written.keys()
    context = load_context(site.root, site.settings.context)
    assert bool(context.tables) == ("context" in written)


def test_every_example_is_in_the_list_and_runs_here() -> None:
    listed = (EXAMPLES / "README.md").read_text(encoding="utf-8")
    assert all(f"[{name}]({name}/nilometer.yaml)" in listed for name in NAMES)
    assert sorted([*FILLS, "aws-vpc-s3"]) == NAMES


def run(site: Site, client: str) -> dict[dt.date, int]:
    """Check and run the site; the theft is its only alert. Bytes by day are told."""
    checked = call("check", site=site.root)
    assert checked.exit_code == 0, checked.output
    assert "problem" not in checked.output
    ran = call("run", "--from", days()[0], "--to", days()[-1], site=site.root)
    assert ran.exit_code == 0, ran.output
    rule = "hosts_receiving_high_volume_from_email_server"
    alerts = objects(call("alerts", "--rule", rule, "--format", "jsonl", site=site.root))
    assert [(a["day"], a["src_ip"], a["bytes_in"]) for a in alerts] == [(str(days()[-1]), client, STOLEN)]
    return {of: site.storage.scan(DAILY_TRAFFIC, [of]).select("bytes").sum().collect().item() for of in days()}


FILLS: dict[str, Callable[[Site, dt.date], str]] = {
    "splunk-export": fill_splunk,
    "two-sensors": fill_both,
    "zeek": fill_zeek,
}


@pytest.mark.parametrize(
    "name", ["two-sensors", *(pytest.param(n, marks=pytest.mark.slow) for n in FILLS if n[0] != "t")]
)
def test_an_example_on_files_finds_the_theft(name: str, tmp_path: Path) -> None:
    site = site_of(name, tmp_path / name)
    for of in days():
        client = FILLS[name](site, of)
    zone, network = site.settings.timezone, client.rpartition(".")[0]
    want = {of: sum(size for _, _, size in flows(of, zone, network)) for of in days()}
    assert run(site, client) == want


@pytest.mark.slow
def test_the_example_in_buckets_finds_the_theft(bucket: Bucket, tmp_path: Path) -> None:
    site = site_of("aws-vpc-s3", tmp_path / "aws")
    made = {of: flows(of, "UTC", "10.0.1") for of in days()}
    for of, sessions in made.items():
        folder = f"AWSLogs/123456789012/vpcflowlogs/eu-central-1/{of:%Y/%m/%d}"
        key = f"{folder}/123456789012_vpcflowlogs_eu-central-1_fl-0a_{of:%Y%m%d}T1200Z_0a.log.gz"
        bucket.direct.put_object(Bucket="example-flow-logs", Key=key, Body=vpc(sessions, "10.0.20.10"))
    assert run(site, f"10.0.1.{THIEF}") == {of: sum(s for _, _, s in sessions) for of, sessions in made.items()}


def told_settings() -> list[object]:
    """Every piece of configuration that a page shows."""
    pages = sorted([PROJECT / "README.md", *(PROJECT / "docs").glob("*.md")])
    found = [(p.name, b) for p in pages for b in re.findall(r"```yaml\n(.+?)```", p.read_text(encoding="utf-8"), re.S)]
    ours = [(name, block) for name, block in found if not block.startswith("load_from:")]  # That one is Dagster's.
    assert len(ours) > 5
    return [pytest.param(block, id=f"{name}-{n}") for n, (name, block) in enumerate(ours)]


@pytest.mark.parametrize("block", told_settings())
def test_what_a_page_says_of_the_configuration_can_be_written_into_it(tmp_path: Path, block: str) -> None:
    whole = yaml.safe_load(CONFIG) | yaml.safe_load(block)
    (tmp_path / "nilometer.yaml").write_text(yaml.safe_dump(whole), encoding="utf-8")
    load_settings(tmp_path / "nilometer.yaml")
