"""docs/simulator.md has every parameter with its default and meaning, as the code has them."""

import dataclasses
import datetime as dt
import inspect
import re

import pytest

from pipeline.simulate.lookalikes import CAUSES
from pipeline.simulate.settings import BASKETS, KINDS, WorldSettings, default_attacks
from pipeline.site import PROJECT

TEXT = (PROJECT / "docs" / "simulator.md").read_text(encoding="utf-8")
LONG = {"kinds": "below", "attacks": "below"}


def meanings() -> dict[str, str]:
    """Name and text of each attribute in the docstring."""
    section = inspect.cleandoc(WorldSettings.__doc__ or "").split("Attributes:\n")[1]
    entries = re.findall(r"(?m)^    (\w+): (.*(?:\n        .*)*)", section)
    return {name: re.sub(r"\s+", " ", text) for name, text in entries}


def row(field: dataclasses.Field[object]) -> str:
    value = field.default
    if isinstance(value, float):
        shown = f"{value:g}"
    elif isinstance(value, tuple):
        shown = ", ".join(f"{v:g}" for v in value) if field.name not in LONG else LONG[field.name]
    else:
        shown = f"{value:,}" if isinstance(value, int) else str(value)
    return f"| `{field.name}` | {shown} | {meanings()[field.name]} |"


@pytest.mark.parametrize("field", dataclasses.fields(WorldSettings), ids=lambda f: f.name)
def test_every_parameter_has_its_row(field: "dataclasses.Field[object]") -> None:
    assert isinstance(field.default, int | float | tuple | dt.date)
    assert row(field) in TEXT.splitlines()


def test_kinds_baskets_attacks_and_causes_are_listed() -> None:
    for kind in KINDS:
        assert f"| {kind.name} | {kind.share * 100:g} % | {kind.volume:g} |" in TEXT
    for basket in BASKETS:
        assert re.search(rf"(?m)^\| {basket} \| `", TEXT), basket
    for attack in default_attacks():
        assert f"`{attack.name}`" in next(
            line for line in TEXT.splitlines() if line.startswith(f"| {attack.basket} | `")
        )
    for cause in CAUSES:
        assert f"`{cause}`" in TEXT
