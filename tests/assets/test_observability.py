"""Logs, metrics, costs and tags of runs, each read back by the reader it is meant for."""

import datetime as dt
import json
import re
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import dagster as dg
import pytest
from click.testing import CliRunner, Result

from assets import runner
from assets.build import build_defs
from assets.cli import main
from assets.processes.instances import open_instance
from assets.reporting import costs, journal, metrics
from assets.reporting.about import about
from assets.reporting.dagster_log import LOGGED, json_lines
from assets.schedules import JOB
from pipeline.schemas import ALERTS, QUALITIES
from pipeline.site import PROJECT, Site
from tests.assets.test_runs import CHAIN, days
from tests.worlds import CONFIG, SEED, TWIN, day, log_path, make_site

OPERATIONS = (PROJECT / "docs" / "operations.md").read_text(encoding="utf-8")
DAYS = 2
COST = {"seconds", "cpu_seconds", "peak_memory_bytes", "bytes_read", "bytes_written"}


@pytest.fixture(autouse=True)
def _nothing_said_or_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (journal.ENV_FORMAT, *metrics.OTLP_ENDPOINTS):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(metrics, "_said", set())
    monkeypatch.setattr(metrics, "_published", {})


def run(site: Site, *words: object) -> Result:
    return CliRunner(env={journal.ENV_FORMAT: None}).invoke(
        main, ["--site", str(site.root), *map(str, words), "run", "--from", str(day(0)), "--to", str(day(DAYS - 1))]
    )


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_logs_for_machines_are_one_object_a_line_and_name_day_stage_rows_and_cost(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", DAYS)
    with log_path(site.root, day(1)).open("a", encoding="utf-8") as log:
        log.write("no record at all\n" * 40)
    result = run(site, "--log-format", "json")
    found = lines(result.stderr)
    assert all({"time", "level", "event"} <= set(f) for f in found)
    done = [f for f in found if f["event"] == "stage_done"]
    assert {(f["stage"], f["day"]) for f in done} == {(t.name, str(d)) for t in CHAIN for d in days(DAYS)}
    assert len({f["run_id"] for f in done}) == 1
    assert all(set(f) >= COST and f["seconds"] > 0 for f in done)
    rows = {(f["stage"], f["day"]): f["rows"] for f in done}
    assert rows["flows", str(day(0))] == 3
    checks = [f for f in found if f["event"] == "check_failed" and f["stage"] == "flows"]
    assert {c["day"] for c in checks} == {str(day(1))}
    assert [f["success"] for f in found if f["event"] == "run_ended"] == [True]
    assert "2 days" in result.stdout


def test_a_failed_day_and_an_error_are_lines_too(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", DAYS)
    log_path(site.root, day(0)).write_bytes(b"\x1f\x8b no gzip\nforged: line")
    found = lines(run(site, "--log-format", "json").stderr)
    failed = [f for f in found if f["event"] == "stage_failed"]
    assert [(f["stage"], f["day"], f["level"]) for f in failed] == [("flows", str(day(0)), "error")]
    lonely = CliRunner(env={journal.ENV_FORMAT: "json"}).invoke(main, ["--site", str(tmp_path), "status"])
    assert [f["level"] for f in lines(lonely.stderr)] == ["error"]


def test_runs_of_the_daemon_log_dagsters_messages_in_the_same_form(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    site = make_site(tmp_path / "site", 1)
    assert build_defs(site).loggers is None
    monkeypatch.setenv(journal.ENV_FORMAT, "json")
    assert build_defs(site).loggers == {"console": json_lines}

    tags = {"dagster/partition": str(day(0))}
    runner.run_days(site, days(1))
    with open_instance(site) as instance:
        daily = build_defs(site).resolve_job_def(JOB)
        daily.execute_in_process(
            instance=instance, tags=tags, asset_selection=[dg.AssetKey("flows")], run_config=LOGGED
        )
    found = lines(capsys.readouterr().err)
    assert "stage_done" in {f["event"] for f in found}

    @dg.op
    def speaks(context: dg.OpExecutionContext) -> None:
        context.log.warning("two\nlines")

    @dg.job(logger_defs={"console": json_lines})
    def speaking() -> None:
        speaks()

    result = speaking.execute_in_process(run_config=LOGGED)
    found = lines(capsys.readouterr().err)
    said = next(f for f in found if f["message"] == "two\nlines")
    assert (said["level"], said["stage"], said["run_id"]) == ("warning", "speaks", result.run_id)


def test_every_materialisation_has_its_cost_as_numbers_and_no_table_has(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", DAYS)
    runner.run_days(site, days(DAYS))
    with open_instance(site) as instance:
        for table in CHAIN:
            for record in instance.fetch_materializations(dg.AssetKey(table.name), limit=10).records:
                assert record.asset_materialization is not None
                shown = {k: v.value for k, v in record.asset_materialization.metadata.items()}
                assert all(isinstance(shown[k], int | float) for k in COST)
                path = site.storage.path(table.name, day(0))
                assert record.partition_key != str(day(0)) or shown["bytes_written"] == path.stat().st_size
                assert shown["peak_memory_bytes"] > 50_000_000
                told = {k for k in shown if not k.startswith("dagster/")}
                assert [k for k in told if f"`{k}`" not in about(table)] == []
        tags = instance.get_runs()[0].tags
    assert tags["nilometer/site"] == "site"
    assert tags["nilometer/days"] == f"{day(0)} to {day(1)}"
    assert SEED in tags["nilometer/rules"]
    assert tags["nilometer/version"]
    known = {t.name for t in CHAIN}
    made = [p.name for p in site.storage.root.iterdir() if p.name not in known]
    assert [name for name in made if f"`data/{name}" not in OPERATIONS] == []
    for table in CHAIN:
        record_ = site.storage.record(table.name, day(0))
        assert record_ is not None
        assert not COST & {*record_.facts, *record_.inputs, *table.schema}


def test_a_days_cost_counts_what_it_was_made_from(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", DAYS)
    runner.run_days(site, days(DAYS))
    made = site.storage.record("anomaly_scores", day(1))
    assert made is not None
    sources = [site.storage.path(t, day(1)) for t in ("daily_traffic", "traffic_baseline")]
    assert costs.bytes_of(site, made)[0] == sum(p.stat().st_size for p in sources)


def test_peak_memory_is_that_of_the_work_and_not_of_the_process() -> None:
    meter = costs.Meter()
    low = meter.cost().peak_memory_bytes
    block = bytearray(b"x" * 80_000_000)
    high = meter.cost().peak_memory_bytes
    del block
    assert high - low > 60_000_000
    if Path("/proc/self/clear_refs").exists():
        assert costs.Meter().cost().peak_memory_bytes < high - 40_000_000


def test_every_event_of_the_logs_for_machines_is_documented() -> None:
    code = "\n".join(p.read_text(encoding="utf-8") for p in (PROJECT / "assets").rglob("*.py"))
    written = set(re.findall(r'journal\.write\((?:"\w+"|.*? else "\w+"), "(\w+)"', code))
    table = OPERATIONS.split("| event | facts |")[1].split("\n\n")[0]
    assert written == {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", row.split(" | ")[0])}


def test_the_text_file_is_what_prometheus_reads(tmp_path: Path) -> None:
    from prometheus_client.parser import text_string_to_metric_families

    site = make_site(tmp_path / "site", DAYS, config=CONFIG + "metrics: {prometheus_file: out/nilometer.prom}\n")
    with log_path(site.root, day(1)).open("a", encoding="utf-8") as log:
        log.write("no record at all\n")
    runner.run_days(site, days(DAYS))
    text = (site.root / "out" / "nilometer.prom").read_text(encoding="utf-8")
    found = {
        (s.name, *(v for k, v in sorted(s.labels.items()) if k != "site")): s.value
        for family in text_string_to_metric_families(text)
        for s in family.samples
    }
    assert all('site="site"' in line for line in text.splitlines() if not line.startswith("#"))
    told = OPERATIONS.split("| metric (")[1].split("\n\n")[0]
    rows = [row.split(" | ")[0] for row in told.splitlines()[2:]]
    assert {f"nilometer_{n}" for row in rows for n in re.findall(r"`(\w+)`", row)} == {name for name, *_ in found}
    for table in CHAIN:
        rows = site.storage.scan(table, days(DAYS)).collect().height
        assert found["nilometer_stage_rows", table.name] == rows
        assert found["nilometer_stage_days", table.name] == DAYS
        assert found["nilometer_stage_seconds", table.name] > 0
        assert found["nilometer_stage_peak_memory_bytes", table.name] > 50_000_000
    # Three clients, web traffic and the broken line.
    assert found["nilometer_lines_read",] == 4 + 5
    assert found["nilometer_lines_quarantined",] == 1
    assert {found["nilometer_alerts", rule] for rule in (SEED, TWIN)} == {0}
    assert {q: found["nilometer_day_quality", q] for q in QUALITIES} == {q: float(q == "verified") for q in QUALITIES}
    assert found["nilometer_newest_done_day_timestamp_seconds",] == day_end(DAYS - 1)
    assert found["nilometer_newest_done_day_age_seconds",] > 0
    assert [(p.name, oct(p.stat().st_mode)[-3:]) for p in (site.root / "out").iterdir()] == [("nilometer.prom", "644")]


def test_the_text_file_tells_the_newest_scored_day_after_a_run_that_died_before_its_last_stage(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    site = make_site(tmp_path / "site", 1, config=CONFIG + "metrics: {prometheus_file: nilometer.prom}\n")
    site.storage.write_day(ALERTS, day(0), ALERTS.empty(), inputs={}, facts={"quality": "verified"})
    metrics.publish(site, costs.Total("flows"))
    text = (site.root / "nilometer.prom").read_text(encoding="utf-8")
    told = dict(line.rsplit(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert float(told['nilometer_newest_done_day_timestamp_seconds{site="site"}']) == day_end(0)
    site.storage.path("alerts", day(0)).write_bytes(b"PAR1")
    metrics.publish(site, costs.Total("alerts"))  # What does not read ends no run for its metrics.
    assert "metrics: prometheus_file failed" in capsys.readouterr().err


def day_end(number: int) -> float:
    return dt.datetime.combine(day(number + 1), dt.time(), dt.UTC).timestamp()


class _Receiver(BaseHTTPRequestHandler):
    """Takes OTLP messages and keeps them."""

    def do_POST(self) -> None:
        self.server.bodies.append((self.path, self.rfile.read(int(self.headers["Content-Length"]))))  # type: ignore[attr-defined]
        self.send_response(200)
        self.end_headers()

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def receiver() -> Iterator[HTTPServer]:
    with HTTPServer(("127.0.0.1", 0), _Receiver) as server:
        server.bodies = []  # type: ignore[attr-defined]
        thread = Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def test_metrics_reach_a_collector_by_otlp(
    tmp_path: Path, receiver: HTTPServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest

    monkeypatch.setenv(metrics.OTLP_ENDPOINTS[1], f"http://127.0.0.1:{receiver.server_port}")
    site = make_site(tmp_path / "site", DAYS)
    assert runner.run_days(site, days(DAYS)).good
    bodies = receiver.bodies  # type: ignore[attr-defined]
    assert {path for path, _ in bodies} == {"/v1/metrics"}
    sums: dict[tuple[str, ...], float] = {}
    states: dict[tuple[str, ...], float] = {}
    for _, body in bodies:
        for resource in ExportMetricsServiceRequest.FromString(body).resource_metrics:
            about = {a.key: a.value.string_value for a in resource.resource.attributes}
            assert (about["service.name"], about["nilometer.site"]) == ("nilometer", "site")
            for metric in (m for scope in resource.scope_metrics for m in scope.metrics):
                for point in metric.sum.data_points or metric.gauge.data_points:
                    key = (metric.name, *(a.value.string_value for a in point.attributes))
                    into = sums if metric.HasField("sum") else states
                    into[key] = into.get(key, 0) + (point.as_double or point.as_int)
    for table in CHAIN:
        rows = site.storage.scan(table, days(DAYS)).collect().height
        assert sums["nilometer.stage_rows", table.name] == rows
        assert states["nilometer.stage_peak_memory_bytes", table.name] > 50_000_000
    assert sums["nilometer.lines_read",] == 8
    assert states["nilometer.day_quality", "verified"] == 1
    assert states["nilometer.alerts", SEED] == 0


def test_a_collector_that_is_down_is_named_once_and_stops_no_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(metrics.OTLP_ENDPOINTS[1], "http://127.0.0.1:9")
    assert runner.run_days(make_site(tmp_path / "site", 1), days(1)).good
    assert capsys.readouterr().err.count("metrics: OTLP failed") == 1


def test_a_missing_extra_is_named_only_where_metrics_are_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    plain, asking = make_site(tmp_path / "a", 1), CONFIG + "metrics: {prometheus_file: x.prom}\n"
    metrics.publish(plain, costs.Total("alerts"))
    assert capsys.readouterr().err == ""
    asked = make_site(tmp_path / "b", 1, config=asking)
    metrics.publish(asked, costs.Total("alerts"))
    metrics.publish(asked, costs.Total("alerts"))
    said = capsys.readouterr().err
    assert said.count("needs the extra metrics") == 1
    assert "nilometer[metrics]" in said


def test_costs_of_days_add_up_but_for_the_memory_of_which_the_largest_counts() -> None:
    total = costs.Total("flows")
    for cost in (costs.Cost(1.0, 0.5, 100, 10, 1), costs.Cost(2.0, 1.5, 300, 20, 2), costs.Cost(4.0, 3.0, 200, 40, 4)):
        total.add(cost, None)
    assert (total.failed, total.days) == (3, 0)
    assert total.cost == costs.Cost(7.0, 5.0, 300, 70, 7)
