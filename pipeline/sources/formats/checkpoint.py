"""Check Point firewall logs as its Log Exporter writes them: quoted pairs, pairs between bars, CEF, LEEF and JSON.

Sources: Check Point's description of its log fields (sk144192), where inbound and outbound are the gateway's, and its
guide on tracking: accounting updates a connection's log while it lasts, under the same loguid. Plain lines are read by
one pattern a field, which may only be trusted where no value holds what looks like a field; all others pair by pair.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import polars as pl

from pipeline.sources.base import LINES, REJECTS, cut, rejects_frame
from pipeline.sources.declared import Contract, Decoded, Form, Stateless
from pipeline.sources.glances.pair_parts import PairParts
from pipeline.sources.glances.sight import Cut
from pipeline.sources.records import json_decoder

_NAMES: dict[str, tuple[str, ...]] = {
    "start_time": ("start_time",),
    "time": ("time",),
    "updated": ("lastupdatetime",),
    "uid": ("loguid",),
    "src": ("src",),
    "src_port": ("s_port", "sport_svc"),
    "dest": ("dst",),
    "port": ("service", "svc"),
    "proto": ("proto",),
    "named": ("service_id",),
    "resp_ip_bytes": ("client_outbound_bytes", "server_inbound_bytes", "received_bytes"),
    "orig_ip_bytes": ("client_inbound_bytes", "server_outbound_bytes", "sent_bytes"),
    "resp_pkts": ("client_outbound_packets", "server_inbound_packets"),
    "orig_pkts": ("client_inbound_packets", "server_outbound_packets"),
    "total": ("bytes",),
    "action": ("action",),
    "product": ("product", "ProductName"),
    "origin": ("origin", "hostname"),
    "src_nat": ("xlatesrc",),
    "dest_nat": ("xlatedst",),
}
"""Our names of the fields, and theirs, the first with a value wins; of a field given twice the first counts
(in JSON the last), but for those below."""

_HEADED_NAMES = _NAMES | {
    "time": ("time", "rt", "devTime"),
    "src_port": ("s_port", "spt", "srcPort"),
    "port": ("service", "dpt", "dstPort"),
    "resp_ip_bytes": (*_NAMES["resp_ip_bytes"], "in", "dstBytes"),
    "orig_ip_bytes": (*_NAMES["orig_ip_bytes"], "out", "srcBytes"),
    "action": ("action", "act"),
    "src_nat": ("xlatesrc", "sourceTranslatedAddress", "srcPostNAT"),
    "dest_nat": ("xlatedst", "destinationTranslatedAddress", "dstPostNAT"),
}
"""The names that CEF and LEEF have instead."""
_TWICE = "an end, an id or a byte counter that is given twice"
_HEADED = r'^[^|="\[]*(?:CEF: ?\d+|LEEF: ?[\d.]+)\|[^|]*\|([^|]*)\|'
"""Their header, with the product; in what follows it, equals signs inside values are escaped."""
_LABEL = r"\w+@[\d.]+ "
"""What structured data of syslog begins with: `Fields@1.3.6.1.4.1.2620`, and `sc4s@2620`, as Splunk advises."""
_BRACKETED = rf'\[(?:{_LABEL})?[^":=;\[\]]+(?:::?|=)"'
_QUOTED = rf"^[^|\[]*{_BRACKETED}"
"""Pairs of name and quoted value in brackets; else they stand between bars."""
_BARE = r'^((?:[^|="\[]* )?)(\w[\w./-]*="(?:[^"\\]|\\.)*" +\w[\w./-]*=".*)$'
"""Pairs of name and quoted value with blanks between them and no brackets around: the Log Exporter's generic format,
and what its logs are on their way through ArcSight."""
_TORN = r'^[^|]*\w="[^"|]*" +\w[\w./-]*="[^|]*$'
"""Such pairs behind something else, as where a line that was cut has another one glued to it."""
_UNTRANSLATED = "0.0.0.0"  # noqa: S104 - no address to listen on
_HEADER = r"^(?:<\d{1,3}>)?1 (\d{4}-\d\d-\d\dT\S+) "
_SUSPECT = r'\\"|[:=]"(?:[;\] ]|$)'
"""A quote inside a value, or a value that ends as a field begins: patterns alone could be misled."""
_PAIR = re.compile(r'\s*([^":=;\[\]]+?)(?:::?|=)"((?:[^"\\]|\\.)*)"\s*;?')
_BAR = re.compile(r"((?:[^|\\]|\\.)*)(?:\||$)")
_REFUSED = ("drop", "reject", "block", "prevent", "deny", "quarantine")
BLADES = ("smartdefense", "ips", "anti malware", "anti-malware", "anti-bot", "anti-virus", "new anti virus", "dlp",
          "threat emulation", "threat extraction", "zero phishing", "https inspection", "mta")  # fmt: skip
"""Products whose logs repeat counters of a connection that the firewall logs, too."""


_BEFORE = r"^(?:[^|=]* )?"
_STYLES = {
    "quoted": (_NAMES, r'[\[ ]{}(?:::?|=)"', r'([^"]*)"'),
    "headed": (_HEADED_NAMES, r"[|\t ^]{}=", r"([^|\t ^]*)"),
    "bars": (_NAMES, r"\|{}=", r"([^|]*)"),
}
"""How pairs are written -> the names in use, and the patterns of a name and of its value."""
_ONCE = frozenset(
    n for f in ("uid", "src", "dest", "resp_ip_bytes", "orig_ip_bytes", "total", "action") for n in _HEADED_NAMES[f]
)
"""Names whose values differ in a line with another glued to it; those of rules, layers and times may do so in any."""


def _by_patterns(lines: pl.DataFrame, style: str) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Plain lines of a style with a text column a field, and those that are two lines."""
    known, named, valued = _STYLES[style]
    # A bar takes the place of what stands before the first name, so that names are found by their letters alone.
    raw = pl.col("raw").str.replace(_BEFORE, "|") if style == "bars" else pl.col("raw")
    lines = lines.filter(pl.col("style") == style).with_columns(text=raw)

    text, spelled = pl.col("text"), sorted({name for names in known.values() for name in names})
    there = lines.select(text.str.contains(name[1:], literal=True).any().alias(name) for name in spelled).row(0)
    used = [name for name, is_there in zip(spelled, there, strict=True) if is_there]
    either_case = {name: f"[{name[0].upper()}{name[0].lower()}]{re.escape(name[1:])}" for name in used}
    pattern = named + valued
    lines = lines.with_columns(text.str.extract(pattern.replace("{}", either_case[name])).alias(name) for name in used)
    once = [name for name in used if name in _ONCE]
    any_of_them = named.replace("{}", f"(?:{'|'.join(either_case[name] for name in once)})")
    there_are = pl.sum_horizontal(pl.lit(0), *(pl.col(name).is_not_null() for name in once))
    twice = lines.select(text.str.count_matches(any_of_them) > there_are).to_series() & bool(once)
    repeated = lines.filter(twice)
    differs = _differs(repeated["text"], [pattern.replace("{}", either_case[name]) for name in once])
    glued = repeated.filter(differs)
    lines = pl.concat([lines.filter(~twice), repeated.filter(~differs)])

    def found(names: Sequence[str]) -> pl.Expr:
        given = [pl.when(pl.col(name) != "").then(name) for name in names if name in used]
        return pl.coalesce(given) if given else pl.lit(None, pl.String)

    fields = {field: found(names) for field, names in known.items()}
    if style == "headed":
        fields["product"] = pl.col("raw").str.extract(_HEADED)
    header = pl.col("raw").str.extract(_HEADER).alias("header")
    return lines.with_columns(header, **fields), glued


