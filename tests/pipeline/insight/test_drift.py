"""What changes about sources and servers is told on the day it changes, by name, and quiet days tell nothing."""

import datetime as dt
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.insight.drift import KnownFields, day_findings, turned
from pipeline.insight.foresight import foreseen
from pipeline.insight.sampling import samples
from pipeline.intake.landing import Landing
from pipeline.intake.ledger import Ledger
from pipeline.site import Site, open_site
from pipeline.sources.fields import STATED, Layout
from pipeline.stored.stages import make_flows
from tests.pipeline.sources.test_table_rows import RECORDS
from tests.worlds import CONFIG, SERVER, day, log_path, make_site, record

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)
OTHER = "198.51.100.25"
DAYS = 6
LAST = day(DAYS - 1)
Change = Callable[[dict[str, Any]], dict[str, Any]]


def lines(of: dt.date, change: Change = dict, clients: int = 12, server: str = SERVER) -> str:
    """A day's records: many clients, each by way of `change`."""
    noon = dt.datetime.combine(of, dt.time(12), dt.UTC)
    made = [record(noon, f"10.0.1.{n}", 30_000, f"C{of}{server}{n}", server) for n in range(clients)]
    return "".join(json.dumps(change(json.loads(line))) + "\n" for line in made)


def world(folder: Path, last: str, config: str = CONFIG) -> Site:
    """A site of quiet days, and the given log on the last."""
    site = make_site(folder, 1, config=config)
    for n in range(DAYS):
        path = log_path(folder, day(n))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(last if n == DAYS - 1 else lines(day(n)), encoding="utf-8")
    return open_site(site.root)


def landed(site: Site, days: int = DAYS) -> Landing:
    landing = Landing(site.root, site.storage.root, site.settings, NOW)
    landing.land([day(n) for n in range(days)])
    for n in range(days):
        make_flows(site, landing, day(n))
    return landing


def told(site: Site, of: dt.date = LAST) -> list[tuple[str, str, str]]:
    return [(f.kind, f.subject, f.field) for f in day_findings(site, of)]


def ahead(site: Site) -> list[tuple[str, str, str]]:
    """What is told before anything of the last day was read."""
    landing = landed(site, DAYS - 1)
    return [(f.kind, f.file, f.field) for f in foreseen(site, landing.ledger, samples(site, NOW), NOW)]


def without(*names: str) -> Change:
    return lambda r: {k: v for k, v in r.items() if k not in names}


def renamed(r: dict[str, Any]) -> dict[str, Any]:
    return {("resp_total" if k == "resp_ip_bytes" else k): v for k, v in r.items()}


def spelled(r: dict[str, Any]) -> dict[str, Any]:
    return r | {"resp_ip_bytes": f"{r['resp_ip_bytes']:,} bytes"}


CHANGES: list[tuple[Change, list[tuple[str, str]]]] = [
    (dict, []),
    (without("duration"), [("missing_fields", "duration")]),
    (renamed, [("new_fields", "resp_total"), ("missing_fields", "resp_ip_bytes")]),
    (spelled, [("retyped_fields", "resp_ip_bytes")]),
    (lambda r: r | {"community_id": "1:abc="}, [("new_fields", "community_id")]),
]


@pytest.mark.parametrize(("change", "wanted"), CHANGES)
def test_a_changed_field_is_told_with_source_file_and_name_on_its_day_and_ahead_of_it(
    tmp_path: Path, change: Change, wanted: list[tuple[str, str]]
) -> None:
    site = world(tmp_path, lines(LAST, change))
    name = f"logs/{LAST}/conn.log"
    assert ahead(site) == [(kind, name, field) for kind, field in wanted]
    landed(site)
    assert told(site) == [(kind, "core", field) for kind, field in wanted]
    assert all(name in f.message and f.field in f.message and f.remedy for f in day_findings(site, LAST))
    assert told(site, day(DAYS - 2)) == []


def test_a_field_that_only_some_records_have_is_not_missed() -> None:
    known = KnownFields()
    known.add(Layout(40, {"ts": ("number", 40), "service": ("text", 20)}))
    assert list(known.compare(Layout(40, {"ts": ("number", 40)}))) == []


