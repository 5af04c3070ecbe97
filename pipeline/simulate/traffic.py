"""The connections a simulated company makes: mail, web, outgoing SMTP, failed attempts and one mailbox theft.

A day's volume is drawn first and then cut into sessions, so that what a client really received is known exactly
(`true_totals`). Counters are IP bytes; payload and packets follow from them. How a sensor writes a connection down is
in `pipeline.simulate.zeek`; who the clients are in `pipeline.simulate.company`.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from pipeline.days import day_of
from pipeline.simulate.company import MAILBOX_MEDIAN, PARTNER_MEDIAN, Company
from pipeline.simulate.draws import Draws

SEED_RULE = "hosts_receiving_high_volume_from_email_server"
TWIN_RULE = "email_servers_sending_high_volume_to_hosts"
TCP_HEADERS, UDP_HEADERS = 52, 28
"""Bytes of headers a packet: IPv4 20, TCP 20 with the usual time-stamp option 12, UDP 8."""
FULL_PAYLOAD = 1_400
BYTES_PER_MICROSECOND = 12.5
"""The fastest line: 100 Mbit/s."""
WEB_MEDIAN = 30_000_000
WEB_HOSTS = tuple(f"198.51.100.{i}" for i in range(1, 200)) + tuple(f"203.0.113.{i}" for i in range(100, 180))
_WEEKDAY = {1: 1.1, 2: 1.05, 3: 1.0, 4: 1.0, 5: 0.9, 6: 0.25, 7: 0.25}
"""Volume of a weekday (1 is Monday) relative to a usual working day."""
_MINUTE = 60_000_000


@dataclass(frozen=True)
class Habit:
    """How one kind of traffic is spread: sessions a working day, and where volumes saturate."""

    topic: str
    median: int
    sessions: tuple[int, int]
    spread: float = 0.35
    """Standard deviation of the logarithm of one party's volume from day to day."""
    ceiling: float = 1.6
    """Volumes saturate at this many medians, as a server that throttles would have it: below the fleet's
    mean + 3 standard deviations, so that no ordinary day passes the seed's fleet gate."""


MAIL = Habit("mail", MAILBOX_MEDIAN, (3, 8))
WEB = Habit("web", WEB_MEDIAN, (6, 17))
SMTP = Habit("smtp", PARTNER_MEDIAN, (1, 5))


def company_flows(company: Company) -> pl.DataFrame:
    """Every connection of the company, ordered by end.

    Returns:
        Columns uid, start, duration (microseconds, UTC epoch), orig_h, orig_p, resp_h, resp_p, proto, service, state,
        and payload_in, packets_in, bytes_in (responder -> originator) with the same three `_out`.
    """
    parts = [_mail(company), _web(company), _smtp(company), _theft(company)]
    flows = pl.concat([on_the_wire(part) for part in parts])
    # The logs end with the last day: what is open at its last midnight is cut there.
    last = company.calendar.select((pl.col("day_start") + pl.col("day_length")).max()).item()
    flows = flows.with_columns(pl.min_horizontal("duration", last - 1 - pl.col("start")).alias("duration"))
    flows = flows.with_columns(pl.when(pl.col("state") != "S0").then("duration").alias("duration"))
    return flows.sort(pl.col("start") + pl.col("duration").fill_null(0), "uid")


def true_totals(company: Company, flows: pl.DataFrame) -> pl.DataFrame:
    """What both rules ought to count: one row a (rule_id, day, client), with `bytes` and `flows`."""
    servers = list(company.server_addresses)
    day = day_of("time", company.timezone).alias("day")
    timed = flows.with_columns(time=pl.from_epoch("start", "us").dt.replace_time_zone("UTC"))
    sides = ((SEED_RULE, "resp_h", "orig_h", "bytes_in"), (TWIN_RULE, "orig_h", "resp_h", "bytes_out"))
    totals = [
        timed.filter(pl.col(server).is_in(servers))
        .group_by(day, client=subject)
        .agg(bytes=pl.col(field).sum(), flows=pl.len().cast(pl.Int64))
        .select(pl.lit(rule).alias("rule_id"), "day", "client", "bytes", "flows")
        for rule, server, subject, field in sides
    ]
    return pl.concat(totals).sort("rule_id", "day", "client")