def _differs(texts: pl.Series, patterns: Sequence[str]) -> pl.Series:
    """Whether a name has several values in a text, which those of one log never have."""
    found = [any(len(set(re.findall(pattern, text))) > 1 for pattern in patterns) for text in texts]
    return pl.Series(found, dtype=pl.Boolean)


def _pairs(text: str) -> dict[str, str]:
    """The fields of one line, by their names in lower case; raises ValueError where they do not add up."""
    found = dict[str, str]()
    if not re.match(_QUOTED, text):
        for cell in _BAR.findall(text):
            name, is_pair, value = cell.partition("=")
            if is_pair:
                _take(found, name.rsplit(" ", 1)[-1], value)
        return found
    at = text.index("[") + 1
    if label := re.compile(_LABEL).match(text, at):
        at = label.end()
    while pair := _PAIR.match(text, at):
        _take(found, pair[1].strip(), pair[2])
        at = pair.end()
    if text[at:].strip() != "]":
        raise ValueError(f"no pair of name and value at character {at + 1}")
    return found


def _take(found: dict[str, str], name: str, value: str) -> None:
    """One more field; raises ValueError where a line that is only one would not have another value for it."""
    name, value = name.lower(), re.sub(r"\\(.)", r"\1", value)
    if found.setdefault(name, value) != value and name in _ONCE:
        raise ValueError(_TWICE)


