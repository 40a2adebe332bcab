"""glob and grep: over the files git knows of and those it would, not those it ignores."""

from __future__ import annotations

import os
from typing import Annotated, Final

from msgspec import Meta, Struct

from stoker.agents.bounds import listed
from stoker.agents.builtin.patterns import path_pattern
from stoker.agents.builtin.tools.program import Ran, run_program
from stoker.agents.builtin.tools.tool import Context, Output, ToolError, path_of, tool

_SECONDS: Final = 30.0
_KEEP: Final = 8 << 20
_MAX_FILES: Final = 500
_MAX_MATCHES: Final = 300
_MAX_LINE: Final = 300
_GIT: Final = ("git", "-c", "core.fsmonitor=false", "-c", "core.quotePath=false")
"""The worktree's own settings must not make git run a program."""


class Glob(Struct, frozen=True, forbid_unknown_fields=True):
    pattern: Annotated[str, Meta(description="Such as **/*.py, src/*.{c,h} or README*")]
    path: Annotated[str, Meta(description="Directory to look in")] = "."


class Grep(Struct, frozen=True, forbid_unknown_fields=True):
    pattern: Annotated[str, Meta(description="Extended regular expression", min_length=1)]
    path: Annotated[str, Meta(description="File or directory to look in")] = "."
    glob: Annotated[str, Meta(description="Only in files whose path matches")] | None = None
    ignore_case: bool = False
    context: Annotated[int, Meta(description="Lines around each match", ge=0, le=20)] = 0


@tool(
    "read",
    Glob,
    "Find files by a pattern of their path. Files that git ignores are left out.",
    path_of,
)
async def glob(arguments: Glob, context: Context) -> Output:
    place = context.worktree.relative(arguments.path)
    if "\0" in arguments.pattern:
        raise ToolError("a pattern cannot hold a null byte")
    prefix = "" if place == "." else f"{place}/"
    pattern = path_pattern(arguments.pattern)
    files = [
        name
        for name in await _files(context, place)
        if name.startswith(prefix) and pattern.fullmatch(name[len(prefix) :])
    ]
    return Output(text=listed(sorted(files), _MAX_FILES, "files") or "(no file matches)")


@tool(
    "read",
    Grep,
    "Search in files by a regular expression: path:line:text. Files that git ignores are left out.",
    path_of,
)
async def grep(arguments: Grep, context: Context) -> Output:
    place = context.worktree.relative(arguments.path)
    argv = [*_GIT, "grep", "-nIE", "--color=never", "--full-name", "--no-recurse-submodules"]
    argv.append("--untracked" if _is_repository(context) else "--no-index")
    if arguments.ignore_case:
        argv.append("-i")
    if arguments.context:
        argv += ["-C", str(arguments.context)]
    argv += ["-e", arguments.pattern, "--"]
    if arguments.glob is None:
        argv.append(f":(literal){place}")
    else:
        # Braces and names in any directory are beyond git's own patterns.
        wanted = path_pattern(arguments.glob)
        under = "" if place == "." else f"{place}/"
        names = [
            name
            for name in await _files(context, place)
            if wanted.fullmatch(name) or wanted.fullmatch(name.removeprefix(under))
        ]
        if not names:
            return Output(text="(no file matches glob)")
        argv += [f":(literal){name}" for name in names[:2000]]
    ran = await _run(context, argv)
    if ran.exit.exit_code == 1 and not ran.output:
        return Output(text="(no match)")
    if ran.exit.exit_code not in {0, 1}:
        raise ToolError(ran.output.strip() or f"git grep failed with {ran.exit.exit_code}")
    lines = [
        line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]} [...]"
        for line in ran.output.removesuffix("\n").split("\n")
    ]
    return Output(text=listed(lines, _MAX_MATCHES, "lines"))


async def _files(context: Context, place: str) -> list[str]:
    """Paths of files beneath `place`, from the worktree's root."""
    root = context.worktree.root
    if not _is_repository(context):
        return _walked(root, place)
    argv = [*_GIT, "ls-files", "-zco", "--exclude-standard", "--deduplicate"]
    ran = await _run(context, [*argv, "--", f":(literal){place}"])
    if ran.exit.exit_code != 0:
        raise ToolError(ran.output.strip() or f"git ls-files failed with {ran.exit.exit_code}")
    return [name for name in ran.output.split("\0") if name and _exists(root, name)]


def _exists(root: str, name: str) -> bool:
    return os.path.lexists(os.path.join(root, name))  # noqa: PTH118


def _walked(root: str, place: str) -> list[str]:
    found = []
    for folder, folders, names in os.walk(os.path.join(root, place)):  # noqa: PTH118
        folders[:] = [name for name in folders if name != ".git"]
        at = os.path.relpath(folder, root)
        found += names if at == "." else [f"{at}/{name}" for name in names]
    return found


async def _run(context: Context, argv: list[str]) -> Ran:
    env = {"GIT_OPTIONAL_LOCKS": "0", "LC_ALL": "C.UTF-8"}
    ran = await run_program(context, tuple(argv), _SECONDS, keep=_KEEP, env=env)
    if ran.timed_out:
        raise ToolError(f"took longer than {_SECONDS:g} s; look in less")
    return ran


def _is_repository(context: Context) -> bool:
    return _exists(context.worktree.root, ".git")
