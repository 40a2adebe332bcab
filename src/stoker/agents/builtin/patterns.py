"""Patterns for paths."""

from __future__ import annotations

import re
from functools import lru_cache


@lru_cache(maxsize=256)
def path_pattern(pattern: str) -> re.Pattern[str]:
    """`*` and `?` match within a component, `**` over any number of them, `[...]` one
    character of a set, `{a,b}` either. A pattern without a slash matches a name in any
    directory."""
    if "/" not in pattern:
        pattern = f"**/{pattern}"
    found = ""
    at, depth = 0, 0
    while at < len(pattern):
        one = pattern[at]
        at += 1
        if pattern.startswith("**/", at - 1):
            found += "(?:[^/]+/)*"
            at += 2
        elif pattern.startswith("**", at - 1):
            found += ".*"
            at += 1
        elif one == "*":
            found += "[^/]*"
        elif one == "?":
            found += "[^/]"
        elif one == "[" and (end := pattern.find("]", at + 1)) > 0:
            inner = pattern[at:end].replace("\\", "\\\\").replace("[", "\\[")
            found += f"[{'^' + inner[1:] if inner[0] in '!^' else inner}]"
            at = end + 1
        elif one == "{" and "}" in pattern[at:]:
            found += "(?:"
            depth += 1
        elif one == "}" and depth:
            found += ")"
            depth -= 1
        elif one == "," and depth:
            found += "|"
        else:
            found += re.escape(one)
    try:
        return re.compile(found + ")" * depth, re.DOTALL)
    except re.error:  # a set that is none, such as `[z-a]`: then it stands for itself
        return re.compile(r"(?:.*/)?" + re.escape(pattern.removeprefix("**/")), re.DOTALL)
