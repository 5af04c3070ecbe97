"""Detection rules as data: the built-in YAML files, their model, and the loader.

A user adds a rule by a YAML file in the site's `rules/` folder, or where `rule_paths` says, without code. How a rule is
computed belongs to `pipeline.methods`.
"""

from pipeline.detections.loader import in_force, known_rules, load_rules
from pipeline.detections.model import Measure, Rule, RuleOverride

__all__ = ["Measure", "Rule", "RuleOverride", "in_force", "known_rules", "load_rules"]
