"""`nilometer power`, `backtest` and `compare`: what the rules could find, and what others would have found.

All three read a site's stored days and write nothing to them. The numbers are made in `pipeline.trials.power` and
`pipeline.trials.backtest`.
"""

from __future__ import annotations

import datetime as dt
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import polars as pl

from assets.commands.files import writable, write_text
from assets.commands.options import Day, NamedPath, asked_days
from assets.reporting import progress, screen
from pipeline.alerts import amount, human
from pipeline.detections import Rule, RuleOverride, load_rules
from pipeline.detections.fireability import fireability
from pipeline.errors import ConfigError, StorageError
from pipeline.exports import csv_text
from pipeline.site import Site, open_site
from pipeline.stored.now import ended, how_to_make, nothing_scored
from pipeline.wording import counted

if TYPE_CHECKING:
    from pipeline.trials.backtest import Backtest
    from pipeline.trials.trial import SeedTrial, SurgeTrial

_OUTPUT = NamedPath(dir_okay=False)
_SURGE = "mail_volume_surge"
_SHOWN = 20
_ONLY = ("seed only", "surge only")
_SIDES = ("candidate", "current")
_SERIES = ("subject", "category_side", "category", "field", "dest_port", "app", "transport")


@click.command()
@click.option("--day", type=Day(), help="The day, YYYY-MM-DD; default: the last one that is scored.")
@click.option("--rule", help="Only this rule.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a client and rule, then one a size of theft.")
@click.option("--csv", "as_csv", is_flag=True, help="One line a client and rule.")
@click.option("--plot", "plot_file", type=_OUTPUT, help="Draw the coverage into this SVG file.")
@click.pass_obj
def power(
    folder: Path, day: dt.date | None, rule: str | None, as_json: bool, as_csv: bool, plot_file: Path | None
) -> None:
    """Print the power map of a day: the fewest extra bytes that would alert, and who is protected from what.

    Of rules that count flows, other ends or ports it is how many more of those.
    """
    from pipeline.stored.outdated import SILENT, outdated
    from pipeline.trials.power import power_map, protected, windowless

    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both.")
    site = open_site(folder)
    rules = site.rules if rule is None else (site.rule(rule),)
    writable(plot_file)
    if day and not site.storage.has("daily_traffic", day):
        raise StorageError(f"{day} is not stored: {how_to_make(site, day)}.")
    day = day or _last_scored(site)
    behind = {r: how for r, how in outdated(site, day, rules).items() if how in SILENT}
    lacking = windowless(site, day, rules)
    found = power_map(site, day, [r for r in rules if r.id not in lacking])
    lost = behind.keys() - set(found["rule_id"]) - lacking.keys()
    rules = tuple(r for r in rules if r.id not in lost | lacking.keys())
    covered = protected(found, rules)
    if plot_file:
        write_text(plot_file, _coverage_picture(covered))
    _print_power(found, covered, rules, as_json=as_json, as_csv=as_csv)
    for rule_id in sorted(lost):
        how = behind[rule_id]
        screen.warn(f"{rule_id} {how}, so nothing is known of its series{SILENT[how]}")
    for rule_id, why in sorted(lacking.items()):
        told = f"{day} is kept as it was made, without this rule's window of {site.rule(rule_id).lookback_days} days"
        screen.warn(f"{rule_id}: {told}, as {why}; ask for a later day with --day.")
    sys.exit(1 if lost or lacking else 0)


def _print_power(
    found: pl.DataFrame, covered: pl.DataFrame, rules: Sequence[Rule], *, as_json: bool, as_csv: bool
) -> None:
    if as_json:
        screen.json_lines({"what": "power", **row} for row in found.to_dicts())
        screen.json_lines({"what": "coverage", **row} for row in covered.to_dicts())
    elif as_csv:
        screen.raw(csv_text(found))
    elif rules:
        _show_power(found, covered, rules)


def _last_scored(site: Site) -> dt.date:
    scored = ended(site, "anomaly_scores")
    if not scored:
        raise nothing_scored(site)
    return scored[-1]


def _coverage_picture(covered: pl.DataFrame) -> str:
    from pipeline.evaluation.plot import picture

    share = pl.col("protected")
    rows = covered.select(
        basket=pl.lit("clients protected"),
        method="rule_id",
        per_day_per_10k=pl.col("theft_bytes") / 1e6,
        recall=share,
        low=share,
        high=share,
    )
    return picture(rows, "stolen on the day, MB")


