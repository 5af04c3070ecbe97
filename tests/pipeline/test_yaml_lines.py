"""Plain YAML with the line of every key, and refusals that point at the line."""

from pathlib import Path

import pytest

from pipeline import yaml_lines
from pipeline.errors import ConfigError
from pipeline.yaml_lines import LocatedYaml, load_located


def load(folder: Path, text: str | bytes) -> LocatedYaml:
    path = folder / "x.yaml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return load_located(path)


def test_every_key_and_item_has_its_line(tmp_path: Path) -> None:
    found = load(tmp_path, "# note\na: 1\nb:\n  - c: 2\n    d: [x,\n        y]\n  - e\n")
    assert found.data == {"a": 1, "b": [{"c": 2, "d": ["x", "y"]}, "e"]}
    lines = {("a",): 2, ("b",): 3, ("b", 0, "c"): 4, ("b", 0, "d"): 5, ("b", 0, "d", 1): 6, ("b", 1): 7}
    assert {path: found.line(path) for path in lines} == lines


def test_the_longest_known_part_of_a_path_gives_the_line(tmp_path: Path) -> None:
    found = load(tmp_path, "\na:\n  b: 1\n")
    assert (found.line(("a", "missing", 3)), found.line(("nowhere",)), found.line(())) == (2, 1, 1)


@pytest.mark.parametrize("text", ["", "# only a note\n", "~", "---\n", "\ufeff"])
def test_an_empty_file_holds_nothing(tmp_path: Path, text: str) -> None:
    assert load(tmp_path, text).data is None


VALUES = [
    ("1", 1),
    ("-1", -1),
    ("+1", 1),
    ("1_000", 1_000),
    ("0", 0),
    ("1.5", 1.5),
    ("1.5e3", 1500.0),
    ("true", True),
    ("null", None),
    ("'1'", "1"),
    ("010", "010"),
    ("0x10", "0x10"),
    ("1:30", "1:30"),
    ("12:30:45.5", "12:30:45.5"),
    ("2026-10-01", "2026-10-01"),
    ("2026-02-30", "2026-02-30"),
    ("192.0.2.10", "192.0.2.10"),
    ("2001:db8::25", "2001:db8::25"),
]


@pytest.mark.parametrize(("text", "value"), VALUES)
def test_only_plain_decimal_numbers_are_numbers_and_days_stay_text(tmp_path: Path, text: str, value: object) -> None:
    found = load(tmp_path, f"a: {text}\n").data["a"]
    assert (found, type(found)) == (value, type(value))


REFUSED = [
    ("a: 1\nb: 2\na: 3\n", 3, "the key is given twice (first on line 1). Keep one"),
    ("a:\n  b: 1\n  b: 2\n", 3, "the key is given twice (first on line 2)"),
    ("- {a: 1, a: 2}\n", 1, "the key is given twice"),
    ("a: &x 1\n", 1, "anchors and aliases are not allowed. Write the value out."),
    ("a: 1\nb: *x\n", 2, "anchors and aliases are not allowed"),
    ("? [a, b]\n: 1\n", 1, "a key must be plain text, not a list or a mapping. Put text that begins"),
    ("x: 1\n? {a: 1}\n: 1\n", 2, "a key must be plain text, not a list or a mapping"),
    ("a: !!python/object/apply:os.system [ls]\n", 1, "is not valid YAML"),
    ("a: !custom 1\n", 1, "is not valid YAML: could not determine a constructor"),
    ("a: 1\nb: [1,\n", 3, "is not valid YAML"),
    ("a: 'x\n", 2, "Correct this line or the one before it"),
    ("\ta: 1\n", 1, "is not valid YAML"),
    ("a: 1\n---\nb: 2\n", 2, "is not valid YAML"),
    ("a: 1\n b: 2\n", 2, "is not valid YAML"),
    ("a: 1\nb: {c: 'x' 'y'}\n", 2, "(at character 12 of the line)"),
    ("<<: 5\n", 1, "a key must be text"),
    ("a: 1\n5: 6\n", 2, "key 5: a key must be text"),
    ("a: 1\nb:\n  on: 6\n", 3, "Put it in quotes"),
    ("a: 1\n~: 6\n", 2, "a key must be text"),
    ("a: 1\nb: \x00\n", 2, "character U+0000 is not allowed"),
]


@pytest.mark.parametrize(("text", "line", "says"), REFUSED, ids=range(len(REFUSED)))
def test_what_is_not_plain_data_is_refused_with_its_line(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    assert (caught.value.where.file, caught.value.where.line) == (str(tmp_path / "x.yaml"), line)
    assert says in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize("text", [b"a: \xff\n", b"\x00", b"a: \x01\n", "a: 1\n".encode("utf-16")])
def test_what_is_not_text_is_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(ConfigError, match=r"x\.yaml:1: is not (UTF-8 text|valid YAML)[^\n]*$"):
        load(tmp_path, text)


@pytest.mark.parametrize("text", ["[" * 1_500, "{a: " * 1_500, "- " * 1_500])
def test_deep_nesting_is_refused_not_a_crash(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match=r"nested too deeply|not valid YAML"):
        load(tmp_path, text)


def test_a_file_that_is_too_large_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_lines, "MAX_BYTES", 10)
    with pytest.raises(ConfigError, match="is larger than 10 bytes"):
        load(tmp_path, "a: 1234567890\n")


@pytest.mark.parametrize(("name", "remedy"), [("gone.yaml", "Create one with: nilometer init"), (".", "Let this user")])
def test_a_file_that_cannot_be_read_is_an_error_that_names_it(tmp_path: Path, name: str, remedy: str) -> None:
    with pytest.raises(ConfigError, match=rf"cannot be read.*{remedy}"):
        load_located(tmp_path / name)


def test_a_character_that_json_writes_as_two_escapes_is_one(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(r'{"na\ud83d\ude00me": "\ud83d\ude00 \U0001F600 \u00e9"}', encoding="utf-8")
    assert load_located(path).data == {"na\U0001f600me": "\U0001f600 \U0001f600 \u00e9"}


@pytest.mark.parametrize("text", [r'a: "b\ud800"', r'"a\udc00": b', r'a: ["\ude00\ud83d"]'])
def test_half_of_a_character_is_refused_with_its_line(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(f"x: 1\n{text}\n", encoding="utf-8")
    with pytest.raises(ConfigError, match=r"a\.yaml:2: half of a character"):
        load_located(path)
