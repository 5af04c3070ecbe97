"""What a rule says: its series, thresholds, gates, texts for people, and its own test cases.

Numbers that decide a verdict are kept exact. Reading files belongs to the loader, computing to `pipeline.methods`.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from ipaddress import ip_address
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PrivateAttr,
    ValidationInfo,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    field_validator,
)

from pipeline.detections.budget import CHANNELS, SHARES, Params
from pipeline.exact import INT64_MAX
from pipeline.schemas import TRANSPORTS
from pipeline.storage import digest

_NUMBER = re.compile(r"\d{1,30}(\.\d{0,30})?([eE][+-]?\d{1,2})?|\d{1,30}/\d{1,30}", re.ASCII)
_LARGEST_THRESHOLD = 1_000_000
_PORTS = 65_536
LONGEST_WINDOW = 3_661  # Days, the one judged included: no client has more rows in any.


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


def _no_switch(value: Any) -> Any:
    """A number as it is: YAML's yes and no would be taken for 1 and 0."""
    if isinstance(value, bool):
        raise ValueError("must be a number; YAML reads yes, no, on and off as true and false")
    return value


def _within_budget(shares: dict[str, float]) -> dict[str, float]:
    """Shares of known channels that together spend the budget at most once."""
    if strange := sorted(set(shares) - set(CHANNELS)):
        raise ValueError(f"unknown channel {strange[0]!r}; allowed: {', '.join(CHANNELS)}")
    if sum(shares.values()) > 1 + 1e-9:
        raise ValueError("the channels' shares must not sum to more than 1")
    return shares


def _technique(attack_id: str) -> str:
    if not re.fullmatch(r"T\d{4}(\.\d{3})?", attack_id, re.ASCII):
        raise ValueError("must be the id of an ATT&CK technique, such as T1114 or T1114.002")
    return attack_id


def _tactic(name: str) -> str:
    if not re.fullmatch(r"[a-z]+(-[a-z]+)*", name):
        raise ValueError("must be the short name of an ATT&CK tactic, such as collection or command-and-control")
    return name


def _is_address(client: str) -> bool:
    try:
        ip_address(client)
    except ValueError:
        return False
    return True


def _id(text: str) -> str:
    if not re.fullmatch(r"[a-z0-9_]+", text):
        raise ValueError("must be lower-case letters, digits and underscores, such as mail_volume")
    return text


