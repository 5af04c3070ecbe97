"""Telling of a failed run: a JSON object posted to the site's webhook.

Which runs, and when, is decided in `assets.notices`. The address is a secret and comes from the environment alone; it
is never logged. Where it may lead is limited: a configuration file must not make a server of the inner network answer.
"""

import datetime as dt
import http.client
import ipaddress
import json
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from typing import Any
from urllib.parse import SplitResult, urlsplit

import dagster as dg
from dagster._core.storage.tags import WILL_RETRY_TAG

from assets.days import PARTITION, RANGE_END, RANGE_START
from pipeline.errors import NilometerError
from pipeline.settings import NotifySettings
from pipeline.site import Site

MAX_TEXT = 2_000
LONGEST_SECONDS = 40
"""Of one post, from looking up the host to the answer, whatever the configuration says: Dagster gives up after 60."""
_CHECK = "Check the address, and that this machine may reach it."


class NotifyError(NilometerError):
    """A notification could not be sent."""

    may_be_taken = False
    """Whether the webhook has it perhaps, so that it must not be sent again."""


class UnansweredError(NotifyError):
    """A notification was sent, and it is unknown whether the webhook took it."""

    may_be_taken = True


def message(site: Site, run: dg.DagsterRun, text: str | None) -> dict[str, Any]:
    """What is told of a failed run: its days, and of those the ones that failed, with their stage and reasons.

    A run that the instance tries again by itself is told of too, as nobody else would say so if that never came.
    """
    first = run.tags.get(RANGE_START) or run.tags.get(PARTITION)
    last = run.tags.get(RANGE_END) or first
    # As text, in which days are in order: who launches a run may give it any.
    days = [d for d in site.storage.failed_days() if first and last and first <= d.isoformat() <= last]
    failures = {d.isoformat(): f for d in days if (f := site.storage.failure(d)) is not None}
    return {
        "event": "run_failed",
        "site": site.root.name,
        "run_id": run.run_id,
        "job": run.job_name,
        "first_day": first,
        "last_day": last,
        "failed_days": [
            {"day": day, "stage": stage, "reasons": [r[:MAX_TEXT] for r in reasons[:3]]}
            for day, (stage, reasons) in list(failures.items())[:31]
        ],
        "message": (text or "")[:MAX_TEXT],
        "will_retry": run.tags.get(WILL_RETRY_TAG, "").lower() == "true",
        "known_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
    }


def post(settings: NotifySettings, environment: Mapping[str, str], body: Mapping[str, Any]) -> None:
    """Post one JSON object; redirects are not followed.

    Raises:
        NotifyError: the address is missing or not allowed, or the webhook cannot be reached, or did not take it.
        UnansweredError: the webhook did not tell whether it took it.
    """
    name, began = settings.url_env or "", time.monotonic()
    url, host, port = _webhook(name, environment)
    address = _allowed(settings, host, port)
    if url.scheme == "http" and not ipaddress.ip_address(address).is_loopback:
        raise NotifyError(f"the address in {name} is not https.", remedy="Only this machine may be told by http.")
    seconds = min(settings.timeout_seconds, LONGEST_SECONDS)
    left = began + seconds - time.monotonic()
    if left <= 0:
        raise NotifyError(f"the host in {name} took more than {seconds} s to look up.", remedy=_CHECK)
    connection = _connection(url, host, address, seconds)
    with closing(connection), _at_most(left, connection):
        status = _exchanged(connection, url, host, body, name)
    if not 200 <= status < 300:
        fault = UnansweredError if status == http.client.GATEWAY_TIMEOUT else NotifyError
        raise fault(f"the webhook in {name} answered with status {status}.", remedy=_CHECK)


def _webhook(name: str, environment: Mapping[str, str]) -> tuple[SplitResult, str, int]:
    """The webhook's address, with its host and port; raises NotifyError when the variable holds none."""
    url = urlsplit(environment.get(name, ""))
    try:
        host, port = url.hostname, url.port
    except ValueError:
        host = port = None
    if host is None or url.username is not None or url.scheme not in ("https", "http"):
        raise NotifyError(f"the variable {name} holds no https address.", remedy="Set it for the daemon's process.")
    return url, host, port or (443 if url.scheme == "https" else 80)


def _exchanged(
    connection: http.client.HTTPConnection, url: SplitResult, host: str, body: Mapping[str, Any], name: str
) -> int:
    """The status that the webhook answers with; a fault before it was reached is another one than a fault after."""
    try:
        connection.connect()
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise NotifyError(
            f"the webhook in {name} could not be reached ({type(error).__name__}).", remedy=_CHECK
        ) from None
    try:
        return _send(connection, url, host, body)
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise UnansweredError(
            f"the webhook in {name} did not say whether it took it ({type(error).__name__}); it is not told again.",
            remedy=_CHECK,
        ) from None


def _allowed(settings: NotifySettings, host: str, port: int) -> str:
    """The address to connect to, checked: the name is not looked up again, so that it cannot lead elsewhere."""
    name = settings.url_env
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotifyError(f"the host in {name} is not known.", remedy=_CHECK) from None
    addresses = list(dict.fromkeys(str(info[4][0]) for info in found))
    for address in addresses:
        ip = ipaddress.ip_address(address.partition("%")[0])
        ip = getattr(ip, "ipv4_mapped", None) or ip
        if ip.is_loopback and not settings.allow_loopback:
            raise NotifyError(f"{name} names this machine.", remedy="Allow it with notify.allow_loopback: true.")
        if not ip.is_loopback and (not ip.is_global or ip.is_multicast) and not settings.allow_private:
            raise NotifyError(
                f"{name} names an address that is not public.", remedy="Allow it with notify.allow_private: true."
            )
    return addresses[0]


class _Pinned(http.client.HTTPSConnection):
    """A connection to a checked address, with the certificate of the host that was named."""

    def __init__(self, host: str, address: str, port: int, timeout: int) -> None:
        self._address, self._tls = address, ssl.create_default_context()
        super().__init__(host, port, timeout=timeout, context=self._tls)

    def connect(self) -> None:
        raw = socket.create_connection((self._address, self.port), self.timeout)
        self.sock = self._tls.wrap_socket(raw, server_hostname=self.host, do_handshake_on_connect=False)
        self.sock.do_handshake()


def _connection(url: SplitResult, host: str, address: str, timeout: int) -> http.client.HTTPConnection:
    if url.scheme == "http":
        return http.client.HTTPConnection(address, url.port or 80, timeout=timeout)
    return _Pinned(host, address, url.port or 443, timeout)


@contextmanager
def _at_most(seconds: float, connection: http.client.HTTPConnection) -> Iterator[None]:
    """End whatever is done inside with the connection after so long: its own timeout begins anew with every byte."""

    def cut() -> None:
        if connection.sock is not None:
            with suppress(OSError):
                socket.socket.shutdown(connection.sock, socket.SHUT_RDWR)

    timer = threading.Timer(seconds, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _send(connection: http.client.HTTPConnection, url: SplitResult, host: str, body: Mapping[str, Any]) -> int:
    path = (url.path or "/") + (f"?{url.query}" if url.query else "")
    headers = {"Content-Type": "application/json", "User-Agent": "nilometer", "Host": url.netloc or host}
    connection.request("POST", path, json.dumps(body).encode(), headers)
    return connection.getresponse().status
