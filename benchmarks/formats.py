"""Every format against DuckDB on one generated file each, in one run: records a second, CPU, and peak memory.

Ours reads the whole file as landing does: every line accounted for, every value judged, all columns of the flows of
watched servers kept. DuckDB's is the bare sum by client of the same file, where it can read it; both must come
to the same sums. How long DuckDB takes to read the whole file into a table, as it finds out the types itself, is told
beside it. Each engine is a process of its own; the CPU is that of the reading, after imports.

    python -m benchmarks.formats [--records 300000] [--only suricata,ecs] [--table docs/benchmarks.md]
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from benchmarks import format_files
from benchmarks.conn_log import servers

ODD = ".odd"
"""How names of files end that hold odd lines on purpose (`odd_lines`)."""
_BEGIN, _END = "<!-- formats: begin -->", "<!-- formats: end -->"
_IN = {name: "ip_bytes_in" for name in ("zeek_tsv", "zeek_json", "vpc_text", "vpc_json", "vpc_parquet")}
_IN |= {name: "ip_bytes_in" for name in ("nfdump_csv", "nfdump_json", "silk")}
_IN |= {"gcp": "payload_bytes_in", "asa": "total_bytes"}


@dataclass(frozen=True)
class Measured:
    """One engine on one file: CPU seconds, peak megabytes, records, and a digest of the sums."""

    cpu: float
    peak_mb: float
    records: int
    digest: str


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _digest(sums: Mapping[str, int]) -> str:
    text = json.dumps({k: int(v) for k, v in sorted(sums.items()) if v})
    return f"{len(sums)} {sum(sums.values())} {hashlib.sha256(text.encode()).hexdigest()[:12]}"


def ours(name: str, path: Path) -> tuple[int, Mapping[str, int], float]:
    """(records, bytes in by client, CPU seconds) by the format's reader."""
    import polars as pl

    from pipeline.inventory import Inventory
    from pipeline.mapping import ColumnMapping
    from pipeline.settings import InventoryEntry, LimitSettings
    from pipeline.sources.base import ReadOptions
    from pipeline.sources.reading import LineStream
    from pipeline.sources.registry import READERS
    from pipeline.sources.tables import TableReader
    from pipeline.sources.watch import Watch

    entries = [InventoryEntry(address=s, category=("email_server",)) for s in sorted(set(servers()))]
    named = (("start_time", "when"), ("src_ip", "client"), ("src_port", "cport"), ("dest_ip", "server"))
    mapping = ColumnMapping((*named, ("dest_port", "sport"), ("bytes_in", "received"), ("bytes_out", "sent")))
    options = ReadOptions(Watch(Inventory(entries)), 4 * 10**15, mapping=mapping)
    start = _cpu()
    kept, records = [], 0
    if name in format_files.PARQUET:
        parts = TableReader(name, options).read_table(path)
    else:
        reader = READERS[name](options)
        stream = LineStream(path, LimitSettings(), path.name)
        parts = (reader.read(block) for block in stream.blocks())
    for parsed in parts:
        assert path.suffix == ODD or not parsed.account.quarantined, parsed.rejects
        records += parsed.account.records - parsed.account.ignored
        kept.append(parsed.rows)
    rows = pl.concat(kept)
    cpu = _cpu() - start
    column = _IN.get(name, "other_bytes_in")
    client = pl.col("src_ip")
    watched = sorted(set(servers()))
    client = pl.when(client.is_in(watched)).then("dest_ip").otherwise(client)
    sums = rows.group_by(client.alias("client")).agg(pl.col(column).sum().alias("n")).filter(pl.col("n") > 0)
    return records, dict(sums.iter_rows()), cpu


