"""When the UI's code server is asked to read the site's definitions anew."""

from pathlib import Path

import pytest
from dagster._core.errors import DagsterUserCodeUnreachableError
from dagster._grpc.types import ListRepositoriesResponse
from dagster._serdes import serialize_value
from dagster_shared.error import SerializableErrorInfo

from assets.processes import code_server
from assets.processes.code_server import AGE_SECONDS, LOOK_SECONDS, RETRY_SECONDS, CodeServer
from pipeline.errors import ConfigError
from pipeline.settings import CONFIG_NAME
from pipeline.site import Site
from tests.worlds import make_site


class Server:
    """A code server that counts how often it was asked to read anew, and the clock."""

    def __init__(self) -> None:
        self.now, self.reloads, self.up = 1_000.0, 0, True
        self.loaded: ListRepositoriesResponse | SerializableErrorInfo = ListRepositoriesResponse([])

    def ping(self, _: str) -> None:
        if not self.up:
            raise DagsterUserCodeUnreachableError

    def list_repositories(self) -> str:
        return serialize_value(self.loaded)

    def reload_code(self, _: int) -> None:
        self.reloads += 1

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return make_site(tmp_path / "site", 1)


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Server:
    server = Server()
    monkeypatch.setattr(code_server, "time", server)
    monkeypatch.setattr(code_server, "DagsterGrpcClient", lambda **_: server)
    return server


def reloads(code: CodeServer, server: Server, looks: int = 1, seconds: float = LOOK_SECONDS) -> int:
    """How often definitions are read anew in so many looks."""
    before = server.reloads
    for _ in range(looks):
        server.now += seconds
        code.look()
    return server.reloads - before


def test_definitions_are_read_anew_when_the_configuration_changes_breaks_and_is_mended(
    site: Site, server: Server, tmp_path: Path
) -> None:
    code, path = CodeServer(site, tmp_path), site.root / CONFIG_NAME
    good = path.read_text()
    assert reloads(code, server, 3) == 0
    path.write_text(good + "\nschedule: {hour: 5}\n")
    assert reloads(code, server, 9, LOOK_SECONDS / 10) == 0  # Not looked yet.
    assert reloads(code, server, 3) == 1
    path.write_text(good + "\nschedule: [\n")
    assert reloads(code, server, 3) == 1
    path.write_text(good)
    assert reloads(code, server, 3) == 1
    (site.root / "rules").mkdir()
    (site.root / "rules" / "own.yaml").write_text("this is no rule")
    assert reloads(code, server, 3) == 1
    path.unlink()
    path.mkdir()
    assert reloads(code, server, 3) == 1


def test_definitions_that_did_not_load_are_read_anew_although_the_good_configuration_stays(
    site: Site, server: Server, tmp_path: Path
) -> None:
    """A disk that was full as they were read: nothing of the site changes when there is room again."""
    code, path = CodeServer(site, tmp_path), site.root / CONFIG_NAME
    server.loaded = SerializableErrorInfo("disk I/O error", [], "OperationalError")
    looks = 12
    assert reloads(code, server, looks) == looks * LOOK_SECONDS // (RETRY_SECONDS + LOOK_SECONDS)
    server.loaded = ListRepositoriesResponse([])
    assert reloads(code, server, looks) == 0
    good = path.read_text()
    path.write_text(good + "\nschedule: [\n")
    server.loaded = SerializableErrorInfo("a bad configuration", [], "DagsterInvalidConfigError")
    assert reloads(code, server, looks) == 1
    path.write_text(good)
    assert reloads(code, server, 1) == 1


def test_a_program_that_was_updated_under_the_ui_is_read_anew(
    site: Site, server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Runs are of the new one at once: sensors of the old one would take what they make for stale."""
    module = tmp_path / "program" / "pipeline" / "flows.py"
    module.parent.mkdir(parents=True)
    module.write_text("STAGE_VERSION = 1\n")
    monkeypatch.setattr(code_server, "PROJECT", tmp_path / "program")
    code = CodeServer(site, tmp_path)
    assert reloads(code, server, 3) == 0
    module.write_text("STAGE_VERSION = 10\n")
    assert reloads(code, server, 3) == 1
    (module.parent / "__pycache__").mkdir()
    (module.parent / "__pycache__" / "flows.pyc").write_bytes(b"")
    assert reloads(code, server, 3) == 0


def test_definitions_whose_process_is_gone_are_read_anew_after_a_second_look(
    site: Site, server: Server, tmp_path: Path
) -> None:
    code = CodeServer(site, tmp_path)
    server.up = False
    assert not code.answers()
    assert reloads(code, server) == 0
    assert reloads(code, server) == 1
    server.up = True
    assert reloads(code, server, 3) == 0


def test_old_definitions_are_read_anew(site: Site, server: Server, tmp_path: Path) -> None:
    code = CodeServer(site, tmp_path)
    assert reloads(code, server, 2, AGE_SECONDS - 1) == 1


def test_a_folder_too_deep_for_a_socket_is_told(site: Site, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"too long for a socket\. Name another one, such as with TMPDIR=/tmp\."):
        CodeServer(site, tmp_path / ("x" * 100) / "nilo-1")
