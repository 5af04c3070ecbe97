"""Texts of a shipper that hold several lines: read where each is a whole record, and as one line elsewhere."""

import csv
import io
import json
from pathlib import Path

import pytest

from pipeline.sources.base import Block, Parsed
from pipeline.sources.registry import READERS, detect
from tests.pipeline.sources.formats.test_hillstone import ENDED as HILLSTONE
from tests.pipeline.sources.formats.test_versa import ENDED as VERSA
from tests.pipeline.sources.lines import options, read
from tests.pipeline.sources.wrappings.test_csv_envelope import EVE, PAIRS, PAN, VPC

LINES = {
    "fortinet": [PAIRS.format(n) for n in range(1, 6)],
    "vpc_text": [VPC.format(n) for n in range(1, 6)],
    "suricata": [EVE.format(n) for n in range(1, 6)],
    "paloalto": [PAN.format(n) for n in range(1, 6)],
    "hillstone": [HILLSTONE.replace("10.1.0.11", f"10.1.0.{n}") for n in range(1, 6)],
    "versa": [VERSA.replace("10.1.0.11", f"10.1.0.{n}") for n in range(1, 6)],
}


def told(parsed: Parsed) -> list[tuple[object, ...]]:
    return parsed.rows.drop("source_line", "dvc").rows()


@pytest.mark.parametrize("encoding", LINES)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\n\n"])
def test_each_line_that_is_a_record_is_read_as_one(encoding: str, end: str) -> None:
    """Each is a line of its own in the account, so that this adds up and no two have one number."""
    lines = LINES[encoding]
    texts = [lines[0], end.join(lines[1:4]) + end, lines[4]]
    records = [json.dumps({"log": text}) for text in texts]
    assert detect("\n".join(records).encode(), "auto", "x") == f"{encoding}@log"
    plain, found = read(encoding, *lines), read(f"{encoding}@log", *records)
    assert told(found) == told(plain)
    assert found.rows["source_line"].to_list() == [1, 2, 3, 4, 5]
    assert (found.account.lines, found.account.flows) == (5, 5)


@pytest.mark.parametrize("encoding", LINES)
def test_the_lines_of_a_cell_are_those_of_the_file(encoding: str) -> None:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["_time", "_raw"])
    writer.writerows(["2026-11-20T08:00:00Z", text] for text in ("\n".join(LINES[encoding][:3]), LINES[encoding][3]))
    table = out.getvalue().splitlines()
    plain, found = read(encoding, *LINES[encoding][:4]), read(f"{encoding}@csv:_raw", *table)
    assert told(found) == told(plain)
    assert found.rows["source_line"].to_list() == [2, 3, 4, 5]
    assert (found.account.lines, found.account.comments) == (5, 1)


@pytest.mark.parametrize("encoding", ["fortinet", "suricata"])
def test_a_text_of_which_not_every_line_is_a_record_stays_one(encoding: str) -> None:
    """A stack of calls, or an object over several lines, is no list of records."""
    one = LINES[encoding][0]
    for text in (f"{one}\n  at somewhere", one.replace(", ", ",\n ")):
        whole = read(f"{encoding}@log", json.dumps({"log": text}))
        joined = read(f"{encoding}@log", json.dumps({"log": " ".join(text.splitlines())}))
        assert told(whole) == told(joined)
        assert (whole.account.lines, whole.account) == (1, joined.account)


def test_blocks_are_read_as_the_whole_and_a_grown_file_anew() -> None:
    """A reader may be gone on with as long as lines have the numbers of the file."""
    plain, several = (json.dumps({"log": t}) for t in (LINES["fortinet"][0], "\n".join(LINES["fortinet"])))
    reader = READERS["fortinet@log"](options())
    numbers = list[int]()
    for first, line, resumable in ((1, plain, True), (2, several, False), (3, plain, False), (4, several, False)):
        parsed = reader.read(Block(f"{line}\n".encode(), first, 1))
        numbers += parsed.rows["source_line"].to_list()
        assert (parsed.account.balanced, reader.resumable) == (True, resumable)
    assert numbers == list(range(1, 13))


def test_the_sample_of_a_file_tells_the_same_way(tmp_path: Path) -> None:
    """The first record alone may hold them all."""
    path = tmp_path / "x.json"
    path.write_text(json.dumps({"message": "\n".join(LINES["hillstone"])}) + "\n", encoding="utf-8")
    encoding = detect(path.read_bytes(), "auto", "x")
    assert encoding == "hillstone@message"
    assert read(encoding, path.read_text(encoding="utf-8").strip()).account.flows == 5


@pytest.mark.parametrize("shape", ['{"records": %s}', "%s", ' { "records" : %s , "x": 1}'])
def test_a_list_of_records_within_a_text_is_opened(shape: str) -> None:
    """So Azure's services send theirs to event hubs, whose messages then hold a list."""
    text = shape % json.dumps([json.loads(line) for line in LINES["suricata"]])
    line = json.dumps({"Body": text, "SequenceNumber": 1})
    assert detect(f"{line}\n".encode(), "auto", "x") == "suricata@Body"
    parsed = read("suricata@Body", line)
    assert told(parsed) == told(read("suricata", *LINES["suricata"]))
    assert parsed.account.lines == len(LINES["suricata"])


@pytest.mark.parametrize(
    "text", ['{"records": []}', '{"records": [1]}', '{"records": [{"a": 1}', "[1]", '[{"a": 1}, 2]']
)
def test_a_text_that_holds_no_list_of_records_is_one_line(text: str) -> None:
    assert read("suricata@Body", json.dumps({"Body": text})).account.lines == 1