def _category(name: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        raise ValueError("must be one category of nilometer.yaml's inventory, such as email_server")
    return name


def _not_blank(text: str) -> str:
    if not text.strip():
        raise ValueError("must not be empty: analysts read it")
    return text


def _null_word(value: Any) -> Any:
    """YAML's null as the word that a rule means by it; people leave its quotes out."""
    return "null" if value is None else value


GAP = -1
"""In a case: a day without a row, which is written "-"."""


def _gap(value: Any, number: ValidatorFunctionWrapHandler) -> Any:
    return GAP if value == "-" else number(value)


def _some(value: Any) -> Any:
    """One value or a list of them, of which none would let nothing count."""
    if isinstance(value, list | tuple) and not value:
        raise ValueError("must hold at least one value; leave the key out to let all count")
    return value if isinstance(value, list | tuple) else [value]


def _sorted(values: tuple[Any, ...]) -> tuple[Any, ...]:
    return tuple(sorted(set(values)))


def _transport(name: str) -> str:
    if name not in TRANSPORTS:
        raise ValueError(f"must be one of: {', '.join(TRANSPORTS)}")
    return name


def _app(name: str) -> str:
    if not name.strip() or "," in name:
        raise ValueError("must be the name of one application protocol, such as smtp")
    return name.strip().lower()


Whole = Annotated[int, BeforeValidator(_no_switch)]
CaseValue = Annotated[Annotated[Whole, Field(ge=0, le=INT64_MAX)] | None, WrapValidator(_gap)]
Ports = Annotated[
    tuple[Annotated[int, Field(strict=True, ge=0, le=65_535)], ...], BeforeValidator(_some), AfterValidator(_sorted)
]
Transports = Annotated[
    tuple[Annotated[str, AfterValidator(_transport)], ...], BeforeValidator(_some), AfterValidator(_sorted)
]
Apps = Annotated[tuple[Annotated[str, AfterValidator(_app)], ...], BeforeValidator(_some), AfterValidator(_sorted)]
Threshold = Annotated[str, BeforeValidator(_decimal_text)]
Budget = Annotated[float, Field(gt=0, le=10_000, allow_inf_nan=False), BeforeValidator(_no_switch)]
"""False alerts a day per 10,000 active clients."""
Shares = Annotated[
    dict[str, Annotated[float, Field(ge=0, le=1), BeforeValidator(_no_switch)]], AfterValidator(_within_budget)
]
"""Each channel's part of the budget."""
NullClient = Literal["drop", "literal"]
StdevOfOne = Annotated[Literal["zero", "null"], BeforeValidator(_null_word)]
MeasureField = Literal["bytes_in", "bytes_out", "bytes", "flows", "peers", "ports"]
"""Bytes of a direction or of both, flow records, distinct other ends, distinct ports of responders."""
SUMMED = ("bytes_in", "bytes_out", "bytes", "flows")
"""Fields whose days add up; distinct counts do not."""
Reference = Literal["fleet_and_own", "fleet", "own", "group_and_own", "group"]
"""What a day is compared with: everybody, the client's own past, its peer group, and which of them together."""
_BY_GROUP = ("group", "group_and_own")
Fill = Literal["none", "zero"]
Floor = Annotated[int, Field(strict=True, ge=0, le=INT64_MAX)]


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


_OWN_THRESHOLDS = ("fleet_deviation_threshold", "own_deviation_threshold")
"""Of one gate; null means deviation_threshold."""


class RuleOverride(_Model):
    """What a site may change of a rule; a key that is left out changes nothing."""

    enabled: bool = True
    budget: Budget | None = None
    shares: Shares | None = None
    deviation_threshold: Threshold | None = None
    minimum_data_samples: Whole | None = Field(None, ge=1, le=LONGEST_WINDOW)
    lookback_days: Whole | None = Field(None, ge=1, le=LONGEST_WINDOW - 1)
    null_client: NullClient | None = None
    stdev_of_one: Annotated[Literal["zero", "null"] | None, BeforeValidator(_null_word)] = None
    reference: Reference | None = None
    fleet_includes_day: bool | None = None
    fleet_deviation_threshold: Threshold | None = None
    own_deviation_threshold: Threshold | None = None
    fill: Fill | None = None
    floor: Floor | None = None

    @field_validator("*", mode="before")
    @classmethod
    def _said(cls, value: Any, info: ValidationInfo) -> Any:
        if value is None and info.field_name not in ("stdev_of_one", *_OWN_THRESHOLDS):
            raise ValueError("must not be empty; leave the key out to keep what the rule says")
        return value

    @property
    def numbers(self) -> dict[str, Any]:
        """What the site changes, by key."""
        return self.model_dump(exclude={"enabled"}, exclude_unset=True)


@dataclass(frozen=True)
class Measure:
    """A series: what is summed or counted, over flows whose side has a category and that pass a filter, by whom.

    An empty filter lets every flow pass; a filled one only flows whose value is known and among its own.
    """

    field: str
    category: str
    category_side: str
    subject: str
    dest_port: tuple[int, ...] = ()
    app: tuple[str, ...] = ()
    transport: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """A readable, stable name that rules with the same series share."""
        named = (("dest_port", self.dest_port), ("app", self.app), ("transport", self.transport))
        filters = "".join(f" and {name}={','.join(map(str, values))}" for name, values in named if values)
        return f"{self.field} where {self.category_side}_category={self.category}{filters} by {self.subject}"

    @property
    def summed(self) -> bool:
        """Whether values of several clients add up to that of all; a distinct count's do not."""
        return self.field in SUMMED

    @property
    def peer(self) -> str:
        """The column of the other end."""
        return "dest_ip" if self.subject == "src_ip" else "src_ip"


class RuleTest(_Model):
    """A case inside a rule: days of each client, the last one being the day judged, and who must alert."""

    name: str
    rows: dict[str, Annotated[tuple[CaseValue, ...], Field(min_length=1)]] = Field(min_length=1)
    """A number, null for an unknown one, or "-" for a day without a row (GAP)."""
    expect: tuple[str, ...]


_JUDGING = (
    "reference",
    "fleet_includes_day",
    "fleet_deviation_threshold",
    "own_deviation_threshold",
    "fill",
    "floor",
)
NUMBERS_OF = {
    "seed": frozenset({*_JUDGING, "deviation_threshold", "minimum_data_samples", "null_client", "stdev_of_one"}),
    "surge": frozenset({"budget", "shares"}),
}
"""The numbers that decide a verdict of one method only."""
_SEED_ONLY = (*NUMBERS_OF["seed"], "dest_port", "app", "transport")


class Rule(_Model):
    """One detection rule."""

    id: Annotated[str, AfterValidator(_id)]
    title: Annotated[str, AfterValidator(_not_blank)]
    description: Annotated[str, AfterValidator(_not_blank)]
    version: Whole = Field(1, ge=1)
    status: Literal["stable", "test", "experimental"] = "stable"
    attack: tuple[Annotated[str, AfterValidator(_technique)], ...] = Field(min_length=1)
    tactic: Annotated[str, AfterValidator(_tactic)] = "collection"
    enabled: bool = True
    """Whether it is in force where a site says nothing of it."""
    method: Literal["seed", "surge"] = "seed"
    subject: Literal["src_ip", "dest_ip"]
    field: MeasureField
    category: Annotated[str, AfterValidator(_category)]
    category_side: Literal["src", "dest"]
    dest_port: Ports = ()
    app: Apps = ()
    transport: Transports = ()
    reference: Reference = "fleet_and_own"
    fleet_includes_day: bool = True
    """Whether the day judged is part of the statistics of the fleet, or of the group."""
    fleet_deviation_threshold: Threshold | None = None
    """Of the fleet or the group; deviation_threshold without it, as with the next."""
    own_deviation_threshold: Threshold | None = None
    fill: Fill = "none"
    """zero: days whose logs were read and that hold nothing of a client count as 0 in its own past."""
    floor: Floor = 0
    """Below this value nothing alerts."""
    lookback_days: Whole = Field(30, ge=1, le=LONGEST_WINDOW - 1)
    minimum_data_samples: Whole = Field(4, ge=1, le=LONGEST_WINDOW)
    deviation_threshold: Threshold = "3"
    budget: Budget = Params.budget
    """Of the surge method only, as are the shares."""
    shares: Shares = Field(default_factory=lambda: dict(SHARES))
    null_client: NullClient = "drop"
    stdev_of_one: StdevOfOne = "zero"
    severity: Literal["low", "medium", "high", "critical"] = "medium"
    known_false_positives: tuple[str, ...] = ()
    references: tuple[str, ...] = ()
    runbook: tuple[str, ...] = ()
    drilldown: str = ""
    tests: tuple[RuleTest, ...] = ()
    _as_written: Rule | None = PrivateAttr(None)

    @field_validator(*_SEED_ONLY, "field")
    @classmethod
    def _of_the_seed_only(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("method") == "surge" and (info.field_name != "field" or not value.startswith("bytes_")):
            allowed = "; allowed here: bytes_in, bytes_out" if info.field_name == "field" else ""
            raise ValueError(f"is for rules of method seed{allowed}")
        return value

    @field_validator(*NUMBERS_OF["surge"])
    @classmethod
    def _of_surge_only(cls, value: Any, info: ValidationInfo) -> Any:
        if info.data.get("method") == "seed":
            raise ValueError("is for rules of method surge")
        return value

    @field_validator("category_side")
    @classmethod
    def _of_the_other_end(cls, value: str, info: ValidationInfo) -> str:
        of_subject = str(info.data.get("subject")).removesuffix("_ip")
        if info.data.get("method") == "surge" and value == of_subject:
            other = "dest" if value == "src" else "src"
            text = f"must be {other} where subject is {value}_ip: method surge compares the clients of the category"
            raise ValueError(f"{text}, not its own hosts")
        return value

    @field_validator("tests")
    @classmethod
    def _cases_that_can_be_run(cls, tests: tuple[RuleTest, ...], info: ValidationInfo) -> tuple[RuleTest, ...]:
        if tests and info.data.get("method") == "surge":
            raise ValueError("tests are for rules of method seed: a budget says nothing of a few rows")
        for case in tests:
            if strange := sorted(set(case.expect) - set(case.rows)):
                raise ValueError(f"case {case.name!r} expects {strange[0]!r}, which has no rows in it")
            if info.data.get("reference") in _BY_GROUP and (named := [c for c in case.rows if not _is_address(c)]):
                text = f"a rule with groups needs addresses as clients, such as 10.0.0.1, not {named[0]!r}"
                raise ValueError(f"case {case.name!r}: {text}")
        return tests

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
        filters = self.dest_port, self.app, self.transport
        return Measure(self.field, self.category, self.category_side, self.subject, *filters)

    @property
    def measures(self) -> tuple[Measure, ...]:
        """All series the rule needs: the surge method counts what a client received whoever began the session."""
        if self.method == "seed":
            return (self.measure,)
        field = {"bytes_in": "bytes_out", "bytes_out": "bytes_in"}[self.field]
        side, subject = ("src", "dest_ip") if self.subject == "src_ip" else ("dest", "src_ip")
        return (self.measure, Measure(field, self.category, side, subject))

    @property
    def surge(self) -> Params:
        """The numbers of the surge method; a channel without a share never alerts."""
        shares = {channel: self.shares.get(channel, 0.0) for channel in CHANNELS}
        return Params(window=self.lookback_days, budget=self.budget, shares=shares)

    @property
    def threshold(self) -> Fraction:
        """The deviation threshold, exact."""
        return Fraction(self.deviation_threshold)

    @property
    def fleet_threshold(self) -> Fraction:
        """The threshold against the fleet or the group, exact."""
        return Fraction(self.fleet_deviation_threshold or self.deviation_threshold)

    @property
    def own_threshold(self) -> Fraction:
        """The threshold against the client's own past, exact."""
        return Fraction(self.own_deviation_threshold or self.deviation_threshold)

    @property
    def by_group(self) -> bool:
        """Whether a client is compared with its peer group in place of the fleet."""
        return self.reference in _BY_GROUP

    @property
    def asks_others(self) -> bool:
        """Whether the fleet's or the group's gate must be passed."""
        return self.reference != "own"

    @property
    def asks_own(self) -> bool:
        """Whether the gate of the client's own past must be passed."""
        return self.reference in ("own", "fleet_and_own", "group_and_own")

    @property
    def largest(self) -> int:
        """The largest value that a day can have."""
        ports = len(self.dest_port) or _PORTS
        return ports if self.field == "ports" else INT64_MAX

    @property
    def beyond_seed(self) -> dict[str, Any]:
        """What of the judging differs from the seed's, by key; the series' own differences are in its id."""
        defaults = {name: type(self).model_fields[name].default for name in _JUDGING}
        return {name: getattr(self, name) for name in _JUDGING if getattr(self, name) != defaults[name]}

    @property
    def in_bytes(self) -> bool:
        """Whether its values are bytes, so that a theft can be stated in them; else they are counts."""
        return self.field.startswith("bytes")

    @property
    def fingerprint(self) -> str:
        """Hash of everything that can change a verdict, and of nothing else."""
        if self.method == "surge":
            numbers = [self.lookback_days, self.budget, sorted(self.shares.items())]
            return digest(json.dumps([self.id, self.method, [m.id for m in self.measures], numbers]))
        facts: list[Any] = [
            self.id,
            self.method,
            self.measure.id,
            self.lookback_days,
            self.minimum_data_samples,
            str(self.threshold),
            self.null_client,
            self.stdev_of_one,
        ]
        if beyond := self.beyond_seed:
            exact = {k: str(Fraction(v)) if k.endswith("_threshold") else v for k, v in beyond.items()}
            facts.append(sorted(exact.items()))
        return digest(json.dumps(facts))
