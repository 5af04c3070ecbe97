"""The only kind of expectation that judges profiles: Great Expectations' own "between", at half of its cost.

The library describes an expectation some 170 times anew while it judges it, always with the same result. What is
expected, and of which column, is in the suites; what follows from the answers, in `data_quality.checks`.
"""

from __future__ import annotations

from functools import cache
from typing import Any

SUITES_TYPE = "expect_column_values_to_be_between"
"""The type that the suites name."""


def quick(gx: Any, expectation: dict[str, Any]) -> dict[str, Any]:
    """The expectation of a suite, as one that describes itself once; of another type, as it is."""
    return expectation | {"type": _quick_type(gx)} if expectation["type"] == SUITES_TYPE else expectation


@cache
def _quick_type(gx: Any) -> str:
    """The name that Great Expectations registers the class below by, as soon as it is defined."""
    from great_expectations.compatibility.pydantic import PrivateAttr  # noqa: PLC0415 - as heavy as all of it

    class ExpectProfileValuesToBeBetween(gx.expectations.ExpectColumnValuesToBeBetween):  # type: ignore[misc]
        """An expectation lives for one validation, in which nobody changes it."""

        _described: Any = PrivateAttr(None)

        @property
        def configuration(self) -> Any:
            """Its description, made when it is asked for first."""
            if self._described is None:
                self._described = super().configuration
            return self._described

    return str(ExpectProfileValuesToBeBetween.expectation_type)
