"""Argus's CSV: which counter is whose, arrows, totals without a direction, frames without IP, and odd notations."""

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read_blocks, read_lines, starts

CLIENT, SERVER = "10.1.0.11", "192.0.2.25"
FLOW = "StartTime,Dur,Proto,SrcAddr,Sport,Dir,DstAddr,Dport,State,sTos,dTos,TotPkts,TotBytes,SrcBytes"
SHORT = "stime,dur,proto,saddr,sport,dir,daddr,dport,pkts,bytes"
TIME = "2026/11/20 00:00:00.250000"


def row(source: str = CLIENT, dest: str = SERVER, counts: str = "19,6500,600", **change: str) -> str:
    cells = {"ts": TIME, "dur": "60.5", "proto": "tcp", "sp": "40001", "dir": "   ->", "dp": "993"} | change
    head = f"{cells['ts']},{cells['dur']},{cells['proto']},{source},{cells['sp']},{cells['dir']},{dest},{cells['dp']}"
    return f"{head},CON,0,0,{counts}"


def argus(*lines: str) -> Any:
    return read_lines("argus", lines)


def test_what_the_source_did_not_send_came_from_the_destination() -> None:
    parsed = argus(FLOW, row())
    found = only(parsed)
    assert ends(found) == (CLIENT, 40_001, SERVER, 993)
    assert (found["other_bytes_in"], found["other_bytes_out"], found["other_layer"]) == (5_900, 600, "l2")
    assert (found["ip_bytes_in"], found["total_bytes"], found["duration"]) == (None, 6_500, 60_500_000)
    assert (found["accounting"], found["orientation"], found["vendor_product"]) == ("delta", "native", "Argus")
    assert starts(parsed) == ["2026-11-20T00:00:00.250"]


@pytest.mark.parametrize(
    ("columns", "counts"),
    [
        ("SrcPkts,DstPkts,SrcBytes,DstBytes", "9,10,600,5900"),
        ("spkts,dpkts,sbytes,dbytes", "9,10,600,5900"),
        ("TotPkts,SrcPkts,TotBytes,DstBytes", "19,9,6500,5900"),
        ("dbytes,sbytes,pkts,dpkts", "5900,600,19,10"),
    ],
)
def test_counters_are_known_by_their_names(columns: str, counts: str) -> None:
    titles = FLOW.removesuffix("TotPkts,TotBytes,SrcBytes") + columns
    assert detect(titles.encode(), "auto", "x") == "argus"
    found = only(argus(titles, row(counts=counts)))
    assert (found["other_bytes_in"], found["other_bytes_out"]) == (5_900, 600)
    assert (found["packets_in"], found["packets_out"]) == (10, 9)


@pytest.mark.parametrize(
    ("arrow", "ports", "client", "orientation"),
    [
        ("   ->", ("40001", "993"), "src", "native"),
        ("  <->", ("40001", "993"), "src", "native"),
        ("  <->", ("993", "40001"), "src", "native"),
        ("  <- ", ("993", "40001"), "dest", "native"),
        ("  <| ", ("993", "40001"), "dest", "native"),
        ("  <?>", ("40001", "993"), "src", "port_rule"),
        ("  <?>", ("993", "40001"), "dest", "port_rule"),
        ("   ?>", ("993", "40001"), "dest", "port_rule"),
        ("  <? ", ("40001", "993"), "src", "port_rule"),
        ("  <?>", ("40001", "40002"), "src", "unknown"),
    ],
)
def test_the_arrow_tells_who_began_and_the_ports_where_argus_does_not_know(
    arrow: str, ports: tuple[str, str], client: str, orientation: str
) -> None:
    found = only(argus(FLOW, row("10.0.0.1", "10.0.0.2", dir=arrow, sp=ports[0], dp=ports[1])))
    turned = client == "dest"
    assert found["src_ip"] == ("10.0.0.2" if turned else "10.0.0.1")
    assert (found["other_bytes_in"], found["other_bytes_out"]) == ((600, 5_900) if turned else (5_900, 600))
    assert found["orientation"] == orientation


def test_totals_without_a_direction_are_no_bytes_in_and_are_warned_of() -> None:
    parsed = argus(SHORT, f"{TIME},1,tcp,{CLIENT},40001,->,{SERVER},993,19,6500")
    found = only(parsed)
    assert (found["other_bytes_in"], found["other_bytes_out"], found["total_bytes"]) == (None, None, 6_500)
    assert dict(parsed.account.warnings) == {"direction_unknown": 1}


