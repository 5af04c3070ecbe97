"""Which files a source has: globs, days in paths, and what is refused."""

import datetime as dt
import os
import socket
from pathlib import Path
from typing import Any

import pytest

from pipeline.intake.files import Listing, list_files
from pipeline.settings import SourceSettings


def listed(site: Path, pattern: str, **more: str) -> Listing:
    return list_files(site, SourceSettings.model_validate({"name": "core", "path": pattern, **more}))


def names(listing: Listing) -> list[str]:
    return [f.name for f in listing.files]


def messages(listing: Listing) -> str:
    return "\n".join(p.message for p in listing.problems)


def put(path: Path, text: str = "x\n") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    return path


GLOBS = [
    ("logs/*.log", ["logs/a.log", "logs/b.log"]),
    ("logs/a.log", ["logs/a.log"]),
    ("logs/[!a].log", ["logs/b.log"]),
    ("logs/?.log", ["logs/a.log", "logs/b.log"]),
    ("logs/**/*.log", ["logs/a.log", "logs/b.log", "logs/deep/er/c.log"]),
    ("*/*.log", ["logs/a.log", "logs/b.log"]),
    ("logs/*", ["logs/a.log", "logs/b.log"]),
]


@pytest.mark.parametrize(("pattern", "found"), GLOBS)
def test_globs_find_files_in_order_of_name_and_no_folders(tmp_path: Path, pattern: str, found: list[str]) -> None:
    for name in ("logs/b.log", "logs/a.log", "logs/deep/er/c.log"):
        put(tmp_path / name)
    assert names(listed(tmp_path, pattern)) == found


HIDDEN = ["logs/.a.log.Xy12", "logs/._a.log", "logs/.snapshot/hourly.0/a.log", "logs/x/.nfs01/a.log", ".x/a.log"]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        *((p, ["logs/a.log"]) for p in ("logs/**/*a.log*", "logs/*", "**/*")),
        ("logs/.snapshot/**/*", ["logs/.snapshot/hourly.0/a.log"]),
        ("logs/._*", ["logs/._a.log"]),
        (".x/*", [".x/a.log"]),
    ],
)
def test_hidden_names_are_matched_by_patterns_that_name_them(tmp_path: Path, pattern: str, found: list[str]) -> None:
    for name in ("logs/a.log", *HIDDEN):
        put(tmp_path / name)
    assert names(listed(tmp_path, pattern)) == found


BESIDE = [
    *("t/_delta_log/00000000000000000010.checkpoint.parquet", "t/_temporary/0/_temporary/attempt_1/part-0.parquet"),
    *("t/_SUCCESS", "t/_metadata", "t/_common_metadata", "t/_started_123", "t/_committed_123"),
    *("t/_spark_metadata/0", "t/day=2026-11-20/.part-0.parquet.crc"),
]
LOGS = [
    "t/_archive/part-1.parquet",
    "t/_metadata_of_mail.parquet",
    "t/day=2026-11-20/_mail.parquet",
    "t/day=2026-11-20/part-0.parquet",
]


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("t/**/*", LOGS),
        ("**/*.parquet", LOGS),
        ("t/_*/*.parquet", ["t/_archive/part-1.parquet", BESIDE[0]]),
        ("t/_delta_log/*", [BESIDE[0]]),
    ],
)
def test_what_lies_beside_the_files_of_a_table_is_no_log(tmp_path: Path, pattern: str, found: list[str]) -> None:
    for name in (*LOGS, *BESIDE):
        put(tmp_path / name)
    assert names(listed(tmp_path, pattern)) == found


