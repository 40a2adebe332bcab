"""What goes over stdin and stdout: Claude-style stream-json, an object a line.

Out: `system` (init, api_retry, compact_boundary, note), `assistant`, `user` (results of
tools), `stream_event` (if asked for), `control_request` (can_use_tool), `control_response`,
`result`. In: `user`, `control_request` (initialize, interrupt, end_session) and
`control_response`. A `user` line whose `uuid` was seen before is ignored.

Lines that come from the transcript carry a `uuid` made of the session and the entry's number.
An agent that goes on in a turn after having been killed says the last of them again, with the
same `uuid` and `isReplay`, since nobody knows whether it was heard. `init` has the `turn_id` of
the turn that goes on, or null, and the `last_result` if a turn's end is the last that happened.
A `result` has the `turn_id` of its turn, which is the `uuid` of the `user` line that asked for
it; its `usage` and `turn_cost_usd` are of that turn, `total_cost_usd` of the whole session,
sub-agents included.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Final

from stoker.agents.builtin.entries import (
    Answer,
    Call,
    Compacted,
    Dropped,
    Ended,
    Image,
    Noted,
    Result,
    Usage,
)
from stoker.agents.builtin.history import History
from stoker.agents.builtin.transcript import Line

Grant = tuple[str, str]
"""See `Decided.always`."""
_MAX_LINE: Final = 64 << 20
_SUBTYPES: Final = {
    "done": "success",
    "max_turns": "error_max_turns",
    "max_cost": "error_max_budget_usd",
    "max_tokens": "error_max_budget_tokens",
    "max_seconds": "error_max_seconds",
}
_STOPS: Final = {
    "end": "end_turn",
    "calls": "tool_use",
    "length": "max_tokens",
    "refused": "refusal",
}


def read_lines(fd: int, on_line: Callable[[bytes | None], None]) -> None:
    """Call `on_line` for each line that comes, from a thread, and with None at the end.
    stdin may be a file, which an event loop cannot wait for."""

    def read() -> None:
        with suppress(OSError), open(fd, "rb", closefd=False) as stream:
            while line := stream.readline(_MAX_LINE):
                if line.strip():
                    on_line(line)
        on_line(None)

    threading.Thread(target=read, name="stdin", daemon=True).start()


def entry_lines(line: Line, history: History, session: str, parent: str | None) -> list[Any]:
    """How an entry is told; most that are for the agent alone are not. `parent`: the call
    whose sub-agent it is of."""
    entry = line.entry
    place = {"session_id": session, "parent_tool_use_id": parent}
    name = f"{session}:{parent}:{line.seq}" if parent else f"{session}:{line.seq}"
    place["uuid"] = name
    match entry:
        case Answer():
            model = history.session.model if history.session else ""
            return [{"type": "assistant", "message": _message(entry, name, model), **place}]
        case Result():
            block = {"type": "tool_result", "tool_use_id": entry.call, "content": entry.text}
            content = [{**block, "is_error": entry.is_error}]
            return [{"type": "user", "message": {"role": "user", "content": content}, **place}]
        case Noted(text):
            return [{"type": "system", "subtype": "note", "text": text, **place}]
        case Compacted() | Dropped():
            found = {"messages": entry.messages, "trigger": "auto"}
            summary = entry.summary if isinstance(entry, Compacted) else None
            head = {"type": "system", "subtype": "compact_boundary"}
            return [{**head, "compact_metadata": found, "summary": summary, **place}]
        case Ended() if parent is None:
            return [_result(entry, history, place)]
    return []


def question_line(
    question: str, call: Call, session: str, parent: str | None, always: Grant
) -> dict[str, Any]:
    """Asks whether a call may run, and offers not to ask for what is like it again."""
    kind, subject = always
    rule = {"toolName": kind, **({"ruleContent": subject} if subject else {})}
    request = {
        "subtype": "can_use_tool",
        "tool_name": call.name,
        "input": input_of(call),
        "tool_use_id": call.id,
        "permission_suggestions": [
            {"type": "addRules", "behavior": "allow", "destination": "session", "rules": [rule]}
        ],
    }
    head = {"type": "control_request", "request_id": question, "request": request}
    return {**head, "session_id": session, "parent_tool_use_id": parent}


def input_of(call: Call) -> dict[str, Any]:
    """The arguments of a call as an object; malformed ones as they are, in one field."""
    found = call.given()
    return {"malformed": call.arguments} if found is None else found


def usage_of(usage: Usage) -> dict[str, int]:
    """As Anthropic counts."""
    return {
        "input_tokens": usage.input,
        "cache_creation_input_tokens": usage.cache_write,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output,
    }


def heard(message: dict[str, Any]) -> tuple[str, tuple[Image, ...]]:
    """The text and the images of a `user` line."""
    content = (message.get("message") or {}).get("content")
    texts = [content] if isinstance(content, str) else []
    images = []
    for part in content if isinstance(content, list) else ():
        source = part.get("source") if isinstance(part, dict) else None
        if isinstance(source, dict) and source.get("type") == "base64":
            images.append(Image(str(source.get("media_type")), str(source.get("data"))))
        elif isinstance(part, dict) and isinstance(text := part.get("text"), str):
            texts.append(text)
    return "\n".join(texts), tuple(images)


def _message(answer: Answer, name: str, model: str) -> dict[str, Any]:
    content: list[dict[str, Any]] = [
        {"type": "thinking", "thinking": one.text, "signature": one.signature}
        for one in answer.thinking
        if one.text
    ]
    if answer.text:
        content.append({"type": "text", "text": answer.text})
    content += [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": input_of(call)}
        for call in answer.calls
    ]
    return {
        "id": name,
        "type": "message",
        "role": "assistant",
        "model": model,
        "content": content,
        "stop_reason": _STOPS[answer.stop],
        "usage": usage_of(answer.usage),
    }


def _result(ended: Ended, history: History, place: dict[str, Any]) -> dict[str, Any]:
    done = ended.reason == "done"
    spent = history.spent
    return {
        "type": "result",
        "subtype": _SUBTYPES.get(ended.reason, "error_during_execution"),
        "reason": ended.reason,
        "is_error": not done,
        "result": ended.text,
        "errors": [] if done else [ended.text],
        "num_turns": spent.turns,
        "duration_ms": round((history.last_at - history.began_at) * 1000),
        "usage": usage_of(spent.usage),
        "total_cost_usd": history.total.cost,
        "turn_cost_usd": spent.cost,
        "turn_id": history.turn_id,
        **place,
    }
