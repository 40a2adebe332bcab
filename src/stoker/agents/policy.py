"""Which requests of an agent are answered without asking a person."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Literal

from msgspec import Struct

from stoker.agents.destructive import destructive
from stoker.agents.stream import ToolKind

_SHELL = frozenset(";&|<>`$(){}\n\\")
"""With one of these, a command may do more than its first words say."""


class Policy(Struct, frozen=True, kw_only=True):
    """Answers to requests for approval.

    With `ask`, what the lists name is allowed and a person is asked about all else; with
    `deny`, all else is denied.
    """

    mode: Literal["ask", "allow", "deny"] = "ask"
    commands: tuple[str, ...] = ()
    """Patterns of whole command lines, such as `git status*`. One whose command line has
    operators of the shell in it is matched by a pattern that is equal to it only."""
    paths: tuple[str, ...] = ()
    """Patterns of paths within the worktree that may be edited, such as `docs/*`; `*` matches
    `/` too."""

    pause: tuple[str, ...] | None = None
    """Commands that destroy something (`stoker.agents.destructive`), and those that these
    patterns are for, wait for a person, whatever else is allowed; None: they do not."""

    def decide(self, kind: ToolKind, command: str | None, paths: tuple[str, ...]) -> bool | None:
        """Whether the agent may; None: a person is to say. `paths` are relative to the
        worktree; one that is not in it is absolute, and matched by no pattern."""
        allowed = self._decide(kind, command, paths)
        return None if allowed and self.why(kind, command) else allowed

    def why(self, kind: ToolKind, command: str | None) -> str | None:
        """What a command destroys, for which it waits; None: it does not wait for that."""
        if self.pause is None or (command is None and kind != "execute"):
            return None
        return "it does not say what" if command is None else destructive(command, self.pause)

    def _decide(self, kind: ToolKind, command: str | None, paths: tuple[str, ...]) -> bool | None:
        if self.mode == "allow":
            return True
        if kind == "execute":
            listed = command is not None and any(_runs(command, one) for one in self.commands)
        elif kind in ("edit", "delete", "move"):
            listed = bool(paths) and all(self._listed(path) for path in paths)
        else:
            listed = kind in ("read", "search", "think")
        return True if listed else (False if self.mode == "deny" else None)

    def _listed(self, path: str) -> bool:
        inside = not path.startswith("/") and ".." not in path.split("/")
        return inside and any(fnmatchcase(path, pattern) for pattern in self.paths)


def _runs(command: str, pattern: str) -> bool:
    return command == pattern or (
        _SHELL.isdisjoint(command) and fnmatchcase(command.strip(), pattern)
    )
