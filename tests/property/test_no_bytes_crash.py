"""No bytes crash a reader, and every line of whatever it is given is accounted for."""

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.intake.lander import is_array
from pipeline.mapping import ColumnMapping
from pipeline.schemas import MAX_FLOW_BYTES
from pipeline.sources.base import RAW, REASONS, Account, Block, DocumentReader, ReadOptions
from pipeline.sources.registry import READERS, detect
from pipeline.sources.watch import Watch
from tests.examples import examples
from tests.property.mangled import mangle, seeds

LATEST = 4_000_000_000_000_000
SEEDS = seeds()
MAPPING = ColumnMapping(
    (("src_ip", "src_ip"), ("dest_ip", "dest_ip"), ("start_time", "timestamp"), ("bytes_in", "flow.bytes_toclient"))
)
BYTES = [c for c in RAW.names() if "bytes" in c]


def blocks(data: bytes, rng: random.Random) -> list[Block]:
    """Whole lines, cut into blocks anywhere between them."""
    found, line = [], 1
    while data:
        end = data.find(b"\n", rng.randrange(len(data))) + 1
        if end:
            found.append(Block(data[:end], line, data.count(b"\n", 0, end)))
            line, data = line + found[-1].lines, data[end:]
        elif (last := data.rfind(b"\n") + 1) > 0:
            found.append(Block(data[:last], line, data.count(b"\n")))
            line, data = line + found[-1].lines, data[last:]
        else:
            found.append(Block(data, line, 1, unterminated=True))
            data = b""
    return found


def read(encoding: str, data: bytes, rng: random.Random) -> None:
    """Read the bytes as a format, and check what must hold whatever they are."""
    reader = READERS[encoding](ReadOptions(Watch(None), LATEST, mapping=MAPPING))
    parts = blocks(data, rng)
    account = Account()
    if parts and is_array(Block(data, 1, data.count(b"\n"))) and isinstance(reader, DocumentReader):
        try:
            parsed = [reader.read_array(data)]
        except ValueError:  # Said so: not one JSON document. No other value may be at fault.
            with pytest.raises(ValueError):
                json.loads(data)
            return
    else:
        parsed = [reader.read(b) for b in parts]
        parsed.append(reader.finish())
        assert sum(p.account.lines for p in parsed) >= sum(b.lines for b in parts)
    for part in parsed:
        account.add(part.account)
        assert part.rows.schema == RAW
        assert part.rows["start_time"].null_count() == 0
        assert part.rows["src_ip"].null_count() + part.rows["dest_ip"].null_count() == 0
        assert set(part.rejects["reason"]) <= set(REASONS)
        for column in BYTES:
            assert part.rows[column].drop_nulls().is_between(0, MAX_FLOW_BYTES).all(), column
    assert account.balanced, account
    assert account.flows == sum(p.rows.height for p in parsed)


@settings(max_examples=examples(40))
@given(st.sampled_from(sorted(SEEDS)), st.integers(0, 2**32))
def test_a_mangled_log_is_read_to_its_end_by_the_format_it_looks_like(name: str, seed: int) -> None:
    data = mangle(SEEDS[name], seed)
    try:
        encoding = detect(data[: 1 << 16], "auto", name)
    except SourceError:
        return
    if encoding is not None:
        read(encoding, data, random.Random(seed))


@pytest.mark.parametrize("encoding", sorted(READERS))
@settings(max_examples=examples(4))
@given(st.sampled_from(sorted(SEEDS)), st.integers(0, 2**32))
def test_every_reader_survives_any_log(encoding: str, name: str, seed: int) -> None:
    read(encoding, mangle(SEEDS[name], seed), random.Random(seed))


@pytest.mark.parametrize("encoding", sorted(READERS))
@settings(max_examples=examples(4))
@given(st.binary(max_size=200), st.integers(0, 2**32))
def test_every_reader_survives_any_bytes(encoding: str, data: bytes, seed: int) -> None:
    read(encoding, data, random.Random(seed))
