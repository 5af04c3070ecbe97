"""A mapping for a table or JSON of no known format, guessed by the names of its columns.

It goes into a source with `format: table`, and is only ever proposed to a person, who must see whether it is right:
names tell what a column is far more surely than which way its bytes go. Logs that are known by name are in `mappable`.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pipeline.sources.base import begins_as_json
from pipeline.sources.texts.quoting import tidied
from pipeline.sources.wrappings.documents import beginning

_SRC = ("src", "source", "s", "client", "cli", "orig", "initiator", "subject")
_DEST = ("dst", "dest", "destination", "d", "server", "srv", "resp", "responder", "peer")


def _each(ends: Iterable[str], *patterns: str) -> tuple[str, ...]:
    return tuple(p.format(end) for p in patterns for end in ends)


_ADDRESS = (
    *("{}ip", "{}addr", "{}address", "{}ipaddr", "{}ipaddress", "{}ipv4", "ipv4{}addr", "ip{}", "ip{}saddr", "{}host"),
    "{}",
)
_CLOCK = re.compile(r"\d{1,2}:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[AaPp][Mm])?")
"""A time of day without its day."""
_SUMS = ("totalbytes", "bytestotal", "numbytes", "sumbytes", "bidirectionalbytes", "transferredbytes")
"""Names of what both directions sent together, for all that is known."""
_SPELLED: Mapping[str, tuple[str, ...]] = {
    "src_ip": (*_each(_SRC, *_ADDRESS), "sa", "clientprivateip", "clientpublicip", "ipaddressorigin"),
    "dest_ip": (*_each(_DEST, *_ADDRESS), "da", "ipaddressimpacted"),
    "src_port": (
        *_each(_SRC, "{}port", "{}pt", "{}portnumber", "port{}", "l4{}port", "ip{}port", "{}p"),
        "tcpudpportorigin",
    ),
    "dest_port": (
        *_each(_DEST, "{}port", "{}pt", "{}portnumber", "port{}", "l4{}port", "ip{}port", "{}p"),
        "port",
        "tcpudpportimpacted",
    ),
    "transport": (
        "transport",
        "proto",
        "protocol",
        "ipprotocol",
        "ipproto",
        "transportprotocol",
        "networkprotocol",
        "l4protocol",
        "pr",
    ),
    "start_time": (
        *("starttime", "flowstart", "flowstarttime", "sessionstarttime", "timestart", "firstseen", "firstswitched"),
        *("flowstarttimems", "starttimems", "startts", "startedat"),
        *("timestampconnectionstart", "firstpackettime", "timefirst", "datefirstseen"),
        *("start", "first", "begin", "begintime", "stime", "timestamp", "eventtime", "time", "datetime", "ts", "date"),
        *("bidirectionalfirstseenms", "timegenerated", "logtime", "created", "firstflowseen", "entrytime", "logdate"),
    ),
    "end_time": (
        *("endtime", "flowend", "flowendtime", "timeend", "lastseen", "end", "stop", "lastpackettime", "timelast"),
        *("bidirectionallastseenms", "flowendtimems", "endtimems", "endts", "endedat"),
    ),
    "bytes_in": (
        *("bytesin", "receivedbytes", "bytesreceived", "rcvdbytes", "rcvdbyte", "bytesrcvd", "rcvbytes", "recvbytes"),
        *("bytesrecv", "bytesrcv", "bytess2c", "accrxbytes", "download", "downloaded"),
        *_each(_DEST, "{}bytes", "bytes{}", "{}octets", "{}nbytes"),
        *("dst2srcbytes", "bytesdsttosrc", "bytesdesttosrc", "s2cbytes", "bytestoclient", "flowbytestoclient"),
        *("bytessenttoclient", "bytesreceivedfromserver", "bytesfromserver", "servertoclientbytes", "toclientbytes"),
        *("srv2clibytes", "revbytes", "bytesrev", "dsttbo", "zenbytestxclient"),
        *("sumofbytesdsttosrc", "downloadbytes", "downloadedbytes", "bytesdownloaded", "outbytes"),
    ),
    "bytes_out": (
        *(
            "bytesout",
            "sentbytes",
            "bytessent",
            "sentbyte",
            "sendbytes",
            "bytesc2s",
            "acctxbytes",
            "upload",
            "uploaded",
        ),
        *_each(_SRC, "{}bytes", "bytes{}", "{}octets", "{}nbytes"),
        *("src2dstbytes", "bytessrctodst", "bytessrctodest", "c2sbytes", "bytestoserver", "flowbytestoserver"),
        *("bytessenttoserver", "bytesreceivedfromclient", "bytesfromclient", "clienttoserverbytes", "toserverbytes"),
        *("cli2srvbytes", "fwdbytes", "dsttbi", "zenbytesrxclient"),
        *("sumofbytessrctodst", "uploadbytes", "uploadedbytes", "bytesuploaded", "inbytes"),
    ),
    "sent": ("bytes", "octets", "bytecount", *_SUMS),
}
"""Field -> the columns' names that may mean it, letters and digits alone, the likeliest first.

