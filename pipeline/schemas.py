"""The schemas of every stored table, in one place: columns, types, units, keys and meaning.

Dagster's column schemas, the Great Expectations suites, the documentation tables and the generators of the tests are
all made from here. How a table is computed does not belong here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import polars as pl

UTC_TIME = pl.Datetime("us", "UTC")
MAX_FLOW_BYTES = 10**15
"""Bytes one flow record may claim in one direction (1 PB); more is quarantined as implausible."""

TRANSPORTS = ("tcp", "udp", "icmp", "sctp", "unknown")
ACTIONS = ("allowed", "blocked", "unknown")
BYTES_LAYERS = ("ip", "payload", "l2", "unknown")
ACCOUNTINGS = ("final", "delta", "cumulative")
ORIENTATIONS = ("native", "syn", "port_rule", "order", "config", "unknown")
STATES = ("alert", "normal", "learning", "no_history")
QUALITIES = ("verified", "accepted", "unverified", "partial", "no_data")


@dataclass(frozen=True)
class Column:
    """One column: its type, unit, whether it may be null, and what it means."""

    name: str
    dtype: pl.DataType | type[pl.DataType]
    description: str
    unit: str = ""
    nullable: bool = True


@dataclass(frozen=True)
class Table:
    """A stored table: its columns in order, its key (also the sort order), and its grain in words."""

    name: str
    description: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    row_group_size: int | None = None
    late: frozenset[str] = frozenset()
    """Columns that days of earlier versions lack, and that nobody asks of days which only judge later ones."""

    @cached_property
    def schema(self) -> pl.Schema:
        """Column names and Polars types, in order; not to be changed."""
        return pl.Schema({c.name: c.dtype for c in self.columns})

    def empty(self) -> pl.DataFrame:
        """A frame of no rows with this schema."""
        return pl.DataFrame(schema=self.schema)

    def conform(self, frame: pl.DataFrame) -> pl.DataFrame:
        """The frame with exactly these columns and types, sorted by key; missing columns become null."""
        have = set(frame.columns)
        exprs = [(pl.col(c.name) if c.name in have else pl.lit(None).alias(c.name)).cast(c.dtype) for c in self.columns]
        frame = frame.select(exprs)
        first = frame[self.key[0]]
        if first.null_count() or not first.is_sorted() or first.is_duplicated().any():
            frame = frame.sort(self.key, nulls_last=True, maintain_order=True)
        return frame.rechunk()


def _c(
    name: str, dtype: pl.DataType | type[pl.DataType], description: str, unit: str = "", *, null: bool = True
) -> Column:
    return Column(name, dtype, description, unit, null)


FLOWS = Table(
    "flows",
    "One row a flow record that touches a watched server, oriented: src began the session, dest answered.",
    (
        _c("flow_uid", pl.String, "source, sensor and the sensor's own id, or the 5-tuple and start", null=False),
        _c("start_time", UTC_TIME, "first packet; decides the day the flow belongs to", "UTC", null=False),
        _c("end_time", UTC_TIME, "last packet", "UTC"),
        _c("log_time", UTC_TIME, "when the record was written, if the log says so", "UTC"),
        _c("src_ip", pl.String, "initiator's address, RFC 5952, IPv4-mapped folded", null=False),
        _c("src_port", pl.UInt16, "initiator's port"),
        _c("dest_ip", pl.String, "responder's address, RFC 5952, IPv4-mapped folded", null=False),
        _c("dest_port", pl.UInt16, "responder's port"),
        _c("transport", pl.String, "transport protocol: " + ", ".join(TRANSPORTS), null=False),
        _c("app", pl.String, "application protocol the sensor recognised"),
        _c("bytes_in", pl.Int64, "dest -> src: what the initiator received; null when unknown", "bytes"),
        _c("bytes_out", pl.Int64, "src -> dest: what the initiator sent; null when unknown", "bytes"),
        _c("bytes", pl.Int64, "total of both directions, where the log has only a total", "bytes"),
        _c("packets_in", pl.Int64, "packets dest -> src", "packets"),
        _c("packets_out", pl.Int64, "packets src -> dest", "packets"),
        _c("duration", pl.Duration("us"), "end - start as the sensor measured it", "microseconds"),
        _c("action", pl.String, "what happened to the flow: " + ", ".join(ACTIONS), null=False),
        _c("sampling_rate", pl.Float64, "n of 1:n packet sampling; counters times n on request only", null=False),
        _c("bytes_layer", pl.String, "what the byte counters count: " + ", ".join(BYTES_LAYERS), null=False),
        _c("accounting", pl.String, "how records of one session add up: " + ", ".join(ACCOUNTINGS), null=False),
        _c(
            "orientation",
            pl.String,
            "how initiator and responder were told apart: " + ", ".join(ORIENTATIONS),
            null=False,
        ),
        _c("missed_bytes", pl.Int64, "bytes the sensor knows it did not see", "bytes"),
        _c("src_translated_ip", pl.String, "initiator's address after translation"),
        _c("dest_translated_ip", pl.String, "responder's address after translation"),
        _c("src_category", pl.List(pl.String), "categories of src_ip in the inventory at start_time"),
        _c("dest_category", pl.List(pl.String), "categories of dest_ip in the inventory at start_time"),
        _c("dvc", pl.String, "the sensor, or the source's name where the log names none", null=False),
        _c("vendor_product", pl.String, "what wrote the log", null=False),
        _c("source", pl.String, "the source's name in nilometer.yaml", null=False),
        _c("source_file", pl.String, "file, relative to the source's root", null=False),
        _c("source_line", pl.Int64, "line in that file, from 1", null=False),
        _c(
            "ingest_id",
            pl.String,
            "the ingested file: a hash of source and file name, the same however it was landed",
            null=False,
        ),
    ),
    ("start_time", "src_ip", "dest_ip", "source", "source_file", "source_line"),
)

DAILY_TRAFFIC = Table(
    "daily_traffic",
    "One row a (day, measure, client): what the rules' series sum up to.",
    (
        _c("day", pl.Date, "calendar day in the site's zone", null=False),
        _c(
            "measure",
            pl.String,
            "the series: field, category side, filter and subject, shared by rules that agree",
            null=False,
        ),
        _c("client", pl.String, "the subject's address; null where the log has none"),
        _c(
            "bytes",
            pl.Int64,
            "the measure's value of the day, null when every flow's part is unknown: a sum of bytes, or a count of "
            "flows, other ends or ports where the series counts them",
            "bytes",
        ),
        _c("flows", pl.Int64, "flow records", "flows", null=False),
        _c("flows_unknown", pl.Int64, "flow records whose part in the value is unknown", "flows", null=False),
        _c("servers", pl.Int64, "distinct other ends talked to", "servers", null=False),
        _c("first_start", UTC_TIME, "start of the first flow", "UTC", null=False),
        _c("last_start", UTC_TIME, "start of the last flow", "UTC", null=False),
    ),
    ("measure", "client"),
    row_group_size=16_384,
)

TRAFFIC_BASELINE = Table(
    "traffic_baseline",
    "One row a (day, measure, lookback, client) over the window's days before this day, and one row a fleet "
    "(scope = fleet, client null).",
    (
        _c("day", pl.Date, "the day the baseline is for; its window ends the day before", null=False),
        _c("measure", pl.String, "the series", null=False),
        _c("lookback_days", pl.Int64, "days of history asked for", "days", null=False),
        _c("scope", pl.String, "client or fleet", null=False),
        _c("client", pl.String, "the subject's address; null for the fleet and for flows without one"),
        _c(
            "n_past_rows",
            pl.Int64,
            "client-days in the window before this day, unknown ones included",
            "rows",
            null=False,
        ),
        _c("n_past_values", pl.Int64, "client-days whose bytes are known", "rows", null=False),
        _c("avg_bytes", pl.Float64, "mean over the known past values; null without any", "bytes"),
        _c("stdev_bytes", pl.Float64, "sample standard deviation (n-1); null below two values", "bytes"),
        _c(
            "sum_bytes",
            pl.String,
            "exact sum of the known past values, a decimal integer of any size",
            "bytes",
            null=False,
        ),
        _c(
            "sum_squares", pl.String, "exact sum of their squares, a decimal integer of any size", "bytes^2", null=False
        ),
        _c("window_days", pl.Int64, "days the window should hold (none before the site's start)", "days", null=False),
        _c("window_days_present", pl.Int64, "window days that were stored when this was computed", "days", null=False),
        _c("window_complete", pl.Boolean, "whether every window day was there", null=False),
    ),
    ("measure", "lookback_days", "scope", "client"),
    row_group_size=16_384,
)

ANOMALY_SCORES = Table(
    "anomaly_scores",
    "One row a (day, rule, client) that has traffic on the day: both distances, each gate, and the verdict.",
    (
        _c("day", pl.Date, "the day judged", null=False),
        _c("rule_id", pl.String, "the rule", null=False),
        _c("measure", pl.String, "the series the rule judges", null=False),
        _c("client", pl.String, "the subject's address"),
        _c("bytes", pl.Int64, "the day's value, bytes or a count; null when unknown", "bytes"),
        _c(
            "n",
            pl.Int64,
            "rows of this client in the window, this day's included (num_data_samples)",
            "rows",
            null=False,
        ),
        _c(
            "n_past_values",
            pl.Int64,
            "known values of this client before this day, days filled with 0 included",
            "rows",
            null=False,
        ),
        _c(
            "fleet_n",
            pl.Int64,
            "known values of all clients (or of the group) in the window, this day's included unless the rule says not",
            "rows",
            null=False,
        ),
        _c("avg_bytes", pl.Float64, "mean of these", "bytes"),
        _c("stdev_bytes", pl.Float64, "their sample standard deviation", "bytes"),
        _c("per_source_avg_bytes", pl.Float64, "the client's mean before this day", "bytes"),
        _c("per_source_stdev_bytes", pl.Float64, "the client's sample standard deviation before this day", "bytes"),
        _c(
            "num_standard_deviations_away_from_server_average",
            pl.Float64,
            "distance from the fleet's mean; null when the deviation is 0 or unknown",
            "standard deviations",
        ),
        _c(
            "num_standard_deviations_away_from_client_average",
            pl.Float64,
            "distance from the client's own mean; null when the deviation is 0 or unknown",
            "standard deviations",
        ),
        _c("gate_samples", pl.Boolean, "n >= minimum_data_samples", null=False),
        _c(
            "gate_fleet",
            pl.Boolean,
            "bytes > fleet (or group) mean + threshold x deviation; null when it cannot be told",
        ),
        _c("gate_client", pl.Boolean, "bytes > own mean + threshold x deviation; null when it cannot be told"),
        _c("state", pl.String, "verdict: " + ", ".join(STATES), null=False),
        _c("window_days", pl.Int64, "past days the window should hold", "days", null=False),
        _c("window_days_present", pl.Int64, "past days that were stored", "days", null=False),
        _c("window_complete", pl.Boolean, "whether every past day of the window was there", null=False),
    ),
    ("rule_id", "client"),
    row_group_size=16_384,
)

SURGE_SCORES = Table(
    "surge_scores",
    "One row a (day, rule of method surge, client) with traffic on the day: what was expected, and how unusual it was.",
    (
        _c("day", pl.Date, "the day judged", null=False),
        _c("rule_id", pl.String, "the rule", null=False),
        _c("client", pl.String, "the client: an asset, else an address", null=False),
        _c("addresses", pl.List(pl.String), "its addresses with traffic on the day, the largest first"),
        _c(
            "group",
            pl.String,
            "clients compared with each other: the context's group, else the site's, else its /24 or /64",
        ),
        _c("role", pl.String, "the client's role in the context, else its category in the inventory, else client"),
        _c("explained_by", pl.String, "a known event that explains the day"),
        _c("bytes", pl.Int64, "what the client received from email servers, whoever began the session", "bytes"),
        _c("quiet", pl.Boolean, "whether far fewer clients than usual were there, as on weekends", null=False),
        _c("n", pl.Int64, "the client's past days in the window", "days", null=False),
        _c("first_seen", pl.Date, "its first day in the window"),
        _c("last_similar", pl.Date, "the last day in the window with at least half the volume"),
        _c("usual", pl.Float64, "median of its past days without explained ones, 100 kB added", "ln bytes"),
        _c("own_avg", pl.Float64, "mean of its past days", "bytes"),
        _c("own_p50", pl.Float64, "median of its past days", "bytes"),
        _c("own_p95", pl.Float64, "95 % quantile of its past days", "bytes"),
        _c("own_max", pl.Int64, "largest of its past days", "bytes"),
        _c("group_p50", pl.Float64, "median of its group on the day", "bytes"),
        _c("day_effect", pl.Float64, "what the day did to the others of its group", "ln of a factor"),
        _c("follows", pl.Float64, "how much of a day's effect the client usually shows"),
        _c("shift", pl.Float64, "the day's effect on the client", "ln of a factor"),
        _c("expected", pl.Float64, "the volume to be expected", "bytes"),
        _c("excess", pl.Float64, "bytes - expected", "bytes"),
        _c("ratio", pl.Float64, "bytes : expected, 100 kB added to both"),
        _c("t", pl.Float64, "distance from the expectation", "scales"),
        _c("nu", pl.Float64, "degrees of freedom of its distribution"),
        _c("surprise", pl.Float64, "-ln of the chance of such a distance: the shot channel's own part"),
        _c("slow", pl.Float64, "the recent days together against the days before: the slow channel's score"),
        _c("new", pl.Float64, "the new channel's score: ln of the excess on a client's first day, then the surprise"),
        _c("centre", pl.Float64, "the expectation before the day's effect", "ln bytes"),
        _c("scale", pl.Float64, "its deviation", "ln of a factor"),
        _c("recent_days", pl.Int64, "days of the client among the recent ones", "days"),
        _c("base_days", pl.Int64, "days of the client before them", "days"),
        _c("slow_others", pl.Float64, "sum of the recent days' distances without this day"),
        _c("slow_mean", pl.Float64, "mean of the days before", "ln bytes"),
        _c("slow_scale", pl.Float64, "their deviation", "ln of a factor"),
        _c("slow_shift", pl.Float64, "the day's effect on the client, told from the days before", "ln of a factor"),
    ),
    ("rule_id", "client"),
    row_group_size=16_384,
    late=frozenset({"usual"}),
)

ALERTS = Table(
    "alerts",
    "One row an alert: a host in flood, the rule, the original search's columns, a stable id and the evidence.",
    (
        _c("alert_id", pl.String, "stable: the same rule, day and client always give the same id", null=False),
        _c("rule_id", pl.String, "the rule that fired", null=False),
        _c("rule_title", pl.String, "the rule's title", null=False),
        _c("day", pl.Date, "the day in flood", null=False),
        _c("_time", UTC_TIME, "start of the day", "UTC", null=False),
        _c("client", pl.String, "the host in flood", null=False),
        _c("src_ip", pl.String, "the host in flood, where the rule's subject is src_ip"),
        _c("dest_ip", pl.String, "the host in flood, where the rule's subject is dest_ip"),
        _c("bytes_in", pl.Int64, "the day's volume, where the rule sums bytes_in", "bytes"),
        _c("bytes_out", pl.Int64, "the day's volume, where the rule sums bytes_out", "bytes"),
        _c("avg_bytes_in", pl.Float64, "fleet mean, this day included", "bytes"),
        _c("avg_bytes_out", pl.Float64, "fleet mean, this day included", "bytes"),
        _c("per_source_avg_bytes_in", pl.Float64, "the client's own mean before this day", "bytes"),
        _c("per_source_avg_bytes_out", pl.Float64, "the client's own mean before this day", "bytes"),
        _c(
            "num_standard_deviations_away_from_server_average",
            pl.Float64,
            "distance from the fleet's mean",
            "standard deviations",
        ),
        _c(
            "num_standard_deviations_away_from_client_average",
            pl.Float64,
            "distance from the client's own mean",
            "standard deviations",
        ),
        _c("techniques", pl.List(pl.String), "ATT&CK techniques", null=False),
        _c("quality", pl.String, "the day's quality: " + ", ".join(QUALITIES), null=False),
        _c("window_complete", pl.Boolean, "whether every past day of the window was there", null=False),
        _c("message", pl.String, "what happened, in one sentence", null=False),
        _c(
            "evidence",
            pl.String,
            "JSON: samples, averages, deviations, thresholds, top servers and top flows",
            null=False,
        ),
    ),
    ("rule_id", "client"),
)

QUARANTINE = Table(
    "quarantine",
    "One row a line that could not be read, kept by file.",
    (
        _c("source", pl.String, "the source's name", null=False),
        _c("source_file", pl.String, "file, relative to the source's root", null=False),
        _c("source_line", pl.Int64, "line in that file, from 1", null=False),
        _c("reason", pl.String, "why it was set aside, a word from a closed list", null=False),
        _c("detail", pl.String, "the field and value at fault"),
        _c("raw", pl.String, "the line, cut to 500 bytes", null=False),
    ),
    ("source_line", "reason"),
)

QUALITY = Table(
    "quality",
    "One row an expectation of a check on a day: what was seen, what was allowed, and what to do.",
    (
        _c("day", pl.Date, "the day checked", null=False),
        _c("table", pl.String, "the table checked", null=False),
        _c("check", pl.String, "the check the expectation belongs to", null=False),
        _c("expectation", pl.String, "the expectation's name", null=False),
        _c("passed", pl.Boolean, "whether it held", null=False),
        _c("severity", pl.String, "error or warning", null=False),
        _c("blocking", pl.Boolean, "whether failing it makes the day unverified", null=False),
        _c("observed", pl.String, "what was seen"),
        _c("limit", pl.String, "what was allowed", null=False),
        _c("remedy", pl.String, "what to do about it", null=False),
        _c("meaning", pl.String, "what the expectation asks for, in the owner's words"),
        _c("unexpected", pl.Int64, "how many rows, lines or things did not meet it; null where nothing is counted"),
        _c("sample", pl.String, "JSON: a few of the rows that did not meet it"),
    ),
    ("check", "expectation"),
)

POWER_MAP = Table(
    "power_map",
    "One row a (day, rule, client with traffic on the day): the fewest extra bytes that would alert.",
    (
        _c("day", pl.Date, "the day", null=False),
        _c("rule_id", pl.String, "the rule", null=False),
        _c("client", pl.String, "the client's address, or its asset", null=False),
        _c("bytes", pl.Int64, "the day's value, bytes or a count; null when unknown", "bytes"),
        _c("extra", pl.Int64, "the least that would alert on top, 0 where it does; null when nothing would", "bytes"),
        _c("least", pl.Int64, "the least value of the day that would alert; null when none would", "bytes"),
        _c("bound_by", pl.String, "what decides: a gate (fleet, group, own), the floor, or a channel of surge"),
        _c("reason", pl.String, "why no volume would alert: no_history, too_few_samples, masked, ..."),
    ),
    ("rule_id", "client"),
    row_group_size=16_384,
)

PREVIEW = Table(
    "preview",
    "Scores of the day in progress; replaced by every run.",
    ANOMALY_SCORES.columns,
    ANOMALY_SCORES.key,
    ANOMALY_SCORES.row_group_size,
)

FLOW_COUNTS = Table(
    "flow_counts",
    "One row a (day, subject): how many flows each sensor had in each hour, and each server, and how many clients each "
    "sensor saw. What later days are compared with; made from flows, again when these change.",
    (
        _c("day", pl.Date, "calendar day in the site's zone", null=False),
        _c("subject", pl.String, "sensor, server or clients", null=False),
        _c("source", pl.String, "the sensor's source; empty of a server", null=False),
        _c("name", pl.String, "the sensor (dvc), or the server's address", null=False),
        _c("hour", pl.Int8, "of a sensor: hour of the day in the site's zone; -1 for the others", null=False),
        _c("count", pl.Int64, "flows; of clients: distinct initiators, estimated to some 10 %", null=False),
    ),
    ("subject", "source", "name", "hour"),
)

TRAFFIC_COUNTS = Table(
    "traffic_counts",
    "One row a (day, measure): how many clients it had and what was typical of them. What later days are compared "
    "with; made from daily_traffic, again when this changes.",
    (
        _c("day", pl.Date, "calendar day in the site's zone", null=False),
        _c("measure", pl.String, "the series", null=False),
        _c("clients", pl.Int64, "rows", "clients", null=False),
        _c("flows", pl.Int64, "flow records", "flows", null=False),
        _c("typical", pl.Float64, "median of the known values", "bytes"),
    ),
    ("measure",),
)

_CHAIN = (FLOWS, DAILY_TRAFFIC, TRAFFIC_BASELINE, ANOMALY_SCORES, SURGE_SCORES, ALERTS)
_BESIDE = (QUARANTINE, QUALITY, FLOW_COUNTS, TRAFFIC_COUNTS)
TABLES = {t.name: t for t in (*_CHAIN, *_BESIDE)}
