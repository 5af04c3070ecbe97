"""Which machine may write to a site in an object store: a small object that its holder renews under conditions.

Runs of one machine are kept apart by `pipeline.locks`; this keeps machines apart. No clocks are compared: whoever waits
watches whether the object still changes, and takes it over once it has not for a while. A store that knows no
conditional writes gives no lease, and one machine must write the site there.
"""

from __future__ import annotations

import json
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Event, Lock, Thread

from pipeline.errors import BusyError, Location, StorageError
from pipeline.objects.bucket import Bucket, UnconditionalError, Version, Versioned
from pipeline.waits import waits

KEY = "run.lock"
BEAT_SECONDS = 15.0
"""The holder renews as often."""
SURE_SECONDS = 40.0
"""So long after it was last renewed the holder may write without asking; less than SILENT_SECONDS."""
SILENT_SECONDS = 60.0
"""A lease that did not change for so long, as watched by who wants it, is nobody's."""
POLL_SECONDS = 3.0
GIVE_BACK_SECONDS = 5.0
"""A renewal under way is waited for no longer; the lease then lapses by itself."""


def _now() -> float:
    """Seconds that go on while the machine is suspended, where the system can tell."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Lease:
    """The lease of one site for this process; whoever takes it holds the machine's own lock already."""

    def __init__(self, bucket: Bucket, memory: Path) -> None:
        """Memory: a file of this machine with the lease that it took last, which is its own again if it died."""
        self._bucket, self._memory, self._guard = bucket, memory, Lock()
        self._token: str | None = None
        self._version: Version | None = None
        self._renewed, self._beats, self._lost = 0.0, 0, False
        self._possible = True

    @contextmanager
    def held(self, *, wait: bool) -> Iterator[None]:
        """Hold the lease, and renew it until the end.

        Raises:
            BusyError: another machine works on the site, and wait is false.
            StorageError: the store cannot be reached.
        """
        if not self._possible or not self._take(wait=wait):
            yield
            return
        ended = Event()
        Thread(target=self._renew, args=(ended,), daemon=True, name="lease").start()
        try:
            yield
        finally:
            ended.set()
            self._give_back()

    def check(self) -> None:
        """Raise StorageError when this process took the lease and does not have it any more; called before writes."""
        if self._token is None:
            return
        if _now() - self._renewed > SURE_SECONDS:
            with self._guard:
                if _now() - self._renewed > SURE_SECONDS:
                    self._beat()
        if self._lost:
            raise StorageError(
                "another machine took this site over, as this one did not renew its lease in time.",
                where=Location(file=self._bucket.where(KEY)),
                remedy="Nothing more is written here. Run the same command again when the other one has ended.",
            )

    # Taking it

    def _take(self, *, wait: bool) -> bool:
        """Whether a lease was taken; without conditional writes there is none."""
        before = self._remembered()
        watched: tuple[Versioned, float] | None = None
        told = ""
        while True:
            found = self._bucket.versioned(KEY)
            token = _told(found, "token")
            if watched is None or found is None or found.version != watched[0].version:
                if watched is not None and token not in ("", before) and not wait:
                    raise self._busy(found)
                watched = (found, _now()) if found else None
            silent = watched is not None and _now() - watched[1] >= SILENT_SECONDS
            if token not in ("", before) and not silent:
                if token != told:
                    waits(self._watching(found, wait=wait))
                    told = token
                time.sleep(POLL_SECONDS)
            elif self._claim(found) or not self._possible:
                return self._possible

    def _claim(self, found: Versioned | None) -> bool:
        """Whether it is ours now; where the store knows no conditions it is nobody's for good."""
        token = uuid.uuid4().hex
        self._memory.write_text(token, encoding="utf-8")
        with self._guard:  # A renewal of the lease before, which was not waited for, must not be taken for one of this.
            renewed = _now()
            try:
                version = self._put(self._body(token), found.version if found else None)
            except UnconditionalError:
                self._possible = False
                return False
            if version is None:
                return False
            self._token, self._version, self._renewed, self._lost = token, version, renewed, False
        return True

    def _remembered(self) -> str:
        try:
            return self._memory.read_text(encoding="ascii")
        except (OSError, ValueError):
            return ""

    def _watching(self, found: Versioned | None, *, wait: bool) -> str:
        """Whom this one waits for, and for how long."""
        last = f"{SILENT_SECONDS:.0f} seconds"
        what = (
            f"this one waits for it to end, or to give no sign of life for {last}."
            if wait
            else f"watching for up to {last} whether it is still alive ..."
        )
        return f"{self._bucket.where(KEY)}: another run has this site, {_holder(found)}; {what}"

    def _busy(self, found: Versioned | None) -> BusyError:
        return BusyError(
            f"another run is at work on this site, {_holder(found)}.",
            where=Location(file=self._bucket.where(KEY)),
            remedy="Wait for it to end; one that has died gives the site back within a minute or so.",
        )

    # Keeping it, and giving it back

    def _renew(self, ended: Event) -> None:
        while not ended.wait(BEAT_SECONDS) and not self._lost:
            with suppress(StorageError), self._guard:  # A store that is out of reach is tried again.
                if not ended.is_set():
                    self._beat()

    def _beat(self) -> None:
        assert self._token is not None
        renewed = _now()
        version = self._put(self._body(self._token), self._version)
        if version is None:
            self._lost = True
        else:
            self._version, self._renewed = version, renewed

    def _give_back(self) -> None:
        """Give the lease back; where that fails it lapses."""
        if self._guard.acquire(timeout=GIVE_BACK_SECONDS):
            with suppress(StorageError):
                if not self._lost:
                    self._put(b"{}", self._version)
            self._guard.release()
        self._token = None

    def _body(self, token: str) -> bytes:
        """No two are alike, so that every renewal is another version."""
        self._beats += 1
        said = {"token": token, "host": socket.gethostname(), "process": os.getpid(), "beat": self._beats}
        return json.dumps(said).encode()

    def _put(self, body: bytes, version: Version | None) -> Version | None:
        """The new version; None where the lease is not as it was."""
        if (sent := self._bucket.put_if(KEY, body, version)) is not None:
            return sent
        found = self._bucket.versioned(KEY)  # The answer of a first try may be lost: a second finds its own content.
        return found.version if found and found.data == body else None


def _holder(found: Versioned | None) -> str:
    return f"on {_told(found, 'host')} (process {_told(found, 'process')})"


def _told(found: Versioned | None, name: str) -> str:
    """What the lease says of its holder; of one that cannot be read, that there is one."""
    try:
        said = json.loads(found.data) if found else {}
        return str(said.get(name, "")) if isinstance(said, dict) else "?"
    except ValueError:
        return "?"
