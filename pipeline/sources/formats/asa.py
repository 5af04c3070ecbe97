"""Cisco ASA and FTD connection messages: teardowns, whose ends are told apart by the message that built the connection.

Sources: Cisco's ASA syslog messages 302013 to 302018, 302035, 302036 and 302303 to 302306, and its note on reading
them: a teardown has one total for both directions, and only the Built message says who began. FTD's own connection
events are taken apart in `ftd`; NetFlow (NSEL) is not read here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from pipeline.sources.base import rejected
from pipeline.sources.declared import Contract, Decoded, Form
from pipeline.sources.formats import ftd
from pipeline.sources.orienting import has_counters
from pipeline.sources.texts import syslog

MAX_OPEN = 50_000
"""Connections that are remembered from block to block until their teardown; the oldest are forgotten first."""
MAX_SAVED = 2_000
"""Connections that are remembered from one reading of a growing file to the next: the ledger keeps them."""

_BUILT = ("302013", "302015", "302017", "302035", "302303", "302305")
_TEARDOWN = ("302014", "302016", "302018", "302036", "302304", "302306")
_WITHOUT_BYTES = ("302021",)
_EVENT, _EVENT_BEGINS = "430003", "430002"
_TAG = r"(?:^|[^A-Za-z0-9])(?:ASA|FTD|FWSM|PIX|NGIPS)-(?:[A-Za-z_]+-)?-?\d-(\d{6}): "
_GLUED = r"%(?:ASA|FTD)-\d-\d{6}: .*?[^ ].*?%(?:ASA|FTD)-(?:[A-Za-z_]+-)?-?\d-\d{6}: "
"""A message that is cut off by the next; a number that is written twice before one is none."""
_BEHIND_HEAD = r"(?s)(?:%?(?:ASA|FTD|FWSM|PIX|NGIPS)-|SFIMS: ).*$"
_ADDRESS = r"\d+\.\d+\.\d+\.\d+|[0-9A-Fa-f]*:[0-9A-Fa-f]*:[0-9A-Fa-f:.]*|[^/():\s]+"
_END = r"[^()]+?: ?(?P<{0}>" + _ADDRESS + r")(?:/(?P<{0}_port>[^()/\s]+))?"
"""An interface, whose name may hold colons and slashes, and an address, or what stands for one."""
_MAPPED = r" ?\((?P<{0}_nat>[^/()\s]+)(?:/[^()]*)?\)"
_USER = r"(?: ?\((?:[^()]|\([^()]*\))*\))*"
"""Names of users and groups, which may hold parentheses themselves."""
_ENDS = _END.format("src") + "{0}" + _USER + " to " + _END.format("dest") + "{1}" + _USER
_OPENED = (
    r"\d-\d{6}: Built (?:(?P<way>inbound|outbound) )?(?:Probe )?\S+(?: state-bypass)? connection "
    r"(?P<uid>\d+) (?:for|from) " + _ENDS.replace("{0}", _MAPPED.format("src")).replace("{1}", _MAPPED.format("dest"))
)
_CLOSED = (
    r"\d-\d{6}: Teardown (?:Probe )?(?P<proto>\S+?)(?: state-bypass)? connection (?P<uid>\d+) (?:for|from) "
    + _ENDS.replace("{0}", "").replace("{1}", "")
    + r" duration +(?P<h>\d+):(?P<m>\d\d):(?P<s>\d\d),? bytes (?P<total>\d+)(?:[ ,]|$)"
)
_PLAIN_HEAD = r"^(?:[^%BT]|B[^uBT%]|T[^eBT%])*%(?:ASA|FTD)-[0-9]-[0-9]{6}: "
"""All before a message, where no other one can begin."""
_PLAIN_END = r"[^():/ ]+:(?P<{0}>[0-9]+\.[0-9]+\.[0-9]+\.[0-9]+)/(?P<{0}_port>[0-9]+)"
_PLAIN_NAT = r" \((?P<{0}_nat>[0-9.]+)/[0-9]+\)"
_PLAIN_ENDS = _PLAIN_END.format("src") + "{0} to " + _PLAIN_END.format("dest") + "{1}"
_PLAIN_OPENED = (
    _PLAIN_HEAD
    + r"Built (?P<way>inbound|outbound) (?:TCP|UDP) connection (?P<uid>[0-9]+) for "
    + _PLAIN_ENDS.replace("{0}", _PLAIN_NAT.format("src")).replace("{1}", _PLAIN_NAT.format("dest"))
    + "[^%]*$"
)
_PLAIN_CLOSED = (
    _PLAIN_HEAD
    + r"Teardown (?P<proto>TCP|UDP) connection (?P<uid>[0-9]+) for "
    + _PLAIN_ENDS.replace("{0}", "").replace("{1}", "")
    + r" duration (?P<h>[0-9]+):(?P<m>[0-9][0-9]):(?P<s>[0-9][0-9]) bytes (?P<total>[0-9]+)(?: [^%]*)?$"
)
"""What most messages are: in these there is one way to take them apart, so that it costs a quarter."""
_KNOWN = pl.Schema({"key": pl.String, "initiator": pl.String, "src_nat": pl.String, "dest_nat": pl.String})


@dataclass
class AsaDecoder:
    """Teardowns as records; the connections that were built and are still open are remembered."""

    zone: str
    written_us: int | None
    built: pl.DataFrame = field(default_factory=lambda: pl.DataFrame(schema=_KNOWN))

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        kind = pl.col("raw").str.extract(_TAG)
        relayed = lines["raw"].str.contains(ftd.RELAYED, literal=True).any()
        lines = lines.with_columns(kind=pl.coalesce(kind, ftd.relayed()) if relayed else kind)
        opened = _read(lines.filter(pl.col("kind").is_in(_BUILT)), _PLAIN_OPENED, _OPENED)
        closed = _read(lines.filter(pl.col("kind").is_in(_TEARDOWN)), _PLAIN_CLOSED, _CLOSED)
        events = lines.filter(pl.col("kind") == _EVENT)
        forged = events.filter(ftd.told_twice())
        events = events.filter(~ftd.told_twice())
        strange = lines.filter(pl.col("kind").is_null() & ~syslog.is_message())
        others = lines.filter(~pl.col("kind").is_in([*_BUILT, *_TEARDOWN, _EVENT]))
        glued = others.filter(pl.col("raw").str.contains(_GLUED)).select("source_line", "raw")
        torn = [f.filter(pl.col("uid").is_null()).select("source_line", "raw") for f in (opened, closed)]
        faults = {
            "no connection message": strange,
            "cut short": pl.concat([*torn, glued]),
            "an end or a byte counter that is given twice": forged,
        }
        bad = pl.concat(f.select("source_line", "raw", detail=pl.lit(why)) for why, f in faults.items())
        broken = rejected(bad, reason, "detail")
        taken = pl.concat(f.select("source_line") for f in (bad, closed, events))
        others = lines.join(taken, on="source_line", how="anti")
        records = self._records(opened.filter(pl.col("uid").is_not_null()), closed.filter(pl.col("uid").is_not_null()))
        told = ftd.connections(events, self._times(events))
        fields = pl.concat([records, told, others.select("source_line", "raw", "kind")], how="diagonal")
        assumed = int(fields["assumed"].sum())
        return Decoded(fields.drop("assumed"), broken, warnings={"year_assumed": assumed})

    def _records(self, opened: pl.DataFrame, closed: pl.DataFrame) -> pl.DataFrame:
        """Teardowns with the end that began and the translated ends, where the connection was seen to be built."""
        known = pl.concat([self.built, _known(opened)]).unique("key", keep="last", maintain_order=True)
        self.built = known.join(closed, on="key", how="anti", maintain_order="left").tail(MAX_OPEN)
        records = closed.join(known, on="key", how="left", maintain_order="left")
        records = pl.concat([records, self._times(records)], how="horizontal")
        h, m, s = (pl.col(c).cast(pl.Int64, strict=False) for c in ("h", "m", "s"))
        lasted = h * 3_600 + m * 60 + s
        return records.with_columns(
            syslog.as_text(pl.col("time") - lasted * 1_000_000).alias("ts"),
            syslog.as_text(pl.col("time")).alias("write_ts"),
            lasted.cast(pl.String).alias("duration"),
            pl.lit("teardown").alias("reporter"),  # An FTD tells a connection's event beside it, which knows more.
        ).drop("h", "m", "s", "key", "time")

    def _times(self, lines: pl.DataFrame) -> pl.DataFrame:
        """What `syslog.times` says of the lines' headers."""
        return syslog.times(lines["raw"].str.replace(_BEHIND_HEAD, ""), self.zone, self.written_us)

    def state(self) -> dict[str, Any]:
        """The newest connections that are open."""
        return {"built": [list(row) for row in self.built.tail(MAX_SAVED).iter_rows()]}

    def resume(self, state: dict[str, Any]) -> None:
        """Take up the connections that were open."""
        self.built = pl.DataFrame(state["built"], schema=_KNOWN, orient="row")

    def unfinished(self) -> list[tuple[int, str]]:
        """No record spans lines."""
        return []


