"""Abbreviations of zones beside a device's time: the source's own, another that is known, one that may be several."""

import datetime as dt

import polars as pl
import pytest

from pipeline.sources.texts import syslog, zone_names
from tests.pipeline.sources.formats.test_asa import torn
from tests.pipeline.sources.formats.test_cef import ZSCALER as CEF
from tests.pipeline.sources.formats.test_sonicwall import CLOSED as SONICWALL
from tests.pipeline.sources.formats.test_sophos import DEVICE as SOPHOS
from tests.pipeline.sources.formats.test_zscaler import as_pairs
from tests.pipeline.sources.lines import read

DOUBTFUL = "may be several"


@pytest.mark.parametrize(
    ("name", "zone", "hours"),
    [
        ("UTC", "Europe/Berlin", 0),
        ("CET", "UTC", 1),
        ("CEST", "UTC", 2),
        ("CEST", "America/New_York", 2),
        ("EST", "UTC", -5),
        ("EST", "America/Chicago", -5),
        ("EDT", "America/New_York", -4),
        ("EST", "Australia/Sydney", 10),
        ("PST", "Asia/Manila", 8),
        ("MSK", "Europe/Moscow", None),
        ("IST", "UTC", DOUBTFUL),
        ("IST", "Europe/Berlin", DOUBTFUL),
        ("IST", "Asia/Kolkata", 5.5),
        ("IST", "Asia/Jerusalem", 2),
        ("IST", "Europe/Dublin", 1),
        ("CST", "UTC", DOUBTFUL),
        ("CST", "America/Chicago", -6),
        ("CST", "Asia/Shanghai", 8),
        ("BST", "Europe/London", 1),
        ("BST", "Europe/Paris", DOUBTFUL),
        ("AST", "Asia/Riyadh", 3),
        ("AST", "America/Halifax", -4),
        ("XYZ", "UTC", None),
        (None, "UTC", None),
    ],
)
def test_what_a_name_is_worth_depends_on_the_source_s_zone(
    name: str | None, zone: str, hours: float | str | None
) -> None:
    """None is a time of the source's zone, which had its own name at several offsets."""
    names = pl.DataFrame({"n": [name]}, schema={"n": pl.String})
    offset, doubtful = names.select(
        zone_names.offset_us(pl.col("n"), zone).alias("a"), zone_names.is_doubtful(pl.col("n"), zone).alias("b")
    ).row(0)
    known = None if offset is None else offset / 3_600_000_000
    assert (DOUBTFUL if doubtful else known) == hours


@pytest.mark.parametrize(
    ("head", "zone", "expected"),
    [
        ("<166>Nov 20 2026 08:00:00 EST: ", "UTC", "13:00"),
        ("<166>Nov 20 2026 08:00:00 CET fw1 : ", "UTC", "07:00"),
        ("<166>Nov 20 2026 08:00:00 IST: ", "Asia/Kolkata", "02:30"),
        ("<166>Nov 20 2026 08:00:00 IST: ", "Asia/Jerusalem", "06:00"),
        ("<166>Nov 20 2026 08:00:00 IST: ", "UTC", None),
        ("<166>Nov 20 08:00:00 IST: ", "UTC", None),
        ("<166>Nov 20 08:00:00 EST: ", "UTC", "13:00"),
        ("<166>1 2026-11-20T02:30:02Z fw1 - - - - Nov 20 2026 08:00:00 IST: ", "UTC", "02:30"),
        # A firewall's host that is named like a zone.
        ("<166>Nov 20 2026 08:00:00 MSK : ", "UTC", "08:00"),
        ("<166>Nov 20 2026 08:00:00 IST-FW1 : ", "UTC", "08:00"),
        ("<14>Nov 20 2026 08:00:00 MSK ", "UTC", "08:00"),
        ("<14>Nov 20 2026 08:00:00 IST RT_FLOW: ", "UTC", "08:00"),
        ("<142>Nov 20 2026 08:00:00 IST 80DA05C5 (2026-11-20T08:00:00) firewall[10]: ", "UTC", "08:00"),
        ("<14>Nov 20 2026 08:00:00 MSK MSK/box_Firewall_Activity:  Info     fw1 ", "UTC", "08:00"),
    ],
)
def test_a_zone_in_a_header_is_taken_at_its_word_or_leaves_the_time_unknown(
    head: str, zone: str, expected: str | None
) -> None:
    written = int(dt.datetime(2026, 11, 21, tzinfo=dt.UTC).timestamp() * 1e6)
    time = syslog.times(pl.Series([head]), zone, written)["time"][0]
    assert (time and dt.datetime.fromtimestamp(time / 1e6, dt.UTC).strftime("%H:%M")) == expected


@pytest.mark.parametrize(
    ("encoding", "line", "logged"),
    [
        ("asa", torn(head="<166>Nov 20 2026 08:00:10 {}: "), "08:00:10"),
        ("cef", CEF.removeprefix("<14>Nov 20 08:00:56 nss ").replace("08:00:56", "08:00:10 {}"), "08:00:10"),
        ("sonicwall", SONICWALL.replace("10 UTC", "10 {}"), "08:00:10"),
        ("sophos", SOPHOS.replace('timezone="UTC"', 'timezone="{}"'), "08:00:10"),
        ("zscaler", as_pairs(tz="{}"), "08:00:10"),
    ],
)  # fmt: skip
def test_every_format_with_zones_reads_them_alike(encoding: str, line: str, logged: str) -> None:
    assert "{}" in line

    def at(name: str, zone: str = "UTC") -> str | None:
        parsed = read(encoding, line.replace("{}", name), zone=zone)
        if parsed.rows.is_empty():
            assert dict(parsed.account.quarantined) == {"untimed": 1}
            return None
        return str(parsed.rows["log_time"][0].strftime("%H:%M:%S"))

    assert at("UTC") == logged
    assert at("CET") == f"07{logged[2:]}"
    assert at("EST") == f"13{logged[2:]}"
    assert at("IST") is None
    assert at("IST", "Asia/Kolkata") == f"02:30{logged[5:]}"
