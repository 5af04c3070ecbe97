"""Alerts for other programs: one function a format, from the ALERTS table to text. Escaping lives here, once.

What alerts are is decided before; what a person reads on a terminal is printed by the command line.
"""

from pipeline.exports.jsonl import json_lines
from pipeline.exports.page import html_page, in_full
from pipeline.exports.siem import ecs_lines, ocsf_lines, splunk_lines
from pipeline.exports.tabular import alerts_csv, csv_text, seed_csv

__all__ = ["SIEM", "alerts_csv", "csv_text", "html_page", "in_full", "json_lines", "seed_csv"]

SIEM = {"ocsf": ocsf_lines, "ecs": ecs_lines, "splunk": splunk_lines}
"""By the name of the format: (alerts, the site's zone, its rules by id) -> JSON lines."""
