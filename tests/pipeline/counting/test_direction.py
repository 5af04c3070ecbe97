"""What mail servers do shows whether a source's bytes go the way it says."""

from typing import Any

import polars as pl
import pytest

from pipeline.counting.direction import ENOUGH, Direction, judge

FLOW: dict[str, Any] = {
    **{"source": "core", "source_file": "a.log", "source_line": 1, "src_port": 50_000, "dest_port": 993},
    **{"bytes_in": 900, "bytes_out": 100, "bytes": None, "server": "dest"},
}
SCHEMA = {k: pl.String if isinstance(v, str) else pl.Int64 for k, v in FLOW.items()}


def verdict(*groups: tuple[int, dict[str, Any]]) -> Direction:
    rows = [FLOW | change for n, change in groups for _ in range(n)]
    (found,) = judge(pl.DataFrame([r | {"source_line": i} for i, r in enumerate(rows, 1)], schema=SCHEMA))
    return found


SWAPPED = {"bytes_in": 100, "bytes_out": 900}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([(ENOUGH, {})], "right"),
        ([(ENOUGH - 1, {})], "unproved"),
        ([(ENOUGH, SWAPPED)], "swapped"),
        ([(12, {}), (18, SWAPPED | {"bytes_out": 2_000})], "ambiguous"),
        ([(ENOUGH, {"dest_port": 25} | SWAPPED)], "unproved"),
        ([(ENOUGH, {"dest_port": 443} | SWAPPED)], "swapped"),
        ([(ENOUGH, {"src_port": 993, "dest_port": 50_000, "server": "src"})], "reversed_ends"),
        ([(ENOUGH, {"bytes_in": None, "bytes_out": None, "bytes": 500})], "unknown"),
        ([(ENOUGH, {"bytes_in": None, "bytes_out": None})], "unknown"),
        ([(ENOUGH, {}), (ENOUGH, {"bytes_in": None})], "right"),
    ],
)
def test_the_verdict_follows_what_servers_do(groups: list[tuple[int, dict[str, Any]]], expected: str) -> None:
    found = verdict(*groups)
    assert found.verdict == expected
    assert found.refused == (expected not in ("right", "unproved"))


UNSPLIT: dict[str, Any] = {"bytes_in": None, "bytes_out": None, "bytes": 500}
TURNED: dict[str, Any] = {"src_port": 993, "dest_port": 50_000, "server": "src"}


@pytest.mark.parametrize(
    ("groups", "expected"),
    [
        ([(ENOUGH, {"bytes_in": 500, "bytes_out": 500})], "right"),
        ([(ENOUGH, {"bytes_in": 499, "bytes_out": 501})], "ambiguous"),
        ([(ENOUGH, {"bytes_in": 251, "bytes_out": 749})], "ambiguous"),
        ([(ENOUGH, {"bytes_in": 250, "bytes_out": 750})], "swapped"),
        ([(ENOUGH, {}), (ENOUGH, UNSPLIT)], "right"),
        ([(ENOUGH, {}), (ENOUGH + 1, UNSPLIT)], "unknown"),
        ([(ENOUGH - 1, UNSPLIT)], "unproved"),
        ([(ENOUGH, {}), (ENOUGH, TURNED)], "reversed_ends"),
        ([(ENOUGH, {}), (ENOUGH - 1, TURNED)], "right"),
        ([(ENOUGH - 1, TURNED)], "unproved"),
        ([(ENOUGH, {}), (ENOUGH, {"src_port": 25, "dest_port": 25})], "right"),
        ([(ENOUGH, {}), (ENOUGH, {"dest_port": 443} | SWAPPED)], "right"),
        ([(ENOUGH, SWAPPED), (3 * ENOUGH, {"dest_port": 25})], "swapped"),
        ([(ENOUGH - 1, {}), (ENOUGH, {"bytes_out": None})], "unproved"),
        ([(ENOUGH - 1, {}), (ENOUGH, {"server": "src"})], "unproved"),
    ],
)
def test_at_its_limits_a_verdict_is_the_one_that_is_told(
    groups: list[tuple[int, dict[str, Any]]], expected: str
) -> None:
    assert verdict(*groups).verdict == expected