def _show_power(found: pl.DataFrame, covered: pl.DataFrame, asked: Sequence[Rule]) -> None:
    """Coverage by size of theft, then who can never alert, and why; rules under which nobody had traffic by name."""
    if found.is_empty():
        screen.say("No client had traffic on the day, so that nobody could alert.")
        return
    if silent := [rule.id for rule in asked if rule.id not in found["rule_id"]]:
        screen.say(f"Nobody had traffic that these rules judge, so nobody could alert: {', '.join(silent)}\n")
    _show_coverage(found["day"][0], covered)
    fields = {rule.id: rule.field for rule in asked}
    counts = found.group_by("rule_id", "reason", "bound_by").agg(
        clients=pl.len(), median=pl.col("extra").median(), least=pl.col("extra").min()
    )
    rows = [
        [r["rule_id"], f"{r['clients']:,}", r["reason"] or f"can, bound by {r['bound_by']}", _extra(r, fields)]
        for r in counts.sort("rule_id", "clients", "bound_by", descending=[False, True, False]).iter_rows(named=True)
    ]
    screen.table(["rule", "clients", "alert", "why, or how much more"], rows, right=["clients"])


def _extra(row: dict[str, Any], fields: Mapping[str, str]) -> str:
    from pipeline.trials.power import REASONS

    if row["reason"]:
        return REASONS[row["reason"]]
    least, median = (amount(row[c], fields[row["rule_id"]]) for c in ("least", "median"))
    return f"from {least}, half within {median}"


def _show_coverage(day: dt.date, covered: pl.DataFrame) -> None:
    """A line a size of theft, and a column a rule that judges bytes."""
    if covered.is_empty():
        return
    rules = covered["rule_id"].unique(maintain_order=True).to_list()
    cells = {(r["rule_id"], r["theft_bytes"]): r["protected"] for r in covered.iter_rows(named=True)}
    sizes = covered["theft_bytes"].unique().sort()
    screen.say(f"Clients that would alert on {day}, by what is stolen on top of their own traffic:")
    screen.table(
        ["theft", *rules], [[human(x), *(f"{cells[r, x]:.1%}" for r in rules)] for x in sizes], right=["theft", *rules]
    )
    screen.say("")


@click.command()
@click.option(
    "--rule",
    "rule_file",
    required=True,
    type=NamedPath(exists=True, dir_okay=False),
    help="The candidate: a rule file.",
)
@click.option("--against", help="The rule in force to compare with; default: the most like it.")
@click.option("--from", "first", type=Day(), help="First day; default: the first one scored.")
@click.option("--to", "last", type=Day(), help="Last day; default: the last one scored.")
@click.option("--seed", default=0, show_default=True, type=click.IntRange(0, 2**62), help="Names who is robbed.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a day, cause, alert, theft size and threshold.")
@click.option("--plot", "plot_file", type=_OUTPUT, help="Draw recall against alerts into this SVG file.")
@click.pass_obj
def backtest(folder: Path, /, rule_file: Path, against: str | None, **asked: Any) -> None:
    """Judge stored days by a candidate rule and by the current one, with planted thefts; nothing is stored.

    Thefts of 10 MB to 10 GB are planted one at a time into copies of the site's rows. The thresholds tried beside the
    rules' own are those of the seed (deviations) or of surge (budgets).
    """
    from data_quality.results import day_quality
    from pipeline.detections.loader import read_rule
    from pipeline.surge.days import remembering
    from pipeline.trials.backtest import backtest as judge
    from pipeline.trials.trial import trial

    site = open_site(folder)
    candidate = read_rule(rule_file, site.settings.lookback_days)
    current = site.rule(against) if against else _current(site, candidate)
    writable(asked["plot_file"])
    days, missing = _stored(site, asked["first"], asked["last"])
    quality_of = remembering(day_quality)
    trials = trial(site, candidate, quality_of), trial(site, current, quality_of)
    days, untold = _told(days, trials)
    with progress.shown("backtest"):
        found = judge(trials, _SIDES, days, seed=asked["seed"], step=lambda n, of: progress.report("days", n, of))
    if asked["plot_file"]:
        write_text(asked["plot_file"], _sweep_picture(found))
    if asked["as_json"]:
        screen.json_lines(found.as_rows())
    else:
        screen.say(f"candidate  {candidate.id} of {rule_file}\ncurrent    {current.id}\n")
        _show_backtest(found)
    _name_counting(candidate, current)
    both = dict(zip(_SIDES, (candidate, current), strict=True))
    named = _name_silent(site, both, found, days) if days else 0
    _name_short_pasts(trials, days)
    sys.exit(max(named, _name_unable(site, both), _name_missing(site, missing), _name_untold(untold)))


def _name_counting(*rules: Rule) -> None:
    for rule in dict.fromkeys(r.id for r in rules if not r.in_bytes):
        screen.warn(f"note: no theft is planted under {rule}: it counts, and a theft is so many bytes.")


