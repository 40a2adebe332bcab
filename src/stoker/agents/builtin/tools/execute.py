"""execute: a command line in a shell."""

from __future__ import annotations

import os
from typing import Annotated, Final

from msgspec import Meta, Struct

from stoker.agents.builtin.tools.program import run_program
from stoker.agents.builtin.tools.tool import Context, Output, tool
from stoker.process.tree import end_all

_QUIET: Final = {
    "GIT_TERMINAL_PROMPT": "0",
    "GIT_EDITOR": "true",
    "GIT_PAGER": "cat",
    "PAGER": "cat",
    "TERM": "dumb",
}
"""Nobody is there to be asked."""


class Execute(Struct, frozen=True, forbid_unknown_fields=True):
    command: Annotated[str, Meta(description="For bash, in the worktree's root", min_length=1)]
    timeout_sec: Annotated[float, Meta(gt=0)] | None = None


@tool(
    "execute",
    Execute,
    "Run a command line in bash. It has no terminal and no input; all its processes end "
    "with it, also those in the background. Returns its output, after its exit code if that is "
    "not 0.",
    lambda arguments, worktree: str(arguments.command),
)
async def execute(arguments: Execute, context: Context) -> Output:
    settings = context.settings
    seconds = min(arguments.timeout_sec or settings.command_sec, settings.command_max_sec)
    shell = "/bin/bash" if os.access("/bin/bash", os.X_OK) else "/bin/sh"
    ran = await run_program(context, (shell, "-c", arguments.command), seconds, env=_QUIET)
    # Its group has ended with it; what left the group is found by its marker.
    await end_all(context.marker, 0)
    end = ran.exit
    if ran.timed_out:
        remark = f"Timed out after {seconds:g} s; its processes were ended"
    elif end.signal is not None:
        remark = f"Killed by signal {end.signal}"
    elif end.code != 0:
        remark = f"Exit code {end.code}"
    else:
        return Output(text=ran.output or "(no output)")
    return Output(text=f"{remark}\n{ran.output}", is_error=True)
