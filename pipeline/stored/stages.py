"""The stages on stored days: each makes one day of one table from what is stored before it.

This is what the Dagster assets wrap. It knows storage and fingerprints; how a table is computed is in the stage's own
module.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable
from contextlib import suppress
from typing import Any

import polars as pl

from pipeline import alerts, baseline, daily
from pipeline.context import load_context
from pipeline.days import day_edges, window_days
from pipeline.errors import Location, NilometerError, SourceError, StorageError
from pipeline.flows import build_flows, lines_read
from pipeline.intake.landing import Landing
from pipeline.methods import METHODS, seed
from pipeline.methods.surroundings import Surroundings
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, STATES, SURGE_SCORES, TRAFFIC_BASELINE
from pipeline.site import Site
from pipeline.storage import DayRecord, day_name, digest
from pipeline.stored import reasons, verdicts
from pipeline.stored.pruned import kept_day, made_inputs, window_inputs
from pipeline.stored.series import series_digest, told_by, untold_days, windows_digest
from pipeline.surge import alerts as surge_alerts
from pipeline.surge import days as surge_days

STAGES = ("flows", "daily_traffic", "traffic_baseline", "anomaly_scores", "alerts", "surge_scores")
_NEEDS = {s: STAGES[:i] for i, s in enumerate(STAGES)} | {"surge_scores": ("flows", "daily_traffic")}
"""The stages without which a day cannot be made; the seed's alerts wait for no other method."""
_SHOWN_DAYS = 10


def failure_before(site: Site, day: dt.date, stage: str, *, own: bool) -> list[str] | None:
    """Why a day failed at an earlier stage (or, with own, at this one); None when it did not."""
    failure = site.storage.failure(day)
    if failure is None:
        return None
    return failure[1] if failure[0] in _NEEDS[stage] or (own and failure[0] == stage) else None


def _need(site: Site, table: str, day: dt.date) -> DayRecord:
    record = site.storage.record(table, day)
    if record is None:
        raise NilometerError(f"{table} of {day} is not stored.", remedy=f"Run it: nilometer run --day {day}.")
    return record


def make_flows(site: Site, landing: Landing, day: dt.date) -> DayRecord:
    """Flows of a day from the landed files; damaged landed rows are read from their logs again.

    Raises:
        SourceError: one of the day's files could not be read, or all are gone from which it was made.
        StorageError: landed rows are damaged, and their log is gone; or they were pruned before the day was made.
    """
    try:
        return _make_flows(site, landing, day)
    except SourceError:
        raise
    except (Exception, pl.exceptions.PanicException):
        if not landing.mend(day):
            raise
    return _make_flows(site, landing, day)


def _make_flows(site: Site, landing: Landing, day: dt.date) -> DayRecord:
    if (kept := kept_day(site, "flows", day, landing)) is not None:
        return kept
    made = build_flows(landing, site.settings, site.inventory, day)
    if not made.facts["files"] and not landing.ledger.set_aside(day):
        _keep_what_was_read(site, day)
    made.facts |= {"source_files": source_files(landing, day), "details": details(site, "flows", day, landing)}
    return site.storage.write_slices(FLOWS, day, made.slices, inputs=made.inputs, facts=made.facts)


def _keep_what_was_read(site: Site, day: dt.date) -> None:
    """Refuse to replace a day that was made from logs by one of none: they and the landing's memory may be lost."""
    try:
        stored = site.storage.record("flows", day)
    except StorageError:
        why = "what is stored of this day does not read, and no log holds it."
    else:
        if stored is None or not stored.facts.get("files", 0):
            return
        why = f"the {stored.facts['files']} logs that this day was made from are gone, or hold other days now."
    name = site.storage.objects.where(day_name("flows", day))
    raise SourceError(
        f"{why} The stored day is kept.",
        where=Location(day=day.isoformat()),
        remedy=f"Bring its logs back and run it again; or remove {name} to empty it.",
    )


def source_files(landing: Landing, day: dt.date) -> dict[str, dict[str, str | int]]:
    """The files behind a day with the size and hash of their content; nothing where they are too many to name."""
    fed = landing.ledger.feeding(day)
    if len(fed) > reasons.MOST_PARTS:
        return {}
    return {f"{e.source}/{e.name}": {"bytes": e.content_bytes, "blake3": e.content} for e in fed}


