"""Records of a form turned so that the initiator is the source, and then as RAW, in the byte columns of their layer.

What a record says of its ends itself counts first, then the ports. Records of one direction that even ports do not tell
apart stay as they are; `pipeline.counting.once` may know more of them.
"""

from __future__ import annotations

from functools import lru_cache

import polars as pl

from pipeline.addresses import NOWHERE
from pipeline.schemas import MAX_FLOW_BYTES
from pipeline.sources import instants
from pipeline.sources import zeek_columns as conn
from pipeline.sources.base import RAW, ReadOptions
from pipeline.sources.declared import EXTRAS, Form
from pipeline.sources.spellings import plain_count

SERVICE_PORTS = (20, 21, 22, 23, 25, 53, 80, 88, 110, 123, 135, 137, 138, 139, 143, 389, 443, 445, 465, 587, 636, 853,
                 989, 990, 993, 995, 1433, 3306, 3389, 5223, 5432, 8080, 8088, 8443)  # fmt: skip
"""Ports that a server answers on: what tells the ends of a one-way record apart."""

_SYN, _ACK = 2, 16
_PORT = r'^\[\s*"?(\d+)"?\s*[,\]].*$|^(\d+)\s*\n[\s\S]*$|^(\d{1,2}),(\d{3})$|^(\d+)\.0$'
"""A port as exports of other programs write it: in a list, a value a line, with a comma, or as a real (pandas)."""
_TOLD = " told"
"""Behind the names of columns that are told of lines besides, while they stand beside a conn record's."""
_SWAPPED = (
    ("src", "dest"),
    ("src_port", "dest_port"),
    ("orig_ip_bytes", "resp_ip_bytes"),
    ("orig_pkts", "resp_pkts"),
    ("src_nat", "dest_nat"),
)


def has_counters() -> pl.Expr:
    """Whether a record counts the bytes of a direction."""
    return pl.col("resp_ip_bytes").is_not_null() | pl.col("orig_ip_bytes").is_not_null()


def initiator(flags: pl.Expr, answers: pl.Expr | None = None) -> pl.Expr:
    """Src or dest by the TCP flags of a record of one direction: a lone SYN is the initiator's, with an ACK the answer.

    Args:
        flags: the flags as a number, as text or null when unknown.
        answers: where an ACK beside the SYN tells an answer; elsewhere it may be of a later packet, and tells nothing.
    """
    number = flags.cast(pl.Float64, strict=False).cast(pl.Int64, strict=False)
    syn, ack = (number & _SYN) != 0, (number & _ACK) != 0
    answer = syn & ack if answers is None else syn & ack & answers
    return pl.when(syn & ~ack).then(pl.lit("src")).when(answer).then(pl.lit("dest"))


def told_by_ports(*, seen: pl.Expr | None = None) -> pl.Expr:
    """The mark of a record whose ports decide who began: the sensor took who sent the first packet it saw for that.

    A sensor that starts, or that gave up a session in its silence, meets it in the middle, and perhaps an answer first.
    A record whose destination has a service's port stays as it is.

    Args:
        seen: whether the sensor saw the beginning, so that the record knows its ends; null is taken for no.
    """
    src, dest = (pl.col(c).cast(pl.Int64, strict=False).is_in(SERVICE_PORTS) for c in ("src_port", "dest_port"))
    answer = src & ~dest
    return pl.when(answer if seen is None else answer & ~seen.fill_null(value=False)).then(pl.lit("ports"))


def leaving(one_way: pl.Expr) -> pl.Expr:
    """The reporter of a record of one direction whose packets were met as they left a router: it is on dest's side.

    A router that looks at packets where they come in (0), too, tells of the same ones twice. Most exporters that do not
    tell a direction have 0 there, which says nothing.
    """
    return pl.when(one_way & pl.col("way").str.to_lowercase().is_in(["1", "e", "egress"])).then(pl.lit("dest"))


