"""Reader of Zeek's tab-separated conn.log.

Headers may come again, and change the columns, anywhere in a file; comments and blank lines are counted. Lines that
`glance` can tell to be sound and of nobody watched are only counted; the others take a fast typed path (`zeek_typed`),
or where something among them is odd the reference path, which gives every line its reason. What a header says is in
`zeek_header`; values and addresses are judged in `zeek_columns`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import polars as pl

from pipeline.counting.direction import MAIL_PORTS
from pipeline.sources import strays, zeek_paths, zeek_typed
from pipeline.sources import zeek_columns as zeek
from pipeline.sources.base import Account, Block, Parsed, ReadOptions, merge, parted, rejects_frame
from pipeline.sources.glances import glance
from pipeline.sources.texts import syslog
from pipeline.sources.texts.numbered import Lines, cut_lines, text_lines
from pipeline.sources.zeek_header import ZeekHeader

_TIME = rf"\d{{9,10}}\.\d{{1,9}}{syslog.TAB}"
WAITING_BYTES = 8 * 1024 * 1024
"""Lines of blocks that wait to be read with care together."""


class ZeekTsvReader:
    """Reads the blocks of one conn.log."""

    resumable = True
    format = "zeek"
    least_told = 0.5
    """The share of a stretch that a glance must tell; where it tells less, reading all with care costs less."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._header, self._headers = ZeekHeader(), 0
        self._patterns: dict[str, str | None] = {}
        self._waiting: list[Lines] = []
        if options.header:
            self._header.take(options.header)

    def state(self) -> dict[str, Any]:
        """The header in force."""
        return asdict(self._header)

    def resume(self, state: dict[str, Any]) -> None:
        """Go on under a header seen before."""
        self._header = ZeekHeader(**state)

    def finish(self) -> Parsed:
        """Nothing waits for more lines."""
        return Parsed()

    def read(self, block: Block) -> Parsed:
        """Read one block: header lines steer, the stretches between them are data."""
        self._headers = 0
        return self._whole(block, [self._read_lines(part) for part in self._stretches(block)])

    def _whole(self, block: Block, parts: list[Parsed]) -> Parsed:
        whole = merge(parts)
        whole.account.lines = block.lines
        whole.account.comments += self._headers
        return whole

    def read_on(self, block: Block) -> list[Parsed]:
        """As read; of blocks of data alone, lines that need parsing may wait for those of later blocks."""
        self._headers = 0
        told = self._told(block) if self._is_plain(block) else None
        # No header is among what was told: its line begins with no time.
        steered = b"#" in block.data or b"\r" in block.data if told is None else b"#" in told[1].text
        if steered or not self._is_plain(block):
            return [*self.settle(), self.read(block)]
        if told is None:
            return [*self.settle(), self._whole(block, [self._with_care(block)])]
        self._waiting.append(told[1])
        enough = sum(len(w.text) for w in self._waiting) >= WAITING_BYTES
        return [*(self.settle() if enough else []), self._whole(block, [told[0]])]

    def settle(self) -> list[Parsed]:
        """The lines that waited, block by block; one that is not clean leaves each block to be read by itself."""
        waiting, self._waiting = [w for w in self._waiting if w.text], []
        if len(waiting) > 1:
            together = Lines(b"".join(w.text for w in waiting), pl.concat([w.numbers for w in waiting]))
            if (fast := self._fast(together.text, together.numbers)) is not None:
                return self._split_clean(fast, [int(w.numbers[0]) for w in waiting[1:]])
        return [self._careful(lines) for lines in waiting]

    # Splitting at header lines

    def _stretches(self, block: Block) -> Iterator[Block]:
        """Stretches of data lines; headers in between are taken in."""
        if b"\r" in block.data:
            block = Block(block.data.replace(b"\r\n", b"\n"), block.first_line, unterminated=block.unterminated)
        data, at, line = block.data, 0, block.first_line
        if b"#" not in data:
            yield block
            return
        while at < len(data):
            if data.startswith(b"#", at):
                end = data.find(b"\n", at)
                end = len(data) if end < 0 else end
                self._header.take(data[at:end].decode("utf-8", errors="replace").rstrip("\r"))
                self._headers += 1
                at, line = end + 1, line + 1
                continue
            end = data.find(b"\n#", at)
            end = len(data) if end < 0 else end + 1
            stretch = Block(data[at:end], line, unterminated=block.unterminated)
            yield stretch
            at, line = end, line + stretch.lines

    # Data lines

    def _is_plain(self, stretch: Block) -> bool:
        """Whether it holds whole lines of a conn.log under a header that is known."""
        return self._header.is_conn and self._header.fields is not None and not stretch.unterminated

    def _read_lines(self, stretch: Block) -> Parsed:
        if not self._header.is_conn:
            return _other_log(stretch)
        if not self._is_plain(stretch):
            return self._slow(text_lines(stretch), stretch.unterminated)
        if (told := self._told(stretch)) is not None:
            return merge([told[0], *([self._careful(told[1])] if told[1].text else [])])
        return self._with_care(stretch)

    def _with_care(self, stretch: Block) -> Parsed:
        numbers = pl.int_range(stretch.first_line, stretch.first_line + stretch.lines, eager=True)
        if (fast := self._fast(stretch.data, numbers)) is not None:
            return self._split_clean(fast)[0]
        return self._slow(text_lines(stretch))

    def _careful(self, lines: Lines) -> Parsed:
        fast = self._fast(lines.text, lines.numbers)
        return self._slow(lines.frame) if fast is None else self._split_clean(fast)[0]

    # What can be told at a glance

    def _told(self, stretch: Block) -> tuple[Parsed, Lines] | None:
        """What the pattern recognises, and the lines that it does not; None when it would not help."""
        pattern = self._pattern()
        frame = None if pattern is None else cut_lines(stretch)
        if pattern is None or frame is None:
            return None
        stretch.counted(frame.height)
        plain = frame["raw"].str.contains(pattern)
        count = int(plain.sum())
        if count <= self.least_told * frame.height:
            return None
        told = frame["raw"].filter(plain)
        times = pl.DataFrame({"a": [told.min()], "b": [told.max()]}).select(
            zeek_typed.micros(pl.all().str.head(glance.TIME_LENGTH))
        )
        first, last = times.row(0)
        if last > self._options.latest_us:
            return None
        return Parsed(span=(first, last), account=Account(others=count)), Lines.of(frame, ~plain)

    def _pattern(self) -> str | None:
        """The pattern of sound lines between unwatched ends under this header, if there is one."""
        watch, key = self._options.watch, repr(self._header)
        if key not in self._patterns:
            self._patterns[key] = None if watch.keeps_all else self._header.pattern(watch.networks)
        return self._patterns[key]

    # Lines read with care

    def _fast(self, data: bytes, numbers: pl.Series) -> pl.DataFrame | None:
        return zeek_typed.clean(data, numbers, self._header, self._options)

    def _split_clean(self, frame: pl.DataFrame, firsts: Sequence[int] = ()) -> list[Parsed]:
        """A clean stretch split in watched flows and others; text is tidied behind it, as nine of ten are others.

        The result is cut before the lines with the given numbers.
        """
        watch = self._options.watch
        hit = pl.repeat(True, frame.height, eager=True)
        if not watch.keeps_all:
            hit = frame.select(hit=watch.is_watched("src") | watch.is_watched("dest"))["hit"].fill_null(False)
        kept = frame.filter(hit)
        mail = pl.Series(MAIL_PORTS, dtype=pl.Int64).implode()
        others = frame.filter(pl.col("dest_port").is_in(mail) & ~hit)
        parsed = self._finish(self._tidy(kept), [], Account(), self._tidy(others))
        if frame.height:
            span = frame.select(
                *(zeek_typed.micros(t).alias(n) for n, t in (("a", pl.col("ts").min()), ("b", pl.col("ts").max())))
            )
            parsed.span = span.row(0)
        parsed.account.others = frame.height - kept.height
        return parted(parsed, others["source_line"], firsts) if firsts else [parsed]

    def _tidy(self, frame: pl.DataFrame) -> pl.DataFrame:
        return zeek_typed.tidied(frame, self._header.marks)

    def _slow(self, frame: pl.DataFrame, unterminated: bool = False) -> Parsed:
        account, rejects = Account(), []
        frame = frame.with_columns(pl.col("raw").str.strip_suffix("\r"))
        account.comments = frame.filter(pl.col("raw").str.strip_chars() == "").height
        whole = frame = frame.filter(pl.col("raw").str.strip_chars() != "")
        frame, bare = self._until_guessed(frame)
        rejects.append(_reject(bare, "no_header", "data before any #fields line"))
        if self._header.fields is None:
            return _with_strays(self._finish(frame, rejects, account), whole)
        frame, bad = self._split(frame, unterminated)
        rejects += bad
        columns = [pl.col("parts").list.get(i, null_on_oob=True).alias(n) for i, n in self._header.names().items()]
        typed, unreadable = zeek.read_text(
            frame.select("source_line", "raw", *columns), self._options, self._header.marks
        )
        return _with_strays(self._finish(typed, [*rejects, unreadable], account), whole)

    def _until_guessed(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Without a header: (the lines from the first whose columns can be told, those before it)."""
        if self._header.fields is not None:
            return frame, frame.clear()
        at = self._header.guess(frame["raw"])
        return (frame.clear(), frame) if at is None else (frame[at:], frame[:at])

    def _split(self, frame: pl.DataFrame, unterminated: bool) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
        """Lines with as many fields as the header (empty extra ones are let go), and those without."""
        want = len(self._header.fields or [])
        parts = syslog.without_header(frame["raw"], _TIME).str.split(self._header.separator)
        frame = frame.with_columns(parts=parts).with_columns(
            n=pl.col("parts").list.len(), spare=pl.col("parts").list.slice(want).list.join("") == ""
        )
        short, long, bad = pl.col("n") < want, (pl.col("n") > want) & ~pl.col("spare"), []
        if unterminated:
            # A number that lost its last digits still looks like a number, and so does an id or an address.
            cut = short | pl.lit(want - 1 in self._header.names())
            bad.append(_reject(frame.filter(cut), "incomplete_last_line", "the file ends inside this line"))
            frame = frame.filter(~cut)
        bad.append(_reject(frame.filter(short), "too_few_fields", f"the header has {want}"))
        bad.append(_reject(frame.filter(long), "too_many_fields", f"the header has {want}"))
        frame = frame.filter(~short & ~long)
        for name, at in self._header.repeated().items():
            said = [pl.col("parts").list.get(i) for i in at]
            torn = pl.any_horizontal(other != said[0] for other in said[1:])
            bad.append(_reject(frame.filter(torn), "bad_line", f"the header names {name} twice, and the line differs"))
            frame = frame.filter(~torn)
        return frame, bad

    def _finish(
        self, typed: pl.DataFrame, rejects: list[pl.DataFrame], account: Account, others: pl.DataFrame | None = None
    ) -> Parsed:
        """Account for every line; without others given, watched flows are split from others here."""
        parsed = Parsed(account=account)
        for frame in rejects:
            account.quarantined.update(frame["reason"].to_list())
        if rejects:
            parsed.rejects = pl.concat(rejects)
        if typed.height or others is not None:
            first, last = typed.select(pl.col("ts").min().alias("a"), pl.col("ts").max().alias("b")).row(0)
            parsed.span = (first, last) if first is not None else None
            kept = typed
            if others is None:
                kept, others = zeek.select_watched(typed, self._options)
            parsed.rows = zeek.to_raw(kept, self._options, interim=self._header.interim)
            parsed.others = zeek.mail_port_others(others, self._options)
            account.flows, account.others = kept.height, others.height
            account.warnings.update(zeek.odd_flows(kept) | zeek_paths.uncounted(self._header.fields or (), kept.height))
        return parsed


def _with_strays(parsed: Parsed, lines: pl.DataFrame) -> Parsed:
    parsed.strays = strays.among_broken(lines, parsed.rejects, json=False)
    return parsed


def _reject(frame: pl.DataFrame, reason: str, detail: str) -> pl.DataFrame:
    return rejects_frame(frame["source_line"], reason, detail, frame["raw"])


def _other_log(stretch: Block) -> Parsed:
    """Lines of another Zeek log in the same file: counted, not read; objects among them are none of it."""
    lines = stretch.data.removesuffix(b"\n").split(b"\n")
    blank = sum(1 for line in lines if not line.strip())
    parsed = Parsed(account=Account(ignored=len(lines) - blank, comments=blank))
    if any(line.startswith(b"{") for line in lines):
        objects = text_lines(stretch).filter(pl.col("raw").str.starts_with("{"))
        parsed.strays = objects.select("source_line", "raw", reason=pl.lit(None, pl.String))
    return parsed
