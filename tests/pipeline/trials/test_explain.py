"""What is said of one client and day: the stored verdict, the numbers behind it, and what would have alerted."""

from __future__ import annotations

import datetime as dt
from pathlib import Path

import polars as pl
import pytest

from pipeline.errors import StorageError
from pipeline.intake.landing import Landing
from pipeline.schemas import ALERTS, ANOMALY_SCORES, DAILY_TRAFFIC, FLOWS
from pipeline.site import Site, open_site
from pipeline.stored.stages import make_baseline, make_daily, make_flows, make_scores, make_surge, publish_alerts
from pipeline.surge.alerts import surge_alerts
from pipeline.trials.explain import WHY, Explanation, _surge_state, explain
from pipeline.trials.power import power_map
from tests.stored_days import stored_site
from tests.worlds import SEED, SERVER, TWIN, day, make_site, usual

DAYS = 14
LAST = day(DAYS - 1)


def run(site: Site) -> None:
    """All stages of all days."""
    days = [day(n) for n in range(DAYS)]
    landing = Landing(site.root, site.storage.root, site.settings, dt.datetime.combine(LAST, dt.time(), dt.UTC))
    assert not landing.land(days).problems
    for d in days:
        make_flows(site, landing, d)
        make_daily(site, d)
        make_baseline(site, d)
        make_scores(site, d)
        if site.rules_of("surge"):
            make_surge(site, d, lambda *_: "verified")
        publish_alerts(site, d, "verified")


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Site:
    root = tmp_path_factory.mktemp("explained")
    made = make_site(root, DAYS)
    run(made)
    return open_site(root)


def told(site: Site, client: str, rule: str = SEED) -> Explanation:
    rules = [r for r in site.rules if r.id == rule]
    (found,) = explain(site, client, LAST, rules)
    return found


def alerting(site: Site) -> str:
    alerts = site.storage.read_day(ALERTS, LAST)
    return str(alerts.filter(pl.col("rule_id") == SEED)["client"][0])


def test_an_alert_is_told_with_its_gates_its_past_and_its_flows(site: Site) -> None:
    client = alerting(site)
    found = told(site, client)
    scores = site.storage.read_day(ANOMALY_SCORES, LAST)
    row = scores.filter((pl.col("client") == client) & (pl.col("rule_id") == SEED)).row(0, named=True)
    assert (found.state, found.rank, found.value) == ("alert", 1, row["bytes"])
    assert found.alert == site.storage.read_day(ALERTS, LAST)["alert_id"][0]
    assert {n: g["passed"] for n, g in found.compared.items()} == dict.fromkeys(("samples", "fleet", "own"), True)
    assert found.compared["own"]["threshold"] < row["bytes"]
    assert found.past[-1] == (LAST, row["bytes"])
    assert len(found.past) == row["n"]
    assert sum(f["bytes"] for f in found.flows) == row["bytes"]
    assert found.message is not None
    assert found.least is not None
    assert found.least < row["bytes"]


def test_a_quiet_client_is_told_the_least_volume_that_would_alert(site: Site) -> None:
    quiet = next(c for c in ("10.0.0.1", "10.0.0.3") if c != alerting(site))
    found = told(site, quiet)
    assert (found.state, found.alert, found.message) == ("normal", None, None)
    assert found.cause in WHY
    assert found.least is not None
    assert found.value is not None
    gates = [found.compared[g]["threshold"] for g in ("own", "fleet")]
    assert found.least > max(found.value, gates[0])


def test_every_client_is_told_its_own_least_volume(site: Site) -> None:
    (rule,) = (r for r in site.rules if r.id == SEED)
    wanted = dict(power_map(site, LAST, [rule]).select("client", "least").iter_rows())
    assert len(set(wanted.values())) > 1
    assert {c: told(site, c).least for c in wanted} == wanted


def test_under_surge_every_client_is_told_its_own_verdict_and_channels(tmp_path: Path) -> None:
    thief, other = "10.0.5.1", "10.0.6.1"
    rules = "rules: {mail_volume_surge: {budget: 300}}\n"
    site = stored_site(tmp_path, rules, 16, clients=12, first=8, extra={(SEED, thief): 2 * 10**9, (SEED, other): 10**9})
    today = day(15)
    site.storage.write_day(FLOWS, today, FLOWS.empty(), inputs={})
    alerts = surge_alerts(site, today, "verified")
    site.storage.write_day(ALERTS, today, alerts, inputs={})
    (rule,) = site.rules_of("surge")
    found = {c: explain(site, c, today, [rule])[0] for c in (thief, "10.0.7.1")}
    assert set(alerts["client"]) >= {thief, other}
    assert [e.state for e in found.values()] == ["alert", "normal"]
    assert (found[thief].cause, found[thief].rank) == ("shot", 1)
    for client, e in found.items():
        assert e.client == client
        assert len({c["channel"] for c in e.compared["channels"]}) == len(e.compared["channels"])
        assert any(c["alert"] for c in e.compared["channels"]) == (e.state == "alert")
        assert e.cause in ("shot", "slow", "new") or e.state == "normal"
        assert e.state == "alert" or (e.value or 0) < (e.least or 0)


