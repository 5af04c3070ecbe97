"""The quick expectation judges as Great Expectations' own does, whose description it only keeps."""

import warnings
from typing import Any

from data_quality.between import SUITES_TYPE, quick
from data_quality.checks import great_expectations

VALUES = [None, -1.0, -0.0, 0.0, 0.5, 1.0, float("inf"), float("-inf"), float("nan")]
LIMITS = [(0, 0), (0, 1), (0, None), (0.5, 1), (0.5, None), (None, 0), (None, 1)]


def judged(expectations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    gx = great_expectations()
    import pandas as pd

    columns = [e["kwargs"]["column"] for e in expectations]
    frame = pd.DataFrame({c: VALUES for c in columns}, dtype="float64").assign(day=range(len(VALUES)))
    suite = gx.ExpectationSuite(name="limits", expectations=expectations)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        context = gx.get_context(mode="ephemeral")
        context.variables.progress_bars = {"globally": False}
        batch = context.data_sources.add_pandas("p").add_dataframe_asset("a").add_batch_definition_whole_dataframe("b")
        report = batch.get_batch({"dataframe": frame}).validate(
            suite, result_format={"result_format": "COMPLETE", "unexpected_index_column_names": ["day"]}
        )
    found = [r.to_json_dict() for r in report.results]
    for result in found:
        result["expectation_config"].pop("type")
    return sorted(found, key=lambda r: str(r["expectation_config"]["kwargs"]["column"]))


def test_it_finds_what_the_library_s_own_finds() -> None:
    own = [
        {
            "type": SUITES_TYPE,
            "kwargs": {"column": f"c{n}", "min_value": low, "max_value": high, "strict_min": low == 0.5},
            "meta": {"meaning": f"limit {n}"},
        }
        for n, (low, high) in enumerate(LIMITS)
    ]
    gx = great_expectations()
    ours = [quick(gx, e) for e in own]
    assert {e["type"] for e in ours} == {"expect_profile_values_to_be_between"}
    found = judged(own)
    assert judged(ours) == found
    assert not any(r["exception_info"].get("raised_exception") for r in found)
    assert len({str(r["result"]["unexpected_index_list"]) for r in found}) > 4


def test_another_type_is_left_to_the_library() -> None:
    other = {"type": "expect_column_values_to_not_be_null", "kwargs": {"column": "c"}}
    assert quick(great_expectations(), other) == other
