"""The page of alerts: well-formed whatever data holds, running nothing, loading nothing, and saying what is stored."""

from __future__ import annotations

import datetime as dt
import json
import re
from typing import Any
from xml.etree import ElementTree as Xml

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.detections import load_rules
from pipeline.detections.model import Rule, RuleOverride
from pipeline.exports import html_page, in_full
from pipeline.exports.sheet import Past
from pipeline.schemas import ALERTS
from tests.pipeline.exports.test_exports_any_row import FULL, NAMED, RUBBISH
from tests.worlds import SEED

SURGE = "mail_volume_surge"
RULES = {r.id: r for r in load_rules({SURGE: RuleOverride(enabled=True)}, lookback_days=30)}
DAY = dt.date(2026, 11, 2)
EVIDENCE = {
    "fleet": {"n": 1200, "avg": 2e6, "stdev": 1e6, "threshold": 5e6},
    "client": {"n": 20, "avg": 1e6, "stdev": 2e5, "threshold": 1.6e6},
    "top_servers": [{"ip": "192.0.2.10", "bytes": 9_000_000, "flows": 1234}],
    "top_flows": [
        {
            "start": "2026-11-02T03:04:05.600000+00:00",
            "server": "192.0.2.10",
            "port": 993,
            "bytes": 8_000_000,
            "source_file": "logs/conn.log",
            "source_line": 17,
        }
    ],
}
ALERT = FULL | {"bytes_in": 9_000_000, "evidence": json.dumps(EVIDENCE), "message": "It received 9 MB."}
PAST: Past = ((dt.date(2026, 10, 3), 1_000_000), (dt.date(2026, 10, 31), None), (DAY, 9_000_000))
HOSTILE = "\"'><script>alert(1)</script>&\x00\x07\u202e\u2028\ud800]]>--><img src=x onerror=a>"
ALLOWED = {"html", "head", "meta", "title", "style", "body", "section", "h1", "h2", "h3", "p", "small", "div", "a", "b"}
ALLOWED |= {"table", "thead", "tbody", "tr", "th", "td", "span", "figure", "figcaption", "ol", "ul", "li", "code"}
ALLOWED |= {"svg", "line", "text", "rect", "circle"}


def page(*rows: dict[str, Any], pasts: dict[str, Past] | None = None, notes: dict[dt.date, str] | None = None) -> str:
    frame = pl.DataFrame(list(rows), schema=ALERTS.schema)
    return "".join(html_page(frame, "UTC", RULES, pasts or {}, [DAY - dt.timedelta(days=1), DAY], notes or {}))


def tree(text: str) -> Xml.Element:
    kind, _, markup = text.partition("\n")
    assert kind == "<!DOCTYPE html>"
    return Xml.fromstring(markup.encode("utf-8"))


def words(element: Xml.Element) -> str:
    return " ".join(" ".join(element.itertext()).split())


def cells(root: Xml.Element, title: str) -> list[list[str]]:
    """The rows of the table below a title of a section."""
    section = root.find(".//section")
    assert section is not None
    parts = list(section)
    at = next(i for i, p in enumerate(parts) if p.tag == "h3" and p.text == title)
    return [[words(c) for c in row] for row in parts[at + 1].iterfind(".//tbody/tr")]


def check_harmless(root: Xml.Element) -> None:
    for element in root.iter():
        assert element.tag in ALLOWED
        assert not [name for name in element.attrib if name.lower().startswith("on") or name in ("src", "srcset")]
        link = element.get("href", "#")
        assert link.startswith("#") or re.fullmatch(r"https://attack\.mitre\.org/techniques/T\d{4}/(\d{3}/)?", link)
    assert "url(" not in words(root)


def test_an_alert_is_told_with_what_it_was_compared_with_and_where_it_came_from() -> None:
    root = tree(page(ALERT, pasts={"nilo-1": PAST}))
    assert words(root).count("It received 9 MB.") == 1
    assert cells(root, "Compared with") == [
        ["its own past", "1 MB", "200 kB", "20 days", "1.6 MB", "1.50"],
        ["the fleet", "2 MB", "1 MB", "1,200 client-days", "5 MB", "1.50"],
    ]
    assert cells(root, "Other ends") == [["192.0.2.10", "9 MB", "1,234"]]
    assert cells(root, "Largest flows") == [["2026-11-02 03:04:05", "192.0.2.10", "993", "8 MB", "logs/conn.log:17"]]
    assert ["id", "nilo-1"] in cells(root, "This alert")
    assert ["down to the line", "nilometer explain 10.0.0.1 2026-11-02"] in cells(root, "This alert")
    assert all(step in words(root) for step in RULES[SEED].runbook + RULES[SEED].known_false_positives)


