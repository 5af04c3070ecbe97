"""CEF and LEEF of devices without a format of their own: which way their bytes go, their times, and what is no flow."""

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.counting.once import count_once
from pipeline.errors import SourceError
from pipeline.sources.registry import detect
from tests.examples import examples
from tests.pipeline.sources.lines import ends, only, read, read_blocks, read_lines

HEAD = "<14>Nov 20 08:00:56 nss "
ZSCALER = (
    f"{HEAD}CEF:0|Zscaler|NSSFWlog|5.7|Allow|Default rule|3|act=Allow suser=a src=10.1.0.11 spt=50001 dst=10.9.0.25 "
    "dpt=993 deviceTranslatedAddress=203.0.113.9 destinationTranslatedAddress=0.0.0.0 proto=TCP reason=a in b=c "
    "in=5900 out=1200 rt=Nov 20 2026 08:00:56 cs2=IMAPS cs2Label=nwService cs4=No cs4Label=aggregated cn1=56000 "
    "cn1Label=durationms cn2=1 cn2Label=numsessions"
)
LEEF = (
    f"{HEAD}LEEF:1.0|Zscaler|NSS-FW|6.0|Allow|usrName=a\tsrc=10.1.0.11\tdst=10.9.0.25\tsrcPort=50001\tdstPort=993\t"
    "cat=nss-fw\taggregate=No\tproto=TCP\tdstBytes=5900\tsrcBytes=1200\tduration=56\tdurationms=56000\tnumsessions=1\t"
    "devTime=Nov 20 2026 08:00:56"
)
SONICWALL = (
    "<134>Nov 20 08:00:56 fw CEF:0|SonicWall|NSA 2650|6.5.4|537|Connection Closed|4|cat=1024 gcat=6 src=10.1.0.11 "
    "spt=50001 dst=10.9.0.25 dpt=993 proto=tcp/imaps out=1200 in=5900 rt=1795161656000 cn2=56 cn2Label=Duration"
)
BY_LABEL = SONICWALL.replace("cn2=56 cn2Label=Duration", "cn1Label=8 cn2Label=9 cn3Label=56000")
"""As SonicOS writes it: numbers where their labels belong, the last one milliseconds."""
DIALECTS = {"Zscaler": ZSCALER, "Zscaler, LEEF": LEEF, "SonicWall": SONICWALL, "SonicWall's own": BY_LABEL}


@pytest.mark.parametrize("who", DIALECTS)
def test_what_the_destination_sent_is_what_the_source_received(who: str) -> None:
    assert detect(f"{DIALECTS[who]}\n".encode(), "auto", "x") == "cef"
    row = only(read("cef", DIALECTS[who]))
    assert ends(row) == ("10.1.0.11", 50_001, "10.9.0.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["transport"]) == (5_900, 1_200, "tcp")
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 56_000_000)


PAIRED = LEEF.partition("LEEF:1.0|Zscaler|NSS-FW|6.0|Allow|")[2]


@pytest.mark.parametrize(
    "line",
    [
        *(
            f"{HEAD}LEEF:2.0|Zscaler|NSS-FW|6.0|Allow|{named}|{PAIRED.replace(chr(9), parter)}"
            for named, parter in [(";", ";"), ("x7C", "|"), ("0x09", "\t"), ("x5E", "^"), ("^", "^"), ("", "\t")]
        ),
        LEEF.replace("usrName=a\t", "usrName=a b\t").replace("\t", " "),
        LEEF.replace("\t", "#011"),
        ZSCALER.replace(" spt", "\tspt").replace(" in=", "\tin=").replace(" out", "\tout").replace("|act", "|\tact"),
    ],
)
def test_pairs_may_be_parted_by_what_the_header_names_or_their_writer_took(line: str) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == "cef"
    parsed = read("cef", line, LEEF)
    assert parsed.rows.drop("source_line").unique().height == 1
    assert parsed.rows.select("other_bytes_in", "other_bytes_out", "duration").row(0) == (5_900, 1_200, 56_000_000)


