"""Binary flow files by way of the installed nfdump, and real exporters' records compared with the packets they saw."""

import stat
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from pipeline.counting.once import count_once
from pipeline.errors import SourceError
from pipeline.sources import nfcapd
from pipeline.sources.base import Block, DocumentReader, Parsed, ReadOptions
from pipeline.sources.registry import READERS, detect
from pipeline.sources.watch import Watch
from tests.netflow_tools import MISSING, Event, Session, collect, collect_events, export, write_pcap
from tests.pipeline.sources.lines import LATEST


def put_program(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    """A stand-in for nfdump that is first in the path."""
    program = folder / "nfdump"
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    return program


@pytest.mark.parametrize("magic", ["0ca50100", "0ca50200", "a50c0001", "a50c0002"])
def test_the_magic_number_of_either_layout_and_machine_is_known(magic: str) -> None:
    assert nfcapd.is_nfcapd(bytes.fromhex(magic) + b"\0\0")
    assert not nfcapd.is_nfcapd(bytes.fromhex(magic)[1:] + b"\0\0")


def test_without_the_program_the_error_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SourceError, match=r"x\.nf: .* not installed.* Install nfdump"):
        nfcapd.open_program(tmp_path / "x.nf")


def test_a_file_is_named_by_its_whole_path_so_that_it_is_no_option(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    put_program(tmp_path, monkeypatch, 'printf "%s\\n" "$2" "$TZ"')
    monkeypatch.chdir(tmp_path)
    with nfcapd.open_program(Path("-w $(date);x")) as stream:
        assert stream.read().decode().splitlines()[1:] == [f"{tmp_path}/-w $(date);x", "UTC"]


@pytest.mark.parametrize(
    ("script", "message"),
    [
        ("echo 1; exit 255", "ended with code 255"),
        ("echo 1; echo appendix offset error >&2", "appendix offset error"),
        ("echo 1; echo 'bad magic' >&2; exit 3", "bad magic"),
        ("echo 1; exec sleep 30", "printed nothing for 0.3 seconds"),
    ],
)
def test_a_program_that_fails_complains_or_stands_still_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, script: str, message: str
) -> None:
    put_program(tmp_path, monkeypatch, script)
    with nfcapd.open_program(tmp_path / "x", patience=0.3) as stream:
        assert stream.read(1) == b"t"
        with pytest.raises(SourceError, match=message):
            stream.read()


def test_a_stream_that_is_closed_early_ends_its_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put_program(tmp_path, monkeypatch, "while :; do echo 1; done")
    stream: Any = nfcapd.open_program(tmp_path / "x")
    assert len(stream.read(1 << 12)) == 1 << 12
    process = stream.raw._process
    stream.close()
    assert process.returncode is not None


def test_a_program_that_knows_no_events_is_asked_without_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    complaint = "echo 'Output format parse error at: %evt,%msec' >&2; exit 1"
    put_program(
        tmp_path,
        monkeypatch,
        f'case "$7" in *evt*) {complaint};; esac; case "$8" in *evt*) {complaint};; esac; printf "%s\\n" "$*"',
    )
    with nfcapd.open_program(tmp_path / "x.nf") as stream:
        header, line = stream.read().decode().splitlines()
    assert header.endswith(",ra,dir,evt,msec")
    assert line.endswith(",%ra,%dir,,")


# Real tools

T0 = 1_795_132_800.0
SESSIONS = [
    Session("10.1.0.11", 40_001, "192.0.2.25", 25, T0, (1_200, 300)),
    Session("10.1.0.11", 40_002, "192.0.2.25", 993, T0 + 5, (1_400,) * 40),
    Session("10.1.0.12", 40_003, "192.0.2.80", 443, T0 + 7, (900, 0, 77)),
    Session("2001:db8::11", 40_004, "2001:db8::25", 993, T0 + 9, (1_300,) * 7),
    Session("2001:db8::12", 40_005, "2001:db8::25", 143, T0 + 11, (10,)),
    Session("10.1.0.13", 40_006, "192.0.2.25", 143, T0 + 12, ()),
]
EXPECTED = sorted((s.client, s.client_port, s.server, s.server_port, *s.ip_bytes()) for s in SESSIONS)
needs_tools = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")
WAYS = {"one-way": ("-v", "10", "-A", "milli"), "biflow": ("-v", "10", "-A", "milli", "-b"), "v5": ("-v", "5")}


@pytest.fixture(scope="module")
def captured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("netflow")
    write_pcap(folder / "sessions.pcap", SESSIONS)
    found = {way: collect(folder / "sessions.pcap", folder / way, *options) for way, options in WAYS.items()}
    return {**found, "stretches": collect(folder / "sessions.pcap", folder / "s", *WAYS["one-way"], "-t", "maxlife=1")}


def read_all(data: bytes, encoding: str, **options: Any) -> Parsed:
    assert detect(data[:65_536], "auto", "x") == encoding
    reader = READERS[encoding](ReadOptions(Watch(None), LATEST, **options))
    if data.startswith(b"["):
        assert isinstance(reader, DocumentReader)
        return reader.read_array(data)
    return reader.read(Block(data, 1, data.count(b"\n")))


def sessions(parsed: Parsed) -> list[tuple[Any, ...]]:
    assert parsed.account.balanced
    assert not parsed.account.quarantined
    rows = parsed.rows.with_columns(source=pl.lit("s"), source_file=pl.lit("f"), dvc=pl.col("dvc").fill_null("s"))
    flows, _ = count_once(rows)
    columns = ("src_ip", "src_port", "dest_ip", "dest_port", "ip_bytes_in", "ip_bytes_out")
    return sorted(flows.select(columns).rows())


