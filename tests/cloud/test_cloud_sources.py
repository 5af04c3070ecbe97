"""Logs in an object store: the same flows as from files, changes noticed, and no half-read object."""

from __future__ import annotations

import datetime as dt
import gzip
import threading
import time
from pathlib import Path

import pytest

from pipeline.errors import SourceError
from pipeline.flows import build_flows
from pipeline.insight.survey import survey
from pipeline.intake.fetching import AT_ONCE
from pipeline.intake.files import list_files
from pipeline.intake.landing import Landing, News
from pipeline.inventory import Inventory
from pipeline.objects.bucket import Bucket as BucketAsked
from pipeline.objects.stamp import Stamp
from pipeline.settings import Settings
from pipeline.site import Site
from pipeline.storage import Storage
from tests.cloud.buckets import OPTIONS, SECRET, Bucket
from tests.cloud.proxy import always, times
from tests.worlds import SERVER, day, record

NOW = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def log(of: dt.date, received: dict[str, int]) -> bytes:
    noon = dt.datetime.combine(of, dt.time(12), dt.UTC)
    return "".join(record(noon, client, n, f"C{client}") for client, n in received.items()).encode()


class World:
    """A site whose logs lie in a bucket, and whose tables lie in a folder."""

    def __init__(self, bucket: Bucket, root: Path, path: str = "logs/{day}/**/*.log.gz") -> None:
        source = {"name": "core", "path": f"{bucket.url}/{path}", "storage_options": OPTIONS}
        inventory = [{"address": SERVER, "category": "email_server"}]
        self.settings = Settings.model_validate({"sources": [source], "inventory": inventory})
        self.root, self.storage = root, Storage(root / "data")

    def land(self, *numbers: int) -> Landing:
        landing = Landing(self.root, self.storage, self.settings, NOW)
        self.report = landing.land([day(n) for n in numbers or (0,)])
        return landing

    def received(self, landing: Landing, number: int = 0) -> dict[str, int]:
        made = build_flows(landing, self.settings, Inventory(self.settings.inventory), day(number)).collect()
        return dict(made.select("src_ip", "bytes_in").iter_rows())

    def copies(self) -> list[str]:
        folder = self.root / "cache" / "sources"
        return [p.name for p in folder.iterdir()] if folder.is_dir() else []


@pytest.fixture
def world(bucket: Bucket, tmp_path: Path) -> World:
    return World(bucket, tmp_path)


def put(bucket: Bucket, number: int, received: dict[str, int], name: str = "a/conn.log.gz") -> str:
    key = f"logs/{day(number)}/{name}"
    bucket.put(key, gzip.compress(log(day(number), received), mtime=0))
    return key


def test_objects_are_read_as_files_are(bucket: Bucket, world: World) -> None:
    put(bucket, 0, {"10.0.0.1": 500})
    put(bucket, 0, {"10.0.0.2": 700}, "conn.log.gz")
    put(bucket, 0, {"10.0.0.3": 900}, "conn.log")  # Not of the pattern.
    put(bucket, 5, {"10.0.0.4": 900})  # Of a day that is not asked for.
    landing = world.land(0)
    assert world.received(landing) == {"10.0.0.1": 500, "10.0.0.2": 700}
    assert sorted(e.name for e in landing.ledger.entries.values()) == [
        "2026-10-01/a/conn.log.gz",
        "2026-10-01/conn.log.gz",
    ]
    assert not [path for verb, path, _ in bucket.proxy.seen if verb == "GET" and "2026-10-06/" in path]
    assert world.copies() == []


def test_what_is_no_log_among_objects_is_left_out_as_among_files(bucket: Bucket, tmp_path: Path) -> None:
    world = World(bucket, tmp_path, path="logs/**/*")
    for name in ("_delta_log/0.json", "_SUCCESS", ".a.crc", "_temporary/0/part.gz"):
        put(bucket, 0, {"10.0.0.9": 7}, name)
    put(bucket, 0, {"10.0.0.1": 100})
    assert world.received(world.land()) == {"10.0.0.1": 100}
    assert not world.report.problems


def test_an_object_is_fetched_once_until_it_changes(bucket: Bucket, world: World) -> None:
    key = put(bucket, 0, {"10.0.0.1": 500})
    world.land()
    bucket.proxy.heal()
    assert world.received(world.land()) == {"10.0.0.1": 500}
    assert not any(key in path for _, path, _ in bucket.proxy.seen)
    assert world.land().pending([day(0)]) == {}
    put(bucket, 0, {"10.0.0.1": 501})  # As long as before.
    assert world.land(9).pending([day(0)]) == {day(0): [News("core/2026-10-01/a/conn.log.gz", known=True)]}
    assert world.received(world.land()) == {"10.0.0.1": 501}


