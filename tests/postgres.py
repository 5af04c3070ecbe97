"""A PostgreSQL server of a test's own: Debian's program, a new cluster in a temporary folder, on the loopback only."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

HOST, USER = "127.0.0.1", "nilometer"
NOBODY = "nobody" if os.geteuid() == 0 else None
"""The server refuses to run as root."""


def program(name: str) -> str | None:
    """Where a program of PostgreSQL is, if it is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


INSTALLED = None not in (program("initdb"), program("postgres"), find_spec("dagster_postgres"))


@dataclass(frozen=True)
class Server:
    """A running server."""

    port: int
    password: str
    folder: Path

    def environment(self, database: str) -> dict[str, str]:
        """The variables that deploy/dagster.yaml asks for."""
        facts = {"HOST": HOST, "PORT": str(self.port), "DB": database, "USER": USER, "PASSWORD": self.password}
        return {f"NILOMETER_PG_{name}": value for name, value in facts.items()}

    def sql(self, statement: str, database: str = "postgres") -> list[tuple[object, ...]]:
        """Run a statement outside of transactions; its rows, if it has any."""
        import psycopg2

        connection = psycopg2.connect(host=HOST, port=self.port, user=USER, password=self.password, dbname=database)
        try:
            connection.autocommit = True
            with connection.cursor() as cursor:
                cursor.execute(statement)
                return list(cursor.fetchall()) if cursor.description else []
        finally:
            connection.close()


@contextmanager
def running() -> Iterator[Server]:
    """A server until the end of the block."""
    folder = Path(tempfile.mkdtemp(prefix="nilometer-pg-"))
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        server = Server(int(probe.getsockname()[1]), secrets.token_hex(12), folder)
    word = folder / "word"
    word.write_text(server.password, encoding="utf-8")
    try:
        if NOBODY:
            for path in (folder, word):
                shutil.chown(path, NOBODY)
        data = str(folder / "data")
        begin = [program("initdb"), "-D", data, "-U", USER, "-A", "scram-sha-256", f"--pwfile={word}", "-N"]
        subprocess.run([*map(str, begin)], check=True, capture_output=True, user=NOBODY, cwd=folder)
        options = ["-c", f"listen_addresses={HOST}", "-p", str(server.port), "-c", "fsync=off", "-k", str(folder)]
        with (
            (folder / "log").open("wb") as log,
            subprocess.Popen(
                [str(program("postgres")), "-D", data, *options],
                user=NOBODY,
                cwd=folder,
                stdout=log,
                stderr=subprocess.STDOUT,
            ) as process,
        ):
            try:
                _wait(server, process)
                yield server
            finally:
                process.send_signal(signal.SIGINT)  # Clients that are left are disconnected.
                try:
                    process.wait(30)
                except subprocess.TimeoutExpired:  # It began ignoring the signal, as what a shell puts aside does.
                    process.kill()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait(server: Server, process: subprocess.Popen[bytes]) -> None:
    import psycopg2

    for _ in range(300):
        assert process.poll() is None, (server.folder / "log").read_text(encoding="utf-8", errors="replace")
        try:
            server.sql("select 1")
        except psycopg2.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("PostgreSQL did not come up")
