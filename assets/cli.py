"""The `nilometer` command: words and exit codes of the contract; the work is done elsewhere.

Exit 0: done. 1: done, with problems, which are named. 2: wrong use or configuration. Results go to stdout, progress
and problems to stderr; every --json output is JSON lines.
"""

from __future__ import annotations

import datetime as dt
import errno
import itertools
import os
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from shlex import quote
from typing import Any

import click

from assets.commands import views
from assets.commands.evaluate import evaluate
from assets.commands.explain import explain
from assets.commands.inject import inject
from assets.commands.options import Day, Moment, NamedPath, asked_days, day_options
from assets.commands.power import backtest, compare, power
from assets.commands.prune import prune
from assets.commands.quality import quality
from assets.commands.rules import rules
from assets.reporting import journal, screen
from assets.streams import RESULTS, Stopped
from pipeline.acceptance import FIT
from pipeline.disk import exists, fault_message, limit_met
from pipeline.errors import ConfigError, NilometerError, RuleError
from pipeline.schemas import TABLES
from pipeline.settings import CONFIG_NAME
from pipeline.site import DEMO_FOLDER, ENV_SITE, Site, open_site
from pipeline.storage import DAMAGE
from pipeline.stored.now import ahead, known_days, last_ended_day, open_landing
from pipeline.waits import telling
from pipeline.whole import write_text_whole
from pipeline.wording import counted

PROBLEMS, MISUSE = 1, 2
FORMATS = ("table", "csv", "jsonl", "ocsf", "ecs", "splunk", "html")
THEFT = click.IntRange(0, 10**14)


class _Group(click.Group):
    """Turns our errors into one line on stderr and the contract's exit codes."""

    def main(self, *words: Any, **options: Any) -> Any:
        try:
            try:
                return super().main(*words, **options)
            finally:
                sys.stdout.flush()
        except OSError as error:  # Of what waited to be written, and of --help, which is no command.
            sys.exit(_of_the_disk(error))

    def make_context(self, info_name: str | None, args: list[str], *more: Any, **options: Any) -> click.Context:
        words = list(args)  # Click takes them away as it reads them.
        try:
            return super().make_context(info_name, args, *more, **options)
        except click.UsageError as error:
            _find_log_format(words)
            raise _told_to_machines(error) from None

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with telling(screen.warn):
                return super().invoke(ctx)
        except KeyboardInterrupt:
            raise Stopped from None  # Click's own word for it is no sentence.
        except click.UsageError as error:
            right = _of_all_commands(self, error) if isinstance(error, click.NoSuchOption) else error
            raise _told_to_machines(right) from None
        except NilometerError as error:
            screen.warn(f"error: {error.message}")
            ctx.exit(MISUSE if isinstance(error, ConfigError | RuleError) else PROBLEMS)
        except OSError as error:
            ctx.exit(_of_the_disk(error))
        except DAMAGE as error:
            ctx.exit(_of_a_table(ctx.obj, error))


def _of_all_commands(group: click.Group, error: click.NoSuchOption) -> click.UsageError:
    """The same, but for an option that every command has, behind its name instead of before it."""
    before = {name for p in group.params if isinstance(p, click.Option) for name in p.opts}
    if error.option_name not in before or error.ctx is None:
        return error
    words = error.ctx.command_path.split(maxsplit=1)
    right = f"{words[0]} {error.option_name} ... {' '.join(words[1:])}"
    return click.UsageError(f"{error.option_name} stands before the command: {right}", error.ctx)


def _told_to_machines(error: click.UsageError) -> Exception:
    """What click would tell in sentences, told in the form of a journal that is read by a program."""
    if not journal.as_json() or isinstance(error, click.exceptions.NoArgsIsHelpError):
        return error
    usage = f" (see {error.ctx.command_path} --help)" if error.ctx else ""
    screen.warn(f"error: {error.format_message()}{usage}")
    return click.exceptions.Exit(error.exit_code)


def _of_the_disk(error: OSError) -> int:
    """Say what is wrong below the program; the exit code. What is no fault of the disk is raised."""
    if error.errno == errno.EPIPE:  # A reader who has seen enough, such as head, is told nothing.
        return PROBLEMS
    if error.filename == RESULTS:
        screen.warn(f"error: {RESULTS}: {error.strerror}. The results cannot be written there: send them elsewhere.")
    elif (text := fault_message(error)) is not None:
        screen.warn(f"error: {text}")
    else:
        raise error
    return MISUSE if error.errno == errno.ENAMETOOLONG else PROBLEMS