def test_few_records_tell_nothing_and_a_header_tells_at_once() -> None:
    few, stated = KnownFields(), KnownFields()
    few.add(Layout(2, {"ts": ("", 2), "a": ("", 2)}))
    assert list(few.compare(Layout(2, {"ts": ("", 2), "b": ("", 2)}))) == []
    stated.add(Layout(STATED, {"ts": ("time", STATED), "a": ("", STATED)}))
    found = list(stated.compare(Layout(STATED, {"ts": ("time", STATED), "b": ("", STATED)})))
    assert [(kind, name) for kind, name, _ in found] == [("new_fields", "b"), ("missing_fields", "a")]


def test_a_change_is_told_once_and_is_then_the_known_form() -> None:
    known = KnownFields()
    for fields in ({"a", "b"}, {"a", "b"}, {"a", "c"}):
        known.add(Layout(STATED, dict.fromkeys(fields, ("", STATED))))
    assert list(known.compare(Layout(STATED, dict.fromkeys(("a", "c"), ("", STATED))))) == []


def past(*sums: tuple[int, int, int, int]) -> list[dict[str, Any]]:
    return [{"ways": {"core": list(s)}} for s in sums]


USUAL = (900, 100, 50, 45)


@pytest.mark.parametrize(
    ("today", "before", "is_turned"),
    [
        (USUAL, past(*[USUAL] * 4), False),
        ((100, 900, 50, 5), past(*[USUAL] * 4), True),
        ((900, 9_000, 50, 45), past(*[USUAL] * 4), False),  # One large upload: the flows still go as they did.
        ((100, 900, 50, 5), past(*[USUAL] * 2), False),  # Too few past days.
        ((10, 90, 5, 0), past(*[USUAL] * 4), False),  # Too few flows.
        ((450, 550, 50, 22), past(*[(550, 450, 50, 28)] * 4), False),  # About even, then as now.
        (USUAL, past(*[(100, 900, 50, 5)] * 4), True),
    ],
)
def test_a_source_turns_when_its_bytes_flip_and_not_by_one_large_flow(
    today: tuple[int, ...], before: list[dict[str, Any]], is_turned: bool
) -> None:
    assert [f.subject for f in turned({"core": today}, before)] == (["core"] if is_turned else [])


def test_a_swapped_exporter_is_told_against_its_own_past(tmp_path: Path) -> None:
    def swapped(r: dict[str, Any]) -> dict[str, Any]:
        return r | {"orig_ip_bytes": r["resp_ip_bytes"], "resp_ip_bytes": r["orig_ip_bytes"]}

    site = make_site(tmp_path, 1)
    for n in range(DAYS):
        log_path(tmp_path, day(n)).parent.mkdir(parents=True, exist_ok=True)
        text = lines(day(n), swapped if n == DAYS - 1 else dict, clients=30)
        log_path(tmp_path, day(n)).write_text(text, encoding="utf-8")
    name = f"logs/{LAST}/conn.log"
    landing = landed(site, DAYS - 1)
    assert [(f.kind, f.file) for f in foreseen(site, landing.ledger, samples(site, NOW), NOW)] == [
        ("turned_sources", name)
    ]
    landed(site)
    assert told(site) == [("turned_sources", "core", "")]


def test_a_mail_server_that_the_inventory_lacks_is_told_with_the_lines_to_add(tmp_path: Path) -> None:
    site = world(tmp_path, lines(LAST) + lines(LAST, server=OTHER))
    assert ("unlisted_servers", "", "") in ahead(site)
    landed(site)
    (found,) = day_findings(site, LAST)
    assert (found.kind, found.subject) == ("unlisted_servers", OTHER)
    assert "360,000 bytes to 12 clients from port 993" in found.message
    assert f'- {{address: "{OTHER}", category: email_server}}' in found.remedy
    assert told(site, day(1)) == []


@pytest.mark.parametrize(("clients", "received"), [(2, 500_000), (12, 50)])
def test_few_clients_or_few_bytes_make_no_mail_server(tmp_path: Path, clients: int, received: int) -> None:
    text = lines(LAST, lambda r: r | {"resp_ip_bytes": received}, clients=clients, server=OTHER)
    site = world(tmp_path, lines(LAST) + text)
    landed(site)
    assert told(site) == []


def test_a_source_that_keeps_all_tells_unlisted_servers_too(tmp_path: Path) -> None:
    config = CONFIG.replace("conn*.log\n", "conn*.log\n    keep: all\n")
    site = world(tmp_path, lines(LAST) + lines(LAST, server=OTHER), config)
    landed(site)
    assert told(site) == [("unlisted_servers", OTHER, "")]


