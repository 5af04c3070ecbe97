"""Values and tables as other programs' exports spell them: times, grouped digits, words for nothing, delimiters."""

from typing import Any

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import only, read, read_blocks

HEADER = "_time,src_ip,src_port,dest_ip,dest_port,transport,bytes_in,bytes_out"


def row(time: str = "1795161600", client: str = "10.1.0.11", bytes_in: str = "5900") -> str:
    return f'"{time}",{client},50001,10.9.0.25,993,tcp,"{bytes_in}",600'


def one(line: str) -> dict[str, Any]:
    return only(read("cim_csv", HEADER, line))


@pytest.mark.parametrize(
    ("told", "utc"),
    [
        ("2026/11/20 08:00:00", "2026-11-20T08:00:00"),
        ("2026-11-20T08:00", "2026-11-20T08:00:00"),
        ("2026-11-20 08:00", "2026-11-20T08:00:00"),
        ("2026-11-20 08:00+02:00", "2026-11-20T06:00:00"),
        ("2026-11-20 08:00:00,250", "2026-11-20T08:00:00.250000"),
        ("2026-11-20T08:00:00,123456789Z", "2026-11-20T08:00:00.123456"),
        ("2026-11-20 08:00:00 UTC", "2026-11-20T08:00:00"),
        ("2026-11-20T24:00:00", "2026-11-21T00:00:00"),
        ("2026-12-31T24:00:00.000Z", "2027-01-01T00:00:00"),
        ("2026-11-20 24:00", "2026-11-21T00:00:00"),
        ("2026-11-20T24:00:00+0200", "2026-11-20T22:00:00"),
        ("2026-11-20 08:00:00.5 +0200", "2026-11-20T06:00:00.500000"),
        ("2026-11-20 08:00:00+00", "2026-11-20T08:00:00"),
        ("2026-11-20 08:00:00.25-05", "2026-11-20T13:00:00.250000"),
        ("2026-11-20 08:00:00.5 +0100 CET", "2026-11-20T07:00:00.500000"),
        ("Nov 20, 2026 @ 08:00:00.250", "2026-11-20T08:00:00.250000"),
        ("Nov 2, 2026 @ 08:00:00", "2026-11-02T08:00:00"),
        ("Nov 2, 2026 08:00:00", "2026-11-02T08:00:00"),
        ("Mon Nov  2 08:00:00.5 2026", "2026-11-02T08:00:00.500000"),
        ("Fri, 20 Nov 2026 08:00:00 GMT", "2026-11-20T08:00:00"),
        ("20/Nov/2026:08:00:00 +0200", "2026-11-20T06:00:00"),
        ("20.11.2026 08:00:00", "2026-11-20T08:00:00"),
        ("20.11.2026, 08:00", "2026-11-20T08:00:00"),
        ("2.1.2026 8:00:00,5", "2026-01-02T08:00:00.500000"),
        ("12.1.2026 08:00:00", "2026-01-12T08:00:00"),
        ("2026-11-20 8:00:00", "2026-11-20T08:00:00"),
        ("11/20/2026  8:00:00 AM", "2026-11-20T08:00:00"),
        ("1795161600,25", "2026-11-20T08:00:00.250000"),
        ("20261120T080000Z", "2026-11-20T08:00:00"),
        ("20261120T090000.25+0100", "2026-11-20T08:00:00.250000"),
        ("20261120T080000", "2026-11-20T08:00:00"),
        ("2026-11-20T09:00:00+01:00[Europe/Berlin]", "2026-11-20T08:00:00"),
        ("2026-11-20T09:00+01:00[Europe/Berlin]", "2026-11-20T08:00:00"),
        ("2026-11-20T08:00:00.250Z[Etc/UTC]", "2026-11-20T08:00:00.250000"),
    ],
)
def test_times_that_can_be_read_in_one_way_only_are_read(told: str, utc: str) -> None:
    assert one(row(told))["start_time"].isoformat() == f"{utc}+00:00"


@pytest.mark.parametrize(
    "told",
    [
        *("11/12/2026 08:00:00", "11/20/26 1:02:03 PM", "2026-11-20 08:00:00 CET", "08:00:00"),
        *("11.20.2026 08:00:00", "20.11.26 08:00:00", "1,795,161,600"),
        *("2026-11-20T09:00:00[Europe/Berlin]", "20261120T08", "20261120080000Z"),
        *("639147744000000000", "639147744000000000.0", "134396064000000000"),  # .NET's ticks and Windows' time
    ],
)
def test_times_that_may_be_read_in_two_ways_are_not(told: str) -> None:
    parsed = read("cim_csv", HEADER, row(told))
    assert (dict(parsed.account.quarantined), parsed.rejects["detail"][0]) == ({"untimed": 1}, f"ts={told}")


