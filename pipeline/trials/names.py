"""Which names of clients a site has ever heard of, so that a slip of the pen is told apart from a quiet host.

An address needs no check: any may be asked for. What a client did is told in `pipeline.trials.explain`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from difflib import get_close_matches

import polars as pl

from pipeline.context import load_context
from pipeline.errors import ConfigError
from pipeline.schemas import SURGE_SCORES
from pipeline.site import Site
from pipeline.storage import DAMAGE

_SHOWN = 3


def check_known(site: Site, name: str) -> None:
    """Nothing, where the name is that of an asset of the context, or of a client of any stored day.

    Raises:
        ConfigError: no asset and no client is called so.
    """
    heard: set[str] = set()
    for names in _heard_of(site):
        heard |= names
        if name in heard:
            return
    raise ConfigError(f"{name!r} is no address, and no asset is called so.", remedy=_remedy(name, heard))


def _heard_of(site: Site) -> Iterator[set[str]]:
    """Names of assets, the cheaper places first; what cannot be read is told of elsewhere."""
    with suppress(ConfigError):
        for table in load_context(site.root, site.settings.context).tables.values():
            if "asset" in table.frame.columns:
                yield set(table.frame["asset"].drop_nulls())
    for day in reversed(site.storage.days(SURGE_SCORES.name)):
        with suppress(*DAMAGE):
            clients = site.storage.scan(SURGE_SCORES, [day], earlier=True).select(pl.col("client").unique())
            yield set(clients.collect().to_series())


def _remedy(name: str, heard: set[str]) -> str:
    if "/" in name:
        return "Name one address, not a network."
    if close := get_close_matches(name, heard, _SHOWN):
        return f"Is one of these meant: {', '.join(close)}?"
    return "Give an address, such as 10.0.0.5, or an asset as the context's entities have it (docs/context.md)."
