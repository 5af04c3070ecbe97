"""Why a client alerted on a day, or why it did not: the day's stored verdicts told with what they were made from.

Everything is read from stored tables; nothing is judged again, and what would have alerted is asked of `power`. How it
looks on a terminal is decided in `assets`.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any
from unicodedata import normalize

import polars as pl

from pipeline.addresses import canonical_address
from pipeline.alerts import Traffic, alert_id
from pipeline.context import NOTHING, load_context
from pipeline.daily import known_sum
from pipeline.detections.model import Rule
from pipeline.errors import ConfigError, RuleError, StorageError
from pipeline.inventory import Inventory
from pipeline.methods.surge import calibrated
from pipeline.methods.surge.calibration import AS_EXPECTED
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS, SURGE_SCORES, TRAFFIC_BASELINE
from pipeline.site import Site
from pipeline.stored.now import unscored
from pipeline.stored.outdated import ADDED, BLIND, UNCOUNTED, UNTELLABLE, kept_for, outdated
from pipeline.surge.days import verdict_rows
from pipeline.trials.names import check_known
from pipeline.trials.pasts import Past, pasts
from pipeline.trials.power import power_map
from pipeline.trials.trial import CAUSES, seed_cause

NO_TRAFFIC = "no_traffic"
NOT_SCORED = "not_scored"
NOT_COUNTED = "not_counted"
NOT_KEPT = "not_kept"
NOT_WATCHED = "not_watched"
NO_BASELINE = "no_baseline"
"""In the place of a reason why no volume would alert: it is not known whether one would."""
NOT_JUDGED = "not_judged"
"""It had traffic, and the rule leaves it out."""
WHY = CAUSES | {
    "server": "it has the category of the rule itself: such hosts are no clients of it",
    "excluded": "the context's host_roles exclude it",
    NO_TRAFFIC: "it had no traffic of this rule's series on the day",
    NOT_SCORED: f"nobody was: the rule {ADDED}",
    NOT_COUNTED: f"nobody was: the rule {UNCOUNTED}",
    NOT_KEPT: f"nobody was: the rule {UNTELLABLE}",
    NOT_WATCHED: f"nobody was: the rule {BLIND}",
}
_EXPECTED = ("expected", "excess", "ratio", "n", "role", "group", "group_p50", "own_p50", "own_p95", "own_max")
_NEVER = {ADDED: NOT_SCORED, UNCOUNTED: NOT_COUNTED, UNTELLABLE: NOT_KEPT, BLIND: NOT_WATCHED}
_CHANNEL = ("channel", "rate", "limit", "alert")


@dataclass(frozen=True)
class Explanation:
    """One rule's verdict on one client and day."""

    rule: Rule
    client: str
    day: dt.date
    state: str
    """alert, normal, learning, no_history, no_traffic, not_judged or not_scored."""
    cause: str
    """One of WHY."""
    value: int | None = None
    """The day's value: bytes, or a count."""
    rank: int | None = None
    """1 for the largest value of the day under this rule."""
    clients: int = 0
    """How many clients the rule judged on the day."""
    compared: dict[str, Any] = field(default_factory=dict)
    """What the value was compared with: each reference's mean, deviation, gate and outcome, or what surge expected."""
    least: int | None = None
    """The smallest value of the day that alerts, all else as it is; None where none would."""
    least_reason: str | None = None
    past: Past = ()
    """The client's days of the window, the day itself last; days without traffic are not among them."""
    servers: tuple[dict[str, Any], ...] = ()
    flows: tuple[dict[str, Any], ...] = ()
    message: str | None = None
    """The alert's sentence, where there is one."""
    changed: bool = False
    """Whether the rule was another one when it judged the day."""
    kept: str = ""
    """What was pruned, so that the day cannot be judged anew; empty where it can be."""

    @property
    def alert(self) -> str | None:
        """The alert's id, where the rule alerts."""
        return alert_id(self.rule.id, self.day, self.client) if self.state == "alert" else None

    def as_dict(self) -> dict[str, Any]:
        """For scripts: one flat object with the rule's words."""
        return {
            "day": self.day.isoformat(),
            "client": self.client,
            "rule_id": self.rule.id,
            "rule_title": self.rule.title,
            "state": self.state,
            "cause": self.cause,
            "why": WHY[self.cause],
            "field": self.rule.field,
            "value": self.value,
            "rank": self.rank,
            "clients": self.clients,
            "compared": self.compared,
            "least": self.least,
            "least_reason": self.least_reason,
            "rule_changed": self.changed,
            "alert_id": self.alert,
            "message": self.message,
            "past": [{"day": d.isoformat(), "value": v} for d, v in self.past],
            "top_servers": list(self.servers),
            "top_flows": list(self.flows),
            "runbook": list(self.rule.runbook),
            "drilldown": self.rule.drilldown,
        }