@pytest.mark.parametrize(
    ("told", "month", "warned"),
    [
        ("11/5/2026 8:00:00 AM", 11, 1),  # In Australia this is the eleventh of May.
        ("5/11/2026, 8:00:00.250 PM", 5, 1),
        ("11/11/2026 8:00:00 AM", 11, 0),
        ("11/20/2026 8:00:00 AM", 11, 0),
        ("2026-11-05 08:00:00", 11, 0),
        ("1793865600", 11, 0),
    ],
)
def test_a_month_that_may_be_the_day_is_warned_of(told: str, month: int, warned: int) -> None:
    parsed = read("cim_csv", HEADER, row(told))
    assert (parsed.rows["start_time"][0].month, parsed.account.warnings["month_assumed"]) == (month, warned)


@pytest.mark.parametrize(
    ("told", "count"), [("5,900", 5_900), ("1,234,567", 1_234_567), ("12,345,678,901", 12_345_678_901)]
)
def test_digits_grouped_by_commas_are_one_number(told: str, count: int) -> None:
    assert one(row(bytes_in=told))["other_bytes_in"] == count


@pytest.mark.parametrize(
    "told",
    [
        *("1.234.567", "1\u00a0234\u00a0567", "1\u202f234\u202f567", "1\u2009234\u2009567", "1'234'567"),
        *("1\u2019234\u2019567", "1_234_567", "1,234,567.00", "1234567,0", "1234567,00"),
    ],
)
def test_digits_grouped_as_in_other_countries_are_one_number(told: str) -> None:
    assert one(row(bytes_in=told))["other_bytes_in"] == 1_234_567


@pytest.mark.parametrize(("told", "count"), [("1.234.567.890", 1_234_567_890), ("192.168.100.256", 192_168_100_256)])
def test_digits_in_four_groups_that_are_no_address_are_one_number(told: str, count: int) -> None:
    assert one(row(bytes_in=told))["other_bytes_in"] == count


def test_a_plain_blank_parts_two_ports() -> None:
    line = row().replace("50001", "25 993")
    assert dict(read("cim_csv", HEADER, line).account.quarantined) == {"bad_port": 1}


@pytest.mark.parametrize(
    "told",
    [
        *("5,90", "5,9000", "1234,567", "5.900,0", "59.000", "5 900", ",900", "5.9K", "1.234.56", "5,000,0", "1_23"),
        *("192.168.100.200", "10.100.200.255", "192.168.001.010"),
    ],
)
def test_other_groups_of_digits_are_no_number(told: str) -> None:
    assert dict(read("cim_csv", HEADER, row(bytes_in=told)).account.quarantined) == {"bad_number": 1}


@pytest.mark.parametrize("told", ["5900.0", "5900.000", "5.9e3", "5900.000000", "+5900"])
def test_a_point_before_noughts_that_groups_nothing_is_a_decimal_one(told: str) -> None:
    assert one(row(bytes_in=told))["other_bytes_in"] == 5_900


@pytest.mark.parametrize(
    "told", ["-", "null", "NULL", "N/A", "NaN", "None", "\\N", "NA", "nil", "<nil>", "(null)", "undefined"]
)
def test_words_for_nothing_leave_a_counter_unknown(told: str) -> None:
    found = one(row(bytes_in=told))
    assert (found["other_bytes_in"], found["other_bytes_out"]) == (None, 600)


def test_ipv6_in_brackets_is_its_address() -> None:
    assert one(row(client="[2001:DB8::1]"))["src_ip"] == "2001:db8::1"
    assert dict(read("cim_csv", HEADER, row(client="[10.1.0.11]")).account.quarantined) == {"bad_address": 1}


@pytest.mark.parametrize("delimiter", [";", "\t", "|"])
def test_a_table_is_cut_at_the_delimiter_that_its_header_shows(delimiter: str) -> None:
    lines = [
        line.replace(",", delimiter) for line in (HEADER + ",note", row() + ",", row(client="10.1.0.12") + ',"a, b"')
    ]
    assert detect("\n".join(lines).encode(), "auto", "x") == "cim_csv"
    for parsed in (read("cim_csv", *lines), read_blocks("cim_csv", [lines[:1], lines[1:2], lines[2:]])):
        assert parsed.account.balanced
        assert parsed.rows["src_ip"].to_list() == ["10.1.0.11", "10.1.0.12"]
        assert parsed.rows["other_bytes_in"].sum() == 11_800


