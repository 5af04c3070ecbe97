"""How alerts look on the command line: what an alert says of itself is told, and nothing that none says."""

import polars as pl
import pytest

from assets.commands.views import show_alerts
from pipeline.detections.loader import BUILT_IN, read_rule
from pipeline.schemas import ALERTS
from tests.worlds import SEED, day


@pytest.mark.parametrize(("own", "told"), [("low", ["medium", "low"]), (None, [])])
def test_severities_are_told_where_an_alert_has_one_of_its_own(
    capsys: pytest.CaptureFixture[str], own: str | None, told: list[str]
) -> None:
    evidence = {SEED: "{}", "mail_volume_surge": "{}" if own is None else f'{{"severity": "{own}"}}'}
    rows = [
        {"day": day(0), "client": "10.0.0.1", "rule_id": rule, "alert_id": f"nilo-{rule[:4]}"}
        | {"bytes_in": 9 - at, "quality": "verified", "evidence": text}
        for at, (rule, text) in enumerate(evidence.items())
    ]
    show_alerts(
        ALERTS.conform(pl.DataFrame(rows)).sort("bytes_in", descending=True),
        rules=[read_rule(BUILT_IN / f"{SEED}.yaml", 30)],
    )
    head, *lines = capsys.readouterr().out.splitlines()
    assert ("severity" in head) == bool(told)
    at = head.index("severity") if told else 0
    assert [line[at:].split()[0] for line in lines if told] == told
    assert [line.split()[-1] for line in lines] == ["nilo-host", "nilo-mail"]
