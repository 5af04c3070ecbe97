"""Check Point's logs: which way a gateway's counters go, what updates are, and quoted text that looks like fields."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.base import Parsed
from pipeline.sources.formats import checkpoint
from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.forms_read import read, read_bytes, read_file, rows
from tests.real_files import SAMPLES, needs_samples

LOGUID = "{0x5e80a05a,0x0,0xbba3afa,0xd2c10858}"
FIELDS = {
    "action": "Accept",
    "ifdir": "inbound",
    "loguid": LOGUID,
    "origin": "192.0.2.1",
    "originsicname": "cn=cp_mgmt,o=gw1",
    "time": "1795132800",
    "__policy_id_tag": "product=VPN-1 & FireWall-1[db_tag={DF};policy_name=Standard]",
    "src": "10.1.0.11",
    "s_port": "40001",
    "dst": "10.9.0.25",
    "service": "993",
    "service_id": "imaps",
    "proto": "6",
    "product": "VPN-1 & FireWall-1",
}
COUNTERS = {
    "bytes": "6500",
    "client_inbound_bytes": "600",
    "client_outbound_bytes": "5900",
    "client_outbound_packets": "12",
    "server_inbound_bytes": "5901",
    "server_outbound_bytes": "601",
    "start_time": "1795132800",
    "lastupdatetime": "1795132860",
}
STYLES = ("syslog", "structured", "sc4s", "generic", "bars", "cef", "leef", "checkpoint_json")
RENAMED = {
    "cef": {"action": "act", "s_port": "spt", "service": "dpt", "received_bytes": "in", "sent_bytes": "out"},
    "leef": {"s_port": "srcPort", "service": "dstPort", "received_bytes": "dstBytes", "sent_bytes": "srcBytes"},
}


def escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("]", "\\]")


def line(style: str, fields: dict[str, Any]) -> str:
    """One log as an exporter of that style writes it."""
    if style == "syslog":
        pairs = " ".join(f'{k}:"{escaped(v)}";' for k, v in fields.items()).removesuffix(";")
        return f"<134>1 2026-11-20T00:00:00Z gw1 CheckPoint 1930 - [{pairs}]"
    if style in ("structured", "generic"):
        pairs = " ".join(f'{k}="{escaped(v)}"' for k, v in fields.items())
        around = "<85>1 2026-11-20T00:00:00Z 192.0.2.1 CP-GW - Log [Fields@1.3.6.1.4.1.2620 {} ]"
        return (around if style == "structured" else "{}").replace("{}", pairs)
    if style == "sc4s":
        pairs = " ".join(f'{k}="{escaped(v)}"' for k, v in fields.items())
        return f"<134>1 2026-11-20T00:00:00Z gw1 CheckPoint 26203 - [sc4s@2620 {pairs}]"
    if style in RENAMED:
        values = {RENAMED[style].get(k, k): v.replace("=", "\\=") for k, v in fields.items() if k != "product"}
        head = f"Check Point|{fields.get('product', '')}"
        pairs = ("\t" if style == "leef" else " ").join(f"{k}={v}" for k, v in values.items())
        return f"LEEF:2.0|{head}|1.0|Accept|{pairs}" if style == "leef" else f"CEF:0|{head}|Check Point|Log|x|1|{pairs}"
    if style == "bars":
        return "|".join(f"{k}={v.replace('|', chr(92) + '|').replace('=', chr(92) + '=')}" for k, v in fields.items())
    return json.dumps(fields)


def reader(style: str) -> str:
    return "checkpoint_json" if style == "checkpoint_json" else "checkpoint"


def read_style(style: str, *logs: dict[str, Any]) -> Parsed:
    return read(reader(style), *(line(style, log) for log in logs))


COLUMNS = ("src_ip", "src_port", "dest_ip", "dest_port", "other_bytes_in", "other_bytes_out", "accounting")
EXPECTED = ("10.1.0.11", 40_001, "10.9.0.25", 993, 5_900, 600, "cumulative")


@pytest.mark.parametrize("style", STYLES)
def test_what_leaves_the_gateway_towards_the_client_are_bytes_in(style: str) -> None:
    parsed = read_style(style, FIELDS | COUNTERS)
    assert rows(parsed, *COLUMNS) == [EXPECTED]
    assert rows(parsed, "uid", "dvc", "app", "transport", "duration", "total_bytes", "packets_in") == [
        (LOGUID, "192.0.2.1", "imaps", "tcp", 60_000_000, 6_500, 12)
    ]
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T00:00:00+00:00"


@pytest.mark.parametrize("style", RENAMED)
def test_a_blank_before_the_version_of_a_header_changes_nothing(style: str) -> None:
    blank = line(style, FIELDS | COUNTERS).replace(":", ": ", 1)
    assert detect(f"{blank}\n".encode(), "auto", "x") == "checkpoint"
    assert rows(read("checkpoint", blank), *COLUMNS, "uid") == [(*EXPECTED, LOGUID)]


@pytest.mark.parametrize("style", STYLES)
def test_received_and_sent_bytes_are_those_of_the_client(style: str) -> None:
    parsed = read_style(style, FIELDS | {"received_bytes": "5900", "sent_bytes": "600"})
    assert rows(parsed, *COLUMNS) == [EXPECTED]


@pytest.mark.parametrize("style", STYLES)
def test_a_total_alone_is_no_sides_bytes(style: str) -> None:
    parsed = read_style(style, FIELDS | {"bytes": "6500"})
    assert rows(parsed, "other_bytes_in", "other_bytes_out", "total_bytes") == [(None, None, 6_500)]


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"bytes": ""}, "no_counters"),
        ({"bytes": "5", "action": "Drop"}, "blocked"),
        ({"bytes": "5", "action": "Reject"}, "blocked"),
        ({"bytes": "5", "src": "", "dst": "", "product": "Log Update"}, "no_ends"),
        ({"received_bytes": "5", "product": "Anti Malware"}, "other_blades"),
    ],
)
@pytest.mark.parametrize("style", STYLES)
def test_what_is_no_byte_sample_is_counted_by_its_kind(style: str, change: dict[str, str], kind: str) -> None:
    parsed = read_style(style, FIELDS | change)
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (0, {kind: 1})


def test_of_a_field_given_twice_the_first_counts_and_a_service_by_name_is_no_port() -> None:
    once = line("syslog", FIELDS | COUNTERS | {"service": "https"})
    twice = (
        once.removesuffix("]") + '; service:"443"; src:"10.1.0.11"; service_id:"smtp"; layer_name:"a"; layer_name:"b"]'
    )
    assert rows(read("checkpoint", twice), "src_ip", "dest_port", "app") == [("10.1.0.11", None, "imaps")]


@pytest.mark.parametrize("key", ["src", "dst", "loguid", "client_outbound_bytes"])
@pytest.mark.parametrize("user", ["a", 'a "b"'])
@pytest.mark.parametrize("style", ["syslog", "structured", "bars"])
def test_a_line_that_gives_an_end_or_a_counter_twice_is_set_aside(key: str, user: str, style: str) -> None:
    parsed = read("checkpoint", line(style, {"user": user} | FIELDS | COUNTERS | {key.capitalize(): "9"}))
    assert (parsed.rows.height, dict(parsed.account.quarantined)) == (0, {"bad_line": 1})


@pytest.mark.parametrize("escape", ["", "\\", '\\"'])
@pytest.mark.parametrize("style", [style for style in STYLES if style != "checkpoint_json"])
def test_two_logs_in_one_line_are_set_aside_and_neither_is_lost_in_the_other(style: str, escape: str) -> None:
    logs = [
        FIELDS | COUNTERS | {"src": src, "loguid": f"{{0x{src[-2:]}}}", "user": escape}
        for src in ("10.1.0.11", "10.1.0.12")
    ]
    first, second = (line(style, log) for log in logs)
    parsed = read("checkpoint", f"{first} #012{second}", first)
    assert dict(parsed.account.quarantined) == {"bad_line": 1}
    assert parsed.rows["src_ip"].to_list() == ["10.1.0.11"]


@pytest.mark.parametrize("style", [style for style in STYLES if style != "checkpoint_json"])
def test_a_line_cut_in_its_middle_lends_its_ends_to_no_other(style: str) -> None:
    cut = line(style, FIELDS | COUNTERS)
    other = line(style, FIELDS | COUNTERS | {"src": "10.1.77.77", "loguid": "{0x77,0x0}", "client_outbound_bytes": "7"})
    parsed = read("checkpoint", *(cut[:at] + other for at in range(1, len(cut))))
    assert set(rows(parsed, "src_ip", "other_bytes_in")) == {("10.1.77.77", 7)}


@pytest.mark.parametrize("style", ["syslog", "structured", "bars", "cef"])
@pytest.mark.parametrize(
    "text",
    [
        '"; client_outbound_bytes:"999"; x:"',
        '" client_outbound_bytes="999" x="',
        "|client_outbound_bytes=999|",
        "x src:",
        "x src=",
        "; src:",
        ' src="',
        "\\",
        '\\"; src:\\"192.0.2.9',
        "]",
        "[src:",
        "CEF:0|Check Point|x|y|z|1| src=192.0.2.9 dst=192.0.2.8 in=7",
        ' client_outbound_bytes:"999"',
    ],
)
def test_text_of_a_stranger_is_never_taken_for_a_field(style: str, text: str) -> None:
    # Only they escape backslashes.
    text = text if style in ("syslog", "structured", "sc4s") else text.replace("\\", "/")
    parsed = read_style(style, {"user": text, "rule_name": text} | FIELDS | COUNTERS)
    assert rows(parsed, *COLUMNS) == [EXPECTED]


def test_a_line_cut_short_and_one_of_something_else_are_set_aside() -> None:
    whole = line("syslog", FIELDS | COUNTERS)
    parsed = read("checkpoint", whole[:-3], whole, "hello", whole[:50])
    assert (parsed.account.flows, dict(parsed.account.quarantined)) == (1, {"bad_line": 3})
    assert parsed.rejects["source_line"].to_list() == [1, 3, 4]


def test_translations_are_kept_and_the_absent_id_and_time_are_unknown() -> None:
    log = FIELDS | COUNTERS | {"loguid": "{0x0,0x0,0x0,0x0}", "xlatesrc": "198.51.100.1", "xlatedst": "0.0.0.0"}
    del log["start_time"], log["time"]
    parsed = read_style("syslog", log | {"lastupdatetime": "0"})
    assert rows(parsed, "uid", "src_translated_ip", "dest_translated_ip") == [(None, "198.51.100.1", None)]
    assert parsed.rows["start_time"][0].isoformat() == "2026-11-20T00:00:00+00:00"  # The header's.


@pytest.mark.parametrize("style", STYLES)
def test_the_log_is_known_by_its_content(style: str) -> None:
    data = line(style, FIELDS | COUNTERS).encode()
    assert detect(data, "auto", "x") == reader(style)


def test_the_patterns_and_the_pairs_read_a_plain_line_alike() -> None:
    for style in ("syslog", "structured", "sc4s", "bars"):
        log = {k: v for k, v in (FIELDS | COUNTERS).items() if k != "__policy_id_tag"}
        text = line(style, log)
        if style != "bars":
            assert '\\"' not in text
        assert {k: v for k, v in checkpoint._pairs(text).items() if k in log} == {k: v for k, v in log.items()}


@needs_samples
def test_a_real_update_gives_its_counters() -> None:
    parsed = read_file(SAMPLES / "checkpoint" / "sc4s-fw-logexporter.log")
    assert rows(parsed, "src_port", "dest_port", "other_bytes_in", "other_bytes_out", "total_bytes", "app") == [
        (123, 123, 76, 76, 152, "ntp-udp")
    ]
    assert rows(parsed, "duration", "src_translated_ip", "dest_translated_ip") == [(40_000_000, "10.160.142.204", None)]


@settings(max_examples=examples(15))
@given(st.text(max_size=12), st.sampled_from(["syslog", "structured", "sc4s"]))
def test_whatever_a_value_holds_the_others_stay(value: str, style: str) -> None:
    value = value.replace("\n", " ").replace("\r", " ").encode(errors="replace").decode()
    parsed = read_style(style, {"user": value} | FIELDS | COUNTERS)
    assert rows(parsed, *COLUMNS) == [EXPECTED]


@settings(max_examples=examples(15))
@given(st.sampled_from(STYLES), st.integers(0, 900), st.binary(max_size=8), st.booleans())
def test_no_bytes_break_the_reader(style: str, at: int, junk: bytes, cut: bool) -> None:
    data = line(style, FIELDS | COUNTERS).encode()
    data = data[:at] + junk.replace(b"\n", b" ") + (b"" if cut else data[at:])
    assert read_bytes(reader(style), data + b"\n").account.lines == 1


def test_leef_has_the_time_of_a_log_as_devtime() -> None:
    """As the exporter's own mapping of fields names it."""
    fields = {k: v for k, v in (FIELDS | COUNTERS).items() if k not in ("start_time", "lastupdatetime", "time")}
    text = line("leef", {"devTime": "1795132800", **fields})
    parsed = read("checkpoint", text)
    assert [t.isoformat() for t in parsed.rows["start_time"]] == ["2026-11-20T00:00:00+00:00"]


