"""ls, read_file, write_file, edit_file."""

from __future__ import annotations

from io import StringIO
from typing import Annotated, Final

from msgspec import Meta, Struct

from stoker.agents.bounds import listed
from stoker.agents.builtin.tools.tool import (
    MAX_OUTPUT,
    Context,
    Output,
    ToolError,
    path_of,
    tool,
    writable_path_of,
)

_MAX_ENTRIES: Final = 1000
_MAX_LINES: Final = 2000
_MAX_LINE: Final = 2000

Path = Annotated[str, Meta(description="From the worktree's root")]


class Ls(Struct, frozen=True, forbid_unknown_fields=True):
    path: Path = "."


class ReadFile(Struct, frozen=True, forbid_unknown_fields=True):
    path: Path
    offset: Annotated[int, Meta(description="First line, from 1", ge=1)] = 1
    limit: Annotated[int, Meta(description="Lines at most", ge=1)] = _MAX_LINES


class WriteFile(Struct, frozen=True, forbid_unknown_fields=True):
    path: Path
    content: str


class EditFile(Struct, frozen=True, forbid_unknown_fields=True):
    path: Path
    old_string: Annotated[str, Meta(description="Exactly as it is in the file", min_length=1)]
    new_string: str
    replace_all: bool = False


@tool(
    "read",
    Ls,
    "List a directory: files with their sizes, directories/, symbolic links@.",
    path_of,
)
async def ls(arguments: Ls, context: Context) -> Output:
    lines = []
    for entry in context.worktree.entries(arguments.path):
        if entry.is_symlink():
            lines.append(f"{entry.name}@")
        elif entry.is_dir():
            lines.append(f"{entry.name}/")
        else:
            lines.append(f"{entry.name}  {entry.stat(follow_symlinks=False).st_size}")
    return Output(text=listed(lines, _MAX_ENTRIES, "entries") or "(empty)")


@tool("read", ReadFile, f"Read a text file, lines numbered; {_MAX_LINES} lines at most.", path_of)
async def read_file(arguments: ReadFile, context: Context) -> Output:
    text = _text(arguments.path, context.worktree.read(arguments.path))
    lines = [line.rstrip("\r\n") for line in StringIO(text)]
    first = arguments.offset - 1
    if first and first >= len(lines):
        raise ToolError(f"{arguments.path}: has {len(lines)} lines only")
    found: list[str] = []
    size = 0
    for number, line in enumerate(lines[first : first + arguments.limit], arguments.offset):
        shown = line if len(line) <= _MAX_LINE else f"{line[:_MAX_LINE]} [... {len(line)}]"
        size += len(shown) + 8
        if len(found) >= _MAX_LINES or size > MAX_OUTPUT - 200:
            break
        found.append(f"{number:6}\t{shown}")
    after = first + len(found)
    if after < len(lines):
        found.append(f"[lines {arguments.offset} to {after} of {len(lines)}]")
    return Output(text="\n".join(found) or "(empty)")


@tool(
    "edit",
    WriteFile,
    "Write a whole file, new or in place of the old one; makes its directories.",
    writable_path_of,
)
async def write_file(arguments: WriteFile, context: Context) -> Output:
    data = _bytes(arguments.content)
    new = context.worktree.write(arguments.path, data)
    return Output(text=f"{'created' if new else 'replaced'} {arguments.path}, {len(data)} bytes")


@tool(
    "edit",
    EditFile,
    "Replace a passage of a file. old_string has to be in it exactly once, unless "
    "replace_all is true.",
    writable_path_of,
)
async def edit_file(arguments: EditFile, context: Context) -> Output:
    if arguments.old_string == arguments.new_string:
        raise ToolError("old_string and new_string are the same: nothing was changed")
    context.worktree.writable(arguments.path)
    data = context.worktree.read(arguments.path)
    _text(arguments.path, data)
    old, new = _bytes(arguments.old_string), _bytes(arguments.new_string)
    if b"\r\n" in data and b"\r\n" not in old and b"\n" in old:
        # The model does not see how lines end.
        old, new = old.replace(b"\n", b"\r\n"), new.replace(b"\n", b"\r\n")
    count = data.count(old)
    if count == 0:
        raise ToolError(
            f"{arguments.path}: old_string is not in it: nothing was changed. Read the file "
            "again, blanks and line ends count"
        )
    if count > 1 and not arguments.replace_all:
        raise ToolError(
            f"{arguments.path}: old_string is in it {count} times: nothing was changed. Give "
            "more of its surroundings, or replace_all"
        )
    context.worktree.write(arguments.path, data.replace(old, new))
    return Output(text=f"changed {arguments.path} in {count} place{'s' * (count > 1)}")


def _text(path: str, data: bytes) -> str:
    if b"\0" in data[:8192]:
        raise ToolError(f"{path}: is binary, {len(data)} bytes")
    return data.decode("utf-8", "replace")


def _bytes(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        raise ToolError(f"the text cannot be encoded: {error}") from error
