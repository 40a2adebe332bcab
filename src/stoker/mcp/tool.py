"""What a tool is: an operation of a client, or a function on one, with structs for what it takes
and gives."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, get_type_hints

import msgspec
from msgspec import Struct
from msgspec.structs import asdict
from msgspec.structs import fields as fields_of

from stoker.client.client import Client
from stoker.client.operation import Operation, nothing

Report = Callable[[float, str], Awaitable[None]]
"""Tells the caller how far it is, and at what."""
Act = Callable[[Client, Any, Report], Awaitable[Any]]


class Tool(Struct, frozen=True, kw_only=True):
    """One tool."""

    name: str
    description: str
    takes: type[Struct]
    gives: Any
    reads: bool
    """It changes nothing."""
    destroys: bool
    """It may end or overwrite something."""
    act: Act


class Tools:
    """Tools by name, in the order they were written down."""

    def __init__(self) -> None:
        self.all: dict[str, Tool] = {}

    def ask(
        self,
        name: str,
        operation: Operation[..., Any],
        description: str,
        *fields: str,
        reads: bool = False,
        destroys: bool = False,
        **fixed: Any,
    ) -> None:
        """An operation becomes a tool, which takes what is in its path and these fields of the
        rest; `fixed`: others, whoever asks."""
        places = operation.places
        known: Any = () if operation.takes is nothing else fields_of(operation.takes)  # type: ignore[arg-type]
        taken: list[Any] = [(place, str) for place in places]
        taken += [
            (
                one.name,
                one.type,
                msgspec.field(  # type: ignore[call-overload] # one of them is none
                    default=one.default, default_factory=one.default_factory
                ),
            )
            for one in known
            if one.name in fields
        ]

        async def act(client: Client, given: Struct, report: Report) -> Any:
            said = asdict(given)
            parts = [said.pop(place) for place in places]
            return await client.call(operation.request(*parts, **said, **fixed))

        self.all[name] = Tool(
            name=name,
            description=description,
            takes=msgspec.defstruct(
                name, taken, frozen=True, kw_only=True, forbid_unknown_fields=True
            ),
            gives=operation.answer,
            reads=reads,
            destroys=destroys,
            act=act,
        )

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


def schema(kind: Any) -> dict[str, Any]:
    """The JSON Schema of a struct, an object at its top; of anything else as `structured` has it,
    within one."""
    (own,), parts = msgspec.json.schema_components([kind], ref_template="#/$defs/{name}")
    if isinstance(kind, type) and issubclass(kind, Struct):
        top: dict[str, Any] = dict(parts.pop(kind.__name__))
    else:
        top = {"type": "object", "properties": {"result": own}, "required": ["result"]}
    return {**top, "$defs": parts} if parts else top


def structured(found: Any, kind: Any) -> dict[str, Any]:
    """What is given, as an object: that is what clients take."""
    plain = msgspec.to_builtins(found)
    return plain if isinstance(kind, type) and issubclass(kind, Struct) else {"result": plain}