def explain(site: Site, client: str, day: dt.date, rules: Sequence[Rule]) -> list[Explanation]:
    """One explanation a rule, of a client on a scored day; an address in any spelling, or an asset's name.

    Rules that judge addresses explain each address that the asset had on the day.

    Raises:
        StorageError: the day is not scored, or its alerts were pruned.
        ConfigError: the client is no address, and no asset of the site was ever called so.
    """
    if not site.storage.has("alerts", day):
        raise StorageError(f"{day}: {unscored(site, day)}.")
    address = canonical_address(client)
    name, found = address or normalize("NFC", client), []  # Names of assets are kept so.
    hosts = [address] if address else _addresses(site, name, day) or [name]
    behind = outdated(site, day, rules)
    for rule in rules:
        if (cause := _NEVER.get(behind.get(rule.id, ""))) is not None:
            found.append(Explanation(rule, name, day, NOT_SCORED, cause))
            continue
        surge = rule.method == "surge"
        told = [_surge(site, name, day, rule)] if surge else [_seed(site, h, day, rule) for h in hosts]
        kept = kept_for(site, day, rule) if rule.id in behind else ""
        found += [replace(e, changed=rule.id in behind, kept=kept) for e in told]
    if address is None and all(e.state in (NO_TRAFFIC, NOT_SCORED) for e in found):
        check_known(site, name)
    return found


def _addresses(site: Site, asset: str, day: dt.date) -> list[str]:
    """The addresses with traffic that an asset had on the day, as the surge method knew them."""
    mine = site.storage.scan(SURGE_SCORES, [day], earlier=True).filter(pl.col("client") == asset)
    return sorted(mine.select(pl.col("addresses").explode()).drop_nulls().unique().collect().to_series())


def _seed(site: Site, client: str, day: dt.date, rule: Rule) -> Explanation:
    scores = site.storage.scan(ANOMALY_SCORES, [day]).filter(pl.col("rule_id") == rule.id).collect()
    past = _past(site, day, rule, client)
    mine = scores.filter(pl.col("client") == client)
    if mine.is_empty():
        return Explanation(rule, client, day, NO_TRAFFIC, NO_TRAFFIC, clients=scores.height, past=past)
    row = mine.with_columns(cause=seed_cause(rule)).row(0, named=True)
    least, why = _least(site, day, rule, client)
    traffic = Traffic.of(site.storage.scan(FLOWS, [day]), rule, {client: client})
    return Explanation(
        rule,
        client,
        day,
        row["state"],
        row["cause"],
        value=row["bytes"],
        rank=_rank(scores["bytes"], row["bytes"]),
        clients=scores.height,
        compared=_references(row, rule),
        least=least,
        least_reason=why,
        past=past,
        servers=tuple(traffic.servers.get(client, ())),
        flows=tuple(traffic.flows.get(client, ())),
        message=_message(site, day, rule, client),
    )


def _least(site: Site, day: dt.date, rule: Rule, client: str) -> tuple[int | None, str | None]:
    """(the smallest value that alerts, why there is none) of a client of the day."""
    if rule.method == "seed" and not site.storage.has(TRAFFIC_BASELINE.name, day):
        return None, NO_BASELINE  # The verdict outlives what it was made from.
    try:
        mine = power_map(site, day, [rule]).filter(pl.col("client") == client)
    except RuleError:
        return None, NO_BASELINE
    row: dict[str, Any] = mine.row(0, named=True) if mine.height else {"least": None, "reason": None}
    return row["least"], row["reason"]


def _references(row: dict[str, Any], rule: Rule) -> dict[str, Any]:
    """The gates the rule asks for, and how the day passed each."""
    others = "group" if rule.by_group else "fleet"
    found: dict[str, Any] = {
        "samples": {"n": row["n"], "least": rule.minimum_data_samples, "passed": row["gate_samples"]}
    }
    if rule.asks_others:
        numbers = row["fleet_n"], row["avg_bytes"], row["stdev_bytes"]
        away = row["num_standard_deviations_away_from_server_average"]
        found[others] = _reference(*numbers, float(rule.fleet_threshold), away) | {"passed": row["gate_fleet"]}
    if rule.asks_own:
        numbers = row["n_past_values"], row["per_source_avg_bytes"], row["per_source_stdev_bytes"]
        away = row["num_standard_deviations_away_from_client_average"]
        found["own"] = _reference(*numbers, float(rule.own_threshold), away) | {"passed": row["gate_client"]}
    if rule.floor:
        found["floor"] = {"least": rule.floor, "passed": (row["bytes"] or 0) >= rule.floor}
    return found