def _sessions(company: Company, parties: pl.DataFrame, habit: Habit) -> pl.DataFrame:
    """One row a session: the party's columns, key, start, and `volume`, its part of the day's volume in bytes."""
    draw = Draws(company.seed, habit.topic)
    weekend = pl.col("weekday") > 5
    # Keyed by the calendar day, not by its place in the span: tomorrow's demo repeats today's history.
    plan = parties.join(company.calendar, how="cross").with_columns(
        key=((pl.col("ordinal") * 2**20 + pl.col("party").cast(pl.Int64)) * 2**12).cast(pl.UInt64)
    )
    plan = plan.filter(draw.uniform("present") < pl.when(weekend).then("on_weekends").otherwise("on_workdays"))
    factor = pl.col("weekday").replace_strict(_WEEKDAY, return_dtype=pl.Float64)
    ceiling = habit.ceiling * habit.median
    raw = draw.log_normal("volume", pl.col("usual") * factor, habit.spread, 2.0)
    count = pl.when(weekend).then(draw.integer("few", 1, 2)).otherwise(draw.integer("many", *habit.sessions))
    plan = plan.with_columns(total=ceiling * (1 - (-raw / ceiling).exp()), count=count)
    rows = plan.with_columns(pl.int_ranges("count").alias("session")).explode("session", empty_as_null=False)
    rows = rows.with_columns(pl.col("key") + pl.col("session").cast(pl.UInt64))
    share = draw.log_normal("share", 1.0, 0.9)
    return rows.with_columns(
        volume=pl.col("total") * share / share.sum().over("party", "day"), start=session_start(draw, weekend)
    )


def session_start(draw: Draws, weekend: pl.Expr) -> pl.Expr:
    """When a session starts: in office hours (8 to 18), but one in twelve and all of a weekend at any hour."""
    any_hour = weekend | (draw.uniform("any hour") < 1 / 12)
    office = (8 + 5 * (draw.uniform("hour") + draw.uniform("hour too"))) / 24
    share = pl.when(any_hour).then(draw.uniform("hour")).otherwise(office)
    return pl.col("day_start") + (share * (pl.col("day_length") - 1)).floor().cast(pl.Int64)


def _state(draw: Draws) -> pl.Expr:
    luck = draw.uniform("luck")
    return (
        pl.when(luck < 0.006)
        .then(pl.lit("S0"))
        .when(luck < 0.01)
        .then(pl.lit("REJ"))
        .when(luck < 0.04)
        .then(pl.lit("RSTO"))
        .otherwise(pl.lit("SF"))
    )


def _shape(frame: pl.DataFrame, draw: Draws, **columns: pl.Expr) -> pl.DataFrame:
    """The columns `on_the_wire` needs, in one order; `upload` tells which way `volume` goes."""
    return frame.with_columns(**columns).select(
        draw.uid("uid").alias("uid"),
        "start",
        pl.col("duration").round().cast(pl.Int64),
        "orig_h",
        draw.integer("port", 32_768, 60_999).alias("orig_p"),
        "resp_h",
        pl.col("resp_p").cast(pl.Int64),
        "proto",
        "service",
        "state",
        "upload",
        pl.col("volume").round().cast(pl.Int64).clip(1),
        draw.log_normal("reply", 3_000.0, 0.7).round().cast(pl.Int64).alias("reply"),
    )


def _mail(company: Company) -> pl.DataFrame:
    """Clients fetch mail (IMAPS, or HTTPS to the server), and one session in five hands mail in (465 or 587)."""
    draw, servers = Draws(company.seed, MAIL.topic), pl.lit(pl.Series(company.server_addresses))
    upload = draw.uniform("purpose") < 0.2
    submission = pl.when("imap").then(587).otherwise(465)
    port = pl.when(upload).then(submission).when("imap").then(993).otherwise(443)
    elsewhere = draw.integer("server", 0, company.servers - 1)
    server = pl.when(draw.uniform("balanced") < 0.1).then(elsewhere).otherwise("home")
    sent = draw.log_normal("sent", 75_000.0, 1.0)
    return _shape(
        _sessions(company, company.people, MAIL),
        draw,
        orig_h=pl.col("address"),
        resp_h=servers.gather(server),
        resp_p=port,
        proto=pl.lit("tcp"),
        service=pl.when(port == 587).then(pl.lit("smtp,ssl")).otherwise(pl.lit("ssl")),
        state=_state(draw),
        upload=upload,
        volume=pl.when(upload).then(sent).otherwise("volume"),
        duration=draw.log_normal("length", pl.when(upload).then(0.1).otherwise(25.0) * _MINUTE, 1.0, 2.5),
    )


def _web(company: Company) -> pl.DataFrame:
    """Clients browse the internet: mostly TLS, some plain HTTP, some QUIC."""
    draw = Draws(company.seed, WEB.topic)
    kind = draw.uniform("kind")
    plain, quic = kind < 0.1, kind > 0.88
    state = pl.when(quic).then(pl.lit("SF")).otherwise(_state(draw))
    return _shape(
        _sessions(company, company.people.with_columns(usual=pl.col("usual") * (WEB.median / MAIL.median)), WEB),
        draw,
        orig_h=pl.col("address"),
        resp_h=draw.one_of("host", WEB_HOSTS),
        resp_p=pl.when(plain).then(80).otherwise(443),
        proto=pl.when(quic).then(pl.lit("udp")).otherwise(pl.lit("tcp")),
        service=pl.when(quic).then(pl.lit("quic")).when(plain).then(pl.lit("http")).otherwise(pl.lit("ssl")),
        state=state,
        upload=pl.lit(False),
        duration=draw.log_normal("length", 0.5 * _MINUTE, 1.2, 2.5),
    )


