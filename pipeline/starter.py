"""The commented `nilometer.yaml` that a new site begins with: every key, its meaning, its default.

What the keys accept is defined in `pipeline.settings`; a test loads this text with it.
"""

from __future__ import annotations

import datetime as dt

STARTER = """\
# A site of nilometer: where its flow logs are, and which addresses are its email servers.
# Try it with: nilometer check

timezone: UTC            # IANA name; a day begins and ends at midnight here
start_date: {start}   # the first day (partition); no window reaches before it
storage: data            # folder of all tables, below this one or absolute
lookback_days: 30        # days of history a day is compared with (1 to 3660)

sources:                 # flow logs; several are read as one
  - name: core           # the sensor's name where the log has none (dvc)
    format: auto         # auto, zeek, suricata, ecs, ocsf or cim; plain, gz, zst, bz2 or xz
    path: logs/**/conn*.log*   # a glob; with {{day}} (YYYY-MM-DD) only the days asked for are opened
    # keep: inventory    # inventory: only flows of the addresses below; all: every flow
    # max_session_days: 1      # a log of a day may hold sessions that began so many days before

inventory:               # the addresses that matter, and since when
  - address: 192.0.2.10        # REPLACE: address or network (CIDR), v4 or v6; the longest prefix wins
    category: email_server     # one or a list; the rules look for email_server
    name: mx1
    # valid_from: 2026-01-01   # first day it holds; without it, always
    # valid_to: 2027-01-01     # first day it holds no more; without it, still

# rules:                 # switch a rule off, or change its numbers
#   hosts_receiving_high_volume_from_email_server: {{deviation_threshold: 3, minimum_data_samples: 4}}
#   email_servers_sending_high_volume_to_hosts: false

# schedule:              # for the daemon that `nilometer ui` starts
#   hour: 3              # the day that ended is run at this hour and minute, in the time zone above
#   minute: 0
#   hourly: false        # true: also judge the day in progress every hour, into a preview

# limits:                # a file beyond these is refused, and said so
#   max_line_bytes: 1048576
#   max_file_bytes: 1099511627776    # unfolded
#   max_ratio: 1000                  # unfolded : stored
#   future_days: 366                 # flows that start later than this from now are set aside

# owners: [team:secops]  # shown in the Dagster catalogue
"""


def starter_text(today: dt.date) -> str:
    """The starter's text for a site that begins 45 days before today."""
    return STARTER.format(start=today - dt.timedelta(days=45))
