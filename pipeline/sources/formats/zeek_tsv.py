"""Reader of Zeek's tab-separated conn.log.

Headers may come again, and change the columns, anywhere in a file; comments and blank lines are counted. Lines that
`glance` can tell to be sound and of nobody watched are only counted; the others take a fast typed path, or where
something among them is odd the reference path, which gives every line its reason. Values and addresses are judged in
`zeek_columns`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import polars as pl

from pipeline.addresses import canonical_address
from pipeline.counting.direction import MAIL_PORTS
from pipeline.schemas import MAX_FLOW_BYTES
from pipeline.sources import strays, zeek_paths
from pipeline.sources import zeek_columns as zeek
from pipeline.sources.base import Account, Block, Parsed, ReadOptions, merge, parted, rejects_frame
from pipeline.sources.glances import glance
from pipeline.sources.texts import syslog
from pipeline.sources.texts.numbered import Lines, cut_lines, text_lines

_FLOATS = ("ts", "write_ts", "duration")
_INTS = (*zeek.COUNTERS, "src_port", "dest_port")
_TIME = rf"\d{{9,10}}\.\d{{1,9}}{syslog.TAB}"
_PADDING = " \t\0"
"""What spreadsheets and copies of memory leave behind the end of a line."""
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
        self._separator = "\t"
        self._fields: list[str] | None = None
        self._path = "conn"
        self._unset, self._empty, self._headers = "-", "(empty)", 0
        self._patterns: dict[tuple[object, ...], str | None] = {}
        self._waiting: list[Lines] = []
        if options.header:
            self._take_header(options.header)

    def state(self) -> dict[str, Any]:
        """The header in force."""
        return {
            "separator": self._separator,
            "fields": self._fields,
            "path": self._path,
            "unset": self._unset,
            "empty": self._empty,
        }

    def resume(self, state: dict[str, Any]) -> None:
        """Go on under a header seen before."""
        self._separator, self._fields, self._path = state["separator"], state["fields"], state["path"]
        self._unset, self._empty = state["unset"], state["empty"]

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
                self._header(data[at:end].decode("utf-8", errors="replace").rstrip("\r"))
                at, line = end + 1, line + 1
                continue
            end = data.find(b"\n#", at)
            end = len(data) if end < 0 else end + 1
            stretch = Block(data[at:end], line, unterminated=block.unterminated)
            yield stretch
            at, line = end, line + stretch.lines

    def _header(self, text: str) -> None:
        self._headers += 1
        self._take_header(text)

    def _take_header(self, text: str) -> None:
        if text.startswith("#separator"):
            value = text.removeprefix("#separator").strip(_PADDING)
            decoded = zeek.decode(value)
            self._separator = decoded if len(decoded) == 1 else "\t"
            return
        name, _, value = text.rstrip(f"{_PADDING}{self._separator}").partition(self._separator)
        if name == "#fields" and value:
            self._fields = value.split(self._separator)
        elif name == "#path":
            self._path = value
        elif name == "#unset_field":
            self._unset = zeek.decode(value)
        elif name == "#empty_field":
            self._empty = zeek.decode(value)

    @property
    def _is_conn(self) -> bool:
        return zeek_paths.is_conn(self._path, self._fields or ())

    @property
    def _marks(self) -> tuple[str, ...]:
        """The texts that stand for no value, by the header or by custom."""
        return (*zeek.UNSET, self._unset, self._empty)

    # Data lines

    def _is_plain(self, stretch: Block) -> bool:
        """Whether it holds whole lines of a conn.log under a header that is known."""
        return self._is_conn and self._fields is not None and not stretch.unterminated

    def _read_lines(self, stretch: Block) -> Parsed:
        if not self._is_conn:
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
            _micros(pl.all().str.head(glance.TIME_LENGTH))
        )
        first, last = times.row(0)
        if last > self._options.latest_us:
            return None
        return Parsed(span=(first, last), account=Account(others=count)), Lines.of(frame, ~plain)

    def _pattern(self) -> str | None:
        """The pattern of sound lines between unwatched ends under this header, if there is one."""
        key = (self._separator, tuple(self._fields or ()), self._unset, self._empty)
        if key not in self._patterns:
            self._patterns[key] = self._make_pattern()
        return self._patterns[key]

    def _make_pattern(self) -> str | None:
        watch, names = self._options.watch, self._names()
        fields = [names.get(i) for i in range(len(self._fields or []))]
        if watch.keeps_all or not set(zeek.REQUIRED) <= set(fields) or fields[0] != "ts" or self._repeated():
            return None
        # A separator or mark that could be part of a time or an address would change what they are.
        if self._separator not in "\t,;|" or not all(re.fullmatch(r"[A-Za-z()_?*-]*", m) for m in self._marks):
            return None
        if (address := glance.unwatched(watch.networks)) is None:
            return None
        values = {"ts": glance.TIME, "src": address, "dest": address, "duration": glance.REAL}
        values["src_port"] = glance.numerals(0, 65_535)
        values["dest_port"] = glance.numbers_but(MAIL_PORTS, 65_535)
        values |= dict.fromkeys(zeek.COUNTERS, glance.COUNT)
        return glance.line_pattern(fields, self._separator, self._marks, values)

    # Lines read with care

    def _fast(self, data: bytes, numbers: pl.Series) -> pl.DataFrame | None:
        """The lines, which have these numbers, with typed columns, or None when any is not plainly clean."""
        fields, names = self._fields or [], self._names()
        if len(self._separator.encode()) != 1 or not set(zeek.REQUIRED) <= set(names.values()) or self._repeated():
            return None
        schema = {_column(i): _fast_type(names.get(i)) for i in range(len(fields))}
        last = _column(len(fields) - 1)
        schema[last] = pl.String()
        try:
            # All columns are read: of a projection, Polars lets extra fields go without a word.
            frame = pl.read_csv(
                data,
                has_header=False,
                separator=self._separator,
                quote_char=None,
                schema=schema,
                empty_string_is_null=False,
                null_values={_column(i): self._unset or "-" for i in names if schema[_column(i)] != pl.String},
            )
        except pl.exceptions.PolarsError:
            return None
        if frame.height != len(numbers) or frame.select((pl.col(last).fill_null("") == "").any()).item():
            return None
        named = frame.select(pl.col(_column(i)).alias(n) for i, n in names.items())
        return self._typed(named.with_columns(numbers.alias("source_line")))

    def _typed(self, frame: pl.DataFrame) -> pl.DataFrame | None:
        text = {c for c in frame.columns if frame.schema[c] == pl.String and c in (*_FLOATS, *_INTS)}
        if text:  # The last column was read as text to notice short lines.
            given = {c: pl.when(pl.col(c) != self._unset).then(pl.col(c)) for c in text}
            try:
                frame = frame.with_columns(value.cast(_fast_type(c)) for c, value in given.items())
            except pl.exceptions.PolarsError:
                return None
        frame = frame.with_columns(pl.lit(None, zeek.TYPED[c]).alias(c) for c in zeek.TYPED if c not in frame.columns)
        self._options.watch.learn(pl.concat([frame["src"], frame["dest"]]))
        return frame if self._clean(frame) else None

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
                *(_micros(t).alias(n) for n, t in (("a", pl.col("ts").min()), ("b", pl.col("ts").max())))
            )
            parsed.span = span.row(0)
        parsed.account.others = frame.height - kept.height
        return parted(parsed, others["source_line"], firsts) if firsts else [parsed]

    def _tidy(self, frame: pl.DataFrame) -> pl.DataFrame:
        """Rows of a clean stretch as TYPED."""
        times = [_micros(pl.col(c)).alias(c) for c in ("ts", "write_ts")]
        texts = [
            pl.when(~pl.col(c).is_in(self._marks)).then(pl.col(c)).alias(c)
            for c in ("uid", "proto", "service", "conn_state", "system", "path", "vlan")
        ]
        return frame.select(zeek.TYPED.names()).with_columns(*times, *texts)

    def _clean(self, frame: pl.DataFrame) -> bool:
        """Whether no line of the block has anything that the reference path would reject."""
        ts = pl.col("ts")
        checks = [
            ts.is_null().any() | ~ts.is_between(zeek.EARLIEST_US / 1e6, self._options.latest_us / 1e6).all(),
            ~pl.col("duration").is_finite().all(),
        ]
        checks += [(pl.col(c) < 0).any() for c in zeek.COUNTERS]
        checks += [(pl.col(c) > MAX_FLOW_BYTES).any() for c in ("orig_ip_bytes", "resp_ip_bytes")]
        checks += [~pl.col(c).is_between(0, 65_535).all() for c in ("src_port", "dest_port")]
        checks += [~pl.col("write_ts").cast(pl.Float64).is_between(0, 1e11).all()]
        checks += [self._options.watch.is_invalid(c).any() for c in ("src", "dest")]
        return not frame.select(pl.any_horizontal(c.fill_null(False) for c in checks)).item(0, 0)

    def _slow(self, frame: pl.DataFrame, unterminated: bool = False) -> Parsed:
        account, rejects = Account(), []
        frame = frame.with_columns(pl.col("raw").str.strip_suffix("\r"))
        account.comments = frame.filter(pl.col("raw").str.strip_chars() == "").height
        whole = frame = frame.filter(pl.col("raw").str.strip_chars() != "")
        frame, bare = self._until_guessed(frame)
        rejects.append(_reject(bare, "no_header", "data before any #fields line"))
        if self._fields is None:
            return _with_strays(self._finish(frame, rejects, account), whole)
        frame, bad = self._split(frame, unterminated)
        rejects += bad
        columns = [pl.col("parts").list.get(i, null_on_oob=True).alias(n) for i, n in self._names().items()]
        typed, unreadable = zeek.read_text(frame.select("source_line", "raw", *columns), self._options, self._marks)
        return _with_strays(self._finish(typed, [*rejects, unreadable], account), whole)

    def _until_guessed(self, frame: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
        """Without a header: (the lines from the first whose columns can be told, those before it)."""
        if self._fields is not None:
            return frame, frame.clear()
        for at, line in enumerate(frame["raw"]):
            self._fields = _guess_fields(line, self._separator)
            if self._fields is not None:
                return frame[at:], frame[:at]
        return frame.clear(), frame

    def _split(self, frame: pl.DataFrame, unterminated: bool) -> tuple[pl.DataFrame, list[pl.DataFrame]]:
        """Lines with as many fields as the header (empty extra ones are let go), and those without."""
        want = len(self._fields or [])
        parts = syslog.without_header(frame["raw"], _TIME).str.split(self._separator)
        frame = frame.with_columns(parts=parts).with_columns(
            n=pl.col("parts").list.len(), spare=pl.col("parts").list.slice(want).list.join("") == ""
        )
        short, long, bad = pl.col("n") < want, (pl.col("n") > want) & ~pl.col("spare"), []
        if unterminated:
            # A number that lost its last digits still looks like a number, and so does an id or an address.
            cut = short | pl.lit(want - 1 in self._names())
            bad.append(_reject(frame.filter(cut), "incomplete_last_line", "the file ends inside this line"))
            frame = frame.filter(~cut)
        bad.append(_reject(frame.filter(short), "too_few_fields", f"the header has {want}"))
        bad.append(_reject(frame.filter(long), "too_many_fields", f"the header has {want}"))
        frame = frame.filter(~short & ~long)
        for name, at in self._repeated().items():
            said = [pl.col("parts").list.get(i) for i in at]
            torn = pl.any_horizontal(other != said[0] for other in said[1:])
            bad.append(_reject(frame.filter(torn), "bad_line", f"the header names {name} twice, and the line differs"))
            frame = frame.filter(~torn)
        return frame, bad

    def _repeated(self) -> dict[str, list[int]]:
        """Fields that we use and the header names more than once: where they stand."""
        fields = self._fields or []
        twice = {f for f in zeek.BY_SPELLING if fields.count(f) > 1}
        return {f: [i for i, field in enumerate(fields) if field == f] for f in sorted(twice)}

    def _names(self) -> dict[int, str]:
        """Position -> our name, for the fields we use; the first of several spellings wins."""
        found: dict[int, str] = {}
        for position, field in enumerate(self._fields or []):
            name = zeek.BY_SPELLING.get(field)
            if name is not None and name not in found.values():
                found[position] = name
        return found

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
            parsed.rows = zeek.to_raw(kept, self._options, interim=self._path in ("conn_long", "open_conn"))
            parsed.others = zeek.mail_port_others(others, self._options)
            account.flows, account.others = kept.height, others.height
            account.warnings.update(zeek.odd_flows(kept) | zeek_paths.uncounted(self._fields or (), kept.height))
        return parsed


def _with_strays(parsed: Parsed, lines: pl.DataFrame) -> Parsed:
    parsed.strays = strays.among_broken(lines, parsed.rejects, json=False)
    return parsed


def _micros(seconds: pl.Expr) -> pl.Expr:
    return (seconds.cast(pl.Float64) * 1e6).round().cast(pl.Int64)


def _fast_type(name: str | None) -> pl.DataType:
    if name in _FLOATS:
        return pl.Float64()
    return pl.Int64() if name in _INTS else pl.String()


def _reject(frame: pl.DataFrame, reason: str, detail: str) -> pl.DataFrame:
    size = frame.height
    return rejects_frame(
        frame["source_line"],
        pl.Series([reason] * size, dtype=pl.String),
        pl.Series([detail] * size, dtype=pl.String),
        frame["raw"],
    )


def _other_log(stretch: Block) -> Parsed:
    """Lines of another Zeek log in the same file: counted, not read; objects among them are none of it."""
    lines = stretch.data.removesuffix(b"\n").split(b"\n")
    blank = sum(1 for line in lines if not line.strip())
    parsed = Parsed(account=Account(ignored=len(lines) - blank, comments=blank))
    if any(line.startswith(b"{") for line in lines):
        objects = text_lines(stretch).filter(pl.col("raw").str.starts_with("{"))
        parsed.strays = objects.select("source_line", "raw", reason=pl.lit(None, pl.String))
    return parsed


def _column(position: int) -> str:
    """The name that Polars gives a column of a file without a header it knows."""
    return f"column_{position + 1}"


def _guess_fields(line: str, separator: str) -> list[str] | None:
    """Columns of a file without a header (as zeek-cut writes), by shape: a time first, then two addresses.

    Only these three can be told; byte counts stay unknown. None when the line does not look so.
    """
    values = line.split(separator)
    addresses = [i for i, v in enumerate(values) if canonical_address(v) is not None]
    if len(addresses) < 2 or not re.fullmatch(r"\d{9,10}\.\d{1,9}", values[0]):
        return None
    names = {0: "ts", addresses[0]: "id.orig_h", addresses[1]: "id.resp_h"}
    return [names.get(i, f"unnamed_{i}") for i in range(len(values))]
