"""Azure's flow logs: which tuples are byte samples, which way they go, and what becomes of every tuple."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.base import Block, Parsed
from pipeline.sources.formats import azure
from pipeline.sources.registry import READERS, detect
from tests.examples import examples
from tests.pipeline.sources.forms_read import read, read_bytes, read_document, read_file, rows
from tests.pipeline.sources.lines import options
from tests.real_files import GOLDEN, SAMPLES, needs_samples

FLOW = "10.1.0.11,10.9.0.25,40001,993"
BEGIN = f"1795132800,{FLOW},T,O,A,B,,,,"
GOES_ON = f"1795133100,{FLOW},T,O,A,C,10,600,12,5900"
END = f"1795133160,{FLOW},T,O,A,E,2,100,1,60"
DENIED = "1795132805,203.0.113.9,10.9.0.25,55555,993,T,I,D,B,,,,"
OLD = f"1795132800,{FLOW},T,I,A"
VIRTUAL = f"1795133160123,{FLOW},6,I,E,NX,2,100,1,60"


def nsg(*tuples: Any, mac: Any = "000D3A000001") -> dict[str, Any]:
    flows = [{"rule": "imap", "flows": [{"mac": mac, "flowTuples": list(tuples)}]}]
    return {
        "time": "2026-11-20T00:05:00Z",
        "resourceId": "/SUBSCRIPTIONS/X/NETWORKSECURITYGROUPS/MAIL-NSG",
        "category": "NetworkSecurityGroupFlowEvent",
        "properties": {"Version": 2, "flows": flows},
    }


def vnet(*tuples: Any) -> dict[str, Any]:
    groups = [{"rule": "imap", "flowTuples": list(tuples)}]
    return {
        "time": "2026-11-20T00:05:00Z",
        "macAddress": "000D3A000001",
        "targetResourceID": "/subscriptions/x/virtualNetworks/vnet1",
        "flowRecords": {"flows": [{"aclID": "a", "flowGroups": groups}]},
    }


def document(*records: Any) -> bytes:
    return json.dumps({"records": records}).encode()


def sums(parsed: Parsed) -> tuple[int, int]:
    return parsed.rows["other_bytes_in"].sum(), parsed.rows["other_bytes_out"].sum()


MICROSOFT = (
    "startTime sourceAddress destinationAddress sourcePort destinationPort transportProtocol deviceDirection "
    "deviceAction flowState packetsStoD bytesStoD packetsDtoS bytesDtoS"
)
SPLUNK = MICROSOFT.replace("startTime", "time").replace("transportProtocol", "protocol")
BLOBS = (
    "unixtimestamp src_ip dst_ip src_port dst_port protocol direction decision flowstate src_pack src_bytes dst_pack "
    "dst_bytes"
)
PAGE = (
    "unixtimestamp srcIp destIp srcPort destPort protocol trafficflow traffic flowstate packetsSourceToDest "
    "bytesSentSourceToDest packetsDestToSource bytesSentDestToSource"
)


def named(names: str, line: str) -> dict[str, Any]:
    """What a collector makes of a tuple: parts that are numbers as such, those without a value left out."""
    parts = zip(names.split(), line.split(","), strict=True)
    return {name: int(part) if part.isdigit() else part for name, part in parts if part}


@pytest.mark.parametrize("names", [MICROSOFT, SPLUNK, BLOBS, PAGE])
def test_a_tuple_that_a_collector_made_a_record_of_is_that_tuple(names: str) -> None:
    lines = [BEGIN, GOES_ON, END, DENIED]
    records = [named(names, line) for line in lines]
    assert detect(json.dumps(records[0]).encode(), "auto", "x") == "azure_json"
    parsed, plain = read("azure_json", *records), read("azure_json", *lines)
    told = [c for c in plain.rows.columns if c not in ("dvc", "record_id")]
    assert parsed.rows.select(told).equals(plain.rows.select(told))
    assert parsed.account.warnings == plain.account.warnings == {"begin": 1, "blocked": 1}


def test_a_collector_s_records_of_virtual_networks_may_lack_the_encryption() -> None:
    whole = named(MICROSOFT, VIRTUAL)
    lacking = whole | {"flowState": whole["deviceAction"]}
    del lacking["deviceAction"]
    alone = {"time": 1795133160123, "flowTuple": VIRTUAL, "mac": "000D3A000001"}
    numbered = {"macAddress": "000D3A000001", "rule": "r", "flow.0": VIRTUAL, "flow.1": VIRTUAL}
    assert detect(json.dumps(numbered).encode(), "auto", "x") == "azure_json"
    parsed = read("azure_json", whole, lacking, alone, numbered)
    assert rows(parsed, "other_bytes_in", "other_bytes_out", "transport") == [(60, 100, "tcp")] * 5


def test_counters_that_logstash_found_no_part_for_are_none() -> None:
    record = named(PAGE, BEGIN) | {"bytesSentSourceToDest": "%{[records][properties][flows][flows][flowTuples][10]}"}
    assert dict(read("azure_json", record).account.warnings) == {"begin": 1}


def test_tuples_of_an_ending_flow_are_deltas_and_beginnings_count_nothing() -> None:
    parsed = read_bytes("azure_json", (GOLDEN / "azure-nsg-b-c-e.json").read_bytes())
    found = rows(parsed, "source_line", "other_bytes_in", "other_bytes_out", "accounting", "orientation", "duration")
    assert found == [(2, 5_900, 600, "delta", "native", None), (3, 60, 100, "delta", "native", None)]
    assert (parsed.account.lines, parsed.account.ignored) == (4, 2)
    assert dict(parsed.account.warnings) == {"begin": 1, "blocked": 1}
    assert parsed.rows["other_layer"].unique().to_list() == ["unknown"]


def test_a_tuple_says_who_made_it_and_when() -> None:
    parsed = read("azure_json", nsg(GOES_ON), vnet(VIRTUAL))
    assert rows(parsed, "reporter", "dvc", "transport") == [("src", "MAIL-NSG", "tcp"), ("dest", "vnet1", "tcp")]
    starts = [t.isoformat() for t in parsed.rows["start_time"]]
    assert starts == ["2026-11-20T00:05:00+00:00", "2026-11-20T00:06:00.123000+00:00"]
    assert parsed.rows["log_time"].null_count() == 0


def test_a_tuple_told_again_has_the_same_record_id_and_that_of_another_interface_has_not() -> None:
    again = nsg(GOES_ON) | {"resourceId": "/SUBSCRIPTIONS/X/NETWORKSECURITYGROUPS/SUBNET-NSG"}
    parsed = read("azure_json", nsg(GOES_ON), again, nsg(GOES_ON, mac="000D3A000002"))
    first, second, other = parsed.rows.sort("source_line")["record_id"]
    assert first == second != other


def test_version_1_has_no_counters_and_is_no_byte_sample() -> None:
    parsed = read("azure_json", nsg(OLD, f"{OLD[:-1]}D"))
    assert parsed.account.flows == 0
    assert dict(parsed.account.warnings) == {"no_counters": 1, "blocked": 1}


@pytest.mark.parametrize("tuple_", [f"1795133100,{FLOW},T,I,A,C,,,,", f"1795133100,{FLOW},T,I,A,E,1,,1,"])
def test_a_tuple_without_bytes_is_no_byte_sample(tuple_: str) -> None:
    parsed = read("azure_json", nsg(tuple_))
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (0, {"no_counters": 1})


@pytest.mark.parametrize(
    ("tuple_", "reason"),
    [
        ("1795133100,10.1.0.11", "too_few_fields"),
        (f"{GOES_ON},1", "too_many_fields"),
        (GOES_ON.replace(",O,", ",X,"), "bad_line"),
        (GOES_ON.replace(",C,", ",Q,"), "bad_line"),
        (GOES_ON.replace("10.9.0.25", "mail"), "bad_address"),
        (GOES_ON.replace("5900", "many"), "bad_number"),
        (GOES_ON.replace("5900", "-1"), "negative_bytes"),
        (GOES_ON.replace("1795133100", "17"), "implausible_time"),
        ("", "too_few_fields"),
    ],
)
def test_a_tuple_that_cannot_be_right_is_set_aside_alone(tuple_: str, reason: str) -> None:
    parsed = read("azure_json", nsg(GOES_ON, tuple_, END))
    assert (parsed.account.flows, dict(parsed.account.quarantined)) == (2, {reason: 1})
    assert parsed.rejects["source_line"].to_list() == [2]


def test_a_flow_s_record_that_tells_its_tuple_by_unknown_names_is_set_aside() -> None:
    told = {"category": "FlowLogFlowEvent", "time": "2026-11-20T08:00:00Z", "from": "10.1.0.11", "bytes": 5}
    parsed = read_bytes("azure_json", json.dumps(told).encode() + b"\n")
    assert dict(parsed.account.quarantined) == {"missing_fields": 1}


def test_records_of_another_log_are_ignored_and_malformed_ones_set_aside() -> None:
    other = {"category": "Audit", "properties": {"x": 1}}
    bad = [nsg() | {"properties": {"flows": [{"flows": 1}]}}, nsg(5), vnet() | {"flowRecords": []}, 7, [None]]
    parsed = read_document("azure_json", document(other, *bad, nsg(GOES_ON)))
    assert (parsed.account.flows, parsed.account.ignored) == (1, 1)
    assert dict(parsed.account.quarantined) == {"bad_json": 5}
    assert parsed.rows["source_line"].to_list() == [7]


@pytest.mark.parametrize("indent", [None, 1])
def test_a_document_cut_short_gives_what_is_whole(indent: int | None) -> None:
    data = json.dumps({"records": [nsg(GOES_ON), nsg(END)]}, indent=indent).encode()
    parsed = read_document("azure_json", data[: data.rfind(b'"flowTuples"')])
    assert sums(parsed) == (5_900, 600)
    assert dict(parsed.account.quarantined) == {"incomplete_last_line": 1}
    whole = read_document("azure_json", data[: data.rfind(b"}") - (indent or 0) - 1])
    assert (sums(whole), whole.account.quarantined.total()) == ((5_960, 700), 0)


def test_a_broken_record_does_not_take_the_others_with_it() -> None:
    data = document(nsg(GOES_ON), nsg(GOES_ON), nsg(END)).replace(b'"Version": 2', b'"Version": 2 2', 1)
    parsed = read_document("azure_json", data)
    assert (sums(parsed), dict(parsed.account.quarantined)) == ((5_960, 700), {"bad_json": 1})


def test_a_document_of_faults_costs_no_more_than_reading_it() -> None:
    data = b'{"records":[' + b'{"time":' * 200_000
    parsed = read_document("azure_json", data)
    assert parsed.account.lines <= azure.MAX_FAULTS + 1


def test_every_shape_of_a_file_gives_the_same_flows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(azure, "BATCH_TUPLES", 2)
    tuples = [BEGIN, GOES_ON, END, DENIED, VIRTUAL]
    whole = document(nsg(*tuples[:2]), nsg(), nsg(*tuples[2:]))
    shapes = {
        "document": read_document("azure_json", whole),
        "one line": read_bytes("azure_json", whole + b"\n"),
        "array": read_document("azure_json", json.dumps([nsg(*tuples)], indent=2).encode()),
        "a record a line": read("azure_json", nsg(*tuples[:1]), nsg(*tuples[1:])),
        "tuples": read("azure_tuples", *tuples),
    }
    for name, parsed in shapes.items():
        found = rows(parsed, "source_line", "src_ip", "dest_port", "other_bytes_in", "other_bytes_out", "packets_in")
        assert found == [
            (2, "10.1.0.11", 993, 5_900, 600, 12),
            (3, "10.1.0.11", 993, 60, 100, 1),
            (5, "10.1.0.11", 993, 60, 100, 1),
        ], name
        assert (parsed.account.lines, parsed.account.ignored, parsed.account.comments) == (5, 2, 0), name


def test_a_grown_file_goes_on_numbering() -> None:
    reader = READERS["azure_json"](options())
    block = f"{json.dumps(nsg(BEGIN, GOES_ON))}\n".encode()
    reader.read(Block(block, 1, 1))
    later = READERS["azure_json"](options())
    later.resume(json.loads(json.dumps(reader.state())))
    assert later.read(Block(block, 2, 1)).rows["source_line"].to_list() == [4]


def test_an_empty_document_is_a_comment() -> None:
    account = read_document("azure_json", b'{"records": []}').account
    assert (account.lines, account.comments) == (1, 1)


@pytest.mark.parametrize(
    ("data", "name"),
    [
        (document(nsg(BEGIN)), "azure_json"),
        (json.dumps({"records": [vnet(VIRTUAL)]}, indent=4).encode(), "azure_json"),
        (json.dumps(nsg(BEGIN)).encode(), "azure_json"),
        (BEGIN.encode(), "azure_tuples"),
        (VIRTUAL.encode(), "azure_tuples"),
        (OLD.encode(), "azure_tuples"),
    ],
)
def test_the_log_is_known_by_its_content(data: bytes, name: str) -> None:
    assert detect(data, "auto", "x") == name
    assert detect(data, "azure", "x") == name


@needs_samples
@pytest.mark.parametrize(
    ("name", "flows", "bytes_in", "bytes_out", "others"),
    [
        ("azure_nsg/msdocs-nsg-v1.json", 0, 0, 0, {"no_counters": 4, "blocked": 1}),
        ("azure_nsg/msdocs-nsg-v2.json", 3, 21_128, 25_533, {"begin": 1, "blocked": 7}),
        ("azure_nsg/msdocs-nsg-v2-tuples.txt", 2, 4_637_952, 618_048, {"begin": 1}),
        ("azure_vnet/msdocs-vnet-v4.json", 5, 43_292, 4_528, {"begin": 5, "blocked": 9}),
    ],
)
def test_the_vendors_samples_give_their_known_totals(
    name: str, flows: int, bytes_in: int, bytes_out: int, others: dict[str, int]
) -> None:
    parsed = read_file(SAMPLES / name)
    assert (parsed.account.flows, *sums(parsed)) == (flows, bytes_in, bytes_out)
    assert dict(parsed.account.warnings) == others


COUNT = st.one_of(st.just(""), st.integers(0, 10**9).map(str))


@st.composite
def tuples(draw: st.DrawFn) -> str:
    """A well-formed tuple of either log."""
    ends = f"10.1.0.{draw(st.integers(1, 9))},192.0.2.25,{draw(st.integers(1, 65_535))},993"
    way, counts = draw(st.sampled_from("IO")), ",".join(draw(COUNT) for _ in range(4))
    if draw(st.booleans()):
        state = f"{draw(st.sampled_from('BCED'))},{draw(st.sampled_from(['NX', 'X', 'NX_HW_NOT_SUPPORTED']))}"
        return f"1795133100000,{ends},6,{way},{state},{counts}"
    protocol, decision, state = (draw(st.sampled_from(codes)) for codes in ("TU", "AD", "BCE"))
    return f"1795133100,{ends},{protocol},{way},{decision},{state},{counts}"


def naive(tuple_: str) -> tuple[int, int] | None:
    """Bytes in and out of a tuple that counts, straight from the description of its columns."""
    cells = tuple_.split(",")
    decision, state = ("A", cells[7]) if "X" in cells[8] else (cells[7], cells[8])
    if decision == "D" or state in "BD" or (cells[10] == "" and cells[12] == ""):
        return None
    return int(cells[12] or 0), int(cells[10] or 0)


@settings(max_examples=examples(10))
@given(st.lists(st.lists(tuples(), max_size=5), min_size=1, max_size=5), st.sampled_from([None, 2]))
def test_any_document_adds_up_as_its_tuples_do(groups: list[list[str]], indent: int | None) -> None:
    data = json.dumps({"records": [nsg(*g) for g in groups]}, indent=indent).encode()
    parsed = read_document("azure_json", data)
    known = [n for group in groups for t in group if (n := naive(t)) is not None]
    assert (parsed.account.flows, *sums(parsed)) == (len(known), sum(i for i, _ in known), sum(o for _, o in known))
    assert parsed.account.quarantined.total() == 0


JUNK = st.one_of(
    st.none(), st.integers(-5, 2**70), st.floats(), st.text(max_size=8), st.just("\ud800"), st.lists(st.just(1))
)


@settings(max_examples=examples(10))
@given(
    st.lists(st.one_of(tuples(), JUNK), max_size=4),
    JUNK,
    st.integers(0, 10_000),
    st.binary(max_size=6),
    st.booleans(),
)
def test_no_bytes_break_the_reader(found: list[Any], mac: Any, at: int, junk: bytes, cut: bool) -> None:
    data = json.dumps({"records": [nsg(*found, mac=mac), vnet(*found), {"time": mac}]}).encode()
    at %= len(data)
    data = data[:at] + junk.replace(b"\n", b" ") + (b"" if cut else data[at:])
    read_document("azure_json", data)
    read_bytes("azure_json", data + b"\n")
    read_bytes("azure_tuples", junk + b"\n" + "\n".join(map(str, found)).encode(errors="replace") + b"\n")


@pytest.mark.parametrize("key", ["event", "data", "_source"])
@pytest.mark.parametrize("inside", [nsg(END), {"records": [nsg(END)]}])
def test_a_record_that_a_collector_wrapped_is_read(inside: dict[str, Any], key: str) -> None:
    line = json.dumps({"time": 1795133400, "host": "x", key: inside})
    assert detect(line.encode(), "auto", "x") == "azure_json"
    assert sums(read_bytes("azure_json", f"{line}\n".encode())) == (60, 100)
