"""Files that go on in another envelope or encoding than they began with: nothing is lost, nothing counts twice."""

import base64
import json
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources import detect, reader_of
from pipeline.sources.base import Block, Parsed, merge
from pipeline.sources.changing import WARNING
from pipeline.sources.registry import READERS, format_of
from tests.examples import examples, pairs
from tests.pipeline.landings import D1, FLAT, World, flow
from tests.pipeline.landings import settings as of_source
from tests.pipeline.sources.lines import options
from tests.pipeline.sources.test_odd_values import RECORDS

T0 = 1_795_132_800
"""2026-11-20."""


def zeek(i: int) -> str:
    ends = {"id.orig_h": "10.1.0.11", "id.orig_p": 40_000 + i, "id.resp_h": "10.9.0.25", "id.resp_p": 993}
    counts = {"orig_ip_bytes": 600 + i, "resp_ip_bytes": 5_900 + i}
    return json.dumps({"ts": T0 + i + 0.5, "uid": f"C{i}", **ends, "proto": "tcp", "conn_state": "SF", **counts})


def zeek_text(i: int) -> str:
    return f"{T0 + i}.500000\tC{i}\t10.1.0.11\t{40_000 + i}\t10.9.0.25\t993\ttcp\t{600 + i}\t{5_900 + i}"


FIELDS = "#fields\tts\tuid\tid.orig_h\tid.orig_p\tid.resp_h\tid.resp_p\tproto\torig_ip_bytes\tresp_ip_bytes"


def suricata(i: int) -> str:
    ends = {"src_ip": "10.1.0.11", "src_port": 40_000 + i, "dest_ip": "10.9.0.25", "dest_port": 993, "proto": "TCP"}
    start = f"2026-11-20T00:00:{i:02}.500000+0000"
    counts = {"bytes_toserver": 600 + i, "bytes_toclient": 5_900 + i, "start": start, "end": start}
    return json.dumps({"timestamp": start, "flow_id": 1_000 + i, "event_type": "flow", **ends, "flow": counts})


def fortigate(i: int) -> str:
    return (
        f'date=2026-11-20 time=00:00:{i:02} devname="fw" eventtime={T0 + i}500000000 tz="+0000" logid="0000000013" '
        f'type="traffic" subtype="forward" srcip=10.1.0.11 srcport={40_000 + i} dstip=10.9.0.25 dstport=993 '
        f'sessionid={1_000 + i} proto=6 action="close" duration=0 sentbyte={600 + i} rcvdbyte={5_900 + i}'
    )


def juniper(i: int) -> str:
    pairs = {"source-address": "10.1.0.11", "source-port": 40_000 + i, "destination-address": "10.9.0.25"}
    pairs |= {"destination-port": 993, "protocol-id": 6, "session-id-32": 7_000 + i, "elapsed-time": 0}
    pairs |= {"bytes-from-client": 600 + i, "bytes-from-server": 5_900 + i}
    text = " ".join(f'{key}="{value}"' for key, value in pairs.items())
    return f"<14>1 2026-11-20T00:00:{i:02}.500Z fw RT_FLOW - RT_FLOW_SESSION_CLOSE [junos@2636.1.1.1.2.1 {text}]"


def vpc(i: int) -> str:
    return f"2 123456789010 eni-1 10.9.0.25 10.1.0.11 993 {40_000 + i} 6 6 {5_900 + i} {T0 + i} {T0 + i} ACCEPT OK"


AT = "2026-11-20T00:00:00Z"
WAYS: dict[str, Callable[[str], str]] = {
    "filebeat": lambda line: json.dumps({"@timestamp": AT, "host": {"name": "s1"}, "message": line}),
    "fluent": lambda line: json.dumps({"log": line, "stream": "stdout", "time": AT}),
    "splunk": lambda line: json.dumps({"preview": False, "result": {"_raw": line, "host": "s1"}}),
    "collector": lambda line: json.dumps({"time": T0, "host": "s1", "sourcetype": "x", "event": line}),
    "wazuh": lambda line: json.dumps({"timestamp": AT, "agent": {"name": "a"}, "full_log": line, "location": "/x"}),
}
OBJECTS: dict[str, Callable[[str], str]] = {
    "collected": lambda line: json.dumps({"time": T0, "host": "s1", "sourcetype": "x", "event": json.loads(line)}),
    "elastic": lambda line: json.dumps({"_index": "x", "_source": json.loads(line)}),
    "decoded": lambda line: json.dumps({"timestamp": AT, "agent": {"name": "a"}, "data": json.loads(line)}),
    "syslog": lambda line: f"<134>Nov 20 00:00:01 s1 sensor: {line}",
}
TEXTS: dict[str, Callable[[int], str]] = {"fortinet": fortigate, "juniper": juniper, "vpc": vpc}
JSON: dict[str, Callable[[int], str]] = {"zeek": zeek, "suricata": suricata}
CASES = {
    f"{name}-{way}": (name, record, wrap)
    for formats, ways in ((TEXTS | JSON, WAYS), (JSON, OBJECTS))
    for name, record in formats.items()
    for way, wrap in ways.items()
}


