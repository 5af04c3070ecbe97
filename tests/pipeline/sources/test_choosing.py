"""What is chosen without asking all formats is what asking them all gives."""

import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.errors import SourceError
from pipeline.sources import detect, reader_of, registry

HEADER = b"#separator \\x09\n#set_separator\t,\n#path\tconn\n#fields\tts\tuid\tid.orig_h\n#types\ttime\tstring\taddr\n"
LINES = st.lists(
    st.sampled_from(
        [
            b"1793577600.000000\tC1\t192.0.2.1\n",
            b'{"event_type":"flow"}\n',
            b"ts,uid,id.orig_h\n",
            b"#fields\tts\n",
            b"#close\t2026-11-02-00-00-00\n",
            b"\n",
            b"\x00\x01",
            b"CEF:0|Palo Alto Networks|PAN-OS|\n",
        ]
    ),
    max_size=6,
).map(b"".join)


def outcome(choose: object, head: bytes, wanted: str) -> str | None:
    try:
        return choose(head, wanted, "conn.log")  # type: ignore[operator]
    except SourceError as error:
        return error.message


@given(before=LINES, after=LINES, whole=st.booleans(), wanted=st.sampled_from(["zeek", "auto", "suricata"]))
def test_a_file_is_taken_for_what_all_formats_together_take_it_for(
    before: bytes, after: bytes, whole: bool, wanted: str
) -> None:
    head = (b"" if whole else before) + HEADER + after
    assert outcome(detect, head, wanted) == outcome(registry.detect, head, wanted)


@pytest.mark.parametrize("encoding", ["zeek_tsv", "zeek_json", "suricata", "suricata@message"])
def test_a_reader_is_that_of_the_registry(encoding: str) -> None:
    found, wanted = reader_of(encoding), registry.READERS[encoding]
    under = found.args[0]  # type: ignore[attr-defined]  # What goes on with others where a file changes.
    assert under is wanted or under.func is wanted.func


def test_an_unknown_encoding_has_no_reader() -> None:
    with pytest.raises(KeyError):
        reader_of("nothing")


def test_stages_load_no_format_that_is_not_read() -> None:
    asked = "import pipeline.stored.stages, sys; print([m for m in sys.modules if m == 'pipeline.sources.registry'])"
    assert subprocess.check_output([sys.executable, "-c", asked], text=True).strip() == "[]"
