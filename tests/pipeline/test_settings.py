"""A site's configuration: what is accepted, and that every fault names file, line, key, value and what is allowed."""

import datetime as dt
from pathlib import Path

import pytest
from pydantic import ValidationError

from pipeline.errors import ConfigError
from pipeline.settings import Settings, load_settings


def load(folder: Path, text: str) -> Settings:
    path = folder / "nilometer.yaml"
    path.write_text(text, encoding="utf-8")
    return load_settings(path)


def fault(folder: Path, text: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        load(folder, text)
    return caught.value


def test_an_empty_file_is_a_site_with_defaults(tmp_path: Path) -> None:
    found = load(tmp_path, "")
    assert (found.timezone, found.start_date, found.lookback_days) == ("UTC", dt.date(2026, 1, 1), 30)
    assert (found.sources, found.inventory) == ((), ())


WHOLE = """\
timezone: Europe/Berlin
start_date: 2026-10-01
storage: data
lookback_days: 45
sources:
  - name: core
    format: zeek
    path: logs/{day}/conn*.log*
    keep: all
    max_session_days: 2
inventory:
  - {address: 192.0.2.10, category: email_server, name: mx1, valid_from: 2026-10-01, valid_to: 2027-01-01}
  - {address: "2001:DB8::/48", category: [email_server, lab]}
rules:
  hosts_receiving_high_volume_from_email_server: {deviation_threshold: 2.5}
  email_servers_sending_high_volume_to_hosts: false
schedule: {hour: 4, minute: 30, hourly: true}
limits: {max_line_bytes: 4096, future_days: 1}
owners: [team:secops, soc@example.com]
"""


def test_a_whole_configuration_is_read(tmp_path: Path) -> None:
    found = load(tmp_path, WHOLE)
    assert [e.address for e in found.inventory] == ["192.0.2.10/32", "2001:db8::/48"]
    assert [e.category for e in found.inventory] == [("email_server",), ("email_server", "lab")]
    assert found.inventory[0].valid_to == dt.date(2027, 1, 1)
    assert (found.sources[0].keep, found.schedule.minute, found.limits.max_line_bytes) == ("all", 30, 4096)
    assert [r.enabled for r in found.rules.values()] == [True, False]


@pytest.mark.parametrize("text", ["\ufeff" + WHOLE, WHOLE.replace("\n", "\r\n"), WHOLE + "# end"])
def test_marks_of_other_systems_do_not_disturb(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text) == load(tmp_path, WHOLE)


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Settings().timezone = "UTC"


SOURCE = "sources:\n  - name: core\n    path: logs/*\n"
ENTRY = "inventory:\n  - address: 192.0.2.10\n    category: email_server\n"
CIDR = "must be an IPv4 or IPv6 address or CIDR, such as 192.0.2.10 or 2001:db8::/48"
ZONE = "must be an IANA time zone such as UTC or Europe/Berlin"
A_DAY = "must be a day such as 2026-10-01"
MAPPING = "must be a mapping of keys to values"
WRONG: list[tuple[str, int, str, str]] = [
    # Top level
    (
        "timezon: UTC",
        1,
        "timezon",
        "unknown key (got 'UTC'). Allowed: context, counting, expectations, groups, inventory, landing_processes, ",
    ),
    ("\ntimezone: Mars/Base", 2, "timezone", f"{ZONE} (got 'Mars/Base')"),
    ("timezone: ../UTC", 1, "timezone", ZONE),
    ("timezone: localtime", 1, "timezone", ZONE),
    ("timezone: ''", 1, "timezone", ZONE),
    ("timezone: 1", 1, "timezone", "must be text; put it in quotes if it looks like a number (got 1)"),
    ("start_date: 2026-02-30", 1, "start_date", "out"),
    ("start_date: tomorrow", 1, "start_date", f"{A_DAY} (got 'tomorrow')"),
    ("start_date: 20261001", 1, "start_date", f"{A_DAY} (got 20261001)"),
    ("start_date: 9999-12-30", 1, "start_date", "less than or equal to 8999-12-31 (got '9999-12-30')"),
    ("start_date: 1969-12-31", 1, "start_date", "greater than or equal to 1970-01-01 (got '1969-12-31')"),
    ("start_date: 2026-10-01 12:00:00", 1, "start_date", A_DAY),
    ("lookback_days: 0", 1, "lookback_days", "greater than or equal to 1 (got 0)"),
    ("lookback_days: 3661", 1, "lookback_days", "less than or equal to 3660 (got 3661)"),
    ("lookback_days: 2.5", 1, "lookback_days", "a whole number, in digits alone (got 2.5)"),
    ("lookback_days: many", 1, "lookback_days", "a whole number"),
    ("lookback_days: true", 1, "lookback_days", "must be a whole number (got True)"),
    ("lookback_days:", 1, "lookback_days", "a whole number"),
    ("storage: ftp://bucket", 1, "storage", "no other scheme is read here"),
    ("storage: file:///etc", 1, "storage", "no other scheme is read here"),
    ("storage: s3://bucket/a/../b", 1, "storage", "must not have '..'"),
    ("storage: s3://", 1, "storage", "must name a bucket"),
    ("storage: s3://name:word@bucket", 1, "storage", "secrets are taken from AWS_ACCESS_KEY_ID"),
    ("storage: s3://bucket\nstorage_options: {secret_access_key: x}", 2, "storage_options", "AWS_SECRET_ACCESS_KEY"),
    ("storage: s3://bucket\nstorage_options: {endpoint: x}", 2, "storage_options", "set AWS_ENDPOINT_URL"),
    ("storage: s3://bucket\nstorage_options: {colour: x}", 2, "storage_options", "allowed: retries"),
    ("storage: s3://bucket\nstorage_options: {retries: many}", 2, "storage_options", "must be a whole number"),
    ("storage_options: {region: eu-central-1}", 1, "(top level)", "are for object stores"),
    ("storage: ../elsewhere", 1, "storage", "must not climb with '..'; give the absolute path instead"),
    ("storage: ''", 1, "storage", "must be a folder"),
    ("owners: [nobody]", 1, "owners.0", "must be team:NAME or an e-mail address (got 'nobody')"),
    ("owners: team:a", 1, "owners", "must be a list (got 'team:a')"),
    # Sources
    ("sources: {}", 1, "sources", "must be a list (got {})"),
    ("sources: [logs]", 1, "sources.0", f"{MAPPING} (got 'logs')"),
    ("sources:\n  - path: x", 2, "sources.0.name", "this key is required"),
    ("sources:\n  - name: core", 2, "sources.0.path", "this key is required"),
    (SOURCE + "    kep: all", 4, "sources.0.kep", "Allowed: accounting, delimiter, fields, format, header, keep"),
    (SOURCE + "    keep: some", 4, "sources.0.keep", "'inventory' or 'all' (got 'some')"),
    (SOURCE + "    format: pcap", 4, "sources.0.format", "must be one of: auto, zeek, suricata"),
    (SOURCE + "    max_session_days: -1", 4, "sources.0.max_session_days", "greater than or equal to 0 (got -1)"),
    (SOURCE.replace("core", "co re"), 2, "sources.0.name", "must match the pattern"),
    (SOURCE.replace("core", "../x"), 2, "sources.0.name", "must match the pattern"),
    (SOURCE.replace("logs/*", "https://example.com/x"), 3, "sources.0.path", "no other scheme is read here"),
    (SOURCE.replace("logs/*", "../logs/*"), 3, "sources.0.path", "must not climb with '..'"),
    (SOURCE.replace("logs/*", "logs/**x"), 3, "sources.0.path", "must have '**' only as a whole folder name"),
    (SOURCE.replace("logs/*", "."), 3, "sources.0.path", "must be a file path or glob"),
    (SOURCE.replace("logs/*", "''"), 3, "sources.0.path", "must be a file path or glob"),
    (SOURCE + "  - {name: core, path: x}", 1, "sources", "names must be unique; given twice: core"),
    # Inventory
    (ENTRY.replace("192.0.2.10", "192.0.2.0/33"), 2, "inventory.0.address", f"{CIDR} (got '192.0.2.0/33')"),
    (ENTRY.replace("192.0.2.10", "mail.example.com"), 2, "inventory.0.address", CIDR),
    (ENTRY.replace("192.0.2.10", "192.0.2.010"), 2, "inventory.0.address", CIDR),
    (ENTRY.replace("192.0.2.10", "fe80::1%eth0"), 2, "inventory.0.address", CIDR),
    (ENTRY.replace("192.0.2.10", "10.5"), 2, "inventory.0.address", "must be text"),
    (ENTRY.replace("email_server", "[]"), 3, "inventory.0.category", "at least one value"),
    (ENTRY.replace("email_server", "[a, 'b c']"), 3, "inventory.0.category.1", "must match the pattern"),
    (
        ENTRY + "    valid_until: 2026-10-01",
        4,
        "inventory.0.valid_until",
        "Allowed: address, category, name",
    ),
    (ENTRY + "    valid_to: 2026-13-01", 4, "inventory.0.valid_to", "out"),
    (ENTRY + "    valid_from: 86400", 4, "inventory.0.valid_from", A_DAY),
    (ENTRY + "    valid_from: 2026-10-01\n    valid_to: 2026-10-01", 2, "inventory.0", "must lie after valid_from"),
    ("inventory:\n  - {address: 192.0.2.10}", 2, "inventory.0.category", "this key is required"),
    # Rules, schedule, limits
    ("rules: [a]", 1, "rules", MAPPING),
    ("rules:\n  x: maybe", 2, "rules.x", MAPPING),
    ("rules:\n  x:\n    treshold: 3", 3, "rules.x.treshold", "Allowed: budget, deviation_threshold, enabled"),
    ("rules:\n  x:\n    deviation_threshold: -1", 3, "rules.x.deviation_threshold", "(got -1)"),
    ("rules:\n  x:\n    null_client: keep", 3, "rules.x.null_client", "'drop' or 'literal' (got 'keep')"),
    ("rules:\n  x:\n    floor: -1", 3, "rules.x.floor", "greater than or equal to 0"),
    ("rules:\n  x:\n    fill: ones", 3, "rules.x.fill", "'none' or 'zero' (got 'ones')"),
    ("groups: {a: 10.0.0.5/8}", 1, "groups.a.0", "write 10.0.0.5 for the host"),
    ("groups:\n  a: []", 2, "groups.a", "at least one value"),
    ("groups: {a: 10.0.0.0/8, b: [10.0.0.0/8]}", 1, "groups", "10.0.0.0/8 is in a and b"),
    ("rule_paths: ['']", 1, "rule_paths.0", "must be a file or a folder"),
    ("schedule: 3", 1, "schedule", MAPPING),
    ("schedule:\n  hour: 24", 2, "schedule.hour", "less than or equal to 23 (got 24)"),
    ("schedule:\n  minute: -1", 2, "schedule.minute", "greater than or equal to 0 (got -1)"),
    ("schedule:\n  hour: 12:30", 2, "schedule.hour", "a whole number"),
    ("schedule:\n  hours: 3", 2, "schedule.hours", "Allowed: hour, hourly, minute."),
    ("schedule:\n  hourly: often", 2, "schedule.hourly", "must be true or false"),
    ("limits:\n  max_line_bytes: 1", 2, "limits.max_line_bytes", "greater than or equal to 1024 (got 1)"),
    ("limits:\n  max_ratio: .inf", 2, "limits.max_ratio", "finite number"),
    ("limits:\n  future_days: -1", 2, "limits.future_days", "greater than or equal to 0"),
    ("limits:\n  max_file_bytes: 0", 2, "limits.max_file_bytes", "greater than or equal to 1"),
    (
        "limits:\n  max_lines: 5",
        2,
        "limits.max_lines",
        "Allowed: future_days, max_file_bytes",
    ),
    # Not even a mapping
    ("- a", 1, "(top level)", MAPPING),
]


@pytest.mark.parametrize(("text", "line", "key", "says"), WRONG, ids=[f"{n}-{w[2]}" for n, w in enumerate(WRONG)])
def test_a_wrong_configuration_says_where_and_what(tmp_path: Path, text: str, line: int, key: str, says: str) -> None:
    error = fault(tmp_path, text)
    assert (error.where.file, error.where.line, error.where.key) == (str(tmp_path / "nilometer.yaml"), line, key)
    assert says in error.message
    assert "\n" not in error.message


@pytest.mark.parametrize(
    "text",
    [
        "storage: s3://bucket\nstorage_options: {secret_access_key: sentinel}",
        "storage: s3://bucket\nstorage_options: {secret_access_key: [sentinel]}",
        "storage: s3://sentinel:sentinel@bucket/x",
        "sources:\n  - {name: a, path: 's3://name:sentinel@bucket/*.log'}",
        "sources:\n  - {name: a, path: 's3://bucket/*.log', storage_options: {token: sentinel}}",
    ],
)
def test_a_secret_in_the_configuration_is_refused_and_not_repeated(tmp_path: Path, text: str) -> None:
    error = fault(tmp_path, text)
    assert "secret" in error.message
    assert "sentinel" not in error.message + str(error.__cause__)


def test_the_other_faults_are_told_too(tmp_path: Path) -> None:
    error = fault(tmp_path, "timezone: Mars\nlookback_days: 0\nschedule: {hour: 99}\n")
    assert error.where.line == 1
    assert "Also: nilometer.yaml:2, key lookback_days" in error.remedy
    assert "nilometer.yaml:3, key schedule.hour" in error.remedy


def test_a_long_value_is_not_repeated_whole(tmp_path: Path) -> None:
    assert len(fault(tmp_path, f"timezone: {'x' * 5_000}").message) < 400


def test_a_missing_file_says_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"cannot be read.*nilometer init"):
        load_settings(tmp_path / "nilometer.yaml")


