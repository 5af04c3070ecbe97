"""Flow records of any declared format as RAW rows: one way to read, judge and count them all.

What a format declares is in `declared`. Values and addresses are judged as those of a conn.log are; how ends and
counters are turned, where a record tells one direction or names the responder first, is in `orienting`.
"""

from __future__ import annotations

import copy
import datetime as dt
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from zoneinfo import ZoneInfo

import polars as pl

from pipeline.counting.direction import MAIL_PORTS
from pipeline.sources import columns, foreign, json_lines, spellings, strays, uptime
from pipeline.sources import zeek_columns as conn
from pipeline.sources.base import LINES, RAW, Account, Block, Parsed, ReadOptions, cut_off, merge, rejects_frame
from pipeline.sources.declared import CountingDecoder, Decoded, Decoder, Form, LucidDecoder, PiecewiseDecoder, Stateless
from pipeline.sources.glances.json_parts import JsonParts
from pipeline.sources.glances.sight import Cut, Sight, Told
from pipeline.sources.orienting import as_raw, complete, oriented
from pipeline.sources.texts import json_text
from pipeline.sources.texts.plain_lines import bare_lines, whole_lines
from pipeline.sources.wrappings import documents

Whole = Callable[[pl.Series], pl.DataFrame]
_BYTES = [name for name in RAW.names() if "bytes" in name and name != "missed_bytes"]
_HEAD = 50
"""Lines that are read first where a header is expected."""
_EVIDENCE = 4_000
"""The same where a file must show something of itself first."""
_SAME_CLOCK = dt.timedelta(days=7)
"""No clock is put forward and back in less."""


