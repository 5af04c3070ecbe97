"""Stores other than S3, as far as a fake can tell, and what all have in common: URLs, options, words for errors."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from pipeline.errors import ConfigError, StorageError
from pipeline.objects import Option, check_options, cloud_objects, parse_url, split_glob
from pipeline.objects.client import one_line
from pipeline.objects.urls import COMMON, OPTIONS
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.storage import Storage
from tests.cloud.buckets import SECRET, Bucket
from tests.cloud.fakes import Store, fake_store
from tests.cloud.test_cloud_storage import DAY, rows


@pytest.fixture
def store() -> Iterator[Store]:
    with fake_store() as running:
        yield running


@pytest.fixture
def places(store: Store, monkeypatch: pytest.MonkeyPatch) -> dict[str, dict[str, Option]]:
    """URLs below the fake store, and their options; nothing is to be signed."""
    unsigned = {"client_email": "", "private_key": "", "private_key_id": "", "disable_oauth": True}
    for name, value in {
        "GOOGLE_SERVICE_ACCOUNT_KEY": json.dumps(unsigned | {"gcs_base_url": store.url}),
        "GOOGLE_ALLOW_HTTP": "true",
        "AZURE_STORAGE_ENDPOINT": store.url,
        "AZURE_STORAGE_ACCOUNT_NAME": "nilometer",
        "AZURE_ALLOW_HTTP": "true",
    }.items():
        monkeypatch.setenv(name, value)
    return {"gs://box/site": {"retries": 0}, "az://box/site": {"retries": 0, "skip_signature": True}}


@pytest.mark.parametrize("url", ["gs://box/site", "az://box/site"])
def test_other_stores_keep_and_list_tables(
    places: dict[str, dict[str, Option]], store: Store, tmp_path: Path, url: str
) -> None:
    """Against a fake that speaks a little of each; S3 is what is tested against a real server."""
    one, other = (Storage(cloud_objects(url, places[url], tmp_path / m)) for m in "12")
    record = one.write_day(DAILY_TRAFFIC, DAY, rows(7), inputs={"flows": "a"})
    one.mark_failed(DAY, "flows", ["why"])
    assert other.record("daily_traffic", DAY) == record
    assert other.read_day(DAILY_TRAFFIC, DAY).equals(one.read_day(DAILY_TRAFFIC, DAY))
    assert (other.days("daily_traffic"), other.failure(DAY)) == ([DAY], ("flows", ["why"]))
    assert other.failed_days() == [DAY]
    other.clear_failed(DAY)
    assert other.failed_days() == []
    assert other.failure(DAY) is None
    other.clear_failed(DAY)
    assert [name for name in store.objects if "failed" in name] == []


def test_azure_needs_an_account_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AZURE_STORAGE_ACCOUNT_NAME", "AZURE_STORAGE_ACCOUNT_KEY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match=r"az://logs/x cannot be opened .*AZURE_STORAGE_ACCOUNT_KEY"):
        cloud_objects("az://logs/x", {}, tmp_path)
    cloud_objects("az://logs/x", {"account_name": "nilometer"}, tmp_path)
    cloud_objects("abfs://logs@nilometer.dfs.core.windows.net/x", {}, tmp_path)


@pytest.mark.parametrize(
    ("text", "same"),
    [
        ("s3://bucket", "s3://bucket"),
        ("s3://bucket/", "s3://bucket"),
        ("s3://bucket/a/b/", "s3://bucket/a/b"),
        ("gs://bucket/a", "gs://bucket/a"),
        ("abfs://box/a", "az://box/a"),
        ("abfss://box@acc0.dfs.core.windows.net/a", "abfs://box@acc0.dfs.core.windows.net/a"),
    ],
)
def test_urls_have_one_spelling(text: str, same: str) -> None:
    assert str(parse_url(text)) == same
    assert parse_url(same) == parse_url(text)


@pytest.mark.parametrize(
    "text",
    [
        *("http://bucket/x", "https://bucket/x", "file:///x", "S3://bucket", "s3a://bucket", "ftp://b/x", "://x"),
        *("s3://", "s3:///x", "s3://b", "s3://bucket/../x", "s3://bucket/./x", "s3://bucket//x", "s3://buck*t/x"),
        *(
            "s3://key:word@bucket/x",
            "s3://user@bucket",
            "gs://user@bucket",
            "az://box@example.com/x",
            "s3://bucket:80/x",
        ),
        *("s3://bucket?x=1", "s3://bucket/a\nb", "az://key:word@acc0.blob.core.windows.net/x"),
    ],
)
def test_other_urls_are_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must ") as caught:
        parse_url(text)
    assert "word" not in str(caught.value).replace("password", "")


@pytest.mark.parametrize(
    ("text", "folder", "pattern"),
    [
        ("s3://bucket/logs/{day}/**/*.log.gz", "s3://bucket/logs", "{day}/**/*.log.gz"),
        ("s3://bucket/*.log", "s3://bucket", "*.log"),
        ("gs://bucket/a/b/c.log", "gs://bucket/a/b", "c.log"),
        ("s3://bucket/a?/b/c.log", "s3://bucket", "a?/b/c.log"),
    ],
)
def test_a_glob_has_a_folder_to_list(text: str, folder: str, pattern: str) -> None:
    url, rest = split_glob(text)
    assert (str(url), rest) == (folder, pattern)


@pytest.mark.parametrize("text", ["s3://bucket", "s3://bucket/", "s3://bucket/a/", "s3://*/a", "s3://bucket/*/../a"])
def test_a_glob_without_a_folder_or_objects_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"^must "):
        split_glob(text)


@pytest.mark.parametrize(
    ("option", "says"),
    [
        ("secret_access_key", "AWS_SECRET_ACCESS_KEY"),
        ("access_key_id", "AWS_SECRET_ACCESS_KEY"),
        ("session_token", "AWS_SESSION_TOKEN"),
        ("aws_secret_access_key", "may be a secret"),
        ("sas_token", "may be a secret"),
        ("password", "may be a secret"),
        ("endpoint", "AWS_ENDPOINT_URL"),
        ("aws_endpoint_url", "AWS_ENDPOINT_URL"),
        ("proxy_url", "environment only"),
        ("account_name", "no option here"),
    ],
)
def test_options_that_belong_elsewhere_say_where(option: str, says: str) -> None:
    with pytest.raises(ValueError, match=says) as caught:
        check_options({option: SECRET}, "s3")
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize("store", ["s3", "gs", "az"])
def test_every_option_is_one_that_the_library_knows(tmp_path: Path, store: str) -> None:
    switches = ("skip_signature", "request_payer", "virtual_hosted_style_request", "use_fabric_endpoint")
    words = {"checksum_algorithm": "SHA256", "server_side_encryption": "aws:kms", "retries": 2, "timeout_seconds": 3}
    names = (*COMMON, *OPTIONS[store])
    options: dict[str, Option] = {n: True if n in switches else words.get(n, "nilometer") for n in names}
    check_options(options, store)
    cloud_objects(f"{store}://bucket/x", options, tmp_path)


def test_errors_of_the_store_are_told_without_what_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_STORAGE_SAS_KEY", "sv=2026&sig=abcdef")
    text = (
        "Error performing GET https://acc0.blob.core.windows.net/c/k?sv=2026&sig=abcdef in 1 ms: "
        "403 <Error><Code>AuthorizationFailure</Code><Id>sv=2026&sig=abcdef</Id></Error> sv=2026&sig=abcdef"
        "\n\nDebug source: sig=abcdef"
    )
    said = one_line(RuntimeError(text))
    assert "abcdef" not in said
    assert said == "Error performing GET https://acc0.blob.core.windows.net/c/k: 403: AuthorizationFailure"
    assert one_line(RuntimeError("key sv=2026&sig=abcdef refused")) == "key *** refused"
    assert one_line(RuntimeError("")) == "RuntimeError"


def test_a_refused_request_says_which_variables_count(bucket: Bucket, tmp_path: Path) -> None:
    objects = cloud_objects(f"{bucket.url}/x", {"retries": 0}, tmp_path)
    bucket.proxy.fault = lambda _method, _path: "error"
    with pytest.raises(StorageError, match=r"AWS_SECRET_ACCESS_KEY.*AWS_ENDPOINT_URL"):
        objects.read("a")


@pytest.mark.parametrize(
    ("status", "code", "says"),
    [
        (403, "AccessDenied", "rights to list, get, put"),
        (403, "InvalidAccessKeyId", r"credentials \(AWS_ACCESS_KEY_ID"),
        (400, "ExpiredToken", r"Renew the credentials \(AWS_ACCESS_KEY_ID"),
        (403, "RequestTimeTooSkewed", "Set this machine's clock"),
        (404, "NoSuchBucket", "Correct the bucket's name"),
        (301, "PermanentRedirect", "region in storage_options, or AWS_REGION"),
        (400, "AuthorizationHeaderMalformed", "region in storage_options, or AWS_REGION"),
        (503, "SlowDown", "raise retries"),
        (500, "InternalError", r"Check the network, .* the endpoint \(AWS_ENDPOINT_URL\)"),
    ],
)
def test_what_the_store_says_is_wrong_is_what_is_to_be_mended(
    bucket: Bucket, tmp_path: Path, status: int, code: str, says: str
) -> None:
    objects = cloud_objects(f"{bucket.url}/x", {"retries": 0}, tmp_path)
    bucket.proxy.fault = lambda _method, _path: f"{status} {code}"
    with pytest.raises(StorageError, match=rf"{says}.*What was stored is as it was"):
        objects.names("a")


def test_an_archived_log_says_that_it_is_to_be_restored(bucket: Bucket, tmp_path: Path) -> None:
    objects = cloud_objects(f"{bucket.url}/x", {"retries": 0}, tmp_path)
    bucket.put("x/a", b"1")
    bucket.proxy.fault = lambda method, _path: "403 InvalidObjectState" if method == "GET" else None
    with pytest.raises(StorageError, match="restore it there"):
        objects.read("a")
