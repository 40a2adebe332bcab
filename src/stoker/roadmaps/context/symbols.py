"""Names a file defines, by patterns: fast enough for every file of a repository, and all there
is where tree-sitter is not installed. `outline` sees more exactly."""

from __future__ import annotations

import re
from bisect import bisect_right
from itertools import accumulate, islice
from typing import Final

from msgspec import Struct

_JS: Final = (
    r"^(?:export\s+)?(?:default\s+)?(?:declare\s+)?(?:abstract\s+)?(?:async\s+)?"
    r"(?:function\s*\*?|class|interface|enum|type|namespace|const|let|var)\s+([A-Za-z_$][\w$]*)"
    r"|^[ \t]+(?:(?:public|private|protected|static|async|readonly|override|get|set)\s+)*"
    r"(?!(?:if|for|while|switch|catch|return|function|with)\b)([A-Za-z_$][\w$]*)"
    r"\s*(?:<[^>\n]*>)?\([^()\n]*\)\s*(?::[^{\n=]+)?\{"
)
_JAVA: Final = (
    r"^[ \t]*(?:(?:public|private|protected|static|final|abstract|sealed|default|synchronized|data|"
    r"open|override|internal|suspend)\s+)*(?:(?:class|interface|enum|record|@interface|object|fun)"
    r"\s+(\w+)|(?:<[^>\n]+>\s*)?[\w.<>\[\], ?]+\s+(?<!return )(?<!new )(?<!else )(\w+)"
    r"\s*\([^;{}()\n]*\)\s*(?:throws [\w., ]+)?\{)"
)
_PATTERNS: Final = {
    language: re.compile(pattern, re.MULTILINE)
    for language, pattern in {
        "python": r"^[ \t]*(?:async[ \t]+)?(?:def|class)[ \t]+(\w+)"
        r"|^([A-Za-z_]\w*)[ \t]*(?::[^=\n]+)?=(?!=)",
        "javascript": _JS,
        "typescript": _JS,
        "tsx": _JS,
        "go": r"^func\s+(?:\([^)]*\)\s*)?(\w+)|^(?:type|var|const)\s+(\w+)"
        r"|^\t(\w+)\s+(?:struct|interface)\b",
        "rust": r"^[ \t]*(?:pub(?:\([^)]*\))?\s+)?(?:default\s+|async\s+|unsafe\s+|const\s+|"
        r"extern\s+\"[^\"]*\"\s+)*(?:fn|struct|enum|trait|type|union|mod|static|const|macro_rules!)"
        r"\s+(?:mut\s+)?(\w+)",
        "java": _JAVA,
        "kotlin": _JAVA,
        "csharp": _JAVA,
        "ruby": r"^[ \t]*(?:def\s+(?:self\.)?|class\s+|module\s+)(\w+)",
        "php": r"^[ \t]*(?:\w+\s+)*(?:function|class|interface|trait)\s+(\w+)",
        "c": r"^(?:[\w*]+\s+)+\**(\w+)\s*\([^;]*$|^(?:typedef\s+)?(?:struct|enum|union)\s+(\w+)",
        "cpp": r"^(?:[\w*:<>&]+\s+)+\**(\w+)\s*\([^;]*$|^(?:class|struct|enum|namespace)\s+(\w+)",
        "shell": r"^(?:function\s+)?(\w+)\s*\(\)",
        "sql": r"(?i)^create\s+(?:or\s+replace\s+)?(?:table|view|function|index)\s+"
        r"(?:if\s+not\s+exists\s+)?(\w+)",
        "prose": r"^#{1,3}[ \t]+(\S[^\n]{0,80})",
    }.items()
}
_MOST: Final = 2000


class Symbol(Struct, frozen=True, array_like=True):
    """A name and where it is defined; lines count from 1."""

    name: str
    line: int
    end: int = 0
    """The last line of its definition; 0: not known."""
    text: str = ""
    """The line that defines it."""
    depth: int = 0


def names(language: str, text: str) -> tuple[str, ...]:
    """What `text` defines, each name once, in its order; at most some thousand."""
    pattern = _PATTERNS.get(language)
    matches = islice(pattern.finditer(text), _MOST) if pattern else ()
    found = (match[match.lastindex or 0] for match in matches)
    return tuple(dict.fromkeys(name.strip() for name in found if name))


def symbols(language: str, text: str) -> tuple[Symbol, ...]:
    """The same with the lines they stand in, each time they are defined."""
    pattern = _PATTERNS.get(language)
    if pattern is None:
        return ()
    starts = list(accumulate((len(line) + 1 for line in text.split("\n")), initial=0))
    found = []
    for match in islice(pattern.finditer(text), _MOST):
        if name := match[match.lastindex or 0]:
            found.append(
                Symbol(name.strip(), bisect_right(starts, match.start(match.lastindex or 0)))
            )
    return tuple(found)