_JSON = {
    "zeek_json": ("id.orig_h", "id.resp_h", "resp_ip_bytes", '"id.orig_h": "VARCHAR", "id.resp_h": "VARCHAR", '
                  '"resp_ip_bytes": "BIGINT"'),
    "suricata": ("src_ip", "dest_ip", "flow.bytes_toclient", '"src_ip": "VARCHAR", "dest_ip": "VARCHAR", '
                 '"flow": "STRUCT(bytes_toclient BIGINT)"'),
    "ecs": ("source.ip", "destination.ip", "destination.bytes", '"source": "STRUCT(ip VARCHAR)", '
            '"destination": "STRUCT(ip VARCHAR, bytes BIGINT)"'),
    "ocsf": ("src_endpoint.ip", "dst_endpoint.ip", "traffic.bytes_in", '"src_endpoint": "STRUCT(ip VARCHAR)", '
             '"dst_endpoint": "STRUCT(ip VARCHAR)", "traffic": "STRUCT(bytes_in BIGINT)"'),
    "cim_json": ("result.src_ip", "result.dest_ip", "result.bytes_in", '"result": "STRUCT(src_ip VARCHAR, dest_ip '
                 'VARCHAR, bytes_in BIGINT)"'),
    "vpc_json": ("dstaddr", "srcaddr", "bytes", '"dstaddr": "VARCHAR", "srcaddr": "VARCHAR", "bytes": "BIGINT"'),
    "nfdump_json": ("dst4_addr", "src4_addr", "in_bytes", '"dst4_addr": "VARCHAR", "src4_addr": "VARCHAR", '
                    '"in_bytes": "BIGINT"'),
    "gcp": ("jsonPayload.connection.dest_ip", "jsonPayload.connection.src_ip", "jsonPayload.bytes_sent",
            '"jsonPayload": "STRUCT(connection STRUCT(dest_ip VARCHAR, src_ip VARCHAR), bytes_sent BIGINT)"'),
}  # fmt: skip
"""Encoding -> client, server, bytes, and the columns that hold them."""
_CSV = {
    "zeek_tsv": (3, 5, 18, 18, "\\t", 3),
    "cim_csv": (3, 5, 10, 15, ",", 1),
    "vpc_text": (5, 4, 10, 14, " ", 0),
    "nfdump_csv": (5, 4, 13, 19, ",", 1),
    "silk": (2, 1, 7, 13, "|", 1),
    "argus": (5, 8, 14, 14, ",", 1),
    "table_csv": (2, 4, 6, 8, ",", 1),
}
"""Encoding -> numbers of the columns of client, server and bytes; of all columns; delimiter; lines of the head."""
_PATTERN = {
    "fortinet": (" srcip=([^ ]+)", " dstip=([^ ]+)", " rcvdbyte=([0-9]+)"),
    "checkpoint": ("\\|src=([^|]+)", "\\|dst=([^|]+)", "\\|received_bytes=([0-9]+)"),
    "asa": (" to inside:([^/]+)/", " for outside:([^/]+)/", " bytes ([0-9]+)"),
    "paloalto": ("TRAFFIC,end,(?:[^,]*,){2}([^,]*),", "TRAFFIC,end,(?:[^,]*,){3}([^,]*),",
                 "TRAFFIC,end,(?:[^,]*,){28}([0-9]+),"),
}  # fmt: skip
"""Encoding -> patterns of client, server and bytes in a line."""
_COLUMNAR = {
    "vpc_parquet": ("dstaddr", "srcaddr", "bytes"),
    "ocsf_parquet": ("src_endpoint.ip", "dst_endpoint.ip", "traffic.bytes_in"),
    "table_parquet": ("client", "server", "received"),
}


def _quoted(name: str) -> str:
    return f'"{name}"' if name.startswith("id.") else name


def query(name: str, path: Path) -> str:
    """DuckDB's sum by client of the watched servers."""
    watched = ",".join(f"'{s}'" for s in sorted(set(servers())))
    if name in _JSON:
        client, server, size, columns = _JSON[name]
        reads = f"read_json('{path}', format='newline_delimited', columns={{{columns.replace(chr(34), chr(39))}}})"
        client, server, size = (_quoted(n) for n in (client, server, size))
    elif name in _CSV:
        at, of, n, width, cut, skip = _CSV[name]
        types = ",".join(f"'c{i}': '{'BIGINT' if i == n else 'VARCHAR'}'" for i in range(1, width + 1))
        reads = (
            f"read_csv('{path}', delim='{cut}', header=false, skip={skip}, quote='', escape='', auto_detect=false, "
            f"columns={{{types}}})"
        )
        client, server, size = f"c{at}", f"c{of}", f"c{n}"
    elif name in _PATTERN:
        client, server, size = (f"regexp_extract(line, '{p}', 1)" for p in _PATTERN[name])
        size = f"({size})::BIGINT"
        reads = f"read_csv('{path}', delim='\\x01', header=false, quote='', escape='', auto_detect=false, "
        reads += "columns={'line': 'VARCHAR'})"
    elif name == "azure_json":
        client, server, size = "p[2]", "p[3]", "p[13]::BIGINT"
        flows = "STRUCT(flows STRUCT(flows STRUCT(flowTuples VARCHAR[])[])[])"
        reads = (
            "(SELECT string_split(t, ',') AS p FROM (SELECT unnest(properties.flows[1].flows[1].flowTuples) AS t FROM "
            f"read_json('{path}', format='newline_delimited', columns={{'properties': '{flows}'}}, "
            "maximum_object_size=100000000)))"
        )
    else:
        client, server, size = _COLUMNAR[name]
        reads = f"read_parquet('{path}')"
    return f"SELECT {client} AS client, sum({size}) AS n FROM {reads} WHERE {server} IN ({watched}) GROUP BY 1"


def duck(name: str, path: Path) -> tuple[int, Mapping[str, int], float]:
    """The same by DuckDB; records are not counted."""
    import duckdb

    connection = duckdb.connect(config={"threads": os.cpu_count() or 1})
    connection.execute("SELECT 1").fetchall()
    start = _cpu()
    rows = connection.execute(query(name, path)).fetchall()
    return 0, {k: int(v) for k, v in rows if v}, _cpu() - start


