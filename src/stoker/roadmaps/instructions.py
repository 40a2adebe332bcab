"""What a project tells coding agents: AGENTS.md and its like. Context and commands, never tasks.

What stands nearest to a file counts before what is farther from it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path
from typing import Final

from msgspec import Struct

from stoker.roadmaps.findings import word, words
from stoker.roadmaps.format import NotReadable, Source
from stoker.roadmaps.front_matter import front_matter
from stoker.roadmaps.text import Text

NAMES: Final = (
    "AGENTS.override.md",
    "AGENTS.md",
    "CLAUDE.md",
    ".claude/CLAUDE.md",
    ".github/copilot-instructions.md",
)
"""Of one directory, the first first."""
RULES: Final = (
    (".github/instructions", "*.instructions.md"),
    (".cursor/rules", "*.mdc"),
    (".kiro/steering", "*.md"),
)
"""Directories of several, whose front matter says what they are about."""
_LIMIT: Final = 256 * 1024
_TEST: Final = re.compile(
    r"(?:(?:uv|poetry|pdm|hatch|pipenv|bundle|mise)\s+(?:run|exec)\s+|npx\s+)?(?:\./|\S*/bin/)?"
    r"(?:pytest|tox|nox|vitest|jest|mocha|ctest|rspec|phpunit|node\s+--test|mise\s+run\s+test|"
    r"(?:npm|pnpm|yarn|bun|deno)\s(?:.*\s)?test\S*|(?:make|just|task|rake)\s(?:.*\s)?(?:test|check)\S*|"
    r"(?:go|cargo|mix|swift|dotnet|zig|flutter|dart|sbt)\s+(?:nextest\s+run|test|build\s+test)|"
    r"(?:mvnw?|gradlew?)\s(?:.*\s)?(?:test|check|verify)|"
    r"python3?\s+(?:-m\s+(?:pytest|unittest)|(?:\S+/)?manage\.py\s+test))(?:\s|$)"
)
_ONE: Final = re.compile(
    r"<[\w ./-]+>|::|\.\.\.|…|\$\{?\w+|\s-(?:k|t|run)\s|\s--filter|path/to|[{}]"
    r"|(?<!manage)\.(?:py|[jt]s)\b"
)
"""Of an example that runs some tests only, or has a blank to be filled."""
_LONGEST: Final = 500
_FENCE: Final = re.compile(
    r"^ {0,3}(```+|~~~+)[ \t]*(\w*)[^\n]*\n(.*?)^ {0,3}\1", re.DOTALL | re.MULTILINE
)
_CODE: Final = re.compile(r"(?<!`)`([^`\n]+)`(?!`)")
_SHELLS: Final = ("", "sh", "bash", "shell", "console", "zsh", "text")


class Instruction(Struct, frozen=True, kw_only=True):
    """A file of instructions."""

    path: str
    """Relative to the root."""
    text: str
    """Without front matter."""


def instructions(root: Path, path: str = "") -> tuple[Instruction, ...]:
    """What holds for a file or directory (relative to `root`; it need not exist), the nearest
    first; of a text that stands in several files the nearest. Unreadable files are left out."""
    source = Source(root=root, path=root)
    target = path.strip("/")
    found: dict[str, Instruction] = {}
    for directory in _upwards(root, target):
        for file in _files(directory):
            one = _read(source, file, directory, target)
            if one is not None and one.text:
                found.setdefault(one.text, one)
    return tuple(found.values())


def commands(text: str) -> tuple[str, ...]:
    """Commands in a Markdown text that run all tests: in its shell blocks and code spans."""
    lines: list[tuple[int, str]] = []
    for block in _FENCE.finditer(text):
        if block[2].lower() in _SHELLS:
            at = block.start(3)
            lines += ((at, line.strip().removeprefix("$ ")) for line in block[3].splitlines())
    outside = _FENCE.sub(lambda block: " " * len(block[0]), text)
    lines += ((span.start(1), span[1].strip()) for span in _CODE.finditer(outside))
    lines.sort(key=lambda line: line[0])
    found = (line.partition(" #")[0].strip() for _, line in lines if len(line) <= _LONGEST)
    whole = (one for one in found if not _ONE.search(one.replace("./...", "")))
    return tuple(dict.fromkeys(filter(_TEST.match, whole)))


def is_instruction(path: Path) -> bool:
    """Whether a file is one of instructions, by its name and place."""
    name = path.as_posix()
    return any(name.endswith(f"/{one}") for one in NAMES) or any(
        path.parent.as_posix().endswith(f"/{home}") and fnmatch(path.name, pattern)
        for home, pattern in RULES
    )


def _upwards(root: Path, target: str) -> Iterator[Path]:
    """From the target's directory up to the root."""
    whole = root / target
    directory = whole if whole.is_dir() else whole.parent
    if ".." in Path(target).parts:
        directory = root
    while directory != root and directory.is_relative_to(root):
        yield directory
        directory = directory.parent
    yield root


def _files(directory: Path) -> Iterator[Path]:
    for name in NAMES:
        if (directory / name).is_file():
            yield directory / name
    for home, pattern in RULES:
        yield from sorted((directory / home).glob(pattern))


def _read(source: Source, file: Path, directory: Path, target: str) -> Instruction | None:
    relative = source.relative(file)
    try:
        data = source.read(file)
        text = Text(data[:_LIMIT], relative)
        head = front_matter(text)
    except NotReadable:
        return None
    below = source.relative(directory)
    if head is not None and not _about(head.value, target, below):
        return None
    body = text.text[head.body if head else 0 :].removeprefix("\ufeff").strip()
    return Instruction(path=relative, text=body)


def _about(value: dict[str, object], target: str, below: str) -> bool:
    """Whether rules with this front matter are about the target."""
    inclusion = word(value.get("inclusion"))  # Kiro's
    if inclusion == "manual":
        return False
    given = value.get("applyTo") or value.get("globs") or value.get("fileMatchPattern")
    patterns = [one.strip() for part in words(given) for one in part.split(",") if one.strip()]
    if word(value.get("alwaysApply")) == "true" or inclusion == "always" or not patterns:
        # Cursor's with neither are for the agent to ask for.
        return word(value.get("alwaysApply")) != "false" or bool(value.get("applyTo"))
    inner = target.removeprefix(f"{below}/") if below != "." else target
    return any(
        fnmatch(inner, pattern) or fnmatch(inner, pattern.replace("**/", ""))
        for pattern in patterns
    )
