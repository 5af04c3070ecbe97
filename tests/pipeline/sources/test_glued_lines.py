"""A line that was cut in its middle, with the next one behind it: no client gets the bytes of another's session."""

import pytest

from tests.pipeline.sources.formats.test_hillstone import ENDED as HILLSTONE
from tests.pipeline.sources.formats.test_juniper import PLAIN as JUNIPER
from tests.pipeline.sources.formats.test_sonicwall import CLOSED as SONICWALL
from tests.pipeline.sources.formats.test_sophos import DEVICE as SOPHOS
from tests.pipeline.sources.formats.test_stormshield import LINE as STORMSHIELD
from tests.pipeline.sources.formats.test_watchguard import ENDED as WATCHGUARD
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
}


@pytest.mark.parametrize("name", LINES)
def test_a_line_cut_in_its_middle_lends_its_ends_to_no_other(name: str) -> None:
    line = LINES[name]
    client = read(name, line).rows["src_ip"][0]
    other = line.replace(client, "10.1.77.77")
    glued = [line[:cut] + other for cut in range(1, len(line))]
    assert set(read(name, *glued).rows["src_ip"]) == {"10.1.77.77"}
