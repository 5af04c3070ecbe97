"""Argus: what `ra -c ,` prints of its records, and the .binetflow files of data sets made with it.

Source: ra(1); the output of argus 3.0.8 of known packet captures. Bytes count whole frames. Status records tell what
came since the last one.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import polars as pl

from pipeline.sources import zeek_columns as conn
from pipeline.sources.declared import Contract, Decoded, Form
from pipeline.sources.delimited import Aliases, DelimitedDecoder, Layout
from pipeline.sources.glances.sight import Cut
from pipeline.sources.orienting import told_by_ports

_COLUMNS: Aliases = {
    "ts": ("starttime", "stime"),
    "end": ("lasttime", "ltime"),
    "duration": ("dur", "duration", "runtime"),
    "src": ("srcaddr", "saddr"),
    "src_port": ("sport",),
    "dest": ("dstaddr", "daddr"),
    "dest_port": ("dport",),
    "proto": ("proto",),
    "direction": ("dir",),
    "all_bytes": ("totbytes", "bytes"),
    "src_bytes": ("srcbytes", "sbytes"),
    "dest_bytes": ("dstbytes", "dbytes"),
    "all_packets": ("totpkts", "pkts"),
    "orig_pkts": ("srcpkts", "spkts"),
    "resp_pkts": ("dstpkts", "dpkts"),
    "system": ("srcid", "sid"),
}
_LAYOUT = Layout(
    aliases=_COLUMNS,
    header=re.compile(r'(?i)(?:^|[,;\t|])\s*"?(?:srcaddr|saddr)"?\s*(?:[,;\t|]|$)'),
)
_MAC = r"^[0-9a-fA-F]{1,2}(?::[0-9a-fA-F]{1,2}){5}$"
_BELOW_IP = ("arp", "rarp", "lldp", "man", "llc", "stp", "ether", "eth", "loop", "isis", "mpls", "cdp", "dtp", "802.3")
_PORTS = {
    "ftp-data": 20, "ftp": 21, "ssh": 22, "telnet": 23, "smtp": 25, "domain": 53, "http": 80, "www": 80, "www-http": 80,
    "kerberos": 88, "pop3": 110, "ntp": 123, "netbios-ns": 137, "netbios-dgm": 138, "netbios-ssn": 139, "imap": 143,
    "imap2": 143, "ldap": 389, "https": 443, "microsoft-ds": 445, "smtps": 465, "urd": 465, "submissions": 465,
    "ssmtp": 465, "submission": 587, "ldaps": 636, "ftps": 990, "imaps": 993, "pop3s": 995,
}  # fmt: skip
"""Ports that ra writes by name unless it is told -n; a name beyond these is a port that nobody needs to know here."""


def _not_ip() -> pl.Expr:
    """Records of frames that carry no IP, and of argus itself: MAC addresses, ARP, management."""
    mac = pl.any_horizontal(pl.col(c).str.contains(_MAC) for c in ("src", "dest"))
    return mac.fill_null(False) | pl.col("proto").str.to_lowercase().is_in(_BELOW_IP).fill_null(False)


def _no_data() -> pl.Expr:
    return pl.all_horizontal(pl.col(c).is_null() for c in ("resp_ip_bytes", "orig_ip_bytes", "total"))


def _time(column: str) -> pl.Expr:
    """2026/11/20 00:00:00.083, with - / or . between and T, +, . or a blank before the time, as ISO 8601."""
    return pl.col(column).str.replace(r"^(\d{4})[-/.](\d\d)[-/.](\d\d)[T+. ]\s*(\d\d:)", "${1}-${2}-${3}T${4}")


def _port(column: str, values: pl.Series) -> pl.Expr:
    """A port as a number: 0x0403 is hexadecimal; names are those of services; ICMP has types in their place."""
    text = pl.col(column)
    none = pl.col("proto").is_in(["icmp", "ipv6-icmp", "icmp6", "1", "58"])
    if not values.str.contains(r"[^0-9]").any():
        return pl.when(~none).then(text)
    whole = text.str.extract(r"^0x([0-9a-fA-F]{1,4})$").str.to_integer(base=16, strict=False)
    name = text.str.to_lowercase().str.extract(r"^([a-z][a-z0-9+_.*-]*)$")
    named = name.replace_strict(_PORTS, default=None, return_dtype=pl.Int64)
    plain = pl.when(name.is_null()).then(pl.coalesce(whole.cast(pl.String), text)).otherwise(named.cast(pl.String))
    return pl.when(~none).then(plain)


def _rest(whole: str, part: str) -> pl.Expr:
    """What one direction has of the sum of both, as text; below zero when the numbers do not fit each other."""
    return (conn.count(whole) - conn.count(part)).cast(pl.String)


class ArgusDecoder:
    """Lines of ra as fields."""

    def __init__(self, header: str = "") -> None:
        self._cells = DelimitedDecoder(_LAYOUT, header=header)

    def state(self) -> dict[str, Any]:
        """The columns in force, and an open record."""
        return self._cells.state()

    def resume(self, state: dict[str, Any]) -> None:
        """Take them up."""
        self._cells.resume(state)

    def unfinished(self) -> list[tuple[int, str]]:
        """The lines of a record that did not come to its end."""
        return self._cells.unfinished()

    @property
    def expects_header(self) -> bool:
        """See LucidDecoder."""
        return self._cells.expects_header

    def cut(self) -> Cut | None:
        """See LucidDecoder; where both directions are counted, nothing follows from their sum."""
        found, columns = self._cells.cut(), set(self._cells.columns or ())
        parts = {"all_bytes": ("src_bytes", "dest_bytes"), "all_packets": ("orig_pkts", "resp_pkts")}
        spare = {whole for whole, halves in parts.items() if all(columns.intersection(_COLUMNS[h]) for h in halves)}
        return None if found is None else replace(found, free=frozenset(spare))

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        found = self._cells.decode(lines, reason)
        arrow = pl.col("direction").str.strip_chars()
        unseen = arrow.str.contains("?", literal=True)
        # Of what nothing answers, and of what has no beginning, the arrow starts at who sent the first packet.
        fields = found.fields.with_columns(
            proto=pl.col("proto").str.to_lowercase(),
            orig_ip_bytes=pl.coalesce("src_bytes", _rest("all_bytes", "dest_bytes")),
            resp_ip_bytes=pl.coalesce("dest_bytes", _rest("all_bytes", "src_bytes")),
        )
        sides = (pl.col(c).cast(pl.Float64, strict=False) for c in ("orig_ip_bytes", "resp_ip_bytes"))
        silent = pl.any_horizontal(side == 0 for side in sides)
        answered = pl.col("proto").is_in(["tcp", "6"]) & ~silent.fill_null(value=False)
        fields = fields.with_columns(
            ts=_time("ts"),
            end=_time("end"),
            orig_pkts=pl.coalesce("orig_pkts", _rest("all_packets", "resp_pkts")),
            resp_pkts=pl.coalesce("resp_pkts", _rest("all_packets", "orig_pkts")),
            total="all_bytes",
            # The question mark is argus's word for a session whose beginning it did not see.
            initiator=pl.when(unseen)
            .then(pl.lit("ports"))
            .when(arrow.str.contains(r"^<[^>]*$"))
            .then(pl.lit("dest"))
            .otherwise(told_by_ports(seen=answered)),
        )
        fields = fields.with_columns(_port(c, fields[c]).alias(c) for c in ("src_port", "dest_port"))
        return Decoded(fields, found.broken, comments=found.comments)


def _unsplit() -> pl.Expr:
    split = pl.any_horizontal(pl.col(c).is_not_null() for c in ("orig_ip_bytes", "resp_ip_bytes"))
    return ~_not_ip() & pl.col("total").is_not_null() & ~split


def refuse(head: bytes) -> str | None:
    """Why a file that begins so cannot be read: of columns that only blanks part, an empty one cannot be told."""
    first = head.strip(b" \r\n").split(b"\n", 1)[0]
    parted = any(delimiter in first for delimiter in (b",", b";", b"|", b"\t"))
    return None if parted else "is a table parted by blanks. Print it with `ra -c ,`."


ARGUS = Form(
    name="argus",
    vendor_product="Argus",
    layer="l2",
    contract=Contract(
        "DstBytes", "SrcBytes", "frames (l2)", "StartTime", "TotBytes - SrcBytes where DstBytes is absent; deltas"
    ),
    marks=re.compile(
        rb"(?i)\A\s*+(?![^\n]*\b(?:log[-_]?status|interface[-_]?id)\b)(?=[^\n]*\b(?:starttime|stime|lasttime|ltime)\b)(?=[^\n]*\b(?:srcaddr|saddr)\b)"
        rb"(?=[^\n]*\b(?:totbytes|srcbytes|dstbytes|[sd]?bytes)\b)(?=[^\n]*\b(?:dstaddr|daddr)\b)"
    ),
    strong=True,
    decoder=lambda options: ArgusDecoder(options.header),
    flows=lambda: ~_not_ip() & ~_no_data(),
    ignored={"not_ip": _not_ip, "no_data": lambda: ~_not_ip() & _no_data(), "direction_unknown": _unsplit},
    accounting=lambda: pl.lit("delta"),
    local_time=True,
    idle=frozenset(("end", "system")),
    refuse=refuse,
    note="Frames with their Ethernet header count. An export with TotBytes alone has no direction: the warning "
    "`direction_unknown` counts such records; export with SrcBytes or DstBytes. Times without a date are no times "
    "(`ra -u` or RA_TIME_FORMAT gives whole ones). Records of ARP and other frames without IP are ignored (`not_ip`).",
)
