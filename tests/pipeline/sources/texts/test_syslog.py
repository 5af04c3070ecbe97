"""Times and hosts of syslog headers: with a year or without, with an offset or in the source's zone."""

import datetime as dt

import polars as pl
import pytest

from pipeline.sources.texts import syslog


def at(head: str, zone: str = "UTC") -> tuple[str | None, bool]:
    time, assumed = syslog.times(pl.Series([head]), zone).row(0)
    moment = None if time is None else dt.datetime.fromtimestamp(time / 1e6, dt.UTC)
    return (None if moment is None else moment.strftime("%Y-%m-%d %H:%M:%S.%f")[:-3], assumed)


@pytest.mark.parametrize(
    ("head", "zone", "expected"),
    [
        ("<166>Nov 20 2026 00:01:00: ", "UTC", "2026-11-20 00:01:00.000"),
        ("<166>Nov 20 2026 00:01:00: ", "Europe/Berlin", "2026-11-19 23:01:00.000"),
        ("<166>Nov 20 2026 00:01:00 UTC: ", "Europe/Berlin", "2026-11-20 00:01:00.000"),
        ("<166>Nov 20 2026 00:01:00.125 fw1 : ", "UTC", "2026-11-20 00:01:00.125"),
        ("<166>Nov  2 00:01:00 2026 fw1: ", "UTC", "2026-11-02 00:01:00.000"),
        ("<166>2026-11-20T00:01:00Z: ", "Europe/Berlin", "2026-11-20 00:01:00.000"),
        ("<166>1 2026-11-20T00:01:00.5+01:00 fw1 - - - - ", "UTC", "2026-11-19 23:01:00.500"),
        ("2026-11-20 00:01:00,250 fw1 ", "Europe/Berlin", "2026-11-19 23:01:00.250"),
        # The device's own time stands last; the header's offset counts where both show one clock.
        ("<166>1 2026-11-20T00:01:02+01:00 fw1 - - - - Nov 20 2026 00:01:00: ", "UTC", "2026-11-19 23:01:00.000"),
        ("<166>1 2026-11-20T05:01:02+00:00 fw1 - - - - Nov 20 2026 00:01:00: ", "America/New_York",
         "2026-11-20 05:01:00.000"),
        ("Nov 20 00:01:02 relay Nov 20 2026 00:01:00: ", "UTC", "2026-11-20 00:01:00.000"),
        # The hour that summer time skips, and the one that comes twice.
        ("<166>Mar 29 2026 02:30:00: ", "Europe/Berlin", None),
        ("<166>Oct 25 2026 02:30:00: ", "Europe/Berlin", "2026-10-25 00:30:00.000"),
        ("<166>Feb 30 2026 00:00:00: ", "UTC", None),
        ("no time", "UTC", None),
        ("", "UTC", None),
    ],
)  # fmt: skip
def test_the_time_of_a_header(head: str, zone: str, expected: str | None) -> None:
    assert at(head, zone) == (expected, False)


@pytest.mark.parametrize("back", [0, 1, 40, 363])
def test_a_time_without_a_year_is_the_newest_that_is_not_ahead(back: int) -> None:
    day = dt.datetime.now(dt.UTC).replace(microsecond=0) - dt.timedelta(days=back)
    if (day.month, day.day) != (2, 29):
        assert at(f"<166>{day:%b} {day.day:>2} {day:%H:%M:%S} fw1: ") == (f"{day:%Y-%m-%d %H:%M:%S}.000", True)


@pytest.mark.parametrize(
    ("written", "year"),
    [("2024-11-20T06:00:00", 2024), ("2024-11-19T06:00:00", 2024), ("2024-11-18T00:00:00", 2023), ("2025-01-01", 2024)],
)
def test_a_time_without_a_year_is_not_later_than_its_file(written: str, year: int) -> None:
    at_us = int(dt.datetime.fromisoformat(written).replace(tzinfo=dt.UTC).timestamp() * 1e6)
    time, assumed = syslog.times(pl.Series(["<166>Nov 20 00:01:00 fw1: "]), "UTC", at_us).row(0)
    assert (dt.datetime.fromtimestamp(time / 1e6, dt.UTC).year, assumed) == (year, True)


def test_a_file_of_no_time_tells_no_year() -> None:
    head = pl.Series(["<166>Nov 20 00:01:00 fw1: "])
    assert syslog.times(head, "UTC", 0).equals(syslog.times(head, "UTC"))


def test_a_time_without_a_year_may_name_utc() -> None:
    assert at("<166>Jan  2 12:00:00 UTC: ", "Asia/Tokyo")[0][5:] == "01-02 12:00:00.000"  # type: ignore[index]
    assert at("<166>Jan  2 12:00:00: ", "Asia/Tokyo")[0][5:] == "01-02 03:00:00.000"  # type: ignore[index]


def test_the_last_of_february_is_of_a_leap_year() -> None:
    time, assumed = at("<166>Feb 29 12:00:00 fw1: ")
    assert time is not None and assumed
    assert int(time[:4]) % 4 == 0 and time[4:] == "-02-29 12:00:00.000"


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        ("<166>Nov 20 2026 00:01:00 fw1 : %ASA-6-302014: ", "fw1"),
        ("<166>Nov 20 2026 00:01:00: %ASA-6-302014: ", None),
        ("<166>Nov 20 2026 00:01:00 EST: %ASA-6-302014: ", None),
        ("Aug  1 14:01:20 abc-asa1: %ASA-6-302013: ", "abc-asa1"),
        ("<166>1 2026-11-20T00:01:00Z fw1 - - - - %ASA-6-302013: ", "fw1"),
        ("ASA-6-302013: ", None),
    ],
)
def test_the_host_of_a_header(head: str, expected: str | None) -> None:
    assert pl.DataFrame({"raw": [head]}).select(syslog.host(pl.col("raw"))).item() == expected


def test_what_begins_as_a_syslog_message() -> None:
    heads = ["<14>x", "Nov 20 00:01:00 h p: x", "2026-11-20T00:01:00Z h p: x", "953 <14>1 x", "x <14>", "{", "Nov x"]
    found = pl.DataFrame({"raw": heads}).select(syslog.is_message()).to_series().to_list()
    assert found == [True, True, True, True, False, False, False]
