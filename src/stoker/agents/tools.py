"""The tools of Claude-style agents, as entries of the stream."""

from __future__ import annotations

import re
from typing import Any, Final

from stoker.agents.bounds import clip
from stoker.agents.diffs import unified
from stoker.agents.stream import Change, Command, FileEdit, Status, Todo, ToolCall, ToolKind

_KINDS: Final[dict[str, ToolKind]] = {
    **dict.fromkeys(("read", "ls", "notebookread", "read_file", "list_directory"), "read"),
    **dict.fromkeys(("grep", "glob", "websearch", "search_file_content"), "search"),
    **dict.fromkeys(("edit", "write", "multiedit", "notebookedit", "write_file"), "edit"),
    **dict.fromkeys(("edit_file", "replace"), "edit"),
    **dict.fromkeys(("bash", "execute", "run_shell_command", "shell"), "execute"),
    **dict.fromkeys(("webfetch", "web_fetch"), "fetch"),
    **dict.fromkeys(("task", "agent"), "task"),
    **dict.fromkeys(("exitplanmode", "enterplanmode"), "think"),
}
TODO_TOOLS: Final = frozenset({"todowrite", "write_todos", "todo_write"})
_EXIT = re.compile(r"\s*(?:Exit code|exit code:?) (\d+)")


def kind_of(name: str) -> ToolKind:
    """What a tool does, by its name."""
    return _KINDS.get(name.lower(), "other")


def path_of(given: dict[str, Any]) -> str:
    """The file a tool's input names, or nothing."""
    for field in ("file_path", "notebook_path", "path", "absolute_path"):
        if isinstance(path := given.get(field), str):
            return path
    return ""


def entry_of(id: str, name: str, given: dict[str, Any], path: str) -> ToolCall | Command | FileEdit:
    """The entry for a tool in use. `path` is its file, as entries show it."""
    kind = kind_of(name)
    if kind == "execute" and isinstance(command := given.get("command"), str):
        return Command(id=id, command=command)
    if kind == "edit" and path:
        return FileEdit(id=id, changes=(_change(name, given, path),))
    title = path or next(
        (
            str(given[field])
            for field in ("pattern", "query", "url", "description", "prompt")
            if field in given
        ),
        "",
    )
    return ToolCall(id=id, name=name, kind=kind, title=title[:200], input=given)


def _change(name: str, given: dict[str, Any], path: str) -> Change:
    if isinstance(content := given.get("content"), str):
        return Change(path=path, change="added", diff=clip(content))
    edits = given.get("edits") if isinstance(given.get("edits"), list) else [given]
    diff = "".join(
        unified(str(edit.get("old_string", "")), str(edit.get("new_string", "")))
        for edit in edits or ()
        if isinstance(edit, dict)
    )
    return Change(path=path, diff=diff)


def outcome(entry: Any, text: str, failed: bool) -> tuple[Status, dict[str, Any]]:
    """Status and changed fields of an entry whose tool answered `text`."""
    status: Status = "failed" if failed else "succeeded"
    text = clip(text)
    if isinstance(entry, Command):
        found = _EXIT.match(text)
        code = int(found[1]) if found else (None if failed else 0)
        return status, {"output": text, "exit_code": code}
    if isinstance(entry, FileEdit):
        return status, {"error": text} if failed else {}
    return status, {"result": text}


def todos_of(given: dict[str, Any]) -> tuple[Todo, ...]:
    """The items of a todo list, as several agents spell them."""
    items = []
    for item in given.get("todos") or given.get("items") or ():
        text = item.get("content") or item.get("text") or item.get("description") or ""
        status = item.get("status", "pending")
        if status not in ("in_progress", "completed"):
            status = "pending"
        items.append(Todo(text=str(text), status=status))
    return tuple(items)
