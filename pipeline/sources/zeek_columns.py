"""Zeek's conn record, whatever the spelling: field aliases, the reference reading of text values, and raw flows.

Both Zeek readers (tab-separated and JSON) end here. The reference path takes every value as text and gives each line
it cannot read a reason; the fast path of the tab-separated reader gives the same rows where a whole block is clean.
Sources: Zeek's base/protocols/conn/main.zeek; json_timestamps of LogAscii; renamed and scoped fields as Zeek's field
name map and scope separator write them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import lru_cache, reduce
from operator import or_

import polars as pl

from pipeline.counting.direction import MAIL_PORTS
from pipeline.schemas import MAX_FLOW_BYTES, UTC_TIME
from pipeline.sources import spellings
from pipeline.sources.base import RAW, ReadOptions, rejects_frame
from pipeline.sources.instants import epoch_us

ALIASES: dict[str, tuple[str, ...]] = {
    "ts": ("ts",),
    "uid": ("uid",),
    "src": ("id.orig_h", "id_orig_h", "src"),
    "src_port": ("id.orig_p", "id_orig_p", "src_port"),
    "dest": ("id.resp_h", "id_resp_h", "dst"),
    "dest_port": ("id.resp_p", "id_resp_p", "dst_port"),
    "proto": ("proto",),
    "service": ("service",),
    "duration": ("duration",),
    "orig_bytes": ("orig_bytes",),
    "resp_bytes": ("resp_bytes",),
    "conn_state": ("conn_state",),
    "missed_bytes": ("missed_bytes",),
    "orig_pkts": ("orig_pkts",),
    "orig_ip_bytes": ("orig_ip_bytes",),
    "resp_pkts": ("resp_pkts",),
    "resp_ip_bytes": ("resp_ip_bytes",),
    "write_ts": ("_write_ts", "write_ts"),
    "system": ("_system_name", "system_name", "@system", "_node_name", "host"),
    "path": ("_path", "path", "_stream", "@stream"),
    "vlan": ("id.ctx.vlan", "id_ctx_vlan"),  # Only where Zeek keeps connections of other VLANs apart.
}
"""Our short name of each conn field and the spellings that Zeek, Corelight and shippers write."""

BY_SPELLING = {spelling: name for name, spellings in ALIASES.items() for spelling in spellings}
COUNTERS = ("orig_bytes", "resp_bytes", "missed_bytes", "orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes")
BYTE_COUNTERS = ("orig_bytes", "resp_bytes", "orig_ip_bytes", "resp_ip_bytes")
REQUIRED = ("ts", "src", "dest")
UNSET = ("-", "(empty)", "")
EARLIEST_US = 631_152_000_000_000
"""1990-01-01; no flow log is older."""
MAX_DURATION = 10 * 366 * 86_400
"""Seconds a flow may claim to have lasted; more is a fault of the sensor, and the duration is then unknown."""
_WRAP, _NEAR = 2**32 / 1_000, 3_600.0
"""Seconds at which an exporter's uptime in 32 bits of milliseconds begins anew, and how near a duration comes to that
where it did so between start and end (RFC 3954 counts so); no flow lasts just so long."""
_AHEAD_US = 86_400_000_000
"""How much later than its record a flow may begin, for clocks in other zones."""
TRANSPORT_NUMBERS = {"6": "tcp", "17": "udp", "1": "icmp", "58": "icmp", "ipv6-icmp": "icmp", "132": "sctp"}
"""IANA protocol numbers and names that stand for a transport of ours."""
_TRANSPORT_OF = {
    **TRANSPORT_NUMBERS,
    **{f"{n}.0": name for n, name in TRANSPORT_NUMBERS.items() if n.isdigit()},  # As pandas and BigQuery write them.
    **{name: name for name in ("tcp", "udp", "icmp", "sctp")},
}
_OBJECT_OF_A_HOST = r'^\{\s*(?:(?:[^{}]|\{(?:[^{}]|\{[^{}]*\})*\})*,\s*)?"name"\s*:\s*"([^"]+)".*$'  # Elastic's
VENDOR_PRODUCT = "Zeek"

TYPED = pl.Schema(
    {
        "source_line": pl.Int64,
        "ts": pl.Int64,
        "write_ts": pl.Int64,
        "uid": pl.String,
        "src": pl.String,
        "src_port": pl.Int64,
        "dest": pl.String,
        "dest_port": pl.Int64,
        "proto": pl.String,
        "service": pl.String,
        "duration": pl.Float64,
        "conn_state": pl.String,
        "orig_bytes": pl.Int64,
        "resp_bytes": pl.Int64,
        "missed_bytes": pl.Int64,
        "orig_pkts": pl.Int64,
        "orig_ip_bytes": pl.Int64,
        "resp_pkts": pl.Int64,
        "resp_ip_bytes": pl.Int64,
        "system": pl.String,
        "path": pl.String,
        "vlan": pl.String,
    }
)
"""A conn record with typed values: ts and write_ts in epoch microseconds, duration in seconds."""


_BEYOND = {
    "other_layer": pl.String,
    "total_bytes": pl.Int64,
    "record_id": pl.String,
    "sampling_rate": pl.Float64,
    "src_translated_ip": pl.String,
    "dest_translated_ip": pl.String,
}
"""Columns of RAW that no conn record fills."""


def unset_to_null(frame: pl.DataFrame, marks: Sequence[str] = UNSET) -> pl.DataFrame:
    """All text columns with the marks of absence as null."""
    text = [c for c, t in frame.schema.items() if t == pl.String and c != "raw"]
    return frame.with_columns(_told(c, tuple(marks)) for c in text)


# Expressions of one kind are made once: making as many as these costs as much as reading some thousand records.


@lru_cache(maxsize=512)
def _told(column: str, marks: tuple[str, ...]) -> pl.Expr:
    return pl.when(~pl.col(column).is_in(marks)).then(pl.col(column)).alias(column)


def as_typed(text: pl.DataFrame, marks: Sequence[str]) -> pl.DataFrame:
    """Columns of TYPED that are right as they are, but for marks of absence in those that are text."""
    return text.select(_as_typed(tuple(marks), tuple(c for c, t in text.schema.items() if t == pl.String)))


@lru_cache(maxsize=64)
def _as_typed(marks: tuple[str, ...], texts: tuple[str, ...]) -> list[pl.Expr]:
    return [(_told(c, marks) if c in texts else pl.col(c)).cast(dtype) for c, dtype in TYPED.items()]


def count(column: str) -> pl.Expr:
    """A counter from text; JSON may write it as 1500.0, exports as 1,500."""
    text = pl.col(column).str.strip_chars()
    return spellings.mostly(text, lambda texts: texts.cast(pl.Int64, strict=False), _odd_count, pl.Int64())


def _odd_count(text: pl.Expr) -> pl.Expr:
    text = spellings.plain_count(text)
    return pl.coalesce(text.cast(pl.Int64, strict=False), whole_number(text.cast(pl.Float64, strict=False)))


def whole_number(real: pl.Expr) -> pl.Expr:
    """A real number as Int64 where it is whole and exact."""
    exact = pl.when(real.is_finite() & (real == real.floor()) & (real.abs() < 2.0**53)).then(real)
    return exact.cast(pl.Int64, strict=False)


def _typed(text: pl.DataFrame) -> pl.DataFrame:
    return text.select(_values()).select(TYPED.names()).cast(TYPED)


@lru_cache(maxsize=1)
def _values() -> list[pl.Expr]:
    """The columns of TYPED from text."""
    ints = [count(c).alias(c) for c in (*COUNTERS, "src_port", "dest_port")]
    times = [epoch_us(c).alias(c) for c in ("ts", "write_ts")]
    real = spellings.seconds(pl.col("duration").str.strip_chars()).alias("duration")
    made = {"ts", "write_ts", "duration", "src_port", "dest_port", *COUNTERS}
    return [*times, real, *ints, *(pl.col(c) for c in TYPED if c not in made)]


def _reason(text: pl.DataFrame, typed: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
    """For each line the first thing wrong with it: columns `reason` and `detail`, null when nothing is."""
    told = [text[c].alias(f"{c}_text") for c in (*COUNTERS, "total", "src_port", "dest_port", "duration", "ts")]
    invalid = [options.watch.is_invalid(c).alias(f"{c}_invalid") for c in ("src", "dest")]
    judged = typed.with_columns(*told, *invalid, text.select(count("total"))["total"])
    return judged.select(_verdict(options.latest_us, keep_untimed=options.keep_untimed))


@lru_cache(maxsize=4)
def _verdict(latest_us: int, *, keep_untimed: bool) -> list[pl.Expr]:
    """The first fault of each line, and the value that has it."""
    reason, detail = pl.lit(None, pl.String), pl.lit(None, pl.String)
    for condition, name, column in reversed(list(_faults(latest_us, keep_untimed=keep_untimed))):
        label = column.removesuffix("_text")
        hit = condition.fill_null(False)
        reason = pl.when(hit).then(pl.lit(name)).otherwise(reason)
        value = pl.col(column).cast(pl.String).fill_null("").str.slice(0, 80)
        detail = pl.when(hit).then(pl.lit(f"{label}=") + value).otherwise(detail)
    return [reason.alias("reason"), detail.alias("detail")]


def _faults(latest_us: int, *, keep_untimed: bool) -> Iterator[tuple[pl.Expr, str, str]]:
    """What can be wrong with a line, in the order in which it counts: whether it is, its reason, and the column."""
    for c in ("src", "dest"):
        yield pl.col(f"{c}_invalid"), "bad_address", c
    for c in ("src_port", "dest_port"):
        wrong = ~pl.col(c).is_between(0, 65_535).fill_null(False)
        yield pl.col(f"{c}_text").is_not_null() & wrong, "bad_port", f"{c}_text"
    for c in (*COUNTERS, "total", "duration"):
        yield pl.col(f"{c}_text").is_not_null() & pl.col(c).is_null(), "bad_number", f"{c}_text"
    yield pl.col("duration").is_nan() | pl.col("duration").is_infinite(), "bad_number", "duration_text"
    for c in (*COUNTERS, "total"):
        yield pl.col(c) < 0, "negative_bytes", f"{c}_text"
    for c in ("orig_ip_bytes", "resp_ip_bytes", "total"):
        yield pl.col(c) > MAX_FLOW_BYTES, "implausible_bytes", f"{c}_text"
    if not keep_untimed:
        yield pl.col("ts").is_null(), "untimed", "ts_text"
    yield (pl.col("ts") < EARLIEST_US) | (pl.col("ts") > latest_us), "implausible_time", "ts_text"


def read_text(
    text: pl.DataFrame, options: ReadOptions, marks: Sequence[str] = UNSET
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The reference path: text columns named as in ALIASES plus source_line and raw -> (TYPED rows, REJECTS).

    Absent columns count as unset; `total` is that of both directions where a record has no other count. Lines are
    judged whatever addresses they hold, so that prefiltering can never change the account.
    """
    absent = [pl.lit(None, pl.String).alias(c) for c in (*ALIASES, "total") if c not in text.columns]
    text = unset_to_null(text.with_columns(absent), marks)
    options.watch.learn(pl.concat([text["src"], text["dest"]]))
    typed = _typed(text)
    verdict = _reason(text, typed, options)
    bad = verdict["reason"].is_not_null()
    rejects = rejects_frame(
        text["source_line"].filter(bad),
        verdict["reason"].filter(bad),
        verdict["detail"].filter(bad),
        text["raw"].filter(bad),
    )
    return typed.filter(~bad), rejects


