"""What a tool is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from stoker.agents.builtin.entries import Usage
from stoker.agents.builtin.settings import Kind, Settings
from stoker.agents.worktree import ToolError, Worktree
from stoker.process.spawner import Spawner

__all__ = ["Context", "Offer", "Output", "Tool", "ToolError", "schema_of", "tool"]

MAX_OUTPUT = 30_000
"""Characters of an output at most; what is longer is clipped."""


class Output(Struct, frozen=True, kw_only=True):
    """What a call came to."""

    text: str
    is_error: bool = False
    usage: Usage = Usage()
    """What a sub-agent used."""
    cost: float = 0.0


class Context(Struct, frozen=True, kw_only=True):
    """What a call works with."""

    worktree: Worktree
    settings: Settings
    spawner: Spawner
    env: Mapping[str, str]
    scratch: str
    """The last two: see `Session`."""
    marker: str
    """Of processes of this call."""
    todos: Callable[[], str | None]
    """Arguments of the last `write_todos`."""
    delegate: Callable[[str], Awaitable[Output]]
    """Give a sub-agent something to do; its last words. Goes on with it if it had begun."""


Run = Callable[[Any, Context], Awaitable[Output]]
Subject = Callable[[Any, Worktree], str]


class Offer(Struct, frozen=True, kw_only=True):
    """What the model is told of a tool."""

    name: str
    description: str
    arguments: type[Struct]

    @property
    def schema(self) -> dict[str, Any]:
        """JSON Schema of its arguments."""
        return schema_of(self.arguments)

    @property
    def size(self) -> int:
        """Characters of it, about."""
        return len(self.description) + len(msgspec.json.encode(self.schema))

    def decode(self, arguments: str) -> Any:
        """An instance of `arguments`. Raises `ToolError`, which says what was expected."""
        try:
            return msgspec.json.decode(arguments, type=self.arguments, strict=False)
        except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
            expected = msgspec.json.encode(self.schema["properties"]).decode()
            raise ToolError(
                f"the arguments of {self.name} are malformed: {error}. Nothing was done. "
                f"Expected a JSON object with the properties {expected}"
            ) from error


class Tool(Offer, frozen=True, kw_only=True):
    """One that the model can call."""

    kind: Kind
    run: Run
    """Takes an instance of `arguments`. Raises `ToolError`."""
    subject: Subject
    """The path or command line that it is about. Raises `ToolError`."""

    @property
    def repeatable(self) -> bool:
        """To be run again, if nobody knows what came of it, does no harm; a sub-agent goes on
        where it stood."""
        return self.kind in ("read", "own")


def tool(
    kind: Kind,
    arguments: type[Struct],
    description: str,
    subject: Subject = lambda arguments, worktree: "",
) -> Callable[[Run], Tool]:
    """Makes a tool of what runs it, which has its name."""
    return lambda run: Tool(
        name=run.__name__,
        description=description,
        arguments=arguments,
        kind=kind,
        run=run,
        subject=subject,
    )


@lru_cache(maxsize=64)
def schema_of(arguments: type[Struct]) -> dict[str, Any]:
    """JSON Schema of an object, in itself complete."""
    (found,), parts = msgspec.json.schema_components((arguments,), ref_template="{name}")
    return dict(_inlined(found, parts))


def _inlined(part: Any, parts: dict[str, Any]) -> Any:
    if isinstance(part, list):
        return [_inlined(item, parts) for item in part]
    if not isinstance(part, dict):
        return part
    if "$ref" in part:
        return _inlined({k: v for k, v in parts[part["$ref"]].items() if k != "title"}, parts)
    return {name: _inlined(item, parts) for name, item in part.items()}


def path_of(arguments: Any, worktree: Worktree) -> str:
    """`subject` of tools that take a path."""
    return worktree.relative(arguments.path)


def writable_path_of(arguments: Any, worktree: Worktree) -> str:
    """`subject` of tools that write to a path."""
    return worktree.writable(arguments.path)
