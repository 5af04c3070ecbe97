"""What files show themselves by that no declared form does: Zeek's own logs, and reports without any record.

The signs of declared forms are their marks. Which sign counts before which is decided in `registry`.
"""

from __future__ import annotations

import re

ZEEK_KEYS = re.compile(rb'"(?:id[._]orig_h|_path|conn_state|orig_ip_bytes|uid)"\s*:')
ZEEK_SURE = re.compile(rb'"(?:id[._]orig_h|_path|conn_state|orig_ip_bytes)"\s*:')
"""Those of its keys that no record of a shipper has beside the line it holds."""
ZEEK_ENDS = re.compile(rb'"(?:(?:id[._])?orig_h|src|_path)"\s*:')
"""What a record of Zeek tells its ends by, or its kind; others that have its names tell their ends by other ones."""
_ADDRESS = rb"(?:\d{1,3}(?:\.\d{1,3}){3}|[0-9a-fA-F:]+:[0-9a-fA-F:]+)"
ZEEK_CUT = re.compile(rb"^\d{9,10}\.\d{1,9}\t[^\n]*?" + _ADDRESS + rb"\t", re.MULTILINE)
ZEEK_REPORT = re.compile(rb">== Total === ")
"""What ZeekControl writes beside each conn.log, as conn-summary.log: a report for people, of what the log holds."""
NFDUMP_NOTHING = re.compile(rb"\[\s*No matching flows?\s*\]\s*\Z")
"""What nfdump before 1.7.3 writes as JSON of no flows, which is no JSON."""
ZEEK_HEADER = re.compile(rb"^#(?:separator|fields|path|set_separator)\b", re.MULTILINE)