def doubtful(typed: pl.DataFrame, flows: pl.Series, odd: pl.Series | None, options: ReadOptions) -> pl.Series | None:
    """Which typed rows `read_text` may find something wrong with (`sent` included); None where there is none.

    Args:
        typed: the rows.
        flows: which of them are flows; of others nothing can be wrong.
        odd: which of them have a value that did not fit its type, whatever they are; None where none can have.
        options: of the source.
    """
    every = flows.all()
    ends = pl.concat([typed[c] if every else typed[c].filter(flows) for c in ("src", "dest")])
    options.watch.learn(ends.drop_nulls() if ends.null_count() else ends)
    empty = {
        c for c in (*COUNTERS, "sent", "src_port", "dest_port", "duration") if typed[c].null_count() == typed.height
    }
    faults = [f for c, f in _doubts(options.latest_us, keep_untimed=options.keep_untimed) if c not in empty]
    faults += [pl.col(c).is_null() | options.watch.is_invalid(c) for c in ("src", "dest")]
    faults += [] if typed["total"].null_count() == typed.height else [_doubted_total()]
    known = faults if every else [f & flows for f in faults]
    known += [] if odd is None else [pl.lit(odd)]
    if not any(typed.select(f.any().alias(str(i)) for i, f in enumerate(known)).row(0)):
        return None
    return typed.select(doubtful=pl.any_horizontal(known).fill_null(value=False)).to_series()


