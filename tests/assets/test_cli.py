"""The command line's contract: words, exit codes, what goes to stdout, and messages that say what to do."""

import csv
import datetime as dt
import io
import re
import shutil
from pathlib import Path

import pytest
import yaml
from pydantic import BaseModel

from pipeline.expectations import ExpectationSettings
from pipeline.settings import InventoryEntry, Settings, SourceSettings, load_settings
from pipeline.site import open_site
from pipeline.starter import starter_text
from tests.assets.conftest import SPELL
from tests.calls import call, objects
from tests.worlds import CONFIG, SEED, SERVER, TWIN, day, log_path, make_site, record, write_log

DAYS = SPELL
LAST = day(DAYS - 1)
SEED_HEADER = (
    "src_ip,_time,bytes_in,avg_bytes_in,per_source_avg_bytes_in,"
    "num_standard_deviations_away_from_server_average,num_standard_deviations_away_from_client_average"
)


@pytest.fixture
def ran(spell: Path) -> Path:
    return spell


@pytest.fixture
def copy(ran: Path, tmp_path: Path) -> Path:
    return shutil.copytree(ran, tmp_path / "copy")


def test_init_writes_a_configuration_that_loads_and_never_overwrites_one(tmp_path: Path) -> None:
    assert call("init", tmp_path / "new").exit_code == 0
    assert call("check", site=tmp_path / "new").exit_code == 1  # no logs yet
    again = call("init", tmp_path / "new")
    assert again.exit_code == 2
    assert "there already" in again.stderr
    nowhere = call("init", tmp_path / "new" / "nilometer.yaml" / "site")
    assert nowhere.exit_code == 2
    assert "cannot be written (Not a directory). Choose another folder." in nowhere.stderr


def test_a_command_to_go_on_with_can_be_pasted_whatever_the_folder_is_called(tmp_path: Path) -> None:
    assert f"--site '{tmp_path}/a b' check" in call("init", tmp_path / "a b").stdout
    assert f"nilometer init '{tmp_path}/c d'" in call("status", site=tmp_path / "c d").stderr


@pytest.mark.parametrize(("name", "command"), [("data", "status"), ("data", "run"), ("dagster_home", "run")])
def test_a_file_where_a_folder_belongs_is_told_by_its_name(tmp_path: Path, name: str, command: str) -> None:
    make_site(tmp_path, 1)
    (tmp_path / name).write_text("x", encoding="utf-8")
    result = call(command, "--day", day(0), site=tmp_path)
    assert result.exit_code == 1
    assert re.match(rf"error: {tmp_path}/{name}\b.*move it away", result.stderr)


def test_a_fault_of_a_rule_names_the_rule_s_own_file(tmp_path: Path) -> None:
    make_site(tmp_path, 1)
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text("id: a\ntitle: [\n", encoding="utf-8")
    result = call("check", site=tmp_path)
    assert result.exit_code == 2
    assert "rules/a.yaml:3: is not valid YAML" in result.stderr


@pytest.mark.parametrize("name", ["a.YAML", "mail/a.yaml", "._a.yaml"])
def test_check_names_a_file_that_looks_like_a_rule_and_is_not_read(tmp_path: Path, name: str) -> None:
    make_site(tmp_path, 1)
    path = tmp_path / "rules" / name
    path.parent.mkdir(parents=True)
    path.write_text("id: a\n", encoding="utf-8")
    (tmp_path / "rules" / "notes.md").write_text("x", encoding="utf-8")
    result = call("check", site=tmp_path)
    assert f"{path} is not read as a rule" in result.stderr
    assert (result.exit_code, "notes.md" in result.stderr) == (1, False)


def test_check_refuses_a_source_whose_bytes_go_the_wrong_way_and_names_the_lines(tmp_path: Path) -> None:
    site = make_site(tmp_path, 1)
    path = log_path(site.root, day(0))
    lines = [record(dt.datetime.combine(day(0), dt.time(9, n), dt.UTC), "10.0.1.1", 40, f"C{n}") for n in range(30)]
    path.write_text("".join(lines).replace('"orig_ip_bytes": 90', '"orig_ip_bytes": 9000'), encoding="utf-8")
    result = call("check", site=tmp_path)
    assert result.exit_code == 1
    assert "both directions look swapped" in result.stderr
    assert "conn.log:1" in result.stderr
    found = [o for o in objects(call("check", "--json", site=tmp_path)) if o["what"] == "direction"]
    assert [(d["source"], d["verdict"], d["refused"]) for d in found] == [("core", "swapped", True)]


