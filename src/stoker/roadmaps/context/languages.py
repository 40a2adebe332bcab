"""Which language a file is in, what may be read of it, and how much it counts in a search."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Final

_SUFFIXES: Final = {
    "python": ".py .pyi",
    "javascript": ".js .jsx .mjs .cjs",
    "typescript": ".ts .mts .cts",
    "tsx": ".tsx",
    "go": ".go",
    "rust": ".rs",
    "java": ".java",
    "kotlin": ".kt .kts",
    "c": ".c .h",
    "cpp": ".cc .cpp .cxx .hpp .hh",
    "csharp": ".cs",
    "ruby": ".rb",
    "php": ".php",
    "swift": ".swift",
    "scala": ".scala",
    "shell": ".sh .bash",
    "sql": ".sql",
    "html": ".html .htm .vue .svelte",
    "css": ".css .scss .less",
    "prose": ".md .mdx .rst .txt .adoc",
    "data": ".json .yaml .yml .toml .ini .cfg .xml .csv .tsv .proto .graphql .properties .env",
}
_LANGUAGE: Final = {
    suffix: language for language, suffixes in _SUFFIXES.items() for suffix in suffixes.split()
}
_NAMES: Final = {
    "go.mod": "go.mod",
    "Cargo.toml": "cargo",
    "package.json": "npm",
    "Makefile": "make",
    "Dockerfile": "docker",
    "justfile": "make",
}
MAX_BYTES: Final = 1024 * 1024
"""Larger files are known by their paths alone."""
_MAX_DATA: Final = 64 * 1024
NOT_CODE: Final = frozenset(("prose", "data", "html", "css", "", "npm", "go.mod", "cargo", "make"))
_LOCKS: Final = re.compile(
    r"(?:^|/)(?:[\w.-]*[-.]lock(?:\.\w+)?|go\.sum|[\w.-]+\.(?:min\.\w+|map))$"
)
_NEWS: Final = re.compile(r"(?:^|/)(?:change(?:s|log)|news|history|release[-_]?notes?)\b", re.I)
_VENDORED: Final = re.compile(
    r"(?:^|/)(?:vendor|vendored|_vendor|third_party|node_modules|dist|build|generated|"
    r"migrations|fixtures|testdata|snapshots|__snapshots__)/|_pb2\.|\.pb\.|\.generated\.",
)
_TEST: Final = re.compile(
    r"(?:^|/)(?:tests?|__tests__|__snapshots__|spec|e2e|cypress)/"
    r"|(?:^|/)(?:test_[^/]*|conftest\.py|tests?\.(?:py|rs)"
    r"|[^/]*(?:(?:_test|\.test|\.spec|_spec|Tests?)\.\w+|(?:IT|Spec)\.(?:java|kts?|scala|groovy)))$"
)


def language(path: str) -> str:
    """Its language, or ``""`` for one that is not known."""
    name = path.rpartition("/")[2]
    known = _NAMES.get(name)
    if known:
        return known
    dot = name.rfind(".")
    return _LANGUAGE.get(name[dot:].lower(), "") if dot > 0 else ""


def readable(path: str, size: int) -> bool:
    """Whether its text is worth reading: no lock file, not too large."""
    limit = _MAX_DATA if language(path) in ("data", "npm", "") else MAX_BYTES
    return size <= limit and not _LOCKS.search(path)


@lru_cache(maxsize=8192)
def is_test(path: str) -> bool:
    """Whether it looks like a test."""
    return _TEST.search(path) is not None


def is_code(path: str) -> bool:
    """Whether it is a program's source, rather than prose, data or a manifest."""
    return language(path) not in NOT_CODE


@lru_cache(maxsize=8192)
def prior(path: str) -> float:
    """What a match in it counts, before anything is known of the match: 1 for code."""
    weight = 1.0 if is_code(path) else 0.6
    if _NEWS.search(path):
        weight *= 0.2
    if _VENDORED.search(path):
        weight *= 0.3
    if is_test(path):
        weight *= 0.5
    return weight
