"""What tells one version of an object from another, and file names for copies of it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass


@dataclass(frozen=True)
class Stamp:
    """One version of an object, as the store tells of it."""

    key: str
    size: int
    mtime_ns: int
    etag: str

    @property
    def version(self) -> str:
        """What distinguishes this version from others: a digest of the tag, or of the time where there is none."""
        return short_hash(self.etag or str(self.mtime_ns), str(self.size))


def short_hash(*texts: str) -> str:
    """128 bits of SHA-256, hex: a file name for any text."""
    return hashlib.sha256("\0".join(texts).encode()).hexdigest()[:32]
