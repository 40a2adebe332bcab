"""Paths, commands and names in what people write."""

from __future__ import annotations

import re
from collections.abc import Container

_TICK = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(
    r"(?<![\w/.:@-])(?:\.{0,2}/)?(?:[\w.@+\[\]-]+/)+(?:[\w.@+\[\]-]*[\w\]])?(?![\w/])"
    r"|(?<![\w/.:@-])[\w-][\w.-]*\.[a-zA-Z][a-zA-Z0-9]{0,4}(?![\w/(])"
)
_NAME = re.compile(r"(?!\.{1,2}$|/)[\w.@+\[\]/*-]+$")
_VERIFY = re.compile(
    r"(?:^|\n|[-–—.;]\s)[\s*_-]*verify(?: with| by)?[*_]*\s*:[*_]*\s*(?:`([^`\n]+)`|([^\n]+))",
    re.IGNORECASE,
)


def slug(text: str, taken: Container[str] = ()) -> str:
    """A short id out of a heading, which is not `taken`."""
    base = found = re.sub(r"[\W_]+", "-", text.casefold()).strip("-")[:40].rstrip("-") or "part"
    number = 2
    while found in taken:
        found = f"{base}-{number}"
        number += 1
    return found


def paths(text: str, *, ticked_only: bool = False) -> tuple[str, ...]:
    """What looks like a path in a text: in backticks, or with a slash or an extension."""
    ticked = [path.strip() for path in _TICK.findall(text)] if "`" in text else []
    found = dict.fromkeys(filter(is_path, ticked))
    if not ticked_only and ("/" in text or "." in text):
        for part in _PATH.findall(_TICK.sub(" ", text) if ticked else text):
            if is_path(part):
                found.setdefault(part.rstrip("."))
    return tuple(found)


def is_path(text: str) -> bool:
    """Whether this can be the path of a file or directory of the repository."""
    if not _NAME.match(text) or "//" in text or text.lower() in _NO_PATHS:
        return False
    suffix = text.rpartition(".")[2] if "." in text else ""
    return "/" in text or (suffix[:1].isalpha() and len(suffix) <= 10)


_NO_PATHS = {
    "and/or",
    "e.g",
    "i.e",
    "e.g.",
    "i.e.",
    "etc.",
    "n/a",
    "node.js",
    "next.js",
    "vue.js",
    "read/write",
    "input/output",
    "client/server",
    "yes/no",
    "true/false",
    "he/she",
}


def verification(text: str) -> str | None:
    """The command of `verify: command`: one in backticks, or one that begins as commands do."""
    for ticked, plain in _VERIFY.findall(text) if "erify" in text or "VERIFY" in text else ():
        if ticked:
            return str(ticked).strip()
        found = plain.strip().split()
        if found and (found[0] in _COMMANDS or found[0].startswith("./")):
            return str(plain).strip()
    return None


_COMMANDS = {
    "bash", "bun", "bundle", "cargo", "cmake", "composer", "ctest", "curl", "deno", "docker",
    "dotnet", "go", "gradle", "grep", "jest", "just", "make", "mix", "mvn", "mypy", "node",
    "nox", "npm", "npx", "php", "phpunit", "pnpm", "poetry", "pytest", "python", "python3",
    "rake", "ruff", "sh", "swift", "test", "tox", "tsc", "uv", "uvx", "vitest", "yarn"
}  # fmt: skip
