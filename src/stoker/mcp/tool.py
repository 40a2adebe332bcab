"""What a tool is: a function on a client, with structs for what it takes and gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct

from stoker.client.client import Client

Report = Callable[[float, str], Awaitable[None]]
"""Tells the caller how far it is, and at what."""
Act = Callable[[Client, Any, Report], Awaitable[Any]]


class Tool(Struct, frozen=True, kw_only=True):
    """One tool."""

    name: str
    description: str
    takes: type[Struct]
    gives: type[Struct]
    reads: bool
    """It changes nothing."""
    destroys: bool
    """It may end or overwrite something."""
    act: Act


class Tools:
    """Tools by name, in the order they were written down."""

    def __init__(self) -> None:
        self.all: dict[str, Tool] = {}

    def add(self, *, reads: bool = False, destroys: bool = False) -> Callable[[Act], Act]:
        """A function becomes a tool: name, docstring and annotations say which."""

        def added(act: Act) -> Act:
            types = get_type_hints(act)
            name = act.__name__
            self.all[name] = Tool(
                name=name,
                description=" ".join((act.__doc__ or "").split()),
                takes=types["given"],
                gives=types["return"],
                reads=reads,
                destroys=destroys,
                act=act,
            )
            return act

        return added


def schema(kind: type[Struct]) -> dict[str, Any]:
    """The JSON Schema of a struct, an object at its top."""
    (_,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    top: dict[str, Any] = dict(parts.pop(kind.__name__))
    return {**top, "$defs": parts} if parts else top
