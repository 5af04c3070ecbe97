"""docs/data-quality.md has every check and expectation as the suites have them."""

from data_quality.documentation import sections
from data_quality.specs import check_specs, surge_specs
from pipeline.site import PROJECT

TEXT = (PROJECT / "docs" / "data-quality.md").read_text(encoding="utf-8")


def test_the_document_holds_the_suites_as_they_are() -> None:
    assert sections() in TEXT, "write the output of `python -m data_quality.documentation` into docs/data-quality.md"


def test_every_expectation_has_meaning_limit_and_remedy() -> None:
    for spec in (*check_specs(), *surge_specs()):
        for e in spec.expectations:
            assert len(e["meta"]["meaning"]) > 20, e
            assert len(e["meta"]["remedy"]) > 10, e
            assert {"min_value", "max_value"} & set(e["kwargs"]), e
