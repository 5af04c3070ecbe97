"""Alerts: stable ids, the evidence behind each, what the message admits, and the table of the original search."""

from __future__ import annotations

import datetime as dt
import json
from typing import Any

import polars as pl
import pytest

from pipeline.alerts import alert_id, build_alerts, human, seed_table, with_values
from pipeline.detections import Rule, load_rules
from pipeline.schemas import ALERTS, ANOMALY_SCORES, FLOWS

DAY = dt.date(2026, 6, 30)
NOON = dt.datetime(2026, 6, 30, 12, tzinfo=dt.UTC)
TWIN, SEED = load_rules({}, lookback_days=30)
SEED_COLUMNS = [
    "src_ip",
    "_time",
    "bytes_in",
    "avg_bytes_in",
    "per_source_avg_bytes_in",
    "num_standard_deviations_away_from_server_average",
    "num_standard_deviations_away_from_client_average",
]
Row = dict[str, Any]


def score(client: str, size: int, rule: Rule = SEED, **changes: Any) -> Row:
    usual = {
        "day": DAY,
        "rule_id": rule.id,
        "measure": rule.measure.id,
        "client": client,
        "bytes": size,
        "n": 8,
        "n_past_values": 7,
        "fleet_n": 40,
        "avg_bytes": 200.0,
        "stdev_bytes": 50.0,
        "per_source_avg_bytes": 100.0,
        "per_source_stdev_bytes": 10.0,
        "num_standard_deviations_away_from_server_average": 16.0,
        "num_standard_deviations_away_from_client_average": 90.0,
        "state": "alert",
        "window_days": 30,
        "window_days_present": 30,
        "window_complete": True,
    }
    return usual | changes


def flow(client: str, size: int | None, server: str = "192.0.2.10", **changes: Any) -> Row:
    usual = {
        "flow_uid": f"{client}-{size}",
        "start_time": NOON,
        "src_ip": client,
        "dest_ip": server,
        "dest_port": 993,
        "bytes_in": size,
        "action": "allowed",
        "dest_category": ["email_server"],
        "source": "core",
        "source_file": "conn.log",
        "source_line": 1,
    }
    return usual | changes


def build(
    scores: list[Row],
    flows: list[Row] | None = None,
    rules: tuple[Rule, ...] = (SEED, TWIN),
    quality: str = "verified",
    zone: str = "UTC",
    day: dt.date = DAY,
) -> pl.DataFrame:
    given = ANOMALY_SCORES.conform(pl.DataFrame(scores, schema=ANOMALY_SCORES.schema))
    traffic = FLOWS.conform(pl.DataFrame(flows or [], schema=FLOWS.schema))
    return build_alerts(given, rules, traffic.lazy(), day, zone, quality)


def evidence(alerts: pl.DataFrame, row: int = 0) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(alerts["evidence"][row])
    return found


def test_only_alerting_clients_have_an_alert() -> None:
    states = ["alert", "normal", "learning", "no_history"]
    found = build([score(f"10.0.0.{i}", 1_000, state=s) for i, s in enumerate(states)])
    assert found["client"].to_list() == ["10.0.0.0"]


def test_a_day_without_alerts_has_an_empty_table_of_the_right_types() -> None:
    assert build([score("10.0.0.1", 5, state="normal")]).equals(ALERTS.empty())
    assert build([]).equals(ALERTS.empty())


@pytest.mark.parametrize(
    ("changes", "value", "says"),
    [
        ({}, 5_000, "received 5 kB from email servers"),
        ({"field": "bytes_out"}, 5_000, "sent 5 kB to email servers"),
        ({"field": "bytes"}, 5_000, "exchanged 5 kB with email servers"),
        ({"field": "flows"}, 1, "had 1 flow with email servers"),
        ({"field": "flows", "category": "file-server"}, 1_200, "had 1,200 flows with file servers"),
        ({"field": "peers"}, 7, "had flows with 7 different email servers"),
        ({"field": "peers"}, 1, "had flows with 1 email server on"),
        ({"field": "peers", "subject": "dest_ip"}, 1, "had flows with 1 other host on"),
        ({"category": "mail_servers"}, 5_000, "received 5 kB from mail servers on"),
        ({"category": "proxy"}, 5_000, "received 5 kB from proxies on"),
        ({"category": "mail-gateway"}, 5_000, "received 5 kB from mail gateways on"),
        ({"category": "mailbox"}, 5_000, "received 5 kB from mailboxes on"),
        ({"field": "ports"}, 7, "used 7 ports with email servers"),
        ({"field": "peers", "subject": "dest_ip"}, 7, "had flows with 7 different other hosts"),
        ({"field": "bytes_in", "subject": "dest_ip"}, 5_000, "sent 5 kB to other hosts"),
        ({"field": "bytes_out", "subject": "dest_ip"}, 5_000, "was sent 5 kB from other hosts"),
        ({"field": "bytes_out", "subject": "dest_ip", "category_side": "src"}, 5_000, "was sent 5 kB from email"),
        ({"field": "bytes_in", "subject": "dest_ip", "category_side": "src"}, 5_000, "sent 5 kB to email servers"),
        ({"field": "bytes_in", "category_side": "src"}, 5_000, "received 5 kB from other hosts"),
    ],
)
def test_the_message_tells_who_did_what_to_whom(changes: Row, value: int, says: str) -> None:
    rule = SEED.model_copy(update=changes)
    assert says in build([score("10.0.0.1", value, rule)], rules=(rule,))["message"][0]


