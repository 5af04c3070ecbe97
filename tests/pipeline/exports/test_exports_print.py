"""The page of alerts on paper, which nobody can scroll, and on a narrow screen, as a browser lays it out."""

from __future__ import annotations

import datetime as dt
import json
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.pipeline.exports.test_exports_page import ALERT, DAY, EVIDENCE, PAST, page

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
A4, LETTER, PHONE = 718, 740, 375
"""What Chromium's margins leave of a page, and a telephone, in pixels of CSS."""
NAMES = ("10.20.131.68", "2001:db8:1234:5678:9abc:def0:1234:5678", "laptop-0042.branch.example.com")
_ALL = "[...document.querySelectorAll('body, table')]"
_WIDER = f"{_ALL}.filter(e => e.getBoundingClientRect().right > innerWidth).length"
_CUT = "[...document.querySelectorAll('.scroll')].filter(e => e.scrollWidth > e.clientWidth).length"

pytestmark = [pytest.mark.ui, pytest.mark.skipif(CHROMIUM is None, reason="no chromium on this machine")]


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as play:
        found = play.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        yield found
        found.close()


def markup() -> str:
    """Alerts of hosts with names of several lengths, and of logs that lie deep."""
    flow = EVIDENCE["top_flows"][0] | {"source_file": "logs/" + "zeek-sensor-of-the-branch_" * 4 + "conn.log.gz"}
    told = json.dumps(EVIDENCE | {"top_flows": [flow | {"server": NAMES[1]}]})
    rows = [ALERT | {"alert_id": f"nilo-{n}", "client": c, "evidence": told} for n, c in enumerate(NAMES)]
    return page(*rows, pasts={f"nilo-{n}": PAST for n in range(3)}, notes={DAY - dt.timedelta(days=1): "no verdict"})


@pytest.mark.parametrize("width", [A4, LETTER])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_on_paper_nothing_is_cut_off_and_paper_is_white(browser: Browser, width: int, scheme: str) -> None:
    shown = browser.new_page(viewport={"width": width, "height": 1000}, color_scheme=scheme)
    shown.set_content(markup())
    shown.emulate_media(media="print")
    assert shown.evaluate(_CUT) == 0
    assert shown.evaluate(_WIDER) == 0
    assert shown.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert shown.evaluate("getComputedStyle(document.body).color") == "rgb(0, 0, 0)"
    shown.close()


def test_on_a_telephone_tables_scroll_and_the_page_does_not(browser: Browser) -> None:
    shown = browser.new_page(viewport={"width": PHONE, "height": 800})
    shown.set_content(markup())
    assert shown.evaluate(_CUT) > 0
    assert shown.evaluate("document.documentElement.scrollWidth") <= PHONE
    shown.close()
