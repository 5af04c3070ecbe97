"""A demo site: configuration, inventory and the logs of a simulated company, with the truth that they must add up to.

What the company does is in `company` and `traffic`; how logs look, in `zeek`.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl

from pipeline.settings import CONFIG_NAME
from pipeline.simulate.company import Company
from pipeline.simulate.traffic import company_flows, true_totals
from pipeline.simulate.zeek import write_days
from pipeline.whole import discard, whole_folder, write_text_whole

LOGS = "logs"
MARK = "# A simulated company"
"""How a demo's configuration begins: a site without it is never overwritten."""


@dataclass(frozen=True)
class DemoSite:
    """What was made: the folder, the company and the true totals a (rule_id, day, client)."""

    folder: Path
    company: Company
    totals: pl.DataFrame
    lines: int


def write_demo_site(folder: Path, company: Company) -> DemoSite:
    """Write the site's configuration, then its logs: where they are, they are all there, and those of this company."""
    discard(folder / LOGS)
    folder.mkdir(parents=True, exist_ok=True)
    write_text_whole(folder / CONFIG_NAME, config_text(company))
    flows = company_flows(company)
    with whole_folder(folder / LOGS) as logs:
        write_days(flows, logs / "core", company.timezone)
    return DemoSite(folder, company, true_totals(company, flows), flows.height)


def config_text(company: Company) -> str:
    """The demo's `nilometer.yaml`; equal texts mean equal logs."""
    servers = "\n".join(
        f"  - {{address: {ip}, category: email_server, name: mx{i}}}"
        for i, ip in enumerate(company.server_addresses, 1)
    )
    return f"""{MARK}: {company.clients} clients, {company.days} days, theft of {company.theft_bytes:,} bytes.
# Made with seed {company.seed}; a demo run with other numbers replaces it.
timezone: {company.timezone}            # where a day begins and ends
start_date: {company.first_day}   # the first day there are logs of
storage: data            # tables, below this folder
lookback_days: 30        # days of history a day is compared with
sources:
  - name: core           # becomes dvc, as these logs name no sensor
    format: zeek
    path: logs/core/{{day}}/conn*.log*
inventory:               # which addresses are email servers
{servers}
"""
