"""nfdump's tables in a format of one's own: read by their header, whatever columns they have."""

from __future__ import annotations

import pytest

from pipeline.sources.registry import detect
from tests.pipeline.sources.formats.test_nfdump import CLIENT, OWN, SERVER, TABLE, table_row
from tests.pipeline.sources.lines import ends, ip_bytes, only, read_blocks, read_lines, starts

TABLES = {
    "fmt:%ts %td %pr %sap -> %dap %flg %ipkt %opkt %ibyt %obyt %fl": OWN,
    "fmt:%ts,%te,%td,%sa,%sp,%da,%dp,%pr,%obyt,%ibyt": (
        "Date first seen         Date last seen              Duration     Src IP Addr Src Pt     Dst IP Addr Dst Pt"
        " Proto Out Byte  In Byte",
        "2026-11-20 00:00:01.250,2026-11-20 00:01:01.750,    00:01:00.500,       10.1.0.11, 40001,      192.0.2.25,"
        "   993,TCP  ,    5900,     600",
    ),
    "fmt:%tsr|%ter|%sap|%dap|%byt|%obyt|%bps|%ra|%smk|%xsap": (
        "Date first seen (raw)     Date last seen (raw)     Src IP Addr:Port          Dst IP Addr:Port     Bytes"
        " Out Byte      bps       Router IP SMask    X-Src IP Addr:Port ",
        "1795132801.250|1795132861.750|     10.1.0.11:40001|     192.0.2.25:993  |     600|    5900|    6.9 K|"
        "       127.0.0.1|   24|        0.0.0.0:0    ",
    ),
}
"""What nfdump 1.7.1 prints of a session of both directions, by the option that asked for it."""


@pytest.mark.parametrize(("head", "line"), TABLES.values(), ids=list(TABLES))
def test_a_table_in_a_format_of_ones_own_is_read_by_its_header(head: str, line: str) -> None:
    """By their shape the first one's rows lost what the server sent."""
    assert detect(f"{head}\n{line}\n".encode(), "auto", "x") == "nfdump_text"
    for parsed in (read_lines("nfdump_text", [head, line]), read_blocks("nfdump_text", [[head], [line]])):
        found = only(parsed)
        assert ends(found) == (CLIENT, 40_001, SERVER, 993)
        assert (found["ip_bytes_in"], found["ip_bytes_out"], found["duration"]) == (5_900, 600, 60_500_000)
        assert starts(parsed) == ["2026-11-20T00:00:01.250"]
        assert (parsed.account.comments, sum(parsed.account.warnings.values())) == (1, 0)


def test_each_header_of_a_file_holds_for_the_rows_below_it() -> None:
    own, line = OWN
    parsed = read_lines("nfdump_text", [TABLE, table_row("10   5900"), own, line, TABLE, table_row("10   5900")])
    assert parsed.rows["ip_bytes_in"].to_list() == [5_900] * 3
    assert parsed.rows["ip_bytes_out"].to_list() == [None, 600, None]


def test_rows_under_an_unknown_title_are_set_aside() -> None:
    head, line = OWN
    parsed = read_lines("nfdump_text", [head.replace("In Pkt", "Colour"), line, TABLE, table_row("10   5900")])
    assert dict(parsed.account.quarantined) == {"bad_line": 1}
    assert ip_bytes(parsed) == (5_900, 0)