@lru_cache(maxsize=1)
def total_alone() -> pl.Expr:
    """The bytes of both directions where a record has no other count."""
    others = ("resp_ip_bytes", "orig_ip_bytes", "sent")
    return pl.when(pl.all_horizontal(pl.col(c).is_null() for c in others)).then("total")


@lru_cache(maxsize=1)
def _doubted_total() -> pl.Expr:
    number = total_alone().cast(pl.Float64, strict=False)
    sure = number.is_between(0, MAX_FLOW_BYTES) & (number == number.floor())
    return total_alone().is_not_null() & ~sure.fill_null(value=False)


@lru_cache(maxsize=4)
def _doubts(latest_us: int, *, keep_untimed: bool) -> list[tuple[str, pl.Expr]]:
    """Columns of numbers, and whether there may be something wrong with their values."""
    return [
        *((c, pl.col(c) < 0) for c in (*COUNTERS, "sent")),
        *((c, pl.col(c) > MAX_FLOW_BYTES) for c in ("orig_ip_bytes", "resp_ip_bytes", "sent")),
        *((c, ~pl.col(c).is_between(0, 65_535)) for c in ("src_port", "dest_port")),
        ("duration", ~pl.col("duration").is_finite()),
        ("ts", ~pl.col("ts").is_between(EARLIEST_US, latest_us)),
        *([] if keep_untimed else [("ts", pl.col("ts").is_null())]),
    ]


