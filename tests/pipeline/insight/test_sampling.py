"""What the newest files of a source say of it before anything is stored."""

import datetime as dt
from pathlib import Path

import pytest

from pipeline.insight.sampling import samples
from tests.worlds import day, log_path, make_site

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
DAY = day(0)
DNS = '{"_path":"dns","ts":1,"query":"example.com"}\n'
CONN = '{"_path":"conn","ts":1790856000.5,"id.orig_h":"10.0.0.1","id.resp_h":"198.51.100.9","resp_ip_bytes":9}\n'


EVE = '{"event_type":"flow","src_ip":"10.0.0.1","dest_ip":"198.51.100.9","flow":{"bytes_toclient":1}}\n'


def test_records_that_make_a_volume_doubtful_are_told_of_by_name_and_meaning(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    log_path(tmp_path, DAY).parent.mkdir(parents=True, exist_ok=True)
    log_path(tmp_path, DAY).write_text(EVE + CONN.replace("}", ',"conn_state":"SF"}') * 2, encoding="utf-8")
    (sample,) = samples(site, NOW)
    assert sample.doubts(sampled="kept") == [
        "source core: 2 lines_of_zeek in 3 records looked at: lines of zeek among those looked at, which count "
        "nothing: give them a source of their own."
    ]
    sample.account.warnings.update(sampled_counters=1, blocked=9)
    assert [len(sample.doubts(sampled=how)) for how in ("kept", "multiplied")] == [2, 1]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (DNS * 3, "none of the 3 records looked at is a flow"),
        (DNS + CONN, None),
        (DNS + "rubbish\n", "none of the 1 record looked at is a flow"),
        ("rubbish\n", None),  # What cannot be read is told of otherwise.
        ("", None),
    ],
)
def test_a_source_whose_records_are_all_of_another_kind_is_told_of(tmp_path: Path, text: str, told: str | None) -> None:
    site = make_site(tmp_path, 1)
    log_path(tmp_path, DAY).parent.mkdir(parents=True, exist_ok=True)
    log_path(tmp_path, DAY).write_text(text, encoding="utf-8")
    said = [s.without_flows for s in samples(site, NOW)]
    assert said in ([], [None]) if told is None else told in str(said)
