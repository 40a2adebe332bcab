from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from stoker.roadmaps.document import Roadmap
from stoker.roadmaps.format import Format, Reading, Source


class Plan:
    """A plan file in a directory of its own."""

    def __init__(self, format_: Format, root: Path, path: Path) -> None:
        self.format = format_
        self.source = Source(root=root, path=path)

    def read(self, **reading: bool) -> Roadmap:
        return self.format.read(self.source, Reading(**reading))


@pytest.fixture
def plan(tmp_path: Path) -> Callable[..., Plan]:
    """`plan(FORMAT, "path", text, **{"other/path": text})` writes files and reads the first."""

    def write(format_: Format, path: str, text: str | bytes, /, **others: str) -> Plan:
        for name, content in {path: text, **others}.items():
            file = tmp_path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(
                content if isinstance(content, bytes) else dedent(content).lstrip("\n").encode()
            )
        return Plan(format_, tmp_path, tmp_path / path)

    return write


@pytest.fixture
def read(plan: Callable[..., Plan]) -> Callable[..., Roadmap]:
    def read_it(format_: Format, path: str, text: str | bytes, /, **others: str) -> Roadmap:
        return plan(format_, path, text, **others).read()

    return read_it
