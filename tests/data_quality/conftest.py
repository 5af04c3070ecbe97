"""The small company of `company`, made once for all tests."""

from pathlib import Path

import pytest

from tests.data_quality import company as small


@pytest.fixture(scope="session")
def company(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of its site, with all days but the last logged and made; not to be changed."""
    return small.company(tmp_path_factory.mktemp("company") / "site").root
