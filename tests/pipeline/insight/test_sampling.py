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