def blocks(lines: list[str], cuts: list[int]) -> Iterator[Block]:
    at = [0, *sorted(cuts), len(lines)]
    for first, end in pairwise(at):
        if first < end:
            yield Block("".join(f"{line}\n" for line in lines[first:end]).encode(), first + 1, end - first)


def read(lines: list[str], wanted: str = "auto", cuts: tuple[int, ...] = ()) -> Parsed:
    """Every block by a new reader that takes up the state of the last one."""
    head = "".join(f"{line}\n" for line in lines).encode()
    encoding, state, parts = detect(head, wanted, "x.log"), None, list[Parsed]()
    assert encoding is not None
    for block in blocks(lines, list(cuts)):
        reader = reader_of(encoding)(options())
        if state is not None:
            reader.resume(json.loads(json.dumps(state)))
        parts.append(reader.read(block))
        state = reader.state()
    whole = merge(parts)
    assert whole.account.balanced
    return whole


def counted(parsed: Parsed) -> list[tuple[Any, ...]]:
    received = pl.coalesce("ip_bytes_in", "payload_bytes_in", "other_bytes_in")
    # Of what tells one direction only, either counter is that of the server.
    sent = pl.coalesce("ip_bytes_out", "other_bytes_out")
    chosen = parsed.rows.select("source_line", received.alias("in"), sent.alias("out"), "src_port", "dest_port")
    return chosen.rows()


@pytest.mark.parametrize(("case", "wrapped_first"), pairs(CASES, [False, True]))
def test_a_log_goes_on_in_another_envelope(case: str, wrapped_first: bool) -> None:
    name, record, wrap = CASES[case]
    plain = [record(i) for i in range(10)]
    lines = [wrap(line) if (i < 5) == wrapped_first else line for i, line in enumerate(plain)]
    found = read(lines, name)
    assert counted(found) == counted(read(plain, name))
    assert not found.account.quarantined and not found.account.ignored
    assert read(lines, name, (2, 5, 6)).account.as_dict() == found.account.as_dict()


