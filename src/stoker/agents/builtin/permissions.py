"""What may be done, what has to be asked for, what is refused.

A rule is `tool` or `tool(pattern)`. `tool` is a tool's name or its kind: `read`, `edit`,
`execute`. For files, the pattern is held against the path in the worktree, symbolic links
resolved; for commands, against the command line. Rules on command lines are a convenience and
no wall, which is what a sandbox is for; so an allow rule does not cover a line that holds more
than one command, and deny and ask rules look at each command of a line.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final, Literal

from msgspec import Struct

from stoker.agents.builtin.patterns import path_pattern, text_pattern
from stoker.agents.builtin.settings import Decision, Permissions

Kind = Literal["read", "edit", "execute", "own"]
"""`own`: within the agent itself, always allowed unless a rule says otherwise."""

_KINDS: Final = frozenset(("read", "edit", "execute"))
_RULE: Final = re.compile(r"(\w+)(?:\((.*)\))?", re.DOTALL)
_COMPOUND: Final = re.compile(r"[;&|<>`\n\r]|\$\(")
_SEPARATORS: Final = re.compile(r"[;&|\n\r`()]+")


class BadRule(ValueError):
    """A rule that cannot be read or names no tool."""


class Rule(Struct, frozen=True):
    """A rule, read."""

    tool: str
    pattern: str | None


class Policy:
    """Rules, ready to be asked. Raises `BadRule`."""

    def __init__(self, permissions: Permissions, tools: Iterable[str]) -> None:
        names = {*tools, *_KINDS}
        self._deny = _rules(permissions.deny, names)
        self._ask = _rules(permissions.ask, names)
        self._allow = _rules(permissions.allow, names)
        self._defaults: dict[Kind, Decision] = {
            "read": permissions.read,
            "edit": permissions.edit,
            "execute": permissions.execute,
            "own": "allow",
        }

    def decide(self, tool: str, kind: Kind, subject: str) -> Decision:
        """`subject`: path or command line."""
        if any(_matches(rule, tool, kind, subject, strict=False) for rule in self._deny):
            return "deny"
        if any(_matches(rule, tool, kind, subject, strict=False) for rule in self._ask):
            return "ask"
        if any(_matches(rule, tool, kind, subject, strict=True) for rule in self._allow):
            return "allow"
        return self._defaults[kind]


def _rules(texts: Iterable[str], names: set[str]) -> tuple[Rule, ...]:
    rules = []
    for text in texts:
        found = _RULE.fullmatch(text.strip())
        if found is None or found[1] not in names:
            known = ", ".join(sorted(names))
            raise BadRule(f"permissions: {text!r}: expected tool or tool(pattern), tool of {known}")
        rules.append(Rule(found[1], found[2]))
    return tuple(rules)


def _matches(rule: Rule, tool: str, kind: Kind, subject: str, *, strict: bool) -> bool:
    if rule.tool not in {tool, kind}:
        return False
    if rule.pattern is None or rule.pattern in {"*", "**"}:
        return True
    if kind != "execute":
        return path_pattern(rule.pattern).fullmatch(subject) is not None
    line = subject.strip()
    pattern = text_pattern(rule.pattern)
    if strict:
        return line == rule.pattern or (
            not _COMPOUND.search(line) and pattern.fullmatch(line) is not None
        )
    parts = (line, *(part.strip() for part in _SEPARATORS.split(line)))
    return any(pattern.fullmatch(part) for part in parts)
