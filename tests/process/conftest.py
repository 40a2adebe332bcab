"""Real processes for the tests of `stoker.process`, each with a marker of its own."""

from __future__ import annotations

import asyncio
import os
import sys
import uuid
from collections.abc import Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import pytest

from stoker.process.redact import Redactor
from stoker.process.spawner import Child, Spawner
from stoker.process.spec import Exit, ProcessSpec
from stoker.process.tail import tail
from stoker.process.tree import end_all, marked


class Bench:
    """Makes specs that log to `tmp_path`, and runs them."""

    def __init__(self, tmp_path: Path) -> None:
        self.path = tmp_path
        self.run_id = f"run-{uuid.uuid4().hex}"
        self.out = tmp_path / "out.log"
        self.err = tmp_path / "err.log"

    def spec(self, *argv: str, **changes: Any) -> ProcessSpec:
        fields: dict[str, Any] = {
            "argv": argv,
            "env": {"PATH": os.environ["PATH"]},
            "cwd": os.getcwd(),
            "stdout_path": str(self.out),
            "stderr_path": str(self.err),
            "marker": f"{self.run_id}/step/1",
        }
        return ProcessSpec(**(fields | changes))

    def python(self, code: str, *args: str, **changes: Any) -> ProcessSpec:
        return self.spec(sys.executable, "-I", "-S", "-c", code, *args, **changes)

    def start(
        self,
        spec: ProcessSpec,
        redactor: Redactor | None = None,
        *,
        spawner: Spawner | None = None,
    ) -> Started:
        return Started(spawner or Spawner(asyncio.get_running_loop()), spec, redactor)

    def run(self, spec: ProcessSpec, redactor: Redactor | None = None) -> Exit:
        async def main() -> Exit:
            return await self.start(spec, redactor).ended

        return asyncio.run(main())

    async def until(self, text: str, path: Path | None = None) -> str:
        """Wait until the log (default: stdout) holds `text`; returns all of it."""
        never: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        data = b""
        async with aclosing(tail(str(path or self.out), finished=never)) as chunks:
            async for chunk in chunks:
                data += chunk.data
                if text.encode() in data:
                    return data.decode()
        raise AssertionError(f"the log ended without {text!r}")

    def pids(self) -> list[int]:
        """Live processes of this test."""
        return [survivor.pid for survivor in marked(f"{self.run_id}/")]


class Started:
    """A child, and its end as a future."""

    def __init__(self, spawner: Spawner, spec: ProcessSpec, redactor: Redactor | None) -> None:
        self.ended: asyncio.Future[Exit] = spawner.loop.create_future()
        self.child: Child = spawner.spawn(spec, self.ended.set_result, redactor)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    made = Bench(tmp_path)
    yield made
    asyncio.run(end_all(f"{made.run_id}/", grace=0))