def test_frames_without_ip_and_records_of_argus_itself_are_ignored_by_name() -> None:
    lines = [
        row("00:22:2d:81:db:10", "01:80:c2:00:00:0e", proto="lldp"),
        row("0:22:2d:81:db:10", "1:80:c2:0:0:e", proto="ipx"),
        row(proto="arp", dir="  who", sp="", dp=""),
        row("", "", proto="man", sp="", dp=""),
        row(counts=",,"),
    ]
    parsed = argus(FLOW, row(), *lines)
    assert (parsed.account.flows, parsed.account.ignored) == (1, 5)
    assert dict(parsed.account.warnings) == {"not_ip": 4, "no_data": 1}


def test_icmp_has_no_ports_and_hexadecimal_and_named_ports_are_numbers() -> None:
    lines = [
        row(proto="icmp", sp="0x0403", dp="0x0000"),
        row(sp="0x9c41", dp="0x03e1"),
        row(dp="imaps"),
        row(dp="smtp"),
        row(sp="rfe", dp="nobody-knows"),
    ]
    parsed = argus(FLOW, *lines)
    assert parsed.rows.select("src_port", "dest_port").rows() == [
        (None, None),
        (40_001, 993),
        (40_001, 993),
        (40_001, 25),
        (None, None),
    ]


@pytest.mark.parametrize(
    "time",
    [
        TIME,
        "2026-11-20 00:00:00.250000",
        "2026-11-20+00:00:00.250000",
        "2026-11-20T00:00:00.250000",
        "2026-11-20T01:00:00.250000+01:00",
        "1795132800.250000",
        "2026/11/20.00:00:00.250000",
    ],
)
def test_every_notation_of_time_is_read(time: str) -> None:
    assert starts(argus(FLOW, row(ts=time))) == ["2026-11-20T00:00:00.250"]


def test_a_time_without_a_date_is_no_time() -> None:
    assert dict(argus(FLOW, row(ts="00:00:00.250000")).account.quarantined) == {"untimed": 1}


def test_times_are_of_the_zone_of_the_source() -> None:
    assert starts(read_lines("argus", [FLOW, row()], "Europe/Prague")) == ["2026-11-19T23:00:00.250"]


def test_labels_and_titles_again_are_no_trouble() -> None:
    label = "flow=Background-Established-TCP"
    parsed = argus(FLOW + ",Label", f"{row()},{label}", FLOW + ",Label", f'{row()},"a, b"')
    assert (parsed.account.flows, parsed.account.comments) == (2, 2)
    assert parsed.rows["other_bytes_in"].to_list() == [5_900, 5_900]


def test_counters_that_do_not_fit_each_other_are_set_aside() -> None:
    parsed = argus(FLOW, row(counts="19,500,600"), row(counts="19,x,600"), row())
    assert parsed.account.quarantined["negative_bytes"] == 1
    assert parsed.account.balanced


def test_a_header_of_which_no_column_is_known_gives_no_flows() -> None:
    parsed = argus(f'"{FLOW}"', '"a"')
    assert (parsed.account.flows, parsed.account.lines) == (0, 2)
    assert parsed.account.balanced


REAL = [FLOW, SHORT, row(), row(dir="  <?>"), row(proto="icmp", sp="0x0403"), row() + ',"x, y"']


@settings(max_examples=examples(15))
@given(data=st.data())
def test_no_bytes_break_the_reader_and_every_line_is_accounted_for(data: st.DataObject) -> None:
    real = st.sampled_from(REAL).map(str.encode)
    odd = st.sampled_from([b"9" * 400, b"1e308", b'"', b",", b"-1", b"NaN", b" ", b"\xff", b"\x00", b"0xzz", b"<"])
    at = st.integers(0, 120)
    changed = st.builds(lambda line, i, j, new: line[:i] + new + line[i + j :], real, at, st.integers(0, 9), odd)
    lines = data.draw(st.lists(st.one_of(real, changed, st.binary(max_size=30)), min_size=1, max_size=8))
    cut = data.draw(st.integers(0, len(lines)))
    whole = read_lines("argus", [FLOW, *lines])
    assert whole.account.lines == len(lines) + 1
    parts = read_blocks("argus", [b for b in ([FLOW, *lines[:cut]], lines[cut:]) if b])
    assert whole.rows.equals(parts.rows)


def test_a_table_that_only_blanks_part_is_refused_with_what_to_do() -> None:
    head = b"   StartTime    Flgs  Proto   SrcAddr  Sport   Dir   DstAddr  Dport  TotPkts   TotBytes State\n"
    with pytest.raises(SourceError, match=r"^x: is a table parted by blanks.*ra -c ,"):
        detect(head, "auto", "x")