def _pair_by_pair(lines: pl.DataFrame) -> tuple[pl.DataFrame, list[tuple[int, str, str]]]:
    """The careful path: fields, and (line, fault, raw) of the lines that have none."""
    schema: dict[str, Any] = {**LINES, "header": pl.String, **dict.fromkeys(_NAMES, pl.String)}
    rows, bad = list[list[Any]](), list[tuple[int, str, str]]()
    for line, raw in lines.select("source_line", "raw").iter_rows():
        try:
            pairs = _pairs(raw)
        except ValueError as error:
            bad.append((line, str(error), raw))
            continue
        header = re.match(_HEADER, raw)
        values = [next((v for n in names if (v := pairs.get(n.lower()))), None) for names in _NAMES.values()]
        rows.append([line, raw, header[1] if header else None, *values])
    return pl.DataFrame(rows, schema=schema, orient="row"), bad


@dataclass
class CheckpointDecoder(Stateless):
    """Lines of one file as records."""

    expects_header: bool = True
    """Whether no line told yet how pairs are written."""
    separator: str = "|"
    """What parts the pairs of the first line."""

    def cut(self) -> Cut | None:
        """See LucidDecoder."""
        names = {**_NAMES, "ts": ("start_time", "time")}
        return None if self.expects_header else Cut(PairParts(names, self.separator), separator=self.separator)

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        inside = bracketed(lines["raw"])
        found = self._decode(lines.with_columns(inside), reason)
        if not found.broken.height:
            return found
        raws = found.broken.select("source_line").join(lines, "source_line", how="left", maintain_order="left")["raw"]
        return replace(found, broken=found.broken.with_columns(raws.map_elements(cut, pl.String)))

    def _decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        if self.expects_header:
            self.expects_header, self.separator = False, ";" if re.match(_QUOTED, lines["raw"][0]) else "|"
        text = pl.col("raw")
        quoted, headed = text.str.contains(_QUOTED), text.str.contains(_HEADED)
        style = pl.when(headed).then(pl.lit("headed")).when(quoted).then(pl.lit("quoted")).otherwise(pl.lit("bars"))
        lines = lines.with_columns(style=style)
        suspect = (
            pl.when(pl.col("style") == "quoted")
            .then(text.str.contains(_SUSPECT))
            .otherwise((pl.col("style") == "bars") & text.str.contains("\\", literal=True))
        )
        cut_short = (pl.col("style") == "quoted") & ~text.str.ends_with("]")
        short, whole = lines.filter(cut_short), lines.filter(~cut_short).with_columns(suspect=suspect)
        careful, bad = _pair_by_pair(whole.filter("suspect"))
        plain, glued = zip(*(_by_patterns(whole.filter(~pl.col("suspect")), s) for s in _STYLES), strict=True)
        fields = pl.concat([*(p.select(careful.columns) for p in plain), careful])
        told = ("src", "dest", "resp_ip_bytes", "orig_ip_bytes", "total")
        hidden = pl.all_horizontal(pl.col(c).is_null() for c in told) & ~text.str.contains(_QUOTED)
        hidden &= text.str.contains(_BRACKETED) | text.str.contains(_TORN)
        empty = pl.all_horizontal(pl.col(c).is_null() for c in _NAMES) | hidden
        nothing = fields.filter(empty)
        faults = [
            *((line, "the line does not end with its bracket", raw) for line, raw in _rows(short)),
            *((line, "no field of a firewall log", raw) for line, raw in _rows(nothing)),
            *((line, _TWICE, raw) for lines in glued for line, raw in _rows(lines)),
            *bad,
        ]
        fields = fields.filter(~empty).sort("source_line").with_columns(_derived())
        return Decoded(fields, _rejects(faults, reason))


def bracketed(lines: pl.Series) -> pl.Series:
    """Lines whose pairs stand bare with brackets around these, the last one where the last value ends."""
    bare = lines.str.contains(_BARE)
    if not bare.any():
        return lines
    inside = lines.filter(bare).str.replace(_BARE, "${1}[${2}").str.strip_chars_end(" ")
    return lines.scatter(bare.arg_true(), inside.str.replace(r'"$', '"]'))


def _rows(lines: pl.DataFrame) -> list[tuple[int, str]]:
    return lines.select("source_line", "raw").rows()


