"""The documentation names every code that the power map and back-tests give out."""

from pipeline.site import PROJECT
from pipeline.trials.power import REASONS
from pipeline.trials.trial import CAUSES


def test_every_reason_and_cause_is_documented() -> None:
    text = (PROJECT / "docs" / "detection.md").read_text(encoding="utf-8")
    assert [c for c in (*REASONS, *CAUSES) if f"`{c}`" not in text] == []