def _damaged(folder: Path) -> NilometerError | None:
    """The first stored table that does not read; None where there is none, as of a command that needs no site."""
    try:
        storage = open_site(folder).storage
    except NilometerError:
        return None
    return storage.first_damage(sorted({day for table in TABLES for day in storage.days(table)}))


def _of_a_table(folder: Path, error: BaseException) -> int:
    """Say which stored table does not read; the exit code. Where all of them do, the error is raised."""
    if (found := limit_met(error) or _damaged(folder)) is None:
        raise error
    screen.warn(f"error: {found.message}")
    return PROBLEMS


def _log_format(_ctx: click.Context, _param: click.Parameter, value: str | None) -> None:
    """Known before any other word is found to be wrong."""
    if value:
        os.environ[journal.ENV_FORMAT] = value


def _find_log_format(words: Sequence[str]) -> None:
    """The same where an option that nobody has, or one without its value, kept the options from being read at all."""
    for name, value in (*itertools.pairwise(words), *(w.partition("=")[::2] for w in words)):
        if name == "--log-format" and value in journal.FORMATS:
            os.environ[journal.ENV_FORMAT] = value


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--site",
    envvar=ENV_SITE,
    type=NamedPath(),
    help="The site's folder; default: $NILOMETER_SITE, else the current folder.",
)
@click.option(
    "--log-format",
    envvar=journal.ENV_FORMAT,
    type=click.Choice(journal.FORMATS),
    is_eager=True,
    expose_value=False,
    callback=_log_format,
    help=f"How progress and problems are told on stderr; default: ${journal.ENV_FORMAT}, else text.",
)
@click.version_option(package_name="nilometer")
@click.pass_context
def main(ctx: click.Context, site: Path | None) -> None:
    """A daily gauge for mail-server traffic: flow logs in, hosts in flood out (ATT&CK T1114.002)."""
    os.environ.setdefault("DAGSTER_DISABLE_TELEMETRY", "yes")
    os.environ.setdefault("GX_ANALYTICS_ENABLED", "false")
    try:
        Path.cwd()
    except FileNotFoundError:
        raise ConfigError("the current folder is gone.", remedy="Go to another one, with cd.") from None
    ctx.obj = site or Path()


for _command in (evaluate, explain, inject, rules, power, backtest, compare, prune, quality):
    main.add_command(_command)