def test_a_parter_within_a_value_gives_no_counter_a_second_value() -> None:
    for forged in (
        LEEF + "\turl=x dstBytes=1",
        ZSCALER + " msg=x\tin=1",
        LEEF.replace("\t", " ") + " url=x dst=10.0.0.1",
    ):
        assert dict(read("cef", forged).account.quarantined) == {"bad_line": 1}


@pytest.mark.parametrize(
    ("told", "start"),
    [
        ("Nov 20 2026 08:00:56 +0200", "2026-11-20T06:00:00+00:00"),
        ("Nov 20 2026 08:00:56 -03:30", "2026-11-20T11:30:00+00:00"),
        ("Nov 20 2026 08:00:56.250 +0000", "2026-11-20T08:00:00.250000+00:00"),
        ("Nov 20 2026 08:00:56 GMT+02:00", "2026-11-20T06:00:00+00:00"),
        ("Nov 20 2026 08:00:56 +02", "2026-11-20T06:00:00+00:00"),
        ("Nov 20 2026 08:00:56.250 UTC-5", "2026-11-20T13:00:00.250000+00:00"),
        ("Nov 20 2026 08:00:56.250", "2026-11-20T07:00:00.250000+00:00"),
        ("Nov 20 2026 08:00:56.250 UTC", "2026-11-20T08:00:00.250000+00:00"),
        ("2026-11-20T08:00:56.250+02:00", "2026-11-20T06:00:00.250000+00:00"),
    ],
)
def test_a_time_in_words_keeps_its_offset_and_its_fraction(told: str, start: str) -> None:
    line = ZSCALER.replace("rt=Nov 20 2026 08:00:56", f"rt={told}")
    leef = LEEF.replace("devTime=Nov 20 2026 08:00:56", f"devTime={told}")
    for message in (line, leef):
        assert only(read("cef", message, zone="Europe/Berlin"))["start_time"].isoformat() == start


def test_a_time_is_of_the_zone_that_it_names_or_the_source_s() -> None:
    berlin = {"zone": "Europe/Berlin"}
    assert only(read("cef", ZSCALER, **berlin))["start_time"].hour == 7
    assert only(read("cef", ZSCALER.replace("08:00:56 cs2", "08:00:56 GMT cs2"), **berlin))["start_time"].hour == 8
    assert only(read("cef", SONICWALL, **berlin))["start_time"].hour == 8
    parsed = read("cef", SONICWALL.replace("rt=1795161656000 ", ""))
    assert (only(parsed)["start_time"].month, dict(parsed.account.warnings)) == (11, {"year_assumed": 1})


@pytest.mark.parametrize(
    ("line", "warnings"),
    [
        (ZSCALER.replace("act=Allow", "act=Drop"), {"blocked": 1}),
        (LEEF.replace("|Allow|", "|Drop|"), {"blocked": 1}),
        (ZSCALER.replace("cs4=No", "cs4=Yes").replace("cn2=1 ", "cn2=3 "), {"several_ends": 1}),
        (ZSCALER.replace("cs4=No", "cs4=Yes").replace("cn2=1 ", ""), {"several_ends": 1}),
        (ZSCALER.replace("NSSFWlog", "NSSWeblog"), {}),
        (ZSCALER.replace(" in=5900", "").replace(" out=1200", ""), {"no_counters": 1}),
        ("<14>Nov 20 08:00:56 nss started", {}),
        (SONICWALL.replace("|537|Connection Closed|", "|98|Connection Opened|"), {"begin": 1}),
        (SONICWALL.replace("|537|Connection Closed|", "|97|Syslog Website Accessed|"), {}),
    ],
)
def test_what_is_no_flow_is_ignored_by_name(line: str, warnings: dict[str, int]) -> None:
    parsed = read("cef", line)
    assert (parsed.account.flows, parsed.account.ignored, dict(parsed.account.warnings)) == (0, 1, warnings)