def test_check_looks_into_a_table_of_one_s_own(tmp_path: Path) -> None:
    table = "t.csv\n    format: table\n    fields: {src_ip: c, dest_ip: s, start_time: t, bytes_in: b}"
    make_site(tmp_path, 1, config=CONFIG.replace("logs/{day}/conn*.log", table))
    (tmp_path / "t.csv").write_text("c,s,t,b\n10.0.0.1,192.0.2.10,2026-10-01T00:00:00Z,5\n", encoding="utf-8")
    found = [o for o in objects(call("check", "--json", site=tmp_path)) if o["what"] == "source"]
    assert [(s["formats"], s["first"][:10]) for s in found] == [({"table_csv": 1}, "2026-10-01")]


def uncommented() -> str:
    text = re.sub(r"(?m)^# (\w+:|  )", r"\1", starter_text(day(0)))
    return re.sub(r"(?m)^    # (\w+:)", r"    \1", text)


def test_the_starter_has_every_key_and_where_it_has_a_default_the_true_one(tmp_path: Path) -> None:
    (tmp_path / "nilometer.yaml").write_text(uncommented(), encoding="utf-8")
    found, usual = load_settings(tmp_path / "nilometer.yaml"), Settings()
    models = [Settings, SourceSettings, InventoryEntry, ExpectationSettings]
    models += [type(value) for name in Settings.model_fields if isinstance(value := getattr(usual, name), BaseModel)]
    text = starter_text(day(0))
    assert [f"{m.__name__}.{k}" for m in models for k in m.model_fields if not re.search(rf"\b{k}\b", text)] == []
    assert len(models) == 11
    for name in ("timezone", "storage", "lookback_days", "rule_paths", "schedule", "limits", "counting", "owners"):
        assert getattr(found, name) == getattr(usual, name), name
    assert found.notify.model_copy(update={"url_env": None}) == usual.notify
    source = SourceSettings(name="core", path="x")
    for name in ("format", "keep", "timezone", "max_session_days", "swap_bytes"):
        assert getattr(found.sources[0], name) == getattr(source, name), name