def _rejects(faults: list[tuple[int, str, str]], reason: str) -> pl.DataFrame:
    if not faults:
        return pl.DataFrame(schema=REJECTS)
    lines, details, raws = (pl.Series(column) for column in zip(*sorted(faults), strict=True))
    return rejects_frame(lines, reason, details, raws)


def _derived() -> Sequence[pl.Expr]:
    """Times, ports and ends of a record; a service that is a name is no port, and 0.0.0.0 no translation."""
    start = pl.coalesce("start_time", "time", "header")
    numeric = pl.col("port").str.contains(r"^\d+$")
    later = pl.col("updated").cast(pl.Float64, strict=False) >= start.cast(pl.Float64, strict=False)
    return [
        start.alias("ts"),
        pl.when(later).then("updated").alias("end"),
        pl.coalesce("updated", "time", "header").alias("write_ts"),
        pl.when(~pl.col("uid").str.contains(r"^\{(?:0x0,?)+\}$")).then("uid").alias("uid"),
        pl.when(numeric).then("port").alias("dest_port"),
        pl.coalesce("named", pl.when(~numeric).then("port")).alias("service"),
        pl.col("origin").alias("system"),
        *(pl.when(pl.col(c) != _UNTRANSLATED).then(c).alias(c) for c in ("src_nat", "dest_nat")),
    ]


def _given(column: str) -> pl.Expr:
    return (pl.col(column).cast(pl.String) != "").fill_null(False)


def _counts() -> pl.Expr:
    return _given("resp_ip_bytes") | _given("orig_ip_bytes") | _given("total")


def _total_alone() -> pl.Expr:
    return _given("total") & ~_given("resp_ip_bytes") & ~_given("orig_ip_bytes")


def _ends() -> pl.Expr:
    return _given("src") & _given("dest")


def _blocked() -> pl.Expr:
    return pl.col("action").str.to_lowercase().is_in(_REFUSED).fill_null(False)


def _blade() -> pl.Expr:
    return pl.col("product").str.to_lowercase().is_in(BLADES).fill_null(False)


_TEXT = Form(
    name="checkpoint",
    vendor_product="Check Point",
    layer="unknown",
    contract=Contract(
        "client_outbound_bytes, server_inbound_bytes or received_bytes",
        "client_inbound_bytes, server_outbound_bytes or sent_bytes",
        "not said",
        "start_time",
        "a connection's updates (one `loguid`) are cumulative; `bytes` alone is the total",
    ),
    marks=re.compile(
        rb'(?:CEF: ?\d|LEEF: ?[\d.]+)\|Check Point\||\bloguid(?:::?"|="?)\{0x|\[Fields@1\.3\.6\.1\.4\.1\.2620\b'
        rb'|\[\w+@2620 \w+="|\bCheckPoint \d+ - \[[\w.]+:'
    ),
    strong=True,
    ends_lines=True,
    decoder=lambda _: CheckpointDecoder(),
    flows=lambda: _ends() & _counts() & ~_blocked() & ~_blade(),
    accounting=lambda: pl.lit("cumulative"),
    ignored={
        "blocked": _blocked,
        "other_blades": lambda: _blade() & ~_blocked(),
        "direction_unknown": lambda: _ends() & _total_alone() & ~_blocked() & ~_blade(),
        "no_counters": lambda: _ends() & ~_counts() & ~_blocked() & ~_blade(),
        "no_ends": lambda: ~_ends() & _counts() & ~_blocked() & ~_blade(),
    },
    idle=frozenset(("time", "updated", "uid", "proto", "named", "origin", "src_nat", "dest_nat")),
    note="A connection's first log has no counters. Updates that name no ends (read-mode raw) cannot be used: export "
    "with read-mode semi-unified. Threat prevention repeats counters of the firewall and is not counted. A rule that "
    "logs per session as well as per connection tells the same bytes twice: let it log one of them.",
)
_JSON = replace(
    _TEXT,
    name="checkpoint_json",
    family="checkpoint",
    # Elastic's and Splunk's records of its logs have ends of other names, which their own readers know.
    marks=re.compile(
        rb'"originsicname"\s*:|"ifdir"\s*:[^{}]{0,400}"loguid"\s*:\s*"\{'
        rb'|\A(?=[\s\S]*?"dst"\s*:\s*")(?![\s\S]*?"dest"\s*:)[\s\S]*?"loguid"\s*:\s*"\{0x'
    ),
    ends_lines=False,
    idle=None,
    decoder=json_decoder({**_NAMES, "action": ("action", "Action"), "header": ("@timestamp",)}, _derived),
    json=True,
)
CHECKPOINT = (_TEXT, _JSON)