def select_watched(typed: pl.DataFrame, options: ReadOptions) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(rows that touch a watched address, the other rows)."""
    if options.watch.keeps_all:
        return typed, typed.clear()
    hit = options.watch.is_watched("src") | options.watch.is_watched("dest")
    mask = typed.select(hit.fill_null(False).alias("hit"))["hit"]
    return typed.filter(mask), typed.filter(~mask)


def mail_port_others(others: pl.DataFrame, options: ReadOptions) -> pl.DataFrame:
    """Unwatched flows to mail ports, for finding mail servers that the inventory lacks."""
    side = "orig" if options.swap_bytes else "resp"
    condition, columns = _to_mail_port(side)
    return others.filter(condition).select(columns)


@lru_cache(maxsize=2)
def _to_mail_port(side: str) -> tuple[pl.Expr, list[pl.Expr]]:
    """Which flows are to a mail port, and what is asked of them."""
    return pl.col("dest_port").is_in(MAIL_PORTS), [
        pl.col("ts").cast(UTC_TIME).alias("start_time"),
        pl.col("src").alias("src_ip"),
        pl.col("dest").alias("dest_ip"),
        pl.col("dest_port"),
        pl.coalesce(f"{side}_ip_bytes", f"{side}_bytes").alias("bytes"),
    ]


def unescape(column: str) -> pl.Expr:
    r"""Zeek's \xNN escapes as characters; bytes that are not UTF-8 stay escaped."""

    def decode_all(values: pl.Series) -> pl.Series:
        return values.map_elements(decode, return_dtype=pl.String)

    text = pl.col(column)
    escaped = text.str.contains(r"\\x[0-9a-fA-F]{2}")
    return pl.when(escaped).then(text.map_batches(decode_all, pl.String)).otherwise(text)


def decode(text: str) -> str:
    r"""One text without its \xNN escapes."""
    out, at = bytearray(), 0
    while at < len(text):
        pair = text[at + 2 : at + 4]
        if text.startswith("\\x", at) and len(pair) == 2 and all(c in "0123456789abcdefABCDEF" for c in pair):
            out.append(int(pair, 16))
            at += 4
        else:
            out += text[at].encode()
            at += 1
    return out.decode("utf-8", errors="backslashreplace")


def to_raw(typed: pl.DataFrame, options: ReadOptions, *, interim: bool) -> pl.DataFrame:
    """TYPED rows as RAW: canonical addresses, CIM names, microseconds; interim records are cumulative."""
    typed = options.watch.canonical(typed, {"src": "src_ip", "dest": "dest_ip"})
    return typed.select(_raw_columns(swap=options.swap_bytes, interim=interim))