def test_every_key_of_the_starter_is_valid_when_its_comment_is_taken_away(tmp_path: Path) -> None:
    text = uncommented()
    assert text.count("#") < starter_text(day(0)).count("#") - 12
    (tmp_path / "nilometer.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "context").mkdir()
    heads = {"roles": "address,role", "events": "address,cause", "leases": "address,asset", "groups": "address,group"}
    for name, head in (heads | {"calendar": "day,off"}).items():
        (tmp_path / "context" / f"{name}.csv").write_text(f"{head}\n", encoding="utf-8")
    result = call("check", "--json", site=tmp_path)
    assert result.exit_code == 1, result.output
    assert {o["what"] for o in objects(result)} == {"source", "rule", "problem", "context"}


@pytest.mark.parametrize(
    "words",
    [
        ["run", "--day", "2026-1-1"],
        ["run", "--day", "2026-10-02", "--from", "2026-10-01"],
        ["run", "--from", "2026-10-03", "--to", "2026-10-02"],
        ["run", "--stale", "--day", "2026-10-02"],
        ["run", "--day", "2026-09-30"],
        ["run", "--day", "2100-01-01"],
        ["alerts", "--format", "pdf"],
        ["alerts", "--rule", "nonesuch"],
        ["alerts", "--json", "--format", "csv"],
        ["alerts", "--history", "nilo-0", "--format", "ocsf"],
        ["alerts", "--history", "nilo-0", "--changes"],
        ["alerts", "--changes", "--format", "splunk"],
        ["alerts", "--since", "2026-10-01T00:00:00Z"],
        ["alerts", "--changes", "--since", "2026-10-01"],
        ["identify"],
        ["identify", "--format", "pcap", "x"],
        ["nonesuch"],
    ],
)
def test_wrong_use_exits_2_and_prints_no_result(ran: Path, words: list[str]) -> None:
    result = call(*words, site=ran)
    assert (result.exit_code, result.stdout) == (2, "")
    assert result.stderr


def test_a_folder_without_configuration_exits_2_and_names_init(tmp_path: Path) -> None:
    result = call("status", site=tmp_path)
    assert result.exit_code == 2
    assert "nilometer init" in result.stderr


def test_a_wrong_key_names_file_line_and_what_is_allowed(tmp_path: Path) -> None:
    (tmp_path / "nilometer.yaml").write_text("timezone: UTC\nlook_back: 3\n", encoding="utf-8")
    result = call("check", site=tmp_path)
    assert result.exit_code == 2
    assert "nilometer.yaml:2" in result.stderr
    assert "lookback_days" in result.stderr


def test_run_tells_how_many_days_are_good_on_stdout_and_progress_on_stderr(copy: Path) -> None:
    result = call("run", "--day", LAST, site=copy)
    assert result.stdout == "1 day: 1 good, 0 with problems; 1 alert.\n"
    assert "alerts, 1 done" in result.stderr


def test_csv_of_one_rule_is_exactly_the_seeds_table(ran: Path) -> None:
    result = call("alerts", "--from", day(0), "--to", LAST, "--rule", SEED, "--format", "csv", site=ran)
    assert result.exit_code == 0
    header, *rows = result.stdout.splitlines()
    assert header == SEED_HEADER
    (row,) = csv.DictReader(io.StringIO(result.stdout))
    assert (row["src_ip"], row["_time"]) == ("10.0.0.2", f"{LAST}T00:00:00+00:00")
    assert len(rows) == 1
    assert int(row["bytes_in"]) > 1_000_000


def test_csv_of_all_rules_has_the_zone_s_times_as_jsonl_has(copy: Path) -> None:
    config = (copy / "nilometer.yaml").read_text(encoding="utf-8")
    (copy / "nilometer.yaml").write_text(config.replace("timezone: UTC", "timezone: Asia/Kathmandu"), encoding="utf-8")
    (row,) = csv.DictReader(io.StringIO(call("alerts", "--format", "csv", site=copy).stdout))
    (alert,) = objects(call("alerts", "--format", "jsonl", site=copy))
    assert row["_time"] == alert["_time"] == f"{LAST}T05:45:00+05:45"


def test_alerts_of_a_rule_that_is_off_by_now_are_shown_in_every_form(copy: Path) -> None:
    config = (copy / "nilometer.yaml").read_text(encoding="utf-8")
    (copy / "nilometer.yaml").write_text(f"{config}rules: {{{SEED}: false}}\n", encoding="utf-8")
    for form in ("table", "csv", "jsonl", "ocsf", "ecs", "splunk"):
        assert "10.0.0.2" in call("alerts", "--format", form, site=copy).stdout, form
    result = call("alerts", "--rule", SEED, site=copy)
    assert (result.exit_code, "is off. Rules in force" in result.stderr) == (2, True)
    assert "is unknown" in call("explain", "10.0.0.2", LAST, "--rule", "nope", site=copy).stderr


def test_csv_without_alerts_is_a_header(ran: Path) -> None:
    result = call("alerts", "--day", day(5), "--rule", TWIN, "--format", "csv", site=ran)
    assert result.exit_code == 0
    assert result.stdout == SEED_HEADER.replace("src_ip", "dest_ip").replace("bytes_in", "bytes_out") + "\n"


def test_jsonl_holds_the_evidence_down_to_file_and_line(ran: Path) -> None:
    (alert,) = objects(call("alerts", "--format", "jsonl", site=ran))
    assert (alert["client"], alert["day"], alert["techniques"]) == (
        "10.0.0.2",
        LAST.isoformat(),
        ["T1114", "T1114.002"],
    )
    top = alert["evidence"]["top_flows"][0]
    assert (top["server"], top["source_file"], top["source_line"]) == (SERVER, f"logs/{LAST}/conn.log", 2)
    assert alert["evidence"]["runbook"]


def test_the_table_names_client_and_rule(ran: Path) -> None:
    result = call("alerts", site=ran)
    assert result.exit_code == 0
    assert "10.0.0.2" in result.stdout
    assert SEED in result.stdout


def test_alerts_of_an_unscored_day_exits_1_and_names_it(ran: Path) -> None:
    result = call("alerts", "--day", day(20), "--format", "csv", "--rule", SEED, site=ran)
    assert result.exit_code == 1
    assert result.stdout == SEED_HEADER + "\n"
    assert f"{day(20)}: not scored" in result.stderr


@pytest.mark.parametrize(
    "words", [["alerts", "--day"], ["quality", "--day"], ["power", "--day"], ["explain", "10.0.0.1"]]
)
def test_a_day_that_nothing_can_make_is_told_so_and_no_run_is_advised(ran: Path, words: list[str]) -> None:
    for asked, why in (("2100-01-01", "has not ended yet"), (day(-1), "lies before the site's start_date")):
        result = call(*words, asked, site=ran)
        assert why in result.output
        assert "nilometer run" not in result.output


def test_days_in_a_row_with_the_same_cause_are_one_line(ran: Path) -> None:
    result = call("alerts", "--from", day(DAYS), "--to", day(DAYS + 3), site=ran)
    asked = f"--from {day(DAYS)} --to {day(DAYS + 3)}"
    assert result.stderr == f"{day(DAYS)} to {day(DAYS + 3)}: not scored; run it: nilometer run {asked}\n"


def test_alerts_of_a_day_without_logs_exits_1_as_no_data_is_not_no_alert(copy: Path) -> None:
    shutil.rmtree(log_path(copy, day(6)).parent)
    (copy / "data" / "landing" / "ledger.jsonl").unlink()
    kept = call("run", "--day", day(6), site=copy)
    assert "The stored day is kept" in kept.stderr
    (copy / "data" / "flows" / f"day={day(6)}" / "part.parquet").unlink()
    assert call("run", "--day", day(6), site=copy).exit_code == 1
    result = call("alerts", "--day", day(6), site=copy)
    assert result.exit_code == 1
    assert "no line of a log could be read" in result.stderr


def test_status_json_has_an_object_a_day_with_rows_and_fingerprints(ran: Path) -> None:
    found = objects(call("status", "--from", day(0), "--to", LAST, "--json", site=ran))
    assert [o["day"] for o in found] == [day(n).isoformat() for n in range(DAYS)]
    assert {o["state"] for o in found} == {"done"}
    assert {o["quality"] for o in found} == {"verified"}
    last = found[-1]["tables"]
    assert {name: t["rows"] for name, t in last.items()} == {
        "flows": 3,
        "daily_traffic": 3,
        "traffic_baseline": 5,
        "anomaly_scores": 3,
        "alerts": 1,
    }
    assert all(len(t["fingerprint"]) == 32 for t in last.values())


def test_status_shows_missing_done_stale_and_failed_days_as_they_are(copy: Path) -> None:
    write_log(copy, day(DAYS), {"10.0.0.1": 1_000})
    write_log(copy, day(3), {"10.0.0.1": 9})
    log_path(copy, day(1)).write_bytes(b"\x1f\x8b broken")
    assert call("run", "--day", day(1), site=copy).exit_code == 1
    found = {o["day"]: o for o in objects(call("status", "--from", day(0), "--to", day(DAYS), "--json", site=copy))}
    states = {n: found[day(n).isoformat()]["state"] for n in (0, 1, 3, DAYS)}
    assert states == {0: "done", 1: "failed", 3: "stale", DAYS: "missing"}
    assert found[day(DAYS).isoformat()]["quality"] is None  # no_data is said of days whose logs were looked for.
    assert "conn.log" in " ".join(found[day(1).isoformat()]["reasons"])
    table = call("status", "--from", day(0), "--to", day(DAYS), site=copy).stdout
    assert all(word in table for word in ("failed", "stale", "missing", "done"))


def test_a_file_that_is_read_again_for_another_reason_is_not_called_changed(copy: Path) -> None:
    config = (copy / "nilometer.yaml").read_text(encoding="utf-8")
    (copy / "nilometer.yaml").write_text(config.replace("timezone: UTC", "timezone: Asia/Kathmandu"), encoding="utf-8")
    (found,) = objects(call("status", "--day", LAST, "--json", site=copy))
    assert "flows: the time zone changed" in found["reasons"]
    assert any(r.endswith("did not change and is to be read anew") for r in found["reasons"])
    assert not any(r.startswith("changed file") for r in found["reasons"])


def test_run_stale_mends_and_then_has_nothing_left_to_do(copy: Path) -> None:
    write_log(copy, day(3), {"10.0.0.1": 9})
    first = call("run", "--stale", site=copy)
    assert first.exit_code == 0, first.output
    assert first.stdout.startswith(f"{DAYS - 3} days: {DAYS - 3} good")
    assert call("run", "--stale", site=copy).stdout == "No day is stale; none was made.\n"


def test_an_unreadable_file_of_no_known_day_makes_the_run_exit_1_naming_it(tmp_path: Path) -> None:
    make_site(tmp_path, 2, config=CONFIG.replace("logs/{day}/conn*.log", "logs/**/*.log"))
    (tmp_path / "logs" / "strange.log").write_bytes(b"\x00\x01\x02 nothing known")
    result = call("run", "--from", day(0), "--to", day(1), site=tmp_path)
    assert result.exit_code == 1
    assert "strange.log" in result.stderr
    assert "2 good" in result.stdout


def test_a_glob_that_matches_nothing_is_named(tmp_path: Path) -> None:
    make_site(tmp_path, 1, config=CONFIG.replace("conn*.log", "flow*.log"))
    result = call("run", "--day", day(0), site=tmp_path)
    assert result.exit_code == 1
    assert "no file matches" in result.stderr
    assert "no_data" in result.stderr


def test_quality_json_has_the_contracts_keys(ran: Path) -> None:
    found = objects(call("quality", "--day", LAST, "--json", site=ran))
    keys = {"day", "table", "check", "passed", "severity", "blocking", "observed", "limit", "remedy"}
    assert all(keys <= set(o) for o in found)
    assert {"sample_counts", "flows_valid"} <= {o["check"] for o in found}
    assert all(o["passed"] for o in found)


def test_check_counts_files_formats_and_says_that_each_rule_can_fire(ran: Path) -> None:
    result = call("check", site=ran)
    assert result.exit_code == 0
    assert f"{DAYS} files" in result.stdout
    assert "zeek_json" in result.stdout
    assert result.stdout.count("can fire yes") == 2


def test_identify_json_has_one_object_a_file_and_names_a_bad_one(ran: Path, tmp_path: Path) -> None:
    bad = tmp_path / "bad.bin"
    bad.write_bytes(b"\x00\x01\x02 nothing known")
    result = call("identify", log_path(ran, LAST), bad, tmp_path / "absent", "--json")
    assert result.exit_code == 1
    good, broken, absent = objects(result)
    assert (good["format"], good["lines"], good["flows"], good["rejected"]) == ("zeek", 4, 4, {})
    assert broken["error"]
    assert "No such file" in absent["error"]


def test_identify_says_so_where_no_record_is_a_flow(tmp_path: Path) -> None:
    eve = tmp_path / "eve.json"
    eve.write_text('{"event_type":"alert","src_ip":"10.1.0.11","dest_ip":"10.9.0.25"}\n', encoding="utf-8")
    assert "no record is one" in call("identify", eve).output
    flow = '{"start":"2026-11-20T08:00:00Z","bytes_toserver":1,"bytes_toclient":2}'
    with eve.open("a", encoding="utf-8") as more:
        more.write(f'{{"event_type":"flow","src_ip":"10.1.0.11","dest_ip":"10.9.0.25","flow":{flow}}}\n')
    assert "no record is one" not in call("identify", eve).output


def test_identify_reads_a_file_by_the_header_that_it_is_told(tmp_path: Path) -> None:
    log = tmp_path / "vpc.log"
    log.write_text("eni-0a 192.0.2.25 10.0.0.5 993 50001 6 9 5420 1790856000 1790856060 OK\n", encoding="utf-8")
    assert "custom format without its header" in call("identify", log).output
    header = "interface-id srcaddr dstaddr srcport dstport protocol packets bytes start end log-status"
    (found,) = objects(call("identify", log, "--header", header, "--json"))
    assert (found["format"], found["flows"], found["rejected"]) == ("vpc", 1, {})
    assert yaml.safe_load(found["suggestion"])["sources"][0]["header"] == header
    assert call("identify", log, "--header", "one").exit_code == 2


def test_control_characters_of_a_file_name_do_not_reach_the_terminal(tmp_path: Path) -> None:
    evil = tmp_path / "conn\x1b[31m.log"
    evil.write_text("", encoding="utf-8")
    assert "\x1b" not in call("identify", evil).output


def test_a_demo_finds_its_thief_from_the_stored_table_and_runs_again(tmp_path: Path) -> None:
    folder = tmp_path / "demo"
    words = ["demo", folder, "--days", "12", "--clients", "12"]
    first = call(*words)
    assert first.exit_code == 0, first.output
    assert first.stdout.count("received") == 1
    assert call(*words).stdout == first.stdout


def test_a_demo_without_a_theft_prints_no_alert(tmp_path: Path) -> None:
    result = call("demo", tmp_path / "demo", "--days", "6", "--clients", "12", "--theft-bytes", "0")
    assert result.exit_code == 0, result.output
    assert "No alert." in result.stdout


def test_a_demo_never_overwrites_a_site(copy: Path) -> None:
    result = call("demo", copy)
    assert result.exit_code == 2
    assert "no demo" in result.stderr
    assert (copy / "data").is_dir()


def test_a_site_is_the_same_however_its_folder_is_spelled(tmp_path: Path) -> None:
    site = make_site(tmp_path / "site", 1)
    (tmp_path / "link").symlink_to(site.root)
    assert {open_site(p).root for p in (site.root / "logs" / "..", tmp_path / "link")} == {site.root}
