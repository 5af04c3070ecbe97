"""What becomes of a client's company when its own volume of the day is another one.

A client's volume plays no part in its own expectation, but it is among those whose median is the day's effect on the
others: how unusual they are moves with it, and so who of them is unusual at all. In groups of three, where that median
is half the client's own, it moves without end. Here the others' day is told anew for one client's volume at a time,
from the scores of the day alone. What company is worth is decided in `calibration`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from pipeline.methods.surge.centre import surprise
from pipeline.methods.surge.company import LEADERS, LEAST_OTHERS, leading_from, together
from pipeline.methods.surge.effects import day_effect, log_volume, medians_of_others

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    Floats = npt.NDArray[np.float64]
    Whole = npt.NDArray[np.int64]

_FAR = 100.0
"""No two volumes that 64 bits hold lie so far apart in logarithms."""
_MOST = 32
"""So many others of a group, and outside of it, are told anew. In larger groups one client moves hardly any."""


class Neighbours:
    """The rows of one day, and who of them may be unusual or not as the volume of one other client has it."""

    def __init__(self, today: pl.DataFrame, unusual: float, usual_rate: float) -> None:
        """From all raw scores of the day, the surprise from which a day is unusual, and the past's share of such."""
        self._unusual, self._usual_rate = unusual, usual_rate
        residual = (log_volume("bytes") - pl.col("usual")).alias("residual")
        rows = medians_of_others(today.with_columns(residual)).with_row_index("row")
        self._rows = rows.with_columns(
            team=pl.struct("role", "group").rank("dense").cast(pl.Int64),
            known=pl.col("surprise").is_not_null(),
            free=pl.col("surprise").is_not_null() & pl.col("explained_by").is_null(),
        )
        self._numbers = {
            c: self._rows[c].cast(pl.Float64).to_numpy()
            for c in ("fleet", "fleet_n", "peers", "peers_n", "usual", "follows", "centre", "scale", "nu")
        }
        self._y = self._rows.select(log_volume("bytes")).to_series().to_numpy()
        values, team = self._rows["residual"].to_numpy(), self._rows["team"].to_numpy()
        self._fleet, self._team = _Ordered(values, team * 0), _Ordered(values, team)
        self._watch()

    def with_company(self, rows: pl.DataFrame) -> pl.DataFrame:
        """The rows, which are the day's with volumes of their own, with their company as it is beside such a volume.

        Each is told as if it alone had another volume than it had. Only those are told anew who can have two unusual
        others at all: without them there is no company.
        """
        known = self._rows.select("client", "row", "team", "touchy")
        at = rows.select("client").join(known, on="client", how="left", maintain_order="left")
        asked = rows.with_row_index("place").with_columns(at["row"], at["team"], at["touchy"])
        asked = asked.filter(pl.col("touchy") & pl.col("usual").is_not_null())
        if asked.is_empty():
            return rows
        told = self._told(asked).with_columns(asked["client"])
        names = ("company", "company_from")
        rows = rows.join(told, on="client", how="left", maintain_order="left", suffix="_beside")
        return rows.with_columns(pl.coalesce(f"{c}_beside", c).alias(c) for c in names).drop(
            f"{c}_beside" for c in names
        )

    def _watch(self) -> None:
        """Marks whose day another one's volume can make unusual or not, and who may have company."""
        lowest, highest = -_FAR, _FAR
        least = {"here": self._extreme(highest, near=True), "there": self._extreme(highest, near=False)}
        most = {"here": self._extreme(lowest, near=True), "there": self._extreme(lowest, near=False)}
        rows = self._rows.with_columns(
            *(
                (pl.col("free") & (pl.Series(v) >= self._unusual)).alias(f"{name}_{at}")
                for name, by in (("sure", least), ("may", most))
                for at, v in by.items()
            ),
            least=pl.Series(least["here"]),
            most=pl.Series(most["here"]),
        )
        # A client may be one of the leaders itself: so many others are behind the last that can lead beside it.
        leaders = pl.col("least").filter("sure_here").top_k(LEADERS + 1)
        behind = pl.when(leaders.len() > LEADERS).then(leaders.min()).over("team")
        near = pl.col("may_here") & (~pl.col("sure_here") | (pl.col("most") >= behind).fill_null(True))
        others = pl.col("may_here").sum().over("team").cast(pl.Int64) - pl.col("may_here").cast(pl.Int64)
        self._rows = rows.with_columns(
            near=near & (_place(near).over("team") <= _MOST),
            far=(far := pl.col("may_there") & ~pl.col("sure_there")) & (_place(far) <= _MOST),
            touchy=pl.col("group").is_not_null() & (others >= LEAST_OTHERS),
        )

    def _extreme(self, value: float, *, near: bool) -> Floats:
        """The surprise of each, were another client at the very end of all volumes, of its own group or of another."""
        n = self._numbers
        row = self._rows["row"].cast(pl.Int64).to_numpy()
        fleet = self._fleet.beside(row, self._fleet.end(row, first=value > 0), value)
        peers = self._team.beside(row, self._team.end(row, first=value > 0), value) if near else n["peers"]
        return self._surprise(row, fleet, peers)

    def _surprise(self, row: Whole, fleet: Floats, peers: Floats) -> Floats:
        """Of rows with other medians of the others."""
        n = {c: v[row] for c, v in self._numbers.items()}
        shift = n["follows"] * day_effect(fleet, n["fleet_n"], peers, n["peers_n"])
        t = (self._y[row] - shift - n["centre"]) / n["scale"]
        return surprise(pl.Series(t), pl.Series(n["nu"])).to_numpy()

    def _told(self, asked: pl.DataFrame) -> pl.DataFrame:
        """The columns company and company_from of each row asked, in their order."""
        own = asked.select("place", "row", "team", value=log_volume("bytes") - pl.col("usual"))
        pairs = own.join(self._rows.filter("near").select("team", other="row"), on="team")
        pairs = pairs.filter(pl.col("row") != pl.col("other"))
        pairs = pairs.with_columns(surprise=self._of_pairs(pairs, near=True))
        pairs = pairs.filter(pl.col("surprise") >= self._unusual)
        beside = pairs.group_by("place").agg(
            unusual=pl.len().cast(pl.Int64), leaders=pl.col("surprise").top_k(LEADERS).sort(descending=True)
        )
        far = own.join(self._rows.filter("far").select(away="team", other="row"), how="cross")
        far = far.filter(pl.col("team") != pl.col("away"))
        far = far.filter(pl.Series(self._of_pairs(far, near=False)) >= self._unusual)
        elsewhere = far.group_by("place").agg(far=pl.len().cast(pl.Int64))
        return self._counted(
            own.join(beside, on="place", how="left", maintain_order="left")
            .join(elsewhere, on="place", how="left", maintain_order="left")
            .with_columns(pl.col("unusual", "far").fill_null(0))
        )

    def _of_pairs(self, pairs: pl.DataFrame, *, near: bool) -> Floats:
        """The surprise of each other client beside the volume of the one whose it is."""
        row, other = (pairs[c].cast(pl.Int64).to_numpy() for c in ("row", "other"))
        value = pairs["value"].to_numpy()
        fleet = self._fleet.beside(other, self._fleet.rank[row], value)
        peers = self._team.beside(other, self._team.rank[row], value) if near else self._numbers["peers"][other]
        return self._surprise(other, fleet, peers)

    def _counted(self, own: pl.DataFrame) -> pl.DataFrame:
        """Company from how many others are unusual for certain (told once a group) and beside the volume asked for."""
        now = pl.col("free") & (pl.col("surprise") >= self._unusual)
        numbers = {"known": pl.col("known"), "here": now & ~pl.col("near"), "there": now & ~pl.col("far")}
        mine = self._rows.select("row", "team", **{c: e.cast(pl.Int64) for c, e in numbers.items()})
        team = mine.drop("row").group_by("team").sum()
        whole = team.sum().row(0, named=True)
        rows = own.join(team, on="team", how="left", maintain_order="left")
        rows = rows.join(mine.drop("team"), on="row", how="left", maintain_order="left", suffix="_own")
        elsewhere = whole["there"] - pl.col("there") + pl.col("far")
        rate = elsewhere / (whole["known"] - pl.col("known")).clip(1)
        counted = rows.select(
            others=pl.col("here") - pl.col("here_own") + pl.col("unusual"),
            mean=(pl.col("known") - pl.col("known_own")) * pl.max_horizontal(pl.lit(self._usual_rate), rate),
        )
        second = pl.col("leaders").list.get(LEADERS - 1, null_on_oob=True)
        return rows.select(company=together(counted), company_from=leading_from(self._unusual, second))


