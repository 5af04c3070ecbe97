"""The direction contract of every format as one table for the documentation: which field goes which way.

Each contract is declared beside its reader; here it is only rendered.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator

from pipeline.sources.declared import Contract
from pipeline.sources.forms import FORMS

ZEEK = Contract(
    "resp_ip_bytes", "orig_ip_bytes", "IP", "ts", "one a flow; `conn_long` and `open_conn` are interim, cumulative"
)
_HEAD = ("format", "encoding", "bytes in (responder to initiator)", "bytes out", "what they count", "flow start")


def contracts() -> Iterator[tuple[str, str, Contract]]:
    """(format as nilometer.yaml names it, encoding, contract), Zeek first."""
    yield "zeek", "zeek_tsv, zeek_json", ZEEK
    for name, form in FORMS.items():
        yield form.format, name, form.contract


def table() -> str:
    """The contracts as a Markdown table, fields in code marks."""
    rows = [(*_HEAD, "records"), ("---",) * (len(_HEAD) + 1)]
    for name, encoding, c in contracts():
        fields = (f"`{name}`", encoding, f"`{c.bytes_in}`", f"`{c.bytes_out}`", c.counts, f"`{c.start}`", c.records)
        rows.append(fields)
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


if __name__ == "__main__":
    sys.stdout.write(table())
