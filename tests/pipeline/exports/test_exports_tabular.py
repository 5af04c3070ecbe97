"""CSV for spreadsheets and scripts: one header, empty for what is not known, and no cell that is run as a formula."""

from __future__ import annotations

import csv
import datetime as dt
import io

import polars as pl
import pytest

from pipeline.exports import alerts_csv, csv_text
from pipeline.schemas import ALERTS


def cells(text: str) -> list[list[str]]:
    return list(csv.reader(io.StringIO(text, newline="")))


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20"])
def test_text_that_a_spreadsheet_would_run_is_marked_and_no_other(begin: str) -> None:
    frame = pl.DataFrame({"a": [f"{begin}1+1", f"x{begin}1"], "number": [-1, 2]})
    assert cells(csv_text(frame)) == [["a", "number"], [f"'{begin}1+1", "-1"], [f"x{begin}1", "2"]]


def test_any_text_comes_back_as_it_was_and_what_is_unknown_is_empty() -> None:
    odd = ['say "hi", then', "two\nlines", "", "=", None]
    frame = pl.DataFrame({"text": odd, "list": [["a", "b"], [], ["c"], None, ["=d"]]})
    shown = [r[0] for r in cells(csv_text(frame))[1:]]
    assert shown == ['say "hi", then', "two\nlines", "", "'=", ""]
    assert [r[1] for r in cells(csv_text(frame))[1:]] == ["a b", "", "c", "", "'=d"]
    assert cells(csv_text(frame.clear())) == [["text", "list"]]


def test_the_time_of_an_alert_has_the_offset_that_its_day_began_with() -> None:
    days = {dt.date(2026, 10, 25): "2026-10-25T00:00:00+02:00", dt.date(2026, 10, 26): "2026-10-26T00:00:00+01:00"}
    starts = [dt.datetime(2026, 10, 24, 22, tzinfo=dt.UTC), dt.datetime(2026, 10, 25, 23, tzinfo=dt.UTC)]
    rows = [dict.fromkeys(ALERTS.schema.names()) | {"day": d, "_time": t} for d, t in zip(days, starts, strict=True)]
    head, *told = cells(alerts_csv(pl.DataFrame(rows, schema=ALERTS.schema), "Europe/Berlin"))
    assert head == ALERTS.schema.names()
    assert [r[head.index("_time")] for r in told] == list(days.values())