def test_a_plain_object_that_has_grown_is_gone_on_with(bucket: Bucket, tmp_path: Path) -> None:
    world = World(bucket, tmp_path, "logs/{day}/*.log")
    first, more = log(day(0), {"10.0.0.1": 500}), log(day(0), {"10.0.0.2": 600})
    bucket.put(f"logs/{day(0)}/conn.log", first)
    world.land()
    bucket.put(f"logs/{day(0)}/conn.log", first + more)
    landing = world.land()
    assert world.received(landing) == {"10.0.0.1": 500, "10.0.0.2": 600}
    assert len(landing.ledger.entries[("core", f"{day(0)}/conn.log")].parts) == 2


def test_an_object_that_is_gone_keeps_its_rows(bucket: Bucket, world: World) -> None:
    key = put(bucket, 0, {"10.0.0.1": 500})
    world.land()
    bucket.delete(key)
    landing = world.land()
    assert world.received(landing) == {"10.0.0.1": 500}
    assert [e.missing for e in landing.ledger.entries.values()] == [True]
    assert "no file matches" in world.report.problems[0].message


@pytest.mark.parametrize("kind", ["error", "truncate", "slow"])
def test_a_download_that_fails_once_costs_nothing(bucket: Bucket, world: World, kind: str) -> None:
    key = put(bucket, 0, {f"10.0.0.{n}": 100 + n for n in range(1, 200)})
    bucket.proxy.fault = times(1, kind, "GET", key)
    assert len(world.received(world.land())) == 199
    assert bucket.proxy.spoiled() == [kind]
    assert world.report.problems == []


@pytest.mark.parametrize("kind", ["error", "truncate"])
def test_an_object_that_does_not_come_whole_fails_its_day_alone(bucket: Bucket, world: World, kind: str) -> None:
    key = put(bucket, 0, {f"10.0.0.{n}": 100 + n for n in range(1, 200)})
    put(bucket, 3, {"10.0.0.1": 300})
    bucket.proxy.fault = always(kind, "GET", key)
    landing = world.land(0, 3)
    assert world.received(landing, 3) == {"10.0.0.1": 300}
    with pytest.raises(SourceError, match="cannot be fetched") as caught:
        world.received(landing)
    assert f"{bucket.url}/{key}" in caught.value.message
    assert SECRET not in caught.value.message
    assert [e.all_parts for e in landing.ledger.entries.values() if e.state == "failed"] == [[]]
    assert (len(world.report.problems), world.copies()) == (1, [])
    bucket.proxy.heal()
    assert len(world.received(world.land())) == 199


def test_an_object_replaced_between_listing_and_reading_is_not_read_as_the_other(bucket: Bucket, world: World) -> None:
    key = put(bucket, 0, {"10.0.0.1": 500})
    found = list_files(world.root, world.settings.sources[0]).files[0]
    put(bucket, 0, {"10.0.0.1": 999})
    with pytest.raises(SourceError, match="changed or went away"):
        _ = found.path
    bucket.delete(key)
    with pytest.raises(SourceError, match="changed or went away"):
        _ = found.path


def test_a_store_that_cannot_be_listed_is_no_empty_day(bucket: Bucket, world: World) -> None:
    put(bucket, 0, {"10.0.0.1": 500})
    bucket.proxy.fault = always("error", "GET", "list-type")
    landing = world.land()
    assert "did not answer" in world.report.problems[0].message
    with pytest.raises(SourceError, match="did not answer"):
        world.received(landing)
    bucket.proxy.heal()
    assert world.received(world.land()) == {"10.0.0.1": 500}
    bucket.proxy.fault = always("error", "GET", "list-type")
    assert [e.missing for e in world.land().ledger.entries.values()] == [False]


def test_limits_hold_for_objects(bucket: Bucket, tmp_path: Path) -> None:
    world = World(bucket, tmp_path)
    limits = {"max_line_bytes": 1_024}
    world.settings = Settings.model_validate({**world.settings.model_dump(), "limits": limits})
    bucket.put(f"logs/{day(0)}/conn.log.gz", gzip.compress(b"{" + b"x" * 5_000 + b"}\n"))
    landing = world.land()
    with pytest.raises(SourceError, match="line of more than 1,024 bytes"):
        world.received(landing)