def _name_silent(site: Site, rules: Mapping[str, Rule], found: Backtest, days: Sequence[dt.date]) -> int:
    """Say which rules judged nobody on the days, and why; 1 where there is one."""
    have = set[str]().union(*(site.inventory.categories_on(d) for d in days))
    active = set(found.sweep.filter(pl.col("client_days") > 0)["rule"])
    unwatched = {n: rule for n, rule in rules.items() if rule.category not in have}
    idle = {n: rule for n, rule in rules.items() if n not in unwatched and n not in active}
    for name, rule in unwatched.items():
        screen.warn(
            f"the {name} {rule.id} looks for the category {rule.category!r}, which no entry of the inventory had on "
            "these days, so it judged nobody and nothing was compared; add the entries, or mend the rule's category"
        )
    for name, rule in idle.items():
        series = " and ".join(m.id for m in rule.measures)
        screen.warn(
            f"the {name} {rule.id} judged nobody on these days, so nothing was compared: no flow is of its series "
            f"({series}); mend the rule's filter, or choose days with such traffic"
        )
    return 1 if unwatched or idle else 0


def _name_unable(site: Site, rules: Mapping[str, Rule]) -> int:
    """Say which rules their own numbers keep from ever alerting, and why; 1 where there is one."""
    found = {name: fireability(rule, site.settings.start_date) for name, rule in rules.items()}
    unable = {name: f for name, f in found.items() if not f.can_fire}
    for name, f in unable.items():
        screen.warn(f"the {name} {f.rule_id} can fire {f.explanation}")
    return 1 if unable else 0


def _current(site: Site, candidate: Rule) -> Rule:
    """The rule in force that the candidate would take the place of."""
    alike = [sum(getattr(r, key) == getattr(candidate, key) for key in _SERIES) for r in site.rules]
    same = [(r.id == candidate.id, r.method == candidate.method) for r in site.rules]
    likeness = list(zip(same, alike, strict=True))
    if not likeness:
        raise ConfigError(
            "every rule is switched off, so there is none to compare with.", remedy="Switch one on below 'rules'."
        )
    return site.rules[likeness.index(max(likeness))]


def _stored(site: Site, first: dt.date | None, last: dt.date | None) -> tuple[list[dt.date], list[dt.date]]:
    """The asked days that have daily traffic, and those that have none."""
    # A back-test needs daily traffic alone, which may outlive the scores.
    scored = ended(site, "anomaly_scores") or ended(site, "daily_traffic")
    if not scored:
        raise nothing_scored(site)
    days = asked_days(None, first, last, (scored[0], scored[-1]))
    there = [d for d in days if site.storage.has("daily_traffic", d)]
    return there, sorted(set(days) - set(there))


def _name_missing(site: Site, days: Sequence[dt.date]) -> int:
    screen.warn_days({d: f"not stored, so not judged; {how_to_make(site, d)}" for d in days})
    return 1 if days else 0


def _told(
    days: Sequence[dt.date], trials: Sequence[SeedTrial | SurgeTrial]
) -> tuple[list[dt.date], dict[dt.date, str]]:
    """The days that every rule can judge, and of each other one the first rule that cannot."""
    untold = {d: t.rule.id for t in reversed(trials) for d in t.untold(days)}
    return [d for d in days if d not in untold], dict(sorted(untold.items()))


def _name_untold(days: Mapping[dt.date, str]) -> int:
    why = "was not in force when the flows were counted, and these were pruned"
    screen.warn_days({d: f"not judged, as the series of {rule} {why}" for d, rule in days.items()})
    return 1 if days else 0


def _name_short_pasts(trials: Sequence[SeedTrial | SurgeTrial], days: Sequence[dt.date]) -> None:
    """Say of which stored days before the first one judged a rule knows nothing."""
    for trial in trials:
        if days and (untold := trial.untold(trial.past(days[0]))):
            screen.warn(
                f"note: {counted(len(untold), 'day')} from {untold[0]} to {untold[-1]}: no past of {trial.rule.id}, "
                "whose series was not in force when their flows were counted, and these were pruned"
            )


def _sweep_picture(found: Backtest) -> str:
    from pipeline.evaluation.plot import picture

    names = {x: f"theft of {human(x)}" for x in found.sweep["theft_bytes"].unique()}
    basket = pl.col("theft_bytes").replace_strict(names, return_dtype=pl.String)
    ordered = found.sweep.sort("theft_bytes", "rule", "value")
    return picture(ordered.with_columns(basket=basket, method="rule"), "alerts a day per 10,000 clients")


