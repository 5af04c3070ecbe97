"""Lines of logs without syslog headers of their own, before which a relay puts one, from the start or half-way."""

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import read, read_blocks

HEADS = (
    "<134>Nov 20 08:00:00 relay vpcflow: ",
    "Nov  2 08:00:00 relay vpcflow[12]: ",
    "2026-11-20T08:00:00.123456+00:00 relay vpcflow: ",
    "<134>2026-11-20T08:00:00Z relay vpcflow: ",
    "<134>1 2026-11-20T08:00:00Z relay vpcflow - - - ",
    '<134>1 2026-11-20T08:00:00.1+01:00 relay vpcflow 77 id [origin ip="192.0.2.1" x="a b"] ',
)
VPC = [
    "2 123456789010 eni-1235b8ca 10.9.0.25 10.1.0.11 993 50001 6 10 5900 1795132800 1795132850 ACCEPT OK",
    "2 123456789010 eni-1235b8ca 10.1.0.11 10.9.0.25 50001 993 6 10 600 1795132800 1795132850 ACCEPT OK",
]
CUSTOM = (
    "srcaddr dstaddr srcport dstport protocol bytes start end",
    "10.9.0.25 10.1.0.11 993 50001 6 5900 1795132800 1795132850",
)
FIELDS = "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto duration orig_ip_bytes resp_ip_bytes"
ZEEK = "1795132800.500000 C1 10.1.0.11 50001 10.9.0.25 993 tcp 3.0 600 5900"


@pytest.mark.parametrize("head", HEADS)
def test_vpc_flow_logs_behind_a_syslog_header_are_read_as_without(head: str) -> None:
    plain, shipped = read("vpc_text", *VPC), [head + line for line in VPC]
    assert detect("\n".join([*shipped, ""]).encode(), "auto", "x.log") == "vpc_text"
    for lines in (shipped, [VPC[0], shipped[1]], [shipped[0], VPC[1]]):
        assert read("vpc_text", *lines).rows.equals(plain.rows)
    custom = [head + line for line in CUSTOM]
    assert detect("\n".join([*custom, ""]).encode(), "auto", "x.log") == "vpc_text"
    parsed = read("vpc_text", *custom)
    assert (parsed.rows.height, parsed.account.comments, parsed.account.quarantined) == (1, 1, {})


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("tab", ["\t", "#011"])
def test_a_conn_log_goes_on_where_syslog_begins_to_carry_it(head: str, tab: str) -> None:
    header, line = "#fields\t" + FIELDS.replace(" ", "\t"), ZEEK.replace(" ", "\t")
    parsed = read_blocks("zeek_tsv", [[header, line], [head + line.replace("\t", tab), line]])
    assert (parsed.rows.height, parsed.account.comments, parsed.account.quarantined) == (3, 1, {})
    assert parsed.rows.drop("source_line").unique().height == 1


def test_a_message_of_another_program_among_a_conn_log_is_set_aside() -> None:
    header = "#fields\t" + FIELDS.replace(" ", "\t")
    parsed = read(
        "zeek_tsv", header, ZEEK.replace(" ", "\t"), "Nov 20 08:00:00 relay sshd[1]: 1795132800.5 is no record"
    )
    assert (parsed.rows.height, parsed.account.quarantined) == (1, {"too_few_fields": 1})
