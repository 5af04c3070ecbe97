"""Options of days and times, with every click that is allowed."""

import datetime as dt
import importlib.util
from types import ModuleType

import click
import pytest

from assets.commands import options


class _OlderType:
    """As click's type was before 8.4: it tells no class of its values."""

    def fail(self, message: str, *_where: object) -> None:
        raise click.BadParameter(message)


@pytest.fixture
def older(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.setattr(click, "ParamType", _OlderType)
    assert options.__spec__ is not None and options.__spec__.origin is not None
    spec = importlib.util.spec_from_file_location("older_options", options.__spec__.origin)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_days_and_moments_are_read_where_click_s_types_tell_no_class(older: ModuleType) -> None:
    assert older.Day().convert("2026-10-01", None, None) == dt.date(2026, 10, 1)
    assert older.Moment().convert("2026-10-01T00:00:00Z", None, None) == dt.datetime(2026, 10, 1, tzinfo=dt.UTC)
    with pytest.raises(click.BadParameter, match="in no calendar"):
        older.Day().convert("2026-02-30", None, None)


def test_they_are_types_of_click() -> None:
    assert issubclass(options.Day, click.ParamType)
    assert issubclass(options.Moment, click.ParamType)
