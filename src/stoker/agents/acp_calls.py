"""Tool calls of the Agent Client Protocol, as entries of the stream."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from stoker.agents.bounds import clip
from stoker.agents.diffs import unified
from stoker.agents.stream import AnyContent, Change, Command, FileEdit, Status, ToolCall, ToolKind

_KINDS: Final[dict[str, ToolKind]] = {
    **{kind: kind for kind in ("read", "edit", "delete", "move", "search", "execute")},
    **{kind: kind for kind in ("think", "fetch")},
}
_STATUS: Final[dict[str, Status]] = {
    "pending": "pending",
    "in_progress": "running",
    "completed": "succeeded",
    "failed": "failed",
}


def status_of(call: dict[str, Any]) -> Status:
    """How far it has come."""
    return _STATUS.get(call.get("status") or "", "running")


def kind_of(call: dict[str, Any]) -> ToolKind:
    """What it does."""
    return _KINDS.get(call.get("kind") or "", "other")


def entry_of(
    id: str, call: dict[str, Any], relative: Callable[[str], str]
) -> Command | FileEdit | ToolCall:
    """The entry for a tool call, as the agent has told it so far. `relative`: paths as entries
    show them."""
    status = status_of(call)
    title = call.get("title") or ""
    given = call.get("rawInput")
    kind = kind_of(call)
    parts = call.get("content") or ()
    diffs = [part for part in parts if part["type"] == "diff"]
    text = clip("\n".join(filter(None, map(_text, parts))))
    if diffs:
        changes = tuple(_change(diff, relative) for diff in diffs)
        error = text if status == "failed" else ""
        return FileEdit(id=id, changes=changes, status=status, error=error)
    if kind == "execute":
        command = given.get("command") if isinstance(given, dict) else None
        if isinstance(command, list):
            command = " ".join(map(str, command))
        output, code = _output(call.get("rawOutput"), text)
        return Command(
            id=id, command=command or title, status=status, output=output, exit_code=code
        )
    name = (call.get("_meta") or {}).get("toolName") or kind
    return ToolCall(
        id=id, name=name, kind=kind, title=title, status=status, input=given, result=text
    )


def _change(part: dict[str, Any], relative: Callable[[str], str]) -> Change:
    path, old, new = relative(part["path"]), part.get("oldText"), part["newText"]
    if not old:
        return Change(path=path, change="added", diff=clip(new))
    return Change(path=path, diff=unified(old, new))


def _text(part: dict[str, Any]) -> str:
    content = part.get("content")
    return str(content.get("text") or "") if isinstance(content, dict) else ""


def _output(raw: Any, text: str) -> tuple[str, int | None]:
    """What a command wrote and its exit code, where the agent tells them apart."""
    if isinstance(raw, dict):
        metadata = raw.get("metadata")
        code = raw.get("exit_code", raw.get("exitCode"))
        if code is None and isinstance(metadata, dict):
            code = metadata.get("exit")
        output = raw.get("output")
        return (
            clip(output) if isinstance(output, str) else text,
            code if isinstance(code, int) else None,
        )
    return text, None


def paths_of(content: AnyContent) -> tuple[str, ...]:
    """The files of an edit."""
    return tuple(one.path for one in content.changes) if isinstance(content, FileEdit) else ()