def whole(name: str, path: Path) -> str | None:
    """DuckDB's reading of a file as it is, with the types that it finds; None where it sees lines of text alone."""
    if name in _PATTERN:
        return None
    if name in _CSV:
        _, _, _, _, cut, skip = _CSV[name]
        return f"read_csv('{path}', delim='{cut}', header=false, skip={skip})"
    if name in _COLUMNAR:
        return f"read_parquet('{path}')"
    return f"read_json('{path}', format='newline_delimited', maximum_object_size=100000000)"


def table(name: str, path: Path) -> tuple[int, Mapping[str, int], float]:
    """(rows, no sums, CPU seconds) of DuckDB's table of all columns."""
    import duckdb

    connection = duckdb.connect(config={"threads": os.cpu_count() or 1})
    connection.execute("SELECT 1").fetchall()
    start = _cpu()
    connection.execute(f"CREATE TABLE flows AS SELECT * FROM {whole(name, path)}")
    cpu = _cpu() - start
    rows = connection.execute("SELECT count(*) FROM flows").fetchall()[0][0]
    return int(rows), {}, cpu


_ENGINES = {"ours": ours, "duck": duck, "table": table}


def run(engine: str, name: str, path: Path) -> Measured:
    """One engine in a process of its own."""
    words = [sys.executable, "-m", "benchmarks.formats", "--engine", engine, name, str(path)]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{engine} on {name} failed:\n{done.stderr[-2000:]}")
    found = json.loads(done.stdout.splitlines()[-1])
    return Measured(found["cpu"], found["peak"], found["records"], found["digest"])


def _answer(engine: str, name: str, path: Path) -> None:
    records, sums, cpu = _ENGINES[engine](name, path)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps({"cpu": cpu, "peak": peak, "records": records, "digest": _digest(sums)}))


def compare(name: str, folder: Path, count: int, repeat: int) -> tuple[Measured, Measured, Measured | None, float]:
    """(ours, DuckDB's, its table's, megabytes of the file); of several runs the one with the least CPU."""
    path = folder / f"{name}.log"
    # In a process of its own, for a child's peak begins at that of its parent.
    subprocess.run([sys.executable, "-m", "benchmarks.format_files", name, str(path), str(count)], check=True)
    size = path.stat().st_size / 1e6
    engines = [engine for engine in _ENGINES if engine != "table" or whole(name, path)]
    runs = [[run(engine, name, path) for engine in engines] for _ in range(repeat)]
    mine, his, *rest = (min(of_one, key=lambda m: m.cpu) for of_one in zip(*runs, strict=True))
    path.unlink()
    assert mine.digest == his.digest, (name, mine.digest, his.digest)
    assert mine.records == count, (name, mine.records)
    return mine, his, rest[0] if rest else None, size


def goal(name: str) -> float:
    """The ratio of CPU seconds to DuckDB's that a format should not exceed."""
    return 1.6 if name in _JSON or name == "azure_json" else 1.0


def row(name: str, mine: Measured, his: Measured, tabled: Measured | None, size: float) -> str:
    """One line of the table."""
    ratio = mine.cpu / his.cpu
    all_columns = (f"{tabled.cpu:.2f}", f"{mine.cpu / tabled.cpu:.2f}") if tabled else ("", "")
    cells = (name, f"{size:,.0f}", f"{mine.records / mine.cpu:,.0f}", f"{mine.cpu:.2f}", f"{his.cpu:.2f}",
             f"{ratio:.2f}", f"{goal(name):.1f}", "yes" if ratio <= goal(name) else "no", *all_columns,
             f"{mine.peak_mb:,.0f}", f"{his.peak_mb:,.0f}")  # fmt: skip
    return f"| {' | '.join(cells)} |"


_HEAD = ("encoding", "MB", "records per CPU s", "CPU s", "DuckDB CPU s", "ratio", "goal", "met",
         "DuckDB's table CPU s", "ratio to it", "peak MB", "DuckDB peak MB")  # fmt: skip


def main() -> None:
    """Print the table, and put it where it is asked for."""
    parser = argparse.ArgumentParser(description="Readers of all formats against DuckDB.")
    parser.add_argument("--records", type=int, default=300_000)
    parser.add_argument("--only", default=",".join(format_files.NAMES))
    parser.add_argument("--repeat", type=int, default=1, help="runs of each engine, of which the best counts")
    parser.add_argument("--table", type=Path, help="a document that holds the table between its marks")
    parser.add_argument("--engine", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.engine:
        engine, name, path = options.engine
        _answer(engine, name, Path(path))
        return
    rows = [f"| {' | '.join(_HEAD)} |", f"|{'---|' * len(_HEAD)}"]
    print("\n".join(rows))
    with tempfile.TemporaryDirectory() as folder:
        for name in options.only.split(","):
            rows.append(row(name, *compare(name, Path(folder), options.records, options.repeat)))
            print(rows[-1], flush=True)
    if options.table is not None:
        text = options.table.read_text(encoding="utf-8")
        before, after = text.split(_BEGIN)[0], text.split(_END)[1]
        table = "\n".join(rows)
        options.table.write_text(f"{before}{_BEGIN}\n{table}\n{_END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
