"""Messages whose first word a syslog server took for the name of a program: they are read as if it had not."""

import re
from collections.abc import Callable

import pytest

from pipeline.sources.registry import detect
from pipeline.sources.wrappings.programs import restored
from tests.pipeline.sources.formats.test_paloalto import pan
from tests.pipeline.sources.lines import read, read_blocks

TIMED = "<134>1 2026-11-20T08:00:31+00:00 fw1 "
MESSAGES = {
    "asa": "%ASA-6-302014: Teardown TCP connection 77 for outside:10.1.0.11/51000 to inside:10.9.0.25/993 "
    "duration 0:00:30 bytes 6500 TCP FINs",
    "asa ftd": "%FTD-6-430003: AccessControlRuleAction: Allow, SrcIP: 10.1.0.11, DstIP: 10.9.0.25, SrcPort: 51000, "
    "DstPort: 993, Protocol: tcp, InitiatorBytes: 600, ResponderBytes: 5900, ConnectionDuration: 31",
    "paloalto": pan(),
    "paloalto cef": "CEF:0|Palo Alto Networks|PAN-OS|10.2|end|TRAFFIC|1|rt=Nov 20 2026 08:00:31 GMT deviceExternalId=1 "
    "src=10.1.0.11 dst=10.9.0.25 cn1Label=SessionID cn1=77 spt=51000 dpt=993 proto=tcp act=allow in=600 out=5900 "
    "cn3Label=Elapsed time in seconds cn3=31",
    "paloalto leef": "LEEF:1.0|Palo Alto Networks|PAN-OS Syslog Integration|10.2|allow|cat=TRAFFIC|"
    "ReceiveTime=2026/11/20 08:00:31|SerialNumber=1|Type=TRAFFIC|Subtype=end|devTime=Nov 20 2026 08:00:31 GMT|"
    "src=10.1.0.11|dst=10.9.0.25|SessionID=77|srcPort=51000|dstPort=993|proto=tcp|action=allow|totalBytes=6500|"
    "dstBytes=5900|srcBytes=600|ElapsedTime=31",
    "cef": "CEF:0|Forcepoint|Firewall|6.5|70018|Connection_Closed|0|rt=Nov 20 2026 08:00:31 UTC act=Allow proto=6 "
    "src=10.1.0.11 spt=51000 dst=10.9.0.25 dpt=993 in=5900 out=600",
    "zscaler digits": "2026-11-20 08:00:31\treason=Allowed\ttz=UTC\tduration=31\tcsip=10.1.0.11\tcsport=51000\t"
    "cdip=10.9.0.25\tcdport=993\tproto=TCP\tinbytes=5900\toutbytes=600\taggregate=No\taction=Allow",
    "zscaler": "time=Fri Nov 20 08:00:31 2026\ttz=UTC\tduration=31\tcsip=10.1.0.11\tcsport=51000\tcdip=10.9.0.25\t"
    "cdport=993\tipproto=TCP\tinbytes=5900\toutbytes=600\taggregate=No\taction=Allow",
}


def by_syslog_ng(message: str) -> str:
    """What syslog-ng's protocol of RFC 5424 makes of it: the program ends at a blank or colon."""
    name, _, rest = re.sub(r"^([^ :]+):? ?", "\\1\0", message).partition("\0")
    return f"{TIMED}{name} - - - {rest}"


def by_rsyslog(message: str) -> str:
    """What rsyslog's template of RFC 5424 makes of it: the program ends at a slash, too, and the text has its blank."""
    tag = re.match(r"[^ :]+:?", message)
    assert tag is not None
    return f'{TIMED}{re.split("[/:]", tag[0])[0]} - - [x@1 a="b c"] {message[tag.end() :]}'


@pytest.mark.parametrize("server", [by_syslog_ng, by_rsyslog])
@pytest.mark.parametrize("name", MESSAGES)
def test_a_message_is_read_as_where_no_word_of_it_was_taken(name: str, server: Callable[[str], str]) -> None:
    form, plain, taken = name.split(maxsplit=1)[0], TIMED + "- - - - " + MESSAGES[name], server(MESSAGES[name])
    whole = read(form, plain)
    assert (whole.rows.height, whole.account.quarantined) == (1, {})
    encoding = f"{form}@program"
    assert detect(f"{taken}\n".encode(), "auto", "x.log") == encoding
    assert detect(f"{taken}\n".encode(), form, "x.log") == encoding
    assert read(encoding, taken).rows.equals(whole.rows)
    both = read_blocks(encoding, [[plain, taken], [taken]])
    assert (both.rows.height, both.account.quarantined) == (3, {})
    assert both.rows.drop("source_line").unique().equals(whole.rows.drop("source_line"))


@pytest.mark.parametrize(
    "line",
    [
        TIMED + "sshd 77 - - Accepted password",
        TIMED + "CEF - - - is no record",
        TIMED + "1,2026/11/20 - - - no time",
        TIMED + 'CheckPoint 17476 - [action:"Accept"; src:"10.1.0.11"]',
        'RT_FLOW - RT_FLOW_SESSION_CLOSE [junos@2636 reason="x"]',
        '{"a": 1}',
        "",
    ],
)
def test_what_is_no_such_message_stays_as_it_is(line: str) -> None:
    assert restored(line) is None


def test_a_stray_message_of_another_device_does_not_make_its_format_the_file_s() -> None:
    lines = [TIMED + "- - - - " + MESSAGES["cef"], by_syslog_ng(MESSAGES["asa"])]
    assert detect("\n".join([*lines, ""]).encode(), "auto", "x.log") == "cef"


def test_bytes_that_are_no_utf_8_stay_as_they_are() -> None:
    line = by_syslog_ng(MESSAGES["paloalto"]).replace(",mail,", ",ma\udcffil,")
    parsed = read("paloalto@program", line.encode(errors="surrogateescape"))
    assert (parsed.rows.height, parsed.account.quarantined) == (1, {})
