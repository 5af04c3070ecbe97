"""A loopback HTTP proxy before a server, which spoils chosen requests: errors, cut bodies, slow answers."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

Fault = Callable[[str, str], str | None]
"""(method, path) -> 'error', '403 AccessDenied' (any status and code), 'no such thing' (501), 'lost' (done, but
answered as an error), 'cut upload', 'truncate', 'slow', or None for a request that passes."""
PIECES = 8


def times(n: int, kind: str, method: str, part: str = "") -> Fault:
    """Spoil the first n requests of a method whose path holds a text."""
    left, lock = [n], threading.Lock()

    def fault(verb: str, path: str) -> str | None:
        with lock:
            if verb == method and part in path and left[0] > 0:
                left[0] -= 1
                return kind
        return None

    return fault


def always(kind: str, method: str, part: str = "") -> Fault:
    """Spoil every request of a method whose path holds a text."""
    return times(1 << 30, kind, method, part)


class Proxy(ThreadingHTTPServer):
    """What it spoils, and what it has seen."""

    daemon_threads = True

    def __init__(self, upstream: tuple[str, int]) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.upstream = upstream
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.seen: list[tuple[str, str, str | None]] = []
        self.latency = 0.0
        self.heal()

    def heal(self) -> None:
        """Spoil nothing any more, and forget what was seen."""
        self.fault: Fault = lambda _method, _path: None
        self.seen.clear()

    def spoiled(self) -> list[str]:
        """The faults that happened, in order."""
        return [f for _, _, f in self.seen if f]

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that hangs up is no fault of the test."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Proxy

    def log_message(self, *_: object) -> None:
        pass

    def _pass(self) -> None:
        fault = self.server.fault(self.command, self.path)
        self.server.seen.append((self.command, self.path, fault))
        time.sleep(self.server.latency)
        size = int(self.headers.get("content-length") or 0)
        if fault == "cut upload":
            self.rfile.read(size // 2)
            self.close_connection = True
            return
        body = self.rfile.read(size)
        if fault == "lost":
            self._ask(body)
        if fault in ("error", "lost"):
            self._answer(500, [], b"<Error><Code>InternalError</Code></Error>")
        elif fault and fault[:3].isdigit():
            self._answer(int(fault[:3]), [], f"<Error><Code>{fault[4:]}</Code></Error>".encode())
        elif fault == "no such thing":
            self._answer(501, [], b"<Error><Code>NotImplemented</Code></Error>")
        else:
            self._answer(*self._ask(body), fault)

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        upstream = http.client.HTTPConnection(*self.server.upstream, timeout=30)
        try:
            upstream.request(self.command, self.path, body, dict(self.headers))
            answer = upstream.getresponse()
            return answer.status, answer.getheaders(), answer.read()
        finally:
            upstream.close()

    def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes, fault: str | None = None) -> None:
        self.send_response(status)
        length = str(len(data))
        for name, value in headers:
            if name.lower() == "content-length":
                length = value if self.command == "HEAD" else length
            elif name.lower() not in ("connection", "transfer-encoding", "date", "server"):
                self.send_header(name, value)
        self.send_header("content-length", length)
        self.end_headers()
        if self.command == "HEAD":
            return
        if fault == "truncate":
            self.wfile.write(data[: len(data) // 2])
            self.close_connection = True
            return
        piece = max(1, -(-len(data) // PIECES))
        for at in range(0, len(data), piece):
            self.wfile.write(data[at : at + piece])
            time.sleep(0.05 if fault == "slow" else 0)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _pass


@contextmanager
def proxy_to(host: str, port: int) -> Iterator[Proxy]:
    """A running proxy before a server."""
    proxy = Proxy((host, port))
    thread = threading.Thread(target=proxy.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        proxy.shutdown()
        proxy.server_close()
        thread.join()
