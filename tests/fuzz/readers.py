"""A coverage-guided fuzzer of all readers: `python -m tests.fuzz.readers CORPUS -runs=100000`.

The first byte chooses the reader; a crash is any error but the one that says a file is not of its format. It needs
atheris, which `make fuzz` installs.
"""

from __future__ import annotations

import random
import sys

import atheris

with atheris.instrument_imports(include=["pipeline"]):
    from pipeline.sources.registry import READERS
    from tests.property.test_no_bytes_crash import read

ENCODINGS = sorted(READERS)


def test_one_input(data: bytes) -> None:
    """Read the bytes behind the first one by the reader that it stands for."""
    if len(data) > 1:
        read(ENCODINGS[data[0] % len(ENCODINGS)], data[1:], random.Random(len(data)))


if __name__ == "__main__":
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()