def test_a_line_that_tells_a_spreadsheet_the_delimiter_is_a_comment() -> None:
    parsed = read("cim_csv", "sep=;", HEADER.replace(",", ";"), row().replace(",", ";"))
    assert (parsed.account.comments, parsed.account.flows) == (2, 1)


def test_a_search_that_kibana_exported_is_read_as_ecs() -> None:
    header = (
        '"@timestamp","source.ip","source.port","destination.ip","destination.port","source.bytes","destination.bytes"'
    )
    line = '"Nov 20, 2026 @ 08:00:00.000","10.1.0.11","50,001","10.9.0.25",993,"1,200","59,000"'
    assert detect(f"{header}\n{line}\n".encode(), "auto", "x") == "ecs_csv"
    found = only(read("ecs_csv", header, line, zone="Europe/Berlin"))
    assert (found["src_port"], found["other_bytes_in"], found["other_bytes_out"]) == (50_001, 59_000, 1_200)
    assert found["start_time"].isoformat() == "2026-11-20T07:00:00+00:00"


def test_a_query_over_vpc_flow_logs_is_read_as_they_are() -> None:
    header = (
        '"version","interface_id","srcaddr","dstaddr","srcport","dstport","protocol","bytes","start","end","action"'
    )
    line = '"2","eni-1","10.9.0.25","10.1.0.11","993","50001","6","5900","1795161600","1795161660","{}"'
    assert detect(f"{header}\n{line}\n".encode(), "auto", "x") == "vpc_csv"
    parsed = read("vpc_csv", header, line.format("ACCEPT"), line.format("REJECT"))
    assert parsed.account.warnings["blocked"] == 1
    found = only(parsed)
    assert (found["src_ip"], found["dest_ip"], found["ip_bytes_in"], found["accounting"]) == (
        "10.1.0.11",
        "10.9.0.25",
        5_900,
        "delta",
    )


@pytest.mark.parametrize("told", ["1.79513E+09", "1.80E+09", "1.8E+12", "2E+09"])
def test_a_number_that_a_spreadsheet_rounded_is_neither_a_time_nor_a_count(told: str) -> None:
    parsed = read("cim_csv", HEADER, row(), row(told), row(bytes_in=told))
    assert sorted(parsed.rejects["reason"]) == ["bad_number", "untimed"]
    assert parsed.account.flows == 1


def test_a_number_with_all_its_digits_may_have_an_exponent() -> None:
    assert one(row("1.7951616E9"))["start_time"].isoformat() == "2026-11-20T08:00:00+00:00"
    assert one(row("1.7951616e+09"))["start_time"].isoformat() == "2026-11-20T08:00:00+00:00"
    assert one(row("1.795161600E+09"))["start_time"].isoformat() == "2026-11-20T08:00:00+00:00"
    assert one(row(bytes_in="5.9E+03"))["other_bytes_in"] == 5_900


ZEEK = "ts,uid,id.orig_h,id.orig_p,id.resp_h,id.resp_p,proto,duration,orig_bytes,orig_ip_bytes,resp_ip_bytes"


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        ("0 days 00:01:00", 60.0),
        ("0 days 00:00:00.000250", 0.00025),
        ("1 days 01:00:00", 90_000.0),
        ("00:01:00.5", 60.5),
        ("-1 days +23:59:59", None),
        ("30.5s", 30.5),
        ("163.82ms", 0.16382),
        ("1h2m3.5s", 3_723.5),
        ("250µs", 0.00025),
    ],
)
def test_durations_and_gaps_are_read_as_other_programs_write_them(told: str, seconds: float | None) -> None:
    found = only(read("zeek_csv", ZEEK, f"1795161600,C1,10.1.0.11,50001,10.9.0.25,993,tcp,{told},<NA>,600,5900"))
    assert (found["ip_bytes_in"], found["payload_bytes_out"]) == (5_900, None)
    assert found["duration"] == (None if seconds is None else round(seconds * 1e6))


@pytest.mark.parametrize("told", ["1:00", "0 days", "a days 00:00:00", "0 days 00:00:0x", "5 s", "s", "5x", "1s2h"])
def test_other_durations_are_no_number(told: str) -> None:
    parsed = read("zeek_csv", ZEEK, f"1795161600,C1,10.1.0.11,50001,10.9.0.25,993,tcp,{told},1,600,5900")
    assert dict(parsed.account.quarantined) == {"bad_number": 1}


