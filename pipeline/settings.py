"""The site's configuration: `nilometer.yaml` as one typed, frozen model.

Unknown keys, wrong types and impossible values are errors that name file, line, key, value and what is allowed. Reading
the rules themselves belongs to `pipeline.detections`; finding the site's folder to `pipeline.site`.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import re
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StrictBool,
    StrictInt,
    StrictStr,
    ValidationError,
    model_validator,
)

from pipeline import clocks
from pipeline.addresses import canonical_network
from pipeline.counting.attribution import Rule as AttributionRule
from pipeline.detections.model import RuleOverride
from pipeline.errors import ConfigError, Location
from pipeline.expectations import ExpectationSettings, distinct
from pipeline.globs import check_glob
from pipeline.mapping import (
    ColumnMapping,
    check_delimiter,
    check_fields,
    check_header,
    check_time_format,
    check_units,
    in_two_columns,
)
from pipeline.objects import check_options, check_options_of, is_url, parse_url
from pipeline.wording import fault_text
from pipeline.yaml_lines import LocatedYaml, load_located

CONFIG_NAME = "nilometer.yaml"
FORMATS = (
    *("auto", "zeek", "suricata", "ecs", "ocsf", "cim", "vpc", "azure", "gcp", "sentinel", "arkime", "juniper"),
    *("nfdump", "netflow", "silk", "argus", "paloalto", "fortinet", "asa", "checkpoint", "sonicwall", "sophos"),
    *("watchguard", "stormshield", "barracuda", "h3c", "huawei", "hillstone", "zscaler", "cloudflare", "conntrack"),
    *("oci", "ibm", "nvm", "versa", "udm", "qradar", "stealthwatch", "cef", "table"),
)
_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")


def _zone(name: str) -> str:
    if not clocks.is_zone(name):
        raise ValueError("must be an IANA time zone such as UTC or Europe/Berlin")
    return name


def _as_list(value: Any) -> Any:
    return [value] if isinstance(value, str) else value


def _format(name: str) -> str:
    if name not in FORMATS:
        raise ValueError(f"must be one of: {', '.join(FORMATS)}")
    return name


def _whole(value: Any) -> Any:
    if isinstance(value, bool):
        raise ValueError("must be a whole number")
    return value


def _day(value: Any) -> Any:
    if isinstance(value, int | float) or (isinstance(value, str) and not _DAY.fullmatch(value)):
        raise ValueError("must be a day such as 2026-10-01")
    return value


Whole = Annotated[int, BeforeValidator(_whole)]
Day = Annotated[dt.date, BeforeValidator(_day)]


def _switch(value: Any) -> Any:
    return {"enabled": value} if isinstance(value, bool) else ({} if value is None else value)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)


Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")]


def _options(value: Any) -> Any:
    """Before types are looked at, as a key alone may tell of a secret."""
    if isinstance(value, dict):
        check_options({str(k): v for k, v in value.items()})
    return value


StorageOptions = Annotated[dict[str, StrictBool | StrictInt | StrictStr], BeforeValidator(_options)]


class SourceSettings(_Model):
    """One flow-log source: where its files are and how to read them."""

    name: Slug
    format: Annotated[str, AfterValidator(_format)] = "auto"
    path: Annotated[str, AfterValidator(check_glob)]
    """A glob: of files, or of objects (s3://, gs://, az://)."""
    storage_options: StorageOptions = Field(default_factory=dict)
    """Of a URL: options of the object store, without secrets."""
    keep: Literal["inventory", "all"] = "inventory"
    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    """Zone of times that carry none, in formats that write the device's own."""
    max_session_days: Whole = Field(1, ge=0, le=366)
    """Days a session may last; a log of day D+1 .. D+n may hold flows that started on D."""
    retired: Day | None = None
    """The first day without logs: none is expected from then on, and what was read stays."""
    swap_bytes: bool = False
    """Whether the exporter means bytes in and bytes out the other way."""
    header: Annotated[str, AfterValidator(check_header)] | None = None
    """The line that names the columns, of delimited files that come without it."""
    fields: Annotated[dict[str, str], BeforeValidator(in_two_columns), AfterValidator(check_fields)] | None = None
    """Of a table: CIM field -> the table's column; of times a list of two, for the day and the time of day."""
    units: Annotated[dict[str, str], AfterValidator(check_units)] | None = None
    """Of a table: CIM field -> the unit of its numbers, where they are no seconds and no bytes."""
    layer: Literal["ip", "payload", "l2", "unknown"] | None = None
    """Of a table: what its bytes count; unknown when not given."""
    accounting: Literal["final", "delta", "cumulative"] | None = None
    """Of a table: how records of one session add up; final when not given."""
    delimiter: Annotated[str, AfterValidator(check_delimiter)] | None = None
    """Of a table in delimited text; what the header shows when not given."""
    time_format: Annotated[str, AfterValidator(check_time_format)] | None = None
    """Of a table: how its times are written, where not as numbers or ISO 8601."""

    @model_validator(mode="after")
    def _options(self) -> SourceSettings:
        check_options_of(self.path, self.storage_options)
        return self

    @model_validator(mode="after")
    def _table(self) -> SourceSettings:
        own = ("fields", "units", "layer", "accounting", "delimiter", "time_format")
        given = [k for k in own if getattr(self, k) is not None]
        if given and self.format != "table":
            raise ValueError(f"{', '.join(given)} can be given with format: table only")
        if self.format == "table" and self.fields is None:
            raise ValueError("format: table needs fields, such as fields: {src_ip: client, dest_ip: server, ...}")
        if absent := [name for name in self.units or {} if name not in (self.fields or {})]:
            raise ValueError(f"units has {', '.join(absent)}, which fields does not name")
        return self

    @property
    def mapping(self) -> ColumnMapping | None:
        """The columns of a table, or None."""
        if self.fields is None:
            return None
        columns, layer, accounting = (
            tuple(sorted(self.fields.items())),
            self.layer or "unknown",
            self.accounting or "final",
        )
        units = tuple(sorted((self.units or {}).items()))
        return ColumnMapping(columns, layer, accounting, self.delimiter or ",", self.time_format, units)


class InventoryEntry(_Model):
    """An address or network, what it is, and since when."""

    address: Annotated[str, AfterValidator(canonical_network)]
    category: Annotated[tuple[Slug, ...], BeforeValidator(_as_list), Field(min_length=1)]
    name: str | None = None
    valid_from: Day | None = None
    valid_to: Day | None = None

    @model_validator(mode="after")
    def _ordered(self) -> InventoryEntry:
        if self.valid_from and self.valid_to and self.valid_to <= self.valid_from:
            raise ValueError("valid_to (exclusive) must lie after valid_from")
        return self

    @property
    def network(self) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
        """The entry as a network; a single address is a /32 or /128."""
        return ipaddress.ip_network(self.address)


class ScheduleSettings(_Model):
    """When runs start by themselves, in the site's zone."""

    hour: Whole = Field(3, ge=0, le=23)
    minute: Whole = Field(0, ge=0, le=59)
    hourly: bool = False
    """Also judge the day in progress every hour, into a preview table."""


class LimitSettings(_Model):
    """Bounds on what one file may cost, and on which times are believed."""

    max_line_bytes: Whole = Field(1_048_576, ge=1_024, le=67_108_864)
    max_file_bytes: Whole = Field(1 << 40, ge=1)
    """Decompressed bytes of one file."""
    max_ratio: Whole = Field(1_000, ge=2)
    """Decompressed : compressed bytes of one file; more is refused as a decompression bomb."""
    future_days: Whole = Field(366, ge=0, le=3_650)
    """A flow may start this many days after the newest time its file could know; more is quarantined."""


class CountingSettings(_Model):
    """How records of one flow are brought together, and which day owns its bytes."""

    attribute: AttributionRule = "start"
    """The day of a flow's start, of its end, or each day its share of the time."""
    sensors: Annotated[tuple[str, ...], BeforeValidator(_as_list)] = ()
    """Sensors (dvc) or sources in order of preference, where several saw one flow; the others come after them."""
    window_seconds: Whole = Field(600, ge=0, le=86_400)
    """Records of the same ends and ports that lie no farther apart may be of one session."""
    sampled: Literal["kept", "multiplied"] = "kept"
    """What becomes of the counters of flows told from 1 in n packets, where the exporter has not multiplied them."""


_PERIOD = re.compile(r"([1-9][0-9]{0,4})\s*d")


def _period(value: Any) -> Any:
    """Days, from 90d or 90."""
    found = _PERIOD.fullmatch(value) if isinstance(value, str) else None
    if found is None and (isinstance(value, bool) or not isinstance(value, int)):
        raise ValueError("must be a number of days such as 90d")
    return int(found[1]) if found else value


Period = Annotated[int, BeforeValidator(_period), Field(ge=1, le=36_600)]


class RetentionSettings(_Model):
    """For how many of the newest ended days something is kept; what is not named is kept for ever."""

    flows: Period | None = None
    daily_traffic: Period | None = None
    traffic_baseline: Period | None = None
    anomaly_scores: Period | None = None
    surge_scores: Period | None = None
    alerts: Period | None = None
    quality: Period | None = None
    quarantine: Period | None = None
    landing: Period | None = None
    runs: Period | None = None
    """Runs in Dagster's history, by the day they began."""


def _local_path(text: str) -> str:
    if "://" in text or "\x00" in text or not text.strip():
        raise ValueError("must be a file or a folder, such as rules-of-our-own")
    return text


class MetricsSettings(_Model):
    """Where runs publish metrics, besides an OTLP endpoint named in the environment."""

    prometheus_file: Annotated[str, AfterValidator(_local_path)] | None = None
    """A file for node_exporter's textfile collector; absolute or below the site."""


def _storage(text: str) -> str:
    if is_url(text):
        return str(parse_url(text))
    if "\x00" in text or not text.strip():
        raise ValueError("must be a folder, such as data")
    if ".." in PurePosixPath(text).parts:
        raise ValueError("must not climb with '..'; give the absolute path instead")
    return text


def _inside(text: str) -> str:
    path = PurePosixPath(text)
    if "://" in text:
        raise ValueError("must be a file of the site; URLs are not read here")
    if "\x00" in text or not path.name:
        raise ValueError("must be a file, such as context/roles.csv")
    if path.is_absolute() or ".." in path.parts:
        raise ValueError("must lie inside the site's folder: a relative path without '..'")
    return text


_File = Annotated[str, AfterValidator(_inside)]


class ContextSettings(_Model):
    """What the site knows beside its logs: CSV or Parquet files inside its folder."""

    host_roles: _File | None = None
    known_events: _File | None = None
    entities: _File | None = None
    groups: _File | None = None
    calendar: _File | None = None

    @property
    def files(self) -> dict[str, str]:
        """The file of each input that is given."""
        return {name: file for name in type(self).model_fields if (file := getattr(self, name)) is not None}


Networks = Annotated[
    tuple[Annotated[str, AfterValidator(canonical_network)], ...], BeforeValidator(_as_list), Field(min_length=1)
]


def _disjoint(groups: dict[str, tuple[str, ...]]) -> dict[str, tuple[str, ...]]:
    seen: dict[str, str] = {}
    for name, networks in groups.items():
        for network in networks:
            if (other := seen.setdefault(network, name)) != name:
                raise ValueError(f"a network must be in one group; {network} is in {other} and {name}")
    return groups


def _distinct_names(sources: tuple[SourceSettings, ...]) -> tuple[SourceSettings, ...]:
    names = [s.name for s in sources]
    if twice := sorted({n for n in names if names.count(n) > 1}):
        raise ValueError(f"source names must be unique; given twice: {', '.join(twice)}")
    return sources


def _owner(text: str) -> str:
    if not re.fullmatch(r"team:[A-Za-z0-9_-]+|[^@\s]+@[^@\s]+\.[^@\s]+", text):
        raise ValueError("must be team:NAME or an e-mail address")
    return text


class NotifySettings(_Model):
    """Who is told of failed runs; nobody without url_env."""

    url_env: Annotated[str, Field(pattern=r"^[A-Z_][A-Z0-9_]*$")] | None = None
    """The environment variable that holds the webhook's address: addresses of webhooks are secrets."""
    allow_private: bool = False
    """Also post to addresses that are not public, by https."""
    allow_loopback: bool = False
    """Also post to this machine, by http too."""
    timeout_seconds: Whole = Field(10, ge=1, le=60)


class Settings(_Model):
    """A whole site. Every field has a default, so that an empty file is a site without sources."""

    timezone: Annotated[str, AfterValidator(_zone)] = "UTC"
    start_date: Annotated[Day, Field(ge=dt.date(1970, 1, 1), le=dt.date(8999, 12, 31))] = dt.date(2026, 1, 1)
    storage: Annotated[str, AfterValidator(_storage)] = "data"
    """The root of all tables: a folder, or the URL of an object store (s3://, gs://, az://)."""
    storage_options: StorageOptions = Field(default_factory=dict)
    """Of a URL: options of the object store, without secrets."""
    lookback_days: Whole = Field(30, ge=1, le=3_660)
    sources: Annotated[tuple[SourceSettings, ...], AfterValidator(_distinct_names)] = ()
    inventory: tuple[InventoryEntry, ...] = ()
    rules: dict[str, Annotated[RuleOverride, BeforeValidator(_switch)]] = Field(default_factory=dict)
    rule_paths: Annotated[tuple[Annotated[str, AfterValidator(_local_path)], ...], BeforeValidator(_as_list)] = ()
    """Rule files, and folders of them, besides the site's `rules/`; absolute or below the site."""
    groups: Annotated[dict[Slug, Networks], AfterValidator(_disjoint)] = Field(default_factory=dict)
    """Peer groups: name -> networks; the longest that holds an address decides."""
    schedule: ScheduleSettings = ScheduleSettings()
    limits: LimitSettings = LimitSettings()
    counting: CountingSettings = CountingSettings()
    context: ContextSettings = ContextSettings()
    expectations: Annotated[tuple[ExpectationSettings, ...], AfterValidator(distinct)] = ()
    """What the site expects of its own days, beside the checks that ship."""
    landing_processes: Whole = Field(1, ge=1, le=256)
    """Processes that read logs side by side."""
    retention: RetentionSettings = RetentionSettings()
    metrics: MetricsSettings = MetricsSettings()
    notify: NotifySettings = NotifySettings()
    owners: tuple[Annotated[str, AfterValidator(_owner)], ...] = ("team:secops",)

    @model_validator(mode="after")
    def _options(self) -> Settings:
        check_options_of(self.storage, self.storage_options)
        return self


def _explain(error: Any, located: LocatedYaml, file: str) -> ConfigError:
    """One pydantic error as ours: file, line, key, value, and what is allowed."""
    loc = tuple(p for p in error["loc"] if not (isinstance(p, str) and p.startswith(("function-", "tuple["))))
    key = ".".join(str(p) for p in loc) or "(top level)"
    kind, allowed = error["type"], _allowed_keys(loc) if error["type"] == "extra_forbidden" else ""
    text = fault_text(error)
    shown = "" if kind in ("missing", "value_error") and not loc else f" (got {_short(error.get('input'))})"
    if kind == "missing" or _may_be_secret(loc, error.get("input")):
        shown = ""
    return ConfigError(f"{text}{shown}.{allowed}", where=Location(file=file, line=located.line(loc), key=key))


def _may_be_secret(loc: tuple[Any, ...], value: Any) -> bool:
    """Whether the value is an option of an object store, or a URL with a name in it: it is not to be repeated."""
    return "storage_options" in loc or (isinstance(value, str) and is_url(value) and "@" in value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."


def _allowed_keys(loc: tuple[Any, ...]) -> str:
    """The keys allowed beside an unknown one."""
    models: dict[str, type[BaseModel]] = {
        "sources": SourceSettings,
        "inventory": InventoryEntry,
        "rules": RuleOverride,
        "schedule": ScheduleSettings,
        "limits": LimitSettings,
        "counting": CountingSettings,
        "context": ContextSettings,
        "expectations": ExpectationSettings,
        "retention": RetentionSettings,
        "metrics": MetricsSettings,
        "notify": NotifySettings,
    }
    model = models.get(str(loc[0]), Settings) if len(loc) > 1 else Settings
    return " Allowed: " + ", ".join(sorted(model.model_fields)) + "."


def load_settings(path: Path) -> Settings:
    """Read and validate a `nilometer.yaml`.

    Raises:
        ConfigError: with file, line, key, value and what is allowed, for the first fault; the others are counted.
    """
    located = load_located(path)
    try:
        return Settings.model_validate(located.data if located.data is not None else {})
    except ValidationError as error:
        faults = error.errors(include_url=False)
        first = _explain(faults[0], located, str(path))
        if len(faults) > 1:
            rest = "; ".join(_explain(f, located, path.name).message for f in faults[1:6])
            first = ConfigError(first.what, where=first.where, remedy=f"Also: {rest}")
        raise first from error


def located(error: ConfigError, path: Path) -> ConfigError:
    """An error of a key that only what the file speaks of could tell, with the file and the line of its key."""
    key = error.where.key or ""
    line = load_located(path).line(tuple(key.split(".")))
    return ConfigError(error.what, where=Location(file=str(path), line=line, key=key), remedy=error.remedy)