def _place(wanted: pl.Expr) -> pl.Expr:
    """Of those wanted the place of each, the most unusual first."""
    return pl.when(wanted).then("most").rank("ordinal", descending=True)


class _Ordered:
    """The known values of each group in order, of which one is left out and another is a different one."""

    def __init__(self, values: Floats, groups: Whole) -> None:
        import numpy as np  # noqa: PLC0415 - most commands never score

        known = np.flatnonzero(~np.isnan(values))
        order = known[np.lexsort((values[known], groups[known]))]
        self._values = np.append(values[order], np.nan)  # Somewhere to look where nobody is known.
        ends = np.searchsorted(groups[order], groups, side="right")
        self._start = np.searchsorted(groups[order], groups, side="left")
        self._size = ends - self._start
        self.rank = np.full(len(values), -1)
        self.rank[order] = np.arange(len(order)) - self._start[order]
        """The place of each row's value among those of its group; -1 of an unknown one."""

    def end(self, row: Whole, *, first: bool) -> Whole:
        """The place of the first or last value of each row's group that is not the row's own."""
        import numpy as np  # noqa: PLC0415 - most commands never score

        rank, last = self.rank[row], self._size[row] - 1
        return np.where(rank == 0, 1, 0) if first else np.where(rank == last, last - 1, last)

    def beside(self, row: Whole, place: Whole, value: float | Floats) -> Floats:
        """The median of the others of each row's group, were the one of a place at a value; 0 where there are none."""
        import numpy as np  # noqa: PLC0415 - most commands never score

        out = np.where(self.rank[row] >= 0, self.rank[row], len(self._values))
        rest = self._size[row] - (self.rank[row] >= 0) - 1
        half = (rest + 1) // 2
        low, middle, high = (self._rest(row, (out, place), rest, half + step) for step in (-2, -1, 0))
        before, at = (np.maximum(a, np.minimum(value, b)) for a, b in ((low, middle), (middle, high)))
        found = np.where((rest + 1) % 2 == 1, at, (before + at) / 2)
        return np.where(rest < 0, 0.0, found)

    def _rest(self, row: Whole, without: tuple[Whole, Whole], rest: Whole, place: Whole) -> Floats:
        """What stands at a place of the rest, which are the values of the row's group without two; infinite beyond."""
        import numpy as np  # noqa: PLC0415 - most commands never score

        moved = place + (place >= np.minimum(*without))
        moved += moved >= np.maximum(*without)
        inside = self._values[np.clip(self._start[row] + moved, 0, len(self._values) - 1)]
        return np.where(place < 0, -np.inf, np.where(place >= rest, np.inf, inside))