@lru_cache(maxsize=4)
def _raw_columns(*, swap: bool, interim: bool) -> list[pl.Expr]:
    """The columns of RAW; made once, as making them costs as much as reading some thousand records."""
    server, client = ("orig", "resp") if swap else ("resp", "orig")
    transport = pl.col("proto").str.to_lowercase().replace_strict(_TRANSPORT_OF, default="unknown")
    attempt = pl.col("conn_state").is_in(["S0", "REJ", "SH", "SHR", "RSTOS0", "RSTRH", "OTH"])
    cumulative = pl.lit(interim) | pl.col("path").is_in(["conn_long", "open_conn"]).fill_null(False)
    made = [
        pl.col("source_line"),
        unescape("uid").alias("uid"),
        pl.col("ts").cast(UTC_TIME).alias("start_time"),
        (pl.when((pl.col("duration") >= 0) & ~_impossible()).then(pl.col("duration")) * 1e6)
        .round()
        .cast(pl.Int64, strict=False)
        .alias("duration"),
        pl.col("write_ts").cast(UTC_TIME).alias("log_time"),
        pl.col("src_ip"),
        pl.col("src_port"),
        pl.col("dest_ip"),
        pl.col("dest_port"),
        transport.alias("transport"),
        unescape("service").alias("app"),
        pl.col(f"{server}_ip_bytes").alias("ip_bytes_in"),
        pl.col(f"{client}_ip_bytes").alias("ip_bytes_out"),
        _plausible(f"{server}_bytes").alias("payload_bytes_in"),
        _plausible(f"{client}_bytes").alias("payload_bytes_out"),
        pl.col(f"{server}_pkts").alias("packets_in"),
        pl.col(f"{client}_pkts").alias("packets_out"),
        pl.col("missed_bytes"),
        pl.when(attempt).then(pl.lit("unknown")).otherwise(pl.lit("allowed")).alias("action"),
        pl.when(cumulative).then(pl.lit("cumulative")).otherwise(pl.lit("final")).alias("accounting"),
        pl.lit("native").alias("orientation"),
        unescape("system").str.replace(_OBJECT_OF_A_HOST, "${1}").alias("dvc"),
        pl.col("vlan").alias("reporter"),
        *(pl.lit(None, pl.Int64).alias(f"other_bytes_{side}") for side in ("in", "out")),
        *(pl.lit(None, t).alias(c) for c, t in _BEYOND.items()),
        pl.lit(VENDOR_PRODUCT).alias("vendor_product"),
    ]
    named = {expr.meta.output_name(): expr for expr in made}
    return [named[c].cast(dtype) for c, dtype in RAW.items()]


def _impossible() -> pl.Expr:
    """Whether no flow lasts as long as this one says."""
    return (pl.col("duration") > MAX_DURATION) | ((pl.col("duration") - _WRAP).abs() < _NEAR)


def _plausible(column: str) -> pl.Expr:
    """A payload counter, null when it claims the impossible: it comes from sequence numbers and may be absurd."""
    return pl.when(pl.col(column) <= MAX_FLOW_BYTES).then(pl.col(column))


def sampled_flows(rows: pl.DataFrame) -> dict[str, int]:
    """The count of flows (RAW) whose counters are of some packets only."""
    sampled = (rows["sampling_rate"] > 1).sum()
    return {"sampled_counters": int(sampled)} if sampled else {}


def odd_flows(typed: pl.DataFrame) -> dict[str, int]:
    """Counts of kept flows that are odd: impossible times, bytes missed, payload larger than what carried it."""
    row = typed.select(f.sum().alias(name) for name, f in oddities().items()).row(0, named=True)
    return {k: int(v) for k, v in row.items() if v}


@lru_cache(maxsize=1)
def oddities() -> dict[str, pl.Expr]:
    """What is odd about a kept flow, by the name it is counted under."""
    above = ((pl.col(f"{side}_bytes") > pl.col(f"{side}_ip_bytes")) for side in ("resp", "orig"))
    return {
        "negative_duration": pl.col("duration") < 0,
        "implausible_duration": _impossible(),
        "starts_after_record": pl.col("ts") - pl.col("write_ts") > _AHEAD_US,
        "missed_bytes": pl.col("missed_bytes") > 0,
        "payload_above_ip": reduce(or_, above),
    }
