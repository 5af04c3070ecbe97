"""Counting once, record by record in plain Python: what the vectorised counting must agree with."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator
from typing import Any

Row = dict[str, Any]
LAYERS = ("ip", "payload", "other")
BYTES = [f"{layer}_bytes_{side}" for layer in LAYERS for side in ("in", "out")]
COUNTS = [*BYTES, "packets_in", "packets_out", "missed_bytes", "total_bytes"]
KEY = ("src_ip", "src_port", "dest_ip", "dest_port", "transport")
OBSERVER = ("source", "dvc", "reporter")


def side(row: Row) -> str:
    known = [any(row[c] is not None for c in BYTES if c.endswith(s)) for s in ("_in", "_out")]
    return "both" if known[0] == known[1] else "in" if known[0] else "out"


def size(row: Row) -> int:
    known = [[row[f"{layer}_bytes_{way}"] for layer in LAYERS] for way in ("in", "out")]
    best = [next((n for n in way if n is not None), 0) for way in known]
    return max(sum(best), row["total_bytes"] or 0)


def pick(row: Row, names: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(row[n] for n in names)


def has_ends(row: Row) -> bool:
    return all(row[c] is not None for c in ("start_time", "src_port", "dest_port"))


def end(row: Row) -> dt.datetime:
    found: dt.datetime = row["start_time"] + dt.timedelta(microseconds=row["duration"] or 0)
    return found


def order(row: Row) -> tuple[Any, ...]:
    return (row["source_file"], row["source_line"], row["source"])


def groups(rows: list[Row], key: Any) -> Iterator[list[Row]]:
    found: dict[Any, list[Row]] = defaultdict(list)
    for row in rows:
        found[key(row)].append(row)
    yield from found.values()


def start(row: Row) -> dt.datetime:
    found: dt.datetime = row["start_time"]
    return found


def runs(rows: list[Row], key: Any, gap: dt.timedelta, begin: Any = start) -> Iterator[list[Row]]:
    for group in groups(rows, key):
        group.sort(key=lambda r: (begin(r), *order(r)))
        run = [group[0]]
        for row in group[1:]:
            if begin(row) - max(end(r) for r in group[: group.index(row)]) > gap:
                yield run
                run = []
            run.append(row)
        yield run


def turned(row: Row) -> Row:
    mirror = dict(row)
    for a, b in [("src_ip", "dest_ip"), ("src_port", "dest_port"), ("packets_in", "packets_out"),
                 *((f"{n}_bytes_in", f"{n}_bytes_out") for n in LAYERS)]:  # fmt: skip
        mirror[a], mirror[b] = row[b], row[a]
    mirror["reporter"] = {"src": "dest", "dest": "src", None: None}[row["reporter"]]
    return mirror


def is_open(row: Row) -> bool:
    return row["orientation"] == "unknown" and side(row) != "both" and has_ends(row)


def by_order(rows: list[Row]) -> list[Row]:
    out = [r for r in rows if not has_ends(r)]

    def pair(row: Row) -> Any:
        ends = [(row["src_port"], row["src_ip"]), (row["dest_port"], row["dest_ip"])]
        return (*sorted(ends), row["transport"])

    for group in groups([r for r in rows if has_ends(r)], pair):
        told = [r for r in group if not is_open(r)]

        def rank(row: Row) -> Any:
            high = max((row["src_port"], row["src_ip"]), (row["dest_port"], row["dest_ip"]))
            return (is_open(row), row["start_time"], (row["src_port"], row["src_ip"]) != high, *order(row))

        first = min(group, key=rank)
        ways = {(r["src_ip"], r["src_port"]) for r in group}
        for row in group:
            if is_open(row) and (told or len(ways) > 1):
                flipped = pick(row, ("src_ip", "src_port")) != pick(first, ("src_ip", "src_port"))
                out.append((turned(row) if flipped else dict(row)) | {"orientation": "order"})
            else:
                out.append(row)
    return out


def best(rows: list[Row]) -> Row:
    return min(rows, key=lambda r: (-(-1 if r["duration"] is None else r["duration"]), -size(r), *order(r)))


def is_sample(row: Row) -> bool:
    packets = max((p for p in (row["packets_in"], row["packets_out"]) if p is not None), default=None)
    rate = row["sampling_rate"] or 1
    if row["accounting"] != "delta" or row["duration"]:
        return False
    told = rate > 1 and (packets is None or packets <= rate)
    return told or (packets is not None and packets >= 64 and size(row) % packets == 0)


def told_once(rows: list[Row]) -> list[Row]:
    kept: list[Row] = [r for r in rows if r["record_id"] is None]
    for group in groups([r for r in rows if r["record_id"] is not None], lambda r: (r["source"], r["record_id"])):
        kept.append(best(group))

    def record(row: Row) -> Any:
        return pick(row, (*OBSERVER, "uid", "start_time", *KEY))

    seen: dict[Any, int] = defaultdict(int)

    def whole_record(row: Row) -> Any:
        counters = tuple(row[c] for c in ("duration", *COUNTS)) if row["accounting"] == "delta" else None
        found = (record(row), counters, side(row))
        if not is_sample(row):
            return found
        seen[(found, row["source_file"])] += 1
        return (found, seen[(found, row["source_file"])])

    applies = [r for r in kept if (r["uid"] is not None or has_ends(r)) and r["accounting"] != "cumulative"]
    applies.sort(key=order)
    single = [best(g) for g in groups(applies, whole_record)]
    after = [r for r in kept if r not in applies] + single
    wholes = {record(r) for r in after if side(r) == "both" and size(r) > 0}
    return [
        r
        for r in after
        if not (
            (r["uid"] is not None or has_ends(r))
            and r["accounting"] == "final"
            and side(r) != "both"
            and record(r) in wholes
        )
    ]


def last_of_sessions(rows: list[Row], window: dt.timedelta) -> list[Row]:
    lost = []

    def named(row: Row) -> Any:
        return pick(row, (*OBSERVER, "uid", *KEY))

    candidates = [r for r in rows if r["accounting"] != "delta"]
    for mine, gap in (
        ([r for r in candidates if r["uid"] is not None], window),
        ([r for r in candidates if r["uid"] is None and has_ends(r)], dt.timedelta(seconds=2)),
    ):
        for run in runs(mine, named, gap):
            interim = [r for r in run if r["accounting"] == "cumulative"]
            if len(interim) == len(run):
                last = max(run, key=lambda r: (-1 if r["duration"] is None else r["duration"], size(r), *order(r)))
                lost += [r for r in interim if r is not last]
            else:
                lost += interim
    return [r for r in rows if not any(r is x for x in lost)]


def weight(row: Row, edges: Any) -> int:
    over = row["accounting"] != "delta" and any(row["start_time"] < e < end(row) for e in edges)
    return 2 * size(row) if over else size(row)


def with_transport(rows: list[Row]) -> list[Row]:
    if len({pick(r, OBSERVER) for r in rows}) < 2:
        return rows
    told: dict[Any, set[str]] = defaultdict(set)
    for row in rows:
        if row["transport"] != "unknown":
            told[pick(row, KEY[:-1])].add(row["transport"])
    out = []
    for row in rows:
        names = told[pick(row, KEY[:-1])]
        open_row = row["transport"] == "unknown" and has_ends(row) and len(names) == 1
        out.append({**row, "transport": min(names)} if open_row else row)
    return out


MINUTE = dt.timedelta(minutes=1)


def begun(rows: list[Row], window: dt.timedelta) -> Any:
    def begin(row: Row) -> dt.datetime:
        if row["accounting"] != "delta" or row["duration"] is not None:
            return start(row)
        mine = [r for r in rows if r is not row and pick(r, (*OBSERVER, *KEY)) == pick(row, (*OBSERVER, *KEY))]
        told = [r for r in mine if r["start_time"] is not None]
        before = [start(r) for r in told if (start(r), *order(r)) < (start(row), *order(row))]
        return max([start(row) - max(window, MINUTE), *before])

    return begin


def saw(row: Row, way: str) -> bool:
    return any((row[c] or 0) > 0 for c in BYTES if c.endswith(way))


def by_side(run: list[Row]) -> Iterator[list[Row]]:
    """Records that are judged together, without zeros for what they did not see."""
    ways = [[saw(r, way) for way in ("_in", "_out")] for r in run]
    seen = any(any(w) for w in ways)
    sides = ["both" if all(w) else "in" if w[0] else "out" for w in ways] if seen else [side(r) for r in run]
    if "both" in sides or len(set(sides)) < 2:
        yield run
        return
    for this, other in (("in", "_out"), ("out", "_in")):
        unseen = [c for c in COUNTS if c.endswith(other)]
        mine = [r for s, r in zip(sides, run, strict=True) if s == this]
        yield [r | {c: None for c in unseen if r[c] == 0} for r in mine]


def near(row: Row, counted: Row, begin: Any) -> bool:
    if counted["duration"] is None and counted["accounting"] != "delta":
        return True
    apart = max(begin(row) - end(counted), begin(counted) - end(row))
    return bool(apart <= MINUTE)


def one_sensor(rows: list[Row], window: dt.timedelta, sensors: tuple[str, ...], edges: Any = ()) -> list[Row]:
    def seen_at(row: Row) -> bool:
        return has_ends(row) or (row["start_time"] is not None and row["reporter"] is not None)

    told = groups([r for r in rows if seen_at(r)], lambda r: pick(r, KEY))
    left = [r for group in told if len({pick(r, OBSERVER) for r in group}) > 1 for r in group]
    kept = [r for r in rows if not any(r is x for x in left)]

    def wish(name: Any) -> int:
        return sensors.index(name) if name in sensors else len(sensors)

    def layer(row: Row) -> int:
        known = [any(row[f"{n}_bytes_{s}"] is not None for s in ("in", "out")) for n in LAYERS[:2]]
        return 0 if known[0] else 1 if known[1] else 2

    def rank(seen: list[Row]) -> Any:
        name = [(v is None, v or "") for v in pick(seen[0], OBSERVER)]
        wishes = min(min(wish(r["dvc"]), wish(r["source"])) for r in seen)
        whole = all(any(saw(r, way) for r in seen) for way in ("_in", "_out"))
        parts = any(r["accounting"] == "delta" for r in seen)
        return (not whole, wishes, min(layer(r) for r in seen), -sum(weight(r, edges or ()) for r in seen), parts, name)

    first = begun(rows, window)
    begins = {order(r): first(r) for r in rows if r["start_time"] is not None}

    def begin(row: Row) -> dt.datetime:
        return begins[order(row)]

    while left:
        beside: list[Row] = []
        for run in runs(left, lambda r: pick(r, KEY), MINUTE, begin):
            for mine in by_side(run):
                counted = min(groups(mine, lambda r: pick(r, OBSERVER)), key=rank)
                kept += counted
                others = [r for r in mine if not any(r is c for c in counted)]
                beside += [r for r in others if not any(near(r, c, begin) for c in counted)]
        left = beside
    return kept


def paired(rows: list[Row], window: dt.timedelta) -> list[Row]:
    halves = [r for r in rows if side(r) != "both" and r["accounting"] == "final" and has_ends(r)]
    kept = [r for r in rows if not any(r is h for h in halves)]
    for run in runs(halves, lambda r: (r["source"], *pick(r, KEY)), window):
        ways = [[r for r in run if side(r) == s] for s in ("in", "out")]
        for n in range(max(map(len, ways))):
            pair = sorted((w[n] for w in ways if n < len(w)), key=run.index)
            first = dict(pair[0])
            if len(pair) > 1:
                for c in COUNTS:
                    first[c] = pair[1][c] if first[c] is None else first[c]
                first["duration"] = int((max(map(end, pair)) - first["start_time"]) / dt.timedelta(microseconds=1))
            kept.append(first)
    return kept


def merged(rows: list[Row], window: dt.timedelta) -> list[Row]:
    stretches = [r for r in rows if r["accounting"] == "delta" and has_ends(r)]
    kept = [r for r in rows if not any(r is s for s in stretches)]
    for run in runs(stretches, lambda r: (r["source"], *pick(r, KEY)), window):
        first = dict(run[0])
        for c in COUNTS:
            known = [r[c] for r in run if r[c] is not None]
            first[c] = sum(known) if known else None
        if any(r["duration"] is not None for r in run):
            first["duration"] = int((max(map(end, run)) - first["start_time"]) / dt.timedelta(microseconds=1))
        kept.append(first)
    return kept


def count_once(rows: list[Row], window: dt.timedelta, sensors: tuple[str, ...] = (), within: Any = None) -> list[Row]:
    """The flows of the records, and how many there were less than records."""
    rows = told_once(by_order(rows))
    rows = last_of_sessions(rows, window)
    rows = paired(one_sensor(with_transport(rows), window, sensors, within), window)
    if within:
        rows = [r for r in rows if r["start_time"] is not None and within[0] <= r["start_time"] < within[1]]
    return merged(rows, window)
