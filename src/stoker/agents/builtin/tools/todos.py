"""write_todos and read_todos: the agent's own list of what is to be done."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

from stoker.agents.builtin.tools.tool import Context, Output, tool


class Todo(Struct, frozen=True, forbid_unknown_fields=True):
    content: Annotated[str, Meta(min_length=1, max_length=1000)]
    status: Literal["pending", "in_progress", "completed"]


class WriteTodos(Struct, frozen=True, forbid_unknown_fields=True):
    todos: Annotated[list[Todo], Meta(description="The whole list", max_length=200)]


class ReadTodos(Struct, frozen=True, forbid_unknown_fields=True):
    pass


@tool("own", WriteTodos, "Replace the list of what is to be done. For work of several steps.")
async def write_todos(arguments: WriteTodos, context: Context) -> Output:
    # The call itself is in the transcript: that is where the list is kept.
    return Output(text=_shown(arguments.todos))


@tool("own", ReadTodos, "Read the list of what is to be done.")
async def read_todos(arguments: ReadTodos, context: Context) -> Output:
    written = context.todos()
    if written is None:
        return Output(text="(nothing)")
    found = msgspec.json.decode(written, type=WriteTodos, strict=False)
    return Output(text=_shown(found.todos))


def _shown(todos: list[Todo]) -> str:
    boxes = {"pending": "[ ]", "in_progress": "[>]", "completed": "[x]"}
    return "\n".join(f"{boxes[one.status]} {one.content}" for one in todos) or "(nothing)"
