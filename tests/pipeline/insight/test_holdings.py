"""What has been read of each source so far: files, lines and days of the ledger, added up."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from pipeline.insight.holdings import Holding, holdings
from pipeline.intake.ledger import Entry, Part
from pipeline.sources.base import Account

READ = Entry("core", "a.log", 1, 1, "landed", "", parts=[
    Part("a", account=Account(lines=9, flows=3, others=2, comments=3, quarantined=Counter(bad_time=1)),
         first_day="2026-10-02", last_day="2026-10-03"),
    Part("b", account=Account(lines=1, ignored=1)),
], tail=Part("c", account=Account(lines=1, flows=1), first_day="2026-10-01", last_day="2026-10-01"))  # fmt: skip


def test_lines_and_days_of_all_parts_and_the_tail_count() -> None:
    assert holdings(["core"], [READ]) == [Holding("core", 1, 0, 11, 6, 1, "2026-10-01", "2026-10-03")]


def test_copies_files_that_are_gone_unread_and_files_of_nobody_count_nowhere() -> None:
    others = [
        Entry("core", "copy.log", 1, 1, "duplicate", ""),
        Entry("core", "looked-at.log", 1, 1, "peeked", ""),
        Entry("core", "gone.log", 1, 1, "failed", "", missing=True),
        Entry("core", "broken.log", 1, 1, "failed", ""),
        replace(READ, name="left.log", left_out=True),
        replace(READ, source="former"),
    ]
    assert holdings(["core", "edge"], others) == [Holding("core", failed=1), Holding("edge")]
