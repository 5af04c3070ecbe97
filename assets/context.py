"""The context inputs in the lineage: external assets upstream of `surge_scores`, observed by every run that uses them.

What they hold and how they are checked is in `pipeline.context`.
"""

from __future__ import annotations

import dagster as dg

from assets.reporting.metadata import GROUP
from pipeline.context import INPUTS
from pipeline.context.load import load_input
from pipeline.errors import ConfigError
from pipeline.site import Site

_TELLS = {
    "host_roles": "Which hosts are of a kind of their own, and which are left out.",
    "known_events": "Tickets, migrations and mailings that explain a day's volume.",
    "entities": "Who held an address, and when.",
    "groups": "Who is compared with whom.",
    "calendar": "Days off.",
}


def asset_name(name: str) -> str:
    """The asset of an input."""
    return f"context_{name}"


def specs(site: Site) -> list[dg.AssetSpec]:
    """An external asset for each input that the site names."""
    return [
        dg.AssetSpec(
            asset_name(name),
            group_name=GROUP,
            kinds={"file"},
            owners=list(site.settings.owners),
            description=f"{_TELLS[name]} A file of the site, `{file}`, which is read, and never made, when the surge "
            f"method scores days: docs/context.md. Its columns: {', '.join(c.name for c in INPUTS[name].columns)}.",
        )
        for name, file in site.settings.context.files.items()
    ]


def observe(context: dg.AssetExecutionContext, site: Site) -> None:
    """Tell Dagster what the inputs hold now; a broken one is named, and fails the days that need it elsewhere."""
    for name, file in site.settings.context.files.items():
        shown: dict[str, dg.MetadataValue] = {"file": dg.MetadataValue.text(file)}
        try:
            table = load_input(site.root, name, file)
        except ConfigError as error:
            context.log.error(error.message)
            shown["error"] = dg.MetadataValue.text(error.message)
        else:
            shown["dagster/row_count"] = dg.MetadataValue.int(table.rows)
            shown["fingerprint"] = dg.MetadataValue.text(table.fingerprint)
            shown["columns_not_read"] = dg.MetadataValue.text(", ".join(table.unread) or "none")
        context.log_event(dg.AssetObservation(asset_name(name), metadata=shown))
