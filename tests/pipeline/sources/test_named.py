"""Every name that a reader gives a record means something to whoever meets it."""

import dataclasses
import inspect
import re

from pipeline.counting.once import Dropped
from pipeline.site import PROJECT
from pipeline.sources import base, changing, named, reverse, uptime, zeek_columns, zeek_paths
from pipeline.sources.forms import FORMS


def given() -> set[str]:
    """The names that readers give: of ignored records, of odd flows, and of what a decoder warns of."""
    of_forms = {name for form in FORMS.values() for name in form.ignored}
    of_flows = zeek_columns.oddities()
    texts = [p.read_text(encoding="utf-8") for p in (PROJECT / "pipeline" / "sources").rglob("*.py")]
    of_decoders = [
        n for t in texts for w in re.findall(r"warnings ?=.*?\{(.*)\}", t) for n in re.findall(r'"(\w+)":', w)
    ]
    sampled = re.findall(r'\{"(\w+)": int', inspect.getsource(zeek_columns.sampled_flows))
    warned = {reverse.WARNING, changing.WARNING, uptime.WARNING, zeek_paths.WARNING}
    return of_forms | {*of_flows, *of_decoders, *sampled} | warned


def test_every_name_has_its_meaning_and_no_other_has() -> None:
    assert given() == set(named.PLAIN | named.DOUBTFUL)
    assert not set(named.PLAIN) & set(named.DOUBTFUL)
    assert set(named.REJECTED) == set(base.REASONS)
    assert set(named.ONCE) == {f.name for f in dataclasses.fields(Dropped)}


def test_the_documentation_holds_the_names_as_they_are() -> None:
    text = (PROJECT / "docs" / "formats.md").read_text(encoding="utf-8")
    assert [t for t in named.tables() if t not in text] == [], "write these tables into docs/formats.md"


def test_what_makes_a_volume_doubtful_is_told_from_what_costs_nothing() -> None:
    assert named.doubtful({"blocked": 3, "lines_of_zeek": 2, "sampled_counters": 1, "lost_data": 0}) == {
        "lines_of_zeek": 2,
        "sampled_counters": 1,
    }
    assert "lines of zeek" in named.meaning("lines_of_zeek")
    assert named.meaning("of_a_version_to_come") == ""
