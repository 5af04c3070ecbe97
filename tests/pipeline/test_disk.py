"""What lies at a path is told alike on every Python, and what cannot be told is no absence."""

import errno
import os
from pathlib import Path

import pytest

from pipeline.disk import exists, files_below, is_dir, is_file

LOOKS = (exists, is_file, is_dir)


def told(path: Path) -> tuple[bool, ...]:
    return tuple(look(path) for look in LOOKS)


def test_files_folders_and_links_are_told_as_what_they_lead_to(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for name, place in (("to_file", "file"), ("to_folder", "."), ("to_nothing", "none"), ("loop", "loop")):
        (tmp_path / name).symlink_to(place)
    os.mkfifo(tmp_path / "pipe")
    assert told(tmp_path / "file") == told(tmp_path / "to_file") == (True, True, False)
    assert told(tmp_path) == told(tmp_path / "to_folder") == (True, False, True)
    assert told(tmp_path / "pipe") == (True, False, False)


@pytest.mark.parametrize("name", ["none", "none/below", "file/below", "to_nothing", "loop", "a\0b"])
def test_what_is_not_there_is_no(name: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    (tmp_path / "to_nothing").symlink_to("none")
    (tmp_path / "loop").symlink_to("loop")
    assert told(tmp_path / name) == (False, False, False)
    assert [*files_below(tmp_path / name)] == []


@pytest.mark.parametrize("number", [errno.EIO, errno.ESTALE, errno.EACCES, errno.ENAMETOOLONG])
@pytest.mark.parametrize("look", LOOKS)
def test_a_place_that_does_not_answer_is_not_absent(
    look: object, number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> os.stat_result:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(os, "stat", refuse)
    with pytest.raises(OSError, match=os.strerror(number)):
        look(tmp_path)


def test_files_are_found_at_any_depth_but_not_behind_linked_folders(tmp_path: Path) -> None:
    (tmp_path / "a/b").mkdir(parents=True)
    for name in ("one", "a/two", "a/b/.three"):
        (tmp_path / name).touch()
    (tmp_path / "again").symlink_to("a")
    (tmp_path / "to_file").symlink_to("one")
    found = {p.relative_to(tmp_path).as_posix() for p in files_below(tmp_path)}
    assert found == {"one", "a/two", "a/b/.three", "to_file"}


@pytest.mark.parametrize("number", [errno.EIO, errno.EACCES])
def test_a_folder_that_cannot_be_listed_is_not_an_empty_one(
    number: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/one").touch()
    list_folder = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("/a"):
            raise OSError(number, os.strerror(number), str(path))
        return list_folder(path)

    monkeypatch.setattr(os, "scandir", refuse)
    with pytest.raises(OSError, match=os.strerror(number)):
        list(files_below(tmp_path))
