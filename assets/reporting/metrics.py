"""Metrics of runs and of the site's state, where a site asks for them: a Prometheus text file, or OTLP, or both.

They are published when a stage is through, from the process that ran it. A collector that cannot be reached is named
once and holds up no run.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import polars as pl

from assets.reporting import screen
from assets.reporting.costs import Total
from pipeline.days import day_bounds_utc
from pipeline.schemas import ALERTS, QUALITIES
from pipeline.site import Site
from pipeline.stored.now import ended

OTLP_ENDPOINTS = ("OTEL_EXPORTER_OTLP_METRICS_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
_PATIENCE = 3.0
"""Seconds that a collector may take."""
_LAST_STAGE = "alerts"


@dataclass(frozen=True)
class Sample:
    """One number with its labels."""

    name: str
    help: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)
    adds_up: bool = False
    """Whether it is a run's own part of a sum; the others are states."""


_published: dict[str, dict[str, list[Sample]]] = {}
"""Site -> what each stage published last in this process: a text file holds all of it."""
_said: set[str] = set()


def publish(site: Site, total: Total) -> None:
    """Publish what a stage came to, and the state of the site: in a file always, as it takes the place of the last."""
    file, otlp = site.settings.metrics.prometheus_file, any(os.environ.get(name) for name in OTLP_ENDPOINTS)
    if not file and not otlp:
        return
    known = _published.setdefault(str(site.root), {})
    known[total.stage] = stage_samples(total)
    if file:
        stages = [s for k in known.values() for s in k]
        _attempt("prometheus_file", lambda: _write_file(site, site.root / file, stages + _state(site)))
    if otlp:
        _attempt("OTLP", lambda: _send(site, known[total.stage] + (_state(site) if total.stage == _LAST_STAGE else [])))


def _state(site: Site) -> list[Sample]:
    return state_samples(site, time.time())


def stage_samples(total: Total) -> list[Sample]:
    """A stage's figures in one run."""
    by, cost = {"stage": total.stage}, total.cost
    figures = {
        "days": ("Days made", total.days),
        "failed_days": ("Days that could not be made", total.failed),
        "rows": ("Rows stored", total.rows),
        "bytes_read": ("Bytes of the stored files or logs read", cost.bytes_read),
        "bytes_written": ("Bytes stored", cost.bytes_written),
        "seconds": ("Time taken", cost.seconds),
        "cpu_seconds": ("Processor time taken", cost.cpu_seconds),
    }
    found = [Sample(f"stage_{k}", f"{text}, in the last run.", v, by, True) for k, (text, v) in figures.items()]
    peak = Sample("stage_peak_memory_bytes", "Largest resident size, in the last run.", cost.peak_memory_bytes, by)
    if total.stage != "flows":
        return [*found, peak]
    lines = Sample("lines_read", "Lines of the logs of the days made, in the last run.", total.lines, {}, True)
    bad = Sample("lines_quarantined", "Lines of them set aside, in the last run.", total.quarantined, {}, True)
    return [*found, peak, lines, bad]


def state_samples(site: Site, now: float) -> list[Sample]:
    """What the site has come to: its newest scored day, that day's quality and alerts, and days that failed."""
    failed = site.storage.failed_days()
    found = [Sample("days_failed", "Days that are marked as failed.", len(failed))]
    found.append(Sample("last_run_timestamp_seconds", "When a run ended last.", now))
    scored = [d for d in ended(site, "alerts") if d not in failed]
    if not scored:
        return found
    newest = scored[-1]
    record, end = site.storage.record("alerts", newest), day_bounds_utc(newest, site.settings.timezone)[1]
    quality = record.facts.get("quality") if record else None
    alerts = site.storage.scan(ALERTS, [newest]).group_by("rule_id").agg(pl.len()).collect()
    by_rule = {r.id: 0 for r in site.rules} | dict(alerts.iter_rows())
    found += [
        Sample("newest_done_day_timestamp_seconds", "End of the newest scored day.", end.timestamp()),
        Sample("newest_done_day_age_seconds", "Time since then, when this was written.", now - end.timestamp()),
    ]
    text = "Alerts of the newest scored day."
    found += [Sample("alerts", text, n, {"rule": rule}) for rule, n in sorted(by_rule.items())]
    text = "Quality of the newest scored day: 1 for the one it has."
    return found + [Sample("day_quality", text, float(q == quality), {"quality": q}) for q in QUALITIES]


def _attempt(what: str, act: Callable[[], None]) -> None:
    """Do it; a fault is said once and stops no run."""
    if what in _said:
        return
    try:
        act()
    except ModuleNotFoundError as error:
        _said.add(what)
        screen.warn(
            f"metrics: {what} is configured, but needs the extra metrics ({error.name} is not installed). "
            "Install it: pip install 'nilometer[metrics]'."
        )
    except Exception as error:
        _said.add(what)
        screen.warn(f"metrics: {what} failed and is left out from here on ({type(error).__name__}: {error}).")


def _write_file(site: Site, path: Path, samples: Sequence[Sample]) -> None:
    """Replace the file that node_exporter's textfile collector reads, as a user of its own, whatever our umask."""
    from prometheus_client import CollectorRegistry, Gauge, generate_latest  # noqa: PLC0415 - an extra

    registry, gauges = CollectorRegistry(), dict[str, Gauge]()
    for s in samples:
        if s.name not in gauges:
            gauges[s.name] = Gauge(f"nilometer_{s.name}", s.help, ["site", *s.labels], registry=registry)
        gauges[s.name].labels(site=site.root.name, **s.labels).set(s.value)
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f"{path.name}.{os.getpid()}")
    try:
        draft.write_bytes(generate_latest(registry))
        draft.chmod(0o644)
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _send(site: Site, samples: Sequence[Sample]) -> None:
    """Send the samples once, as OTLP over HTTP; where to is read from the environment by the library."""
    from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter  # noqa: PLC0415 - an extra
    from opentelemetry.sdk.metrics import Counter, MeterProvider  # noqa: PLC0415
    from opentelemetry.sdk.metrics.export import (  # noqa: PLC0415
        AggregationTemporality,
        InMemoryMetricReader,
        MetricExportResult,
    )
    from opentelemetry.sdk.resources import Resource  # noqa: PLC0415

    parts: dict[type, AggregationTemporality] = {Counter: AggregationTemporality.DELTA}
    reader = InMemoryMetricReader(preferred_temporality=parts)
    about = Resource.create({"service.name": "nilometer", "nilometer.site": site.root.name})
    meter = MeterProvider([reader], about, shutdown_on_exit=False).get_meter("nilometer")
    for s in samples:
        name = f"nilometer.{s.name}"
        if s.adds_up:
            meter.create_counter(name, description=s.help).add(s.value, dict(s.labels))
        else:
            meter.create_gauge(name, description=s.help).set(s.value, dict(s.labels))
    exporter = OTLPMetricExporter(timeout=_PATIENCE, preferred_temporality=parts)
    try:
        data = reader.get_metrics_data()
        if data is not None and exporter.export(data) is not MetricExportResult.SUCCESS:
            raise ConnectionError("the collector did not take them")
    finally:
        exporter.shutdown()