def complete(fields: pl.DataFrame) -> pl.DataFrame:
    """All columns that the rest asks for; of ports with several values the first, of addresses the only one."""
    schema = fields.schema
    missing = _blanks(tuple(c for c in (*conn.ALIASES, *EXTRAS) if c not in schema))
    # A field with several values is a list; of ports the first one counts.
    ports = [c for c in ("src_port", "dest_port") if schema.get(c, pl.Int64) == pl.String]
    first = [pl.col(c).str.replace(_PORT, "${1}${2}${3}${4}${5}") for c in ports]
    ends = [c for c in ("src", "dest") if schema.get(c) == pl.String and fields[c].str.starts_with("[").any()]
    only = [_only(c).alias(c) for c in ends]
    return fields.with_columns(*missing, *first, *only)


def _only(column: str) -> pl.Expr:
    """The one address of a list of texts, which may hold it several times; any other value as it is."""
    told = pl.col(column).str.extract_all(r'"[^"\s]+"').list.unique()
    one = pl.col(column).str.starts_with("[") & (told.list.len() == 1)
    return pl.when(one).then(told.list.first().str.strip_chars('"')).otherwise(column)


# Expressions are made once: of so many, making them costs as much as reading some thousand records.


@lru_cache(maxsize=256)
def _blanks(names: tuple[str, ...]) -> list[pl.Expr]:
    return [pl.lit(None, pl.String).alias(c) for c in names]


@lru_cache(maxsize=2)
def _turned_ends(*, syn: bool) -> list[pl.Expr]:
    """Whether the ends must change places, and how it is known; syn where only TCP flags tell the initiator."""
    two_way = pl.col("resp_ip_bytes").is_not_null() | pl.col("orig_ip_bytes").is_not_null()
    one_way = ~two_way & pl.col("sent").is_not_null()
    served = [pl.col(c).cast(pl.Int64, strict=False).is_in(SERVICE_PORTS) for c in ("src_port", "dest_port")]
    total_only = conn.total_alone().is_not_null()
    told = pl.col("initiator").is_in(["src", "dest"]).fill_null(False)
    by_ports = ((one_way | total_only) & pl.col("initiator").is_null()) | pl.col("initiator").eq_missing("ports")
    turned = (pl.col("initiator") == "dest") | (by_ports & served[0] & ~served[1])
    orientation = (
        pl.when(told)
        .then(pl.when(two_way).then(pl.lit("native")).otherwise(pl.lit("syn")) if syn else pl.lit("native"))
        .when(by_ports & (served[0] != served[1]).fill_null(False))
        .then(pl.lit("port_rule"))
        .when(by_ports)
        .then(pl.lit("unknown"))
        .otherwise(pl.lit("native"))
    )
    return [
        pl.when(one_way).then("sent").otherwise("orig_ip_bytes").alias("orig_ip_bytes"),
        turned.fill_null(False).alias("_turned"),
        (turned & one_way & ~pl.col("received_by").is_in(NOWHERE)).fill_null(False).alias("_behind"),
        orientation.alias("orientation"),
    ]


@lru_cache(maxsize=4)
def _swaps(port: pl.DataType) -> list[pl.Expr]:
    """Ends and counters of turned records; an answer to a translated end is that of the initiator behind it."""
    known_port = pl.col("received_port").cast(pl.Int64, strict=False)
    behind = {
        "src": pl.col("received_by"),
        "src_nat": pl.col("dest"),
        "src_port": pl.when(known_port > 0).then(known_port.cast(port)).otherwise("dest_port"),
    }
    return [
        (pl.when("_behind").then(behind[a]).when("_turned") if a in behind else pl.when("_turned"))
        .then(pl.col(b))
        .otherwise(pl.col(a))
        .alias(a)
        for pair in _SWAPPED
        for a, b in (pair, pair[::-1])
    ]


