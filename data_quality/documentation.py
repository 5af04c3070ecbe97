"""The part of docs/data-quality.md that is made from the suites: every check, its expectations, limits and remedies.

Run: python -m data_quality.documentation. A test compares what it prints with the document.
"""

from __future__ import annotations

import sys

from data_quality.checks import limit_text
from data_quality.results import BEFORE
from data_quality.specs import CheckSpec, check_specs, surge_specs


def sections() -> str:
    """A section a check, in the order of the tables."""
    return "\n".join([*(_section(s) for s in (*check_specs(), *surge_specs())), _before()])


def _section(spec: CheckSpec) -> str:
    kind = "blocking" if spec.blocking else "not blocking"
    lines = [
        f"### {spec.name}",
        "",
        f"On `{spec.table}`; {spec.severity}, {kind}. {spec.description}",
        "",
        "| expectation | what it asks for | limit | severity | what to do |",
        "|---|---|---|---|---|",
    ]
    for e in spec.expectations:
        meta, column = e["meta"], e["kwargs"]["column"]
        table = f" ({meta['table']})" if "table" in meta else ""
        severity = meta.get("severity", spec.severity)
        severity += ", blocking" if meta.get("blocking", spec.blocking) else ""
        severity += ", makes the day partial" if meta.get("partial") else ""
        unknown = "; may be unknown" if meta.get("may_be_unknown") else ""
        limit = limit_text(e["kwargs"]) + unknown
        lines.append(f"| `{column}`{table} | {meta['meaning']} | {limit} | {severity} | {meta['remedy']} |")
    return "\n".join([*lines, ""])


def _before() -> str:
    lines = [
        "### In the place of expectations that cannot be judged",
        "",
        "| expectation | what it asks for | limit | what to do |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{name}` | {meaning} | {limit} | {todo} |" for name, (meaning, limit, todo) in BEFORE.items()]
    return "\n".join([*lines, ""])


if __name__ == "__main__":
    sys.stdout.write(sections())