ACCEPTED = [
    ("lookback_days: '30'", "lookback_days", 30),
    ("lookback_days: 1_000", "lookback_days", 1_000),
    ("lookback_days: 010", "lookback_days", 10),
    ("start_date: '2026-10-01'", "start_date", dt.date(2026, 10, 1)),
    ("timezone: Asia/Kolkata", "timezone", "Asia/Kolkata"),
    ("storage: /srv/nilometer", "storage", "/srv/nilometer"),
]


@pytest.mark.parametrize(("text", "key", "value"), ACCEPTED)
def test_values_may_be_written_in_plain_ways(tmp_path: Path, text: str, key: str, value: object) -> None:
    assert getattr(load(tmp_path, text), key) == value


def test_names_and_addresses_that_look_like_other_things_stay_text(tmp_path: Path) -> None:
    entry = "inventory:\n  - {address: 2001:10:20:30:40:50:10:20, category: a, name: 2026-10-01}\n"
    found = load(tmp_path, entry).inventory[0]
    assert (found.address, found.name) == ("2001:10:20:30:40:50:10:20/128", "2026-10-01")


def test_an_address_with_a_mask_that_does_not_fit_is_refused_rather_than_widened(tmp_path: Path) -> None:
    text = "inventory:\n  - {address: 192.0.2.10/24, category: email_server}\n"
    (tmp_path / "nilometer.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigError, match=r"nilometer.yaml:2, .*write 192\.0\.2\.10 for the host, or 192\.0\.2\.0/24"):
        load_settings(tmp_path / "nilometer.yaml")
