"""Days broken as the world breaks them: exactly the expectations that should fail do, and the documentation says which.

The company's logs are broken before the last day is made, or its stored tables after. A fault of one kind may be seen
by several expectations; what is seen is written down here and in docs/data-quality.md.
"""

import datetime as dt
import json
import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import polars as pl
import pytest

from data_quality import checks
from data_quality.checks import run_all
from data_quality.results import day_quality
from data_quality.specs import check_specs
from pipeline.errors import NilometerError
from pipeline.site import PROJECT, Site, open_site
from tests.data_quality.company import (
    LAST,
    SENSORS,
    SERVERS,
    Record,
    failing,
    log,
    make,
    records,
    rewrite,
    write,
    write_day,
)


@pytest.fixture
def site(company: Path, tmp_path: Path) -> Site:
    """The company before its last day; stored days, which nobody writes into, are the same files in all of them."""
    linked = shutil.copytree(company / "data", tmp_path / "site" / "data", copy_function=os.link).parent
    shutil.copytree(company, linked, ignore=shutil.ignore_patterns("data"), dirs_exist_ok=True)
    write_day(linked)
    return open_site(linked)


@pytest.fixture(scope="module")
def whole(company: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The company with its last day, which is without a fault."""
    found = open_site(shutil.copytree(company, tmp_path_factory.mktemp("whole") / "site"))
    write_day(found.root)
    make(found, [LAST])
    assert failing(found) == {}
    return found.root


@pytest.fixture
def clean(whole: Path, tmp_path: Path) -> Site:
    return open_site(shutil.copytree(whole, tmp_path / "site"))


def hour(row: Record) -> int:
    return dt.datetime.fromtimestamp(row["ts"], dt.UTC).hour


def half_a_day(site: Site) -> None:
    rewrite(site, SENSORS, lambda r: r if hour(r) < 13 else None)


def one_sensor_silent(site: Site) -> None:
    log(site.root, "edge").unlink()


def one_sensor_blind(site: Site) -> None:
    """Its log is written, with all but the mail."""
    rewrite(site, ["edge"], lambda _: None)


def copied_file(site: Site) -> None:
    shutil.copy(log(site.root, "core"), log(site.root, "core").with_name("copy of conn.log"))


def logged_twice(site: Site) -> None:
    """Two workers of one sensor: the same sessions in another order."""
    write(log(site.root, "core").with_name("worker-2.log"), reversed(records("core", LAST)))


def seen_by_two(site: Site) -> None:
    """A second sensor without a name, which sees a part of the traffic, writes its log beside the first one's."""
    rows = [r | {"ts": r["ts"] + 0.003, "uid": "U" + r["uid"]} for r in records("core", LAST)[::20]]
    write(log(site.root, "core").with_name("sensor-2.log"), rows)


def bytes_flipped(site: Site) -> None:
    pairs = {"orig_bytes": "resp_bytes", "orig_ip_bytes": "resp_ip_bytes", "orig_pkts": "resp_pkts"}
    swap = pairs | {b: a for a, b in pairs.items()}
    rewrite(site, SENSORS, lambda r: {swap.get(k, k): v for k, v in r.items()})


def clock_off(site: Site) -> None:
    rewrite(site, ["edge"], lambda r: r | {"ts": r["ts"] + 3600})


def zone_forgotten(site: Site) -> None:
    """One sensor sees a part of what passes the other, too, and its times are taken for those of another zone."""
    rows = [r | {"id.orig_p": 50_000 + n} for n, r in enumerate(records("core", LAST))]
    again = [r | {"ts": r["ts"] + 7_200, "uid": "Z" + r["uid"]} for r in rows[::6]]
    write(log(site.root, "core"), rows)
    write(log(site.root, "edge"), [*records("edge", LAST), *again])


def empty_flows(site: Site) -> None:
    sizes = dict.fromkeys(("orig_bytes", "resp_bytes", "orig_ip_bytes", "resp_ip_bytes"), 0)
    rewrite(site, SENSORS, lambda r: r | sizes)


def unknown_bytes(site: Site) -> None:
    sizes = ("orig_bytes", "resp_bytes", "orig_ip_bytes", "resp_ip_bytes")
    rewrite(site, SENSORS, lambda r: {k: v for k, v in r.items() if k not in sizes or hour(r) != 11})


def one_way_unknown(site: Site) -> None:
    """The sensors see what the clients send alone."""
    rewrite(site, SENSORS, lambda r: r | {"resp_bytes": None, "resp_ip_bytes": None})


def server_moved(site: Site) -> None:
    rewrite(site, SENSORS, lambda r: r | {"id.resp_h": "192.0.2.77"} if r["id.resp_h"] == SERVERS[1] else r)


def wrong_day(site: Site) -> None:
    """The log of the day holds the sessions of the day before once more, a day late in its clock."""
    rewrite(site, SENSORS, lambda r: r | {"ts": r["ts"] - 86_400, "uid": "L" + r["uid"]})


def other_unit(site: Site) -> None:
    rewrite(site, SENSORS, lambda r: r | {"resp_bytes": r["resp_bytes"] * 8, "resp_ip_bytes": r["resp_ip_bytes"] * 8})


def behind_translation(site: Site) -> None:
    rewrite(site, SENSORS, lambda r: r | {"id.orig_h": "10.0.0.1"})


def scan(site: Site) -> None:
    rows = records("core", LAST)
    crowd = [
        r | {"id.orig_h": f"10.{n}.0.{i % 200}", "uid": f"S{n}{i}"} for n in range(1, 9) for i, r in enumerate(rows)
    ]
    write(log(site.root, "core"), [*rows, *crowd])


def rubbish(site: Site) -> None:
    with log(site.root, "core").open("a", encoding="utf-8") as handle:
        handle.write('{"ts": \n' * 15)


def rubbish_above_all(site: Site) -> None:
    lines = sum(log(site.root, s).read_text(encoding="utf-8").count("\n") for s in SENSORS)
    with log(site.root, "core").open("a", encoding="utf-8") as handle:
        handle.write('{"ts": \n' * (lines + 1))


def rubbish_alone(site: Site) -> None:
    for sensor in SENSORS:
        write(log(site.root, sensor), [r | {"ts": "soon"} for r in records(sensor, LAST)])


def no_log(site: Site) -> None:
    for sensor in SENSORS:
        log(site.root, sensor).unlink()


def log_of_nothing(site: Site) -> None:
    """Both logs are written, with all but the mail."""
    rewrite(site, SENSORS, lambda _: None)


def inventory_ended(site: Site) -> None:
    config = site.root / "nilometer.yaml"
    text = (
        config.read_text(encoding="utf-8")
        .replace("name: mx1", f"valid_to: {LAST}")
        .replace("name: mx2", f"valid_to: {LAST}")
    )
    config.write_text(text, encoding="utf-8")


def categories_misspelled(site: Site) -> None:
    config = site.root / "nilometer.yaml"
    text = config.read_text(encoding="utf-8")
    config.write_text(text.replace("category: email_server", "category: mail_server"), encoding="utf-8")


def addresses_wrong(site: Site) -> None:
    """The inventory names servers that no log has ever had."""
    config = site.root / "nilometer.yaml"
    text = config.read_text(encoding="utf-8")
    for server in SERVERS:
        assert server in text
        text = text.replace(server, server.replace("192.0.2.", "203.0.113."))
    config.write_text(text, encoding="utf-8")


def every_rule_off(site: Site) -> None:
    with (site.root / "nilometer.yaml").open("a", encoding="utf-8") as handle:
        handle.write("".join(["rules:\n", *(f"  {r.id}: false\n" for r in site.rules)]))


def context(text: str | None) -> Callable[[Site], None]:
    """A calendar with this text; None for a file that is not there."""

    def write_it(site: Site) -> None:
        with (site.root / "nilometer.yaml").open("a", encoding="utf-8") as handle:
            handle.write("context: {calendar: calendar.csv}\n")
        if text is not None:
            (site.root / "calendar.csv").write_text(text, encoding="utf-8")

    return write_it


@dataclass(frozen=True)
class Fault:
    """What went wrong, how, which expectations see it, and what the day's quality becomes."""

    title: str
    breaks: Callable[[Site], None]
    seen: tuple[str, ...]
    quality: str = "verified"


FAULTS = (
    Fault("half a day is missing", half_a_day, ("flow_counts.silent_hours_chance",)),
    Fault("a sensor wrote no log", one_sensor_silent, ("flow_counts.silent_sensors_chance",), "partial"),
    Fault("a sensor's log has all but the mail", one_sensor_blind, ("flow_counts.silent_sensors_chance",), "partial"),
    Fault("a file was copied", copied_file, ()),
    Fault("two workers logged the same sessions", logged_twice, ("flows_complete.duplicates_share",)),
    Fault("two sensors without names saw the same sessions", seen_by_two, ("flows_complete.overlapping_share",)),
    Fault(
        "bytes go the wrong way",
        bytes_flipped,
        ("flows_valid.wrong_direction_sources", "client_counts.typical_value_chance", "drift.turned_sources"),
        "unverified",
    ),
    Fault("a sensor's clock is an hour late", clock_off, ("flow_counts.clock_shift_chance",)),
    Fault("two sensors see the same, two hours apart", zone_forgotten, ("flows_complete.clocks_apart_share",)),
    Fault(
        "all flows are empty", empty_flows, ("flows_complete.zero_bytes_share", "client_counts.typical_value_chance")
    ),
    Fault("bytes are unknown for an hour", unknown_bytes, ("flows_complete.unknown_bytes_share",)),
    Fault(
        "what clients receive is unknown all day",
        one_way_unknown,
        ("flows_complete.unknown_bytes_share", "daily_traffic_valid.known_share"),
        "unverified",
    ),
    Fault(
        "a server's address changed",
        server_moved,
        ("inputs_valid.silent_servers_chance", "drift.silent_servers", "drift.unlisted_servers"),
    ),
    Fault(
        "the log holds another day", wrong_day, ("flow_counts.flows_drop_chance", "client_counts.clients_drop_chance")
    ),
    Fault("bytes became bits", other_unit, ("client_counts.typical_value_chance", "anomaly_scores_valid.alert_share")),
    Fault(
        "translation hides the clients",
        behind_translation,
        (
            "client_counts.clients_drop_chance",
            "canary_found.rules_that_can_alert",
        ),
    ),
    Fault(
        "a scan adds clients and flows",
        scan,
        (
            "flow_counts.flows_rise_chance",
            "drift.unlisted_servers",
            "client_counts.clients_rise_chance",
            "client_counts.typical_value_chance",
            "sample_counts.share_clients_enough",
        ),
    ),
    Fault("lines cannot be read", rubbish, ("flows_complete.quarantined_share",)),
    Fault(
        "more lines cannot be read than can",
        rubbish_above_all,
        (
            "flows_valid.readable_share",
            "flows_complete.quarantined_share",
            "flows_complete.quarantined_rise_chance",
        ),
        "unverified",
    ),
    Fault(
        "no line can be read",
        rubbish_alone,
        (
            "flows_valid.lines_read",
            "flows_complete.quarantined_share",
            "flows_complete.quarantined_rise_chance",
            "drift.retyped_fields",
        ),
        "no_data",
    ),
    Fault("no log was written", no_log, ("flows_valid.lines_read",), "no_data"),
    Fault(
        "the logs have all but the mail",
        log_of_nothing,
        ("flow_counts.flows_drop_chance", "client_counts.clients_drop_chance"),
    ),
    Fault(
        "the inventory has run out",
        inventory_ended,
        (
            "inputs_valid.inventory_entries",
            "inputs_valid.categories_missing",
            "flow_counts.flows_drop_chance",
            "client_counts.clients_drop_chance",
        ),
        "unverified",
    ),
    Fault(
        "no entry of the inventory has a category that a rule looks for",
        categories_misspelled,
        ("inputs_valid.rules_watching", "inputs_valid.categories_missing", "client_counts.clients_drop_chance"),
        "unverified",
    ),
    Fault(
        "the logs have never had an address of the inventory",
        addresses_wrong,
        (
            "inputs_valid.servers_seen",
            "drift.unlisted_servers",
            "flow_counts.flows_drop_chance",
            "client_counts.clients_drop_chance",
        ),
        "unverified",
    ),
    Fault("every rule is switched off", every_rule_off, ("inputs_valid.rules_watching",), "unverified"),
    Fault("a file of the context is not there", context(None), ("inputs_valid.context_faults",)),
    Fault("a file of the context is empty", context("day,off\n"), ("inputs_valid.context_empty",)),
    Fault("a file of the context has run out", context("day,off\n2026-10-02,true\n"), ("inputs_valid.context_ended",)),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda f: f.title)
def test_a_fault_is_seen_by_these_expectations_alone(site: Site, fault: Fault) -> None:
    fault.breaks(site)
    site = open_site(site.root)
    make(site, [LAST])
    found = failing(site)
    assert set(found) == set(fault.seen), {k: v["observed"] for k, v in found.items()}
    assert day_quality(site, LAST) == fault.quality


def lose_column(site: Site, table: str) -> None:
    path = site.storage.path(table, LAST)
    frame = pl.read_parquet(path, hive_partitioning=False)
    meta = pl.read_parquet_metadata(path)
    frame.drop(frame.columns[3]).write_parquet(path, metadata={"nilometer": meta["nilometer"]})


def corrupt(site: Site, table: str) -> None:
    path = site.storage.path(table, LAST)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])


