"""Alerts for other programs: one function a format, from the ALERTS table to text. Escaping lives here, once.

What alerts are is decided before; what a person reads on a terminal is printed by the command line.
"""

from pipeline.exports.jsonl import json_lines
from pipeline.exports.tabular import csv_text, seed_csv

__all__ = ["csv_text", "json_lines", "seed_csv"]