def _read(lines: pl.DataFrame, plain: str, pattern: str) -> pl.DataFrame:
    """Messages taken apart, with the host that sent them and what identifies a connection: host, number and ends.

    Args:
        lines: with their text, raw.
        plain: a pattern of most of them, which finds in these what the other one does.
        pattern: of all of them.
    """
    told = lines["raw"].str.extract_groups(plain).struct.unnest()
    if (left := told["uid"].is_null()).any():
        texts = lines["raw"].filter(left)
        whole = texts.zip_with(~texts.str.contains(_GLUED), pl.Series([""]))
        others = whole.str.extract_groups(pattern).struct.unnest()
        told = told.with_columns(told[c].scatter(left.arg_true(), others[c]) for c in others.columns)
    found = pl.concat([lines, told], how="horizontal").with_columns(syslog.host(pl.col("raw")).alias("system"))
    parts = [pl.col(c).fill_null("") for c in ("system", "uid", "src", "src_port", "dest", "dest_port")]
    return found.with_columns(pl.concat_str(parts, separator=" ").alias("key"))


def _known(opened: pl.DataFrame) -> pl.DataFrame:
    """What a Built message adds to the teardown: inbound connections are begun by the first end.

    So are those of which it does not say the way (state bypass): they are named from the initiator to the responder.
    """
    moved = [pl.when(pl.col(f"{c}_nat") != pl.col(c)).then(f"{c}_nat").alias(f"{c}_nat") for c in ("src", "dest")]
    began = pl.when(pl.col("way") == "outbound").then(pl.lit("dest")).otherwise(pl.lit("src"))
    return opened.select("key", began.alias("initiator"), *moved)