@pytest.mark.parametrize("share", [6, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("name", RECORDS)
def test_every_format_of_json_goes_on_in_any_envelope(name: str, share: int) -> None:
    plain, wanted = json.dumps(RECORDS[name][0]), format_of(name)
    expected = [row[1:] for row in counted(read([plain] * 4, wanted))]
    # Of six formats each has a sixth of the envelopes; the slow test tries all with each.
    mine = list(enumerate((WAYS | OBJECTS).items()))[list(RECORDS).index(name) % share :: share]
    for at, (way, wrap) in mine:
        lines = [wrap(plain)] * 2 + [plain] * 2 if at % 2 else [plain] * 2 + [wrap(plain)] * 2
        found = read(lines, wanted, (3,))
        assert [row[1:] for row in counted(found)] == expected, way
        assert not found.account.quarantined and not found.account.ignored, way


def test_messages_of_queues_among_lines_are_not_lost_without_a_word() -> None:
    data = base64.b64encode(zeek(1).encode()).decode()
    found = read([zeek(0), json.dumps({"recordId": "1", "data": data})])
    assert (found.account.flows, found.account.ignored, found.account.warnings) == (1, 1, {"encoded": 1})


def test_objects_of_several_shippers_behind_lines_of_text_are_told_apart() -> None:
    sentinel = [OBJECTS["syslog"](json.dumps(RECORDS["fortinet_json"][0])), json.dumps(RECORDS["fortinet_json"][0])]
    found = read([fortigate(0), *sentinel, WAYS["fluent"](fortigate(1))], "fortinet")
    assert [row[0] for row in counted(found)] == [1, 2, 3, 4]


@settings(max_examples=examples(10), deadline=None)
@given(st.lists(st.sampled_from(["plain", *WAYS, "decoded", "elastic", "syslog"]), min_size=3, max_size=12), st.data())
def test_lines_of_several_shippers_in_any_order_are_those_of_the_sensor(ways: list[str], data: st.DataObject) -> None:
    wraps = {"plain": lambda line: line, **WAYS, **OBJECTS}
    plain = [suricata(i) for i in range(len(ways))]
    # Two at most beside the plain ones: of more, what is not found in a block is counted, not read.
    chosen = sorted(set(ways) - {"plain"})[:2]
    lines = [wraps[way if way in chosen else "plain"](line) for way, line in zip(ways, plain, strict=True)]
    found = read([suricata(99), *lines], "suricata", tuple(data.draw(st.sets(st.integers(1, len(lines)), max_size=3))))
    assert counted(found) == counted(read([suricata(99), *plain], "suricata"))


def test_another_encoding_of_the_format_is_read_on_with_its_header() -> None:
    lines = [zeek(0), zeek(1), FIELDS, zeek_text(2), zeek_text(3)]
    for cuts in ((), (2,), (3,)):
        found = read(lines, cuts=cuts)
        assert [row[1] for row in counted(found)] == [5_900, 5_901, 5_902, 5_903]
        assert found.account.comments == 1
        assert found.account.warnings[WARNING] == 2


def test_text_in_an_envelope_has_the_header_above_it() -> None:
    lines = [FIELDS, zeek_text(0), WAYS["filebeat"](zeek_text(1)), zeek_text(2)]
    assert [row[:2] for row in counted(read(lines))] == [(2, 5_900), (3, 5_901), (4, 5_902)]


def test_a_plain_log_after_objects_of_text_has_the_header_within_them() -> None:
    lines = [WAYS["filebeat"](line) for line in (FIELDS, zeek_text(0))]
    assert [row[:2] for row in counted(read([*lines, zeek_text(1)]))] == [(2, 5_900), (3, 5_901)]


def test_objects_behind_another_log_of_the_sensor_are_read() -> None:
    lines = [FIELDS, zeek_text(0), "#path\tdns", "#fields\tts\tquery", f"{T0}.5\texample.com", zeek(1), zeek(2)]
    found = read(lines)
    assert [row[:2] for row in counted(found)] == [(2, 5_900), (6, 5_901), (7, 5_902)]
    assert (found.account.ignored, found.account.comments) == (1, 3)


def test_records_of_other_logs_and_garbage_are_what_they_were() -> None:
    dns = json.dumps({"timestamp": AT, "event_type": "dns", "src_ip": "10.1.0.11", "dest_ip": "10.9.0.53"})
    noise = [json.dumps({"message": "nothing of a flow", "host": "s1"}), "garbage", '{"a": ', "{}"]
    account = read([suricata(0), dns, *noise], "suricata").account
    assert (account.flows, account.ignored, dict(account.quarantined)) == (1, 3, {"bad_json": 2})
    account = read([fortigate(0), *noise], "fortinet").account
    before = READERS["fortinet"](options()).read(Block("\n".join([fortigate(0), *noise, ""]).encode(), 1, 5)).account
    assert account.as_dict() == before.as_dict()


def test_a_last_line_without_its_end_is_read_in_its_envelope() -> None:
    reader = reader_of("suricata")(options())
    reader.read(Block(suricata(0).encode() + b"\n", 1, 1))
    found = reader.read(Block(WAYS["filebeat"](suricata(1)).encode(), 2, 1, unterminated=True))
    assert counted(found) == counted(read([suricata(9), suricata(1)], "suricata"))[1:]


def test_records_of_another_format_within_an_envelope_are_named() -> None:
    assert read([suricata(0), WAYS["filebeat"](zeek(1))], "suricata").account.warnings == {"lines_of_zeek": 1}


def test_a_log_that_grows_in_another_envelope_counts_each_record_once(tmp_path: Path) -> None:
    world, plain = (
        World(tmp_path, of_source(FLAT)),
        [json.dumps(flow(f"C{i}", 200 + i) | {"id.orig_p": str(4_000 + i)}) for i in range(4)],
    )
    plain = [line.replace('"ts"', '"_path": "conn", "ts"') for line in plain]
    path = world.put("conn.log", f"{plain[0]}\n{plain[1]}\n".encode())
    world.land(D1)
    for more in (WAYS["filebeat"](plain[2]), WAYS["filebeat"](plain[3])):
        path.write_bytes(path.read_bytes() + more.encode() + b"\n")
        world.land(D1)
    assert world.received() == [200, 201, 202, 203]
    assert [part.account.flows for part in world.entry("conn.log").parts] == [2, 1, 1]


OWN = {
    "suricata": [suricata(0), json.dumps({"event_type": "stats", "stats": {"uptime": 1}})],
    "goflow2": [json.dumps(RECORDS["goflow2"][0])],
    "asa": ["Nov 20 2026 00:00:00 fw : %ASA-6-302014: Teardown TCP connection 1 for outside:10.1.0.11/50001 to "
            "inside:10.9.0.25/993 duration 0:00:10 bytes 6500 TCP FINs"],
}  # fmt: skip


@pytest.mark.parametrize("mine", OWN)
def test_no_format_s_records_are_ignored_among_others_without_a_word(mine: str) -> None:
    for name, (record, _) in RECORDS.items():
        if (other := format_of(name)) == format_of(mine):
            continue
        found = read([*OWN[mine], json.dumps(record), json.dumps(record)], format_of(mine)).account
        told = found.warnings[f"lines_of_{other}"] + sum(found.quarantined.values())
        assert (found.flows, told) == (1, 2), (name, found)


def test_records_of_the_same_sensor_that_are_no_flows_are_no_lines_of_others() -> None:
    others = [
        json.dumps({"event_type": kind, "src_ip": "10.1.0.11", "dest_ip": "10.9.0.25"}) for kind in ("dns", "tls")
    ]
    assert not read([suricata(0), *others, json.dumps({"timestamp": AT, "message": "rotated"})]).account.warnings