def test_of_many_alerts_the_gravest_and_largest_have_sections_and_every_one_has_its_line(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = {"b": "high", "e": "low"}
    rows = [
        ALERT
        | {"alert_id": f"nilo-{name}", "client": name, "bytes_in": size, "day": DAY - dt.timedelta(days=before)}
        | {"evidence": json.dumps({"severity": own[name]} if name in own else {})}
        for name, size, before in [("a", 5, 1), ("b", 1, 1), ("c", 7, 0), ("d", 6, 0), ("e", 99, 0)]
    ]
    assert "told in full" not in words(tree(page(*rows)))
    monkeypatch.setattr("pipeline.exports.page.IN_FULL", 3)
    root = tree(page(*rows))
    assert [s.attrib["id"] for s in root.findall(".//section")] == ["nilo-b", "nilo-c", "nilo-d"]
    lines = root.findall("./body/div/table/tbody/tr")
    assert [words(line[1]) for line in lines] == ["a", "b", "e", "c", "d"]
    assert [a.attrib["href"] for a in root.findall("./body/div//a")] == ["#nilo-b", "#nilo-c", "#nilo-d"]
    assert "5 alerts on 2 days of 2: 1 high, 3 medium, 1 low." in words(root)
    assert "The 3 gravest alerts, and of these the largest, are told in full below" in words(root)


def test_which_alerts_are_told_in_full_hangs_on_no_order(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pipeline.exports.page.IN_FULL", 2)
    rows = [ALERT | {"alert_id": f"nilo-{n}", "rule_id": f"rule_{n}"} for n in range(4)]
    for turned in (rows, rows[::-1], rows[2:] + rows[:2]):
        found = in_full(pl.DataFrame(turned, schema=ALERTS.schema), RULES)
        assert set(found["alert_id"]) == {"nilo-0", "nilo-1"}


def test_the_picture_has_a_bar_a_known_day_as_high_as_its_value_and_a_line_a_gate() -> None:
    root = tree(page(ALERT, pasts={"nilo-1": PAST}))
    bars = root.findall(".//rect")
    assert [words(b) for b in bars] == ["2026-10-03: 1 MB", "2026-11-02: 9 MB"]
    high = [float(b.attrib["height"]) for b in bars]
    assert high[1] == pytest.approx(9 * high[0], rel=0.01)
    assert [words(c) for c in root.findall(".//circle")] == ["2026-10-31: unknown"]
    first, last = (float(b.attrib["x"]) for b in bars)
    step = (last - first) / 30
    assert float(root.find(".//circle").attrib["cx"]) == pytest.approx(first + 28.5 * step, abs=step / 2)  # type: ignore[union-attr]
    dashed = [line for line in root.findall(".//line") if "stroke-dasharray" in line.attrib]
    base = float(bars[0].attrib["y"]) + high[0]
    assert [(base - float(line.attrib["y1"])) / high[1] for line in dashed] == [
        pytest.approx(1.6 / 9, abs=0.01),
        pytest.approx(5 / 9, abs=0.01),
    ]
    assert [words(k) for k in root.findall(".//figcaption/span")] == [
        "gate of its own past: 1.6 MB",
        "gate of the fleet: 5 MB",
    ]


def test_days_outside_of_the_window_are_not_drawn() -> None:
    before = ((dt.date(2026, 10, 2), 10**12), *PAST, (DAY + dt.timedelta(days=1), 10**12))
    assert page(ALERT, pasts={"nilo-1": before}) == page(ALERT, pasts={"nilo-1": PAST})


def test_an_alert_of_surge_tells_what_was_expected_and_the_rates() -> None:
    evidence = EVIDENCE | {
        "expected": 2e6,
        "excess": 7e6,
        "channels": [{"channel": "shot", "rate": 4.14159, "limit": 13.0, "least_volume": 3_170_000}],
        "severity": "high",
        "group": "sales",
        "explained_by": None,
        "addresses": ["10.0.0.1", "10.0.0.2"],
    }
    del evidence["fleet"], evidence["client"]
    alert = ALERT | {"rule_id": SURGE, "client": "laptop-7", "evidence": json.dumps(evidence)}
    root = tree(page(alert, pasts={"nilo-1": PAST}))
    assert cells(root, "What was expected") == [
        ["expected", "2 MB"],
        ["more than expected", "7 MB"],
        ["would still have alerted", "3.17 MB"],
        ["channel shot", "as rare as 4.14 in 10,000 clients a day, of 13 allowed"],
        ["group", "sales"],
    ]
    assert [words(k) for k in root.findall(".//figcaption/span")] == ["expected: 2 MB"]
    assert ["addresses on the day", "10.0.0.1, 10.0.0.2"] in cells(root, "This alert")
    assert [words(b) for b in root.findall(".//span[@class='badge high']")] == ["high", "high"]


def test_counts_are_told_in_their_own_words() -> None:
    evidence = EVIDENCE | {"value": 42, "field": "flows"}
    root = tree(page(ALERT | {"bytes_in": None, "evidence": json.dumps(evidence)}, pasts={"nilo-1": ((DAY, 42),)}))
    assert "42 flows" in [words(c) for c in root.findall(".//td")]
    assert [words(b) for b in root.findall(".//rect")] == ["2026-11-02: 42 flows"]


def test_the_largest_of_a_day_stands_first_and_days_stand_in_order() -> None:
    before = DAY - dt.timedelta(days=1)
    rows = [
        ALERT | {"alert_id": i, "bytes_in": size, "day": day}
        for i, size, day in (("c", 5, DAY), ("b", 7, DAY), ("d", None, DAY), ("a", 1, before))
    ]
    root = tree(page(*rows))
    assert [s.get("id") for s in root.findall(".//section")] == ["a", "b", "c", "d"]
    assert [a.get("href") for a in root.findall(".//table")[0].iterfind(".//a")] == ["#a", "#b", "#c", "#d"]
    assert "4 alerts on 2 days of 2: 4 medium." in words(root)


def test_no_alert_is_no_answer_where_something_is_said_of_the_day() -> None:
    assert "No alert." in words(tree(page()))
    assert "Read first" not in words(tree(page()))
    first = DAY - dt.timedelta(days=1)
    root = tree(page(notes={DAY: "nobody ran it: nilometer run --day 2026-11-02", first: "unverified: <b>"}))
    assert "No alert. Read first what is said of 2 days." in words(root)
    assert [[words(c) for c in r] for r in root.iterfind(".//div[@class='notes']//tr")] == [
        ["2026-11-01", "unverified: <b>"],
        ["2026-11-02", "nobody ran it: nilometer run --day 2026-11-02"],
    ]


@pytest.mark.parametrize("where", ["alert_id", "rule_id", "rule_title", "client", "quality", "message", "evidence"])
def test_nothing_in_data_becomes_markup(where: str) -> None:
    evil: Any = HOSTILE.replace("\ud800", "")  # Polars holds no half of a pair.
    if where == "evidence":
        flow = dict.fromkeys(EVIDENCE["top_flows"][0], evil)  # type: ignore[index]
        names = ("role", "group", "explained_by", "first_seen")
        told = {"addresses": [evil], "runbook": [evil], "channels": [{"channel": evil, "rate": 1, "limit": 2}]}
        evil = json.dumps(dict.fromkeys(names, evil) | told | {"top_flows": [flow], "top_servers": [{"ip": evil}]})
    root = tree(page(ALERT | {where: evil, "techniques": [HOSTILE[:-30], "T1114.002", None]}))
    check_harmless(root)
    assert "alert(1)</script>" in words(root)
    assert not re.search("[\u202e\u2028\x07]", words(root))


@given(st.text(), st.text(), st.dictionaries(st.text(max_size=5), st.recursive(st.none() | st.text(), st.lists)))
def test_any_text_gives_a_page_that_is_harmless(client: str, why: str, evidence: dict[str, Any]) -> None:
    told = client.encode("utf-8", "replace").decode()
    check_harmless(tree(page(ALERT | {"client": told, "evidence": json.dumps(evidence)}, notes={DAY: why})))


@pytest.mark.parametrize("column", [c for c in ALERTS.schema.names() if c not in NAMED])
def test_a_row_without_a_value_is_told_and_hides_no_other(column: str) -> None:
    root = tree(page(ALERT | {column: None}, ALERT, pasts={"nilo-1": PAST}))
    assert len(root.findall(".//section")) == 2
    assert "None" not in words(root)


@pytest.mark.parametrize("evidence", [*RUBBISH, '{"fleet": 1, "client": {"n": "x", "avg": true, "threshold": NaN}}'])
def test_evidence_that_is_none_is_told_as_far_as_it_goes(evidence: str) -> None:
    root = tree(page(ALERT | {"evidence": evidence}, pasts={"nilo-1": PAST}))
    assert words(root).count("It received 9 MB.") == 1
    check_harmless(root)


def test_an_alert_of_a_rule_that_is_no_more_is_told() -> None:
    root = tree(page(ALERT | {"rule_id": "gone"}, pasts={"nilo-1": PAST}))
    assert [r[0] for r in cells(root, "Compared with")] == ["its own past", "the fleet"]
    assert ["rule", "A title (gone)"] in cells(root, "This alert")


def test_a_gate_that_the_rule_does_not_ask_is_not_shown() -> None:
    rules = load_rules({SEED: RuleOverride(reference="own", floor=4_000_000)}, lookback_days=30)
    frame = pl.DataFrame([ALERT], schema=ALERTS.schema)
    root = tree("".join(html_page(frame, "UTC", {r.id: r for r in rules}, {"nilo-1": PAST}, [DAY], {})))
    assert [(r[0], r[4]) for r in cells(root, "Compared with")] == [
        ("its own past", "1.6 MB"),
        ("the rule's floor", "4 MB"),
    ]
    assert [words(k) for k in root.findall(".//figcaption/span")] == ["gate of its own past: 1.6 MB"]


def drawn(past: Past, stored: set[dt.date] | None, rule: Rule | None = None, **row: Any) -> Xml.Element:
    """The picture and its words, of an alert of DAY."""
    rule = rule or RULES[SEED]
    frame = pl.DataFrame([ALERT | {"day": DAY, "rule_id": rule.id, **row}], schema=ALERTS.schema)
    pasts = {str(ALERT["alert_id"]): past}
    known = None if stored is None else {rule.id: stored}
    text = "".join(html_page(frame, "UTC", {rule.id: rule}, pasts, [DAY], {}, known))
    found = tree(text).find(".//figure")
    assert found is not None
    return found


def titles(figure: Xml.Element) -> list[str]:
    return [t.text or "" for t in figure.iter("title")][1:]


def test_days_that_are_not_stored_are_no_days_without_traffic() -> None:
    stored = {DAY - dt.timedelta(days=n) for n in range(20)} - {dt.date(2026, 10, 20)}
    found = drawn(((dt.date(2026, 10, 31), 1_000_000), (DAY, 9_000_000)), stored)
    assert "; of 12 of the 31 days nothing is stored" in "".join(found.itertext())
    assert titles(found) == [
        "nothing is stored of 2026-10-03 to 2026-10-13",
        "nothing is stored of 2026-10-20",
        "2026-10-31: 1 MB",
        "2026-11-02: 9 MB",
    ]
    for known in (None, {DAY - dt.timedelta(days=n) for n in range(31)}):
        assert "nothing is stored" not in "".join(drawn(PAST, known).itertext())


def test_the_day_in_flood_is_drawn_from_the_alert_where_its_table_is_gone() -> None:
    found = drawn(((dt.date(2026, 10, 31), 1_000_000),), {DAY - dt.timedelta(days=n) for n in range(1, 31)})
    assert titles(found) == ["2026-10-31: 1 MB", "2026-11-02: 9 MB"]
    assert "nothing is stored" not in "".join(found.itertext())


def test_bars_of_a_window_of_ten_years_are_seen_and_stay_within_the_picture() -> None:
    rule = RULES[SEED].model_copy(update={"lookback_days": 3660})
    past = tuple((DAY - dt.timedelta(days=n), 2_000_000) for n in reversed(range(3661)))
    bars = [{k: float(r.get(k, "")) for k in ("x", "width")} for r in drawn(past, None, rule).iter("rect")]
    assert len(bars) == 3661
    assert min(b["width"] for b in bars) >= 0.7
    assert bars[-1]["width"] >= 2
    assert max(b["x"] + b["width"] for b in bars) <= 632.01
    assert min(b["x"] for b in bars) >= 64
