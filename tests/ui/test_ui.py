"""The Dagster UI of a demo site, as a user sees it in a browser: lineage, partitions, checks, and a clean stop."""

import datetime as dt
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from pipeline.site import PROJECT, Site, open_site

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
ARTIFACTS = PROJECT / "artifacts"
CHAIN = ("flows", "daily_traffic", "traffic_baseline", "anomaly_scores", "alerts")
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PATIENCE = 60_000
expect.set_options(timeout=PATIENCE)

pytestmark = [
    pytest.mark.ui,
    pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine"),
]


@dataclass
class Running:
    """A site whose UI is up."""

    site: Site
    process: subprocess.Popen[str]
    port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def last_day(self) -> dt.date:
        return self.site.storage.days("alerts")[-1]


def nilometer(*words: object) -> list[str]:
    return [sys.executable, "-c", "from assets.cli import main; main()", *map(str, words)]


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None, "the UI ended by itself"
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    raise AssertionError("the UI did not come up")


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("ui") / "demo"
    words = nilometer("demo", folder, "--days", 10, "--clients", 20)
    made = subprocess.run(words, capture_output=True, text=True, check=False)
    assert made.returncode == 0, made.stderr
    port = free_port()
    environment = {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"}
    with subprocess.Popen(nilometer("--site", folder, "ui", "--port", port), text=True, env=environment) as process:
        wait_for(f"http://127.0.0.1:{port}/server_info", process)
        yield Running(open_site(folder), process, port)
        if process.poll() is None:
            process.send_signal(signal.SIGINT)
            process.wait(60)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield found
        found.close()


@pytest.fixture
def page(running: Running, browser: Browser) -> Iterator[Page]:
    """A page that shares nothing with those of other tests but the browser."""
    ARTIFACTS.mkdir(exist_ok=True)
    found = browser.new_page(viewport={"width": 1500, "height": 950})
    found.set_default_timeout(PATIENCE)
    yield found
    found.close()


def test_the_lineage_shows_the_files_and_the_five_assets_in_order(running: Running, page: Page) -> None:
    page.goto(f"{running.url}/asset-groups")
    nodes = page.locator("foreignObject")
    nodes.get_by_text("alerts", exact=True).wait_for()
    left_of_node = []
    for name in ("flow_logs", *CHAIN):
        box = nodes.get_by_text(name, exact=True).bounding_box()
        assert box is not None
        left_of_node.append(box["x"])
    page.screenshot(path=ARTIFACTS / "lineage.png")
    assert left_of_node == sorted(left_of_node)
    assert len(set(left_of_node)) == len(CHAIN) + 1


@pytest.mark.parametrize("name", CHAIN)
def test_a_partition_shows_the_row_count_that_is_stored(running: Running, page: Page, name: str) -> None:
    record = running.site.storage.record(name, running.last_day)
    assert record is not None
    page.goto(f"{running.url}/assets/{name}?view=partitions&partition={running.last_day}")
    row = page.locator("tr", has_text="dagster/partition_row_count").first
    row.wait_for()
    page.screenshot(path=ARTIFACTS / f"partition_{name}.png")
    assert str(record.rows) in row.inner_text().split()
    assert page.get_by_text(record.fingerprint).count() > 0


@pytest.mark.parametrize(("table", "check"), [("flows", "flows_valid"), ("anomaly_scores", "sample_counts")])
def test_a_check_shows_the_result_of_its_day(running: Running, page: Page, table: str, check: str) -> None:
    page.goto(f"{running.url}/assets/{table}?view=checks&checkDetail={check}")
    page.get_by_text("Latest execution").wait_for()
    page.get_by_text("Passed", exact=True).first.wait_for()
    page.get_by_text(running.last_day.isoformat(), exact=True).first.wait_for()
    page.get_by_text("[Show Markdown]").first.click()
    page.get_by_text("remedy", exact=True).first.wait_for()
    page.screenshot(path=ARTIFACTS / f"check_{check}.png")


def test_every_schedule_and_sensor_is_on_but_the_preview(running: Running, page: Page) -> None:
    page.goto(f"{running.url}/automation")
    page.get_by_text("At 03:00 AM").first.wait_for()
    page.get_by_text("At 5 minutes past the hour").first.wait_for()
    switches = page.locator("label[class*=formatSwitch] input")
    names = ("daily", "detection_quality", "new_logs", "power_map", "stale_days", "today_so_far", "unjudged_days")
    expect(switches).to_have_count(len(names))
    for nth, name in enumerate(names):
        page.get_by_text(name, exact=True).first.wait_for()
        expect(switches.nth(nth)).to_be_checked(checked=name != "today_so_far")
    page.screenshot(path=ARTIFACTS / "automation.png")


def test_no_page_asks_another_host_for_anything(running: Running, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    for path in ("asset-groups", "runs", "assets/alerts"):
        page.goto(f"{running.url}/{path}")
        page.wait_for_load_state("load")
        page.wait_for_timeout(1_000)
    strangers = [u for u in asked if not u.startswith((running.url, "data:", "blob:"))]
    assert strangers == []
    assert asked


def test_ctrl_c_stops_the_server_and_the_daemon_cleanly(running: Running) -> None:
    family = psutil.Process(running.process.pid).children(recursive=True)
    words = [" ".join(p.cmdline()) for p in family]
    assert any("dagster_webserver" in w for w in words)
    assert any("assets.processes.daemon" in w for w in words)
    listening = {c.laddr.ip for p in family for c in p.net_connections(kind="inet") if c.status == psutil.CONN_LISTEN}
    assert listening <= {"127.0.0.1", "::1"}
    running.process.send_signal(signal.SIGINT)
    assert running.process.wait(60) == 0
    _, alive = psutil.wait_procs(family, timeout=20)
    assert alive == []
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", running.port)) != 0


def test_artifacts_are_not_committed() -> None:
    ignored = (Path(PROJECT) / ".gitignore").read_text(encoding="utf-8").splitlines()
    assert "artifacts/" in ignored
