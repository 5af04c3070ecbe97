"""A line that was cut in its middle, with the next one behind it: no client gets the bytes of another's session."""

import pytest

from tests.pipeline.sources.formats import test_cef as cef
from tests.pipeline.sources.formats import test_checkpoint as checkpoint
from tests.pipeline.sources.formats.test_asa import torn
from tests.pipeline.sources.formats.test_barracuda import REMOVED as BARRACUDA
from tests.pipeline.sources.formats.test_conntrack import ENDED as CONNTRACK
from tests.pipeline.sources.formats.test_encore import PAIRS as ENCORE
from tests.pipeline.sources.formats.test_h3c import ENDED as H3C
from tests.pipeline.sources.formats.test_hillstone import ENDED as HILLSTONE
from tests.pipeline.sources.formats.test_huawei import ENDED as HUAWEI
from tests.pipeline.sources.formats.test_juniper import PLAIN as JUNIPER
from tests.pipeline.sources.formats.test_nvm import FLOW as NVM
from tests.pipeline.sources.formats.test_paloalto import pan
from tests.pipeline.sources.formats.test_sonicwall import CLOSED as SONICWALL
from tests.pipeline.sources.formats.test_sophos import DEVICE as SOPHOS
from tests.pipeline.sources.formats.test_stormshield import LINE as STORMSHIELD
from tests.pipeline.sources.formats.test_versa import ENDED as VERSA
from tests.pipeline.sources.formats.test_watchguard import ENDED as WATCHGUARD
from tests.pipeline.sources.formats.test_watchguard import LEEF as WATCHGUARD_LEEF
from tests.pipeline.sources.formats.test_zscaler import as_pairs
from tests.pipeline.sources.lines import read
from tests.real_files import GOLDEN

LINES = {
    "fortinet": (GOLDEN / "fortigate-interim-and-close.log").read_text().splitlines()[-1],
    "hillstone": HILLSTONE,
    "juniper": JUNIPER,
    "sonicwall": SONICWALL,
    "sophos": SOPHOS,
    "stormshield": STORMSHIELD,
    "watchguard": WATCHGUARD,
    "watchguard, LEEF": WATCHGUARD_LEEF,
    "conntrack": CONNTRACK,
    "h3c": H3C,
    "huawei": HUAWEI,
    "nvm": NVM,
    "versa": VERSA,
    "zscaler": as_pairs(),
    "paloalto": pan(width=115),
    "cef": cef.ZSCALER,
    "cef, LEEF": cef.LEEF,
    "asa": torn(),
    **{
        f"checkpoint, {style}": checkpoint.line(style, checkpoint.FIELDS | checkpoint.COUNTERS)
        for style in checkpoint.STYLES
        if style != "checkpoint_json"
    },
}
ENDS = ("src_ip", "src_port", "dest_ip", "dest_port", "ip_bytes_in", "other_bytes_in", "other_bytes_out", "total_bytes")


@pytest.mark.parametrize("name", LINES)
def test_a_line_cut_in_its_middle_lends_its_ends_to_no_other(name: str) -> None:
    """Either the session of the whole line counts, as it is, or nothing does and the line is set aside."""
    line, encoding = LINES[name], name.partition(",")[0]
    client = read(encoding, line).rows["src_ip"][0]
    other = line.replace(client, "10.1.77.77").replace("5420", "9111").replace("5900", "9111").replace("6500", "9111")
    parsed = read(encoding, *(line[:cut] + other for cut in range(1, len(line) + 1)))
    alone = read(encoding, other).rows.select(ENDS)
    assert alone["src_ip"].to_list() == ["10.1.77.77"]
    assert parsed.rows.select(ENDS).unique().equals(alone)
    assert parsed.rows.height + parsed.rejects.height == len(line)


@pytest.mark.parametrize(
    ("encoding", "line", "other"),
    [
        ("paloalto", pan(type="THREAT"), pan(width=115)),
        ("asa", torn().replace("6-302014: Teardown", "4-106023: Deny").replace("bytes", "hits"), torn()),
        ("conntrack", CONNTRACK.replace("[DESTROY]", "    [NEW]"), CONNTRACK),
        ("fortinet", LINES["fortinet"].replace('"traffic"', '"utm"'), LINES["fortinet"]),
        ("sonicwall", SONICWALL.replace("m=537", "m=36"), SONICWALL),
        ("sophos", SOPHOS.replace('"Firewall"', '"Content Filtering"'), SOPHOS),
        ("juniper", JUNIPER.replace("CLOSE: session closed", "CREATE: session created"), JUNIPER),
        ("huawei", HUAWEI.replace("TEARDOWN", "BUILT"), HUAWEI),
        ("barracuda", BARRACUDA.replace("Remove:", "Allow:"), BARRACUDA),
        ("h3c", H3C.replace("(1)Normal over", "(8)Session created"), H3C),
        ("hillstone", HILLSTONE[: HILLSTONE.index("application")] + "policy 1, session start", HILLSTONE),
        ("versa", VERSA.replace("flowMonLog", "bwMonLog"), VERSA),
        ("encore", ENCORE.replace("rec_type=71", "rec_type=9"), ENCORE),
        ("cef", cef.SONICWALL.replace("537|Connection Closed", "98|Connection Opened"), cef.SONICWALL),
        ("watchguard", WATCHGUARD.replace("3000-0151", "3000-0148"), WATCHGUARD),
    ],
)
def test_a_line_of_no_bytes_that_was_cut_does_not_hide_the_one_behind_it(encoding: str, line: str, other: str) -> None:
    parsed = read(encoding, *(line[:cut] + other for cut in range(1, len(line) + 1)))
    assert parsed.rows.height + parsed.rejects.height == len(line)
