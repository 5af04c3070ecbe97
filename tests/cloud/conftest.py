"""One S3 server for all tests, and an empty bucket for each."""

from __future__ import annotations

import zlib
from collections.abc import Iterator

import pytest

from tests.cloud.buckets import Bucket, bucket_in, s3_server


@pytest.fixture(scope="session")
def server() -> Iterator[tuple[str, int]]:
    with s3_server() as running:
        yield running


@pytest.fixture
def bucket(server: tuple[str, int], request: pytest.FixtureRequest) -> Iterator[Bucket]:
    with bucket_in(server, f"bucket{zlib.crc32(request.node.nodeid.encode()):08x}") as made:
        yield made
