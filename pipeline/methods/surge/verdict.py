"""What becomes of the scores of a day: alerts, their severity, and what they are folded into.

Nothing is dropped: an explained alert is kept as low, alerts of one slow theft as one case, those of many clients of a
group as one campaign.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable

import polars as pl

from pipeline.detections.budget import CHANNELS, PER, Params
from pipeline.methods.surge.calibration import Calibration, alerting

_LARGE_BYTES = 1e9
_CAMPAIGN_LEAST, _CAMPAIGN_TIMES = 3, 4
_RISK = {"low": 20, "medium": 40, "high": 60, "critical": 80}
_RISK_STEP = 19
CALIBRATED_SCHEMA = pl.Schema(
    {
        "day": pl.Date,
        "client": pl.String,
        "channel": pl.String,
        "score": pl.Float64,
        "rarity": pl.Float64,
        "company": pl.Float64,
        "rate": pl.Float64,
        "limit": pl.Float64,
        "rank": pl.Int64,
        "alert": pl.Boolean,
        "least_volume": pl.Int64,
        "explained_by": pl.String,
        "severity": pl.String,
        "risk": pl.Int64,
        "case_day": pl.Date,
        "campaign": pl.Int64,
    }
)


def calibrated(raw: pl.DataFrame, days: Iterable[dt.date], params: Params) -> pl.DataFrame:
    """One row a (day, client, channel) that can be judged, by day, client and channel: columns CALIBRATED_SCHEMA.

    rate is E, the false alerts a day per 10,000 active clients expected of a threshold at this score; limit the
    channel's budget; rank the score's place among the day's. Of alerts only: least_volume, the smallest volume with
    which it would still have alerted; severity and risk; case_day, the first day of the slow case it belongs to;
    campaign, the number of clients of its group that alert with it, where they are too many to be chance.

    Args:
        raw: raw scores of the days and of the calibration's days before each.
        days: the days to judge.
        params: windows, budget and shares.
    """
    frames = [_judge_day(raw, day, params) for day in sorted(set(days))]
    return pl.concat([pl.DataFrame(schema=CALIBRATED_SCHEMA), *frames])


def _judge_day(raw: pl.DataFrame, day: dt.date, params: Params) -> pl.DataFrame:
    calibration = Calibration.before(raw, day, params)
    today = calibration.with_company(raw.filter(pl.col("day") == day))
    frames = [
        _explained(raw, rated, calibration, c, params, today) for c, rated in judged(today, calibration, params).items()
    ]
    found = _campaigns(pl.concat(frames), today)
    return found.select(pl.col(c).cast(t) for c, t in CALIBRATED_SCHEMA.items()).sort("client", "channel")


def judged(today: pl.DataFrame, calibration: Calibration, params: Params) -> dict[str, pl.DataFrame]:
    """By channel the day's rows that it judges: score, rarity, rate, limit, rank and alert, without what explains them.

    Args:
        today: raw scores of the day with their company.
        calibration: what the days before say.
        params: budget and shares.
    """
    return {channel: _judge_channel(today, calibration, channel, params.limit(channel)) for channel in CHANNELS}


def _judge_channel(today: pl.DataFrame, calibration: Calibration, channel: str, limit: float) -> pl.DataFrame:
    rated = calibration.rated(today, channel)
    return rated.with_columns(
        alerting(rated, limit).alias("alert"),
        channel=pl.lit(channel),
        limit=pl.lit(limit),
        rank=pl.col("score").rank("min", descending=True),
    )


def _explained(
    raw: pl.DataFrame, rated: pl.DataFrame, calibration: Calibration, channel: str, params: Params, today: pl.DataFrame
) -> pl.DataFrame:
    """A channel's rows with severity, risk, least volume and case of its alerts."""
    alerts = rated.filter("alert")
    least = calibration.least_volume(alerts, channel, params.limit(channel), today).alias("least_volume")
    alerts = _with_severity(alerts).with_columns(least)
    single = alerts.select("client", case_day="day")
    cases = _cases(raw, alerts, calibration, params) if channel == "slow" else single
    told = alerts.select("client", "severity", "risk", "least_volume").join(cases, on="client", how="left")
    return rated.join(told, on="client", how="left")


def _with_severity(alerts: pl.DataFrame) -> pl.DataFrame:
    """Critical: far within the budget and large; high: one of both; low: explained."""
    part, large = pl.col("rate") / pl.col("limit"), pl.col("excess") >= _LARGE_BYTES
    severity = (
        pl.when(pl.col("explained_by").is_not_null())
        .then(pl.lit("low"))
        .when((part <= 0.1) & large)
        .then(pl.lit("critical"))
        .when((part <= 0.25) | large)
        .then(pl.lit("high"))
        .otherwise(pl.lit("medium"))
    )
    # A hundredth of the budget is as good as proof.
    evidence = (-part.clip(1e-2, 1).log10() / 2 * _RISK_STEP).floor()
    return alerts.with_columns(severity=severity).with_columns(
        risk=pl.col("severity").replace_strict(_RISK, return_dtype=pl.Int64) + evidence.cast(pl.Int64)
    )


def _cases(raw: pl.DataFrame, alerts: pl.DataFrame, calibration: Calibration, params: Params) -> pl.DataFrame:
    """For each alerting client the first of the days that follow each other within a case and would alert today."""
    if alerts.is_empty():
        return alerts.select("client", case_day="day")
    day = alerts["day"][0]
    past = raw.filter(
        pl.col("client").is_in(alerts["client"].implode())
        & (pl.col("day") >= day - dt.timedelta(days=params.calibration))
        & (pl.col("day") <= day)
        & pl.col("explained_by").is_null()
    )
    rated = calibration.rated(past, "slow")
    over = rated.filter(alerting(rated, params.limit("slow"))).sort("client", "day")
    gap = pl.col("day").diff().over("client") > dt.timedelta(days=params.case_days)
    numbered = over.with_columns(case=gap.fill_null(True).cast(pl.Int64).cum_sum().over("client"))
    last = pl.col("case") == pl.col("case").max().over("client")
    return numbered.filter(last).group_by("client").agg(case_day=pl.col("day").min())


def _campaigns(found: pl.DataFrame, today: pl.DataFrame) -> pl.DataFrame:
    """The number of alerting clients of the group, where the channel's budget would hardly give as many."""
    sizes = today.filter(pl.col("group").is_not_null()).group_by("group").agg(size=pl.len())
    open_alert = pl.col("alert") & pl.col("explained_by").is_null()
    together = open_alert.sum().over("group", "channel")
    most = pl.max_horizontal(pl.lit(_CAMPAIGN_LEAST), _CAMPAIGN_TIMES * pl.col("limit") * pl.col("size") / PER)
    joined = found.join(sizes, on="group", how="left")
    return joined.with_columns(campaign=pl.when(open_alert & (together > most)).then(together))
