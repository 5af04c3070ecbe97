"""nfdump's CSV, with its Summary block, and its JSON, as fields.

What the columns mean is in `nfdump_fields`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import polars as pl

from pipeline.sources.declared import Decoded
from pipeline.sources.delimited import DelimitedDecoder, Layout
from pipeline.sources.formats.nfdump_fields import Tally, impossible, merged, settle
from pipeline.sources.glances.sight import Cut
from pipeline.sources.json_lines import Fields
from pipeline.sources.records import JsonDecoder
from pipeline.sources.reverse import Evident, Reverse

_LAYOUT = Layout(
    aliases={
        "ts": ("ts", "firstseen", "tsr"),
        "end": ("te", "lastseen", "ter"),
        "duration": ("td", "duration"),
        "src": ("sa", "srcaddr"),
        "src_port": ("sp", "srcport"),
        "dest": ("da", "dstaddr"),
        "dest_port": ("dp", "dstport"),
        "proto": ("pr", "proto"),
        "flags": ("flg", "flags"),
        "forwarding": ("fwd", "fwdstatus"),
        "event": ("evt", "event"),
        "event_time": ("tevt", "msec", "eventtime"),
        "in_packets": ("ipkt", "inpackets", "packets"),
        "in_bytes": ("ibyt", "inbytes", "bytes"),
        "out_packets": ("opkt", "outpackets"),
        "out_bytes": ("obyt", "outbytes"),
        "system": ("ra", "routerip"),
        "way": ("dir", "flowdir", "direction"),
        "src_nat": ("srcxip",),
        "dest_nat": ("dstxip",),
    },
    header=re.compile(r"(?:^|[,;\t|])\s*(?:sa|srcAddr)\s*[,;\t|]"),
)
_OLD = (
    "ts", "te", "td", "sa", "da", "sp", "dp", "pr", "flg", "fwd", "stos", "ipkt", "ibyt", "opkt", "obyt", "in", "out",
    "sas", "das", "smk", "dmk", "dtos", "dir", "nh", "nhb", "svln", "dvln", "ismc", "odmc", "idmc", "osmc",
    *(f"mpls{i}" for i in range(1, 11)), "cl", "sl", "al", "ra", "eng", "exid", "tr",
)  # fmt: skip
"""The columns up to 1.7.4, in their order; older versions end earlier."""
_NEW = (
    "firstseen", "duration", "proto", "srcaddr", "srcport", "dstaddr", "dstport", "packets", "bytes", "flows",
)  # fmt: skip
"""The default columns since 1.7.5."""
_DATE = r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d(?:\.\d+)?"
_SHAPE = rf"^{_DATE},(?:{_DATE}(?:,[^,]*){{13,46}}|[ \d:.]+(?:,[^,]*){{8}})$"
"""A line of either kind of columns."""
_JSON_FIELDS: Fields = {
    "kind": ("type",),
    "sampled": ("sampled",),
    "ts": ("first", "t_first"),
    "end": ("last", "t_last"),
    "src": ("src4_addr", "src6_addr"),
    "src_port": ("src_port",),
    "dest": ("dst4_addr", "dst6_addr"),
    "dest_port": ("dst_port",),
    "proto": ("proto",),
    "flags": ("tcp_flags",),
    "forwarding": ("fwd_status",),
    "event": ("event",),
    "event_time": ("t_event",),
    "in_packets": ("in_packets",),
    "in_bytes": ("in_bytes",),
    "out_packets": ("out_packets",),
    "out_bytes": ("out_bytes",),
    "system": ("ip4_router", "ip6_router"),
    "way": ("direction",),
    "src_nat": ("src4_xlt_ip", "src6_xlt_ip"),
    "dest_nat": ("dst4_xlt_ip", "dst6_xlt_ip"),
    "received_port": ("dst_xlt_port",),
}
_TIMES = frozenset(("end",))
_JUDGED = ("in_packets", "in_bytes")
_SOUND = ~impossible("in_packets", "in_bytes")


class CsvDecoder(Evident):
    """CSV of nfdump, of 1.6 to 1.7.4 and of later versions, with or without a header (-q)."""

    def __init__(self, header: str = "") -> None:
        self._cells, self._tally, self._reverse = DelimitedDecoder(_LAYOUT, header=header), Tally(), Reverse()
        self._named = False
        """Whether the last line was the header of a Summary."""
        self._skipped: pl.DataFrame | None = None
        """Records that were told at a glance and are not summed up yet."""

    def cut(self) -> Cut | None:
        """See LucidDecoder."""
        cut = None if self.expects_evidence else self._cells.cut()
        return None if cut is None else replace(cut, times=_TIMES, counts=(*_JUDGED, "out_bytes"), sound=_SOUND)

    def deciding(self) -> Any:
        """See CountingDecoder: all but the sums."""
        return self.state() | {"tally": None}

    def skip(self, counts: pl.DataFrame) -> None:
        """See CountingDecoder."""
        self._skipped = counts

    def state(self) -> dict[str, Any]:
        """The columns in force, sums since the last Summary, and the evidence of both directions."""
        own = {"tally": self._tally.state(), "reverse": self._reverse.state(), "named": self._named}
        return {**own, "cells": self._cells.state()}

    def resume(self, state: dict[str, Any]) -> None:
        """Take all of that up."""
        self._cells.resume(state["cells"])
        self._tally.resume(state["tally"])
        self._reverse, self._named = Reverse(**state["reverse"]), bool(state["named"])

    def unfinished(self) -> list[tuple[int, str]]:
        """See Decoder; of what was saved with quotes again, a record may span lines."""
        return self._cells.unfinished()

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        rows, marks = self._apart(lines)
        found = self._cut(rows, reason)
        wrong = self._tally.mismatches(found.fields, marks, skipped=self._skipped)
        self._skipped = None
        fields, odd = settle(found.fields, self._reverse)
        warnings = merged(odd, {"summary_mismatch": wrong})
        comments = found.comments + lines.height - rows.height
        return Decoded(fields, found.broken, comments=comments, warnings=warnings)

    def _cut(self, rows: pl.DataFrame, reason: str) -> Decoded:
        """Rows as cells; where no header came first, from the first line whose shape is known."""
        shaped = rows["raw"].str.contains(_SHAPE) if self._cells.columns is None else None
        at = shaped.arg_max() if shaped is not None and shaped.any() else None
        if at is None:
            return self._cells.decode(rows, reason)
        before = self._cells.decode(rows[:at], reason)
        if self._cells.columns is None:
            cells = rows["raw"][at].count(",") + 1
            self._cells.columns = list(_NEW if cells == len(_NEW) else _OLD[:cells])
        after = self._cells.decode(rows[at:], reason)
        fields, broken = (pl.concat([getattr(d, n) for d in (before, after)]) for n in ("fields", "broken"))
        return Decoded(fields, broken, comments=before.comments + after.comments)

    def _apart(self, lines: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """(rows, Summaries): a Summary is its name, a header, and six numbers."""
        text = lines["raw"]
        names = text.str.starts_with("flows,bytes,packets")
        after = names.shift(1, fill_value=self._named)
        self._named = bool(names[-1])
        values = after & text.str.contains(r"^\d+,\d+,\d+(?:,\d*)*$") if after.any() else after
        trailer = names | values | (text == "Summary") | text.str.starts_with("No matching flow")
        totals = pl.col("raw").str.split(",").list.get(1).cast(pl.Float64, strict=False)
        marks = lines.filter(values).select("source_line", total=totals)
        return lines.filter(~trailer), marks


class JsonLines(Evident):
    """JSON of nfdump: an array of objects, or one a line."""

    def __init__(self) -> None:
        self._objects, self._reverse = JsonDecoder(_JSON_FIELDS), Reverse()

    def cut(self) -> Cut | None:
        """See LucidDecoder."""
        if self.expects_evidence:
            return None
        return replace(self._objects.cut(), times=_TIMES, counts=_JUDGED, sound=_SOUND)

    def state(self) -> dict[str, Any]:
        """The evidence of both directions."""
        return self._reverse.state()

    def resume(self, state: dict[str, Any]) -> None:
        """Take it up."""
        self._reverse = Reverse(**state)

    def unfinished(self) -> list[tuple[int, str]]:
        """No record spans lines."""
        return []

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self._objects.decode(lines, reason)
        fields, odd = settle(found.fields, self._reverse)
        return Decoded(fields, found.broken, warnings=odd)
