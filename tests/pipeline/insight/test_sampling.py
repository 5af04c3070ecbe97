"""What the newest files of a source say of it before anything is stored."""

import datetime as dt
import json
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from pipeline.insight.sampling import clocks_apart, samples
from pipeline.site import open_site
from tests.worlds import day, log_path, make_site

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
DAY = day(0)
DAY_BEGINS = dt.datetime(2026, 11, 20, 8, tzinfo=dt.UTC)
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


def session(i: int, clock: dt.tzinfo) -> tuple[dt.datetime, int, int]:
    """When a session began, as a clock tells it, its port and what the client received."""
    return (DAY_BEGINS + dt.timedelta(seconds=97 * i)).astimezone(clock), 50_000 + i, 5_420 + 300 * i


@pytest.mark.parametrize(("zone", "told"), [("Europe/Berlin", 0), ("UTC", 1)])
def test_sources_whose_times_are_whole_hours_apart_are_told_of(tmp_path: Path, zone: str, told: int) -> None:
    with (tmp_path / "zeek.log").open("w", encoding="utf-8") as log:
        for at, port, received in (session(i, dt.UTC) for i in range(30)):
            ends = {"id.orig_h": "10.0.0.1", "id.orig_p": port, "id.resp_h": "192.0.2.25", "id.resp_p": 993}
            sizes = {"proto": "tcp", "orig_ip_bytes": 400, "resp_ip_bytes": received, "conn_state": "SF"}
            log.write(json.dumps({"ts": at.timestamp(), "uid": f"C{port}"} | ends | sizes) + "\n")
    with (tmp_path / "proxy.csv").open("w", encoding="utf-8") as log:
        log.write("c,cp,s,sp,at,down,up\n")
        for at, port, received in (session(i, ZoneInfo("Europe/Berlin")) for i in range(30)):
            log.write(f"10.0.0.1,{port},192.0.2.25,993,{at:%Y-%m-%d %H:%M:%S},{received},400\n")
    fields = "{src_ip: c, src_port: cp, dest_ip: s, dest_port: sp, start_time: at, bytes_in: down, bytes_out: up}"
    (tmp_path / "nilometer.yaml").write_text(
        "sources:\n- {name: core, path: zeek.log}\n"
        f"- {{name: proxy, path: proxy.csv, format: table, timezone: {zone}, fields: {fields}}}\n"
        "inventory:\n- {address: 192.0.2.25, category: email_server}\n",
        encoding="utf-8",
    )
    said = clocks_apart(samples(open_site(tmp_path), NOW))
    assert [s.partition(".")[0] for s in said] == told * [
        "sensors core and proxy: 30 sessions that both tell begin 60 minutes later at proxy"
    ]
