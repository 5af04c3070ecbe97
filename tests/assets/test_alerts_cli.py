"""`nilometer alerts` of rows that this version would not store: each is shown, in every form, and hides no other."""

from __future__ import annotations

import csv
import shutil
from html import unescape
from pathlib import Path

import polars as pl
import pytest

from assets.cli import FORMATS
from assets.commands import alerting
from assets.reporting import screen
from pipeline.schemas import ALERTS, DAILY_TRAFFIC
from pipeline.settings import CONFIG_NAME
from pipeline.site import Site, open_site
from pipeline.trials.pasts import pasts
from tests.assets.conftest import SPELL
from tests.calls import call, objects
from tests.worlds import SEED, day

LAST = day(SPELL - 1)
OTHER = {"alert_id": "nilo-other", "rule_id": SEED, "client": "10.0.0.9", "techniques": ["T1114"], "evidence": "{}"}


@pytest.fixture
def site(spell: Path, tmp_path: Path) -> Site:
    return open_site(shutil.copytree(spell, tmp_path / "site"))


def store(site: Site, rows: pl.DataFrame) -> None:
    site.storage.write_day(ALERTS, LAST, rows, inputs={})


@pytest.mark.parametrize("form", FORMATS)
def test_a_row_of_which_all_but_its_names_is_unknown_is_shown(site: Site, form: str) -> None:
    stored = site.storage.read_day(ALERTS, LAST)
    names = ("alert_id", "rule_id", "client")
    bare = ALERTS.conform(
        stored.head(1).select(alert_id=pl.lit("nilo-bare"), rule_id="rule_id", client=pl.lit("10.9.9.9"))
    )
    assert [c for c in bare.columns if bare[c].null_count() == 0] == list(names)
    store(site, ALERTS.conform(pl.concat([stored, bare])))
    found = call("alerts", "--day", LAST, "--format", form, site=site.root)
    assert (found.exit_code, stored["alert_id"][0] in found.stdout, "nilo-bare" in found.stdout) == (0, True, True)
    assert str(LAST) in found.stdout


@pytest.mark.parametrize("form", FORMATS)
def test_a_day_with_columns_of_another_kind_is_named_and_hides_no_other(site: Site, form: str) -> None:
    pl.DataFrame([OTHER]).with_columns(day=pl.lit("no day")).write_parquet(site.storage.path(ALERTS.name, LAST))
    before = day(SPELL - 2)
    site.storage.write_day(ALERTS, before, ALERTS.conform(pl.DataFrame([OTHER])), inputs={})
    found = call("alerts", "--from", before, "--to", LAST, "--format", form, site=site.root)
    assert (found.exit_code, "nilo-other" in found.stdout) == (1, True)
    assert f"{LAST}: " in found.stderr
    assert "does not have its table's columns, or has them with other types. Run its day again" in found.stderr


@pytest.mark.parametrize("form", [f for f in FORMATS if f not in alerting.WHOLE])
@pytest.mark.parametrize("rule", [[], ["--rule", SEED]])
def test_alerts_are_written_as_they_are_read_and_come_out_the_same(
    site: Site, monkeypatch: pytest.MonkeyPatch, form: str, rule: list[str]
) -> None:
    stored = site.storage.read_day(ALERTS, LAST).head(1)
    for d in (LAST, day(SPELL - 2)):
        rows = [
            stored.with_columns(
                alert_id=pl.lit(f"nilo-{n}-{d}"), client=pl.lit(f"10.9.9.{n}"), bytes_in=n + 7, day=pl.lit(d)
            )
            for n in range(4)
        ]
        site.storage.write_day(ALERTS, d, pl.concat(rows), inputs={})
    asked = ["alerts", "--from", day(SPELL - 2), "--to", LAST, "--format", form, *rule]
    whole = call(*asked, site=site.root).stdout
    written: list[str] = []
    monkeypatch.setattr(alerting, "_AT_ONCE", 3)
    monkeypatch.setattr(screen, "parts", written.extend)
    call(*asked, site=site.root)
    assert "".join(written) == whole
    assert len(list(csv.reader(whole.splitlines())) if form == "csv" else whole.splitlines()) == 8 + (form == "csv")
    by_day = form == "csv" and bool(rule)
    assert len(written) == (2 if by_day else 4) + (form == "csv")


