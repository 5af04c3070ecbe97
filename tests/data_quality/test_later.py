"""A module that is imported when something is asked of it is whole for every thread that asks."""

import sys
import threading
from pathlib import Path

import pytest

from data_quality.checks import _Later

NAME = "slowly_made_statistics"
SOURCE = "import time\nfirst = 1\ntime.sleep(0.2)\nlast = 2\n"


def test_no_thread_meets_half_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / f"{NAME}.py").write_text(SOURCE, encoding="utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    placed = _Later(NAME)
    monkeypatch.setitem(sys.modules, NAME, placed)
    begin, found = threading.Barrier(6), list[int]()

    def ask() -> None:
        begin.wait()
        found.append(placed.first + placed.last + sys.modules[NAME].last)

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [5] * 6
    assert sys.modules[NAME] is not placed
    with pytest.raises(AttributeError, match="no attribute 'other'"):
        _ = placed.other