def _show_backtest(found: Backtest) -> None:
    """Alerts a day, differences by cause, recall, and the sweep."""
    daily = found.daily.drop("already").rows()
    screen.table(["day", "clients", *_SIDES, "both"], daily, right=["clients", *_SIDES, "both"])
    screen.say(f"\nAlerts by who gives them, and what each says of the client ({found.alerts.height} in all):")
    screen.table(["by", *_SIDES, "alerts"], found.differences.rows(), right=["alerts"])
    screen.say("\nPlanted thefts that alert, in % (95 % interval):")
    recall = [[r["rule"], human(r["theft_bytes"]), r["events"], _share(r)] for r in found.recall.iter_rows(named=True)]
    screen.table(["rule", "theft", "planted", "found"], recall, right=["theft", "planted", "found"])
    if already := found.daily["already"].sum():
        screen.say(f"Not robbed, as a rule alerts on them without a theft: {already:,} client-days.")
    screen.say("\nOther thresholds, and the thefts they find:")
    sizes = found.sweep["theft_bytes"].unique().sort().to_list()
    rows = []
    for (rule, knob, value), part in (
        found.sweep.sort("rule", "knob", "value", "theft_bytes")
        .partition_by("rule", "knob", "value", as_dict=True, maintain_order=True)
        .items()
    ):
        cost = part["per_day_per_10k"][0]
        shares = [_share(r) for r in part.iter_rows(named=True)]
        rows.append([rule, f"{knob} {value:g}", "-" if cost is None else f"{cost:.2f}", *shares, part["already"].sum()])
    columns = ["rule", "number", "alerts a day per 10,000 clients", *map(human, sizes), "alert anyway"]
    screen.table(columns, rows, right=columns[2:])


def _share(row: dict[str, Any]) -> str:
    return f"{row['recall']:.0%} ({row['low']:.0%}-{row['high']:.0%})" if row["events"] else "-"


@click.command()
@click.option("--from", "first", type=Day(), help="First day; default: the first one scored.")
@click.option("--to", "last", type=Day(), help="Last day; default: the last one scored.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object an alert.")
@click.option("--csv", "as_csv", is_flag=True, help="One line an alert.")
@click.pass_obj
def compare(folder: Path, first: dt.date | None, last: dt.date | None, as_json: bool, as_csv: bool) -> None:
    """List the alerts of the seed alone, of surge alone, and of both, and why the other is silent."""
    from data_quality.results import day_quality
    from pipeline.surge.days import remembering
    from pipeline.trials.backtest import by_cause, compared_methods
    from pipeline.trials.trial import trial

    if as_json and as_csv:
        raise click.UsageError("give --json or --csv, not both.")
    site = open_site(folder)
    days, missing = _stored(site, first, last)
    quality_of = remembering(day_quality)
    rules, others = _comparable(site)
    seeds, surges = ([trial(site, r, quality_of) for r in rules if r.method == m] for m in ("seed", "surge"))
    days, untold = _told(days, [*seeds, *surges])
    found = compared_methods(seeds, surges, _ONLY, days)
    shown = found.rename({"cause_first": "seed", "cause_second": "surge"})
    if as_json:
        screen.json_lines(shown.to_dicts())
    elif as_csv:
        screen.raw(csv_text(shown))
    else:
        _show_compared(shown, by_cause(found))
    for rule in others:
        screen.warn(f"{rule.id}: not compared, its series is none of surge's: {rule.measure.id}")
    _name_short_pasts([*seeds, *surges], days)
    sys.exit(max(_name_missing(site, missing), _name_untold(untold)))


def _comparable(site: Site) -> tuple[list[Rule], list[Rule]]:
    """The rules in force of both methods, the built-in ones of a method that has none; and those of other series."""
    built_in = load_rules({_SURGE: RuleOverride()}, lookback_days=site.settings.lookback_days)
    rules = [r for m in ("seed", "surge") for r in site.rules_of(m) or (r for r in built_in if r.method == m)]
    volumes = {m for r in rules if r.method == "surge" for m in r.measures}
    alike = [r for r in rules if volumes.issuperset(r.measures)]
    return alike, [r for r in rules if r not in alike]


def _show_compared(alerts: pl.DataFrame, counts: pl.DataFrame) -> None:
    from pipeline.trials.trial import CAUSES

    if alerts.is_empty():
        screen.say("No alert of either method.")
        return
    screen.table(["by", "seed says", "surge says", "alerts"], counts.rows(), right=["alerts"])
    screen.say("")
    largest = alerts.sort("bytes", "day", "client", descending=[True, False, False]).head(_SHOWN).sort("day", "client")
    rows = [[r["day"], r["client"], human(r["bytes"]), r["by"], r["seed"], r["surge"]] for r in largest.to_dicts()]
    screen.table(["day", "client", "bytes", "by", "seed says", "surge says"], rows, right=["bytes"])
    if alerts.height > _SHOWN:
        screen.say(f"The {_SHOWN} largest of {alerts.height}; all of them: nilometer compare --csv")
    screen.say("")
    used = sorted({*alerts["seed"], *alerts["surge"]})
    screen.table(["code", "meaning"], [[c, CAUSES[c]] for c in used])
