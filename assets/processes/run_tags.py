"""What every run of a site says of itself in Dagster: the site, the program, the rules, and the days it is for.

Tags are found and filtered in the UI. Only which runs are a command's own is decided by them: the next command ends
those that died, and the webhook is not told of them.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from importlib.metadata import version

from pipeline.site import Site

ORIGIN = "nilometer/origin"
COMMAND = "command line"
SITE = "nilometer/site"
FOLDER = "nilometer/folder"
VERSION = "nilometer/version"
RULES = "nilometer/rules"
DAYS = "nilometer/days"
_PARENT = "dagster/parent_run_id"
_NO_RETRIES = {"dagster/max_retries": "0"}
"""Who ran the command sees what came of it; an instance that tries failed runs again leaves it alone."""


def site_tags(site: Site) -> dict[str, str]:
    """The site's name and folder, the program's version, and each rule in force with its version."""
    rules = ", ".join(f"{r.id} {r.version}" for r in site.rules)
    known = {SITE: site.root.name, FOLDER: str(site.root), VERSION: version("nilometer")}
    return known | {RULES: rules or "none"}


def is_here(site: Site, tags: Mapping[str, str]) -> bool:
    """Whether a run may be of the site, by its name and, as another site may have the same one, its folder."""
    return tags.get(SITE, site.root.name) == site.root.name and tags.get(FOLDER, str(site.root)) == str(site.root)


def command_tags(site: Site, days: Sequence[dt.date]) -> dict[str, str]:
    """Tags of a run from the command line, for the days from the first to the last."""
    return site_tags(site) | {ORIGIN: COMMAND, DAYS: f"{days[0]} to {days[-1]}"} | _NO_RETRIES


def by_command(tags: Mapping[str, str]) -> bool:
    """Whether a command itself works on a run; who runs it again in the UI hands its tags to a run of the daemon."""
    return tags.get(ORIGIN) == COMMAND and _PARENT not in tags
