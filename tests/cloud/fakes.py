"""A small store on loopback that speaks as much of Google's and Azure's interfaces as reading and writing need."""

from __future__ import annotations

import hashlib
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlsplit

OLD = 1_760_000_000


class Store(ThreadingHTTPServer):
    """Objects by '/container/key', and the requests that were made."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.objects: dict[str, bytes] = {}
        self.verbs: list[str] = []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def log_message(self, *_: object) -> None:
        pass

    def _serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length") or 0))
        parts = urlsplit(self.path)
        path, query = unquote(parts.path), {k: v[0] for k, v in parse_qs(parts.query).items()}
        self.server.verbs.append(self.command)
        if query.get("comp") == "batch":
            self._batch(body)
        elif "list-type" in query or query.get("comp") == "list":
            self._list(path, query)
        elif self.command == "PUT" and not self._may_put(path):
            self._say(412, b"")
        elif self.command == "PUT":
            self.server.objects[path] = body
            self._say(201, b"", path)
        elif path not in self.server.objects:
            self._say(404, b"")
        elif self.command == "DELETE":
            del self.server.objects[path]
            self._say(204, b"")
        else:
            self._get(path)

    def _may_put(self, path: str) -> bool:
        """Whether what the request says of the object that is there holds: Azure's tags, or Google's generations."""
        tag = _tag(self.server.objects[path]) if path in self.server.objects else None
        if self.headers.get("if-none-match") == "*" or self.headers.get("x-goog-if-generation-match") == "0":
            return tag is None
        wanted = self.headers.get("if-match")
        generation = self.headers.get("x-goog-if-generation-match")
        return wanted in (None, tag) and generation in (None, tag and _generation(tag))

    def _get(self, path: str) -> None:
        data = self.server.objects[path]
        if wanted := re.fullmatch(
            r"bytes=(\d+)-(\d+)", self.headers.get("range") or self.headers.get("x-ms-range") or ""
        ):
            first, last = int(wanted[1]), min(int(wanted[2]), len(data) - 1)
            self._say(206, data[first : last + 1], path, **{"content-range": f"bytes {first}-{last}/{len(data)}"})
        else:
            self._say(200, data, path)

    def _list(self, path: str, query: dict[str, str]) -> None:
        container, prefix = path.rstrip("/") + "/", query.get("prefix", "")
        names = sorted(p.removeprefix(container) for p in self.server.objects if p.startswith(container + prefix))
        if "delimiter" in query:
            names = [n for n in names if "/" not in n.removeprefix(prefix)]
        azure, items = "comp" in query, ""
        for name in names:
            data = self.server.objects[container + name]
            facts = (
                f"<Size>{len(data)}</Size><ETag>{_tag(data)}</ETag><LastModified>2026-10-01T00:00:00Z</LastModified>"
            )
            if azure:
                facts = (
                    f"<Properties><Content-Length>{len(data)}</Content-Length><Etag>{_tag(data)}</Etag>"
                    f"<Last-Modified>{formatdate(OLD, usegmt=True)}</Last-Modified>"
                    "<Content-Type>text/plain</Content-Type></Properties>"
                )
            items += (
                f"<Blob><Name>{name}</Name>{facts}</Blob>"
                if azure
                else f"<Contents><Key>{name}</Key>{facts}</Contents>"
            )
        root = f"<EnumerationResults><Blobs>{items}</Blobs></EnumerationResults>" if azure else f"<L>{items}</L>"
        self._say(200, root.encode(), **{"content-type": "application/xml"})

    def _batch(self, body: bytes) -> None:
        """Azure's deletion of many: a request in each part of the body."""
        answer = b""
        for number, key in enumerate(re.findall(rb"DELETE (\S+) HTTP", body)):
            gone = self.server.objects.pop(unquote(urlsplit(key.decode()).path), None)
            answer += b"--b\r\nContent-Type: application/http\r\nContent-ID: %d\r\n\r\n" % number
            answer += (
                b"HTTP/1.1 202 Accepted\r\n\r\n\r\n" if gone is not None else b"HTTP/1.1 404 Not Found\r\n\r\n\r\n"
            )
        self._say(202, answer + b"--b--\r\n", **{"content-type": "multipart/mixed; boundary=b"})

    def _say(self, status: int, data: bytes, path: str = "", **headers: str) -> None:
        self.send_response(status)
        if path:
            tag = _tag(self.server.objects[path])
            headers |= {"etag": tag, "last-modified": formatdate(OLD, usegmt=True)}
            headers |= {"x-goog-generation": _generation(tag)}
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = _serve


def _tag(data: bytes) -> str:
    return f'"{hashlib.sha256(data).hexdigest()[:16]}"'


def _generation(tag: str) -> str:
    return str(int(tag.strip('"'), 16))


@contextmanager
def fake_store() -> Iterator[Store]:
    """A running store."""
    store = Store()
    thread = threading.Thread(target=store.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield store
    finally:
        store.shutdown()
        store.server_close()
        thread.join()