@dataclass
class JsonDecoder(Stateless):
    """One JSON object a line, its fields by their dotted paths."""

    fields: json_lines.Fields
    derived: Callable[[], Sequence[pl.Expr]] | None = None
    """Fields that follow from others."""
    inside: Sequence[str] = ()
    """JSON paths at which exports of other systems put the record."""

    expects_header = False

    def cut(self) -> Cut:
        """See LucidDecoder."""
        return Cut(JsonParts(self.fields, [path.split(".")[1] for path in self.inside]))

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder."""
        lines = json_lines.unfolded(lines, self.inside) if self.inside else lines
        fields, broken = json_lines.decode(lines, self.fields, reason, numbers=self.derived is None)
        return Decoded(fields.with_columns(self.derived()) if self.derived else fields, broken)


def json_decoder(
    fields: json_lines.Fields, derived: Callable[[], Sequence[pl.Expr]] | None = None, inside: Sequence[str] = ()
) -> Callable[[ReadOptions], Decoder]:
    """The decoder of a form whose lines are JSON objects."""
    return lambda _: JsonDecoder(fields, derived, inside)


class JsonReader(ABC):
    """What readers of JSON share: blocks of lines or one whole document in, and no state between them."""

    resumable = True
    _strips = True
    """Whether blanks at both ends of a line mean nothing."""
    reads_json = True
    """Whether lines are JSON."""

    _decoder: Any = None
    """What remembers anything from line to line."""

    def __init__(self, options: ReadOptions) -> None:
        self._options = options
        self._sight: Sight | None = None

    def state(self) -> dict[str, Any]:
        """Every line carries all it needs."""
        return {}

    def resume(self, state: dict[str, Any]) -> None:  # noqa: B027 - nothing to take up is right for all of them
        """Nothing to take up."""

    def finish(self) -> Parsed:
        """Nothing is left at the end of the file."""
        return Parsed()

    def read(self, block: Block) -> Parsed:
        """Read one block of lines: by templates where they match, all others with care."""
        lines = whole_lines(block, json=self.reads_json)
        if block.unterminated:
            return self._careful(lines, "incomplete_last_line")
        head = self._head()
        if head and lines.height > max(2 * head, Sight.least_lines):
            memory, first = copy.deepcopy(self._decoder), self._careful(lines[:head])
            if self._cut() is not None:
                return merge([first, self._read_lines(lines[head:])])
            self._decoder = memory
        return self._read_lines(lines)

    def _careful(self, lines: pl.DataFrame, reason: str = "bad_json") -> Parsed:
        """Lines as they stand, read with care."""
        return self._read(*bare_lines(lines, strip=self._strips), reason)

    def _read_lines(self, lines: pl.DataFrame) -> Parsed:
        told = None if self._options.watch.keeps_all else self._told(lines)
        return self._careful(lines) if told is None else told

    # What can be told at a glance

    def _cut(self) -> Cut | None:
        """How lines are cut to be matched with templates; None where that cannot be done now."""
        return None

    def _head(self) -> int:
        """How many lines are to be read with care before templates may be used."""
        return 0

    def _deciding(self) -> Any:
        """What of the state decides how lines are read."""
        return self.state()

    def _told(self, lines: pl.DataFrame) -> Parsed | None:
        """Lines read with care only where a glance does not do; None when all must be."""
        if (cut := self._cut()) is None:
            return None
        if self._sight is None or self._sight.cut.key != cut.key:
            self._sight = Sight(cut, self._options.watch.networks, self._alone)
        if (told := self._sight.tell(lines["raw"])) is None:
            return None
        before, memory = self._deciding(), copy.deepcopy(self._decoder)
        if isinstance(self._decoder, CountingDecoder):
            unread = told.counts.filter(~pl.col("at").is_in(told.ends))
            self._decoder.skip(unread.with_columns(source_line=lines["source_line"].gather(unread["at"])))
        parsed = self._careful(lines.filter(~told.unread))
        doubted = parsed.rejects["source_line"].is_in(lines["source_line"].gather(told.ends).implode()).any()
        if doubted or self._deciding() != before or not self._steady(told, parsed):
            self._decoder = memory
            self._sight.fail()
            return None
        parsed.account.lines += told.count
        parsed.account.others += told.count
        return parsed

    def _steady(self, told: Told, parsed: Parsed) -> bool:
        """Whether a clock without a zone was not put forward meanwhile: then it shows no time that there was not."""
        if not told.local or self._options.timezone == "UTC":
            return True
        zone = ZoneInfo(self._options.timezone)
        first, last = (dt.datetime.fromtimestamp(t / 1e6, zone) for t in parsed.span or (0, 0))
        return first.utcoffset() == last.utcoffset() and last - first < _SAME_CLOCK

    def _alone(self, lines: list[str]) -> Parsed | None:
        """What a few lines are read as; None where something of them is remembered."""
        before, memory = self._deciding(), copy.deepcopy(self._decoder)
        numbered = {"source_line": range(1, len(lines) + 1), "raw": lines}
        parsed = self._careful(pl.DataFrame(numbered, schema=LINES))
        remembered, self._decoder = self._deciding() != before, memory
        return None if remembered else parsed

    def read_array(self, data: bytes) -> Parsed:
        """A file that is one JSON document: an array of records, or one record over many lines."""
        document = documents.records(data)
        raw = document.records
        lines = pl.DataFrame({"source_line": range(1, len(raw) + 1), "raw": raw}, schema=LINES)
        parsed = self._read(lines, Account(lines=len(raw)), "bad_json")
        return parsed if document.left is None else merge([parsed, cut_off(document.left, len(raw) + 1)])

    @abstractmethod
    def _read(self, lines: pl.DataFrame, account: Account, reason: str) -> Parsed:
        """Lines (source_line, raw) as flows; reason is why one that is no object is set aside."""

    def _settle(self, parsed: Parsed, typed: pl.DataFrame, raw: Callable[[pl.DataFrame], pl.DataFrame]) -> None:
        """Take judged records into the result: watched ones as raw makes them, the others counted."""
        if typed.is_empty():
            return
        first, last = typed.select(pl.col("ts").min().alias("a"), pl.col("ts").max().alias("b")).row(0)
        parsed.span = (first, last) if first is not None else None
        kept, others = conn.select_watched(typed, self._options)
        parsed.rows, parsed.others = raw(kept), conn.mail_port_others(others, self._options)
        parsed.account.flows, parsed.account.others = kept.height, others.height
        parsed.account.warnings.update(conn.odd_flows(kept) | conn.sampled_flows(parsed.rows))
        parsed.account.warnings.update(_uncounted(parsed.rows))


def _uncounted(rows: pl.DataFrame) -> dict[str, int]:
    """The count of flows (RAW) of which no bytes are told, as where a shipper dropped the fields."""
    none = rows.select(pl.all_horizontal(pl.col(c).is_null() for c in _BYTES).sum()).item()
    return {"no_counters": none} if none else {}


class RecordReader(JsonReader):
    """Reads the blocks of one file of a form."""

    def __init__(self, form: Form, options: ReadOptions) -> None:
        super().__init__(options)
        form = form if form.fitted is None else form.fitted(form, options)
        self.format, self._form = form.name, form
        self._strips, self.reads_json, self.resumable = not form.blanks, form.json, not form.numbers_records
        self._decoder = form.decoder(options)
        # Made once: making many expressions costs as much as reading some thousand records.
        self._flows = form.flows().fill_null(False).alias("flows")
        self._kinds = {name: condition().fill_null(False).sum() for name, condition in form.ignored.items()}
        if form.uptime:
            self._kinds[uptime.WARNING] = pl.col(uptime.WENT_ROUND).sum()

    def read(self, block: Block) -> Parsed:
        """Read one block of lines; with the last line of the file, a record that it leaves open is given up."""
        parsed = super().read(block)
        if not block.unterminated:
            return parsed
        parsed = merge([parsed, self.finish()])
        self._decoder = self._form.decoder(self._options)
        return parsed

    def _cut(self) -> Cut | None:
        idle, decoder = self._form.idle, self._decoder
        found = decoder.cut() if idle is not None and isinstance(decoder, LucidDecoder) else None
        return None if found is None or idle is None else replace(found, free=found.free | idle)

    def _head(self) -> int:
        if self._form.idle is None:
            return 0
        if getattr(self._decoder, "expects_evidence", False):
            return _EVIDENCE
        return _HEAD if getattr(self._decoder, "expects_header", False) else 0

    def _deciding(self) -> Any:
        return self._decoder.deciding() if isinstance(self._decoder, CountingDecoder) else self.state()

    @property
    def form(self) -> Form:
        """The form, as the source's settings fit it."""
        return self._form

    def state(self) -> dict[str, Any]:
        """What the decoder remembers."""
        remembered: dict[str, Any] = self._decoder.state()
        return remembered

    def resume(self, state: dict[str, Any]) -> None:
        """Give the decoder its memory back."""
        self._decoder.resume(state)

    def finish(self) -> Parsed:
        """What is left at the end of the file: lines of a record that did not end, to be replaced when it grows."""
        if not (left := self._decoder.unfinished()):
            return Parsed()
        return _cut_off(pl.DataFrame(left, schema=LINES, orient="row"), Account())

    def _read(self, lines: pl.DataFrame, account: Account, reason: str) -> Parsed:
        if lines.is_empty():
            return Parsed(account=account)
        cut_short = reason == "incomplete_last_line"
        if cut_short and self._form.ends_lines:
            return _cut_off(lines, account)
        reason = reason if self._form.json or cut_short else "bad_line"
        if isinstance(self._decoder, PiecewiseDecoder):
            pieces = [self._judged(piece) for piece in self._decoder.pieces(lines, reason)]
        else:
            found = self._decoder.decode(lines, reason)
            pieces = [self._judged(found)]
            if not getattr(self._decoder, "beyond", 0):  # Else records have other numbers than lines.
                broken = strays.among_broken(lines, found.broken, json=self._form.json)
                pieces[0].strays = strays.together(pieces[0].strays, broken)
        return merge([Parsed(account=account), *pieces])

    def _judged(self, found: Decoded) -> Parsed:
        """Decoded records as flows, the typed way where all values allow it."""
        account = Account(lines=found.more, comments=found.comments, warnings=Counter(found.warnings))
        zone = self._options.timezone if self._form.local_time else "UTC"
        typed = columns.typed_text(found.fields, zone)
        return self.judged(typed, lambda rows: json_lines.as_texts(found.fields.filter(rows)), found.broken, account)

    def judged(
        self, typed: pl.DataFrame, as_text: Whole, broken: pl.DataFrame, account: Account, whole: Whole | None = None
    ) -> Parsed:
        """Records as flows: the typed way where their values allow it, the others, each by itself, as text.

        Args:
            typed: the records, as `take_typed` wants them.
            as_text: what gives those that are chosen as text.
            broken: lines that are no records.
            account: of all of them.
            whole: see `take_typed`.
        """
        parsed = self.take_typed(typed, account, whole)
        if isinstance(parsed, pl.Series):
            parsed = self._parted(parsed, typed, as_text, account, whole)
        parsed.account.quarantined.update(broken["reason"].to_list())
        parsed.rejects = pl.concat([broken, parsed.rejects])
        return parsed

    def _parted(
        self, doubted: pl.Series, typed: pl.DataFrame, as_text: Whole, account: Account, whole: Whole | None
    ) -> Parsed:
        """Records of which some are doubted: those as text, the others the typed way, in order again."""
        sure, nothing = ~doubted, Parsed().rejects
        rest = None if whole is None else lambda chosen: whole(_among(sure, chosen))
        plain = self.take_typed(typed.filter(sure), account, rest) if sure.any() else sure
        if isinstance(plain, pl.Series):
            return self.take(as_text(pl.repeat(True, typed.height, eager=True)), nothing, account)
        both = merge([plain, self.take(as_text(doubted), nothing, Account())])
        both.rows = both.rows.sort("source_line", maintain_order=True)
        return both

    def read_array(self, data: bytes) -> Parsed:
        """See JsonReader; a decoder that hands out pieces reads the document itself, as far as it goes."""
        if not isinstance(self._decoder, PiecewiseDecoder):
            return super().read_array(data)
        text = json_text.as_utf_8(data).decode().strip()
        return self._read(pl.DataFrame({"source_line": [1], "raw": [text]}, schema=LINES), Account(lines=1), "bad_json")

    def take(self, fields: pl.DataFrame, broken: pl.DataFrame, account: Account) -> Parsed:
        """Decoded records as flows: what is no flow is counted, what cannot be right set aside."""
        fields = conn.unset_to_null(fields, spellings.ABSENT)
        schema = fields.schema
        told = [c for c in columns.TIMES if schema.get(c) == pl.String]
        warnings = {"month_assumed": spellings.month_assumed(fields["ts"])} if "ts" in told else {}
        account.warnings += Counter(warnings)
        fields = fields.with_columns(spellings.plain_times(pl.col(c)).alias(c) for c in told)
        fields, flows, left = self._sifted(fields, account)
        text, extras = oriented(fields.filter(flows), self._form, self._options)
        typed, unreadable = conn.read_text(text, self._options)
        if self._kinds and unreadable.height:  # What was set aside is nothing by name.
            aside = fields.filter(flows & fields["source_line"].is_in(unreadable["source_line"].implode()))
            account.warnings -= Counter(aside.select(**self._kinds).row(0, named=True))
        for frame in (broken, unreadable):
            account.quarantined.update(frame["reason"].to_list())
        parsed = Parsed(account=account, rejects=pl.concat([broken, unreadable]), **left)
        self._settle(parsed, typed, lambda kept: self._raw(kept, extras))
        return parsed

    def take_typed(self, fields: pl.DataFrame, account: Account, whole: Whole | None = None) -> Parsed | pl.Series:
        """The same for records whose numbers and times are typed already; where any must be read as text, which.

        Args:
            fields: counters and ports as Int64, times as Int64 epoch microseconds, duration as Float64, the rest text;
                `odd`, where there is one, marks values that did not fit their type.
            account: of these records; not changed.
            whole: what gives all fields of the records that are chosen, where these lack what decides nothing.
        """
        counted = replace(account, warnings=account.warnings.copy(), quarantined=account.quarantined.copy())
        odd = fields["odd"] if "odd" in fields.columns else None
        fields, flows, left = self._sifted(fields, counted)
        if (doubted := conn.doubtful(fields, flows, odd, self._options)) is not None:
            return doubted
        parsed = Parsed(account=counted, **left)
        watch, mail = self._options.watch, pl.Series(MAIL_PORTS, dtype=pl.Int64).implode()
        told = watch.is_watched("src") | watch.is_watched("dest")
        told |= pl.col("src_port").is_in(mail).fill_null(False) | pl.col("dest_port").is_in(mail).fill_null(False)
        mask = fields.select((told & flows).fill_null(False).alias("told"))["told"]
        if mask.any():
            picked = fields.filter(mask) if whole is None else self._derived(whole(mask))
            chosen = self._timed(picked.with_columns(raw=pl.lit(None, pl.String)))
            text, extras = oriented(chosen, self._form, self._options)
            typed = conn.as_typed(text, spellings.ABSENT)
            self._settle(parsed, typed, lambda kept: self._raw(kept, extras))
        times = pl.col("ts").filter(flows)
        first, last = fields.select(times.min().alias("a"), times.max().alias("b")).row(0)
        parsed.span = (first, last) if first is not None else None
        counted.others = int(flows.sum()) - counted.flows
        return parsed

    def _timed(self, chosen: pl.DataFrame) -> pl.DataFrame:
        """Records with typed times, which are text until now where nothing depends on them."""
        zone = self._options.timezone if self._form.local_time else "UTC"
        schema = chosen.schema
        text = [c for c in columns.TIMES if schema[c] == pl.String]
        return chosen.with_columns(columns.told_time(chosen, c, zone).alias(c) for c in text)

    def _sifted(self, decoded: pl.DataFrame, account: Account) -> tuple[pl.DataFrame, pl.Series, dict[str, Any]]:
        """(all fields that the rest asks for, which records are flows, what else `Parsed` tells of the others)."""
        fields = self._derived(decoded)
        flows = fields.select(self._flows)["flows"]
        account.warnings.update(fields.select(**self._kinds).row(0, named=True) if self._kinds else {})
        account.warnings += Counter()  # Without the kinds that there were none of.
        if ignored := fields.height - int(flows.sum()):
            account.ignored += ignored
        else:
            return fields, flows, {}
        if "raw" in fields.columns:
            account.warnings.update(foreign.counts(self._form, fields["raw"].filter(~flows)))
        stray = strays.among_ignored(decoded, fields, flows, json=self._form.json)
        return fields, flows, {"strays": stray, "ignored": strays.some_ignored(fields, flows)}

    def _derived(self, fields: pl.DataFrame) -> pl.DataFrame:
        fields = complete(fields if self._form.derive is None else self._form.derive(fields))
        if not self._form.uptime:
            return fields
        zone = self._options.timezone if self._form.local_time else "UTC"
        return uptime.put_right(fields, zone, ends_wrap=self._form.uptime_ends)

    def _raw(self, kept: pl.DataFrame, extras: pl.DataFrame) -> pl.DataFrame:
        """Judged records as RAW."""
        return as_raw(kept, extras, self._form, self._options)


def _among(rows: pl.Series, chosen: pl.Series) -> pl.Series:
    """Which of all rows are chosen, where that is known of some of them only."""
    return pl.repeat(False, len(rows), eager=True).scatter(rows.arg_true().filter(chosen), True)


def _cut_off(lines: pl.DataFrame, account: Account) -> Parsed:
    """Lines at the end of the file that are not at their own, set aside until it grows."""
    reason = "incomplete_last_line"
    account.quarantined[reason] += lines.height
    return Parsed(account=account, rejects=rejects_frame(lines["source_line"], reason, None, lines["raw"]))