def test_a_server_listed_under_another_category_is_known_and_not_told(tmp_path: Path) -> None:
    config = f"{CONFIG}  - {{address: {OTHER}, category: other_mail}}\n"
    site = world(tmp_path, lines(LAST) + lines(LAST, server=OTHER), config)
    landed(site)
    assert told(site) == []


SECOND = "192.0.2.11"


def test_an_entry_without_traffic_while_others_have_some_is_told_with_how_long(tmp_path: Path) -> None:
    config = f"{CONFIG}  - {{address: {SECOND}, category: email_server, name: mx2}}\n"
    site = world(tmp_path, lines(LAST), config)
    path = log_path(tmp_path, day(3))
    path.write_text(lines(day(3)) + lines(day(3), server=SECOND), encoding="utf-8")
    landed(site)
    (found,) = day_findings(site, LAST)
    assert (found.kind, found.subject) == ("silent_servers", f"{SECOND}/32")
    assert f"(mx2) had no traffic on {LAST} and on the 1 stored day before" in found.message
    assert f"valid_to: {LAST}" in found.remedy
    assert told(site, day(3)) == []


@pytest.mark.parametrize("entry", ["valid_to: 2026-10-03", "valid_from: 2027-01-01"])
def test_an_entry_that_is_not_valid_on_the_day_may_be_silent(tmp_path: Path, entry: str) -> None:
    config = f"{CONFIG}  - {{address: {SECOND}, category: email_server, {entry}}}\n"
    site = world(tmp_path, lines(LAST), config)
    landed(site)
    assert told(site) == []


def test_a_day_without_any_traffic_names_no_silent_entry(tmp_path: Path) -> None:
    site = world(tmp_path, lines(LAST, server="198.51.100.80", clients=1))
    landed(site)
    assert [kind for kind, *_ in told(site)] == []


def test_findings_do_not_depend_on_the_order_in_which_days_are_made(tmp_path: Path) -> None:
    site = world(tmp_path, lines(LAST, renamed))
    landing = Landing(site.root, site.storage.root, site.settings, NOW)
    landing.land([day(n) for n in range(DAYS)])
    for n in reversed(range(DAYS)):
        make_flows(site, landing, day(n))
    assert {kind for kind, *_ in told(site)} == {"new_fields", "missing_fields"}
    assert [told(site, day(n)) for n in range(DAYS - 1)] == [[]] * (DAYS - 1)


def test_a_file_without_the_mapped_columns_tells_nothing_of_the_others(tmp_path: Path) -> None:
    fields = "{src_ip: src, dest_ip: dst, start_time: at, bytes_in: rx}"
    own = f"format: table\n    fields: {fields}\n    path: own/*.parquet"
    make_site(tmp_path, 1, config=CONFIG.replace("path: logs/{day}/conn*.log", own))
    (tmp_path / "own").mkdir(parents=True)
    row = {"at": ["2026-10-01T12:00:00Z"], "src": ["10.0.1.1"], "dst": [SERVER], "rx": [7]}
    pl.DataFrame({"path": ["x"]}).write_parquet(tmp_path / "own" / "0-checkpoint.parquet")
    pl.DataFrame(row).write_parquet(tmp_path / "own" / "1.parquet")
    site = open_site(tmp_path)
    for ledger in (Ledger(), landed(site, 0).ledger, landed(site, 1).ledger):
        assert foreseen(site, ledger, [], NOW) == []


@pytest.mark.parametrize("encoding", ["goflow2", "suricata@_raw"])
def test_parquet_that_is_read_by_rows_is_foreseen_as_any_other(tmp_path: Path, encoding: str) -> None:
    """`check` looks at such files before any of them was landed."""
    (tmp_path / "nilometer.yaml").write_text(
        "sources: [{name: own, path: logs/*}]\ninventory: [{address: 10.9.0.25, category: email_server}]\n"
    )
    (tmp_path / "logs").mkdir()
    for name in ("a.parquet", "b.parquet"):
        pl.DataFrame([RECORDS[encoding]]).write_parquet(tmp_path / "logs" / name)
    assert foreseen(open_site(tmp_path), Ledger(), [], NOW) == []


def test_no_day_stored_and_no_ledger_is_no_finding(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    landing = Landing(site.root, site.storage.root, site.settings, NOW)
    assert foreseen(site, landing.ledger, samples(site, NOW), NOW) == []
    assert day_findings(site, LAST) == []
