"""Messages whose beginning a syslog server took for the name of the program, written as RFC 5424 has it.

Devices that name no program in RFC 3164's way (PAN-OS, Cisco's, CEF's and LEEF's senders) have their first word taken
for one by rsyslog and syslog-ng, which write it before the process' number and the structured data: `CEF - - - 0|...`.
Nothing is lost thereby but a colon or a blank, so that the message is put together again here. Servers that keep the
name beside the message, as JSON, are in `shipped`.
"""

from __future__ import annotations

import re

PROGRAM = "program"
"""Where a message begins whose first word was taken for the name of a program, as if it were a key of an envelope."""
_TAKEN = re.compile(
    r"(?P<head>(?:\d+ )?(?:<\d{1,3}>1 )?\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\S* \S+ )(?P<name>\S+) (?P<number>\S+) \S+ "
    r"(?:-|\[(?:[^\]\"]|\"(?:[^\"\\]|\\.)*\")*\]) +(?P<rest>\S.*)",
    re.DOTALL,
)
_NUMBERED = re.compile(r"%?(?:ASA|FTD|FWSM|PIX|NGIPS)-(?:[A-Za-z_]+-)?-?\d-\d{6}")
_HEADED, _VERSION = ("CEF", "LEEF"), re.compile(r"\d(?:\.\d)?\|")
_DAYTIME, _WEEKDAY = re.compile(r"\d\d:\d\d:\d\d[^,]{0,9},"), re.compile(r"(?:date)?time=[A-Z][a-z]{2}")
_DATE, _CLOCK = re.compile(r"(?:(?:date)?time=)?\d{4}-\d\d-\d\d"), re.compile(r"\d\d:\d\d:\d\d[\t ]")
_RECEIVED = re.compile(r"(?P<before>\d{0,3},)\d{4}(?P<day>/\d\d/\d\d)?")
_NEXT_DAY = re.compile(r",(\d{4}/\d\d/\d\d) \d\d:\d\d:\d\d,")


def restored(line: str) -> str | None:
    """A line with its message whole again; None where no server took its beginning for a program's name.

    rsyslog ends such a name at a slash, too: of a Palo Alto firewall's time of receipt the month and the day are then
    those of the time at which the record was made, which is the next one in it.
    """
    if (taken := _TAKEN.fullmatch(line)) is None:
        return None
    name, rest = taken["name"], taken["rest"]
    if _NUMBERED.fullmatch(name):
        whole = f"{name}: {rest}"
    elif name in _HEADED and _VERSION.match(rest):
        whole = f"{name}:{rest}"
    elif _WEEKDAY.fullmatch(name) or (_DATE.fullmatch(name) and _CLOCK.match(rest)):
        whole = f"{name} {rest}"
    elif (received := _RECEIVED.fullmatch(name)) and _DAYTIME.match(rest):
        day = name.removeprefix(received["before"]) if received["day"] else _day_of(rest)
        whole = f"{received['before']}{day} {rest}"
    else:
        return None
    return f"{taken['head']}- - - - {whole}"


def _day_of(record: str) -> str:
    found = _NEXT_DAY.search(record)
    return found[1] if found else ""
