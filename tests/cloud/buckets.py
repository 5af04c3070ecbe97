"""A real S3 server on loopback, and buckets in it behind a proxy that can spoil requests."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from tests.cloud.proxy import Proxy, proxy_to

SECRET = "sentinel-of-a-secret"
OPTIONS = {"retries": 1, "timeout_seconds": 5}


@dataclass(frozen=True)
class Bucket:
    """A bucket behind a proxy."""

    name: str
    proxy: Proxy
    direct: Any
    """A client of another make, which does not go through the proxy."""

    @property
    def url(self) -> str:
        return f"s3://{self.name}"

    def put(self, key: str, data: bytes) -> None:
        """Store an object as another program would."""
        self.direct.put_object(Bucket=self.name, Key=key, Body=data)

    def delete(self, key: str) -> None:
        self.direct.delete_object(Bucket=self.name, Key=key)


@contextmanager
def s3_server() -> Iterator[tuple[str, int]]:
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    running = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    try:
        yield running.get_host_and_port()
    finally:
        running.stop()


@contextmanager
def bucket_in(server: tuple[str, int], name: str) -> Iterator[Bucket]:
    """A new bucket; the environment says how to reach it, as it would outside of tests."""
    with pytest.MonkeyPatch.context() as patch, proxy_to(*server) as proxy:
        for variable, value in {
            "AWS_ACCESS_KEY_ID": "testing-id",
            "AWS_SECRET_ACCESS_KEY": SECRET,
            "AWS_REGION": "us-east-1",
            "AWS_ALLOW_HTTP": "true",
            "AWS_ENDPOINT_URL": proxy.url,
        }.items():
            patch.setenv(variable, value)
        client = boto3.client("s3", endpoint_url=f"http://{server[0]}:{server[1]}")
        client.create_bucket(Bucket=name)
        yield Bucket(name, proxy, client)
        client.close()