def test_a_count_has_no_column_of_bytes_and_stands_in_the_evidence() -> None:
    rule = SEED.model_copy(update={"id": "count", "field": "flows", "reference": "own", "floor": 5})
    unknown = {"avg_bytes": None, "stdev_bytes": None, "fleet_n": 0}
    found = build([score("10.0.0.1", 1_000, rule, **unknown), score("10.0.0.2", 77)], rules=(rule, SEED))
    told = json.loads(found.filter(pl.col("rule_id") == "count")["evidence"][0])
    assert (told["value"], told["field"], told["settings"]) == (1_000, "flows", {"reference": "own", "floor": 5})
    assert told["fleet"] == {"n": 0, "avg": None, "stdev": None, "threshold": None}
    seen = with_values(found).sort("client").select("value", "avg_value", "per_source_avg_value", "field").rows()
    assert seen == [(1_000, None, 100.0, "flows"), (77, 200.0, 100.0, "bytes")]
    table = seed_table(found, rule, "UTC")
    assert table.select("flows", "avg_flows", "per_source_avg_flows").rows() == [(1_000, None, 100.0)]


def test_the_evidence_of_the_seed_has_no_word_of_what_only_others_do() -> None:
    assert not {"settings", "value", "field"} & set(evidence(build([score("10.0.0.1", 1_000)])))


def test_an_id_depends_on_rule_day_and_client_only() -> None:
    first = build([score("10.0.0.1", 1_000)])["alert_id"][0]
    again = build([score("10.0.0.1", 9_999, n=20)], quality="unverified")["alert_id"][0]
    assert first == again == alert_id(SEED.id, DAY, "10.0.0.1")
    others = {alert_id(TWIN.id, DAY, "10.0.0.1"), alert_id(SEED.id, DAY, "10.0.0.2")}
    others |= {alert_id(SEED.id, DAY + dt.timedelta(days=1), "10.0.0.1"), first}
    assert len(others) == 4


def test_an_alert_carries_the_rule_s_own_names_of_subject_and_field() -> None:
    found = build([score("10.0.0.1", 1_000), score("10.0.0.2", 2_000, TWIN)]).sort("client").to_dicts()
    assert (found[0]["src_ip"], found[0]["bytes_in"], found[0]["avg_bytes_in"]) == ("10.0.0.1", 1_000, 200.0)
    assert (found[0]["dest_ip"], found[0]["bytes_out"], found[0]["avg_bytes_out"]) == (None, None, None)
    assert (found[1]["dest_ip"], found[1]["bytes_out"], found[1]["per_source_avg_bytes_out"]) == (
        "10.0.0.2",
        2_000,
        100,
    )
    assert found[0]["techniques"] == ["T1114", "T1114.002"]


def test_the_evidence_names_samples_thresholds_and_the_rule_s_runbook() -> None:
    found = evidence(build([score("10.0.0.1", 1_000)]))
    assert found["n"] == 8
    assert found["fleet"] == {"n": 40, "avg": 200.0, "stdev": 50.0, "threshold": 350.0}
    assert found["client"] == {"n": 7, "avg": 100.0, "stdev": 10.0, "threshold": 130.0}
    assert found["runbook"] == list(SEED.runbook)


def test_the_evidence_lists_each_client_s_own_largest_servers_and_flows() -> None:
    mine = [flow("10.0.0.1", 10 * i, f"192.0.2.{i % 7}", source_line=i) for i in range(1, 20)]
    others = [flow("10.0.0.2", 5_000), flow("10.0.0.3", 7_000), flow("10.0.0.1", 9_000, dest_category=["web"])]
    found = build([score("10.0.0.1", 1_000), score("10.0.0.2", 5_000)], mine + others)
    first, second = evidence(found, 0), evidence(found, 1)
    assert [f["bytes"] for f in first["top_flows"]] == [190, 180, 170, 160, 150]
    assert first["top_flows"][0]["source_line"] == 19
    assert first["top_flows"][0]["start"].startswith("2026-06-30T12:00:00")
    assert first["top_servers"][0] == {"ip": "192.0.2.5", "bytes": 50 + 120 + 190, "flows": 3}
    assert len(first["top_servers"]) == 5
    assert [f["bytes"] for f in second["top_flows"]] == [5_000]


def test_equal_flows_are_listed_in_the_same_order_whatever_order_they_come_in() -> None:
    rows = [flow("10.0.0.1", 7, source_file=f, source_line=n) for f in ("a.log", "b.log") for n in range(1, 6)]
    assert evidence(build([score("10.0.0.1", 70)], rows)) == evidence(build([score("10.0.0.1", 70)], rows[::-1]))


