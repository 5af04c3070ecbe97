"""Columns of nfdump's tables in a format of one's own (-o fmt:...), as their header names them.

The titles are those that nfdump prints (src/output of 1.6 and 1.7). The tables that nfdump names itself (line, long and
the like) are known by the shape of their rows, in `nfdump_table`.
"""

from __future__ import annotations

import re
from functools import lru_cache

import polars as pl

NUMBER = r"\d+(?:\.\d+)?(?:\s[KMGT]\b)?"
_WORD = r"[^\s,;|]+"
_TIME = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?"
_RAW = r"\d+(?:\.\d+)?"
_LASTED = r"(?:\d+d\s+)?-?[\d:.]+"
_COLUMNS = {
    **{"Date first seen": ("ts", _TIME), "Date flow start": ("ts", _TIME), "Date last seen": ("end", _TIME)},
    **{"Date first seen (raw)": ("ts", _RAW), "First seen raw": ("ts", _RAW)},
    **{"Date last seen (raw)": ("end", _RAW), "Last seen raw": ("end", _RAW)},
    **{"Duration": ("duration", _LASTED), "Proto": ("proto", _WORD)},
    **{f"{side} IP Addr:Port": (end, _WORD) for side, end in (("Src", "from"), ("Dst", "to"))},
    **{f"{side} IP Addr(..):Port": (end, _WORD) for side, end in (("Src", "from"), ("Dst", "to"))},
    **{f"{side} IP Addr": (end, _WORD) for side, end in (("Src", "src"), ("Dst", "dest"))},
    **{f"{side} IP Addr(..)": (end, _WORD) for side, end in (("Src", "src"), ("Dst", "dest"))},
    **{"Src Pt": ("src_port", _WORD), "Dst Pt": ("dest_port", _WORD)},
    **{"Packets": ("in_packets", NUMBER), "In Pkt": ("in_packets", NUMBER), "Out Pkt": ("out_packets", NUMBER)},
    **{"Bytes": ("in_bytes", NUMBER), "In Byte": ("in_bytes", NUMBER), "Out Byte": ("out_bytes", NUMBER)},
    **{"Flags": ("flags", _WORD), "Dir": ("way", _WORD), "Router IP": ("system", _WORD)},
    **{"Date flow received": ("", _TIME), "Date flow received (raw)": ("", _RAW), "Received raw": ("", _RAW)},
    **dict.fromkeys(("Flows", "bps", "pps", "Bpp"), ("", NUMBER)),
}
"""Titles -> (what a column is of a record, empty where it tells nothing here; what its cells look like)."""
_OTHERS = (
    *("Ver", "Count", "Exp ID", "Src Network", "Dst Network", "Next-hop IP", "BGP next-hop IP", "ICMP-T", "ICMP-C"),
    *("Src AS", "Dst AS", "Next AS", "Prev AS", "Input", "Output", "Tos", "STos", "DTos", "SMask", "DMask", "Fwd"),
    *("Bfd", "End", "SVlan", "DVlan", "In src MAC Addr", "Out dst MAC Addr", "In dst MAC Addr", "Out src MAC Addr"),
    *("engine", "SC", "DC", "nbar ID", "ja3", "obsDomainID", "obsPointID", "I-VRF-ID", "E-VRF-ID", "XsPort", "XdPort"),
    *("X-late Src IP", "X-late Dst IP", "X-Src IP Addr:Port", "X-Dst IP Addr:Port", "Conn-ID", "C Latency"),
    *("S latency", "A latency", "Pb-Start", "Pb-End", "Pb-Step", "Pb-Size"),
    *(f"MPLS lbl {n}" for n in range(1, 11)),
)
"""Titles of columns of one word each that tell nothing here."""
_ALL = _COLUMNS | dict.fromkeys(_OTHERS, ("", _WORD))
_SPELLED = (re.escape(title).replace(r"\ ", " +") for title in sorted(_ALL, key=len, reverse=True))
_TITLE = "|".join(rf"{title}(?![\w:(-])" for title in _SPELLED)
KNOWN = rf"[ \t,;|]*(?:(?:{_TITLE})[ \t,;|]*)+\r?$"
"""A header of titles that nfdump has, and of no others."""
_HEADER = re.compile(rf"^{KNOWN}")
_NAMED = re.compile(
    r"^Date (?:first seen|flow start) +Duration +Proto +Src IP Addr:Port +Dst IP Addr:Port +(?:Flags +Tos +)?"
    r"(?:Packets +Bytes|Out Pkt +In Pkt +Out Byte +In Byte)(?:\s|$)"
)
"""Headers of the tables that nfdump names itself, and of others that begin like them."""
_NO_ROW = r"^(?<ts>\x00)$"
_BETWEEN = r"[\s,;|]+(?:<?->[\s,;|]*)?"
FIELDS = ("ts", "end", "duration", "proto", "flags", "way", "system", "in_packets", "in_bytes", "out_packets",
          "out_bytes", "from", "to", "src", "src_port", "dest", "dest_port")  # fmt: skip
"""What columns of a table may be."""


def layout_of(header: str) -> str:
    """The header of a table in a format of one's own, with single spaces; empty where rows are known by their shape."""
    return "" if _NAMED.match(header) else " ".join(header.split())


@lru_cache(maxsize=16)
def row_of(layout: str) -> str:
    """The pattern of a row under a header, its groups named as the columns; no row is where a title is unknown."""
    if not _HEADER.match(layout):
        return _NO_ROW
    cells: list[str] = []
    seen: set[str] = set()
    for title in re.findall(_TITLE, layout):
        name, cell = _ALL[" ".join(title.split())]
        cells.append(f"(?:{cell})" if not name or name in seen else f"(?<{name}>{cell})")
        seen.add(name)
    return rf"^[\s,;|]*{_BETWEEN.join(cells)}[\s,;|]*$"


def rows_of(lines: pl.DataFrame, layout: str) -> pl.DataFrame:
    """Lines with the columns of FIELDS, which are null in lines that are no row of the layout."""
    found = lines.with_columns(pl.col("raw").str.extract_groups(row_of(layout)).alias("_row")).unnest("_row")
    return found.with_columns(pl.lit(None, pl.String).alias(c) for c in FIELDS if c not in found.columns)