def details(site: Site, table: str, day: dt.date, landing: Landing | None = None) -> reasons.Details:
    """What the hashes among the inputs of a day's table were made from, so that a change can be named."""
    if table == "flows" and landing is not None:
        return reasons.of_flows(landing, site.inventory, day, site.settings.counting.attribute)
    if table == "anomaly_scores":
        return {"rules": reasons.of_rules(site.rules_of("seed"))}
    if table == "surge_scores":
        known = reasons.of_inventory(site.inventory, day)
        return {"rules": reasons.of_rules(site.rules_of("surge")), "inventory": known}
    if table == "alerts":
        surge = reasons.of_rules(site.rules_of("surge"))
        return {"texts": reasons.of_texts(site.rules), "written": reasons.of_writing(site.rules), "surge_rules": surge}
    return {}


def daily_inputs(site: Site, day: dt.date) -> dict[str, str]:
    """What a day's daily_traffic is made from."""
    flows = _need(site, "flows", day).fingerprint
    return {"flows": flows, "measures": series_digest(site), "stage": str(daily.STAGE_VERSION)}


def make_daily(site: Site, day: dt.date) -> DayRecord:
    """Daily traffic of a day from its flows."""
    if (kept := kept_day(site, "daily_traffic", day)) is not None:
        return kept
    inputs = daily_inputs(site, day)
    frame = daily.build_daily(site.storage.scan(FLOWS, [day]), site.measures, day)
    facts: dict[str, Any] = {"clients": frame["client"].n_unique(), "flows": int(frame["flows"].sum())}
    facts["series"] = sorted(m.id for m in site.measures)
    return site.storage.write_day(DAILY_TRAFFIC, day, frame, inputs=inputs, facts=facts)


def baseline_inputs(site: Site, day: dt.date) -> dict[str, str]:
    """The fingerprint of every window day that is stored, and how many should be."""
    window = window_days(day, site.longest_lookback, site.settings.start_date)
    found = window_inputs(site, "traffic_baseline", day, "daily_traffic", window)
    if untold := told_by(untold_days(site, window)):
        found["untold"] = untold
    rest = {"start": str(site.settings.start_date), "stage": str(baseline.STAGE_VERSION)}
    return found | rest | {"series": windows_digest(site)}


def past_of(site: Site, day: dt.date) -> tuple[pl.DataFrame, list[dt.date]]:
    """What was normal before a day, from what is stored of its window now, and the days that this is."""
    start = site.settings.start_date
    present = [d for d in window_days(day, site.longest_lookback, start) if site.storage.has("daily_traffic", d)]
    stored = site.storage.scan(DAILY_TRAFFIC, present)
    untold = untold_days(site, present)
    return baseline.build_baseline(stored, day, site.series, start=start, present=present, untold=untold), present


def make_baseline(site: Site, day: dt.date) -> DayRecord:
    """The baseline of a day from the daily traffic of its window."""
    if (kept := kept_day(site, "traffic_baseline", day)) is not None:
        return kept
    inputs = baseline_inputs(site, day)
    window = window_days(day, site.longest_lookback, site.settings.start_date)
    frame, present = past_of(site, day)
    facts: dict[str, Any] = {"window_days": len(window), "window_days_present": len(present)}
    if missing := [d.isoformat() for d in window if d not in present]:
        facts["window_days_missing"] = ", ".join(missing[:_SHOWN_DAYS]) + (" ..." if len(missing) > _SHOWN_DAYS else "")
    return site.storage.write_day(TRAFFIC_BASELINE, day, frame, inputs=inputs, facts=facts)


def days_read(site: Site, days: Iterable[dt.date]) -> frozenset[dt.date]:
    """Those of the days whose logs were read, whatever was in them."""
    records = ((d, site.storage.record("flows", d)) for d in days)
    return frozenset(d for d, r in records if r is not None and lines_read(r.facts) > 0)


def surroundings(site: Site, day: dt.date) -> Surroundings:
    """What the rules in force need beside the tables; the days are those that the stored baseline knows."""
    if not any(r.fill == "zero" for r in site.rules_of("seed")):
        return Surroundings(groups=site.groups)
    tables = (key.partition("/") for key in _need(site, "traffic_baseline", day).inputs)
    known = [dt.date.fromisoformat(d) for table, _, d in tables if table == "daily_traffic"]
    return Surroundings(days_read(site, known), site.groups, untold_days(site, known))


def score_inputs(site: Site, day: dt.date) -> dict[str, str]:
    """What a day's scores are made from."""
    rules, around = site.rules_of("seed"), surroundings(site, day)
    asked = {}
    if any(r.fill == "zero" for r in rules):
        asked["days_read"] = digest(*(d.isoformat() for d in sorted(around.days_read)))
        asked |= {"untold": told_by(around.untold)} if around.untold else {}
    if any(r.by_group for r in rules):
        asked["groups"] = around.groups.fingerprint
    return asked | {
        "daily_traffic": _need(site, "daily_traffic", day).fingerprint,
        "traffic_baseline": _need(site, "traffic_baseline", day).fingerprint,
        "rules": digest(*(r.fingerprint for r in rules)),
        "stage": str(seed.STAGE_VERSION),
    }