def _event() -> pl.Expr:
    return (pl.col("kind") == _EVENT) & ~pl.col("blocked")


ASA = Form(
    name="asa",
    vendor_product="Cisco ASA",
    layer="unknown",
    contract=Contract(
        "ResponderBytes",
        "InitiatorBytes",
        "as the device counts",
        "syslog time - duration",
        "FTD's connection events (430003); teardowns have only a total of both directions",
    ),
    marks=re.compile(
        rb"(?:^|[^A-Za-z0-9])(?:ASA|FTD|FWSM|PIX|NGIPS)-(?:[A-Za-z_]+-)?-?\d-\d{6}: "
        rb"|\bSFIMS: [^\n]{0,4000}?\bConnectType: "
    ),
    strong=True,
    ends_lines=True,
    decoder=lambda options: AsaDecoder(options.timezone, options.written_us),
    flows=lambda: pl.col("total").is_not_null() | (_event() & has_counters()),
    ignored={
        "begin": lambda: pl.col("kind") == _EVENT_BEGINS,
        "blocked": lambda: (pl.col("kind") == _EVENT) & pl.col("blocked"),
        "built": lambda: pl.col("kind").is_in(_BUILT),
        "direction_unknown": lambda: pl.col("total").is_not_null(),
        "no_counters": lambda: pl.col("kind").is_in(_WITHOUT_BYTES) | (_event() & ~has_counters()),
    },
    local_time=True,
)
