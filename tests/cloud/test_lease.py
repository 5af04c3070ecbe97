"""One machine at a time writes a site in an object store: a lease that is renewed, lapses, and is given back."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.errors import BusyError, StorageError
from pipeline.locks import site_lock
from pipeline.objects import Option, cloud_objects, lease
from pipeline.objects.bucket import Bucket as Bucket_
from pipeline.storage import Storage
from pipeline.waits import telling
from tests.cloud.buckets import OPTIONS, Bucket
from tests.cloud.fakes import Store
from tests.cloud.proxy import always, times
from tests.cloud.test_cloud_stores import places, store  # noqa: F401

LEASE = "site/run.lock"
OF_ANOTHER = json.dumps({"token": "abc", "host": "host-7.example.com", "process": 77}).encode()
NEVER = 1e9


@pytest.fixture(autouse=True)
def _steady(monkeypatch: pytest.MonkeyPatch) -> None:
    """A lease that is renewed often and never lapses, however slow the machine is."""
    seconds(monkeypatch, BEAT=0.05, SURE=NEVER, SILENT=NEVER, POLL=0.02)


def seconds(monkeypatch: pytest.MonkeyPatch, **of: float) -> None:
    for name, value in of.items():
        monkeypatch.setattr(lease, f"{name}_SECONDS", value)


def machine(bucket: Bucket, folder: Path) -> Storage:
    """The site as a machine with a cache of its own has it."""
    return Storage(cloud_objects(f"{bucket.url}/site", OPTIONS, folder))


def held_by(bucket: Bucket) -> dict[str, object]:
    found: dict[str, object] = json.loads(bucket.direct.get_object(Bucket=bucket.name, Key=LEASE)["Body"].read())
    return found


def put(at: Storage, name: str, text: str) -> None:
    at.objects.put(name, lambda path: path.write_text(text))


def test_a_site_is_one_machines_until_it_gives_it_back(bucket: Bucket, tmp_path: Path) -> None:
    one, two = machine(bucket, tmp_path / "1"), machine(bucket, tmp_path / "2")
    with site_lock(one, wait=False), site_lock(one, wait=False):
        told = rf"{bucket.url}/{LEASE}: another run is at work on this site, on \S+ \(process \d+\)\. Wait for it"
        for _ in range(2):
            with pytest.raises(BusyError, match=told), site_lock(two, wait=False):
                pass
    assert held_by(bucket) == {}
    with site_lock(two, wait=False), pytest.raises(BusyError), site_lock(one, wait=False):
        pass


def test_whoever_waits_gets_the_site_when_the_other_is_done(bucket: Bucket, tmp_path: Path) -> None:
    one, two = machine(bucket, tmp_path / "1"), machine(bucket, tmp_path / "2")
    order: list[str] = []

    def second() -> None:
        with site_lock(two, wait=True):
            order.append("second")

    waiting = threading.Thread(target=second)
    with site_lock(one, wait=True):
        waiting.start()
        time.sleep(0.3)
        order.append("first")
    waiting.join(timeout=60)
    assert order == ["first", "second"]


@pytest.mark.parametrize("content", [OF_ANOTHER, b"\xff no lease", b"[]"])
def test_a_lease_that_is_not_renewed_lapses(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes
) -> None:
    bucket.put(LEASE, content)
    seconds(monkeypatch, SILENT=0.3)
    began = time.monotonic()
    with site_lock(machine(bucket, tmp_path / "1"), wait=False):
        assert time.monotonic() - began >= 0.3
        assert held_by(bucket)["token"] != "abc"


@pytest.mark.parametrize(
    ("wait", "what"),
    [(False, "watching for up to 1 seconds whether it is still alive"), (True, "this one waits for it to end")],
)
def test_who_watches_a_lease_says_whose_it_is_once(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wait: bool, what: str
) -> None:
    bucket.put(LEASE, OF_ANOTHER)
    seconds(monkeypatch, SILENT=1)
    told: list[str] = []
    with telling(told.append), site_lock(machine(bucket, tmp_path / "1"), wait=wait):
        assert len(told) == 1
    assert f"{bucket.url}/{LEASE}: another run has this site, on host-7.example.com (process 77); {what}" in told[0]


def test_a_machine_whose_run_was_killed_does_not_wait_for_itself(bucket: Bucket, tmp_path: Path) -> None:
    bucket.put(LEASE, OF_ANOTHER)
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "lease").write_text("abc")
    with site_lock(machine(bucket, tmp_path / "1"), wait=False):
        assert held_by(bucket)["token"] == (tmp_path / "1" / "lease").read_text()


def test_who_lost_the_lease_writes_nothing_more_and_leaves_the_other_alone(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds(monkeypatch, BEAT=NEVER, SURE=-1)
    one = machine(bucket, tmp_path / "1")
    with site_lock(one, wait=False):
        put(one, "a", "before")
        bucket.put(LEASE, OF_ANOTHER)
        for write in (lambda: put(one, "a", "after"), lambda: one.objects.remove("a")):
            with pytest.raises(StorageError, match="another machine took this site over"):
                write()
    assert one.objects.read("a") == b"before"
    assert held_by(bucket)["token"] == "abc"


def test_the_renewals_see_that_the_lease_is_lost(bucket: Bucket, tmp_path: Path) -> None:
    one = machine(bucket, tmp_path / "1")
    with site_lock(one, wait=False):
        bucket.put(LEASE, OF_ANOTHER)
        with pytest.raises(StorageError, match="another machine"):
            for _ in range(3_000):
                put(one, "a", "text")
                time.sleep(0.02)


def test_a_store_out_of_reach_for_a_while_costs_no_lease(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds(monkeypatch, GIVE_BACK=60)
    one = machine(bucket, tmp_path / "1")
    with site_lock(one, wait=False):
        bucket.proxy.fault = times(4, "error", "PUT", "run.lock")
        while len(bucket.proxy.spoiled()) < 4:
            time.sleep(0.02)
        put(one, "a", "text")
    assert held_by(bucket) == {}


def test_an_answer_that_was_lost_is_no_lost_lease(bucket: Bucket, tmp_path: Path) -> None:
    """The store did it, the answer did not come, and the same request again finds another version."""
    bucket.proxy.fault = times(1, "lost", "PUT", "run.lock")
    one = machine(bucket, tmp_path / "1")
    with site_lock(one, wait=False):
        bucket.proxy.fault = times(1, "lost", "PUT", "run.lock")
        while bucket.proxy.spoiled() != ["lost", "lost"]:
            time.sleep(0.02)
        put(one, "a", "text")


def test_a_store_without_conditions_is_written_by_one_machine(bucket: Bucket, tmp_path: Path) -> None:
    bucket.proxy.fault = always("no such thing", "PUT", "run.lock")
    one = machine(bucket, tmp_path / "1")
    for _ in range(2):
        with site_lock(one, wait=False):
            put(one, "a", "text")
    assert 1 <= len([p for _, p, _ in bucket.proxy.seen if "run.lock" in p]) <= 3


def test_a_store_that_fails_is_not_taken_for_one_without_conditions(bucket: Bucket, tmp_path: Path) -> None:
    """Whatever else its message tells: here the address holds what looks like that answer."""
    bucket.proxy.fault = always("error", "PUT", "run.lock")
    one = Storage(cloud_objects(f"{bucket.url}/501/NotImplemented", OPTIONS, tmp_path / "1"))
    with pytest.raises(StorageError, match="did not answer as it should"), site_lock(one, wait=False):
        pass


def test_a_renewal_that_comes_late_does_not_cost_the_next_lease(
    bucket: Bucket, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    seconds(monkeypatch, GIVE_BACK=0.05)
    one, reached, gate, threads = machine(bucket, tmp_path / "1"), threading.Event(), threading.Event(), []
    send = Bucket_.put_if

    def late(*words: Any) -> Any:
        if threading.current_thread().name == "lease" and not gate.is_set():
            threads.append(threading.current_thread())
            reached.set()
            gate.wait(60)
        return send(*words)

    monkeypatch.setattr(Bucket_, "put_if", late)
    with site_lock(one, wait=False):
        assert reached.wait(60)
    threading.Timer(0.3, gate.set).start()
    with site_lock(one, wait=False):
        gate.wait(60)
        threads[0].join(60)
        put(one, "a", "text")
    assert held_by(bucket) == {}


def test_who_takes_the_site_sees_what_the_other_just_wrote(bucket: Bucket, tmp_path: Path) -> None:
    one, two = machine(bucket, tmp_path / "1"), machine(bucket, tmp_path / "2")
    assert not two.objects.exists("a")
    with site_lock(one, wait=False):
        put(one, "a", "text")
    with site_lock(two, wait=False):
        assert two.objects.exists("a")


@pytest.mark.parametrize("url", ["gs://box/site", "az://box/site"])
def test_other_stores_have_leases_too(
    places: dict[str, dict[str, Option]],  # noqa: F811 - a fixture
    store: Store,  # noqa: F811 - a fixture
    tmp_path: Path,
    url: str,
) -> None:
    one, two = (Storage(cloud_objects(url, places[url], tmp_path / m)) for m in "12")
    for first, second in ((one, two), (two, one)):
        with site_lock(first, wait=False), pytest.raises(BusyError), site_lock(second, wait=False):
            pass
    assert [data for name, data in store.objects.items() if name.endswith("run.lock")] == [b"{}"]
