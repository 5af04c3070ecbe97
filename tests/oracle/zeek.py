"""A naive reading of Zeek's conn log in pure Python, and small builders of logs.

It knows nothing of the product's readers: no Polars, no blocks, one line after the other.
"""

from __future__ import annotations

import datetime as dt
import ipaddress
import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

FIELDS = (
    *("ts", "uid", "id.orig_h", "id.orig_p", "id.resp_h", "id.resp_p", "proto", "service", "duration", "orig_bytes"),
    *("resp_bytes", "conn_state", "missed_bytes", "history", "orig_pkts", "orig_ip_bytes", "resp_pkts"),
    *("resp_ip_bytes", "tunnel_parents"),
)
COUNTERS = ("orig_bytes", "resp_bytes", "missed_bytes", "orig_pkts", "orig_ip_bytes", "resp_pkts", "resp_ip_bytes")
UNREAD = ("history", "tunnel_parents")
"""Fields that nothing depends on."""
READ = set(FIELDS) - set(UNREAD)
SERVER = "192.0.2.10"
CLIENT = "198.51.100.7"
BASE = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)
Values = Mapping[str, str]


def conn(start: dt.datetime = BASE, **changes: str) -> dict[str, str]:
    """One conn record as text values; keyword names have `__` for the dot."""
    values = dict.fromkeys(FIELDS, "-") | {"tunnel_parents": "(empty)", "history": "ShADadfF"}
    values |= {"ts": f"{start.timestamp():.6f}", "uid": "C1", "proto": "tcp", "duration": "1.5", "conn_state": "SF"}
    values |= {"id.orig_h": CLIENT, "id.orig_p": "50000", "id.resp_h": SERVER, "id.resp_p": "993"}
    values |= {"orig_bytes": "10", "resp_bytes": "100", "missed_bytes": "0", "orig_pkts": "2", "resp_pkts": "3"}
    values |= {"orig_ip_bytes": "90", "resp_ip_bytes": "220"}
    return values | {name.replace("__", "."): value for name, value in changes.items()}


def header(fields: Sequence[str] = FIELDS, path: str = "conn", separator: str = "\t") -> str:
    """Zeek's header lines."""
    escaped = "".join(f"\\x{ord(c):02x}" for c in separator)
    rows = [("#set_separator", ","), ("#unset_field", "-"), ("#path", path), ("#fields", *fields)]
    return f"#separator {escaped}\n" + "".join(separator.join(r) + "\n" for r in rows)


def rows(records: Iterable[Values], fields: Sequence[str] = FIELDS, separator: str = "\t") -> str:
    """Data lines."""
    return "".join(separator.join(r[f] for f in fields) + "\n" for r in records)


def tsv(*records: Values, fields: Sequence[str] = FIELDS, path: str = "conn", end: str = "") -> bytes:
    """A whole conn.log."""
    return (header(fields, path) + rows(records, fields) + end).encode()


_TEXT = ("uid", "id.orig_h", "id.resp_h", "proto", "service", "conn_state", "history", "_path", "_system_name")


def as_json(record: Values) -> str:
    """A record as Zeek writes it in JSON: numbers bare, unset fields absent."""
    given = {k: v for k, v in record.items() if v not in ("-", "(empty)")}
    return json.dumps({k: v if k in _TEXT else json.loads(v) for k, v in given.items()}) + "\n"


def jsonl(*records: Values) -> bytes:
    """A whole log of JSON lines."""
    return "".join(as_json(r) for r in records).encode()


@dataclass(frozen=True)
class Kept:
    """What must be known of a kept flow."""

    line: int
    start_us: int
    bytes_in: int | None
    bytes_out: int | None


@dataclass
class Reading:
    """What became of every line."""

    lines: int = 0
    others: int = 0
    ignored: int = 0
    comments: int = 0
    quarantined: Counter[str] = field(default_factory=Counter)
    kept: list[Kept] = field(default_factory=list)