@pytest.mark.slow
@needs_tools
@pytest.mark.parametrize("way", [*WAYS, "stretches"])
def test_a_binary_file_holds_the_bytes_that_were_sent(captured: dict[str, Path], way: str) -> None:
    with nfcapd.open_program(captured[way]) as stream:
        parsed = read_all(stream.read(), "nfcapd")
    expected = EXPECTED if way != "v5" else [e for e in EXPECTED if ":" not in e[0]]
    assert sessions(parsed) == expected
    assert parsed.account.flows > len(expected) or way == "biflow"
    first = parsed.rows["start_time"].min()
    assert isinstance(first, type(parsed.rows["start_time"][0]))
    assert abs(first.timestamp() - T0) < 0.01


@pytest.mark.slow
@needs_tools
@pytest.mark.parametrize(
    ("way", "options", "encoding"),
    [
        ("one-way", ("-o", "csv"), "nfdump_csv"),
        ("one-way", ("-o", "csv", "-q"), "nfdump_csv"),
        ("one-way", ("-o", "csv", "-B"), "nfdump_csv"),
        ("one-way", ("-o", "csv", "-b"), "nfdump_csv"),
        ("one-way", ("-o", "json"), "nfdump_json"),
        ("one-way", ("-o", "long6"), "nfdump_text"),
        ("one-way", ("-o", "line6", "-N"), "nfdump_text"),
        ("one-way", ("-o", "extended6", "-q"), "nfdump_text"),
        ("one-way", ("-o", "bilong6", "-B"), "nfdump_text"),
        ("one-way", ("-o", "fmt:%te %ts %sap %dap %ibyt %pr", "-6"), "nfdump_text"),
        ("one-way", ("-o", "fmt:%sa %sp %da %dp %ts|%ibyt|%obyt|%ra|%mpls1|%pr", "-6", "-B"), "nfdump_text"),
        ("biflow", ("-o", "fmt:%ts %td %pr %sap -> %dap %flg %ipkt %opkt %ibyt %obyt %fl", "-6"), "nfdump_text"),
        ("biflow", ("-o", "csv"), "nfdump_csv"),
        ("biflow", ("-o", "biline6"), "nfdump_text"),
        ("stretches", ("-o", "csv"), "nfdump_csv"),
    ],
)
def test_every_export_holds_the_bytes_that_were_sent(
    captured: dict[str, Path], way: str, options: tuple[str, ...], encoding: str
) -> None:
    parsed = read_all(export(captured[way], *options), encoding)
    assert sessions(parsed) == EXPECTED
    assert not parsed.account.warnings


@pytest.mark.slow
@needs_tools
def test_json_of_both_directions_is_whole_or_warned_of(captured: dict[str, Path]) -> None:
    parsed = read_all(export(captured["one-way"], "-B", "-o", "json"), "nfdump_json")
    lost = parsed.account.warnings["no_reverse_counters"]
    assert lost == len(SESSIONS) or sessions(parsed) == EXPECTED


@pytest.mark.slow
@needs_tools
def test_a_file_without_records_is_a_quiet_stretch(captured: dict[str, Path], tmp_path: Path) -> None:
    export(captured["one-way"], "-w", str(tmp_path / "none"), "port 1")
    with nfcapd.open_program(tmp_path / "none") as stream:
        parsed = read_all(stream.read(), "nfcapd")
    assert (parsed.account.flows, parsed.account.lines - parsed.account.comments) == (0, 0)


@pytest.mark.slow
@needs_tools
def test_a_damaged_file_is_refused_with_what_nfdump_says(captured: dict[str, Path], tmp_path: Path) -> None:
    whole = captured["one-way"].read_bytes()
    half, other = tmp_path / "half", tmp_path / "other"
    half.write_bytes(whole[: len(whole) // 2])
    other.write_bytes(b"\xa5\x0c\x00\x02" + whole[4:])
    for path in (half, other):
        with nfcapd.open_program(path) as stream, pytest.raises(SourceError, match="cannot be read by nfdump"):
            stream.read()


LONG, SHORT = ("10.1.0.11", 40_001, "192.0.2.25", 993), ("10.1.0.12", 25, "192.0.2.26", 60_001)
EVENTS = (
    Event(1, LONG, int(T0), int(T0)),
    Event(5, LONG, int(T0), int(T0) + 60, 100, 5_000),
    Event(5, LONG, int(T0), int(T0) + 120, 200, 9_000),
    Event(2, LONG, int(T0), int(T0) + 180, 300, 12_000),
    Event(3, ("10.1.0.13", 40_002, "192.0.2.25", 993), int(T0), int(T0)),
    Event(2, SHORT, int(T0), int(T0) + 2, 4_000, 70),
)
"""A connection whose counters are told three times, one that was denied, and one whose initiator has the lower port."""


@pytest.mark.slow
@needs_tools
@pytest.mark.parametrize("encoding", ["nfcapd", "nfdump_csv", "nfdump_json"])
def test_events_of_a_firewall_count_each_connection_once(tmp_path: Path, encoding: str) -> None:
    file = collect_events(tmp_path / "events", EVENTS)
    if encoding == "nfcapd":
        with nfcapd.open_program(file) as stream:
            parsed = read_all(stream.read(), encoding)
    else:
        parsed = read_all(export(file, "-o", encoding.removeprefix("nfdump_")), encoding)
    assert sessions(parsed) == [(*LONG, 12_000, 300), (*SHORT, 70, 4_000)]
    assert set(parsed.account.warnings) <= {"blocked", "begin", "no_data"}
    if encoding != "nfdump_csv":
        assert sorted(parsed.rows["duration"] / 1e6) == [2, 60, 120, 180]
