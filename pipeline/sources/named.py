"""What readers say of records by name: why a line is set aside, why a record counts nothing, what is odd about a flow.

The names are told by `identify`, kept with every file and shown of every day; here is what each means to whoever
reads it. Who gives a name decides what deserves it; docs/formats.md holds these texts as they are, by a test.
"""

from __future__ import annotations

from collections.abc import Mapping

from pipeline.sources.foreign import WARNING as LINES_OF

REJECTED = {
    "bad_address": "an end is no address",
    "bad_json": "it is not JSON, or no object",
    "bad_line": "it is no record of the format, or says two things in two columns of one name",
    "bad_number": "a count or the duration is no number",
    "bad_port": "a port is no number from 0 to 65535",
    "implausible_bytes": "more than 1 PB (10^15 bytes) in one direction, or in all where a record tells no more",
    "implausible_time": "it begins before 1990, or later than `limits.future_days` from when it is read",
    "incomplete_last_line": "the file's last line was cut, or is still being written",
    "missing_fields": "the header, or the record, lacks what every flow needs",
    "negative_bytes": "a count below zero",
    "no_header": "it stands before the line that names the columns",
    "too_few_fields": "fewer cells than the header names",
    "too_many_fields": "more cells than the header names",
    "untimed": "no time, or none that can mean one instant alone, as one without its date",
}
"""Reason for which a line lies in the quarantine -> what is wrong with it."""

ONCE = {
    "duplicates": "a record told twice: the same id, or the same sensor, session, start (to the millisecond) and ends",
    "interim": "a record whose counters a later one of the session includes",
    "other_sensors": "a record of a flow that another sensor, or the device at the other end, tells of",
    "paired": "the second direction of a session, added to the first",
    "merged": "a later stretch of a session that is reported in stretches, added to the first",
}
"""Reason for which a record is no flow of its own -> what was not counted again."""

PLAIN = {
    "another_form": "records that lie in another envelope or encoding than the file's first ones, and are read so",
    "apptrack": "what application tracking repeats of sessions",
    "begin": "sessions that begin; their bytes come when they end",
    "blocked": "traffic that was refused",
    "built": "messages that a connection was built: they tell who began it",
    "clock_went_round": "an exporter's clock of 32 bits began anew: their times are put right by rounds of 49.7 days",
    "missed_bytes": "flows of which the sensor missed bytes",
    "negative_duration": "flows that end before they start: their duration is unknown",
    "no_counters": "records without a count of bytes",
    "no_data": "intervals without traffic",
    "not_ip": "traffic that is not IP",
    "other_blades": "what other blades repeat of connections",
    "packets": "records of single packets",
    "payload_above_ip": "flows whose payload is told larger than what carried it; IP bytes count",
    "preview": "rows of a search's preview, which its results repeat",
    "requests": "single requests within a session, which has its own record",
    "transit_gateway": "records of transit gateways without counters",
}
"""What is as it should be, or costs nothing."""

DOUBTFUL = {
    "aggregated": "sums of several connections, which count nothing: have the sensor export single ones",
    "direction_by_date": "which way their bytes go depends on when Elastic's integration was updated",
    "direction_unknown": "only the sum of both directions is known: no rule on one direction sees their bytes",
    "encoded": "their content could not be unfolded, so that nothing of it counts",
    "implausible_duration": "no flow lasts so long, as where an exporter's clock went round: their duration is unknown",
    "impossible_packet_size": "packets are smaller than their headers: the collector has the template wrong",
    "lost_data": "the log says that it missed traffic here, whose bytes are nowhere",
    "month_assumed": "their dates, such as 5/11/2026 8:00:00 PM, are read month first: where the day is first, as in "
    "Australia or India, export times as ISO 8601",
    "no_byte_columns": "no column of bytes is named, so that they count nothing: give the line that names all columns "
    "as the source's `header`",
    "no_ends": "they tell bytes and not of whom, so that these count nothing: export the addresses, too",
    "no_reverse_counters": "what servers sent is not in the file: clients seem to receive nothing; export it, too",
    "rounded_bytes": "large counts are rounded: have the tool print plain numbers",
    "rounded_times": "times are rounded to two minutes, being floats of 32 bits: have them written as whole numbers",
    "sampled_counters": "counters of 1 in n packets, kept as they are: volumes are too small unless the collector has "
    "multiplied them (`counting.sampled`)",
    "several_ends": "they sum up sessions of several ends, so that their bytes are nobody's: export single sessions",
    "several_flows": "they sum up many flows as lists and count nothing: give the logs that they were made from",
    "starts_after_record": "they start a day and more after they were written: the exporter's clock is wrong",
    "summary_mismatch": "the tool's own summary says otherwise than its records do: the file may be cut",
    "year_assumed": "their times have no year; the newest one before the file's own time is taken",
}
"""What makes a volume smaller, larger or another than it was, or may: whoever runs the site is to know."""


def meaning(name: str) -> str:
    """What a name of a record says, in plain words."""
    if name.startswith(LINES_OF):
        other = name.removeprefix(LINES_OF)
        return f"lines of {other} among those looked at, which count nothing: give them a source of their own"
    return (REJECTED | ONCE | PLAIN | DOUBTFUL).get(name, "")


def doubtful(counts: Mapping[str, int]) -> dict[str, int]:
    """Those of the named records that make a volume doubtful."""
    return {name: n for name, n in sorted(counts.items()) if n and (name in DOUBTFUL or name.startswith(LINES_OF))}


def tables() -> list[str]:
    """The names for docs/formats.md, as Markdown: of what counts once, of lines set aside, of costless and doubtful."""
    others = {f"{LINES_OF}zeek": meaning(f"{LINES_OF}zeek")}
    known = {
        "reason | what was not counted again": ONCE,
        "set aside as | what is wrong with the line": REJECTED,
        "name | what costs nothing": PLAIN,
        "name | what makes a volume doubtful": dict(sorted((DOUBTFUL | others).items())),
    }
    return [
        "\n".join([f"| {head} |", "|---|---|", *(f"| `{name}` | {text} |" for name, text in names.items())])
        for head, names in known.items()
    ]
