"""Huawei firewalls' session logs: which way their bytes go, their times, and what is no flow."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.sources.registry import detect
from tests.pipeline.sources.lines import ends, only, read, read_lines

PAIRS = (
    "IPVer=4,Protocol=tcp,SourceIP=10.1.0.11,DestinationIP=198.51.100.25,SourcePort=50001,DestinationPort=993,"
    "SourceNatIP=203.0.113.9,SourceNatPort=2048,BeginTime=1795161600,EndTime=1795161660,SendPkts=6,SendBytes=420,"
    "RcvPkts=8,RcvBytes=5420,SourceVpnID=0,DestinationVpnID=0,PolicyName=out,UserName=a.b,CloseReason=aged-out."
)
ENDED = f"<190>2026-11-20 16:01:00 fw1 %%01SECLOG/6/SESSION_TEARDOWN(l):{PAIRS}"


@pytest.mark.parametrize("before", ["", "Nov 20 08:01:01 relay "])
@pytest.mark.parametrize(("comma", "end"), [(",", ""), (", ", ""), (",", ",SourceVpnID=0")])
def test_what_came_back_are_bytes_in(before: str, comma: str, end: str) -> None:
    """Seconds are those since 1970, whatever clock the header shows; the last pair ends with a full stop."""
    line = before + ENDED.replace(",Destination", f"{comma}Destination")
    line = line[: line.index(",SourceVpnID")] + "." if end else line
    assert detect(f"{line}\n".encode(), "auto", "x") == "huawei"
    row = only(read("huawei", line))
    assert ends(row) == ("10.1.0.11", 50_001, "198.51.100.25", 993)
    assert (row["other_bytes_in"], row["other_bytes_out"], row["packets_in"], row["transport"]) == (
        5_420,
        420,
        8,
        "tcp",
    )
    assert (row["start_time"].isoformat(), row["duration"]) == ("2026-11-20T08:00:00+00:00", 60_000_000)
    assert (row["src_translated_ip"], row["dvc"]) == ("203.0.113.9", "relay" if before else "fw1")


def test_what_did_not_end_or_cannot_be_believed_is_no_flow() -> None:
    built = "<190>2026-11-20 16:01:00 fw1 %%01SECLOG/6/SESSION_BUILT(l):" + PAIRS[: PAIRS.index(",EndTime")]
    words = "<190>2026-11-20 16:01:00 fw1 %%01SECLOG/6/SESSION_TEARDOWN(l): Teardown an udp session, 10.1.0.11:1 (a) to"
    other = "<190>2026-11-20 16:01:00 fw1 %%01POLICY/6/POLICYPERMIT(l):vsys=public, source-ip=10.1.0.11"
    bare = ENDED.replace("SendBytes=420,", "").replace("RcvBytes=5420,", "")
    parsed = read("huawei", built, other, bare, words, f"{ENDED[:-1]},RcvBytes=9", "junk")
    assert parsed.rows.is_empty()
    assert dict(parsed.account.warnings) == {"begin": 1, "no_counters": 1}
    assert parsed.rejects.select("source_line", "reason").rows() == [(n, "bad_line") for n in (4, 5, 6)]


@given(st.lists(st.one_of(st.binary(max_size=60), st.sampled_from([ENDED, ENDED[:150], ENDED.replace("=", "=,")]))))
def test_no_bytes_crash_the_reader_and_every_line_is_accounted_for(lines: list[str | bytes]) -> None:
    assert read_lines("huawei", lines).account.balanced
