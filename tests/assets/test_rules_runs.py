"""The five worked rules in a whole run: each finds its own case, sums hold, and settings make days stale."""

from __future__ import annotations

import csv
import datetime as dt
import io
import json
import shutil
from pathlib import Path

import polars as pl
import pytest
from click.testing import CliRunner, Result

from assets.cli import main
from assets.runner import run_days
from data_quality import profiles
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC
from pipeline.site import open_site
from tests.worlds import FIRST, day, log_path, record

DAYS = 9
LAST = day(DAYS - 1)
MAIL, FILES, DNS = "192.0.2.10", "192.0.2.30", "192.0.2.53"
CONFIG = f"""timezone: UTC
start_date: {FIRST}
lookback_days: 10
sources: [{{name: core, path: "logs/{{day}}/conn*.log"}}]
inventory:
  - {{address: {MAIL}, category: email_server}}
  - {{address: {FILES}, category: file_server}}
  - {{address: {DNS}, category: dns_server}}
rules:
  smtp_senders_sending_high_volume: {{floor: 1000000}}
  hosts_making_many_mail_flows: {{floor: 20}}
  email_server_serving_many_clients: true
  hosts_downloading_high_volume_from_file_server: {{floor: 1000000}}
  hosts_making_many_dns_flows: {{floor: 20}}
"""
EXPECTED = {
    ("smtp_senders_sending_high_volume", "10.0.0.1"),
    ("hosts_making_many_mail_flows", "10.0.0.2"),
    ("email_server_serving_many_clients", MAIL),
    ("hosts_downloading_high_volume_from_file_server", "10.0.0.3"),
    ("hosts_making_many_dns_flows", "10.0.0.4"),
}


def flows(of: dt.date, client: str, server: str, port: int, count: int, sent: int, received: int) -> list[str]:
    noon, lines = dt.datetime.combine(of, dt.time(12), dt.UTC), []
    for n in range(count):
        uid = f"C{of}-{client}-{server}-{port}-{n}"
        facts = json.loads(record(noon + dt.timedelta(seconds=n), client, received, uid, server))
        facts |= {"id.resp_p": port, "id.orig_p": 20_000 + n, "orig_ip_bytes": sent}
        lines.append(json.dumps(facts | {"proto": "udp" if port == 53 else "tcp"}) + "\n")
    return lines


def write_day(folder: Path, of: dt.date) -> None:
    """Four clients that do the same every day but the last, when each does one thing far more, and sixty come anew."""
    last, lines = of == LAST, []
    for number in (1, 2, 3, 4):
        client, odd = f"10.0.0.{number}", (of.day * 7 + number * 3) % 5
        if number == 1:
            lines += flows(of, client, MAIL, 25, 1, 5_000_000 if last else 9_000 + odd, 900)
        lines += flows(of, client, MAIL, 993, 40 if last and number == 2 else 2, 90, 2_000 + odd)
        lines += flows(of, client, FILES, 445, 1, 90, 9_000_000 if last and number == 3 else 50_000 + odd)
        lines += flows(of, client, DNS, 53, 40 if last and number == 4 else 3, 70, 150)
    for number in range(60 * last):
        lines += flows(of, f"10.0.9.{number}", MAIL, 993, 1, 90, 2_000)
    path = log_path(folder, of)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(lines), encoding="utf-8")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("rules") / "site"
    folder.mkdir()
    (folder / "nilometer.yaml").write_text(CONFIG, encoding="utf-8")
    for number in range(DAYS):
        write_day(folder, day(number))
    report = run_days(open_site(folder), [day(n) for n in range(DAYS)])
    assert report.good, [d.reasons for d in report.days]
    return folder


def call(*words: object, site: Path) -> Result:
    return CliRunner().invoke(main, ["--site", str(site), *map(str, words)])


def test_each_rule_finds_its_own_case_and_nothing_else(ran: Path) -> None:
    site = open_site(ran)
    found = site.storage.scan(ALERTS, site.storage.days("alerts")).collect()
    beyond = {(r, c) for r, c in found.select("rule_id", "client").iter_rows() if "email_servers_" not in r}
    assert {x for x in beyond if x[0] != "hosts_receiving_high_volume_from_email_server"} == EXPECTED
    assert set(found["day"]) == {LAST}


