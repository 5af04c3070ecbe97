"""Storage on an object store: whole days or none, whatever the network does, and copies that may be lost."""

from __future__ import annotations

import datetime as dt
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from pipeline.errors import ConfigError, StorageError
from pipeline.objects import cloud_objects
from pipeline.objects.copies import IN_USE_SECONDS, Copies
from pipeline.objects.known import STEADY_SECONDS
from pipeline.schemas import DAILY_TRAFFIC
from pipeline.storage import Storage, checked, day_name
from tests.cloud.buckets import OPTIONS, SECRET, Bucket
from tests.cloud.proxy import always, times

DAY = dt.date(2026, 10, 1)
NOON = dt.datetime(2026, 10, 1, 12, tzinfo=dt.UTC)


def storage(bucket: Bucket, machine: Path) -> Storage:
    """The bucket's storage as one machine sees it that has a cache of its own."""
    return Storage(cloud_objects(f"{bucket.url}/site", OPTIONS, machine / "cache"))


def rows(value: int, clients: int = 50) -> pl.DataFrame:
    """A day whose rows all hold one value, so that a mixture of two days would show."""
    fixed = {"day": DAY, "measure": "m", "flows": 1, "flows_unknown": 0, "servers": 1}
    times_ = {"first_start": NOON, "last_start": NOON}
    names = pl.DataFrame({"client": [f"10.0.{n // 250}.{n % 250}" for n in range(clients)]})
    return DAILY_TRAFFIC.conform(
        names.with_columns(
            bytes=pl.lit(value),
            **{k: pl.lit(v) for k, v in fixed.items()},
            **{k: pl.lit(v, pl.Datetime("us", "UTC")) for k, v in times_.items()},
        )
    )


def write(at: Storage, value: int, clients: int = 50) -> None:
    at.write_day(DAILY_TRAFFIC, DAY, rows(value, clients), inputs={"flows": str(value)})


def values(at: Storage) -> set[int]:
    return set(at.read_day(DAILY_TRAFFIC, DAY)["bytes"])


@pytest.mark.parametrize("cloud", [True, False])
def test_a_file_has_a_size_and_a_day_removed_leaves_nothing(bucket: Bucket, tmp_path: Path, cloud: bool) -> None:
    at = storage(bucket, tmp_path) if cloud else Storage(tmp_path / "data")
    assert at.place == (f"{bucket.url}/site" if cloud else str(tmp_path / "data"))
    assert at.size("a/b.txt") == 0
    at.write_text("a/b.txt", "four")
    assert at.size("a/b.txt") == 4
    write(at, 1)
    at.remove(day_name("daily_traffic", DAY))
    assert (at.days("daily_traffic"), at.has("daily_traffic", DAY)) == ([], False)
    assert not (tmp_path / "data" / "daily_traffic" / f"day={DAY}").exists()


def test_another_machine_reads_what_one_has_written(bucket: Bucket, tmp_path: Path) -> None:
    one, other = storage(bucket, tmp_path / "1"), storage(bucket, tmp_path / "2")
    assert one.record("daily_traffic", DAY) is None
    write(one, 7)
    one.write_text("failed/day=2026-10-02.json", "{}")
    assert values(other) == {7}
    assert other.scan(DAILY_TRAFFIC, [DAY]).select(pl.len()).collect().item() == 50
    assert other.record("daily_traffic", DAY) == one.record("daily_traffic", DAY)
    assert (other.days("daily_traffic"), other.failed_days()) == ([DAY], [dt.date(2026, 10, 2)])
    one.remove("failed/day=2026-10-02.json")
    one.remove("failed/day=2026-10-02.json")
    assert storage(bucket, tmp_path / "2").read_text("failed/day=2026-10-02.json") is None


def test_a_footer_costs_the_last_bytes_only_and_no_second_request(bucket: Bucket, tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 1 << 60, 200_000)
    big = rows(0, 200_000).with_columns(bytes=pl.Series(noise))
    record = storage(bucket, tmp_path / "1").write_day(DAILY_TRAFFIC, DAY, big, inputs={})
    other = storage(bucket, tmp_path / "2")
    assert other.record("daily_traffic", DAY) == record
    held, whole = (sum(p.stat().st_size for p in (tmp_path / m).rglob("*") if p.is_file()) for m in "21")
    assert 0 < held <= (1 << 16) + 4 < whole
    checked(next((tmp_path / "2").rglob("*-end")))
    bucket.proxy.heal()
    assert other.record("daily_traffic", DAY) == record
    assert bucket.proxy.seen == []


