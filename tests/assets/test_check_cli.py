"""`nilometer check`: rules that can never fire or that no flow reaches, and what would leave a site blind."""

from pathlib import Path

import pytest

from pipeline.detections.template import template_text
from tests.calls import call, objects
from tests.worlds import CONFIG, SEED, SERVER, TWIN, make_site


def test_check_says_when_a_rule_can_never_fire(tmp_path: Path) -> None:
    rules = f"rules: {{{SEED}: {{minimum_data_samples: 40}}}}\n"
    make_site(tmp_path, 1, config=CONFIG + rules)
    result = call("check", site=tmp_path)
    assert result.exit_code == 1
    assert "never" in result.stderr


def test_check_names_a_rule_that_no_flow_reaches_and_what_to_do(tmp_path: Path) -> None:
    make_site(tmp_path, 2)
    (tmp_path / "rules").mkdir()
    mine = tmp_path / "rules" / "mine.yaml"
    text = template_text("mine").replace("category: web_server", "category: email_server")
    mine.write_text(text.replace("# dest_port: [80, 443]", "dest_port: [995]"), encoding="utf-8")
    result = call("check", site=tmp_path)
    cause = "of 6 flows of watched servers looked at, none has dest_port 995: they have 993 (6)"
    assert f"; but {cause}, so it has nothing to judge" in result.stdout
    (warning,) = [line for line in result.stderr.splitlines() if "rule mine" in line]
    assert warning.startswith(f"warning: rule mine: {cause}")
    assert warning.endswith(f"Mend its filter or field in {mine}, or switch it off: rules: {{mine: false}}.")
    assert TWIN not in result.stderr  # Servers that never begin are usual.
    told = {
        o["rule_id"]: o["nothing_to_judge"] for o in objects(call("check", "--json", site=tmp_path)) if "rule_id" in o
    }
    assert (told["mine"], told[SEED]) == (cause, None)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (("email_server", "web_server"), "category email_server,"),
        ((f"{SERVER}, ", "192.0.2.0/99, "), "CIDR"),
        (("email_server", "email_server, valid_to: 2020-01-01"), "category email_server any more"),
        (("start_date: 2", "start_date: 3"), "lies in the future"),
    ],
)
def test_check_names_what_would_leave_the_site_blind(tmp_path: Path, change: tuple[str, str], words: str) -> None:
    (tmp_path / "nilometer.yaml").write_text(CONFIG.replace(*change), encoding="utf-8")
    result = call("check", site=tmp_path)
    assert result.exit_code in {1, 2}
    assert words in result.stderr
