"""A minute of coverage-guided fuzzing from the golden inputs, where atheris is installed (`make fuzz`)."""

import subprocess
import sys
from pathlib import Path

import pytest

from pipeline.sources.registry import READERS
from tests.property.mangled import seeds

SECONDS = 60


@pytest.mark.slow
def test_a_minute_of_guided_fuzzing_finds_no_crash(tmp_path: Path) -> None:
    pytest.importorskip("atheris")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for n in range(len(READERS)):
        for name, data in seeds().items():
            (corpus / f"{n}-{name}").write_bytes(bytes([n]) + data[:4_096])
    command = [sys.executable, "-m", "tests.fuzz.readers", str(corpus), f"-max_total_time={SECONDS}", "-timeout=30"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS * 10, check=False)
    assert done.returncode == 0, done.stderr[-3_000:]
