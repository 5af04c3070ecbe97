"""FortiGate traffic logs: cumulative interim records, starts from durations, and what is no flow."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import read
from tests.real_files import GOLDEN, SAMPLES, needs_samples

CLIENT, SERVER = "10.1.0.11", "192.0.2.25"
RECORD = {
    "date": "2026-11-20", "time": "00:05:00", "devname": '"fw1"', "devid": '"FG1"', "eventtime": "1795133100000000000",
    "tz": '"+0000"', "logid": '"0000000013"', "type": '"traffic"', "subtype": '"forward"', "vd": '"root"',
    "srcip": CLIENT, "srcport": "40001", "dstip": SERVER, "dstport": "993", "sessionid": "777", "proto": "6",
    "action": '"close"', "service": '"IMAPS"', "duration": "300", "sentbyte": "600", "rcvdbyte": "5900",
    "sentpkt": "9", "rcvdpkt": "10",
}  # fmt: skip


def pairs(**changes: str | None) -> list[str]:
    return [f"{k}={v}" for k, v in (RECORD | changes).items() if v is not None]


def forti(**changes: str | None) -> str:
    return " ".join(pairs(**changes))


def rows(*lines: str, zone: str = "UTC") -> list[dict[str, Any]]:
    return read("fortinet", *lines, zone=zone).rows.to_dicts()


STYLES = [
    forti(),
    "<189>" + forti(),
    "<189>Nov 20 00:05:00 fw1 " + forti(),
    "<189>1 2026-11-20T00:05:00Z fw1 - - - - " + forti(),
    ",".join(pairs()),
    forti().replace('"', ""),
    ",".join(pairs(msg='"a, b"')),
    " ".join(reversed(pairs())),
    ",".join(f'"{k}={v.strip(chr(34))}"' for k, v in RECORD.items()),
    ",".join([*(f'"{k}={v.strip(chr(34))}"' for k, v in RECORD.items()), '"user=x"" rcvdbyte=9"']),
    ",".join(['"itime=1795133100"', *(f'"{p}"'.replace('"', '""')[1:-1] for p in pairs()), '""']),
    forti(msg='"x rcvdbyte=999 type=utm"'),
    forti(msg=r'"x\" rcvdbyte=999 \" y"'),
    forti(url='"/a?sentbyte=1&srcip=198.51.100.1"'),
]


@pytest.mark.parametrize("line", STYLES)
def test_one_record_in_every_style_is_the_same_flow(line: str) -> None:
    (row,) = rows(line)
    ends = ("src_ip", "src_port", "dest_ip", "dest_port", "transport", "app", "dvc", "uid")
    assert [row[c] for c in ends] == [CLIENT, 40_001, SERVER, 993, "tcp", "imaps", "fw1", "777"]
    counters = ("other_bytes_in", "other_bytes_out", "packets_in", "packets_out", "other_layer", "total_bytes")
    assert [row[c] for c in counters] == [5_900, 600, 10, 9, "unknown", None]
    assert [row[c] for c in ("accounting", "orientation", "duration")] == ["final", "native", 300_000_000]
    assert row["start_time"].isoformat() == "2026-11-20T00:00:00+00:00"
    assert row["log_time"].isoformat() == "2026-11-20T00:05:00+00:00"


def test_json_has_the_keys_of_the_pairs() -> None:
    record = {k: v.strip('"') for k, v in RECORD.items()}
    numbers = {k: int(v) for k, v in record.items() if k in ("srcport", "dstport", "proto", "sentbyte", "rcvdbyte")}
    lines = [json.dumps(record | more) for more in ({}, numbers, {"rcvdbyte": "5900.0"})]
    utm, begun = (json.dumps(record | more) for more in ({"type": "utm"}, {"logid": "0000000015"}))
    assert detect(lines[0].encode(), "auto", "x") == "fortinet_json"
    parsed = read("fortinet_json", *lines, utm, begun, "{")
    (one,) = rows(forti())
    expected = [one | {"source_line": i} for i in (1, 2, 3)]
    assert parsed.rows.to_dicts() == expected
    assert (parsed.account.ignored, dict(parsed.account.quarantined)) == (2, {"bad_json": 1})


@pytest.mark.parametrize("lacks", [(), ("type",), ("eventtime",), ("tz", "date", "time", "vd")])
def test_a_table_has_the_keys_of_the_pairs(lacks: tuple[str, ...]) -> None:
    record = {k: v.strip('"') for k, v in RECORD.items() if k not in lacks}
    utm, going = ({"type": "utm", "logid": "0317013312"}, {"logid": "0000000020", "rcvdbyte": "900"})
    lines = [
        ",".join(record),
        *(",".join({**record, **{k: v for k, v in m.items() if k in record}}.values()) for m in ({}, utm, going)),
    ]
    assert detect("\n".join(lines).encode(), "auto", "x") == "fortinet_csv"
    parsed = read("fortinet_csv", *lines)
    (one,) = rows(forti(vd=None if "vd" in lacks else RECORD["vd"]))
    assert parsed.rows[:1].to_dicts() == [one | {"source_line": 2}]
    assert parsed.rows.select("accounting", "other_bytes_in").rows()[1:] == [("cumulative", 900)]
    assert (parsed.account.ignored, dict(parsed.account.quarantined)) == (1, {})


@pytest.mark.parametrize("shipped", [{"_time": 1_795_133_100}, {"@timestamp": "2026-11-20T00:05:00Z"}])
def test_json_without_the_device_s_time_has_its_shipper_s(shipped: dict[str, Any]) -> None:
    record = {k: v.strip('"') for k, v in RECORD.items() if k not in ("eventtime", "date", "time", "tz")}
    found = read("fortinet_json", json.dumps(record | shipped), zone="Europe/Berlin").rows
    assert found["start_time"].dt.strftime("%F %T").to_list() == ["2026-11-20 00:00:00"]


@pytest.mark.parametrize("line", STYLES)
def test_every_style_is_known_by_its_content(line: str) -> None:
    assert detect(line.encode(), "auto", "x") == "fortinet"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"logid": '"0000000020"', "sentdelta": "1", "rcvddelta": "2"}, "cumulative"),
        ({"logid": "0004000021"}, "cumulative"),
        ({"logid": "20"}, "cumulative"),
        ({"logid": '"0000000013"', "sentdelta": "1", "rcvddelta": "2"}, "final"),
        ({"logid": '"0001000014"'}, "final"),
        ({"logid": None, "action": "accept", "rcvddelta": "2"}, "cumulative"),
        ({"logid": None, "action": "accept"}, "final"),
        ({"logid": None, "rcvddelta": "2"}, "final"),
    ],
)
def test_interim_records_are_cumulative_and_deltas_are_not_added(changes: dict[str, str | None], expected: str) -> None:
    (row,) = rows(forti(**changes))
    assert (row["accounting"], row["other_bytes_in"], row["uid"]) == (expected, 5_900, "777")


@pytest.mark.parametrize(
    ("changes", "zone", "expected"),
    [
        ({"eventtime": "1795133100"}, "UTC", "2026-11-20T00:00:00+00:00"),
        ({"eventtime": "1795133100123"}, "UTC", "2026-11-20T00:00:00.123000+00:00"),
        ({"eventtime": "2026-11-20T00:05:00.123456Z"}, "Europe/Berlin", "2026-11-20T00:00:00.123456+00:00"),
        ({"eventtime": '"2026-11-20T00:05:00.250"'}, "Europe/Berlin", "2026-11-20T00:00:00.250000+00:00"),
        ({"eventtime": "1795133100.123"}, "UTC", "2026-11-20T00:00:00.123000+00:00"),
        ({"eventtime": "1795133100.1234567"}, "UTC", "2026-11-20T00:00:00.123456+00:00"),
        ({"eventtime": "1795133100123.4"}, "UTC", "2026-11-20T00:00:00.123000+00:00"),
        ({"eventtime": "1795133100123456"}, "UTC", "2026-11-20T00:00:00.123456+00:00"),
        ({"eventtime": "1795133100123456789"}, "UTC", "2026-11-20T00:00:00.123456+00:00"),
        ({"eventtime": None, "tz": '"-0530"'}, "UTC", "2026-11-20T05:30:00+00:00"),
        ({"eventtime": None, "tz": '"UTC+2"'}, "UTC", "2026-11-19T22:00:00+00:00"),
        ({"eventtime": None, "tz": None}, "UTC", "2026-11-20T00:00:00+00:00"),
        ({"eventtime": None, "tz": None}, "Europe/Berlin", "2026-11-19T23:00:00+00:00"),
        ({"eventtime": None}, "Europe/Berlin", "2026-11-20T00:00:00+00:00"),
        ({"duration": None}, "UTC", "2026-11-20T00:05:00+00:00"),
    ],
)
def test_a_session_starts_its_duration_before_it_is_logged(
    changes: dict[str, str | None], zone: str, expected: str
) -> None:
    (row,) = rows(forti(**changes), zone=zone)
    assert row["start_time"].isoformat() == expected


def test_ends_after_translation_are_kept_beside_those_of_the_packet() -> None:
    (source, both, none) = rows(
        forti(trandisp='"snat"', transip="198.51.100.7", transport="40001"),
        forti(transip="198.51.100.7", tranip="10.9.0.25", tranport="993"),
        forti(transip="::", transport="0"),
    )
    assert (source["src_translated_ip"], source["dest_translated_ip"]) == ("198.51.100.7", None)
    assert (both["src_translated_ip"], both["dest_translated_ip"]) == ("198.51.100.7", "10.9.0.25")
    assert (none["src_translated_ip"], none["dest_translated_ip"]) == (None, None)


def test_ipv6_ends_are_canonical() -> None:
    (row,) = rows(forti(srcip="2001:db8::0001:0002", dstip='"2001:DB8::25"'))
    assert (row["src_ip"], row["dest_ip"]) == ("2001:db8::1:2", "2001:db8::25")


def test_starts_denials_and_other_logs_are_counted_by_name_and_are_no_flows() -> None:
    parsed = read(
        "fortinet",
        forti(action='"deny"', sentbyte="0", rcvdbyte="0"),
        forti(action="blocked"),
        forti(action='"start"'),
        forti(logid='"0000000015"', action='"accept"'),
        forti(sentbyte=None, rcvdbyte=None),
        forti(type='"utm"', subtype='"webfilter"'),
        forti(type='"event"'),
        "<189>Nov 20 00:05:00 host sshd[1]: another program",
        forti(),
    )
    assert (parsed.account.flows, parsed.account.ignored) == (1, 8)
    assert dict(parsed.account.warnings) == {"blocked": 2, "begin": 2, "no_counters": 1}


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ("rubbish", "bad_line"),
        (forti() + ' msg="cut', "bad_line"),
        (forti(type=None), "bad_line"),
        (forti() + " rcvdbyte=999", "bad_line"),
        ("rcvdbyte=999 " + forti(), "bad_line"),
        (forti(srcip="fw.example.com"), "bad_address"),
        (forti(srcip=None), "bad_address"),
        (forti(dstport="70000"), "bad_port"),
        (forti(rcvdbyte="many"), "bad_number"),
        (forti(rcvdbyte="-1"), "negative_bytes"),
        (forti(rcvdbyte=str(10**17)), "implausible_bytes"),
        (forti(duration="long"), "bad_number"),
        (forti(eventtime=None, date="2026-13-01"), "untimed"),
        (forti(eventtime=None, date="1970-01-01"), "implausible_time"),
    ],
)
def test_a_line_that_cannot_be_right_is_set_aside_with_its_reason(line: str, reason: str) -> None:
    parsed = read("fortinet", forti(), line)
    assert (parsed.account.flows, dict(parsed.account.quarantined)) == (1, {reason: 1})
    assert parsed.rejects["source_line"].to_list() == [2]


def test_the_documented_case_is_one_session_with_one_start() -> None:
    found = rows(*(GOLDEN / "fortigate-interim-and-close.log").read_text().splitlines())
    assert [r["other_bytes_in"] for r in found] == [50_000, 90_000, 95_000]
    assert [r["accounting"] for r in found] == ["cumulative", "cumulative", "final"]
    assert {(r["uid"], r["dvc"], r["start_time"].isoformat()) for r in found} == {
        ("777", "fw1", "2026-11-20T00:00:00+00:00")
    }


@needs_samples
@pytest.mark.parametrize(
    ("name", "flows", "interim", "sums", "warnings"),
    [
        ("fortios-syslog-traffic.log", 9, 1_330_080, (1_335_921, 7_844_052), {"blocked": 2, "no_counters": 2}),
        ("fortios-syslog-nontraffic.log", 0, 0, (0, 0), {}),
        ("sc4s-traffic-sniffer.log", 2, 0, (80, 0), {}),
    ],
)
def test_real_records_have_their_known_bytes(
    name: str, flows: int, interim: int, sums: tuple[int, int], warnings: dict[str, int]
) -> None:
    parsed = read("fortinet", *(SAMPLES / "fortinet" / name).read_bytes().splitlines())
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (flows, warnings)
    assert (parsed.rows["other_bytes_in"].sum(), parsed.rows["other_bytes_out"].sum()) == sums
    assert sum(r["other_bytes_in"] for r in parsed.rows.to_dicts() if r["accounting"] == "cumulative") == interim


JUNK = st.one_of(st.binary(max_size=20), st.text('",= \\rcvdbyte1\t\x00é', max_size=20).map(str.encode))
VALUES = st.one_of(st.none(), st.text(max_size=8), st.sampled_from(['"', "1e9", "9" * 30, '"a b"', "-1", ""]))


@settings(max_examples=examples(20))
@given(
    changes=st.lists(st.dictionaries(st.sampled_from(sorted(RECORD)), VALUES, max_size=3), max_size=4),
    cuts=st.lists(st.integers(0, 500), max_size=3),
    junk=st.lists(JUNK, max_size=3),
    at=st.integers(0, 400),
)
def test_no_bytes_break_the_reader_and_every_line_is_accounted_for(
    changes: list[dict[str, str | None]], cuts: list[int], junk: list[bytes], at: int
) -> None:
    good = forti().encode()
    lines = [forti(**c).encode(errors="replace") for c in changes] + [good[:n] for n in cuts]
    lines += [good[:at] + j + good[at:] for j in junk] + junk
    lines = [line.replace(b"\n", b" ") for line in lines]
    assert read("fortinet", *lines, good).account.lines == len(lines) + 1


OLD = (
    "date=2026-11-20 time=00:05:00 devname=fw1 device_id=FG1 log_id=0021000002 type=traffic subtype=allowed pri=notice "
    f"vd=root status=accept src={CLIENT} src_port=40001 dst={SERVER} dst_port=993 tran_ip=0.0.0.0 tran_sip=203.0.113.9 "
    "service=IMAPS proto=6 duration=300 sent=600 rcvd=5900 sent_pkt=9 rcvd_pkt=10 SN=777 user=N/A"
)


@pytest.mark.parametrize(("kind", "lost"), [('"utm"', 0), ("event", 0), ('"traffic"', 1), (None, 1)])
def test_a_line_that_was_cut_in_a_quote_is_set_aside_unless_it_is_of_another_kind(kind: str | None, lost: int) -> None:
    parsed = read("fortinet", forti(type=kind) + ' url="/mail?type=event')
    assert (parsed.account.ignored, parsed.account.quarantined.total()) == (1 - lost, lost)


def test_requests_repeat_the_bytes_of_their_session_and_are_no_flows() -> None:
    request = forti(subtype='"http-transaction"', url='"https://example.com/"', reqlength="474", resplength="0")
    kind, ends = "traffic:http-transaction", "src=10.1.0.11 dst=192.0.2.25 spt=1 dpt=443"
    cef = f"CEF:0|Fortinet|Fortigate|v7.4|00026|{kind} accept|3|cat={kind} {ends} in=5900 out=600"
    other = forti(hostname='"http-transaction.example.com"')
    account = read("fortinet", request, other, cef).account
    assert (account.flows, account.ignored, dict(account.warnings)) == (1, 2, {"requests": 2})
    record = {"type": "traffic", "subtype": "http-transaction", "eventtime": 1795133100, "devid": "FG1",
              "srcip": CLIENT, "dstip": SERVER, "sentbyte": 1, "rcvdbyte": 2}  # fmt: skip
    assert dict(read("fortinet_json", json.dumps(record)).account.warnings) == {"requests": 1}


def test_keys_of_fortios_4_mean_what_those_of_today_do() -> None:
    assert detect(f"<189>{OLD}\n".encode(), "auto", "x") == "fortinet"
    (row,) = rows(OLD)
    ends = ("src_ip", "src_port", "dest_ip", "dest_port", "transport", "app", "dvc", "uid", "src_translated_ip")
    assert [row[c] for c in ends] == [CLIENT, 40_001, SERVER, 993, "tcp", "imaps", "fw1", "777", "203.0.113.9"]
    assert [row[c] for c in ("other_bytes_in", "other_bytes_out", "packets_in")] == [5_900, 600, 10]
    assert row["start_time"].isoformat() == "2026-11-20T00:00:00+00:00"


def test_a_status_of_fortios_4_or_5_0_tells_what_is_no_session() -> None:
    denied = OLD.replace("status=accept", "status=deny")
    begun = forti(action=None, status="start", logid='"0000000013"', eventtime=None)
    twice = f"{OLD} rcvd=7"
    parsed = read("fortinet", denied, begun, twice, forti(action=None, status="close", eventtime=None))
    assert parsed.rows.height == 1
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 1}
    assert dict(parsed.account.quarantined) == {"bad_line": 1}