@pytest.mark.parametrize("left_out", [("originsicname", "ifdir"), ("originsicname", "ifdir", "__policy_id_tag")])
def test_json_is_known_by_its_loguid_whatever_else_an_exporter_leaves_out(left_out: tuple[str, ...]) -> None:
    record = {name: value for name, value in (FIELDS | COUNTERS).items() if name not in left_out}
    for order in (record, dict(reversed(record.items()))):
        assert detect(json.dumps(order).encode(), "auto", "x") == "checkpoint_json"
        assert rows(read("checkpoint_json", order), "other_bytes_in", "other_bytes_out") == [(5_900, 600)]


def test_records_that_other_products_make_of_its_logs_are_theirs() -> None:
    ecs = {"source": {"ip": "10.1.0.11", "bytes": 600}, "destination": {"ip": "10.9.0.25", "bytes": 5_900}}
    elastic = {**ecs, "checkpoint": {"loguid": LOGUID}}
    assert detect(json.dumps(elastic).encode(), "auto", "x") == "ecs"
    splunk = {"_time": "2026-11-20T08:00:00Z", "loguid": LOGUID, "src": "10.1.0.11", "dst": "10.9.0.25",
              "dest": "10.9.0.25", "bytes_in": "5900", "bytes_out": "600"}  # fmt: skip
    assert detect(json.dumps(splunk).encode(), "auto", "x") == "cim_json"


@pytest.mark.parametrize(
    "before", ["", "<134>1 2026-11-20T00:00:00Z gw1 CheckPoint 1930 - ", "<134>Nov 20 00:00:00 gw1 "]
)
def test_bare_pairs_are_known_behind_any_header_and_set_aside_as_they_were_written(before: str) -> None:
    whole = before + line("generic", FIELDS | COUNTERS)
    assert detect(f"{whole}\n".encode(), "auto", "x") == "checkpoint"
    glued = whole[:-4] + line("generic", FIELDS | {"client_outbound_bytes": "7"})
    parsed = read("checkpoint", whole, whole[:-1], glued)
    assert rows(parsed, *COLUMNS) == [EXPECTED]
    assert dict(parsed.account.quarantined) == {"bad_line": 2} or dict(parsed.account.quarantined) == {"bad_json": 2}
    assert all(raw.startswith((before + "action")[:20]) and not raw.endswith("]") for raw in parsed.rejects["raw"])
