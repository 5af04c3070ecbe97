"""The surge method: which clients received far more mail than they, their group and the day explain.

Robust expectations per client, three channels (one large day, many larger days, a new client), and an alert budget in
place of a number of deviations. Pure functions from daily rows to verdicts; storage and rules do not belong here.
"""

from pipeline.detections.budget import CHANNELS, Params
from pipeline.methods.surge.raw import RAW_SCHEMA, raw_scores
from pipeline.methods.surge.verdict import CALIBRATED_SCHEMA, calibrated, judged

__all__ = ["CALIBRATED_SCHEMA", "CHANNELS", "Params", "RAW_SCHEMA", "calibrated", "judged", "raw_scores"]