def test_an_object_larger_than_the_room_left_is_refused(
    bucket: Bucket, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    put(bucket, 0, {"10.0.0.1": 500})
    monkeypatch.setattr("pipeline.objects.copies.Copies.room", lambda _self: 10)
    landing = world.land()
    with pytest.raises(SourceError, match="10 on this machine's disk"):
        world.received(landing)


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("logs/*/*.log", ["x/a.log", "y/b.log"]),
        ("logs/**/*.log", ["deep/z/d.log", "top.log", "x/a.log", "y/b.log"]),
        ("logs/*.log", ["top.log"]),
        ("logs/[!x]/?.log", ["y/b.log"]),
        ("logs/x/a.log", ["a.log"]),
        ("logs/**/.x.*", [".x.log"]),
        ("logs/**/*.txt", ["y/b.txt"]),
        ("log/*.log", []),
    ],
)
def test_globs_match_keys_as_they_match_paths(bucket: Bucket, tmp_path: Path, pattern: str, found: list[str]) -> None:
    hidden = (".x.log", ".snapshot/x/a.log", "y/.b.log.Xy2")
    for key in ("x/a.log", "y/b.log", "top.log", "deep/z/d.log", "y/b.txt", *hidden):
        bucket.put(f"logs/{key}", b"x")
        local = tmp_path / "there" / "logs" / key
        local.parent.mkdir(parents=True, exist_ok=True)
        local.write_bytes(b"x")
    world = World(bucket, tmp_path, pattern)
    names = [f.name for f in list_files(tmp_path, world.settings.sources[0]).files]
    files = world.settings.sources[0].model_copy(update={"path": f"{tmp_path}/there/{pattern}"})
    assert names == found
    assert names == [f.name.removeprefix("/") for f in list_files(tmp_path / "site", files).files]


def test_the_marks_of_folders_and_ended_jobs_are_no_logs(bucket: Bucket, world: World) -> None:
    put(bucket, 0, {"10.0.0.1": 500})
    for key in ("logs/", f"logs/{day(0)}/", f"logs/{day(0)}/_SUCCESS", f"logs/{day(0)}_$folder$"):
        bucket.put(key, b"")
    landing = world.land()
    assert (world.received(landing), world.report.problems) == ({"10.0.0.1": 500}, [])


def test_an_object_that_may_not_be_fetched_fails_the_day_of_its_folders(bucket: Bucket, tmp_path: Path) -> None:
    world = World(bucket, tmp_path, "logs/**/*.log.gz")
    for number in (0, 1):
        of = day(number)
        key = f"logs/year={of.year}/month={of.month}/day={of.day}/conn.log.gz"
        bucket.put(key, gzip.compress(log(of, {"10.0.0.1": 500}), mtime=0))
    bucket.proxy.fault = always("error", "GET", "day%3D2/")
    landing = world.land(0, 1)
    assert world.received(landing, 0) == {"10.0.0.1": 500}
    with pytest.raises(SourceError, match=r"day=2/conn\.log\.gz: cannot be fetched"):
        world.received(landing, 1)


def test_small_objects_are_fetched_side_by_side_and_each_once(
    bucket: Bucket, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(24):
        put(bucket, 0, {f"10.0.0.{n}": 500 + n}, f"{n:02}.log.gz")
    lock, now, most, download = threading.Lock(), [0], [0], BucketAsked.download

    def slowly(self: BucketAsked, stamp: Stamp, to: Path, *, exact: bool) -> Stamp:
        with lock:
            now[0] += 1
            most[0] = max(most[0], now[0])
        time.sleep(0.05)
        try:
            return download(self, stamp, to, exact=exact)
        finally:
            with lock:
                now[0] -= 1

    monkeypatch.setattr(BucketAsked, "download", slowly)
    landing = world.land(0)
    assert world.received(landing) == {f"10.0.0.{n}": 500 + n for n in range(24)}
    asked = [path for verb, path, _ in bucket.proxy.seen if verb == "GET" and ".log.gz" in path]
    assert len(asked) == len(set(asked)) == 24
    assert 2 <= most[0] <= AT_ONCE
    assert world.copies() == []


def test_an_object_that_does_not_come_ahead_is_fetched_when_it_is_read(bucket: Bucket, world: World) -> None:
    for n in range(5):
        put(bucket, 0, {f"10.0.0.{n}": 500 + n}, f"{n:02}.log.gz")
    bucket.proxy.fault = times(1, "403 AccessDenied", "GET", "/03.log.gz")  # Which is not tried again.
    landing = world.land(0)
    assert bucket.proxy.spoiled() == ["403 AccessDenied"]
    assert (len(world.received(landing)), world.report.problems) == (5, [])


def test_check_says_what_a_bucket_holds(bucket: Bucket, world: World) -> None:
    put(bucket, 0, {"10.0.0.1": 500})
    found = survey(Site(world.root, world.settings, "test"), NOW)[0]
    assert (found.files, dict(found.formats), found.problems) == (1, {"zeek_json": 1}, [])
    assert found.first == "2026-10-01T12:00:00+00:00"


@pytest.mark.parametrize(("part", "says"), [("..", "illegal character sequence"), ("", "empty path segment")])
def test_a_key_that_climbs_or_has_an_empty_part_makes_the_listing_fail_and_is_named(
    bucket: Bucket, world: World, part: str, says: str
) -> None:
    put(bucket, 0, {"10.0.0.1": 500})
    bucket.put(f"logs/{day(0)}/{part}/conn.log.gz", b"x")
    with pytest.raises(SourceError, match=rf"{says}.*Move that object"):
        world.received(world.land())
