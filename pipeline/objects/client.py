"""Opening an object store with obstore, and its faults in our words.

Credentials, endpoint and whether plain HTTP is allowed come from the environment or from the platform's own chain
(instance roles, workload identity). Errors are told without what may be secret in them.
"""

from __future__ import annotations

import datetime as dt
import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pipeline.errors import ConfigError, Location, StorageError
from pipeline.objects.urls import COMMON, ENDPOINTS, SECRETS, ObjectUrl, Option

if TYPE_CHECKING:
    from obstore.store import AzureStore, ClientConfig, GCSStore, RetryConfig, S3Store

    Store = S3Store | GCSStore | AzureStore

RETRIES = 6
"""Tries after the first one of a request, with growing waits: about 6 s in all."""
TIMEOUT_SECONDS = 30
"""Seconds to connect, and without any answer."""
WHOLE_REQUEST = dt.timedelta(hours=1)
"""What one request may last while bytes come."""
_PREFIX = {"s3": "AWS", "gs": "GOOGLE", "az": "AZURE"}
_NO_NAME = "object with invalid path"
"""In obstore's words for keys with '..', '.' or empty parts."""
_CAUSES = {
    r"configured region|PermanentRedirect|AuthorizationHeaderMalformed": "Say which region the bucket is in: region in "
    "storage_options, or AWS_REGION in the environment.",
    r"RequestTimeTooSkewed": "Set this machine's clock.",
    r"ExpiredToken|TokenRefreshRequired|RequestExpired": "Renew the credentials ({secrets}).",
    r"NoSuchBucket|ContainerNotFound": "Correct the bucket's name, or create it.",
    r"InvalidObjectState|BlobArchived": "It lies in an archive: restore it there, or narrow the source's path.",
    r"SlowDown|TooManyRequests|ServerBusy": "The store asks for fewer requests: run again later, or raise retries in "
    "storage_options.",
    r"40[13] |AccessDenied|necessary privileges": "Give the credentials ({secrets}) the rights to list, get, put and "
    "delete below the storage's URL, and to list and get the logs.",
}
"""What a store says -> what to do about it; else the network and all that is configured are to be looked at."""
_QUERY = re.compile(r"\?\S*")
_TIME = re.compile(r" in \d[\d.]* ?(?:ns|µs|ms|s)\b")
"""How long a request took, which no two tell alike."""
_CODE = re.compile(r"<Code>(\w{1,60})</Code>")
_SECRET_NAME = re.compile(r"^(AWS|AZURE|GOOGLE)_.*(KEY|TOKEN|SECRET|PASSWORD|SAS)")


def needs_extra(what: str) -> None:
    """Raise ConfigError when obstore is not installed."""
    if find_spec("obstore") is None:
        raise ConfigError(f"{what} needs the extra 'cloud'.", remedy="Install it: pip install 'nilometer[cloud]'.")


def open_store(url: ObjectUrl, options: Mapping[str, Option]) -> Store:
    """The store of a URL's bucket; keys are below the URL's own.

    Raises:
        ConfigError: the store cannot be opened as configured.
    """
    import obstore.store as stores  # noqa: PLC0415 - an extra

    config: dict[str, Any] = {k: v for k, v in options.items() if k not in COMMON}
    if url.account:
        config["account_name"] = url.account
    how: dict[str, Any] = {
        "prefix": url.key or None,
        "config": config,
        "client_options": _client(url.store, options),
        "retry_config": _retry(options),
    }
    try:
        if url.store == "s3":
            return stores.S3Store(url.bucket, **how)
        return (stores.GCSStore if url.store == "gs" else stores.AzureStore)(url.bucket, **how)
    except Exception as error:  # obstore's own, of many kinds.
        raise ConfigError(
            f"{url} cannot be opened ({one_line(error)}).",
            remedy=f"Check storage_options, {SECRETS[url.store]} and {ENDPOINTS[url.store]}.",
        ) from None


def _client(store: str, options: Mapping[str, Option]) -> ClientConfig:
    """With client options, allow_http is not read from the environment by obstore, so it is read here."""
    wait = dt.timedelta(seconds=int(options.get("timeout_seconds", TIMEOUT_SECONDS)))
    plain = os.environ.get(f"{_PREFIX[store]}_ALLOW_HTTP", "").lower() in ("1", "true", "yes")
    return {"connect_timeout": wait, "read_timeout": wait, "timeout": WHOLE_REQUEST, "allow_http": plain}


def _retry(options: Mapping[str, Option]) -> RetryConfig:
    return {
        "max_retries": int(options.get("retries", RETRIES)),
        "retry_timeout": WHOLE_REQUEST,
        "backoff": {
            "init_backoff": dt.timedelta(milliseconds=100),
            "max_backoff": dt.timedelta(seconds=15),
            "base": 2,
        },
    }


def one_line(error: BaseException) -> str:
    """What an error of obstore says, on one line: without queries, which may be signed, and without bodies."""
    text = str(error).partition("\n\nDebug source")[0]
    code = _CODE.search(text)
    text = _TIME.sub("", _QUERY.sub("", text.partition("<")[0]))
    for name, value in os.environ.items():  # Whatever a library may quote, no secret gets through.
        if len(value) > 5 and _SECRET_NAME.match(name):
            text = text.replace(value, "***")
    line = " ".join(text.split()).rstrip(" :")[:300] or type(error).__name__
    return f"{line}: {code[1]}" if code else line


def fault(error: BaseException, url: ObjectUrl, where: str) -> StorageError:
    """A request that failed for good, as our error."""
    what = one_line(error)
    if _NO_NAME in what:
        return StorageError(
            f"names an object that obstore takes for none, so that nothing beside it can be listed ({what}).",
            where=Location(file=where),
            remedy="Move that object, or let the path begin with a folder that does not hold it.",
        )
    secrets, endpoint = SECRETS[url.store], ENDPOINTS[url.store]
    check = f"Check the network, the bucket, the credentials ({secrets}) and the endpoint ({endpoint})."
    remedy = next((what_to_do for said, what_to_do in _CAUSES.items() if re.search(said, what)), check)
    return StorageError(
        f"the object store did not answer as it should ({what}).",
        where=Location(file=where),
        remedy=f"{remedy.format(secrets=secrets)} What was stored is as it was, so run again.",
    )
