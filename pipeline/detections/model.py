"""What a rule says: its series, thresholds, gates, texts for people, and its own test cases.

Numbers that decide a verdict are kept exact. Reading files belongs to the loader, computing to `pipeline.methods`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PrivateAttr

from pipeline.storage import digest

_NUMBER = re.compile(r"\d{1,30}(\.\d{0,30})?([eE][+-]?\d{1,2})?|\d{1,30}/\d{1,30}", re.ASCII)
_LARGEST_THRESHOLD = 1_000_000


def _decimal_text(value: Any) -> Any:
    """A number as the text it was written as, so that 2.5 stays 5/2."""
    text = "" if isinstance(value, bool) or not isinstance(value, int | float | str) else str(value).strip()
    try:
        valid = _NUMBER.fullmatch(text) is not None and Fraction(text) <= _LARGEST_THRESHOLD
    except ZeroDivisionError:
        valid = False
    if not valid:
        raise ValueError(f"must be a number from 0 to {_LARGEST_THRESHOLD:,}, such as 3, 2.5 or 7/2")
    return text


CaseBytes = Annotated[int, Field(ge=0, lt=2**63)]
Threshold = Annotated[str, BeforeValidator(_decimal_text)]
NullClient = Literal["drop", "literal"]
StdevOfOne = Literal["zero", "null"]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class RuleOverride(_Model):
    """What a site may change of a rule."""

    enabled: bool = True
    deviation_threshold: Threshold | None = None
    minimum_data_samples: int | None = Field(None, ge=1)
    lookback_days: int | None = Field(None, ge=1, le=3_660)
    null_client: NullClient | None = None
    stdev_of_one: StdevOfOne | None = None


@dataclass(frozen=True)
class Measure:
    """A series: which field is summed, over flows whose side has a category, by which subject."""

    field: str
    category: str
    category_side: str
    subject: str

    @property
    def id(self) -> str:
        """A readable, stable name that rules with the same series share."""
        return f"{self.field} where {self.category_side}_category={self.category} by {self.subject}"


class RuleTest(_Model):
    """A case inside a rule: days of each client, the last one being the day judged, and who must alert."""

    name: str
    rows: dict[str, Annotated[tuple[CaseBytes | None, ...], Field(min_length=1)]] = Field(min_length=1)
    expect: tuple[str, ...]


class Rule(_Model):
    """One detection rule."""

    id: str = Field(pattern=r"^[a-z0-9_]+$")
    title: str
    description: str
    version: int = Field(1, ge=1)
    status: Literal["stable", "test", "experimental"] = "stable"
    attack: tuple[str, ...] = Field(min_length=1)
    tactic: str = "collection"
    method: Literal["seed"] = "seed"
    subject: Literal["src_ip", "dest_ip"]
    field: Literal["bytes_in", "bytes_out"]
    category: str
    category_side: Literal["src", "dest"]
    lookback_days: int = Field(30, ge=1, le=3_660)
    minimum_data_samples: int = Field(4, ge=1)
    deviation_threshold: Threshold = "3"
    null_client: NullClient = "drop"
    stdev_of_one: StdevOfOne = "zero"
    severity: Literal["low", "medium", "high", "critical"] = "medium"
    known_false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    runbook: tuple[str, ...] = ()
    drilldown: str = ""
    tests: tuple[RuleTest, ...] = ()
    _as_written: Rule | None = PrivateAttr(None)

    def with_numbers(self, changes: Mapping[str, Any]) -> Rule:
        """The rule with a site's numbers; what the file says is kept, for the cases that speak of it."""
        changed = self.model_copy(update=dict(changes))
        changed._as_written = self.as_written
        return changed

    @property
    def as_written(self) -> Rule:
        """The rule with the numbers of its own file."""
        return self._as_written or self

    @property
    def measure(self) -> Measure:
        """The series the rule judges."""
        return Measure(self.field, self.category, self.category_side, self.subject)

    @property
    def threshold(self) -> Fraction:
        """The deviation threshold, exact."""
        return Fraction(self.deviation_threshold)

    @property
    def fingerprint(self) -> str:
        """Hash of everything that can change a verdict, and of nothing else."""
        return digest(
            json.dumps(
                [
                    self.id,
                    self.method,
                    self.measure.id,
                    self.lookback_days,
                    self.minimum_data_samples,
                    str(self.threshold),
                    self.null_client,
                    self.stdev_of_one,
                ]
            )
        )
