"""Packets of known sessions written as a pcap file, and the public tools that make flow records of them.

The packets hold only what flow exporters look at; their IP lengths are the oracle of every count. The tools, softflowd
and nfcapd, run on loopback alone and are not needed by the product.
"""

from __future__ import annotations

import ipaddress
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

TOOLS = ("softflowd", "nfcapd", "nfdump")
MISSING = [t for t in TOOLS if shutil.which(t) is None]
SYN, ACK, PSH, FIN = 2, 16, 8, 1


@dataclass(frozen=True)
class Session:
    """One TCP session: who talks to whom, from when (epoch seconds), and the payload sizes each way in turn."""

    client: str
    client_port: int
    server: str
    server_port: int
    start: float
    answers: tuple[int, ...]
    request: int = 40
    pause: float = 0.1

    def packets(self) -> list[tuple[float, bool, int, int]]:
        """(time, whether the client sends, TCP flags, payload bytes) from SYN to the last ACK."""
        out = [(0.0, True, SYN, 0), (0.01, False, SYN | ACK, 0), (0.02, True, ACK, 0)]
        at = 0.1
        for size in self.answers:
            out += [(at, True, ACK | PSH, self.request), (at + 0.01, False, ACK | PSH, size)]
            at += self.pause
        out += [(at, True, ACK | FIN, 0), (at + 0.01, False, ACK | FIN, 0), (at + 0.02, True, ACK, 0)]
        return [(self.start + t, client, flags, size) for t, client, flags, size in out]

    def ip_bytes(self) -> tuple[int, int]:
        """(bytes to the client, bytes to the server), of whole IP packets."""
        header = 40 if ipaddress.ip_address(self.client).version == 4 else 60
        sizes = {True: 0, False: 0}
        for _, client, _, size in self.packets():
            sizes[client] += header + size
        return sizes[False], sizes[True]


def _checksum(data: bytes) -> int:
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def _frame(source: str, source_port: int, dest: str, dest_port: int, flags: int, size: int) -> bytes:
    tcp = struct.pack("!HHIIBBHHH", source_port, dest_port, 1, 1, 5 << 4, flags, 8_192, 0, 0) + bytes(size)
    ends = ipaddress.ip_address(source).packed + ipaddress.ip_address(dest).packed
    if len(ends) == 8:
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(tcp), 0, 0, 64, 6, 0)
        packet, kind = head[:10] + struct.pack("!H", _checksum(head + ends)) + ends + tcp, 0x0800
    else:
        packet, kind = struct.pack("!IHBB", 6 << 28, len(tcp), 6, 64) + ends + tcp, 0x86DD
    return b"\x02\0\0\0\0\x01\x02\0\0\0\0\x02" + struct.pack("!H", kind) + packet


def write_pcap(path: Path, sessions: Iterable[Session]) -> None:
    """All packets of the sessions in order of time."""
    frames = []
    for s in sessions:
        client, server = (s.client, s.client_port), (s.server, s.server_port)
        for at, from_client, flags, size in s.packets():
            ends = (*client, *server) if from_client else (*server, *client)
            frames.append((at, _frame(*ends, flags, size)))
    with path.open("wb") as out:
        out.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65_535, 1))
        for at, frame in sorted(frames):
            seconds, micros = divmod(round(at * 1e6), 10**6)
            out.write(struct.pack("<IIII", seconds, micros, len(frame), len(frame)) + frame)


def _free_port() -> int:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _listening(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return True
    return False


@contextmanager
def _collecting(folder: Path) -> Iterator[int]:
    """nfcapd, with the port at which it listens; what came is in the folder after it."""
    folder.mkdir()
    port = _free_port()
    command = ["nfcapd", "-w", str(folder), "-p", str(port), "-b", "127.0.0.1"]
    collector = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        for _ in range(100):
            if _listening(port):
                break
            time.sleep(0.05)
        yield port
        time.sleep(0.5)  # What lies in the socket's buffer is read.
    finally:
        collector.terminate()
        collector.wait(timeout=30)


def _collected(folder: Path) -> Path:
    (found,) = (p for p in folder.iterdir() if p.name.startswith("nfcapd.2"))
    return found


def collect(pcap: Path, folder: Path, *options: str) -> Path:
    """The nfcapd file of what softflowd, with these options, exports of a capture."""
    with _collecting(folder) as port:
        control = ["-d", "-c", "none", "-p", str(folder.parent / "softflowd.pid")]
        command = ["softflowd", "-r", str(pcap), "-n", f"127.0.0.1:{port}", "-6", *control, *options]
        subprocess.run(command, check=True, timeout=60, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return _collected(folder)


@dataclass(frozen=True)
class Event:
    """An event of a firewall's NSEL about a connection that began before; octets of its initiator and of answers."""

    kind: int
    ends: tuple[str, int, str, int]
    began: int
    at: int
    sent: int = 0
    answered: int = 0

    def record(self) -> bytes:
        """The event in the fields of the template."""
        client, client_port, server, server_port = self.ends
        ports = (client_port, server_port)
        addresses = (socket.inet_aton(client), socket.inet_aton(server))
        times = (self.at * 1_000, self.began * 1_000)
        head = struct.pack("!I4s4sHHBB", 7, *addresses, *ports, 6, self.kind)
        return head + struct.pack("!QQII", *times, self.sent, self.answered)


_NSEL = ((148, 4), (8, 4), (12, 4), (7, 2), (11, 2), (4, 1), (233, 1), (323, 8), (152, 8), (231, 4), (232, 4))
"""Fields of NetFlow 9 and their sizes, as a Cisco ASA exports them."""


def collect_events(folder: Path, events: Iterable[Event]) -> Path:
    """The nfcapd file of events that a firewall exports."""
    template = struct.pack("!HH", 263, len(_NSEL)) + b"".join(struct.pack("!HH", *f) for f in _NSEL)
    records = [e.record() for e in events]
    data = b"".join(records)
    data += bytes(-len(data) % 4)
    sets = (
        (1, struct.pack("!HH", 0, 4 + len(template)) + template),
        (len(records), struct.pack("!HH", 263, 4 + len(data)) + data),
    )
    with _collecting(folder) as port, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as device:
        for number, (count, content) in enumerate(sets):
            head = struct.pack("!HHIIII", 9, count, 10**6, int(time.time()), number, 1)
            device.sendto(head + content, ("127.0.0.1", port))
            time.sleep(0.2)
    return _collected(folder)


def export(file: Path, *options: str) -> bytes:
    """What nfdump prints of a file, in UTC."""
    command = ["nfdump", "-r", str(file), *options]
    return subprocess.run(command, check=True, timeout=60, capture_output=True, env={"TZ": "UTC"}).stdout
