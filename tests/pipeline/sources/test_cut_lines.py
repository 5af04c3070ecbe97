"""A last line without its end, in logs whose writers end every line: set aside wherever it was cut."""

import pytest

from pipeline.sources.base import Block, ReadOptions
from pipeline.sources.forms import FORMS
from pipeline.sources.registry import READERS
from pipeline.sources.watch import Watch
from tests.examples import pairs
from tests.pipeline.sources.formats.test_barracuda import REMOVED as BARRACUDA
from tests.pipeline.sources.formats.test_cef import ZSCALER as CEF
from tests.pipeline.sources.formats.test_conntrack import ENDED as CONNTRACK
from tests.pipeline.sources.formats.test_encore import HEADED as ENCORE_CEF
from tests.pipeline.sources.formats.test_encore import PAIRS as ENCORE
from tests.pipeline.sources.formats.test_h3c import ENDED as H3C
from tests.pipeline.sources.formats.test_hillstone import ENDED as HILLSTONE
from tests.pipeline.sources.formats.test_huawei import ENDED as HUAWEI
from tests.pipeline.sources.formats.test_juniper import PLAIN as JUNIPER
from tests.pipeline.sources.formats.test_nvm import FLOW as NVM
from tests.pipeline.sources.formats.test_sonicwall import CLOSED as SONICWALL
from tests.pipeline.sources.formats.test_sophos import DEVICE as SOPHOS
from tests.pipeline.sources.formats.test_stormshield import LINE as STORMSHIELD
from tests.pipeline.sources.formats.test_telegraf import POINT as TELEGRAF
from tests.pipeline.sources.formats.test_versa import ENDED as VERSA
from tests.pipeline.sources.formats.test_watchguard import ENDED as WATCHGUARD
from tests.pipeline.sources.formats.test_zeek_tables import BY_SYSLOG as ZEEK
from tests.pipeline.sources.formats.test_zscaler import as_pairs
from tests.pipeline.sources.lines import read
from tests.real_files import GOLDEN

TUPLE = b"1795133100,10.1.0.11,10.9.0.25,40001,993,T,O,A,C,10,600,12,5900"
LINES = {
    "fortinet": (GOLDEN / "fortigate-interim-and-close.log").read_bytes().splitlines()[-1],
    "paloalto": (GOLDEN / "panw-bytes-order.log").read_bytes().splitlines()[-1],
    "asa": (GOLDEN / "asa-302014-inbound-outbound.log").read_bytes().splitlines()[-1],
    "checkpoint": b'<134>1 2026-11-20T00:10:00Z gw CheckPoint 1 - [action:"Accept"; src:"10.1.0.11"]',
    "azure_tuples": TUPLE,
    "encore": ENCORE.encode(),
    "encore_cef": ENCORE_CEF.encode(),
    "barracuda": BARRACUDA.encode(),
    "h3c": H3C.encode(),
    "huawei": HUAWEI.encode(),
    "hillstone": HILLSTONE.encode(),
    "nvm": NVM.encode(),
    "juniper": JUNIPER.encode(),
    "sonicwall": SONICWALL.encode(),
    "sophos": SOPHOS.encode(),
    "watchguard": WATCHGUARD.encode(),
    "stormshield": STORMSHIELD.encode(),
    "zscaler": as_pairs().encode(),
    "conntrack": CONNTRACK.encode(),
    "versa": VERSA.encode(),
    "telegraf_lines": TELEGRAF.encode(),
    "cef": CEF.encode(),
    "zeek_lines": ZEEK.encode(),
}


def test_every_format_that_ends_its_lines_is_tried() -> None:
    assert {name for name, form in FORMS.items() if form.ends_lines} == set(LINES)


@pytest.mark.parametrize("name", LINES)
@pytest.mark.parametrize("cut", [0, 1, 2, 20])
def test_a_last_line_without_its_end_is_set_aside_and_counts_nothing(name: str, cut: int) -> None:
    data = LINES[name][: len(LINES[name]) - cut]
    reader = READERS[name](ReadOptions(Watch(None), 4 * 10**15))
    parsed = reader.read(Block(data, 7, 1, unterminated=True))
    assert parsed.rows.is_empty()
    assert parsed.rejects.select("source_line", "reason").rows() == [(7, "incomplete_last_line")]
    assert parsed.account.balanced


@pytest.mark.parametrize(("cut", "flows"), [(0, 1), (1, 0)])
def test_a_last_line_without_its_end_counts_where_it_shows_that_it_is_whole(cut: int, flows: int) -> None:
    line = (GOLDEN / "suricata-flow-and-netflow.json").read_bytes().splitlines()[1]
    reader = READERS["suricata"](ReadOptions(Watch(None), 4 * 10**15))
    parsed = reader.read(Block(line[: len(line) - cut], 7, 1, unterminated=True))
    assert (parsed.account.flows, parsed.account.quarantined.total()) == (flows, 1 - flows)


def test_bare_tuples_keep_the_numbers_of_their_lines() -> None:
    reader = READERS["azure_tuples"](ReadOptions(Watch(None), 4 * 10**15))
    parsed = reader.read(Block(b"\n\n" + TUPLE + b"\n\nbad\n", 1, 5))
    assert parsed.rows["source_line"].to_list() == [3]
    assert parsed.rejects["source_line"].to_list() == [5]
    assert parsed.account.balanced


@pytest.mark.parametrize(("name", "end"), pairs(LINES, [b"#000", b"#015#012", b" #012", b"\0"]))
def test_the_end_of_a_message_that_a_syslog_server_kept_is_no_part_of_it(name: str, end: bytes) -> None:
    plain, kept = (read(name, LINES[name] + e) for e in (b"", end))
    assert kept.account == plain.account
    assert kept.rows.equals(plain.rows)
