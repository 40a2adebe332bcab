"""Paths, commands and names in what people write."""

from __future__ import annotations

import re
from typing import Any

_TICK = re.compile(r"`([^`\n]+)`")
_PATH = re.compile(
    r"(?<![\w/.:@+\[\]-])(?:\.{0,2}/)?(?:[\w.@+\[\]-]+/)+(?:[\w.@+\[\]-]*[\w\]])?(?![\w/])"
    r"|(?<![\w/.:@-])[\w-][\w.-]*\.[a-zA-Z][a-zA-Z0-9]{0,4}(?![\w/(])"
)
_NAME = re.compile(r"(?!\.{1,2}$|/)[\w.@+\[\]/*-]+$")
_VERIFY = re.compile(
    r"(?<![\s*_-])([\s*_-]*+)verify(?: with| by)?[*_]*+\s*+:[*_]*+\s*+(?:`([^`\n]+)`|([^\n]+))",
    re.IGNORECASE,
)
_DASH = re.compile(r"-\s|\n")


def paths(text: str, *, ticked_only: bool = False) -> tuple[str, ...]:
    """What looks like a path in a text: in backticks, or with a slash or an extension."""
    spans = [path.strip() for path in _TICK.findall(text)] if "`" in text else ()
    found = [path for path in spans if is_path(path)]
    if not ticked_only and ("/" in text or "." in text):
        for part in (_TICK.sub(" ", text) if spans else text).split():
            if "/" in part or "." in part:
                found += (path.rstrip(".") for path in _PATH.findall(part) if is_path(path))
    return tuple(dict.fromkeys(found) if len(found) > 1 else found)


def ticked(text: str) -> dict[str, Any]:
    """The field `files` of a task, if it names some in backticks."""
    found = paths(text, ticked_only=True) if "`" in text else ()
    return {"files": found} if found else {}


def is_path(text: str) -> bool:
    """Whether this can be the path of a file or directory of the repository."""
    _, dot, suffix = text.rpartition(".")
    if not dot and "/" not in text:
        return False
    if not _NAME.match(text) or "//" in text or text.lower() in _NO_PATHS:
        return False
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
    for said in _VERIFY.finditer(text) if "erify" in text or "VERIFY" in text else ():
        before, ticked, plain = said.groups()
        at = said.start()
        if (
            at
            and not _DASH.search(before)
            and not (text[at - 1] in "–—.;" and before[:1].isspace())
        ):
            continue
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
