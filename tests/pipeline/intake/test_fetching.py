"""Objects that are fetched beside a landing: which, how many at a time, each once, and none after its end."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from pipeline.intake.fetching import AT_ONCE, LARGE_BYTES, fetching_ahead
from pipeline.intake.found import FoundFile


class Store:
    """Objects that come when they are let; it notes which were asked for and how many were on their way."""

    def __init__(self) -> None:
        self.let, self.reached = threading.Event(), threading.Semaphore(0)
        self.began: list[str] = []
        self.ended: list[str] = []

    def file(self, name: str, size: int = 9) -> FoundFile:
        return FoundFile("core", Remote(self, name), name, size, 0)

    def files(self, count: int) -> list[FoundFile]:
        return [self.file(f"{n:02}.log") for n in range(count)]

    def on_their_way(self, count: int) -> None:
        for _ in range(count):
            assert self.reached.acquire(timeout=10)
        assert not self.reached.acquire(timeout=0.1)


class Remote:
    """One object."""

    def __init__(self, store: Store, name: str) -> None:
        self._store, self._name = store, name

    def fetch(self) -> Path:
        self._store.began.append(self._name)
        self._store.reached.release()
        assert self._store.let.wait(10)
        self._store.ended.append(self._name)
        raise OSError("it does not come")  # Which is the landing's to tell.

    def release(self) -> None:
        raise AssertionError


@pytest.fixture
def store() -> Store:
    return Store()


def names(files: Sequence[FoundFile]) -> list[str]:
    return [f.name for f in files]


def test_the_next_objects_are_asked_for_each_once_and_so_many_are_on_their_way(store: Store) -> None:
    files = store.files(3 * AT_ONCE)
    with fetching_ahead(files, wanted=True) as fetching:
        fetching.ask(files)
        fetching.ask(files)
        store.on_their_way(AT_ONCE)
        store.let.set()
        for file in files:
            fetching.wait(file)  # Those that were not asked for are not waited for.
        assert sorted(store.ended) == names(files[: 2 * AT_ONCE])
        fetching.ask(files[AT_ONCE:])
        for file in files:
            fetching.wait(file)
    assert sorted(store.ended) == names(files)


def test_large_objects_and_files_of_a_disk_are_left_to_the_landing(store: Store, tmp_path: Path) -> None:
    small, large = store.file("small.log", LARGE_BYTES - 1), store.file("large.log", LARGE_BYTES)
    here = FoundFile("core", tmp_path / "none.log", "none.log", 9, 0)
    store.let.set()
    with fetching_ahead([small, large], wanted=True) as fetching:
        fetching.ask([here, large, small])
        fetching.wait(small)
    assert store.began == ["small.log"]


@pytest.mark.parametrize(("count", "wanted"), [(1, True), (5, False)])
def test_one_object_alone_or_objects_that_others_fetch_are_not_asked_for(
    store: Store, tmp_path: Path, count: int, wanted: bool
) -> None:
    files = [*store.files(count), FoundFile("core", tmp_path / "none.log", "none.log", 9, 0)]
    store.let.set()
    with fetching_ahead(files, wanted=wanted) as fetching:
        fetching.ask(files)
        fetching.wait(files[0])
    assert store.began == []


def test_two_objects_are_asked_for(store: Store) -> None:
    store.let.set()
    with fetching_ahead(files := store.files(2), wanted=True) as fetching:
        fetching.ask(files)
        fetching.wait(files[1])
    assert names(files)[1] in store.ended


def test_when_a_landing_ends_what_is_on_its_way_is_waited_for_and_nothing_else_begins(store: Store) -> None:
    files = store.files(2 * AT_ONCE)
    with pytest.raises(KeyboardInterrupt), fetching_ahead(files, wanted=True) as fetching:
        fetching.ask(files)
        store.on_their_way(AT_ONCE)
        threading.Timer(0.2, store.let.set).start()
        raise KeyboardInterrupt
    assert sorted(store.ended) == sorted(store.began) == names(files[:AT_ONCE])
