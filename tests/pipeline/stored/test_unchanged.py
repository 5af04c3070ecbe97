"""Whether a site changed: all that stored days are judged by changes the mark, and nothing else does."""

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.site import open_site
from pipeline.stored.unchanged import mark

LAST = dt.date(2026, 10, 6)
CONFIG = """start_date: 2026-10-01
sources: [{name: core, path: "logs/*.log"}]
inventory: [{address: 192.0.2.10, category: email_server}]
context: {known_events: events.csv}
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in {
        "nilometer.yaml": CONFIG,
        "logs/a.log": "",
        "data/alerts/day=2026-10-01/part.parquet": "a",
        "data/landing/ledger.jsonl": "b",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path


def write(name: str, text: str) -> Callable[[Path], object]:
    def change(root: Path) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / f"{name}.new").write_text(text, encoding="utf-8")
        (root / f"{name}.new").replace(root / name)

    return change


@pytest.mark.parametrize(
    ("change", "seen"),
    [
        (write("data/alerts/day=2026-10-01/part.parquet", "c"), True),
        (write("data/alerts/day=2026-10-02/part.parquet", "a"), True),
        (write("data/landing/ledger.jsonl", "b"), True),
        (lambda root: (root / "data/landing/ledger.jsonl").unlink(), True),
        (write("nilometer.yaml", CONFIG + "timezone: Asia/Kolkata\n"), True),
        (write("nilometer.yaml", CONFIG + "rules: {hosts_receiving_high_volume_from_email_server: false}\n"), True),
        (write("events.csv", "day\n"), True),
        (write("nilometer.yaml", CONFIG + "# as it was\n"), False),
        (write("logs/b.log", "x"), False),
        (write("data/alive/daemon.json", "{}"), False),
        (write("data/alerts/day=2026-10-01/.part.tmp", "x"), False),
    ],
)
def test_what_days_are_judged_by_changes_the_mark_and_nothing_else_does(
    root: Path, change: Callable[[Path], object], seen: bool
) -> None:
    before = mark(open_site(root), LAST)
    assert before == mark(open_site(root), LAST)
    change(root)
    assert (mark(open_site(root), LAST) != before) is seen


def test_another_last_day_is_another_mark(root: Path) -> None:
    assert mark(open_site(root), LAST) != mark(open_site(root), LAST + dt.timedelta(days=1))


def test_of_tables_that_cannot_be_listed_there_is_no_mark(root: Path) -> None:
    (root / "data").rename(root / "elsewhere")
    assert mark(open_site(root), LAST) is None
