"""What pipelines of Elastic's integrations make of firewalls' logs, put right: directions, starts, logs that repeat.

Sources: the pipelines of elastic/integrations and the documents that their tests expect, compared with the firewalls'
own logs, which those documents hold, too.
"""

from __future__ import annotations

import polars as pl

from pipeline.sources.formats.checkpoint import BLADES
from pipeline.sources.formats.fortinet import REQUEST
from pipeline.sources.formats.sentinel import ASA, PROGRESS
from pipeline.sources.starts import ZONED, epoch_us, put_back

_ZSCALER, _MENDED = "zscaler_zia.firewall", 1_781_049_600_000_000
"""A dataset whose pipeline kept what came in, `inbytes`, as the source's bytes, until 2026-06-10 (elastic/integrations,
pull request 19463); sites took up that version when they pleased."""
_CHECKPOINT = "checkpoint.firewall"
"""A dataset whose pipeline keeps what left the gateway for the client, client_outbound_bytes, as the source's."""
_WATCHGUARD = "watchguard_firebox.log"
"""A dataset whose pipeline keeps what the client received, rcvd_bytes, as the source's."""
_FORTINET = ("fortinet_fortigate.log", "fortinet_fortiproxy.log", "fortinet.firewall")
"""Datasets whose event.start is when the log was made."""
_FTD = ("cisco_ftd.log", "cisco.ftd")
"""Datasets that took a connection's duration off its first packet until 2025-08 (elastic/integrations, pull request
14984), and since then take the log's time for the start where the device tells no first packet."""
_SONICWALL, _SOPHOS = "sonicwall_firewall.log", "sophos.xg"
_STORMSHIELD, _STORMSHIELD_FLOWS = "stormshield.log", ("connection", "plugin")
_PRISMA = "prisma_access.event"
"""A dataset whose pipeline keeps seconds as event.duration."""
_SPECTRUM = "cloudflare_logpush.spectrum_event"
_SECONDS = 1e9
"""Durations below are seconds there: as nanoseconds they are less than one, and its logs tell whole ones."""
_LOGGED_AT_END = (
    *_FORTINET,
    *_FTD,
    _SONICWALL,
    _SOPHOS,
    _WATCHGUARD,
    _ZSCALER,
    "barracuda_cloudgen_firewall.log",
    "juniper_srx.log",
    "juniper.srx",
)
"""Datasets whose sessions are logged when they end, and whose pipelines take that for the start, or tell none."""
_CEF_RECEIVED = ("fortinet", "check point", "sonicwall")
"""Vendors in whose CEF `in` is what the client received, which Filebeat and Logstash take for the source's bytes."""
_CLOSED = "537"
"""SonicWall's message of a connection that closed."""
_AT_ONCE, _ZONES = 1_000_000, 900_000_000
"""Microseconds: what counts as the same time, and what zones differ by a multiple of."""


def mended(fields: pl.DataFrame) -> pl.DataFrame:
    """Records with the sides and starts that the firewalls meant, and whether a side is `doubted`."""
    if fields["cef_version"].null_count() < fields.height:  # Logstash tells the device only as the observer.
        lacks = pl.col("cef_vendor").is_null() & pl.col("cef_version").is_not_null()
        pairs = (("cef_vendor", "vendor"), ("cef_product", "product"))
        fields = fields.with_columns(pl.when(lacks).then(b).otherwise(a).alias(a) for a, b in pairs)
    known = fields["dataset"].is_in([*_LOGGED_AT_END, _CHECKPOINT, _PRISMA])
    if not known.any() and fields["cef_vendor"].null_count() == fields.height:
        return fields.with_columns(doubted=pl.lit(value=False))
    fields = _in_nanoseconds(fields)
    if fields["duration"].null_count() < fields.height:
        fields = _begun(fields)
    return _summed(_turned(fields))


def repeats() -> pl.Expr:
    """Check Point's logs of other products about a connection that the firewall logs."""
    return (pl.col("dataset") == _CHECKPOINT) & pl.col("product").str.to_lowercase().is_in(BLADES).fill_null(False)


def requests() -> pl.Expr:
    """Logs of requests, or of a connection that begins, whose counters the log of the connection's end has, too."""
    dataset = pl.col("dataset")
    sonicwall = ((dataset == _SONICWALL) | _cef("sonicwall")) & (pl.col("code") != _CLOSED)
    watchguard = (dataset == _WATCHGUARD) & pl.col("duration").is_null()
    sophos = (dataset == _SOPHOS) & (pl.col("kind") != "Firewall")
    stormshield = (dataset == _STORMSHIELD) & ~pl.col("kind").is_in(_STORMSHIELD_FLOWS)
    traffic = pl.col("cef_name").str.contains(r"(?i)^(?:\w+ )?traffic\b") & ~pl.col("cef_name").str.contains(REQUEST)
    other = (_cef("fortinet") & ~traffic) | _cef("vectra networks")  # What its detections saw.
    other |= _cef("usergate") & ~pl.any_horizontal(pl.col(c).str.contains("(?i)^traffic") for c in ("code", "cef_name"))
    single = pl.col("subtype") == REQUEST
    kinds = (sonicwall, watchguard, sophos, stormshield, other, single)
    return pl.any_horizontal(kind.fill_null(value=False) for kind in kinds)


