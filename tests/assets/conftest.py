"""A site that several test files read, run once for all of them."""

from pathlib import Path

import pytest

from tests.calls import call
from tests.worlds import day, make_site

SPELL = 12
"""Days of a site whose theft on the last one is far enough from its past to alert."""


@pytest.fixture(scope="session")
def spell(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A site of so many days with a theft on the last, all run; not to be changed."""
    root = tmp_path_factory.mktemp("spell")
    make_site(root, SPELL)
    result = call("run", "--from", day(0), "--to", day(SPELL - 1), site=root)
    assert result.exit_code == 0, result.output
    return root