def oriented(records: pl.DataFrame, form: Form, options: ReadOptions) -> tuple[pl.DataFrame, pl.DataFrame]:
    """(text columns as `read_text` wants them, what is known of each line besides, as columns of RAW)."""
    zone, schema = options.timezone if form.local_time else "UTC", records.schema
    records = records.with_columns(
        *((pl.col(c) if schema[c] == pl.Int64 else instants.epoch_us(c, zone)).alias(f"_{c}") for c in ("ts", "end")),
        *_turned_ends(syn=form.flags_tell),
        conn.total_alone().cast(pl.String).alias("_total"),
        form.accounting().fill_null("final").alias("accounting"),
    )
    seconds = (pl.col("_end") - pl.col("_ts")).cast(pl.Float64) / 1e6
    is_text = schema["ts"] == pl.String
    # What is no time of the zone, such as the hour that summer time skips, must not be read as one of UTC.
    odd = "ts" if zone == "UTC" else pl.concat_str("ts", pl.lit(f" in {zone}"))
    text = records.with_columns(
        *_swaps(schema["src_port"]),
        pl.coalesce("duration", seconds.cast(schema["duration"])).alias("duration"),
        pl.coalesce(instants.as_text(pl.col("_ts")), odd).alias("ts") if form.local_time and is_text else pl.col("ts"),
    )
    return text.select("source_line", "raw", *conn.ALIASES, total="_total"), _extras(text)


def _extras(text: pl.DataFrame) -> pl.DataFrame:
    """What RAW has beyond a conn record, by source_line; ends are those after turning."""
    return text.select(_told(in_text=text.schema["total"] == pl.String))


@lru_cache(maxsize=2)
def _told(*, in_text: bool) -> list[pl.Expr]:
    total = (plain_count(pl.col("total")) if in_text else pl.col("total")).cast(pl.Float64, strict=False)
    reporter = pl.when("_turned").then(pl.col("reporter").replace({"src": "dest", "dest": "src"})).otherwise("reporter")
    return [
        *map(pl.col, ("source_line", "orientation", "accounting", "record_id")),
        reporter.alias("reporter"),
        pl.when(total.is_between(0, MAX_FLOW_BYTES)).then(total).cast(pl.Int64, strict=False).alias("total_bytes"),
        pl.col("sampling").cast(pl.Float64, strict=False).alias("sampling_rate"),
        pl.col("src_nat").alias("src_translated_ip"),
        pl.col("dest_nat").alias("dest_translated_ip"),
    ]


def as_raw(kept: pl.DataFrame, extras: pl.DataFrame, form: Form, options: ReadOptions) -> pl.DataFrame:
    """TYPED rows as RAW, their bytes in the columns of the form's layer."""
    raw = conn.to_raw(kept, options, interim=False)
    both = raw.join(extras, on="source_line", how="left", maintain_order="left", suffix=_TOLD)
    told = tuple(c for c in extras.columns if c != "source_line")
    return both.select(_shaped(form.layer, form.vendor_product, told))


@lru_cache(maxsize=128)
def _shaped(layer: str, vendor_product: str, told: tuple[str, ...]) -> list[pl.Expr]:
    """The columns of RAW, those that are told of lines besides in place of a conn record's."""
    made = {c: pl.col(f"{c}{_TOLD}").alias(c) for c in told}
    made |= {"action": pl.lit("allowed"), "vendor_product": pl.lit(vendor_product)}
    if layer != "ip":
        prefix = "payload" if layer == "payload" else "other"
        for side in ("in", "out"):
            made[f"{prefix}_bytes_{side}"] = pl.col(f"ip_bytes_{side}")
            made[f"ip_bytes_{side}"] = pl.lit(None, pl.Int64)
    if layer in ("l2", "unknown"):
        made["other_layer"] = pl.lit(layer)
    return [made.get(c, pl.col(c)).alias(c) for c in RAW.names()]