Exporters of NetFlow call what came into them from the source `in_bytes`."""
_ONE_WAY = "sent is right where a record tells one direction, from src_ip to dest_ip; if it sums both, write bytes."
_SUMMED = (
    "bytes is the sum of both directions, which no detection counts; if a record tells one direction, from src_ip to "
    "dest_ip, write sent."
)
_NEEDED, _COUNTERS = ("src_ip", "dest_ip", "start_time"), {"bytes_in", "bytes_out", "sent"}
_LOOKED_AT = 20
"""Records of JSON whose names are taken."""
_PREFIX = re.compile(r"^_?nf_")
"""What Graylog's NetFlow input puts before its names."""
_PLAIN = re.compile(r"[A-Za-z_][\w .()/-]*")
"""A name that YAML takes as it stands, also within braces."""


def recognise(head: bytes) -> tuple[str, str] | None:
    """(what a file that begins so seems to be, how to read it); None where its columns name no ends and bytes."""
    names = _names(head)
    remedy = mapping(names, _day(head, names))
    return (
        ("of no known format, but has columns like those of a log of flows", f"If it is one, {remedy}")
        if remedy
        else None
    )


def lacking(head: bytes) -> tuple[str, str] | None:
    """(what a file that begins so lacks for a log of flows, what to do), where it names two ends and not all else."""
    fields = _fields(_names(head))
    if any(end not in fields for end in ("src_ip", "dest_ip")):
        return None
    lacks = [] if "start_time" in fields else ["when a flow began"]
    lacks += [] if _COUNTERS.intersection(fields) else ["its bytes of each direction"]
    if not lacks:
        return None
    what = f"of no known format: it names the ends of flows, but nothing known here tells {' or '.join(lacks)}"
    pairs = ", ".join(f"{ours}: {_quoted(column)}" for ours, column in fields.items() if ours not in _COUNTERS)
    return what, (
        f"If other columns tell it, read the file with format: table and fields: {{{pairs}}} and these columns. If "
        "none does, as in reports of sums and in logs of packets, export the flows themselves with their start and "
        "bytes, or give what a collector (nfcapd, goflow2) writes of the device's NetFlow or IPFIX."
    )


def mapping(columns: Sequence[str], day: str | None = None) -> str | None:
    """How a table with these columns may be read as one of the user's own; None where they name no ends and bytes.

    Args:
        columns: their names.
        day: the column of the day, where that of the start has the time of day alone.
    """
    fields = _fields(columns)
    if any(name not in fields for name in _NEEDED) or not _COUNTERS.intersection(fields):
        return None
    ends = {ours: column for ours, column in fields.items() if ours not in _COUNTERS}
    if "bytes_in" in fields and "bytes_out" in fields:
        ends |= {ours: fields[ours] for ours in ("bytes_in", "bytes_out")}
        which = "See that bytes_in is what src_ip received, and exchange the two columns where it is not."
    else:
        column = next(fields[ours] for ours in ("sent", "bytes_out", "bytes_in") if ours in fields)
        summed = any(_letters(path) in _SUMS for path in _paths_of(column))
        ends["bytes" if summed else "sent"] = column
        which = _SUMMED if summed else _ONE_WAY
    told = {ours: _quoted(column) for ours, column in ends.items()}
    if day is not None:
        told["start_time"] = f"[{_quoted(day)}, {told['start_time']}]"
    pairs = ", ".join(f"{ours}: {column}" for ours, column in told.items())
    return (
        f"read it with format: table and fields: {{{pairs}}}. {which} Where its times are neither numbers nor ISO "
        "8601, give a time_format, and where records tell the bytes since the last one of the same session, "
        "accounting: delta."
    )