USERS = {
    "flows": ("flow_counts", "flows_complete", "inputs_valid", "daily_traffic_valid", "drift", "client_counts"),
    "daily_traffic": ("client_counts", "anomaly_scores_valid", "canary_found"),
    "traffic_baseline": ("sample_counts", "canary_found"),
    "anomaly_scores": ("sample_counts", "alerts_valid"),
    "alerts": (),
}
"""The checks that read a table beside its own."""


@pytest.mark.parametrize("table", USERS)
def test_a_table_that_lacks_a_column_fails_its_schema_and_is_judged_no_further(clean: Site, table: str) -> None:
    lose_column(clean, table)
    found = failing(clean)
    assert f"{table}_valid.schema_faults" in found
    assert found[f"{table}_valid.schema_faults"]["sample"]
    assert {k for k in found if k.startswith(f"{table}_valid.")} == {f"{table}_valid.schema_faults"}
    others = {k.split(".")[0]: k.split(".")[1] for k in found if not k.startswith(f"{table}_valid.")}
    assert set(others) <= {*USERS[table], "alerts_valid"}
    assert set(others.values()) <= {"day_is_readable", "wrong_quality"}


@pytest.mark.parametrize("table", USERS)
def test_a_corrupt_table_cannot_be_read_and_its_checks_say_so(clean: Site, table: str) -> None:
    corrupt(clean, table)
    found = failing(clean)
    named = {k.split(".")[0] for k in found if k.endswith(".day_is_readable")}
    own = {s.name for s in check_specs() if s.table == table}
    assert own - {"canary_found"} <= named  # The canary scores a copy of its own.
    assert {k.split(".")[1] for k in found} <= {"day_is_readable", "wrong_quality"}
    assert all(
        clean.storage.path(table, LAST).name in v["observed"] for k, v in found.items() if k.endswith("readable")
    )
    assert day_quality(clean, LAST) == ("unverified" if table in ("flows", "daily_traffic") else "verified")


