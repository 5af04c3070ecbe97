"""vFlow's JSON: a datagram of NetFlow 9 or IPFIX a line, its records as lists of element numbers and values.

Sources: vFlow's README (`I` is the number of an IPFIX element, `V` its value, `E` whose element it is) and IANA's list
of elements. Each record is put under its elements' names, and read as `collectors` reads those; records are numbered
across the file. Times since the exporter's start are turned by the header's clock.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import msgspec
import polars as pl

from pipeline.sources.base import LINES, rejects_frame
from pipeline.sources.declared import Decoded, Numbering
from pipeline.sources.records import JsonDecoder

_ELEMENTS = {
    1: "octetDeltaCount",
    2: "packetDeltaCount",
    4: "protocolIdentifier",
    6: "tcpControlBits",
    7: "sourceTransportPort",
    8: "sourceIPv4Address",
    11: "destinationTransportPort",
    12: "destinationIPv4Address",
    21: "ended",
    22: "began",
    23: "octetDeltaCount",
    24: "packetDeltaCount",
    27: "sourceIPv6Address",
    28: "destinationIPv6Address",
    34: "samplingInterval",
    61: "flowDirection",
    85: "octetTotalCount",
    86: "packetTotalCount",
    89: "forwardingStatus",
    148: "flowId",
    150: "flowStartSeconds",
    151: "flowEndSeconds",
    152: "flowStartMilliseconds",
    153: "flowEndMilliseconds",
    154: "flowStartMicroseconds",
    155: "flowEndMicroseconds",
    156: "flowStartNanoseconds",
    157: "flowEndNanoseconds",
    225: "postNATSourceIPv4Address",
    226: "postNATDestinationIPv4Address",
    228: "postNAPTDestinationTransportPort",
    231: "initiatorOctets",
    232: "responderOctets",
    233: "firewallEvent",
    298: "initiatorPackets",
    299: "responderPackets",
}
"""Element -> its name; 23 and 24 are what NetFlow 9 counted on the way out, of the same direction as 1 and 2."""
_REVERSE = 29_305
"""The number under which RFC 5103 has elements of the other direction."""
_FAULTS = (msgspec.MsgspecError, ValueError, TypeError, KeyError, RecursionError, AttributeError, OverflowError)


@dataclass
class VflowDecoder(Numbering):
    """Lines as records, numbered behind each other."""

    inner: JsonDecoder

    def decode(self, lines: pl.DataFrame, reason: str) -> Decoded:
        """See Decoder; a datagram without records, such as one of templates alone, is a comment."""
        rows, bad, empty = list[tuple[int, str]](), list[tuple[int, str]](), 0
        for line, raw in lines.iter_rows():
            texts = _records(raw)
            if texts is None:
                bad.append((line + self.beyond, raw))
                continue
            empty += not texts
            rows += [(line + self.beyond + n, text) for n, text in enumerate(texts)]
            self.beyond += max(len(texts) - 1, 0)
        told, lost = (pl.DataFrame(part, schema=LINES, orient="row") for part in (rows, bad))
        broken = rejects_frame(lost["source_line"], reason, "no datagram of vFlow", lost["raw"])
        found = self.inner.decode(told, reason)
        more = told.height + lost.height + empty - lines.height
        return Decoded(found.fields, pl.concat([broken, found.broken]), comments=empty, more=more)


def _records(raw: str) -> list[str] | None:
    """The records of a datagram under their elements' names, as JSON; None when it is none."""
    try:
        datagram = msgspec.json.decode(raw)
        header, sets = datagram["Header"], datagram.get("DataSets") or []
        return [json.dumps(_record(elements, header, datagram.get("AgentID"))) for elements in sets]
    except _FAULTS:
        return None


def _record(elements: list[dict[str, Any]], header: dict[str, Any], agent: Any) -> dict[str, Any]:
    sent = header.get("ExportTime", header.get("UNIXSecs"))
    told: dict[str, Any] = {"exporterIPv4Address": agent, "exportTime": sent}
    for element in elements:
        name, value = _ELEMENTS.get(element["I"]), _number(element["V"])
        owner = element.get("E", 0)
        if name and owner == _REVERSE:
            told.setdefault(f"reverse{name[0].upper()}{name[1:]}", value)
        elif name and not owner and (name not in told or not told[name]):
            told[name] = value
    for since, name in (("began", "flowStartMilliseconds"), ("ended", "flowEndMilliseconds")):
        if since in told and name not in told and "SysUpTime" in header and sent:
            told[name] = sent * 1_000 - header["SysUpTime"] + int(told[since])
    return told


def _number(value: Any) -> Any:
    """Values whose length the collector does not know are written as hexadecimal digits."""
    return int(value, 16) if isinstance(value, str) and value.startswith("0x") else value
