"""A real S3 server on loopback, an empty bucket in it for each test, and a proxy that can spoil requests."""

from __future__ import annotations

import logging
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass

import pytest
from moto.server import ThreadedMotoServer

from tests.cloud.proxy import Proxy, proxy_to


@dataclass(frozen=True)
class Bucket:
    """A bucket behind a proxy."""

    name: str
    proxy: Proxy
    direct: str
    """The server's own URL, without the proxy."""

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def put(self, key: str, data: bytes) -> None:
        """Store an object as another program would."""
        self._ask("PUT", key, data)

    def delete(self, key: str) -> None:
        self._ask("DELETE", key)

    def _ask(self, method: str, key: str, data: bytes | None = None) -> None:
        target = f"{self.direct}/{self.name}/{key}"
        with urllib.request.urlopen(urllib.request.Request(target, data, method=method)):
            pass


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, int]]:
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    yield running.get_host_and_port()
    running.stop()


@pytest.fixture
def bucket(
    server: tuple[str, int], monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[Bucket]:
    direct = f"http://{server[0]}:{server[1]}"
    name = f"b{abs(hash(request.node.nodeid)):x}"
    for variable, value in {
        "AWS_ACCESS_KEY_ID": "testing-id",
        "AWS_SECRET_ACCESS_KEY": "sentinel-secret",
        "AWS_REGION": "us-east-1",
        "AWS_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(variable, value)
    with proxy_to(*server) as proxy:
        monkeypatch.setenv("AWS_ENDPOINT_URL", proxy.url)
        made = Bucket(name, proxy, direct)
        made.put("", b"")
        yield made
