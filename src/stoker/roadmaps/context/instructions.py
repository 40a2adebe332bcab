"""What a repository tells agents in files of its own: AGENTS.md and its like."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from msgspec import Struct

from stoker.roadmaps.context.reading import Checkout

_NAMES: Final = ("AGENTS.md", "CLAUDE.md")
_RULES: Final = ((".cursor/rules", "*.mdc"), (".kiro/steering", "*.md"))


class Instruction(Struct, frozen=True, kw_only=True):
    """A file of instructions."""

    path: str
    text: str


def instructions(root: Path, path: str = "") -> tuple[Instruction, ...]:
    """What holds for a file (relative to `root`), the nearest first; the same text once."""
    checkout = Checkout(root)
    found: dict[str, Instruction] = {}
    for name in _names(root, path):
        text = (checkout.text(name) or "").strip()
        if text:
            found.setdefault(text, Instruction(path=name, text=text))
    return tuple(found.values())


def _names(root: Path, path: str) -> Iterator[str]:
    for folder in Path(path).parents:
        yield from ((folder / name).as_posix() for name in _NAMES)
    yield ".github/copilot-instructions.md"
    for home, pattern in _RULES:
        yield from sorted(file.relative_to(root).as_posix() for file in (root / home).glob(pattern))
