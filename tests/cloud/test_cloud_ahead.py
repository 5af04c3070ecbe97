"""Logs and tables in an object store, read by several processes: what is landed is the same to the byte."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from pipeline.intake import ahead
from pipeline.intake.ahead import Ahead, Reading
from pipeline.intake.landing import Landing
from pipeline.objects import cloud_objects, known
from pipeline.settings import Settings
from pipeline.storage import Storage
from tests.cloud.buckets import OPTIONS, Bucket
from tests.cloud.proxy import always
from tests.cloud.test_cloud_sources import NOW, log
from tests.worlds import SERVER, day

DAYS = [day(n) for n in range(3)]


@pytest.fixture(autouse=True)
def _always_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ahead, "WORTH_BYTES", 0)


@pytest.fixture
def elsewhere(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The objects that another process had read."""
    found, take = set[str](), Ahead.take

    def noted(self: Ahead, reading: Reading) -> object:
        read = take(self, reading)
        if read is not None:
            found.add(reading.file.name)
        return read

    monkeypatch.setattr(Ahead, "take", noted)
    return found


def tables_in(bucket: Bucket, root: Path, prefix: str) -> Storage:
    return Storage(cloud_objects(f"{bucket.url}/{prefix}", OPTIONS, root / "cache"))


def objects_of(bucket: Bucket, prefix: str) -> dict[str, bytes]:
    found = bucket.direct.list_objects_v2(Bucket=bucket.name, Prefix=f"{prefix}/").get("Contents", [])
    keys = [o["Key"] for o in found]
    return {k.removeprefix(prefix): bucket.direct.get_object(Bucket=bucket.name, Key=k)["Body"].read() for k in keys}


def files_of(root: Path) -> dict[str, bytes]:
    return {f"/{p.relative_to(root).as_posix()}": p.read_bytes() for p in root.rglob("*") if p.is_file()}


def fill(bucket: Bucket) -> None:
    """Good logs, one twice, one with a fault, one cut, one of no format."""
    for number in range(3):
        bucket.put(f"logs/a/{number} conn.log.gz", gzip.compress(log(day(number), {"10.0.0.1": 500 + number}), mtime=0))
    bucket.put("logs/a/3 again.log.gz", gzip.compress(log(day(1), {"10.0.0.1": 501}), mtime=0))
    bucket.put("logs/b/faults.log", log(day(1), {"10.0.0.2": 7}) + b"{torn\n" + log(day(2), {"10.0.0.3": 8}))
    bucket.put("logs/b/cut.log.gz", gzip.compress(log(day(0), {"10.0.0.4": 9}))[:-6])
    bucket.put("logs/b/none.log", b"neither this\nnor that\n")
    bucket.put("logs/b/unreadable.log", log(day(2), {"10.0.0.5": 10}))


def land(bucket: Bucket, at: Storage, root: Path, processes: int) -> tuple[object, ...]:
    source = {"name": "core", "path": f"{bucket.url}/logs/**/*.log*", "storage_options": OPTIONS}
    inventory = [{"address": SERVER, "category": "email_server"}]
    told = {"sources": [source], "inventory": inventory, "landing_processes": processes}
    report = Landing(root, at, Settings.model_validate(told), NOW).land(DAYS)
    return report.listed, report.landed, report.bytes_read, [p.what for p in report.problems]


@pytest.mark.parametrize("tables", ["bucket", "folder"])
def test_what_several_processes_land_is_the_same_to_the_byte(
    bucket: Bucket, tmp_path: Path, elsewhere: set[str], tables: str
) -> None:
    fill(bucket)
    bucket.proxy.fault = always("403 AccessDenied", "GET", "unreadable")
    found = []
    for processes in (1, 2):
        root = tmp_path / str(processes)
        if tables == "bucket":
            at = tables_in(bucket, root, f"site{processes}")
            told = land(bucket, at, root, processes)
            found.append((told, objects_of(bucket, f"site{processes}")))
        else:
            told = land(bucket, Storage(root / "data"), root, processes)
            found.append((told, files_of(root / "data")))
        assert not list((root / "cache" / "sources").glob("*"))
    alone, together = found
    assert together == alone
    assert len([n for n in alone[1] if n.endswith(".parquet")]) > 4
    assert {"a/0 conn.log.gz", "a/1 conn.log.gz", "b/faults.log"} <= elsewhere
    assert not {"b/unreadable.log", "b/none.log", "b/cut.log.gz"} & elsewhere


def test_what_another_process_wrote_is_read_as_it_is_now(
    bucket: Bucket, tmp_path: Path, elsewhere: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are landed anew under the names that they had, and this process had looked at these a moment ago."""
    monkeypatch.setattr(known, "STEADY_SECONDS", 600.0)
    fill(bucket)
    at = tables_in(bucket, tmp_path, "site")
    land(bucket, at, tmp_path, 1)
    names = [n for n in at.objects.below("landing") if n.endswith(".parquet")]
    for name in names:
        at.write_text(name, "damaged")
    at.remove("landing/ledger.jsonl")
    assert not any(f and f.read_bytes().startswith(b"PAR1") for f in at.objects.fetch(names))
    land(bucket, at, tmp_path, 2)
    assert len(elsewhere) >= 4
    assert all(f and f.read_bytes().startswith(b"PAR1") for f in at.objects.fetch(names))