def _names(head: bytes) -> list[str]:
    """The names of a table's columns or of the fields of JSON, by their dotted paths."""
    try:
        if begins_as_json(head):
            paths = (path for text in beginning(head, _LOOKED_AT) for path in _paths(json.loads(text)))
            return list(dict.fromkeys(paths))
        return next(_cells(head), [])
    except (ValueError, RecursionError, csv.Error):
        return []


def _cells(head: bytes) -> Iterator[list[str]]:
    """The cells of a table's first two lines."""
    lines = [tidied(line) for line in head.decode("utf-8", errors="replace").split("\n", 2)[:2]]
    delimiter = max(",;\t|", key=lines[0].count)
    yield from ([cell.strip() for cell in row] for row in csv.reader(lines, delimiter=delimiter))


def _day(head: bytes, names: Sequence[str]) -> str | None:
    """The column of the day, where the first record has the time of day alone in the one that a start is taken from."""
    start = _fields(names).get("start_time")
    day = next((name for name in names if _letters(name) in ("date", *_dated(start))), None)
    if start is None or day is None:
        return None
    return day if _CLOCK.fullmatch(str(_first(head, names).get(start))) else None


def _first(head: bytes, names: Sequence[str]) -> Mapping[str, object]:
    """The plain values of the first record."""
    try:
        if begins_as_json(head):
            record = json.loads(next(iter(beginning(head, 1))))
            return record if isinstance(record, dict) else {}
        _, row = _cells(head)
        return dict(zip(names, row, strict=False))
    except (ValueError, StopIteration, RecursionError, csv.Error):
        return {}


def _dated(start: str | None) -> tuple[str, ...]:
    """What the column of the day may be called beside one of the time of day (`start_time`, `start_date`)."""
    return (_letters(start).replace("time", "date"),) if start and "time" in _letters(start) else ()


def _paths(value: Any, prefix: str = "") -> Iterator[str]:
    """The dotted paths of what is neither an object nor a list."""
    if not isinstance(value, dict):
        return
    for name, inner in value.items():
        if isinstance(inner, dict):
            yield from _paths(inner, f"{prefix}{name}.")
        elif not isinstance(inner, list):
            yield f"{prefix}{name}"


def _fields(names: Sequence[str]) -> dict[str, str]:
    """Field -> the column whose name means it; a column counts once."""
    known = dict[str, str]()
    for name in names:
        for path in _paths_of(name):
            known.setdefault(_letters(path), name)
    found = dict[str, str]()
    for ours, spellings in _SPELLED.items():
        column = next((known[s] for s in spellings if s in known and known[s] not in found.values()), None)
        if column is not None:
            found[ours] = column
    if "bytes_out" not in found and "rev" in found.get("bytes_in", "").lower() and "sent" in found:
        found["bytes_out"] = found.pop("sent")  # Beside what came back, the plain name is what went forth.
    return found


def _paths_of(name: str) -> tuple[str, ...]:
    """What a dotted name may be called: by all its steps, its last two, its last one, or without a store's prefix."""
    parts = name.split(".")
    return (name, ".".join(parts[-2:]), parts[-1], _PREFIX.sub("", name))


def _letters(path: str) -> str:
    return re.sub(r"[^a-z0-9]", "", path.lower())


def _quoted(name: str) -> str:
    """A name as YAML has it within braces."""
    return name if _PLAIN.fullmatch(name) and name == name.strip() else json.dumps(name)
