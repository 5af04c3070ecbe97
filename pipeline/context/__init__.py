"""What a site knows beside its logs: roles, known events, who holds an address, groups, days off.

Five optional inputs, CSV or Parquet, each dated, validated as a whole and then used by the surge method alone: the seed
never looks at them. What columns they have is in `columns`, reading in `reading`, validation in `checking`, look-ups
and fingerprints in `model`.
"""

from pipeline.context.columns import INPUTS
from pipeline.context.load import load_context
from pipeline.context.model import NOTHING, Context

__all__ = ["INPUTS", "NOTHING", "Context", "load_context"]