def test_a_footer_longer_than_the_first_guess_is_read_whole(bucket: Bucket, tmp_path: Path) -> None:
    inputs = {f"daily_traffic/{n}": "f" * 32 for n in range(4_000)}
    storage(bucket, tmp_path / "1").write_day(DAILY_TRAFFIC, DAY, rows(1), inputs=inputs)
    record = storage(bucket, tmp_path / "2").record("daily_traffic", DAY)
    assert record is not None
    assert record.inputs == inputs


def test_a_change_by_another_machine_is_seen_within_seconds(bucket: Bucket, tmp_path: Path) -> None:
    one, other = storage(bucket, tmp_path / "1"), storage(bucket, tmp_path / "2")
    write(one, 1)
    assert values(other) == {1}
    write(one, 2)
    assert values(one) == {2}
    time.sleep(STEADY_SECONDS + 0.1)
    assert values(other) == {2}


def test_a_lost_or_spoilt_cache_costs_a_download_and_no_more(bucket: Bucket, tmp_path: Path) -> None:
    write(storage(bucket, tmp_path), 3)
    for copy in (tmp_path / "cache" / "copies").iterdir():
        copy.write_bytes(copy.read_bytes()[:100])
    assert values(storage(bucket, tmp_path)) == {3}
    shutil.rmtree(tmp_path / "cache")
    assert values(storage(bucket, tmp_path)) == {3}


@pytest.mark.parametrize("kind", ["error", "cut upload"])
def test_an_upload_that_fails_once_is_tried_again(bucket: Bucket, tmp_path: Path, kind: str) -> None:
    at = storage(bucket, tmp_path)
    bucket.proxy.fault = times(1, kind, "PUT")
    write(at, 5)
    assert bucket.proxy.spoiled() == [kind]
    assert values(storage(bucket, tmp_path / "other")) == {5}


@pytest.mark.parametrize("kind", ["error", "cut upload"])
def test_an_upload_that_fails_for_good_leaves_the_old_day(bucket: Bucket, tmp_path: Path, kind: str) -> None:
    at = storage(bucket, tmp_path)
    write(at, 1)
    bucket.proxy.fault = always(kind, "PUT")
    with pytest.raises(StorageError, match="object store did not answer") as caught:
        write(at, 2)
    assert f"{bucket.url}/site/{day_name('daily_traffic', DAY)}" in caught.value.message
    assert SECRET not in caught.value.message
    assert "\n" not in caught.value.message
    bucket.proxy.heal()
    assert values(at) == values(storage(bucket, tmp_path / "other")) == {1}
    assert not list((tmp_path / "cache").rglob(".draft-*"))


@pytest.mark.parametrize("cut", [("PUT", "partNumber=2"), ("POST", "uploadId=")])
def test_a_day_sent_in_parts_appears_with_the_last_one_or_not(
    bucket: Bucket, tmp_path: Path, cut: tuple[str, str]
) -> None:
    at = storage(bucket, tmp_path)
    write(at, 1)
    noise = np.random.default_rng(1).integers(0, 1 << 62, 1_300_000)
    big = rows(0, 1).select(pl.all().repeat_by(1_300_000).explode()).with_columns(bytes=pl.Series(noise))
    bucket.proxy.fault = always("cut upload", *cut)
    with pytest.raises(StorageError):
        at.write_day(DAILY_TRAFFIC, DAY, big, inputs={})
    assert "cut upload" in bucket.proxy.spoiled()
    bucket.proxy.heal()
    assert values(at) == {1}
    at.write_day(DAILY_TRAFFIC, DAY, big, inputs={})
    assert len({path for verb, path, _ in bucket.proxy.seen if verb == "PUT"}) > 1
    assert storage(bucket, tmp_path / "other").read_day(DAILY_TRAFFIC, DAY)["bytes"].sum() == noise.sum()


@pytest.mark.parametrize("kind", ["error", "truncate", "slow"])
def test_a_download_that_fails_once_or_is_slow_comes_whole(bucket: Bucket, tmp_path: Path, kind: str) -> None:
    write(storage(bucket, tmp_path / "1"), 4)
    bucket.proxy.fault = times(1, kind, "GET")
    assert values(storage(bucket, tmp_path / "2")) == {4}
    assert bucket.proxy.spoiled() == [kind]


@pytest.mark.parametrize("kind", ["error", "truncate"])
def test_a_download_that_fails_for_good_is_told_and_leaves_no_copy(bucket: Bucket, tmp_path: Path, kind: str) -> None:
    write(storage(bucket, tmp_path / "1"), 4)
    bucket.proxy.fault = always(kind, "GET")
    with pytest.raises(StorageError, match="object store did not answer"):
        values(storage(bucket, tmp_path / "2"))
    assert not list((tmp_path / "2" / "cache" / "copies").iterdir())