def _smtp(company: Company) -> pl.DataFrame:
    """The mail servers deliver to partners: what the twin rule sums."""
    draw = Draws(company.seed, SMTP.topic)
    return _shape(
        _sessions(company, company.partners, SMTP),
        draw,
        orig_h=draw.one_of("server", company.server_addresses),
        resp_h=pl.col("address"),
        resp_p=pl.lit(25),
        proto=pl.lit("tcp"),
        service=pl.lit("smtp,ssl"),
        state=_state(draw),
        upload=pl.lit(True),
        duration=draw.log_normal("length", 0.05 * _MINUTE, 0.8, 2.5),
    )


def _theft(company: Company) -> pl.DataFrame:
    """The thief's pull: IMAPS sessions one after the other, from 1 to about 5 o'clock of the last night."""
    victim = company.people.filter(pl.col("address") == (company.thief or "")).select("address", "home")
    count = min(24, max(1, math.ceil(company.theft_bytes / 100_000_000)))
    night = company.calendar.tail(1).select("ordinal", "day_start")
    slot = 4 * 60 * _MINUTE // count
    frame = victim.join(night, how="cross").with_columns(pl.int_ranges(pl.lit(count)).alias("session"))
    frame = frame.explode("session", empty_as_null=False).with_columns(
        key=(pl.col("ordinal") * 2**12 + pl.col("session")).cast(pl.UInt64)
    )
    draw = Draws(company.seed, "theft")
    return _shape(
        frame,
        draw,
        start=pl.col("day_start") + 60 * _MINUTE + pl.col("session") * slot + draw.integer("late", 0, slot // 10),
        duration=slot * (0.7 + 0.15 * draw.uniform("length")),
        orig_h=pl.col("address"),
        resp_h=pl.lit(pl.Series(company.server_addresses)).gather("home"),
        resp_p=pl.lit(993),
        proto=pl.lit("tcp"),
        service=pl.lit("ssl"),
        state=pl.lit("SF"),
        upload=pl.lit(False),
        # Equal parts, and the first takes the rest: the sum is exactly what was asked for.
        volume=company.theft_bytes // count
        + pl.when(pl.col("session") == 0).then(company.theft_bytes % count).otherwise(0),
    )


def on_the_wire(frame: pl.DataFrame) -> pl.DataFrame:
    """Packets and payload of both directions: IP bytes = payload + headers, an acknowledgement for two packets.

    Takes the columns of `company_flows` up to state, `volume` and `reply` (IP bytes and payload of the main and of the
    other direction) and `upload`, whether the main one is the originator's. The IP bytes of `volume` stay as they are.
    """
    header = pl.when(pl.col("proto") == "udp").then(UDP_HEADERS).otherwise(TCP_HEADERS).cast(pl.Int64)
    packets = (pl.col("volume") + header + FULL_PAYLOAD - 1) // (header + FULL_PAYLOAD)
    back = packets // 2 + pl.col("reply") // FULL_PAYLOAD + 4
    frame = frame.with_columns(
        duration=pl.max_horizontal("duration", (pl.col("volume") / BYTES_PER_MICROSECOND).cast(pl.Int64)),
        main=pl.struct(payload=(pl.col("volume") - header * packets).clip(0), packets=packets, bytes=pl.col("volume")),
        back=pl.struct(payload=pl.col("reply"), packets=back, bytes=pl.col("reply") + header * back),
    )
    frame = frame.with_columns(
        _in=pl.when("upload").then("back").otherwise("main"), _out=pl.when("upload").then("main").otherwise("back")
    )
    return _fail(frame).select(
        "uid",
        "start",
        "duration",
        "orig_h",
        "orig_p",
        "resp_h",
        "resp_p",
        "proto",
        "service",
        "state",
        *(
            pl.col(side).struct.field(name).alias(name + side)
            for side in ("_in", "_out")
            for name in ("payload", "packets", "bytes")
        ),
    )


def _fail(frame: pl.DataFrame) -> pl.DataFrame:
    """Attempts: one SYN (60 bytes), unanswered (S0, where Zeek knows no payload) or reset (REJ, 40 bytes back)."""
    silent, refused = pl.col("state") == "S0", pl.col("state") == "REJ"

    def packet(count: int, size: int, payload: int | None) -> pl.Expr:
        return pl.struct(
            payload=pl.lit(payload, pl.Int64), packets=pl.lit(count, pl.Int64), bytes=pl.lit(size, pl.Int64)
        )

    return frame.with_columns(
        service=pl.when(~(silent | refused)).then("service"),
        duration=pl.when(refused).then(300 + pl.col("duration") % 2_000).otherwise("duration"),
        _in=pl.when(silent).then(packet(0, 0, None)).when(refused).then(packet(1, 40, 0)).otherwise("_in"),
        _out=pl.when(silent).then(packet(1, 60, None)).when(refused).then(packet(1, 60, 0)).otherwise("_out"),
    )