@pytest.mark.parametrize("port", [110, 143, 993, 995])
def test_every_port_of_mailbox_access_tells(port: int) -> None:
    assert verdict((ENOUGH, {"dest_port": port} | SWAPPED)).verdict == "swapped"


@pytest.mark.parametrize("port", [25, 465, 587, 110, 143, 993, 995])
def test_every_port_of_mail_on_the_initiators_side_tells(port: int) -> None:
    assert verdict((ENOUGH, TURNED | {"src_port": port})).verdict == "reversed_ends"


def test_one_large_upload_among_many_downloads_proves_nothing() -> None:
    assert verdict((30, {}), (1, {"bytes_out": 10**9})).verdict == "right"


def test_many_empty_sessions_prove_nothing_against_the_bytes() -> None:
    assert verdict((ENOUGH, {"bytes_in": 40, "bytes_out": 60}), (3, {"bytes_in": 10**6})).verdict == "right"


def test_the_message_names_the_lines_that_speak_against_the_source_and_what_to_do() -> None:
    found = verdict((ENOUGH, SWAPPED), (1, SWAPPED | {"bytes_out": 5_000}))
    assert found.examples[0] == f"a.log:{ENOUGH + 1}"
    assert "source core: servers sent only" in found.message
    assert "a.log:21, a.log:1, a.log:2" in found.message
    assert "swap_bytes" in found.message


@pytest.mark.parametrize("port", [993, 443])
def test_flows_of_mailbox_access_alone_make_up_the_share_that_is_told(port: int) -> None:
    found = verdict((ENOUGH, {"dest_port": port}), (3 * ENOUGH, {"dest_port": 25, "bytes_out": 10**6}))
    assert (found.server_share, found.reading, found.reversed_share, found.unsplit_share) == (0.9, ENOUGH, 0, 0)
    assert "servers sent 90% of the bytes in 20 flows of mailbox access. Its direction holds." in found.message
    assert verdict((ENOUGH, {"src_port": 53, "dest_port": 53})).reversed_share == 0


@pytest.mark.parametrize("port", [993, 443])
def test_only_lines_that_speak_against_the_source_are_examples(port: int) -> None:
    large = {"dest_port": 25, "bytes_out": 10**9}, {"dest_port": port, "bytes_in": 50, "bytes_out": 50}
    found = verdict((1, large[0]), (1, large[1]), (ENOUGH, SWAPPED | {"dest_port": port}))
    assert (found.verdict, found.examples) == ("swapped", ("a.log:3", "a.log:4", "a.log:5"))
    found = verdict((1, {"bytes_in": 10**9}), (ENOUGH, TURNED))
    assert (found.verdict, found.examples[0]) == ("reversed_ends", "a.log:2")
    found = verdict((1, {"bytes_in": 10**9}), (ENOUGH, UNSPLIT))
    assert (found.verdict, found.examples[0]) == ("unknown", "a.log:2")


def test_sums_beyond_64_bits_are_still_sums() -> None:
    assert verdict((ENOUGH, {"bytes_in": 10**18, "bytes_out": 10**17})).server_share == 10 / 11
    assert verdict((ENOUGH, {"bytes_in": 10**17, "bytes_out": 10**18})).verdict == "swapped"


def test_every_source_is_judged_by_its_own_flows() -> None:
    rows = [FLOW] * ENOUGH + [FLOW | SWAPPED | {"source": "edge"}] * ENOUGH
    found = judge(pl.DataFrame(rows, schema=SCHEMA))
    assert [(d.source, d.verdict) for d in found] == [("core", "right"), ("edge", "swapped")]
