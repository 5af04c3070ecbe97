"""A site: the folder with `nilometer.yaml`, its settings and its storage, and how one is found.

The order is: the folder asked for, else NILOMETER_SITE, else the current folder, else the demo's, else built-in
defaults that load (without sources) and say so. What is in the configuration belongs to `pipeline.settings`.
"""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from shlex import quote

from pipeline.detections import Rule, in_force, known_rules
from pipeline.detections.model import Measure
from pipeline.disk import is_dir, is_file
from pipeline.errors import ConfigError, Location
from pipeline.groups import Groups
from pipeline.inventory import Inventory
from pipeline.methods.surge.slow import RECENT
from pipeline.objects import CACHE_FOLDER, cloud_objects, is_url
from pipeline.settings import CONFIG_NAME, Settings, load_settings, located
from pipeline.storage import Storage

PROJECT = Path(__file__).resolve().parent.parent
DEMO_FOLDER = "demo-site"
ENV_SITE = "NILOMETER_SITE"


@dataclass(frozen=True)
class Site:
    """One site, ready to use."""

    root: Path
    settings: Settings
    origin: str
    """How it was found: 'asked for', 'NILOMETER_SITE', 'current folder', 'demo' or 'built-in defaults'."""

    @cached_property
    def storage(self) -> Storage:
        """The site's tables; raises ConfigError when their object store cannot be opened."""
        place = self.settings.storage
        if is_url(place):
            return Storage(cloud_objects(place, self.settings.storage_options, (self.root / CACHE_FOLDER).absolute()))
        return Storage((self.root / place).absolute())

    @cached_property
    def rules(self) -> tuple[Rule, ...]:
        """The rules in force, overrides applied."""
        known = self.known_rules.values()  # Their own faults name their own files.
        try:
            return in_force(known, self.settings.rules)
        except ConfigError as error:
            raise located(error, self.root / CONFIG_NAME) from None

    def rule(self, rule_id: str) -> Rule:
        """The rule in force of an id; raises ConfigError for one that is unknown or off."""
        found = {r.id: r for r in self.rules}
        if rule_id in found:
            return found[rule_id]
        known = rule_id in {r.id for r in self.known_rules.values()}
        fault, switch = ("is off", f" Switch it on: rules: {{{rule_id}: true}}.") if known else ("is unknown", "")
        raise ConfigError(
            f"the rule {rule_id!r} {fault}.", remedy=f"Rules in force: {', '.join(sorted(found)) or 'none'}.{switch}"
        )

    @cached_property
    def known_rules(self) -> dict[Path, Rule]:
        """Every rule by its file, those that are off too, as written."""
        return known_rules(self.settings.lookback_days, self.rule_paths)

    @property
    def rule_paths(self) -> tuple[Path, ...]:
        """Where the site's own rules are: its `rules/` folder, and the files and folders it names."""
        folder = self.root / "rules"
        return (*((folder,) if is_dir(folder) else ()), *(self.root / p for p in self.settings.rule_paths))

    @cached_property
    def inventory(self) -> Inventory:
        """Which addresses matter, and since when."""
        return Inventory(self.settings.inventory)

    @cached_property
    def groups(self) -> Groups:
        """The peer groups of clients."""
        return Groups(self.settings.groups)

    @cached_property
    def measures(self) -> tuple[Measure, ...]:
        """The series the rules judge, each once."""
        return tuple({m.id: m for r in self.rules for m in r.measures}.values())

    @cached_property
    def series(self) -> tuple[tuple[Measure, int], ...]:
        """The (measure, lookback) pairs that baselines are made for, each once."""
        seed = self.rules_of("seed")
        pairs = {(r.measure.id, r.lookback_days): (r.measure, r.lookback_days) for r in seed}
        return tuple(pairs.values())

    @property
    def longest_lookback(self) -> int:
        """Days of history the hungriest rule with a baseline asks for."""
        return max((r.lookback_days for r in self.rules_of("seed")), default=self.settings.lookback_days)

    def rules_of(self, method: str) -> tuple[Rule, ...]:
        """The rules in force of one method."""
        return tuple(r for r in self.rules if r.method == method)

    @property
    def surge_days(self) -> int:
        """Past days whose surge scores judge a day; 0 without such a rule."""
        return max((r.surge.calibration for r in self.rules_of("surge")), default=0)

    @property
    def surge_window(self) -> int:
        """Past days of daily traffic that a day's surge scores need; 0 without such a rule."""
        return max((r.surge.window + RECENT for r in self.rules_of("surge")), default=0)

    @property
    def history_days(self) -> int:
        """Days of daily traffic before a day that all its tables need."""
        return max(self.longest_lookback, self.surge_days + self.surge_window)


def open_site(root: Path, origin: str = "asked for") -> Site:
    """The site in a folder; raises ConfigError when it has no valid configuration."""
    root = root.resolve()  # However it is spelled, its runs are the same site's.
    if not str(root).isascii() and (encoding := sys.getfilesystemencoding()) != "utf-8":
        raise ConfigError(
            f"names of files are {encoding} here, by the locale, and Polars opens none but UTF-8's.",
            where=Location(file=ascii(str(root))[1:-1]),
            remedy="Set PYTHONUTF8=1, or give the site a path in plain ASCII.",
        )
    if not is_file(root / CONFIG_NAME):
        raise _no_site(root)
    return Site(root, load_settings(root / CONFIG_NAME), origin)


def _no_site(root: Path) -> ConfigError:
    """Why this is no site: a file, such as its own configuration, or a folder that has none."""
    where = Location(file=str(root))
    if is_file(root):
        named = f" Name its folder: {quote(str(root.parent))}" if root.name == CONFIG_NAME else ""
        return ConfigError("is a file, and a site is a folder.", where=where, remedy=named.strip())
    fault = f"there is no {CONFIG_NAME} in this folder." if is_dir(root) else "there is no such folder."
    remedy = f"Name the site's with --site, or create one with: nilometer init {quote(str(root))}"
    return ConfigError(fault, where=where, remedy=remedy)


def find_site() -> Site:
    """The site that plain `dagster dev` works on; never fails for want of one, only for a wrong one."""
    if named := os.environ.get(ENV_SITE):
        return open_site(Path(named), ENV_SITE)
    folder = Path.cwd()
    if is_file(folder / CONFIG_NAME):
        return open_site(folder, "current folder")
    for demo in (folder / DEMO_FOLDER, PROJECT / DEMO_FOLDER):
        if is_file(demo / CONFIG_NAME):
            return open_site(demo, "demo")
    return Site((folder / DEMO_FOLDER).absolute(), Settings(), "built-in defaults")
