"""The commented `nilometer.yaml` that a new site begins with: every key, its meaning, its default.

What the keys accept is defined in `pipeline.settings`; tests load this text with it, and hold its keys and defaults to
it. Keys of rules and of tables are told by name, as documents explain them.
"""

from __future__ import annotations

import datetime as dt

STARTER = """\
# A site of nilometer: where its flow logs are, and which addresses are its email servers.
# Try it with: nilometer check

timezone: UTC            # IANA name; a day begins and ends at midnight here
start_date: {start}   # the first day (partition); no window reaches before it
storage: data            # all tables: a folder, below this one or absolute, or s3://, gs://, az:// with a prefix
#                        # of an object store with storage_options, such as {{region: eu-central-1}}; secrets come from
#                        # the environment only
lookback_days: 30        # days of history a day is compared with (1 to 3660)

sources:                 # flow logs; several are read as one
  - name: core           # the sensor's name where the log has none (dvc)
    format: auto         # auto, or a format's name; plain, gz, zst, bz2, xz or zip
    path: logs/**/conn*.log*   # a glob; with {{day}} (YYYY-MM-DD) only the days asked for are opened
    # objects too, as s3://bucket/logs/{{day}}/*.log.gz, with storage_options of their own
    # keep: inventory    # inventory: only flows of the addresses below; all: every flow
    # timezone: UTC      # of times without a zone, where devices write their own
    # max_session_days: 1      # a log of a day may hold sessions that began so many days before
    # retired: 2027-01-01      # first day without logs: none is expected from then on, and what was read stays
    # swap_bytes: false        # true: the exporter means bytes in and bytes out the other way
    # header: "version srcaddr ..."   # the line that names the columns, of delimited files that come without it
    # With format: table also fields, units, layer, accounting, delimiter and time_format: docs/formats.md

inventory:               # the addresses that matter, and since when
  - address: 192.0.2.10        # REPLACE: address or network (CIDR), v4 or v6; the longest prefix wins
    category: email_server     # one or a list; the rules look for email_server
    name: mx1
    # valid_from: 2026-01-01   # first day it holds; without it, always
    # valid_to: 2027-01-01     # first day it holds no more; without it, still

# rules:                 # switch a rule off, or change its numbers
#   hosts_receiving_high_volume_from_email_server: {{deviation_threshold: 3, minimum_data_samples: 4}}
#   email_servers_sending_high_volume_to_hosts: false
#   mail_volume_surge: {{budget: 20}}   # false alerts a day per 10,000 clients; off without this line. Its shares of
#                                     # the budget: docs/surge.md; the other rules' keys: docs/detection.md
#   hosts_making_many_dns_flows: {{floor: 5000}}   # `nilometer rules list` names them all

# rule_paths: []         # rule files, or folders of them, besides the folder rules/ beside this file
# groups:                # clients compared with each other by rules of reference group; the others by /24 or /64
#   finance: [10.10.0.0/16]

# context:               # what is known beside the logs: CSV or Parquet files in this folder; for mail_volume_surge
#   host_roles: context/roles.csv      # address or asset, role, exclude
#   known_events: context/events.csv   # address, asset or group, cause: alerts of these days are low
#   entities: context/leases.csv       # address, asset: who held an address
#   groups: context/groups.csv         # address or asset, group
#   calendar: context/calendar.csv     # day, off

# expectations:          # what is expected of a day's tables, beside the checks that ship: one SQL number each
#   - name: largest_flow
#     table: flows       # flows, daily_traffic, traffic_baseline, anomaly_scores, surge_scores or alerts
#     value: max(bytes_in)
#     max: 50000000000   # max, min or both
#     min: 1
#     blocking: false    # true (flows, daily_traffic): failing it makes the day unverified
#     severity: warning  # or error; without it, error where it blocks
#     meaning: The largest flow of the day.
#     remedy: Ask its host what it fetched.

# schedule:              # for the daemon that `nilometer ui` starts
#   hour: 3              # the day that ended is run at this hour and minute, in the time zone above
#   minute: 0
#   hourly: false        # true: also judge the day in progress every hour, into a preview

# counting:              # how records of one flow are brought together
#   attribute: start     # which day owns a flow: start, end, or spread (each day its share)
#   sensors: []          # sensors or sources in order of preference, where several saw one flow
#   window_seconds: 600  # records of the same ends no farther apart than this may be one session
#   sampled: kept        # multiplied: counters of 1 in n packets times n, where the exporter left that to you

# landing_processes: 1   # processes that read logs side by side, where there is much to read (1 to 256)

# limits:                # a file beyond these is refused, and said so
#   max_line_bytes: 1048576
#   max_file_bytes: 1099511627776    # unfolded
#   max_ratio: 1000                  # unfolded : stored
#   future_days: 366                 # flows that start later than this from now are set aside

# notify:                # who is told of failed runs of the daemon: a webhook takes them as JSON
#   url_env: NILOMETER_WEBHOOK   # the environment variable with its https address, which is a secret
#   allow_private: false         # true: also an address that is not public
#   allow_loopback: false        # true: also this machine, by http too
#   timeout_seconds: 10

# retention:             # for how many of the newest days something is kept; all of it without these lines
#   flows: 90d           # also daily_traffic, traffic_baseline, anomaly_scores, surge_scores, alerts, landing,
#                        # quarantine, quality, and runs (Dagster's history); `nilometer prune` deletes

# metrics:
#   prometheus_file: /var/lib/node_exporter/nilometer.prom   # for the textfile collector; needs the extra metrics

# owners: [team:secops]  # shown in the Dagster catalogue
"""


def starter_text(today: dt.date) -> str:
    """The starter's text for a site that begins 45 days before today."""
    return STARTER.format(start=today - dt.timedelta(days=45))
