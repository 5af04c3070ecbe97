"""The small company of `company`, made once for all tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.data_quality import company as small


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of its site, with all days but the last logged and made; not to be changed."""
    root = small.company(tmp_path_factory.mktemp("company") / "site").root
    made = {p: p.stat().st_mtime_ns for p in root.rglob("*") if p.is_file()}
    yield root
    assert made == {p: p.stat().st_mtime_ns for p in made}, "a test has changed the company of all tests"
