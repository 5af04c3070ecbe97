"""URLs of object stores, and the options that may stand in a configuration: a short list of schemes, and no secrets.

Credentials and endpoints come from the environment or from the platform, never from a file of the site. Opening a
store belongs to `pipeline.objects.client`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SCHEMES = {"s3": "s3", "gs": "gs", "az": "az", "abfs": "az", "abfss": "az"}
"""Scheme -> store."""
COMMON = ("retries", "timeout_seconds")
OPTIONS = {
    "s3": (
        *("region", "virtual_hosted_style_request", "request_payer", "skip_signature"),
        *("checksum_algorithm", "server_side_encryption", "sse_kms_key_id"),
    ),
    "gs": ("skip_signature",),
    "az": ("account_name", "skip_signature", "use_fabric_endpoint"),
}
"""Store -> options that a configuration may give beside COMMON; each is obstore's own of that name."""
SECRETS = {
    "s3": "AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY and AWS_SESSION_TOKEN",
    "gs": "GOOGLE_APPLICATION_CREDENTIALS",
    "az": "AZURE_STORAGE_ACCOUNT_KEY, AZURE_STORAGE_SAS_KEY or AZURE_CLIENT_ID, _SECRET and AZURE_TENANT_ID",
}
"""Store -> the variables that hold what is secret."""
ENDPOINTS = {"s3": "AWS_ENDPOINT_URL", "gs": "GOOGLE_BASE_URL", "az": "AZURE_STORAGE_ENDPOINT"}
"""Store -> the variable that names another endpoint."""
Option = bool | int | str

GLOB_CHARS = re.compile(r"[*?\[{]")
_SECRET = re.compile(r"key|secret|token|passw|credential|sas|auth|client_id|service_account|bearer", re.IGNORECASE)
_ENDPOINT = re.compile(r"endpoint|base_url|allow_http|proxy|certificate", re.IGNORECASE)
_BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")


@dataclass(frozen=True)
class ObjectUrl:
    """A place in an object store: store (s3, gs, az), bucket or container, key or prefix without outer '/'."""

    store: str
    bucket: str
    key: str
    account: str | None = None
    """Of Azure, where the URL names it."""

    def __str__(self) -> str:
        """The URL, in one spelling."""
        at = f"@{self.account}.dfs.core.windows.net" if self.account else ""
        scheme = "abfs" if self.account else self.store
        return f"{scheme}://{self.bucket}{at}" + (f"/{self.key}" if self.key else "")

    def joined(self, name: str) -> str:
        """The URL of an object below this one."""
        return f"{self}/{name}"


def is_url(text: str) -> bool:
    """Whether the text is meant as a URL."""
    return "://" in text


def parse_url(text: str) -> ObjectUrl:
    """The URL's parts; raises ValueError, without quoting the text, when it is not one that is read here."""
    scheme, _, rest = text.partition("://")
    if scheme not in SCHEMES:
        raise ValueError("must be a path, or a URL of s3://, gs:// or az:// (abfs://); no other scheme is read here")
    place, _, key = rest.partition("/")
    bucket, _, host = place.partition("@")
    account, _, domain = host.partition(".")
    if host and (SCHEMES[scheme] != "az" or not domain.endswith("core.windows.net") or not _ACCOUNT.fullmatch(account)):
        raise ValueError(f"must not hold a name or password; secrets are taken from {SECRETS[SCHEMES[scheme]]} only")
    if not _BUCKET.fullmatch(bucket):
        raise ValueError("must name a bucket or container, without wildcards, such as s3://bucket/nilometer")
    key = key.rstrip("/")
    if any(p in ("", ".", "..") for p in key.split("/") if key) or any(ord(c) < 32 for c in key):
        raise ValueError("must not have '..', '.' or empty parts in its key")
    return ObjectUrl(SCHEMES[scheme], bucket, key, account or None)


def split_glob(text: str) -> tuple[ObjectUrl, str]:
    """(the URL of the folder before the first wildcard, the rest as a pattern below it); raises ValueError."""
    scheme, _, rest = text.partition("://")
    parts = rest.split("/")
    fixed = 1
    while fixed < len(parts) - 1 and not GLOB_CHARS.search(parts[fixed]):
        fixed += 1
    pattern = "/".join(parts[fixed:])
    if not pattern or any(p in ("", ".", "..") for p in parts[fixed:]):
        raise ValueError("must name objects, such as s3://bucket/logs/{day}/*.log.gz, without '..' or empty parts")
    return parse_url(f"{scheme}://{'/'.join(parts[:fixed])}"), pattern


def check_options_of(place: str, options: Mapping[str, Option]) -> None:
    """Raise ValueError for an option that is not for this path or URL."""
    if options and not is_url(place):
        raise ValueError("storage_options are for object stores (s3://, gs://, az://) only")
    if options:
        check_options(options, SCHEMES.get(place.partition("://")[0]))


def check_options(options: Mapping[str, Option], store: str | None = None) -> None:
    """Raise ValueError for an option that is a secret, an endpoint, unknown, or of another store."""
    stores = (store,) if store else tuple(SECRETS)
    allowed = [*COMMON, *dict.fromkeys(option for s in stores for option in OPTIONS[s])]
    for name in options:
        if name not in allowed:
            raise ValueError(f"{name} {_why_not(name, stores, allowed)}")
    for name in COMMON:
        if name in options and not (type(options[name]) is int and 0 <= int(options[name]) <= 3_600):
            raise ValueError(f"{name} must be a whole number from 0 to 3600")


def _why_not(name: str, stores: Sequence[str], allowed: Sequence[str]) -> str:
    """Why an option is refused, and what to do instead."""
    if _ENDPOINT.search(name):
        return f"is taken from the environment only; set {', '.join(ENDPOINTS[s] for s in stores)}"
    if _SECRET.search(name):
        variables = "; ".join(SECRETS[s] for s in stores)
        return f"may be a secret, which no file of the site may hold; set {variables}"
    return f"is no option here; allowed: {', '.join(allowed)}"