def test_any_spelling_of_an_address_is_the_same_client(site: Site) -> None:
    client = alerting(site)
    assert told(site, f"::ffff:{client}").as_dict() == told(site, client).as_dict()


def test_a_client_without_traffic_is_not_called_normal(site: Site) -> None:
    assert told(site, "10.9.9.9").state == "no_traffic"
    assert told(site, alerting(site), TWIN).state == "no_traffic"


def test_a_day_that_is_not_scored_is_an_error_and_no_verdict(site: Site) -> None:
    with pytest.raises(StorageError, match="not scored"):
        explain(site, "10.0.0.1", day(DAYS + 5), site.rules)


def test_an_asset_is_explained_by_what_it_was_judged_as_and_by_its_addresses(tmp_path: Path) -> None:
    make_site(tmp_path, DAYS)
    config = tmp_path / "nilometer.yaml"
    config.write_text(
        config.read_text(encoding="utf-8") + "rules: {mail_volume_surge: true}\ncontext: {entities: leases.csv}\n",
        encoding="utf-8",
    )
    moved = day(DAYS - 3)  # Until then it had another address, and another host the one it has.
    name, other_form = "b\u00fcro", "bu\u0308ro"
    leases = [("10.0.0.1", name, "", moved), ("10.0.0.2", "printer", "", moved), ("10.0.0.2", other_form, moved, "")]
    text = "".join(",".join(map(str, row)) + "\n" for row in leases)
    (tmp_path / "leases.csv").write_text("address,asset,valid_from,valid_to\n" + text, encoding="utf-8")
    site = open_site(tmp_path)
    run(site)
    found = {e.rule.id: e for e in explain(site, other_form, LAST, site.rules)}
    assert found[SEED].client == "10.0.0.2"
    surge = found["mail_volume_surge"]
    assert (surge.client, surge.value) == (name, found[SEED].value)
    assert surge.compared["addresses"] == ["10.0.0.2"]
    assert surge.past[:-1] == tuple(
        (d, usual(n)[f"10.0.0.{1 + (d >= moved)}"]) for n, d in enumerate(map(day, range(13)))
    )
    (gone,) = explain(site, "printer", LAST, [surge.rule])
    assert (gone.state, len(gone.past)) == ("no_traffic", DAYS - 3)
    by_address = {e.rule.id: e for e in explain(site, "10.0.0.2", LAST, site.rules)}
    assert by_address["mail_volume_surge"].as_dict() == surge.as_dict()


def test_who_had_traffic_and_is_left_out_of_surge_is_told_why_and_how_much_it_had(tmp_path: Path) -> None:
    (tmp_path / "roles.csv").write_text("address,role,exclude\n10.0.3.1,scanner,true\n", encoding="utf-8")
    (tmp_path / "leases.csv").write_text("address,asset\n10.0.3.1,scanner-3\n", encoding="utf-8")
    rules = "rules: {mail_volume_surge: true}\ncontext: {host_roles: roles.csv, entities: leases.csv}\n"
    today = day(3)
    site = stored_site(tmp_path, rules, 4, clients=5, extra={(SEED, SERVER): 10**9, (SEED, "10.0.9.1"): 1})
    rows = site.storage.read_day(DAILY_TRAFFIC, today)
    unknown = rows.with_columns(bytes=pl.when(pl.col("client") != "10.0.9.1").then("bytes"))
    site.storage.write_day(DAILY_TRAFFIC, today, unknown, inputs={})
    make_surge(site, today, lambda *_: "verified")
    site.storage.write_day(ALERTS, today, ALERTS.empty(), inputs={})
    (rule,) = site.rules_of("surge")
    size = rows.filter(pl.col("client") == "10.0.3.1")["bytes"].item()
    wanted = {
        SERVER: ("not_judged", "server", 10**9),
        "10.0.3.1": ("not_judged", "excluded", size),
        "scanner-3": ("not_judged", "excluded", size),
        "10.0.9.1": ("not_judged", "unknown_bytes", None),
        "10.0.8.1": ("no_traffic", "no_traffic", None),
    }
    found = {c: explain(site, c, today, [rule])[0] for c in wanted}
    assert {c: (e.state, e.cause, e.value) for c, e in found.items()} == wanted
    assert all(e.as_dict()["why"] for e in found.values())


@pytest.mark.parametrize(
    ("why", "ratio", "told"),
    [
        ("learning", 5.0, ("learning", "learning")),
        ("no_channel", 5.0, ("normal", "no_channel")),
        (None, 5.0, ("normal", "not_rare_enough")),
        ("budget_too_small", 5.0, ("normal", "not_rare_enough")),
        (None, 1.01, ("normal", "as_expected")),
    ],
)
def test_a_client_without_an_alert_is_learning_only_where_too_little_is_known(
    why: str | None, ratio: float, told: tuple[str, str]
) -> None:
    rated = pl.DataFrame({"alert": [False], "channel": ["shot"]})
    assert _surge_state(pl.DataFrame({"ratio": [ratio]}), rated, why) == told
