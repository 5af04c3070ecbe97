"""Whose volumes the surge method compares: daily rows of addresses as clients, with role, group and explanations.

Email servers and hosts that the context excludes are no clients. Where it is known who held an address, the client is
the asset: its rows of a day are summed over its addresses, so that its history outlives them.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass

import polars as pl

from pipeline.context import NOTHING, Context
from pipeline.context.explaining import late_explanations, shared_explanations
from pipeline.context.model import covering
from pipeline.daily import known_sum
from pipeline.detections.model import Rule
from pipeline.groups import Groups
from pipeline.inventory import Inventory

SUBNETS = Groups()
"""Every address in its /24 or /64."""
CLIENT = "client"
"""The role of addresses that neither context nor inventory knows."""


@dataclass(frozen=True)
class ClientDays:
    """The rows of a window, and what is told of the day judged.

    Attributes:
        rows: day, client, bytes, group, role, explained_by: one row a (day, client), by day and client.
        addresses: client, addresses: those that each client of the day had traffic at, the largest first.
        excluded: clients of the day that are left out because the context says so.
    """

    rows: pl.DataFrame
    addresses: pl.DataFrame
    excluded: int


def client_days(
    stored: pl.LazyFrame,
    rule: Rule,
    inventory: Inventory,
    day: dt.date,
    context: Context = NOTHING,
    groups: Groups = SUBNETS,
) -> ClientDays:
    """The sums over the rule's series of the stored days, as clients; roles and groups are those of the day judged.

    A client is of the context's group; where it has none, of the site's, as rules that compare groups have it.
    """
    rows = context.with_assets(_addresses(stored, rule, inventory, day))
    rows = rows.with_columns(client=pl.coalesce("asset", "ip"))
    hosts = rows.select("ip", "asset").unique().sort("ip", "asset", nulls_last=True)
    told = context.of_hosts("host_roles", hosts, day)
    out = told.filter("exclude").select("ip", "asset")
    excluded = rows.filter(pl.col("day") == day).join(out, on=["ip", "asset"], how="semi", nulls_equal=True)
    rows = rows.join(out, on=["ip", "asset"], how="anti", nulls_equal=True, maintain_order="left")
    today = rows.filter(pl.col("day") == day).sort(["bytes", "ip"], descending=[True, False], nulls_last=True)
    addresses = today.group_by("client", maintain_order=True).agg(addresses="ip")
    who = _who(rows, told, context.of_hosts("groups", hosts, day), groups)
    summed = rows.group_by("day", "client").agg(bytes=known_sum("bytes")).join(who, on="client")
    explained = _explained(rows, summed, context)
    summed = summed.join(explained, on=["day", "client"], how="left").sort("day", "client")
    columns = ("day", "client", "bytes", "group", "role", "explained_by")
    return ClientDays(summed.select(columns), addresses.sort("client"), excluded["client"].n_unique())


def _addresses(stored: pl.LazyFrame, rule: Rule, inventory: Inventory, day: dt.date) -> pl.DataFrame:
    """day, ip, bytes, category of addresses that are no email servers."""
    rows = (
        stored.filter(pl.col("measure").is_in([m.id for m in rule.measures]) & pl.col("client").is_not_null())
        .group_by("day", ip="client")
        .agg(bytes=known_sum("bytes"))
        .collect(engine="streaming")
    )
    ips = rows.select(pl.col("ip").unique().sort())
    known = ips.join(inventory.category_frame(ips["ip"], day), on="ip", how="left")
    people = known.filter(~pl.col("category").list.contains(rule.category).fill_null(False))
    return rows.join(people, on="ip").sort("day", "ip")


def _who(rows: pl.DataFrame, roles: pl.DataFrame, told_groups: pl.DataFrame, groups: Groups) -> pl.DataFrame:
    """client, group, role: of the address that it used last, the one with most bytes where there were several."""
    latest = rows.sort(["day", "bytes", "ip"], descending=[True, True, False], nulls_last=True)
    who = latest.unique("client", keep="first", maintain_order=True).select("client", "ip", "asset", "category")
    who = who.with_columns(near=groups.of(who["ip"]))
    for told in (roles.drop("exclude"), told_groups):
        who = who.join(told, on=["ip", "asset"], how="left", nulls_equal=True)
    role = pl.coalesce("role", pl.col("category").list.first()).fill_null(CLIENT)
    return who.select("client", group=pl.coalesce("group", "near"), role=role)


def _explained(rows: pl.DataFrame, clients: pl.DataFrame, context: Context) -> pl.DataFrame:
    """day, client, explained_by: the first of the causes by name where there are several."""
    events = context.events(rows)
    if events.is_empty():
        return rows.clear().select("day", "client", explained_by=pl.lit(None, pl.String))
    columns = ["day", "client", "cause"]
    named = events.filter(pl.col("address").is_not_null()).select("day", "address", "cause")
    who = _holders(rows, context)
    near = covering(who["ip"], named["address"]).join(named, left_on="network", right_on="address")
    at_address = who.join(near, on=["day", "ip"])
    of_asset = events.filter(pl.col("asset").is_not_null()).with_columns(client="asset")
    own = pl.concat([f.select(columns) for f in (at_address, of_asset)]).unique()
    subject = pl.coalesce("address", "asset").is_null()
    shared = shared_explanations(clients, events.filter(subject).select("day", "group", "cause"))
    found = pl.concat([own, late_explanations(clients, own), shared])
    return found.group_by("day", "client").agg(explained_by=pl.col("cause").min())


def _holders(rows: pl.DataFrame, context: Context) -> pl.DataFrame:
    """day, ip, client: who has an address on a day, whether it had traffic or not.

    An address that was silent on a day, and that nobody is known to have held, is whose it is on the day after.
    """
    at = ["day", "ip"]
    seen, held = rows.select(*at, "client"), context.leases(rows["day"]).select(*at, client="asset")
    after = seen.with_columns(pl.col("day") - dt.timedelta(days=1)).join(pl.concat([seen, held]), on=at, how="anti")
    return pl.concat([seen, held, after]).unique()