def begins() -> pl.Expr:
    """Logs of sessions that begin, or go on, of which the log of the end tells all bytes."""
    started = pl.any_horizontal(pl.col(c).str.to_lowercase() == "start" for c in ("part", "cef_name", "code"))
    paloalto = ((pl.col("dataset") == _PRISMA) | _cef("palo alto networks")) & started
    spectrum = (pl.col("dataset") == _SPECTRUM) & pl.col("part").is_in(["connect", "progress"])
    going_on = pl.any_horizontal(pl.col(c).str.contains(PROGRESS) for c in ("code", "cef_name"))
    kinds = (paloalto, spectrum, _cef("forcepoint") & going_on)
    return pl.any_horizontal(kind.fill_null(value=False) for kind in kinds)


def fortinet() -> pl.Expr:
    """Whether a FortiGate made the log."""
    return (pl.col("dataset").is_in(_FORTINET) | _cef("fortinet")).fill_null(value=False)


def packets() -> pl.Expr:
    """Trend Micro's logs of packets."""
    product = pl.col("cef_product").str.to_lowercase().str.starts_with("deep security")
    return (_cef("trend micro") & product).fill_null(value=False)


def illumio() -> pl.Expr:
    """Illumio's summaries of flows, each of which tells what an interval added, and by whose machine."""
    return _cef("illumio").fill_null(value=False)


def _cef(vendor: str) -> pl.Expr:
    return pl.col("cef_vendor").str.to_lowercase() == vendor


def _begun(fields: pl.DataFrame) -> pl.DataFrame:
    """Sessions that were logged at their end with their start, where the record has that for the end."""
    apart = epoch_us(fields, "ts") - epoch_us(fields, "write_ts")
    if fields.schema["write_ts"] == pl.String:  # Without a zone; the start may already be of the source's.
        apart = pl.when(pl.col("write_ts").str.contains(ZONED)).then(apart).otherwise(apart % _ZONES)
    same = (apart.abs() < _AT_ONCE).fill_null(value=False) | pl.col("dataset").is_in(_FORTINET)
    lasted = pl.col("duration").cast(pl.Float64, strict=False) / 1e3
    sure = pl.col("dataset").is_in(_FTD) & pl.col("first_packet").is_not_null()
    late = pl.col("dataset").is_in(_LOGGED_AT_END) & same & ~sure
    fields = fields.with_columns(end=pl.when((sure & (lasted >= 0)).fill_null(value=False)).then(None).otherwise("end"))
    return put_back(fields, late, lasted)


def _in_nanoseconds(fields: pl.DataFrame) -> pl.DataFrame:
    lasted = pl.col("duration").cast(pl.Float64, strict=False)
    seconds = (pl.col("dataset") == _PRISMA) & (lasted < _SECONDS)
    kind = fields.schema["duration"]
    return fields.with_columns(duration=pl.when(seconds).then((lasted * 1e9).cast(kind)).otherwise("duration"))


def _turned(fields: pl.DataFrame) -> pl.DataFrame:
    """Both sides' counters exchanged in records whose pipeline has them the other way."""
    zscaler, checkpoint = pl.col("dataset") == _ZSCALER, pl.col("dataset") == _CHECKPOINT
    outbound = pl.col("orig_ip_bytes").is_not_null()  # Without it the dest's are received_bytes, the right way.
    # PAN-OS alone writes what the client sent as `in`, as CEF has it.
    service = _cef("palo alto networks") & (pl.col("cef_product") != "PAN-OS")
    cef = pl.col("cef_vendor").str.to_lowercase().is_in(_CEF_RECEIVED) | service
    ways = (zscaler & (epoch_us(fields, "ts") < _MENDED), checkpoint & outbound, pl.col("dataset") == _WATCHGUARD, cef)
    turned = pl.any_horizontal(way.fill_null(value=False) for way in ways)
    added = (("orig_ip_bytes", "number2"), ("resp_ip_bytes", "number3"))
    if fields.select(illumio().any()).item():
        told = ((c, pl.col(number).cast(fields.schema[c], strict=False)) for c, number in added)
        fields = fields.with_columns(pl.when(illumio()).then(number).otherwise(c).alias(c) for c, number in told)
    pairs = (("resp_ip_bytes", "orig_ip_bytes"), ("resp_pkts", "orig_pkts"))
    exchanged = [
        pl.when(turned if a.endswith("bytes") else turned & checkpoint).then(b).otherwise(a).alias(a)
        for pair in pairs
        for a, b in (pair, pair[::-1])
    ]
    return fields.with_columns(
        *exchanged,
        doubted=zscaler & ~turned,
        uid=pl.when(checkpoint).then("event_id").otherwise("uid"),  # What its pipeline makes of loguid.
    )


def _summed(fields: pl.DataFrame) -> pl.DataFrame:
    """Records with the one count that an ASA tells, in CEF that of either side, as the sum of both directions."""
    sides = ("resp_ip_bytes", "orig_ip_bytes")
    one = pl.any_horizontal(pl.col(c).is_null() for c in sides)
    asa = (_cef("cisco") & pl.col("cef_product").str.contains(ASA) & one).fill_null(value=False)
    if not fields.select(asa.any()).item():
        return fields
    told = pl.coalesce(*sides).cast(fields.schema["total"], strict=False)
    sums = pl.when(asa).then(told).otherwise("total").alias("total")
    return fields.with_columns(*(pl.when(~asa).then(c).alias(c) for c in sides), sums)