def _reference(n: int, mean: float | None, deviation: float | None, k: float, away: float | None) -> dict[str, Any]:
    gate = None if mean is None or deviation is None else mean + k * deviation
    return {"n": n, "avg": mean, "stdev": deviation, "k": k, "threshold": gate, "deviations": away}


def _surge(site: Site, client: str, day: dt.date, rule: Rule) -> Explanation:
    raw = verdict_rows(site, day, rule)
    today = raw.filter(pl.col("day") == day)
    mine = today.filter((pl.col("client") == client) | pl.col("addresses").list.contains(client))
    if mine.is_empty():
        state, cause, value = _left_out(site, client, day, rule)
        past = _past(site, day, rule, client)
        return Explanation(rule, client, day, state, cause, value, clients=today.height, past=past)
    row = mine.row(0, named=True)
    who, addresses = row["client"], row["addresses"]
    rated = calibrated(raw, [day], rule.surge).filter(pl.col("client") == who).sort("rate", nulls_last=True)
    least, why = _least(site, day, rule, who)
    state, cause = _surge_state(mine, rated, why)
    traffic = Traffic.of(site.storage.scan(FLOWS, [day]), rule, dict.fromkeys(addresses, who))
    compared = {c: row[c] for c in _EXPECTED} | {
        "channels": rated.select(_CHANNEL).to_dicts(),
        "explained_by": row["explained_by"],
        "addresses": addresses,
    }
    return Explanation(
        rule,
        who,
        day,
        state,
        cause,
        value=row["bytes"],
        rank=_rank(today["bytes"], row["bytes"]),
        clients=today.height,
        compared=compared,
        least=least,
        least_reason=why,
        past=_past(site, day, rule, who),
        servers=tuple(traffic.servers.get(who, ())),
        flows=tuple(traffic.flows.get(who, ())),
        message=_message(site, day, rule, who),
    )


def _left_out(site: Site, client: str, day: dt.date, rule: Rule) -> tuple[str, str, int | None]:
    """(state, cause, value) of a client that surge has no row of: without traffic, or left out with all it received."""
    context = NOTHING
    with suppress(ConfigError):  # A broken input is told of by whoever needs it.
        context = load_context(site.root, site.settings.context)
    counted = pl.col("measure").is_in([m.id for m in rule.measures]) & pl.col("client").is_not_null()
    stored = site.storage.scan(DAILY_TRAFFIC, [day]).filter(counted).select("day", "bytes", ip="client").collect()
    rows = context.with_assets(stored).filter((pl.col("ip") == client) | (pl.col("asset") == client))
    if rows.is_empty():
        return NO_TRAFFIC, NO_TRAFFIC, None
    hosts, inventory = rows.select("ip", "asset").unique(), Inventory(site.settings.inventory)
    value = rows.select(known_sum("bytes")).item()
    if all(rule.category in inventory.categories(ip, day) for ip in hosts["ip"]):
        return NOT_JUDGED, "server", value
    if context.of_hosts("host_roles", hosts, day)["exclude"].any():
        return NOT_JUDGED, "excluded", value
    return NOT_JUDGED, "unknown_bytes" if value is None else NOT_JUDGED, value


def _surge_state(mine: pl.DataFrame, rated: pl.DataFrame, why: str | None) -> tuple[str, str]:
    """(state, cause) of a client under a surge rule.

    Args:
        mine: its raw score of the day.
        rated: its channels, the rarest first.
        why: what `_least` says of a volume that would alert.
    """
    alerts = rated.filter("alert")
    if alerts.height:
        return "alert", alerts["channel"][0]
    if why in ("learning", "no_channel"):
        return "learning" if why == "learning" else "normal", why
    return "normal", "as_expected" if mine.select(AS_EXPECTED).item(0, 0) else "not_rare_enough"


def _rank(values: pl.Series, value: int | None) -> int | None:
    return None if value is None else int((values > value).sum()) + 1


def _past(site: Site, day: dt.date, rule: Rule, client: str) -> Past:
    return pasts(site, day, rule, [client]).get(client, ())


def _message(site: Site, day: dt.date, rule: Rule, client: str) -> str | None:
    wanted = (pl.col("rule_id") == rule.id) & (pl.col("client") == client)
    found = site.storage.scan(ALERTS, [day]).filter(wanted).select("message").collect()
    return found["message"][0] if found.height else None
