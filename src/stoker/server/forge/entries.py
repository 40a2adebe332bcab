"""What agents say and do, as the contract's normalised log.

Every record of a turn's stream is taken in its order, so that an entry has the same number
whenever somebody reads it; only then are operations of one batch put together.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, Final

from stoker.agents import stream
from stoker.agents.stream import Put
from stoker.engine.view import iso

Op = dict[str, Any]
Value = dict[str, Any]

NEVER_SEC: Final = 365 * 86400.0
"""Requests for approval do not time out, but the contract wants to know when."""
_STATUSES: Final = {
    "pending": "created",
    "running": "created",
    "succeeded": "success",
    "failed": "failed",
    "canceled": "failed",
    "denied": "denied",
}
_QUERIES: Final = {
    "read": ("file_read", "path", ("file_path", "path", "absolute_path")),
    "search": ("search", "query", ("pattern", "query", "path")),
    "fetch": ("web_fetch", "url", ("url", "query")),
    "task": ("task_create", "description", ("description", "prompt")),
}
_PLAIN: Final[dict[type, str]] = {
    stream.UserMessage: "user_message",
    stream.AssistantMessage: "assistant_message",
    stream.Thinking: "thinking",
    stream.Notice: "system_message",
}


class Log:
    """The entries of one turn. `process_id` begins the ids of its approvals."""

    def __init__(self, process_id: str) -> None:
        self._process_id = process_id
        self._numbers: dict[tuple[int, int], int] = {}
        """Number by the index of a stream's entry, and which of those that come of it."""
        self._tools: dict[str, Put] = {}
        """Tools in use, by their ids."""
        self._asked: dict[str, Put] = {}
        """Requests for approval, by the tools they are about."""

    def take(self, puts: Iterable[Put]) -> list[Op]:
        """The operations that what is there at once comes to, one for each entry."""
        ops: dict[str, Op] = {}
        for put in puts:
            for index, part, value in self._values(put):
                new = (index, part) not in self._numbers
                number = self._numbers.setdefault((index, part), len(self._numbers))
                path = f"/entries/{number}"
                if not new and path in ops:
                    ops[path]["value"] = value
                else:
                    ops[path] = {"op": "add" if new else "replace", "path": path, "value": value}
        return list(ops.values())

    def _values(self, put: Put) -> list[tuple[int, int, Value]]:
        content = put.content
        if isinstance(content, stream.ToolCall | stream.Command | stream.FileEdit):
            self._tools[content.id] = put
            return self._tool(put)
        if isinstance(content, stream.Approval):
            return self._approval(put, content)
        entry = _entry(content)
        return [] if entry is None else [(put.index, 0, _value(put.time, *entry))]

    def _approval(self, put: Put, content: stream.Approval) -> list[tuple[int, int, Value]]:
        answer = content.answer
        about = self._tools.get(content.tool_call or "")
        if about is not None:
            self._asked[content.tool_call or ""] = put
            found = self._tool(about)
        else:
            action = {"action": "other", "description": content.command or content.title}
            kind = _tool_use(content.kind, action, self._asking(put, content))
            found = [(put.index, 0, _value(put.time, kind, content.title))]
        if answer is not None and not answer.allowed and answer.reason and answer.by != "policy":
            kind = {"type": "user_feedback", "denied_tool": content.title}
            found.append((put.index, 1, _value(answer.time or put.time, kind, answer.reason)))
        return found

    def _tool(self, put: Put) -> list[tuple[int, int, Value]]:
        content = put.content
        assert isinstance(content, stream.ToolCall | stream.Command | stream.FileEdit)  # noqa: S101
        status: Value = {"status": _STATUSES[content.status]}
        if content.status == "denied":
            status["reason"] = None
        asked = self._asked.get(content.id)
        if asked is not None and isinstance(asked.content, stream.Approval):
            answer = asked.content.answer
            if answer is None or not answer.allowed:
                status = self._asking(asked, asked.content)
        return [
            (put.index, part, _value(put.time, _tool_use(name, action, status), text))
            for part, (name, action, text) in enumerate(_actions(content))
        ]

    def _asking(self, put: Put, content: stream.Approval) -> Value:
        answer = content.answer
        if answer is None:
            return {
                "status": "pending_approval",
                "approval_id": approval_id(self._process_id, content.id),
                "requested_at": iso(put.time),
                "timeout_at": iso(put.time + NEVER_SEC),
            }
        if answer.allowed:
            return {"status": "success"}
        return {"status": "denied", "reason": answer.reason or None}


