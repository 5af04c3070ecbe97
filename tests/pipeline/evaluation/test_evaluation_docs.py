"""docs/detection.md tells the figures of the worlds that are kept, and its picture shows them."""

import json
import re

from benchmarks.pictures import FIGURES, recall_picture
from pipeline.evaluation.report import precision_at
from pipeline.site import PROJECT

FOLDER = PROJECT / "docs"
ROWS = {
    ("surge", 20): "surge, budget 20",
    ("surge", 5): "surge, budget 5",
    ("seed", 20): "seed at the same cost",
    ("client_z", 20): "client_z",
}


def test_what_an_alert_is_worth_is_told_of_the_worlds_that_are_kept() -> None:
    text, kept = (FOLDER / "detection.md").read_text(encoding="utf-8"), json.loads(FIGURES.read_text(encoding="utf-8"))
    rates = {(c["method"], c["budget"]): c["per_day_per_10k"] for c in kept["false_alerts"]}
    found = {(r["method"], r["budget"]): r for r in kept["results"] if r["basket"] == "material"}
    for key, name in ROWS.items():
        rate, recall = rates[key], found[key]["recall"]
        row = f"| {name} | {rate:.1f} | {recall:.0%} | {precision_at(recall, rate):.1%} |".replace("%", " %")
        assert row in text
    (alerts,) = re.findall(r"So of some (\d+) alerts one is a theft", text)
    assert abs(int(alerts) * precision_at(found["surge", 20]["recall"], rates["surge", 20]) - 1) < 0.1
    assert found["surge", 1]["detected"] == 0
    assert f"none of\nthese {found['surge', 1]['events']} thefts is found" in text


def test_the_picture_of_recall_is_of_the_worlds_that_are_kept() -> None:
    assert (FOLDER / "images" / "recall.svg").read_text(encoding="utf-8") == recall_picture()
