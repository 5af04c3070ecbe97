"""A reader for files in which lines may change their envelope, or their encoding of the same format, half-way.

The reader that the file's beginning asks for reads all blocks. Lines from which it can make nothing, and which hold
records of the same format in another way, are read in that way. Such lines are found in `strays`; the way is recognised
by `registry`, which is loaded only where there are such lines.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

import polars as pl

from pipeline.sources import strays
from pipeline.sources.base import (
    REJECTS,
    STRAYS,
    Account,
    Block,
    DocumentReader,
    Parsed,
    PatientReader,
    Reader,
    ReadOptions,
    cut,
    merge,
)
from pipeline.sources.foreign import WARNING as LINES_OF
from pipeline.sources.wrappings import spread
from pipeline.sources.wrappings.envelope import EnvelopeReader

WARNING = "another_form"
"""The name of records that were read so."""
_ENCODED = "encoded"
_BASE64 = r'"data"\s*:\s*"[A-Za-z0-9+/]{100,}={0,2}"'
"""What messages of queues hold records in; only a file that is such messages from its beginning is unfolded."""
_WAYS = 4
"""How many ways are looked for among the lines of a block."""
_LOOKED_AT = 50
"""How many of those lines are looked at, all over the block."""


class ChangingReader:
    """Reads the blocks of one file with the reader of an encoding, and others of its format where that says nothing."""

    def __init__(self, main: Reader, encoding: str, options: ReadOptions) -> None:
        self._main, self._encoding, self._options = main, encoding, options
        self._others = dict[str, Reader]()
        self._open = list[tuple[int, str]]()
        """Lines of an object that is not at its end yet."""
        self.format, self.resumable = main.format, main.resumable

    def state(self) -> dict[str, Any]:
        """What the readers must know to go on."""
        others = {encoding: reader.state() for encoding, reader in self._others.items()}
        more = {"others": others, "open": self._open}
        return {**self._main.state(), **{name: value for name, value in more.items() if value}}

    def resume(self, state: dict[str, Any]) -> None:
        """Let all of them go on."""
        self._main.resume({name: value for name, value in state.items() if name not in ("others", "open")})
        self._open = [(int(line), text) for line, text in state.get("open", [])]
        for encoding, known in state.get("others", {}).items():
            self._other(encoding).resume(known)

    def finish(self) -> Parsed:
        """What the file's own reader has left, and an object without its end; the others leave nothing."""
        if not self._open:
            return self._main.finish()
        reason = "incomplete_last_line"
        rejects = pl.DataFrame([(n, reason, None, cut(t)) for n, t in self._open], schema=REJECTS, orient="row")
        return merge(
            [
                self._main.finish(),
                Parsed(account=Account(quarantined=Counter([reason] * len(self._open))), rejects=rejects),
            ]
        )

    def read(self, block: Block) -> Parsed:
        """Read one block."""
        parsed = self._main.read(block)
        self.resumable = self.resumable and self._main.resumable
        if self._open or (parsed.strays is not None and spread.may_be(parsed.strays)):
            parsed = self._put_together(parsed, block)
        return self._again(parsed, unterminated=block.unterminated)

    def _put_together(self, parsed: Parsed, block: Block) -> Parsed:
        """The result of a block with lines that are one object together as that object; what lacks its end waits."""
        parsed = self._with_open(parsed)
        lines = spread.among(parsed.strays)
        found = spread.put_together(lines)
        waits = found.open if found.open and found.open[-1] == block.first_line + block.lines - 1 else []
        if waits and not block.unterminated:
            aside = lines.filter(pl.col("source_line").is_in(waits))
            self._open = list(aside.select("source_line", "raw").iter_rows())
            parsed = strays.without(parsed, aside)
        if found.spent:
            spent = lines.filter(pl.col("source_line").is_in(found.spent))
            parsed = strays.replaced(parsed, spent, Parsed(account=Account(lines=spent.height, comments=spent.height)))
        if found.objects:
            firsts = lines.filter(pl.col("source_line").is_in(list(found.objects)))
            text = "".join(f"{found.objects[n]}\n" for n in firsts["source_line"]).encode(
                "utf-8", errors="surrogatepass"
            )
            more = self._main.read(Block(text, 1, firsts.height))
            if told := more.account.flows + more.account.others:
                more.account.warnings[WARNING] += told
            parsed = strays.replaced(parsed, firsts, more)
        return parsed

    def _with_open(self, parsed: Parsed) -> Parsed:
        """A block's result with the lines that waited, which were counted as lines before, among its strays."""
        if not self._open:
            return parsed
        waited, self._open, reason = self._open, [], spread.REASONS[0]
        rejects = pl.DataFrame([(n, reason, None, cut(t)) for n, t in waited], schema=REJECTS, orient="row")
        lines = pl.DataFrame([(n, t, reason) for n, t in waited], schema=STRAYS, orient="row")
        parsed.account.quarantined[reason] += len(waited)
        parsed.rejects = pl.concat([rejects, parsed.rejects])
        parsed.strays = strays.together(lines, parsed.strays)
        return parsed

    def read_on(self, block: Block) -> list[Parsed]:
        """See PatientReader; a reader that is not patient reads at once."""
        if not isinstance(self._main, PatientReader):
            return [self.read(block)]
        return [self._again(parsed) for parsed in self._main.read_on(block)]

    def settle(self) -> list[Parsed]:
        """See PatientReader."""
        return [self._again(p) for p in self._main.settle()] if isinstance(self._main, PatientReader) else []

    def _again(self, parsed: Parsed, *, unterminated: bool = False) -> Parsed:
        """The result of a block with lines that say nothing to its reader as what they are in other ways."""
        tried = {self._encoding}
        for _ in range(_WAYS):
            if (lines := parsed.strays) is None:
                break
            if (encoding := self._told(lines["raw"], tried)) is None:
                break
            tried.add(encoding)
            data = "\n".join(lines["raw"].to_list()) + ("" if unterminated else "\n")
            block = Block(data.encode("utf-8", errors="surrogatepass"), 1, lines.height, unterminated)
            parsed = strays.replaced(parsed, lines, self._read_with(encoding, block))
        if parsed.strays is not None and not parsed.account.warnings[_ENCODED]:
            left = parsed.strays.filter(pl.col("reason").is_null())["raw"]
            if encoded := int(left.str.contains(_BASE64).sum()):
                parsed.account.warnings[_ENCODED] = encoded
        if parsed.account.ignored and parsed.ignored is not None:
            self._warn(parsed.account.warnings, parsed.ignored.to_list())
        parsed.strays = parsed.ignored = None
        return parsed

    def _warn(self, warnings: Counter[str], ignored: list[str]) -> None:
        """Count by name the ignored lines that are flows of another format, where the reader did not do so itself."""
        from pipeline.sources import registry  # noqa: PLC0415 - loads every format

        found = registry.other_formats(ignored, self._encoding)
        warnings.update({n: c for f, c in found.items() if (n := f"{LINES_OF}{f}") not in warnings})

    def _told(self, lines: pl.Series, tried: set[str]) -> str | None:
        """An encoding that some of the lines show and that was not tried yet."""
        from pipeline.sources import registry  # noqa: PLC0415 - loads every format

        wanted, objects = registry.format_of(self._encoding), lines.str.starts_with("{")
        for part in (lines.filter(objects), lines.filter(~objects)):
            some = part.gather_every(max(1, len(part) // _LOOKED_AT)).to_list()
            found = registry.another_form(some, wanted) if some else None
            if found is not None and found not in tried:
                return found
        return None

    def _read_with(self, encoding: str, block: Block) -> Parsed:
        """Read lines as another encoding; a record they leave open is given up, as the rest of it may be anywhere."""
        reader = self._other(encoding)
        parsed, left = reader.read(block), reader.finish()
        if left.account != Parsed().account:
            del self._others[encoding]
            parsed = merge([parsed, left])
        read = parsed.account
        if told := read.flows + read.others:
            read.warnings[WARNING] += told
        return parsed

    def _other(self, encoding: str) -> Reader:
        """The reader of another encoding; of the same records in another envelope, it knows the header above them."""
        from pipeline.sources import registry  # noqa: PLC0415 - loads every format

        if encoding not in self._others:
            self._others[encoding] = reader = registry.READERS[encoding](self._options)
            if isinstance(reader, EnvelopeReader):
                reader.one_each()
            self.resumable = self.resumable and reader.resumable
            if registry.inner_of(encoding) == registry.inner_of(self._encoding) and not registry.is_table(encoding):
                reader.resume({**self._main.state(), **({"held": []} if "held" in self._main.state() else {})})
        return self._others[encoding]


class ChangingDocumentReader(ChangingReader):
    """The same of a format that may be one JSON document."""

    def read_array(self, data: bytes) -> Parsed:
        """See DocumentReader."""
        assert isinstance(self._main, DocumentReader)
        return self._again(self._main.read_array(data))


def changing(main: Reader, encoding: str, options: ReadOptions) -> Reader:
    """A reader that goes on with others of the format where the file does."""
    kind = ChangingDocumentReader if isinstance(main, DocumentReader) else ChangingReader
    return kind(main, encoding, options)