class NaiveReader:
    """Reads one log, line by line.

    Args: networks whose addresses are watched, and the latest believed start in epoch microseconds.
    """

    def __init__(self, networks: Sequence[str], latest_us: int) -> None:
        self._networks = [ipaddress.ip_network(n) for n in networks]
        self._latest = latest_us
        self.found = Reading()

    def tsv(self, data: bytes) -> Reading:
        """Read tab-separated lines under their headers."""
        fields: list[str] | None = None
        path, text = "conn", data.decode("utf-8", errors="backslashreplace").replace("\r\n", "\n")
        for line in text.split("\n")[: text.count("\n") + (not text.endswith("\n"))] if text else []:
            self.found.lines += 1
            name, _, rest = line.partition("\t")
            if line.startswith("#") or not line.strip(" \t\r"):
                self.found.comments += 1
                fields = rest.split("\t") if name == "#fields" and rest else fields
                path = rest if name == "#path" else path
            elif path not in ("conn", "conn_long"):
                self.found.ignored += 1
            else:
                self._row(line.removesuffix("\r"), fields, cut=self.found.lines == text.count("\n") + 1)
        return self.found

    def _row(self, line: str, fields: list[str] | None, *, cut: bool) -> None:
        if fields is None:
            self.found.quarantined["no_header"] += 1
            return
        values = line.split("\t")
        if cut and (len(values) < len(fields) or fields[-1] in READ):
            self.found.quarantined["incomplete_last_line"] += 1
        elif len(values) < len(fields):
            self.found.quarantined["too_few_fields"] += 1
        elif "".join(values[len(fields) :]):
            self.found.quarantined["too_many_fields"] += 1
        else:
            self._record(dict(zip(fields, values, strict=False)))

    def json(self, data: bytes) -> Reading:
        """Read JSON lines."""
        text = data.decode("utf-8", errors="backslashreplace")
        lines = text.split("\n")
        for number, line in enumerate(lines[:-1] if lines[-1] == "" else lines, 1):
            self.found.lines += 1
            if not line.strip(" \t\r"):
                self.found.comments += 1
            else:
                self._object(line, "incomplete_last_line" if number > text.count("\n") else "bad_json")
        return self.found

    def _object(self, line: str, reason: str) -> None:
        try:
            values = plain_object(line)
        except (ValueError, TypeError):
            self.found.quarantined[reason] += 1
            return
        if values.get("_path", "conn") not in ("conn", "conn_long"):
            self.found.ignored += 1
        else:
            self._record(values)

    def _record(self, values: Mapping[str, str]) -> None:
        known = {k: v for k, v in values.items() if v not in ("-", "(empty)", "")}
        reason = self._fault(known)
        if reason is not None:
            self.found.quarantined[reason] += 1
        elif not any(self._watched(known[k]) for k in ("id.orig_h", "id.resp_h")):
            self.found.others += 1
        else:
            ends = (whole(known.get("resp_ip_bytes")), whole(known.get("orig_ip_bytes")))
            self.found.kept.append(Kept(self.found.lines, micros(known["ts"]) or 0, *ends))

    def _watched(self, text: str) -> bool:
        ip = address(text)
        return any(ip.version == n.version and ip in n for n in self._networks if ip is not None)

    def _fault(self, known: Mapping[str, str]) -> str | None:
        """The first thing wrong, in the order of the product's own list."""
        if any(address(known.get(k, "")) is None for k in ("id.orig_h", "id.resp_h")):
            return "bad_address"
        ports = [whole(known[k]) for k in ("id.orig_p", "id.resp_p") if k in known]
        if any(p is None or not 0 <= p <= 65_535 for p in ports):
            return "bad_port"
        return self._bad_number(known) or self._bad_time(known)

    @staticmethod
    def _bad_number(known: Mapping[str, str]) -> str | None:
        counts = {k: whole(known[k]) for k in COUNTERS if k in known}
        if None in counts.values() or ("duration" in known and not _REAL.fullmatch(known["duration"].strip())):
            return "bad_number"
        numbers = {k: n for k, n in counts.items() if n is not None}
        if any(n < 0 for n in numbers.values()):
            return "negative_bytes"
        return "implausible_bytes" if any(n > 10**15 for k, n in numbers.items() if "_ip_" in k) else None

    def _bad_time(self, known: Mapping[str, str]) -> str | None:
        start = micros(known.get("ts", ""))
        if start is None:
            return "untimed"
        return None if 631_152_000_000_000 <= start <= self._latest else "implausible_time"


_INT, _REAL = re.compile(r"[+-]?\d+", re.ASCII), re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?", re.ASCII)


def plain_object(line: str) -> dict[str, str]:
    """A JSON object's values as text, the first of a key given twice; raises ValueError for anything else.

    A list of one value is that value. Half of a surrogate pair spoils no record, and what is no finite number none that
    does not read it.
    """

    def real(text: str) -> str | float:
        return text if math.isfinite(float(text)) else float(text)

    pairs = json.loads(line, object_pairs_hook=list, parse_int=str, parse_float=real, parse_constant=float)
    if not line.lstrip(" \t").startswith("{"):
        raise ValueError("not an object")
    only = {k: v[0] if isinstance(v, list) and len(v) == 1 and isinstance(v[0], str) else v for k, v in reversed(pairs)}
    if any(isinstance(v, float) and k not in UNREAD for k, v in only.items()):
        raise ValueError("no finite number")
    return {k: v if isinstance(v, str) else json.dumps(v) for k, v in only.items() if v is not None}


def address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An address, IPv4-mapped ones as IPv4."""
    try:
        ip = ipaddress.ip_address(text.split("%", maxsplit=1)[0].strip())
    except ValueError:
        return None
    return getattr(ip, "ipv4_mapped", None) or ip


def whole(text: str | None) -> int | None:
    """A whole number, also when written as a real one."""
    text = (text or "").strip()
    if _INT.fullmatch(text):
        return int(text) if -(2**63) <= int(text) < 2**63 else None
    if _REAL.fullmatch(text) and float(text).is_integer() and abs(float(text)) < 2**53:
        return int(float(text))
    return None


def micros(text: str) -> int | None:
    """Epoch microseconds of seconds, milliseconds or ISO 8601."""
    text = text.strip()
    if _REAL.fullmatch(text):
        value = float(text)
        scale = next(
            (s for limit, s in ((1e11, 1e6), (1e14, 1e3), (1e17, 1), (9e18, 1e-3)) if abs(value) < limit), None
        )
        return None if scale is None else round(value * scale)
    try:
        when = dt.datetime.fromisoformat(text) if "T" in text else None
    except ValueError:
        return None
    if when is None:
        return None
    when = when if when.tzinfo else when.replace(tzinfo=dt.UTC)
    return round((when - dt.datetime(1970, 1, 1, tzinfo=dt.UTC)) / dt.timedelta(microseconds=1))