def approval_id(process_id: str, asked: str) -> str:
    """The id of an agent's request for approval, from which both are told again."""
    return f"{process_id}.{asked.encode().hex()}"


def _value(time: float, kind: Value, text: str) -> Value:
    content = {"timestamp": iso(time), "entry_type": kind, "content": text, "metadata": None}
    return {"type": "NORMALIZED_ENTRY", "content": content}


def _tool_use(name: str, action: Value, status: Value) -> Value:
    return {"type": "tool_use", "tool_name": name, "action_type": action, "status": status}


def _entry(content: stream.AnyContent) -> tuple[Value, str] | None:
    """What is no tool in use: the type of the entry, and its text."""
    if (name := _PLAIN.get(type(content))) is not None:
        return {"type": name}, content.text  # type: ignore[union-attr]
    if isinstance(content, stream.Todos):
        todos = [
            {"content": one.text, "status": one.status, "priority": None} for one in content.items
        ]
        action = {"action": "todo_management", "todos": todos, "operation": "write"}
        return _tool_use("TodoWrite", action, {"status": "success"}), "TODO list updated"
    if isinstance(content, stream.Session) and (content.agent or content.model):
        said = " ".join(filter(None, (content.agent, content.model)))
        return {"type": "system_message"}, f"Session with {said}"
    if isinstance(content, stream.Failure):
        return _error("\n".join(filter(None, (content.message, content.details))))
    if isinstance(content, stream.TurnEnded) and content.reason != "completed":
        return _error(content.error or f"The turn ended: {content.reason}")
    return None


def _error(text: str) -> tuple[Value, str]:
    return {"type": "error_message", "error_type": {"type": "other"}}, text


def _actions(
    content: stream.ToolCall | stream.Command | stream.FileEdit,
) -> Sequence[tuple[str, Value, str]]:
    """Tool, action and text; an edit of several files is several."""
    if isinstance(content, stream.Command):
        return [
            (
                "Bash",
                command(
                    content.command,
                    content.output,
                    content.exit_code,
                    over=content.status not in ("pending", "running"),
                ),
                content.command,
            )
        ]
    if isinstance(content, stream.FileEdit):
        return [("Edit", _edit(one), one.path) for one in content.changes]
    text = content.title or content.name
    known = _QUERIES.get(content.kind)
    given = content.input if isinstance(content.input, dict) else {}
    if known is not None:
        action, field, keys = known
        value = next((given[key] for key in keys if isinstance(given.get(key), str)), text)
        return [(content.name, {"action": action, field: value}, text)]
    result = {"type": {"type": "markdown"}, "value": content.result} if content.result else None
    tool = {"action": "tool", "tool_name": content.name, "arguments": content.input}
    return [(content.name, {**tool, "result": result}, text)]


def command(text: str, output: str, code: int | None, *, over: bool) -> Value:
    """A command, and how it went."""
    result: Value | None = None
    if over or output:
        status = None if code is None else {"type": "exit_code", "code": code}
        result = {"exit_status": status, "output": output or None}
    return {"action": "command_run", "command": text, "result": result}


def _edit(one: stream.Change) -> Value:
    path, changes = one.path, list[Value]()
    if one.change == "deleted":
        changes.append({"action": "delete"})
    elif one.change == "added" and "@@" not in one.diff:
        changes.append({"action": "write", "content": one.diff})
    else:
        if one.change == "renamed" and one.old_path:
            path = one.old_path
            changes.append({"action": "rename", "new_path": one.path})
        if one.diff or not changes:
            old = "/dev/null" if one.change == "added" else f"a/{path}"
            unified = f"--- {old}\n+++ b/{one.path}\n{one.diff}"
            changes.append(
                {"action": "edit", "unified_diff": unified, "has_line_numbers": "@@ -" in one.diff}
            )
    return {"action": "file_edit", "path": path, "changes": changes}
