"""Detection rules as data: the built-in YAML files, their model, and the loader.

A user adds a rule by a YAML file in the site's `rules/` folder, without code. How a rule is computed belongs to
`pipeline.methods`.
"""

from pipeline.detections.loader import load_rules
from pipeline.detections.model import Measure, Rule, RuleOverride

__all__ = ["Measure", "Rule", "RuleOverride", "load_rules"]