@main.command()
@click.argument("folder", type=NamedPath(file_okay=False))
def init(folder: Path) -> None:
    """Write a commented nilometer.yaml into FOLDER."""
    from pipeline.starter import starter_text

    target = folder / CONFIG_NAME
    if exists(target):
        raise ConfigError(f"{target} is there already.", remedy="Edit it, or choose another folder.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_text_whole(target, starter_text(dt.datetime.now(dt.UTC).date()))
    except OSError as error:
        raise ConfigError(f"{target} cannot be written ({error.strerror}).", remedy="Choose another folder.") from error
    screen.say(f"Wrote {target}.")
    screen.say(
        "Now name your logs and your email servers in it, then run: nilometer --site " + f"{quote(str(folder))} check"
    )


@main.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object a source and a rule.")
@click.pass_obj
def check(folder: Path, as_json: bool) -> None:
    """Validate the site: configuration, inventory, sources, rules, and whether each rule can ever fire."""
    from assets.commands.checkup import check_site

    sys.exit(PROBLEMS if check_site(open_site(folder), as_json=as_json) else 0)


@main.command()
@day_options
@click.option(
    "--stale", is_flag=True, help="Bring the days that were run up to date: stale and failed ones, and gaps between."
)
@click.option("--reread", is_flag=True, help="Read logs of the days again whose rows were pruned.")
@click.pass_obj
def run(
    folder: Path, day: dt.date | None, first: dt.date | None, last: dt.date | None, stale: bool, reread: bool
) -> None:
    """Make all tables of the days; without a choice, of the day that ended last."""
    site = open_site(folder)
    if stale and (day or first or last or reread):
        raise click.UsageError("--stale chooses the days itself.")
    from assets import runner

    end = last_ended_day(site)
    start = site.settings.start_date if last and not first else end
    asked = [] if stale else asked_days(day, first, last, (start, end))
    report = runner.run_stale(site) if stale else runner.run_days(site, asked, reread=reread)
    sys.exit(_told(report.days, report.problems))


def _told(days: Sequence[Any], problems: Sequence[str]) -> int:
    """Say what a run came to; the exit code."""
    bad = [d for d in days if d.state != "done" or d.quality not in FIT]
    rows = sum(d.tables["alerts"].rows for d in days if "alerts" in d.tables)
    good, alerts = len(days) - len(bad), counted(rows, "alert")
    told = f"{counted(len(days), 'day')}: {good:,} good, {len(bad):,} with problems; {alerts}."
    screen.say(told if days else "No day is stale; none was made.")
    why = {d.day: "; ".join(d.reasons) or _WHY.get(d.quality, "").replace("DAY", str(d.day)) for d in bad}
    screen.warn_days({d.day: f"{d.state}, {d.quality}{': ' + why[d.day] if why[d.day] else ''}" for d in bad})
    for problem in problems:
        screen.warn(f"problem: {problem}")
    return PROBLEMS if bad or problems else 0


_WHY = {
    "no_data": "no line of a log could be read for this day; that is not the same as no alert",
    "unverified": "a check that matters failed, see: nilometer quality --day DAY",
    "partial": "a sensor that is usually there was silent, so others may have been in flood unseen; "
    "see: nilometer quality --day DAY",
}


@main.command()
@day_options
@click.option("--json", "as_json", is_flag=True, help="One JSON object a day.")
@click.pass_obj
def status(folder: Path, day: dt.date | None, first: dt.date | None, last: dt.date | None, as_json: bool) -> None:
    """List days: done, stale, missing or failed, and why."""
    from data_quality.judged import names_unjudged
    from data_quality.results import day_quality
    from pipeline.stored.status import days_status

    site = open_site(folder)
    days = asked_days(day, first, last, _span(site))
    if not (day or last):
        days = known_days(site, days, site.storage.days("flows") + site.storage.failed_days())
    stand = days_status(site, open_landing(site), days, day_quality, unjudged=names_unjudged)
    found = [_with_standing(site, d) for d in stand]
    if as_json:
        screen.json_lines(d.as_dict() for d in found)
    else:
        views.show_days(found)


def _with_standing(site: Site, day: Any) -> Any:
    """The status of a day that was made, with what its quality rests on."""
    from data_quality.standing import reason

    why = (ahead(site, day.day) or reason(site, day.day, day.quality)) if day.tables else ""
    return replace(day, reasons=(*day.reasons, why)) if why else day


def _span(site: Site) -> tuple[dt.date, dt.date]:
    """From the site's start to the last day that ended, or that is stored."""
    stored = [*site.storage.days("flows"), *site.storage.failed_days(), last_ended_day(site)]
    return site.settings.start_date, max(*stored, site.settings.start_date)


@main.command()
@day_options
@click.option("--rule", help="Only this rule's alerts.")
@click.option("--format", "form", type=click.Choice(FORMATS), show_default="table")
@click.option("--history", "alert_id", metavar="ID", help="Instead, all that became of one alert, withdrawn ones too.")
@click.option("--changes", is_flag=True, help="Instead, how verdicts of the days changed: raised, withdrawn, and why.")
@click.option("--since", type=Moment(), help="With --changes: only what was noted then or later.")
@click.option("--json", "as_json", is_flag=True, help="The same as --format jsonl.")
@click.pass_obj
def alerts(folder: Path, /, rule: str | None, form: str | None, alert_id: str | None, **asked: Any) -> None:
    """Print the alerts of the days; with one rule, csv has exactly the seed's columns."""
    from assets.commands.alerting import print_alerts
    from assets.commands.verdict_history import print_changes, print_history, told_days

    form = _form(form, as_json=asked["as_json"])
    site, day, first, last = open_site(folder), asked["day"], asked["first"], asked["last"]
    if (asked["changes"] or alert_id is not None) and form not in ("table", "jsonl"):
        raise click.UsageError(f"--history and --changes have --format table or jsonl, not {form}.")
    if asked["since"] and not asked["changes"]:
        raise click.UsageError("--since belongs to --changes.")
    if alert_id is not None:
        if day or first or last or rule or asked["changes"]:
            raise click.UsageError("--history takes an alert's id and --format table or jsonl, and nothing else.")
        print_history(site, alert_id, as_json=form == "jsonl")
    elif asked["changes"]:
        days = asked_days(day, first, last, told_days(site))
        print_changes(site, days, rule, asked["since"], as_json=form == "jsonl")
    elif (scored := site.storage.days("alerts")) or day or first or last:
        ends = (scored[0], scored[-1]) if scored else (site.settings.start_date, site.settings.start_date)
        days = asked_days(day, first, last, ends)
        sys.exit(print_alerts(site, days if day or last else known_days(site, days, scored), rule, form))
    else:
        if form != "table":
            print_alerts(site, [], rule, form)
        _warn_of_no_alerts(site)
        sys.exit(PROBLEMS)


def _warn_of_no_alerts(site: Site) -> None:
    if gone := site.storage.pruned_days("alerts"):
        screen.warn(f"All alerts were pruned, the last of {gone[-1]}; nilometer alerts --changes tells what they were.")
    else:
        screen.warn("No day is scored yet. Run one: nilometer run --day YYYY-MM-DD")


def _form(form: str | None, *, as_json: bool) -> str:
    """The asked format; --json is a word for one of them, and no other can be meant beside it."""
    if as_json and form not in (None, "jsonl"):
        raise click.UsageError(f"--json is --format jsonl; leave it out for {form}.")
    return "jsonl" if as_json else form or "table"


@main.command()
@click.argument("files", nargs=-1, required=True, type=NamedPath())
@click.option("--format", "wanted", default="auto", show_default=True, help="The logs' format, where it is known.")
@click.option("--header", default="", help="The line that names the columns, of delimited files without it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a file.")
def identify(files: tuple[Path, ...], wanted: str, header: str, as_json: bool) -> None:
    """Say what each of FILES is: format, flows, bytes, time range, and what became of every line."""
    from pipeline.insight.identify import identify as look
    from pipeline.mapping import check_header
    from pipeline.settings import FORMATS as KNOWN

    if wanted not in KNOWN:
        raise click.UsageError(f"unknown format {wanted!r}; known: {', '.join(KNOWN)}.")
    try:
        header = header and check_header(header)
    except ValueError as error:
        raise click.UsageError(f"--header {error}.") from error
    now, failed = dt.datetime.now(dt.UTC), False
    for path in files:
        found = look(path, now, wanted=wanted, header=header)
        failed |= found.error is not None
        if as_json:
            screen.json_lines([found.as_dict()])
        else:
            views.show_file(found)
    sys.exit(PROBLEMS if failed else 0)


@main.command()
@click.argument("folder", default=DEMO_FOLDER, type=NamedPath(file_okay=False))
@click.option("--days", default=45, show_default=True, type=click.IntRange(1, 3660), help="Days up to yesterday.")
@click.option("--clients", default=300, show_default=True, type=click.IntRange(1, 20_000))
@click.option("--theft-bytes", "--theft", "theft", default=1_500_000_000, show_default=True, type=THEFT)
@click.option("--seed", default=7, show_default=True, help="Names the company, its habits and its thief.")
def demo(folder: Path, days: int, clients: int, theft: int, seed: int) -> None:
    """Make a site of simulated logs in FOLDER, run it, and print its alert."""
    from assets.commands.demo import run_demo
    from pipeline.simulate.company import Company

    yesterday = dt.datetime.now(dt.UTC).date() - dt.timedelta(days=1)
    company = Company(seed=seed, last_day=yesterday, clients=clients, days=days, theft_bytes=theft)
    report = run_demo(folder, company)
    sys.exit(0 if report.good else _told(report.days, report.problems))


@main.command()
@click.argument("folder", type=NamedPath(file_okay=False))
@click.option("--clients", default=3_000, show_default=True, type=click.IntRange(1, 100_000))
@click.option("--days", default=75, show_default=True, type=click.IntRange(1, 3_660))
@click.option(
    "--seed", default=0, show_default=True, type=click.IntRange(0, 2**63 - 1), help="Names everything random."
)
@click.option("--start", default="2025-01-06", show_default=True, type=Day(), help="First day.")
@click.option("--thefts", default=5, show_default=True, type=click.IntRange(0, 1_000), help="Thefts of each size.")
@click.option("--logs", type=click.Choice(("zeek", "vpc", "suricata")), help="Write flow logs and a site too.")
def simulate(folder: Path, logs: str | None, thefts: int, **numbers: Any) -> None:
    """Write a labelled world into FOLDER: daily bytes, lookalikes and thefts, and what a site could know."""
    from assets.commands.simulate import write_world
    from pipeline.simulate.settings import WorldSettings, default_attacks

    try:
        settings = WorldSettings(attacks=default_attacks(thefts), **numbers)
    except ValueError as error:
        raise click.UsageError(f"{error}.") from None
    write_world(folder, settings, logs)


@main.command()
@click.option("--port", default=3000, show_default=True, type=click.IntRange(1, 65_535))
@click.pass_obj
def ui(folder: Path, port: int) -> None:
    """Open the site in the Dagster UI on 127.0.0.1, with its schedules, until Ctrl-C."""
    from assets.commands.serve import serve

    serve(open_site(folder), port)