USERGATE = (
    "<13>1 2026-11-20T08:00:00Z ug - - - - CEF:0|UserGate|NGFW|7|traffic|firewall|1|rt=1795161600000 act=accept "
    "cs1Label=Rule cs1=Allow trusted src=10.1.0.11 spt=50001 proto=TCP dst=10.9.0.25 dpt=993 in=1200 out=5900 "
    "cn1Label=Packets sent cn1=9 cn2Label=Packets received cn2=12"
)


def test_what_usergate_calls_in_went_from_the_source_to_the_destination() -> None:
    row = only(read("cef", USERGATE))
    assert (ends(row), row["other_bytes_in"], row["other_bytes_out"]) == (
        ("10.1.0.11", 50_001, "10.9.0.25", 993),
        5_900,
        1_200,
    )
    others = read("cef", USERGATE.replace("|traffic|firewall|", "|mailsecurity|log|"), USERGATE)
    assert (others.account.flows, others.account.ignored) == (1, 1)
    assert dict(read("cef", USERGATE.replace("act=accept", "act=drop")).account.warnings) == {"blocked": 1}


ILLUMIO = (
    "<14>Nov 20 08:10:04 pce sec=1.5 sev=INFO rid=0 CEF:0|Illumio|PCE|22.5.0|flow_allowed|Flow Allowed|1|act=allowed "
    "cat=flow_summary deviceDirection=0 dpt=993 src=10.1.0.11 dst=10.9.0.25 proto=tcp cnt=7 in=7000 out=27000 "
    "rt=Nov 20 2026 08:00:00 cn1=600 cn1Label=interval_sec cn2=1200 cn2Label=dbi cn3=5900 cn3Label=dbo cs2=A "
    "cs2Label=state dvchost=pce"
)


def test_of_illumio_s_summaries_counts_what_an_interval_added_once_for_both_ends() -> None:
    """Its `in` and `out` are the destination's, and running totals; 1,200 and 5,900 bytes are the interval's."""
    later = ILLUMIO.replace("08:00:00", "08:10:00").replace("cn3=5900", "cn3=100").replace("cn2=1200", "cn2=10")
    parsed = read("cef", ILLUMIO, ILLUMIO.replace("deviceDirection=0", "deviceDirection=1"), later)
    flows, dropped = count_once(parsed.rows.with_columns(source=pl.lit(""), source_file=pl.lit("")))
    assert (flows["other_bytes_in"].sum(), flows["other_bytes_out"].sum()) == (6_000, 1_210)
    assert dropped.other_sensors == 1
    assert parsed.rows["accounting"].unique().to_list() == ["delta"]
    bare = read("cef", ILLUMIO.replace(" cn2=1200 cn2Label=dbi cn3=5900 cn3Label=dbo", ""))
    assert dict(bare.account.warnings) == {"no_counters": 1}


@pytest.mark.parametrize("key", ["in", "out"])
def test_an_asa_s_one_count_is_of_both_directions(key: str) -> None:
    line = (
        "<134>Nov 20 08:00:57 asa CEF:0|CISCO|ASA||302014|Teardown TCP connection|Low|eventId=5 proto=TCP "
        f"rt=1795161600000 src=10.1.0.11 spt=50001 dst=10.9.0.25 dpt=993 {key}=7100 cs6=0:00:56 cs6Label=Duration"
    )
    parsed = read("cef", line)
    assert parsed.rows.select("other_bytes_in", "other_bytes_out").row(0) == (None, None)
    assert dict(parsed.account.warnings) == {"direction_unknown": 1}


PACKET = (
    "<14>Nov 20 08:00:56 dsm CEF:0|Trend Micro|Deep Security Agent|20.0|20|Log for TCP Port 993|0|cn1=1 act=Log "
    "TrendMicroDsFrameType=IP src=10.1.0.11 dst=10.9.0.25 in=60 proto=TCP spt=50001 dpt=993 cs2=0x10 ACK cnt=1"
)
DETECTION = (
    "<13>Nov 20 08:00:56 v CEF:0|Vectra Networks|X Series|5.6|exfil|Data Smuggler|8|externalId=3 cat=EXFILTRATION "
    "src=10.1.0.11 flexNumber1=60 dst=10.9.0.25 proto=tcp dpt=993 out=45000 in=90000 start=1795161600000"
)


