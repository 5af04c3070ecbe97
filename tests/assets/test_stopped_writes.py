"""Commands that write where their user named a place, stopped in the midst of any of their files, or on a full disk.

What is there afterwards is what was before, or all of it anew; nothing keeps the same command from being run again.
"""

from __future__ import annotations

import datetime as dt
import errno
import itertools
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from assets.commands.demo import _prepare
from pipeline.simulate.company import Company
from tests.calls import call
from tests.stored_days import stored_site

WORLD = ("simulate", "--clients", 30, "--days", 4, "--thefts", 0, "--logs", "zeek")
WRITERS: tuple[tuple[Any, str], ...] = ((Path, "write_text"), (Path, "write_bytes"), (pl.DataFrame, "write_parquet"))


class Killed(BaseException):
    """The end of a process, as far as one that goes on can have it."""


@contextmanager
def half_written(nth: int, fault: BaseException) -> Iterator[list[int]]:
    """Let the nth file that is written stay at half of it, and the fault happen; how many files there were."""
    seen = [0]
    with pytest.MonkeyPatch.context() as patch:
        for owner, name in WRITERS:
            patch.setattr(owner, name, _halving(getattr(owner, name), seen, nth, fault, of_path=owner is Path))
        yield seen


def _halving(
    real: Callable[..., Any], seen: list[int], nth: int, fault: BaseException, *, of_path: bool
) -> Callable[..., Any]:
    def write(first: Any, *words: Any, **options: Any) -> Any:
        done = real(first, *words, **options)
        path = Path(first if of_path else words[0])
        seen[0] += 1
        if seen[0] == nth:
            os.truncate(path, path.stat().st_size // 2)
            raise fault
        return done

    return write


def tree(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def each_stop(begin: Callable[[Path], object], folder: Path, fault: type[BaseException] = Killed) -> Iterator[Path]:
    """A folder for each file that is written, stopped in its midst."""
    for nth in itertools.count(1):
        place = folder / f"stopped-{nth}"
        with half_written(nth, fault()) as seen:
            try:
                begin(place)
            except fault:
                pass
            else:
                assert seen[0] > 1
                return
        yield place


def test_a_world_that_was_stopped_is_made_again_and_never_mixed_with_another(tmp_path: Path) -> None:
    other = (*WORLD, "--seed", 5)
    for name, words in (("old", WORLD), ("new", other)):
        assert call(*words, tmp_path / name).exit_code == 0
    old, new = tree(tmp_path / "old"), tree(tmp_path / "new")

    def fresh(place: Path) -> None:
        call(*other, place)

    for place in each_stop(fresh, tmp_path / "fresh"):
        left = tree(place)
        assert left.items() <= new.items()
        assert not any(name.startswith("logs/") for name in left)
        assert call(*other, place).exit_code == 0
        assert tree(place) == new
    for nth in (1, 2, 4, 9):
        place = tmp_path / f"over-{nth}"
        assert call(*WORLD, place).exit_code == 0
        with half_written(nth, Killed()), pytest.raises(Killed):
            call(*other, place)
        left = tree(place)
        assert {n: c for n, c in left.items() if n.endswith(".parquet")}.items() <= new.items()
        assert not any(name.startswith("logs/") for name in left)
        assert call(*other, place).exit_code == 0
        assert tree(place) == new
    assert old != new


def test_an_injection_that_was_stopped_is_made_again_and_never_mixed_with_another(tmp_path: Path) -> None:
    site = stored_site(tmp_path / "site", "", 50, clients=40).root
    for seed in (1, 2):
        assert call("inject", tmp_path / str(seed), "--thefts", 1, "--seed", seed, site=site).exit_code == 0
    old, new = tree(tmp_path / "1"), tree(tmp_path / "2")

    def over(place: Path) -> None:
        call("inject", place, "--thefts", 1, "--seed", 2, site=site)

    for n, place in enumerate(each_stop(over, tmp_path / "w"), 1):
        assert tree(place).items() <= new.items()
        assert call("inject", place, "--thefts", 1, "--seed", 1, site=site).exit_code == 0
        assert tree(place) == old
        with half_written(n, Killed()), pytest.raises(Killed):
            over(place)
        tables = {name: content for name, content in tree(place).items() if name.endswith(".parquet")}
        assert tables.items() <= new.items()


def test_a_demo_that_was_stopped_is_made_again_and_no_other_takes_its_logs_for_its_own(tmp_path: Path) -> None:
    mine, other = (Company(seed=s, last_day=dt.date(2026, 10, 27), clients=8, days=3, theft_bytes=9) for s in (1, 2))
    _prepare(tmp_path / "mine", mine)
    whole = tree(tmp_path / "mine")

    def fresh(place: Path) -> None:
        _prepare(place, other)

    for n, place in enumerate(each_stop(fresh, tmp_path / "fresh"), 1):
        _prepare(place, mine)
        assert tree(place) == whole
        with half_written(n, Killed()), pytest.raises(Killed):
            _prepare(place, other)
        _prepare(place, mine)
        assert tree(place) == whole


@pytest.mark.parametrize("words", [("init", "site"), ("rules", "new", "mine.yaml")])
@pytest.mark.parametrize("fault", [Killed(), OSError(errno.ENOSPC, "No space left on device")])
def test_a_new_file_is_there_as_a_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...], fault: BaseException
) -> None:
    monkeypatch.chdir(tmp_path)
    with half_written(1, fault):
        if isinstance(fault, Killed):
            with pytest.raises(Killed):
                call(*words)
        else:
            ended = call(*words)
            assert ended.exit_code in (1, 2)
            assert words[-1] in ended.stderr and "No space left on device" in ended.stderr
    assert tree(tmp_path) == {}
    assert call(*words).exit_code == 0


def test_a_figure_that_was_stopped_leaves_the_one_before(tmp_path: Path) -> None:
    from assets.commands.files import write_text

    place = tmp_path / "figures.csv"
    place.write_text("before", encoding="utf-8")
    place.chmod(0o600)
    with half_written(1, Killed()), pytest.raises(Killed):
        write_text(place, "after")
    assert tree(tmp_path) == {"figures.csv": b"before"}
    write_text(place, "after")
    assert tree(tmp_path) == {"figures.csv": b"after"}
    assert place.stat().st_mode & 0o777 == 0o600
    link = tmp_path / "link.csv"
    link.symlink_to("figures.csv")
    write_text(link, "through")
    assert link.is_symlink() and place.read_text(encoding="utf-8") == "through"
    write_text(tmp_path / f"{'a' * 251}.csv", "a long name")


def test_a_full_disk_is_told_by_the_name_of_the_file(tmp_path: Path) -> None:
    with half_written(3, OSError(errno.ENOSPC, "No space left on device")):
        ended = call(*WORLD, tmp_path / "w")
    assert ended.exit_code == 1
    assert f"error: {tmp_path / 'w'}/" in ended.stderr
    assert "Make room" in ended.stderr


def test_a_table_that_polars_cannot_write_is_no_traceback_where_there_is_no_site(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    fault = pl.exceptions.ComputeError("underlying IO error: something that no probe meets again")
    with half_written(3, fault):
        ended = call(*WORLD, tmp_path / "w")
    assert ended.exception is fault