def test_a_clean_day_says_what_it_saw_and_meant(clean: Site) -> None:
    rows = [o for days in run_all(check_specs(), clean, [LAST]).values() for o in days[LAST].outcomes]
    assert all(r["passed"] and r["meaning"] and r["remedy"] and r["limit"] for r in rows)
    untold = {r["expectation"] for r in rows if str(r["observed"]).startswith("cannot tell")}
    assert untold == {"context_faults", "context_empty", "context_ended"}


def test_a_failure_shows_a_few_of_the_rows_at_fault(site: Site) -> None:
    empty_flows(site)
    make(site, [LAST])
    found: dict[str, Any] = failing(site)["flows_complete.zero_bytes_share"]
    assert found["unexpected"] > 100
    assert len(json.loads(found["sample"])) == 5
    assert json.loads(found["sample"])[0]["source_file"].startswith("logs/")


def test_the_documentation_says_which_expectations_see_a_fault() -> None:
    text = (PROJECT / "docs" / "data-quality.md").read_text(encoding="utf-8")
    rows = [f"| {f.title} | {', '.join(f'`{e}`' for e in f.seen) or 'none'} | {f.quality} |" for f in FAULTS]
    assert [r for r in rows if r not in text.splitlines()] == []


def test_a_python_without_docstrings_is_named_in_place_of_a_librarys_fault(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "sys", SimpleNamespace(flags=SimpleNamespace(optimize=2)))
    with pytest.raises(NilometerError, match=r"needs docstrings.*PYTHONOPTIMIZE=2"):
        checks.great_expectations.__wrapped__()


def test_a_user_without_a_home_can_have_checks_run(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(_: object) -> None:
        raise KeyError

    monkeypatch.delenv("HOME", raising=False)
    monkeypatch.setattr("pwd.getpwuid", missing)
    with pytest.raises(RuntimeError):
        Path.home()
    checks.great_expectations.__wrapped__()
    assert Path.home() == Path("/nonexistent")