FORCEPOINT = (
    "<6>CEF:0|FORCEPOINT|Firewall|6.10.2|70021|Connection_Closed|0|spt=50001 deviceExternalId=fw node 1 dst=10.9.0.25 "
    "app=IMAPS rt=Nov 20 2026 08:00:00 deviceFacility=Packet Filtering dpt=993 src=10.1.0.11 proto=6 in=5900 out=1200 "
    "act=Allow"
)


def test_what_forcepoint_tells_of_a_connection_that_goes_on_waits_for_its_end() -> None:
    going_on = FORCEPOINT.replace("|70021|Connection_Closed|", "|70026|Connection_Progress|").replace("5900", "3000")
    pairs = "src=10.1.0.11\tdst=10.9.0.25\tsrcPort=50001\tdstPort=993\tproto=6\tsrcBytes=7\tdstBytes=9"
    leef = f"<6>LEEF:1.0|FORCEPOINT|Firewall|6.10.2|Connection_Progress|devTime=Nov 20 2026 08:00:00\t{pairs}"
    refused = FORCEPOINT.replace("act=Allow", "act=Discard")
    parsed = read("cef", going_on, FORCEPOINT, leef, refused)
    assert dict(parsed.account.warnings) == {"begin": 2, "blocked": 1}
    assert (only(parsed)["other_bytes_in"], only(parsed)["other_bytes_out"]) == (5_900, 1_200)


@pytest.mark.parametrize(("line", "warnings"), [(PACKET, {"packets": 1}), (DETECTION, {})])
def test_bytes_of_a_packet_and_of_a_detection_are_none_of_a_session(line: str, warnings: dict[str, int]) -> None:
    assert detect(f"{line}\n".encode(), "auto", "x") == "cef"
    account = read("cef", line).account
    told = {k: n for k, n in account.warnings.items() if k != "year_assumed"}
    assert (account.flows, account.ignored, told) == (0, 1, warnings)


def test_a_counter_given_twice_and_what_is_no_message_are_set_aside() -> None:
    parsed = read("cef", f"{ZSCALER} in=9", "CEF is a format")
    assert dict(parsed.account.quarantined) == {"bad_line": 2}


def test_messages_without_bytes_are_named_and_not_read() -> None:
    with pytest.raises(SourceError, match="CEF of SonicWall NSA 2650"):
        detect(SONICWALL.replace(" out=1200 in=5900", "").encode(), "auto", "x")


def test_lines_of_several_vendors_are_read_and_warned_of_where_one_vendor_s_format_reads_them() -> None:
    fortigate = SONICWALL.replace("SonicWall|NSA 2650|6.5.4|537|Connection Closed", "Fortinet|Fortigate|7|13|traffic:x")
    fortigate = fortigate.replace("rt=1795161656000", "start=Nov 20 2026 08:00:56").replace("1024", "traffic")
    assert read("cef", ZSCALER, fortigate).account.flows == 2
    parsed = read("fortinet", ZSCALER, fortigate)
    assert (parsed.account.flows, dict(parsed.account.warnings)) == (1, {"lines_of_cef": 1})


TEXTS = [*DIALECTS.values(), "CEF:0|a|b|c|", "LEEF:2.0|a|b|c|d|^|src=1^srcBytes=2", "x", '"', ""]


@settings(max_examples=examples(10))
@given(st.lists(st.sampled_from(TEXTS), max_size=8), st.integers(0, 8), st.integers(1, 300))
def test_no_lines_break_the_reader_and_blocks_read_as_the_whole(lines: list[str], at: int, end: int) -> None:
    cut = [*lines, ZSCALER[:end]]
    whole, parts = read_lines("cef", cut), read_blocks("cef", [cut[:at], cut[at:]])
    assert whole.account == parts.account
    assert whole.rows.equals(parts.rows)
