"""Records of real exports before any are brought together: sums by direction, times (needs NILOMETER_SAMPLES)."""

import polars as pl
import pytest

from pipeline.settings import LimitSettings
from pipeline.sources.base import DocumentReader, ReadOptions, merge
from pipeline.sources.reading import LineStream
from pipeline.sources.registry import READERS, detect
from pipeline.sources.watch import Watch
from tests.pipeline.sources.lines import LATEST
from tests.real_files import SAMPLES, needs_samples

UNCLEAR = 2_678
"""Bytes of nfdump's records between two ports of no service, which count as sent by the record's source."""
LOSSES = {"no_reverse_counters": 14}
TOTALS = {"direction_unknown": 1_786, "not_ip": 1_203}
KNOWN = {
    "nfdump_csv/gen171-mail.csv": (41, 232_764, 45_373 + UNCLEAR, "1999-11-11T21:55:27.000", {}),
    "nfdump_csv/gen171-mail-tz-newyork.csv": (41, 232_764, 45_373 + UNCLEAR, "1999-11-11T21:55:27.000", {}),
    "nfdump_csv/gen171-mail-long.txt": (41, 232_764, 45_373 + UNCLEAR, "1999-11-11T21:55:27.542", {}),
    "nfdump_csv/gen171-mail-biflow.csv": (20, 232_816, 45_466 + 2_533, "1999-11-11T21:55:27.000", {}),
    "nfdump_json/gen171-mail.json": (41, 232_764, 45_373 + UNCLEAR, "1999-11-11T21:55:27.542", {}),
    "nfdump_json/gen171-mail-biflow.json": (20, 0, 45_373 + 2_626, "1999-11-11T21:55:27.542", LOSSES),
    "argus_csv/gen-mail.binetflow": (20, 238_782, 54_903, "1999-11-11T21:55:27.542", {}),
    "argus_csv/gen-mail-dbytes.csv": (20, 238_782, 54_903, "1999-11-11T21:55:27.542", {}),
    "argus_csv/gen-pop3-status5s.csv": (7, 170_799, 12_663, "2020-04-20T21:14:14.957", {}),
    "argus_csv/vast-argus-m57.csv.gz": (1_786, 0, 0, "2009-11-18T09:00:03.914", TOTALS),
}


@needs_samples
@pytest.mark.parametrize("name", KNOWN)
def test_the_records_of_a_real_export_give_their_known_sums(name: str) -> None:
    stream = LineStream(SAMPLES / name, LimitSettings(), name)
    blocks = list(stream.blocks())
    stream.close()
    data = b"".join(b.data for b in blocks)
    encoding = detect(data[:65_536], "auto", name)
    assert encoding is not None
    zone = "America/New_York" if "newyork" in name else "UTC"
    reader = READERS[encoding](ReadOptions(Watch(None), LATEST, timezone=zone))
    if data.startswith(b"["):
        assert isinstance(reader, DocumentReader)
        parsed = reader.read_array(data)
    else:
        parsed = merge([reader.read(b) for b in blocks])
    layer = "other" if encoding == "argus" else "ip"
    first = parsed.rows.select(pl.col("start_time").dt.strftime("%Y-%m-%dT%H:%M:%S%.3f").min()).item()
    sums = [parsed.rows[f"{layer}_bytes_{side}"].sum() for side in ("in", "out")]
    assert (parsed.account.flows, *sums, first, dict(parsed.account.warnings)) == KNOWN[name]
    assert parsed.account.balanced
    assert not parsed.account.quarantined