def test_whose_alerts_they_are_is_asked_without_reading_them_and_of_damaged_days_nothing(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    stored = alerting._Stored(site, {day(SPELL - 2): "verified", LAST: "verified"}, None)
    with monkeypatch.context() as patch:
        patch.delattr(type(site.storage), "read_day")
        assert stored.all_of(SEED)
        assert not stored.all_of("another")
    site.storage.path("alerts", LAST).write_bytes(b"PAR1 and no more")
    assert stored.all_of("another")


@pytest.mark.parametrize("form", FORMATS)
def test_the_order_of_alerts_hangs_on_no_order_of_what_is_stored(site: Site, form: str) -> None:
    stored = site.storage.read_day(ALERTS, LAST).head(1)
    size = stored["bytes_in"].item()
    rows = pl.concat(
        stored.with_columns(alert_id=pl.lit(f"nilo-{n}"), rule_id=pl.lit(f"rule_{n % 2}"), client=pl.lit(c, pl.String))
        for n, c in enumerate(["10.9.9.9", "10.9.9.9", None, None, None, None])
    ).with_columns(bytes_in=size)
    told = []
    for mixed in (rows, rows.reverse()):
        site.storage.write_day(ALERTS, LAST, mixed, inputs={})
        told.append(call("alerts", "--from", LAST, "--to", LAST, "--format", form, site=site.root).stdout)
    assert told[0] == told[1]


def test_the_page_draws_the_days_of_who_alerts_and_tells_what_stderr_does(site: Site) -> None:
    found = call("alerts", "--from", LAST, "--to", day(SPELL), "--format", "html", site=site.root)
    stored = site.storage.read_day(ALERTS, LAST)
    assert found.stdout.count("<section") == stored.height > 0
    days = pasts(site, LAST, site.rule(SEED), stored["client"].to_list())
    drawn = sum(len(days[c]) for c in stored.filter(pl.col("rule_id") == SEED)["client"])
    assert found.stdout.count("</title></rect>") == drawn > stored.height
    (said,) = found.stderr.splitlines()
    assert (found.exit_code, said.partition(": ")[0]) == (1, str(day(SPELL)))
    assert all(part in unescape(found.stdout) for part in said.split(": ", 1))


def test_days_that_cannot_be_read_are_not_drawn_and_hide_no_alert(site: Site) -> None:
    site.storage.path(DAILY_TRAFFIC.name, day(0)).write_bytes(b"no Parquet")
    found = call("alerts", "--day", LAST, "--format", "html", site=site.root)
    assert (found.exit_code, "<section" in found.stdout, "<rect" in found.stdout) == (0, True, False)


def test_rules_whose_category_nobody_has_any_more_are_silent_by_name(site: Site) -> None:
    """A category that was renamed in the inventory alone: the days are made again, and no rule sees anybody."""
    path, told = site.root / CONFIG_NAME, "looks for a category that no entry of the inventory had on the day"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace("email_server", "mail_server"), encoding="utf-8")
    asked = ("alerts", "--day", LAST)
    before = call(*asked, site=site.root)  # What is stored was judged by the inventory of then.
    assert (before.exit_code, told in before.stderr) == (0, False)
    call("run", "--day", LAST, site=site.root)
    blind = call(*asked, site=site.root)
    assert (blind.exit_code, "No alert" in blind.stdout, told in blind.stderr) == (1, True, True)
    assert told in call(*asked, "--format", "html", site=site.root).stdout
    rows = objects(call("explain", "10.0.0.9", LAST, "--json", site=site.root))
    assert {(o["state"], o["cause"]) for o in rows} == {("not_scored", "not_watched")}
    assert "category email_server, or mend the rule" in call("explain", "10.0.0.9", LAST, site=site.root).stdout
    path.write_text(text.replace("email_server", "[email_server, mail_server]"), encoding="utf-8")
    call("run", "--day", LAST, site=site.root)
    assert told not in call(*asked, site=site.root).stderr


def test_a_rule_of_a_category_that_nobody_has_hides_no_verdict_of_the_others(site: Site) -> None:
    (site.root / "rules").mkdir()
    call("rules", "new", site.root / "rules" / "mine.yaml", site=site.root)
    call("run", "--day", LAST, site=site.root)
    every, alone = (call("alerts", "--day", LAST, *more, site=site.root) for more in ((), ("--rule", "mine")))
    assert [r.exit_code for r in (every, alone)] == [0, 1]
    assert all("mine looks for a category" in r.stderr for r in (every, alone))