@pytest.mark.parametrize("pattern", ["logs/*/a.log", "logs/**/*.log", "logs/*/deep/*.log"])
def test_folders_that_cannot_be_listed_are_named(tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("open", "shut", "lost+found"):
        put(tmp_path / "logs" / name / "deep" / "b.log")
        put(tmp_path / "logs" / name / "a.log")
    scan, stat = os.scandir, Path.stat

    def refuse(path: Any, **more: Any) -> None:
        if {"shut", "lost+found"}.intersection(Path(path).parts):
            raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(os, "scandir", lambda path: (refuse(path), scan(path))[1])
    monkeypatch.setattr(Path, "stat", lambda path, **more: (refuse(path), stat(path, **more))[1])
    found = listed(tmp_path, pattern)
    assert {n.split("/")[1] for n in names(found)} == {"open"}
    assert messages(found).count("logs/shut: is a folder that cannot be listed (Permission denied)") == 1


@pytest.mark.parametrize("pattern", ["shut/*.log", "shut/**/*.log", "shut/a.log"])
def test_a_source_whose_folder_may_not_be_entered_is_a_problem_of_that_source(
    tmp_path: Path, pattern: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(tmp_path / "shut" / "a.log")
    stat = Path.stat

    def refuse(path: Any, **_: Any) -> Any:
        if "shut" in Path(path).parent.parts:
            raise PermissionError(13, "Permission denied")
        return stat(Path(path))

    monkeypatch.setattr(Path, "stat", refuse)
    monkeypatch.setattr(os, "scandir", lambda _: refuse(tmp_path / "shut" / "a"))
    assert "shut: is a folder that cannot be listed (Permission denied)" in messages(listed(tmp_path, pattern))


def test_an_absolute_path_gives_names_relative_to_its_folder(tmp_path: Path) -> None:
    put(tmp_path / "far" / "conn.log")
    found = listed(tmp_path / "site", f"{tmp_path}/far/*.log")
    assert names(found) == ["conn.log"]
    assert found.files[0].path == tmp_path / "far" / "conn.log"


DAYS = [
    ("logs/{day}/conn*.log", "logs/2026-10-01/conn.log", dt.date(2026, 10, 1)),
    ("logs/conn-{day}.log", "logs/conn-2026-10-01.log", dt.date(2026, 10, 1)),
    ("logs/**/{day}*.log", "logs/a/b/2026-10-01-x.log", dt.date(2026, 10, 1)),
    ("logs/{day}/{day}.log", "logs/2026-10-01/2026-10-01.log", dt.date(2026, 10, 1)),
    ("logs/{day}/*.log", "logs/2026-02-30/conn.log", None),
    ("logs/*/conn.log", "logs/2026-10-01/conn.log", None),
]


@pytest.mark.parametrize(("pattern", "name", "day"), DAYS)
def test_a_day_in_the_pattern_is_the_files_day(tmp_path: Path, pattern: str, name: str, day: dt.date | None) -> None:
    put(tmp_path / name)
    put(tmp_path / "logs" / "current" / "conn.txt")
    assert [(f.name, f.day) for f in listed(tmp_path, pattern).files] == [(name, day)]


NAMED = [
    ("conn.2026-10-01.log", dt.date(2026, 10, 1)),
    ("conn.20261001.log", dt.date(2026, 10, 1)),
    ("20269999-20261002", dt.date(2026, 10, 2)),
    ("nfcapd.202610011355", dt.date(2026, 10, 1)),
    ("conn.20261001135500.log", dt.date(2026, 10, 1)),
    ("123456789012_vpcflowlogs_eu_20261001T0005Z_a.log", dt.date(2026, 10, 1)),
    ("2026/10/01/00_05_00.json", dt.date(2026, 10, 1)),
    ("2026_10_01.log", dt.date(2026, 10, 1)),
    ("year=2026/month=10/day=01/part-0.parquet", dt.date(2026, 10, 1)),
    ("MAC=0/y=2026/m=10/d=1/h=13/m=00/PT1H.json", dt.date(2026, 10, 1)),
    ("Year=2026/Month=10/Day=01/part-0.parquet", dt.date(2026, 10, 1)),
    ("myear=2026/month=10/day=01/part-0.parquet", None),
    ("dt=2026-10-01/part-0.parquet", dt.date(2026, 10, 1)),
    ("conn.2026-1001.log", None),
    ("conn.202610011.log", None),
    ("conn.202610019999.log", None),
    ("conn.1020261001.log", None),
    ("conn.log", None),
]


@pytest.mark.parametrize(("name", "day"), NAMED)
def test_a_day_in_a_files_name_tells_which_day_a_fault_hurts(tmp_path: Path, name: str, day: dt.date | None) -> None:
    put(tmp_path / "logs" / name)
    assert listed(tmp_path, "logs/**/*").files[0].named_day == day


def test_a_glob_without_files_is_a_problem_that_says_so(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    found = listed(tmp_path, "logs/*.log")
    assert found.files == []
    assert "key sources.core.path: source core: no file matches 'logs/*.log'." in messages(found)


@pytest.mark.parametrize("folder", ["logs", "other"])
def test_of_a_retired_source_no_file_is_expected(tmp_path: Path, folder: str) -> None:
    (tmp_path / folder).mkdir()
    found = listed(tmp_path, "logs/*.log", retired="2026-10-02")
    assert (found.files, found.problems, found.whole) == ([], [], True)


def test_a_folder_that_is_not_there_is_a_problem(tmp_path: Path) -> None:
    assert "cannot be listed" in messages(listed(tmp_path, "nowhere/deep/*.log"))


def test_a_link_out_of_the_sources_folder_is_refused_and_the_rest_is_read(tmp_path: Path) -> None:
    put(tmp_path / "logs" / "a.log")
    outside = put(tmp_path / "secret")
    (tmp_path / "logs" / "b.log").symlink_to(outside)
    found = listed(tmp_path, "logs/*.log")
    assert names(found) == ["logs/a.log"]
    assert "logs/b.log: is a link out of its source's folder" in messages(found)


def test_a_linked_folder_out_of_the_source_is_refused(tmp_path: Path) -> None:
    put(tmp_path / "far" / "conn.log")
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "day").symlink_to(tmp_path / "far")
    found = listed(tmp_path, "logs/*/conn.log")
    assert (names(found), len(found.problems)) == ([], 1)


def test_a_link_within_the_sources_folder_is_followed(tmp_path: Path) -> None:
    real = put(tmp_path / "logs" / "a.log")
    (tmp_path / "logs" / "current.log").symlink_to(real)
    assert names(listed(tmp_path, "logs/*.log")) == ["logs/a.log", "logs/current.log"]


def test_the_sources_folder_may_itself_be_a_link(tmp_path: Path) -> None:
    put(tmp_path / "far" / "a.log")
    (tmp_path / "logs").symlink_to(tmp_path / "far")
    assert names(listed(tmp_path, "logs/*.log")) == ["logs/a.log"]


@pytest.mark.parametrize("target", ["gone", "b.log"])
def test_broken_and_circular_links_are_problems(tmp_path: Path, target: str) -> None:
    put(tmp_path / "logs" / "a.log")
    (tmp_path / "logs" / "b.log").symlink_to(target)
    found = listed(tmp_path, "logs/*.log")
    assert names(found) == ["logs/a.log"]
    assert "logs/b.log: cannot be opened" in messages(found)
    assert ("Where it is a link" in messages(found)) == (target == "gone")


def test_pipes_and_sockets_are_refused_and_never_opened(tmp_path: Path) -> None:
    put(tmp_path / "logs" / "a.log")
    os.mkfifo(tmp_path / "logs" / "b.log")
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(tmp_path / "logs" / "c.log"))
        found = listed(tmp_path, "logs/*.log")
    assert names(found) == ["logs/a.log"]
    assert messages(found).count("is not a regular file") == 2


def test_a_device_is_refused(tmp_path: Path) -> None:
    (tmp_path / "logs").mkdir()
    (tmp_path / "logs" / "zero.log").symlink_to("/dev/zero")
    assert names(listed(tmp_path, "logs/*.log")) == []


def test_a_name_that_is_not_utf8_is_a_problem_of_that_file_alone(tmp_path: Path) -> None:
    put(tmp_path / "logs" / "a.log")
    try:
        Path(os.fsdecode(os.fsencode(tmp_path) + b"/logs/\xff.log")).write_text("x")
    except OSError:
        pytest.skip("this file system has no such names")
    found = listed(tmp_path, "logs/*.log")
    assert names(found) == ["logs/a.log"]
    assert "has a name that is no UTF-8, and was not read. Rename it" in messages(found)
    messages(found).encode()


def test_a_folder_in_place_of_its_files_is_told(tmp_path: Path) -> None:
    put(tmp_path / "logs" / "a.log")
    assert "It is a folder: name its files" in messages(listed(tmp_path, "logs"))
    assert "It is a folder" not in messages(listed(tmp_path, "logs/*.gz"))
