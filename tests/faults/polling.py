"""A reader that never stops: every file of the site it is shown, over and over, each of which must be whole.

A day must be one that an undisturbed run stores, before or after: its rows must have the fingerprint of its footer, and
that must be a known one.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import time
from pathlib import Path
from typing import Any

LEAST_PAUSE = 0.02
REST = 2
"""Seconds of rest for each second of work: the killed runs need the processor, too."""


def poll(current: Path, result: Path) -> None:
    """Read what `current` shows ({"site": folder, "known": {table/day: fingerprints}}) until it shows "stop"."""
    reads, faults = 0, list[str]()
    while (shown := json.loads(current.read_text(encoding="utf-8"))) != "stop":
        before = time.process_time()
        reads += _round(Path(shown["site"]), shown["known"], faults)
        time.sleep(max(LEAST_PAUSE, REST * (time.process_time() - before)))
    temporary = result.with_suffix(".tmp")
    temporary.write_text(json.dumps({"reads": reads, "faults": faults[:20]}), encoding="utf-8")
    temporary.replace(result)


def _round(site: Path, known: dict[str, list[str]], faults: list[str]) -> int:
    """Read everything once; how many files were read."""
    import polars as pl

    reads = 0
    for path in (Path(folder) / name for folder, _, names in os.walk(site / "data") for name in names):
        if path.name.startswith(".") or path.suffix not in (".parquet", ".json", ".jsonl"):
            continue
        try:
            data = path.read_bytes()
        except (FileNotFoundError, NotADirectoryError):
            continue  # Markers and landed rows may go; a day that does is missed at the end.
        reads += 1
        try:
            why = _fault(path, data, known)
        except (Exception, pl.exceptions.PanicException) as error:
            why = f"{type(error).__name__}: {error}"
        if why:
            with contextlib.suppress(OSError):
                faults.append(f"{path.relative_to(site)}: {why}")
    return reads


def _fault(path: Path, data: bytes, known: dict[str, list[str]]) -> str:
    """What is wrong with the bytes of a file; empty when nothing is."""
    import polars as pl

    from pipeline.content import content_fingerprint
    from pipeline.storage import FOOTER_KEY

    if path.suffix != ".parquet":
        for line in data.decode().splitlines():
            json.loads(line)
        return "" if data else "is empty"
    frame = pl.read_parquet(io.BytesIO(data))
    footer: dict[str, Any] = json.loads(pl.read_parquet_metadata(io.BytesIO(data))[FOOTER_KEY])
    if path.name != "part.parquet":
        return ""
    if (found := content_fingerprint(frame)) != footer["fingerprint"]:
        return f"its rows have fingerprint {found}, its footer says {footer['fingerprint']}"
    table = f"{footer['table']}/{footer['day']}"
    return "" if footer["fingerprint"] in known.get(table, []) else f"{table} holds neither the old day nor the new one"
