"""Paths, commands and names in what people write."""

from __future__ import annotations

import re

_TICK = re.compile(r"`[^`\n]+`")
_TICKED = re.compile(r"`(?:[^\S\n]*([\w.@+\[\]/*-]+)[^\S\n]*`|[^`\n]+`)")
_ONLY = re.compile(r"[^/.`]*(?<!\S)((?:[\w-]++/)++[\w-]++\.[a-z]{1,5}+)(?!\S)[^/.`]*+")
"""A text with one path, as most are written."""
_PATH = re.compile(
    r"(?<![\w/.:@+\[\]-])(?:\.{0,2}/)?(?:[\w.@+\[\]-]+/)+(?:[\w.@+\[\]-]*[\w\]])?(?![\w/])"
    r"|(?<![\w/.:@-])[\w-][\w.-]*\.[a-zA-Z][a-zA-Z0-9]{0,4}(?![\w/(])"
)
_VERIFY = re.compile(
    r"(?<![\s*_-])([\s*_-]*+)verify(?: with| by)?[*_]*+\s*+:[*_]*+\s*+(?:`([^`\n]+)`|([^\n]+))",
    re.IGNORECASE,
)
_DASH = re.compile(r"-\s|\n")


def paths(text: str) -> tuple[str, ...]:
    """What looks like a path in a text: in backticks, or with a slash or an extension."""
    if one := _ONLY.fullmatch(text):
        return (one[1],)
    found = [*ticked(text)]
    for part in (_TICK.sub(" ", text) if "`" in text else text).split():
        if "/" in part or "." in part:
            found += [path.rstrip(".") for path in _PATH.findall(part) if _is_path(path)]
    return tuple(dict.fromkeys(found) if len(found) > 1 else found)


def ticked(text: str) -> tuple[str, ...]:
    """The paths in backticks."""
    found = [name for name in _TICKED.findall(text) if _is_path(name)] if "`" in text else ()
    return tuple(dict.fromkeys(found) if len(found) > 1 else found)


def _is_path(name: str) -> bool:
    """Whether these characters of names can be the path of a file or directory of the
    repository."""
    if "/" in name:
        return name[0] != "/" and "//" not in name and name.lower() not in _NO_PATHS
    _, dot, suffix = name.rpartition(".")
    named = dot and suffix[:1].isalpha() and len(suffix) <= 10
    return bool(named) and name.lower() not in _NO_PATHS


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
