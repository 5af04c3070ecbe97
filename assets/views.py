"""How days, alerts and files look on the command line. Reading and judging them belongs to the pipeline."""

from __future__ import annotations

from collections.abc import Sequence

import polars as pl

from assets import screen
from pipeline.alerts import human
from pipeline.identify import Identified
from pipeline.status import DayStatus

TABLES = ("flows", "daily_traffic", "traffic_baseline", "anomaly_scores", "alerts")


def show_days(days: Sequence[DayStatus]) -> None:
    """One line a day: state, quality, rows of each table, reasons."""
    rows = []
    for day in days:
        counts = [f"{day.tables[t].rows:,}" if t in day.tables else "-" for t in TABLES]
        rows.append([day.day, day.state, day.quality if day.tables else "-", *counts, "; ".join(day.reasons)])
    screen.table(["day", "state", "quality", *TABLES, "why"], rows, right=TABLES)


def show_alerts(alerts: pl.DataFrame) -> None:
    """One line an alert, the largest volume of a day first."""
    if alerts.is_empty():
        screen.say("No alert.")
        return
    rows = []
    volume = pl.coalesce("bytes_in", "bytes_out").alias("volume")
    ordered = alerts.with_columns(volume).sort(["day", "volume", "client"], descending=[False, True, False])
    for r in ordered.iter_rows(named=True):
        usual = r["per_source_avg_bytes_in"] if r["bytes_in"] is not None else r["per_source_avg_bytes_out"]
        away = [r[f"num_standard_deviations_away_from_{w}_average"] for w in ("server", "client")]
        far = ["-" if a is None else f"{a:,.2f}" for a in away]
        rows.append(
            [r["day"], r["client"], human(r["volume"]), human(usual), *far, r["quality"], r["rule_id"], r["alert_id"]]
        )
    columns = ["day", "client", "bytes", "usually", "sd from fleet", "sd from own", "quality", "rule", "alert"]
    screen.table(columns, rows, right=columns[2:6])


def show_file(found: Identified) -> None:
    """A block of lines about one file."""
    facts = found.as_dict()
    screen.say(found.file)
    if found.error:
        screen.say(f"  error       {found.error}")
        return
    spans = f"{facts['first']} .. {facts['last']}" if facts["first"] else "-"
    rejected = ", ".join(f"{n} {reason}" for reason, n in facts["rejected"].items()) or "none"
    lines = {
        "format": facts["encoding"] or "no data",
        "lines": f"{facts['lines']:,} = {facts['flows']:,} flows + {facts['comments']:,} comments + "
        f"{facts['ignored']:,} ignored + {sum(facts['rejected'].values()):,} rejected",
        "bytes in": f"{facts['bytes_in']:,}",
        "bytes out": f"{facts['bytes_out']:,} ({facts['bytes_layer'] or 'no'} bytes)",
        "flow starts": spans + (f" ({facts['untimed']} untimed)" if facts["untimed"] else ""),
        "rejected": rejected,
    }
    for name, text in lines.items():
        screen.say(f"  {name:<11} {text}")
    for server in facts["servers"]:
        screen.say(f"  {'mail server':<11} {server['ip']} port {server['port']}: {human(server['bytes_in'])}")
