"""task: a sub-agent with a conversation of its own."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from stoker.agents.builtin.tools.tool import Context, Output, tool


class Task(Struct, frozen=True, forbid_unknown_fields=True):
    prompt: Annotated[
        str, Meta(description="All it needs to know, and what it is to report", min_length=1)
    ]
    description: Annotated[str, Meta(description="A few words")] = ""


@tool(
    "own",
    Task,
    "Let a sub-agent do something in the same worktree. It knows nothing of this "
    "conversation and answers once, with its report. Several in one answer work at the "
    "same time.",
)
async def task(arguments: Task, context: Context) -> Output:
    return await context.delegate(arguments.prompt)
