"""The Parquet files of labelled worlds, as frames; and of a file that is none, what it looks like instead.

Columns and values are checked in `labelled`. Stored tables of a site are read in `pipeline.storage`.
"""

from __future__ import annotations

from pathlib import Path

import polars as pl

from pipeline.disk import is_dir, is_file
from pipeline.errors import ConfigError, Location, StorageError
from pipeline.storage import DAMAGE, checked

_OTHERS = (
    (b"PAR1", ""),
    (b"PARE", "it is encrypted"),
    (b"ARROW1", "it is an Arrow file (Feather)"),
    (b"\xff\xff\xff\xff", "it is an Arrow stream"),
    (b"FEA1", "it is a Feather file"),
    (b"Obj\x01", "it is Avro"),
    (b"ORC", "it is ORC"),
    (b"PK\x03\x04", "it is a workbook of a spreadsheet, or another zip archive"),
    (b"\xd0\xcf\x11\xe0", "it is a workbook of a spreadsheet"),
    (b"\x1f\x8b", "it is compressed (gzip)"),
    (b"\x28\xb5\x2f\xfd", "it is compressed (zstd)"),
    (b"BZh", "it is compressed (bzip2)"),
)
_BEGINNING = 1_024


def read_frame(path: Path) -> pl.DataFrame:
    """The rows of a Parquet file; raises ConfigError naming the file and why it cannot be read."""
    if is_dir(path):
        raise ConfigError("is a folder.", where=Location(file=str(path)), remedy="Write its rows as one Parquet file.")
    if not is_file(path):
        raise ConfigError("there is no such file.", where=Location(file=str(path)), remedy="Name a Parquet file.")
    try:
        return pl.read_parquet(checked(path), glob=False, hive_partitioning=False)
    except (StorageError, *DAMAGE) as error:
        raise _unread(path, error) from error


def _unread(path: Path, error: BaseException) -> ConfigError:
    where, remedy = Location(file=str(path)), "Write it again as Parquet."
    try:
        with path.open("rb") as handle:
            beginning = handle.read(_BEGINNING)
    except OSError as closed:
        text = f"this cannot be read ({closed.strerror or closed})."
        return ConfigError(text, where=where, remedy="Let this user read it.")
    why = _looks_like(beginning)
    if not why and isinstance(error, StorageError):
        why = "it was cut"
    text = why or (str(error).splitlines() or [type(error).__name__])[0][:200]
    return ConfigError(f"this cannot be read as Parquet ({text}).", where=where, remedy=remedy)


def _looks_like(beginning: bytes) -> str:
    """What a file that begins so is; empty where it is Parquet, or nothing known."""
    if not beginning:
        return "it is empty"
    for magic, what in _OTHERS:
        if beginning.startswith(magic):
            return what
    shown = beginning.decode("utf-8", errors="ignore")
    text = b"\0" not in beginning and len(shown.encode()) > len(beginning) - 4
    return "it is text, such as CSV or JSON" if text else "it is of another kind"
