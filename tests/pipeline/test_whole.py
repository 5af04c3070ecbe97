"""Files that take their place as a whole: whose they are, who else writes there, and what must not be replaced."""

import errno
import fcntl
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from pipeline.whole import discard, holds_any, whole_folder, write_text_whole, write_whole

root = pytest.mark.skipif(os.geteuid() != 0, reason="another user's files, or mounts, are made by root")


def written_by(user: int, folder: Path, name: str) -> bool:
    """Whether another user, who may not be able to reach the folder by its path, can write a file of it."""
    child = os.fork()
    if not child:
        with suppress(BaseException):
            os.chdir(folder)
            os.setgroups([])
            os.setresgid(user, user, user)
            os.setresuid(user, user, user)
            write_text_whole(Path(name), "x")
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1] == 0


def names(folder: Path) -> list[str]:
    return sorted(p.name for p in folder.iterdir())


def test_a_file_with_two_names_stays_one_file(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_text("before", encoding="utf-8")
    two.hardlink_to(one)
    write_text_whole(one, "after")
    assert two.read_text(encoding="utf-8") == "after"


@pytest.mark.parametrize("umask", [0o022, 0o077])
def test_a_new_file_has_the_rights_of_the_umask_and_no_other_reads_the_draft_of_a_closed_one(
    tmp_path: Path, umask: int
) -> None:
    seen: list[int] = []

    def write(draft: Path) -> None:
        seen.append(draft.stat().st_mode & 0o777)
        draft.write_text("x", encoding="utf-8")

    before = os.umask(umask)
    try:
        write_whole(tmp_path / "new", write)
        (tmp_path / "closed").touch(mode=0o600)
        write_whole(tmp_path / "closed", write)
    finally:
        os.umask(before)
    assert seen == [0o666 & ~umask, 0o600]
    assert [(tmp_path / n).stat().st_mode & 0o777 for n in ("new", "closed")] == seen


def test_a_draft_that_another_process_holds_stays_and_one_that_nobody_holds_goes(tmp_path: Path) -> None:
    """Processes of two containers know nothing of each other's numbers, and often have the same."""
    live, dead = (tmp_path / f".nilometer.{name}.tmp" for name in ("live", "dead"))
    live.touch()
    dead.mkdir()
    (dead / "part").touch()
    with live.open("rb") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        write_text_whole(tmp_path / "x", "x")
        assert names(tmp_path) == [".nilometer.live.tmp", "x"]
        with whole_folder(tmp_path / "made") as draft:
            write_text_whole(tmp_path / "x", "y")
            (draft / "part").touch()
    write_text_whole(tmp_path / "x", "z")
    assert names(tmp_path) == ["made", "x"]
    assert names(tmp_path / "made") == ["part"]


def test_a_draft_is_none_of_a_folder_s_own_files(tmp_path: Path) -> None:
    assert not holds_any(tmp_path / "none")
    (tmp_path / ".nilometer.x.tmp").touch()
    assert not holds_any(tmp_path)
    (tmp_path / "x").touch()
    assert holds_any(tmp_path)


@root
def test_what_another_user_left_in_a_shared_folder_stops_nobody(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o1777)
    (shared / ".nilometer.999999.tmp").touch()
    theirs = shared / "theirs"
    theirs.touch()
    theirs.chmod(0o666)
    for name in ("mine", "theirs"):
        assert written_by(12_345, shared, name)
        assert (shared / name).read_text(encoding="utf-8") == "x"
    assert theirs.stat().st_uid == os.geteuid()


def busy(at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a path be a mount point, which no rename moves or replaces."""
    for name in ("rename", "replace"):
        real = getattr(Path, name)

        def move(source: Path, target: Path, real: Callable[[Path, Path], Path] = real) -> Path:
            if at in (source, target):
                raise OSError(errno.EBUSY, "Device or resource busy")
            return real(source, target)

        monkeypatch.setattr(Path, name, move)


def test_a_file_that_is_mounted_by_itself_is_written_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "x"
    place.write_text("a longer text than the next", encoding="utf-8")
    busy(place, monkeypatch)
    write_text_whole(place, "short")
    assert place.read_text(encoding="utf-8") == "short"
    assert names(tmp_path) == ["x"]


def test_a_folder_that_is_a_mount_is_emptied_and_filled(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = tmp_path / "logs"
    (place / "old").mkdir(parents=True)
    (place / "old" / "file").touch()
    busy(place, monkeypatch)
    number = place.stat().st_ino
    discard(place)
    with whole_folder(place) as draft:
        (draft / "new").mkdir()
        (draft / "new" / "file").touch()
    assert (place.stat().st_ino, names(place)) == (number, ["new"])
    assert names(tmp_path) == ["logs"]


def test_an_error_tells_of_the_place_and_of_no_second_one(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        write_text_whole(tmp_path / "absent" / "a.csv", "text")
    assert str(caught.value).endswith(f"{str(tmp_path / 'absent' / 'a.csv')!r}")
    full = tmp_path / "full"
    full.mkdir()
    (full / "kept").touch()
    with pytest.raises(OSError, match="full") as again, whole_folder(full) as draft:
        (draft / "new").touch()
    assert str(again.value).endswith(f"{str(full)!r}")
