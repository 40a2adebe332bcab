"""Fixtures for every area: a real PostgreSQL server, started once per test process; helpers
beside this file are imported by their names."""

from __future__ import annotations

import asyncio
import logging
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

sys.path.insert(0, str(Path(__file__).parent))

from repositories import make_repository

from stoker.journal.open import open_journal

settings.register_profile(  # a busy machine is no failure
    "untimed", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("untimed")

_DEPTH = sys.getrecursionlimit()


@pytest.fixture(autouse=True)
def _recursion() -> None:
    """py-evm, which Stoker has in processes of its own only, raises the limit of the process that
    imports it: what is nested deeply would end the tests that come after, instead of failing."""
    sys.setrecursionlimit(_DEPTH)


@pytest.fixture(autouse=True)
def _log() -> Iterator[None]:
    """A command line that runs in this process sets Stoker's log up for itself."""
    logger = logging.getLogger("stoker")
    before = (list(logger.handlers), logger.level, logger.propagate)
    yield
    logger.handlers[:], logger.propagate = before[0], before[2]
    logger.setLevel(before[1])


def _postgres_program(name: str) -> str:
    folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    found = shutil.which(name, path=os.pathsep.join([os.environ["PATH"], *map(str, folders)]))
    if found is None:
        pytest.fail(f"{name} not found: these tests need a PostgreSQL server's programs")
    return found


def _unprivileged_user() -> str | None:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return "postgres" if "postgres" in names else "nobody"


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """URL of a running server's database, without a search path."""
    folder = Path(tempfile.mkdtemp(prefix="stoker-pg-", dir="/tmp"))  # a short socket path
    user = _unprivileged_user()
    if user is not None:
        shutil.chown(folder, user)
    data = folder / "data"
    subprocess.run(
        [
            *(_postgres_program("initdb"), "-D", data, "-U", "stoker", "--auth=trust"),
            *("--no-sync", "--encoding=UTF8", "--locale=C"),
        ],
        check=True,
        capture_output=True,
        user=user,
        cwd=folder,
    )
    settings = {
        "listen_addresses": "",
        "unix_socket_directories": folder,
        "fsync": "off",
        "shared_buffers": "16MB",
        "max_connections": "100",
    }
    server = subprocess.Popen(
        [_postgres_program("postgres"), "-D", data]
        + [f"--{key}={value}" for key, value in settings.items()],
        stderr=subprocess.PIPE,
        text=True,
        user=user,
        cwd=folder,
    )
    assert server.stderr is not None
    said = []
    for line in server.stderr:
        said.append(line)
        if "ready to accept connections" in line:
            break
    else:
        pytest.fail(f"PostgreSQL did not start: {''.join(said)}")
    drain = threading.Thread(target=server.stderr.read, daemon=True)
    drain.start()
    yield f"postgresql://stoker:hunter2@/postgres?host={folder}"
    server.send_signal(signal.SIGINT)  # SIGTERM would wait for clients a failed test has left
    server.wait()
    drain.join()
    shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> str:
    """URL of a journal of this test's own, in a schema of its own, empty."""
    import asyncpg

    schema = f"t_{uuid.uuid4().hex}"

    async def create() -> None:
        connection = await asyncpg.connect(postgres_server)
        await connection.execute(f"CREATE SCHEMA {schema}")
        await connection.close()

    asyncio.run(create())
    return f"{postgres_server}&search_path={schema}"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repository")


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path) -> str:
    """Where an empty journal may be opened; a test that takes it runs on both databases."""
    if request.param == "postgres":
        return request.getfixturevalue("postgres_url")
    return str(tmp_path / "journal.db")


@pytest.fixture
def within(location) -> Callable[[Callable[[Any], Awaitable[None]]], None]:
    """Run a scenario with an open journal."""

    def run(scenario) -> None:
        async def main() -> None:
            journal = await open_journal(location)
            try:
                await scenario(journal)
            finally:
                await journal.close()

        asyncio.run(main())

    return run