def judged(site: Site, day: dt.date, today: pl.DataFrame, past: pl.DataFrame, around: Surroundings) -> pl.DataFrame:
    """Every client of a day's traffic under every rule of gates."""
    frames = [METHODS[r.method](today, past, r, day, around) for r in site.rules_of("seed")]
    return pl.concat(frames) if frames else ANOMALY_SCORES.empty()


def make_scores(site: Site, day: dt.date) -> DayRecord:
    """Scores of every client of a day under every rule."""
    if (kept := kept_day(site, "anomaly_scores", day)) is not None:
        return kept
    inputs = score_inputs(site, day)
    today = site.storage.read_day(DAILY_TRAFFIC, day)
    past = site.storage.read_day(TRAFFIC_BASELINE, day)
    frame = judged(site, day, today, past, surroundings(site, day))
    facts: dict[str, Any] = {state: frame.filter(pl.col("state") == state).height for state in STATES}
    facts["details"] = details(site, "anomaly_scores", day)
    return site.storage.write_day(ANOMALY_SCORES, day, frame, inputs=inputs, facts=facts)


def make_surge(site: Site, day: dt.date, quality_of: surge_days.QualityOf) -> DayRecord:
    """Surge scores of a day from the daily traffic of its window, unverified days left out.

    Raises:
        ConfigError: an input of the context is broken.
    """
    if (kept := kept_day(site, "surge_scores", day)) is not None:
        return kept
    context = load_context(site.root, site.settings.context)
    inputs = surge_days.inputs(site, day, quality_of, context)
    made = surge_days.scores(site, day, quality_of, context)
    facts = {
        "clients": made.frame.height,
        "excluded_clients": made.excluded,
        "explained_clients": made.frame["explained_by"].count(),
        "details": details(site, "surge_scores", day),
    }
    return site.storage.write_day(SURGE_SCORES, day, made.frame, inputs=inputs, facts=facts)


def alert_inputs(site: Site, day: dt.date, quality: str) -> dict[str, str]:
    """What a day's alerts are made from."""
    made_from = made_inputs(site, "alerts", day) if site.rules_of("surge") else None
    return surge_days.verdict_inputs(site, day, made_from or {}) | {
        "anomaly_scores": _need(site, "anomaly_scores", day).fingerprint,
        "flows": _need(site, "flows", day).fingerprint,
        "quality": quality,
        "texts": digest(*(f"{r.id}/{r.version}/{r.title}" for r in site.rules)),
        "written": digest(*(f"{rule}/{how}" for rule, how in reasons.of_writing(site.rules).items())),
        "timezone": site.settings.timezone,
        "edges": day_edges(day, site.settings.timezone),
        "stage": str(alerts.STAGE_VERSION),
    }


def publish_alerts(site: Site, day: dt.date, quality: str) -> tuple[DayRecord, list[verdicts.Change]]:
    """Alerts of a day, with the day's quality in each, and what they changed of the verdicts known before.

    Every change of a verdict goes to the ledger, which is settled before and after: a process that dies between leaves
    alerts that the next settling takes in.
    """
    if (kept := kept_day(site, "alerts", day)) is not None:
        return kept, []
    inputs = alert_inputs(site, day, quality)
    frame = alerts.build_alerts(
        site.storage.read_day(ANOMALY_SCORES, day),
        site.rules_of("seed"),
        site.storage.scan(FLOWS, [day]),
        day,
        site.settings.timezone,
        quality,
    )
    if site.rules_of("surge"):
        frame = ALERTS.conform(pl.concat([frame, surge_alerts.surge_alerts(site, day, quality)]))
    known = details(site, "alerts", day)
    facts = {"quality": quality, "details": known, "roots": _roots(site, day, reasons.Made(inputs, known))}
    with suppress(StorageError):  # A damaged day must be replaceable; a damaged ledger is told of below.
        verdicts.settle(site.storage, day)
    record = site.storage.write_day(ALERTS, day, frame, inputs=inputs, facts=facts)
    return record, verdicts.settle(site.storage, day)


def _roots(site: Site, day: dt.date, own: reasons.Made) -> dict[str, Any]:
    """What every table of the day was made from, so that a change of its alerts can be led back to a cause."""
    off = () if site.rules_of("surge") else ("surge_scores",)
    records = {t: site.storage.record(t, day) for t in reasons.TABLES if t != "alerts" and t not in off}
    made = {t: reasons.Made.of(r) for t, r in records.items() if r is not None}
    return {t: m.as_dict() for t, m in {**made, "alerts": own}.items()}