def test_unknown_counts_come_last_in_the_evidence_and_stay_unknown() -> None:
    rows = [flow("10.0.0.1", None, "192.0.2.11"), flow("10.0.0.1", 5)]
    found = evidence(build([score("10.0.0.1", 5)], rows))
    assert [f["bytes"] for f in found["top_flows"]] == [5, None]
    assert [s["bytes"] for s in found["top_servers"]] == [5, None]


def test_the_evidence_of_the_null_client_holds_its_flows() -> None:
    rule = SEED.model_copy(update={"null_client": "literal"})
    given = FLOWS.conform(pl.DataFrame([flow("10.0.0.1", 5)], schema=FLOWS.schema)).with_columns(
        src_ip=pl.lit(None, pl.String)
    )
    scores = ANOMALY_SCORES.conform(pl.DataFrame([score("null", 5)], schema=ANOMALY_SCORES.schema))
    found = build_alerts(scores, [rule], given.lazy(), DAY, "UTC", "verified")
    assert [f["bytes"] for f in evidence(found)["top_flows"]] == [5]


def test_a_message_compares_with_the_client_s_own_average() -> None:
    text = build([score("10.0.0.1", 1_000_000)])["message"][0]
    assert text == "10.0.0.1 received 1 MB from email servers on 2026-06-30, 10,000.0 times its own average of 100 B."


def test_a_message_compares_with_nothing_where_the_average_is_zero() -> None:
    text = build([score("10.0.0.1", 1_000, TWIN, per_source_avg_bytes=0.0)])["message"][0]
    assert text == "10.0.0.1 was sent 1 kB from email servers on 2026-06-30."


@pytest.mark.parametrize("quality", ["unverified", "partial"])
def test_a_message_admits_that_the_day_is_not_verified(quality: str) -> None:
    found = build([score("10.0.0.1", 1_000)], quality=quality)
    assert f"The day's data is {quality}." in found["message"][0]
    assert found["quality"][0] == quality


def test_a_message_admits_that_past_days_are_missing() -> None:
    found = build([score("10.0.0.1", 1_000, window_complete=False, window_days_present=12)])
    assert found["message"][0].endswith("Only 12 of 30 past days were there to compare with.")
    assert not found["window_complete"][0]


def test_the_table_has_the_search_s_columns_largest_first_then_by_client() -> None:
    sizes = {"10.0.0.3": 500, "10.0.0.1": 500, "10.0.0.2": 9_000, "10.0.0.10": 500}
    table = seed_table(build([score(c, n) for c, n in sizes.items()]), SEED, "UTC")
    assert table.columns == SEED_COLUMNS
    assert table["src_ip"].to_list() == ["10.0.0.2", "10.0.0.1", "10.0.0.10", "10.0.0.3"]


def test_the_twin_s_table_uses_its_own_names() -> None:
    table = seed_table(build([score("10.0.0.2", 2_000, TWIN)]), TWIN, "UTC")
    assert table.columns[:4] == ["dest_ip", "_time", "bytes_out", "avg_bytes_out"]
    assert table.columns[5:] == SEED_COLUMNS[5:]


def test_the_table_is_of_one_rule_and_has_its_header_when_empty() -> None:
    table = seed_table(build([score("10.0.0.2", 2_000, TWIN)]), SEED, "UTC")
    assert (table.columns, table.height) == (SEED_COLUMNS, 0)


@pytest.mark.parametrize(
    ("zone", "day", "time"),
    [
        ("UTC", dt.date(2026, 6, 30), "2026-06-30T00:00:00+00:00"),
        ("Europe/Berlin", dt.date(2026, 3, 29), "2026-03-29T00:00:00+01:00"),
        ("Europe/Berlin", dt.date(2026, 3, 30), "2026-03-30T00:00:00+02:00"),
        ("Europe/Berlin", dt.date(2026, 10, 25), "2026-10-25T00:00:00+02:00"),
        ("America/New_York", dt.date(2024, 11, 3), "2024-11-03T00:00:00-04:00"),
        ("Asia/Kathmandu", dt.date(2026, 6, 30), "2026-06-30T00:00:00+05:45"),
        ("Africa/Cairo", dt.date(2024, 4, 26), "2024-04-26T01:00:00+03:00"),
        ("America/Sao_Paulo", dt.date(2018, 11, 4), "2018-11-04T01:00:00-02:00"),
    ],
)
def test_time_is_the_first_instant_of_the_day_with_the_zone_s_offset(zone: str, day: dt.date, time: str) -> None:
    table = seed_table(build([score("10.0.0.1", 1_000, day=day)], zone=zone, day=day), SEED, zone)
    assert table["_time"].to_list() == [time]


@pytest.mark.parametrize(
    ("size", "text"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (999.7, "1 kB"),
        (1_234, "1.23 kB"),
        (999_499, "999 kB"),
        (999_999, "1 MB"),
        (999_999_999, "1 GB"),
        (1_500_000_000_000, "1.5 TB"),
        (10**16, "10,000 TB"),
    ],
)
def test_sizes_are_never_written_with_an_exponent(size: float, text: str) -> None:
    assert human(size) == text