def test_a_store_that_does_not_answer_is_not_an_empty_one(bucket: Bucket, tmp_path: Path) -> None:
    at = storage(bucket, tmp_path)
    bucket.proxy.fault = lambda _method, _path: "error"
    for ask in (
        lambda: at.record("daily_traffic", DAY),
        lambda: at.read_text("landing/ledger.jsonl"),
        lambda: at.days("daily_traffic"),
        lambda: at.names("failed"),
        lambda: at.has("flows", DAY),
    ):
        with pytest.raises(StorageError, match="did not answer"):
            ask()


def test_a_store_that_hangs_is_given_up(bucket: Bucket, tmp_path: Path) -> None:
    at = Storage(cloud_objects(f"{bucket.url}/site", {"retries": 0, "timeout_seconds": 1}, tmp_path / "cache"))
    bucket.proxy.latency = 3
    begun = time.monotonic()
    with pytest.raises(StorageError, match="did not answer"):
        write(at, 1)
    assert time.monotonic() - begun < 2.9


def test_a_bucket_that_is_not_there_is_named(bucket: Bucket, tmp_path: Path) -> None:
    nowhere = Storage(cloud_objects("s3://no-such-bucket/site", OPTIONS, tmp_path / "cache"))
    asks: list[Callable[[], object]] = [
        lambda: nowhere.write_text("a", "b"),
        lambda: nowhere.days("flows"),
        lambda: nowhere.record("flows", DAY),
        lambda: nowhere.has("flows", DAY),
        lambda: nowhere.read_text("a"),
        nowhere.objects.leased(wait=True).__enter__,
    ]
    (tmp_path / "cache").mkdir(exist_ok=True)
    for ask in asks:
        with pytest.raises(StorageError, match=r"s3://no-such-bucket/site/.*NoSuchBucket"):
            ask()


def test_a_bucket_that_goes_away_is_no_lease_of_another(bucket: Bucket, tmp_path: Path) -> None:
    objects = cloud_objects(f"{bucket.url}/site", OPTIONS, tmp_path)
    with pytest.raises(StorageError, match="Correct the bucket's name"), objects.leased(wait=False):
        bucket.delete("site/run.lock")
        bucket.direct.delete_bucket(Bucket=bucket.name)
        objects._lease._beat()  # type: ignore[attr-defined]


def test_a_reader_never_sees_half_a_day(bucket: Bucket, tmp_path: Path) -> None:
    """One machine writes days of different sizes in turn; another, without a memory, reads all the time."""
    writer, polls, seen = storage(bucket, tmp_path / "1"), list[int](), set[tuple[int, int]]()
    write(writer, 0, 10)

    def poll() -> None:
        while len(polls) < 15:
            polls.append(1)
            at = storage(bucket, tmp_path / "2")
            frame, record = at.read_day(DAILY_TRAFFIC, DAY), at.record("daily_traffic", DAY)
            assert record is not None
            seen.update((v, frame.height) for v in frame["bytes"].unique())
            seen.add((int(record.inputs["flows"]), record.rows))

    failures: list[BaseException] = []

    def guarded() -> None:
        try:
            poll()
        except BaseException as error:
            failures.append(error)

    reader = threading.Thread(target=guarded)
    reader.start()
    written = 0
    while reader.is_alive():
        written += 1
        write(writer, written, 10 + 400 * (written % 3))
    assert failures == []
    assert seen <= {(n, 10 + 400 * (n % 3)) for n in range(written + 1)}
    assert len(seen) > 2


def test_the_least_used_copies_go_first_and_those_in_use_stay(tmp_path: Path) -> None:
    copies = Copies(tmp_path, max_bytes=250)
    for n, age in enumerate((IN_USE_SECONDS * 3, IN_USE_SECONDS * 2, 0, 0)):
        with copies.draft() as draft:
            draft.write_bytes(b"x" * 100)
            kept = copies.keep(draft, copies.path(f"k{n}", "v"))
        os.utime(kept, (time.time() - age,) * 2)
    copies.prune()
    assert sorted(p.name for p in tmp_path.iterdir()) == ["k2-v", "k3-v"]


def test_a_missing_extra_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pipeline.objects.client.find_spec", lambda _name: None)
    with pytest.raises(ConfigError, match=r"pip install 'nilometer\[cloud\]'"):
        cloud_objects("s3://bucket/x", {}, tmp_path)


@pytest.mark.parametrize("name", ["../x", "a/../../x", "/x", "a//x", ".", "a/\x00"])
def test_names_that_lead_elsewhere_are_refused(bucket: Bucket, tmp_path: Path, name: str) -> None:
    for at in (storage(bucket, tmp_path), Storage(tmp_path / "data")):
        with pytest.raises(StorageError, match="no name below"):
            at.write_text(name, "x")
        with pytest.raises(StorageError, match="no name below"):
            at.read_text(name)
    assert bucket.proxy.seen == []
