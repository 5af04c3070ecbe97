"""One pattern a line finds the very lines, and the same first and last of them, that comparing their cells finds."""

import ipaddress

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.sources.glances import glance, matching, whole
from pipeline.sources.glances.cell_parts import CellParts
from pipeline.sources.glances.templates import Maker, Template
from tests.examples import examples

FIELDS = {"ts": ("when",), "src": ("client",), "dest": ("server",), "dest_port": ("port",), "proto": ("proto",)}
PLAIN = {"when": "1793577600.25", "client": "10.0.0.7", "server": "198.51.100.9", "port": "443", "proto": "6", "x": "é"}
ODD = {
    "when": ("1793577600.250001", "1793577600.3", "1793577599", "1793577612.1", "soon", '"1793577600.25"', ""),
    "client": ("10.0.0.8", "192.0.2.7", "192.0.2.300", "::1", ""),
    "server": ("198.51.100.77", "192.0.2.15", ""),
    "port": ("8443", "993", "", "65536"),
    "proto": ("17", ""),
    "x": ("", "e", "ünter", '"quoted"', '"', "a b"),
}
NETWORKS = ("192.0.2.0/28",)


def template(columns: list[str], separator: str, cells: list[str], networks: tuple[str, ...] = NETWORKS) -> Template:
    parts = CellParts(FIELDS, columns, separator, quoted=True, trailing=False)(separator.join(cells))
    addresses = glance.unwatched_by_family(networks)
    assert parts is not None and addresses is not None
    made = Maker(separator, frozenset(("x",)), addresses).template(parts)
    assert made is not None
    return made.with_seen(cells)


def both(made: Template, lines: list[str], told: list[bool], separator: str) -> list[list[tuple[list[int], object]]]:
    raw, known = pl.Series(lines, dtype=pl.String), pl.Series(told, dtype=pl.Boolean)
    by_cells = matching.matches(matching.pieces(raw, separator), known, made, (), None)
    return [
        [(m.rows.to_list(), m.ends) for m in found] for found in (by_cells, whole.matches(raw, known, made, separator))
    ]


@settings(max_examples=examples(150))
@given(st.permutations(sorted(PLAIN)), st.sampled_from([",", "|", "\t", ";", " "]), st.data())
def test_one_pattern_says_what_the_cells_say(columns: list[str], separator: str, data: st.DataObject) -> None:
    """Starts stand first, last and between, in cells of one length or of several, among letters of several bytes."""
    made = template(columns, separator, [PLAIN[c] for c in columns])
    cell = {c: st.just(PLAIN[c]) | st.sampled_from(ODD[c]) for c in columns}
    alike = {
        c: st.just(PLAIN[c]) | st.sampled_from([t for t in ODD[c] if len(t) == len(PLAIN[c])] or [PLAIN[c]])
        for c in columns
    }
    shape = st.sampled_from([cell, alike | {"when": cell["when"]}, alike])
    line = shape.flatmap(lambda cells: st.tuples(*(cells[c] for c in columns))).map(separator.join)
    lines = data.draw(st.lists(line | st.sampled_from(["", "#x", separator * 5]), min_size=1, max_size=30))
    told = data.draw(st.lists(st.booleans(), min_size=len(lines), max_size=len(lines)))
    by_cells, by_pattern = both(made, lines, told, separator)
    assert by_pattern == by_cells


@pytest.mark.parametrize("at", range(3))
def test_the_first_and_the_last_start_are_found_wherever_it_stands(at: int) -> None:
    cells = ["10.0.0.7", "443"]
    columns = ["client", "port"]
    columns.insert(at, "when")
    times = ["1793577605", "1793577601", "1793577609", "1793577603"]
    lines = [",".join([*cells[:at], t, *cells[at:]]) for t in times]
    found = whole.matches(pl.Series(lines), pl.Series([False] * 4), template(columns, ",", lines[0].split(",")), ",")
    assert [(m.rows.to_list(), m.ends) for m in found] == [([0, 1, 2, 3], [("1793577601", 1), ("1793577609", 2)])]


def test_as_many_networks_as_are_told_apart_make_no_pattern_too_large() -> None:
    """Sixteen columns of addresses, with networks that share no beginning; of more networks there is no template."""
    apart = tuple(str(ipaddress.ip_network((0x0B254D00 + n * 0x03010500, 27))) for n in range(glance.MAX_BRANCHES))
    columns = ["when", *(f"end{n}" for n in range(16))]
    fields = {"ts": ("when",), "src": tuple(c for c in columns if c != "when")}
    cells = ["1793577600", *["10.0.0.7"] * 16]
    parts = CellParts(fields, columns, ",", quoted=True, trailing=False)(",".join(cells))
    addresses = glance.unwatched_by_family(apart)
    assert parts is not None and addresses is not None
    made = Maker(",", frozenset(), addresses).template(parts)
    assert made is not None
    lines = [",".join(cells), ",".join([*cells[:16], str(ipaddress.ip_network(apart[40])[3])])]
    found = whole.matches(pl.Series(lines), pl.Series([False, False]), made, ",")
    assert [m.rows.to_list() for m in found] == [[0]]
