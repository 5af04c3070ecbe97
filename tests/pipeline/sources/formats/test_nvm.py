"""Flows that Cisco's Network Visibility Module tells of endpoints: the endpoint received what came in."""

import json

import pytest

from pipeline.sources.registry import detect, format_of
from tests.pipeline.sources.lines import ends, only, read

FLOW = (
    'Nov 20 08:05:00 collector  fv="nvzFlow_v3" pr="6" sa="10.1.0.11" sp="50001" da="198.51.100.25" dp="993" '
    'fss="1795161600" fst="Fri Nov 20 08:00:00 2026" fes="1795161660" fet="Fri Nov 20 08:01:00 2026" '
    'udid="1DD75FEDA01F" liuid="EXAMPLE\\user" pa="NT AUTHORITY\\SYSTEM" pn="outlook.exe" ppn="explorer.exe" '
    'ibc="5420" obc="420" ds="example.com" dh="mail.example.com" iid="12" mnl="" mhl=""'
)
BARE = (
    'fv=nvzFlow_v3 pr=6 sa="10.1.0.11" sp=50001 da="198.51.100.25" dp=993 fss=1795161600 '
    "fst='Fri Nov 20 08:00:00 2026' fes=1795161660 udid='1DD75FEDA01F' liuid=\"EXAMPLE\\O'Hara\" pn='out look.exe' "
    "ibc=5420 obc=420"
)


@pytest.mark.parametrize("line", [FLOW, BARE])
def test_what_came_in_is_what_the_endpoint_received(line: str) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == "nvm"
    assert format_of("nvm") == "nvm"
    row = only(read("nvm", line))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["transport"]) == (5_420, 420, "tcp")
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 60_000_000)
    assert (row["dvc"], row["accounting"], row["uid"]) == ("1DD75FEDA01F", "final", None)


def test_of_an_endpoint_that_serves_the_ports_tell_who_began() -> None:
    served = FLOW.replace('sp="50001"', 'sp="993"').replace('dp="993"', 'dp="50001"')
    row = only(read("nvm", served))
    assert ends(row) == ("198.51.100.25", 50_001, "10.1.0.11", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["orientation"]) == (420, 5_420, "port_rule")


def test_what_tells_of_the_endpoint_itself_is_no_flow() -> None:
    system = 'Nov 20 08:05:00 collector  fv="nvzFlow_v3" vsn="pc1.example.com" udid="1DD75FEDA01F" osn="WinNT"'
    bare = FLOW.replace(' ibc="5420"', "").replace(' obc="420"', "")
    nobody = FLOW.replace('sa="10.1.0.11" ', "")
    parsed = read("nvm", system, bare, nobody, "Nov 20 08:05:01 collector systemd: started")
    assert (parsed.account.flows, parsed.account.ignored) == (0, 4)
    assert dict(parsed.account.warnings) == {"no_counters": 1, "no_ends": 1}


def test_lines_that_were_cut_or_tell_a_counter_twice_are_set_aside() -> None:
    parsed = read("nvm", FLOW[: FLOW.index("5420") + 2], FLOW + ' obc="421"', "no line of a log")
    assert (parsed.account.flows, parsed.account.quarantined) == (0, {"bad_line": 3})


def test_reports_while_a_flow_goes_on_are_cumulative() -> None:
    begun, goes_on, over = (
        FLOW.replace('ibc="5420"', f'ibc="{bytes_in}" fsg="{stage}"').replace('fes="1795161660"', f'fes="{end}"')
        for stage, bytes_in, end in ((1, 0, 1_795_161_600), (2, 3_000, 1_795_161_630), (0, 5_420, 1_795_161_660))
    )
    parsed = read("nvm", begun, goes_on, over)
    assert dict(parsed.account.warnings) == {"begin": 1}
    assert parsed.rows["accounting"].to_list() == ["cumulative"] * 2
    assert parsed.rows["uid"].n_unique() == 1


def test_what_splunk_exports_of_it_is_read() -> None:
    record = json.dumps({"preview": False, "result": {"_raw": FLOW, "source": "cisconvmflowdata"}})
    name = detect(f"{record}\n".encode(), "auto", "x")
    assert only(read(name, record)) == only(read("nvm", FLOW))