def test_rules_share_a_series_and_each_series_has_its_own_rows(ran: Path) -> None:
    site = open_site(ran)
    daily = site.storage.read_day(DAILY_TRAFFIC, LAST)
    assert set(daily["measure"]) == {m.id for m in site.measures if m.category_side == "dest"}
    values = {(r["measure"].split()[0], r["client"]): r["bytes"] for r in daily.iter_rows(named=True)}
    assert values["peers", MAIL] == 64
    assert values["bytes_out", "10.0.0.1"] == 5_000_000


def test_alerts_of_counts_say_what_they_count(ran: Path) -> None:
    result = call("alerts", "--day", LAST, "--rule", "hosts_making_many_dns_flows", "--format", "csv", site=ran)
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert list(row)[:5] == ["src_ip", "_time", "flows", "avg_flows", "per_source_avg_flows"]
    assert (row["src_ip"], row["flows"], row["per_source_avg_flows"]) == ("10.0.0.4", "40", "3.0")
    table = call("alerts", "--day", LAST, site=ran).stdout
    assert "40 flows" in table
    assert "64 other ends" in table
    lines = [json.loads(x) for x in call("alerts", "--day", LAST, "--format", "jsonl", site=ran).stdout.splitlines()]
    told = {x["rule_id"]: x["message"].split(" on ")[0] for x in lines}
    assert told["hosts_making_many_dns_flows"] == "10.0.0.4 had 40 flows with dns servers"
    assert told["email_server_serving_many_clients"] == f"{MAIL} had flows with 64 different other hosts"
    assert told["smtp_senders_sending_high_volume"] == "10.0.0.1 sent 5 MB to email servers"
    assert told["hosts_downloading_high_volume_from_file_server"] == "10.0.0.3 received 9 MB from file servers"


def test_new_groups_make_scored_days_stale_and_say_so(ran: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(ran, tmp_path / "site")
    assert "the groups changed" not in call("status", site=copy).stdout
    (copy / "nilometer.yaml").write_text(CONFIG + "groups: {odd: [10.0.0.3]}\n", encoding="utf-8")
    assert "the groups changed" in call("status", site=copy).stdout


def test_the_checks_notice_a_lost_row_of_a_distinct_count_and_an_alert_that_no_gate_explains(
    ran: Path, tmp_path: Path
) -> None:
    site = open_site(shutil.copytree(ran, tmp_path / "site"))
    assert profiles.daily_traffic_valid(site, LAST)["sum_mismatches"] == 0
    assert profiles.anomaly_scores_valid(site, LAST)["gate_mismatches"] == 0
    daily, scores = (site.storage.read_day(t, LAST) for t in (DAILY_TRAFFIC, ANOMALY_SCORES))
    peers = pl.col("measure").str.starts_with("peers")
    site.storage.write_day(DAILY_TRAFFIC, LAST, daily.filter(~peers), inputs={}, facts={})
    assert profiles.daily_traffic_valid(site, LAST)["sum_mismatches"] == 1
    below = pl.when(pl.col("rule_id") == "email_server_serving_many_clients").then(49).otherwise("bytes")
    site.storage.write_day(ANOMALY_SCORES, LAST, scores.with_columns(bytes=below), inputs={}, facts={})
    assert profiles.anomaly_scores_valid(site, LAST)["gate_mismatches"] == 1


def test_a_window_day_whose_logs_were_not_read_is_no_day_of_silence(ran: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(ran, tmp_path / "site", ignore=shutil.ignore_patterns("data", "dagster_home"))
    log_path(copy, day(3)).unlink()
    site = open_site(copy)
    run_days(site, [day(n) for n in range(DAYS)])
    scores = [s.storage.read_day(ANOMALY_SCORES, LAST) for s in (open_site(ran), site)]
    mine = [s.filter(rule_id="smtp_senders_sending_high_volume", client="10.0.0.1")["n"].item() for s in scores]
    assert mine == [DAYS, DAYS - 1]
