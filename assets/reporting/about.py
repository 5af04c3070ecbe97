"""What the UI says of an asset beside its columns: where to look, and what the numbers of a day count.

The numbers themselves are told in `assets.days`; a test holds that each of them is explained here. What a table and its
columns are is said in `pipeline.schemas`.
"""

from __future__ import annotations

from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, SURGE_SCORES, TRAFFIC_BASELINE, Table

_WHERE = "Metadata, below, is of the newest day; each day's is under Partitions, and what was found wrong under Checks."
_COSTS = (
    "- `seconds`, `cpu_seconds`, `peak_memory_bytes`, `bytes_read`, `bytes_written`: what making the day took.\n"
    "- `fingerprint`: the same where the content is; a check's result says which one it judged."
)
_ABOUT = {
    FLOWS.name: (
        "- `lines` of the day's `files` = `comments` + `ignored` (no flows) + `others` (flows of nobody watched) + "
        "`read` + `quarantined` (could not be read: `quarantined_by_reason`). A file's lines are told of each day that "
        "it holds.\n"
        "- `records` of the day, of which are no flows of their own: `interim`, `duplicates`, `other_sensors`, "
        "`paired` and `merged`. `overlapping` are flows that begin while another with the same ends lasts.\n"
        "- `warnings`: what is odd about records, by the names in docs/formats.md."
    ),
    DAILY_TRAFFIC.name: (
        "- `series`: each measure that a rule judges, with its clients, flows, sum and largest client.\n"
        "- `clients`: distinct ones of all measures; `flows`: those behind the rows. A flow that several measures "
        "count is in it once for each, so that there may be more than the day has."
    ),
    TRAFFIC_BASELINE.name: (
        "- `fleet`: of each measure what was usual in the window: mean and deviation of all its client-days.\n"
        "- `window_days` that the longest window has, and `window_days_present` of them; `window_days_missing` names "
        "the others."
    ),
    ANOMALY_SCORES.name: (
        "- `rules`: how many clients each rule judged, by verdict.\n"
        "- Scores, one a client and rule, by verdict: `alert`, `normal`, `learning` (too few days) and `no_history` "
        "(no day before)."
    ),
    SURGE_SCORES.name: (
        "- `clients` judged, `excluded_clients` by a role of the context, `explained_clients` by a known event."
    ),
    ALERTS.name: (
        "- `alerts`: the largest ones, and what to do. An alert is a reason to look and no proof; `nilometer explain "
        "CLIENT DAY` tells its evidence, down to the line of the log.\n"
        "- `quality`: whether the day's data can be relied on, and why not. Where it cannot, silence says nothing.\n"
        "- `verdicts_changed`, `verdict_changes`: what this run changed of what was known of the day before."
    ),
}


def about(table: Table) -> str:
    """The description of an asset of the daily chain, as Markdown."""
    return f"{table.description}\n\n{_WHERE}\n\n{_ABOUT[table.name]}\n{_COSTS}"
