"""The commented rule that `nilometer rules new` writes: every key, what it may hold, and cases that it passes.

What the keys mean is defined in the model; a test loads this text and runs its cases.
"""

from __future__ import annotations

import re
from unicodedata import combining, normalize

TEMPLATE = """\
# A detection rule of nilometer. Try it with: nilometer rules test FILE
# It is in force once it lies in the site's folder rules/, or rule_paths in nilometer.yaml names it.

id: {id}
title: Host received an unusual volume from web servers
description: >-
  A client received far more bytes from the web servers in one day than it and the fleet usually do.
version: 1
status: experimental       # stable, test or experimental
enabled: true              # false: off until nilometer.yaml says rules: {{{id}: true}}
attack: [T1105]            # MITRE ATT&CK techniques
tactic: command-and-control
severity: medium           # low, medium, high or critical

# What is measured, day by day: of each subject, over the flows that pass the filter.
subject: src_ip            # whose days are compared: src_ip (who began the session) or dest_ip
field: bytes_in            # bytes_in (responder to initiator), bytes_out, bytes (both), flows,
                           # peers (distinct other ends) or ports (distinct ports of responders)
category: web_server       # a category of nilometer.yaml's inventory ...
category_side: dest        # ... and which end of the flow must have it: src or dest
# dest_port: [80, 443]     # only flows to these ports of the responder
# app: [http, ssl]         # only flows in which the sensor saw one of these protocols
# transport: [tcp]         # tcp, udp, icmp, sctp or unknown

# What a day is compared with. It alerts when it passes every gate asked for.
reference: fleet_and_own   # fleet_and_own, fleet, own, group_and_own or group (groups in nilometer.yaml, else subnets)
fleet_includes_day: true   # whether the day judged is part of the fleet's (or group's) own statistics
deviation_threshold: 3     # standard deviations above the mean
# fleet_deviation_threshold: 3   # the same for one gate alone
# own_deviation_threshold: 4
minimum_data_samples: 4    # days of the subject, the one judged included
# lookback_days: 30        # days of history; without it, the site's
fill: none                 # zero: a day without traffic counts as 0 in the subject's own past
floor: 0                   # below this value (bytes, flows, ...) nothing alerts
null_client: drop          # flows without a subject: drop, or literal (one named "null")
stdev_of_one: zero         # the deviation of a single value: zero, or null (unknown)

known_false_positives:
  - A large update or a download that was asked for.
references:
  - https://attack.mitre.org/techniques/T1105/
runbook:
  - Ask who used the host on that day.
drilldown: "flows of the day with src_ip = the client and dest_category = web_server"

# Days of each subject, the last one judged, and who must alert. null is an unknown value, "-" a day without traffic.
tests:
  - name: a spike over a quiet past alerts
    rows: {{10.0.0.1: [100, 110, 90, 105, 95, 1000], 10.0.0.2: [100, 100, 110, 90, 100, 100]}}
    expect: [10.0.0.1]
  - name: a small rise does not
    rows: {{10.0.0.1: [100, 110, 90, 105, 95, 150], 10.0.0.2: [100, 100, 110, 90, 100, 100]}}
    expect: []
"""


def template_text(name: str) -> str:
    """The text of a new rule named after its file: lower case without accents, digits and underscores."""
    plain = "".join(c for c in normalize("NFKD", name) if not combining(c)).lower()
    return TEMPLATE.format(id=re.sub(r"[^a-z0-9]+", "_", plain).strip("_") or "rule")