VPC = "version,interface_id,srcaddr,dstaddr,srcport,dstport,protocol,bytes,start,end,tcp_flags"
NFDUMP = "ts,te,td,sa,da,sp,dp,pr,flg,ipkt,ibyt"
PMACCT = "SRC_IP,DST_IP,SRC_PORT,DST_PORT,PROTOCOL,TIMESTAMP_START,TIMESTAMP_END,PACKETS,BYTES"
ONE_WAY = {
    "vpc_csv, by its ports": (
        f"{VPC}\n2.0,eni-1,10.9.0.25,10.1.0.11,993.0,50001.0,6.0,5900.0,1795161600.0,1795161660.0,",
        "port_rule",
    ),
    "vpc_csv, by its flags": (
        f"{VPC}\n2.0,eni-1,10.9.0.25,10.1.0.11,1993.0,50001.0,6.0,5900.0,1795161600.0,1795161660.0,19.0",
        "syn",
    ),
    "nfdump_csv": (
        f"{NFDUMP}\n2026-11-20 08:00:00,2026-11-20 08:00:30,30.0,10.9.0.25,10.1.0.11,993.0,50001.0,TCP,.A,80.0,5900.0",
        "port_rule",
    ),
    "pmacct_csv": (
        f'{PMACCT}\n10.9.0.25,10.1.0.11,"3,306","50,001",6.0,2026-11-20 08:00:00,2026-11-20 08:00:30,80.0,5900.0',
        "port_rule",
    ),
}


@pytest.mark.parametrize("name", ONE_WAY)
def test_records_of_one_direction_know_ports_written_as_reals_or_grouped(name: str) -> None:
    text, how = ONE_WAY[name]
    found = only(read(name.partition(",")[0], *text.split("\n")))
    assert (found["src_ip"], found["src_port"], found["dest_ip"]) == ("10.1.0.11", 50_001, "10.9.0.25")
    assert (found["ip_bytes_in"], found["transport"], found["orientation"]) == (5_900, "tcp", how)


def test_a_field_with_the_same_value_again_and_again_has_that_value() -> None:
    again = [f'"{v}\n{v}"' for v in ("2026-11-20 08:00:00", "10.1.0.11", "50001", "10.9.0.25", "993", "tcp", "5900")]
    twice = ",".join([*again, '"600\n600"'])
    found = only(read("cim_csv", HEADER, *twice.split("\n")))
    assert (found["src_ip"], found["dest_ip"], found["dest_port"]) == ("10.1.0.11", "10.9.0.25", 993)
    assert (found["other_bytes_in"], found["other_bytes_out"], found["start_time"].hour) == (5_900, 600, 8)
    other = twice.replace("993\n993", "993\n143").replace("5900\n5900", "5900\n5901")
    assert dict(read("cim_csv", HEADER, *other.split("\n")).account.quarantined) == {"bad_number": 1}
    ports = twice.replace("993\n993", "993\n143")
    assert only(read("cim_csv", HEADER, *ports.split("\n")))["dest_port"] == 993


@pytest.mark.parametrize(
    ("name", "lines"),
    [
        ("ecs_csv", ("event.start,source.ip,destination.ip,destination.bytes", "{},10.1.0.11,10.9.0.25,5900")),
        ("silk", ("sIP|dIP|sPort|dPort|pro|packets|bytes|sTime|", "10.1.0.11|10.9.0.25|50001|993|6|5|5900|{}|")),
        ("argus", ("StartTime,Proto,SrcAddr,DstAddr,SrcBytes,DstBytes", "{},tcp,10.1.0.11,10.9.0.25,600,5900")),
    ],
)
@pytest.mark.parametrize(
    ("zone", "told", "utc"),
    [
        ("Europe/Berlin", "2026-03-29T01:59:59", "2026-03-29T00:59:59"),
        ("Europe/Berlin", "2026-03-29T02:30:00", None),  # No clock shows it.
        ("Europe/Berlin", "2026-03-29T03:00:00", "2026-03-29T01:00:00"),
        ("America/Santiago", "2026-09-06T00:30:00", None),  # As UTC it would be a time of the day before.
        ("Europe/Berlin", "2026-10-25T02:30:00", "2026-10-25T00:30:00"),
    ],
)
def test_a_time_that_summer_time_skips_is_none(
    name: str, lines: tuple[str, str], zone: str, told: str, utc: str | None
) -> None:
    parsed = read(name, lines[0], lines[1].format(told), zone=zone)
    assert [t.isoformat() for t in parsed.rows["start_time"]] == ([] if utc is None else [f"{utc}+00:00"])
    if utc is None:
        assert parsed.rejects.select("reason", "detail").rows() == [("untimed", f"ts={told} in {zone}")]
