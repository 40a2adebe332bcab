"""Agents that speak Claude Code's stream-json in both directions.

They are told user messages and control messages as JSON lines, ask for permission with a
`can_use_tool` request, and end each turn with a `result`.
"""

from __future__ import annotations

from typing import Any, Final

from msgspec import field

from stoker.agents.adapter import Assignment
from stoker.agents.diffs import patch
from stoker.agents.inbox import Say
from stoker.agents.jsonrpc import JsonAdapter, image
from stoker.agents.scribe import State
from stoker.agents.stream import (
    Answer,
    AssistantMessage,
    Change,
    FileEdit,
    Option,
    Reason,
    Thinking,
    Todos,
    Tokens,
)
from stoker.agents.tools import TODO_TOOLS, entry_of, kind_of, outcome, path_of, todos_of

_ALLOW = Option(id="allow", name="Allow", kind="allow_once")
_ALWAYS = Option(id="allow_always", name="Allow from now on", kind="allow_always")
_REJECT = Option(id="reject", name="Deny", kind="reject_once")
_TEXTS: Final[dict[str, type[AssistantMessage] | type[Thinking]]] = {
    "text": AssistantMessage,
    "thinking": Thinking,
}


class ClaudeState(State, kw_only=True):
    """Beside what all have."""

    blocks: list[str] = field(default_factory=list)
    """Keys of entries that are streamed, whose whole text has not come yet."""
    streaming: dict[str, str] = field(default_factory=dict)
    """Index of a content block of the message that is streamed -> key."""
    turn: Tokens = Tokens()
    """Used before this turn, whose result tells what all of it used."""
    message: str = ""
    """Id of the last one; it may come in parts, each with what was used up to it."""
    before: Tokens = Tokens()
    """Used before it."""
    cut: str = ""
    """Id of a turn that the built-in agent was killed in, and ends before it does this one."""


class ClaudeAdapter(JsonAdapter):
    """Drives Claude Code, Qwen Code, the built-in and the scripted agent."""

    state_type = ClaudeState
    state: ClaudeState

    @classmethod
    def argv(cls, assignment: Assignment) -> list[str]:
        more = []
        if assignment.profile.unasked:
            more.append("--dangerously-skip-permissions")
        elif assignment.profile.settings.plan:
            more += ["--permission-mode", "plan"]
        if assignment.session:
            more.append(f"--resume={assignment.session}")  # whatever it is, it is no option
        return cls.words(assignment, *more)

    def begin(self) -> None:
        self._control({"subtype": "initialize", "hooks": None})
        self.first_prompt()

    def prompt(self, say: Say) -> None:
        content: Any = say.text
        if say.images:
            content = [{"type": "text", "text": say.text}, *map(_image, say.images)]
        self.send(
            {
                "type": "user",
                "message": {"role": "user", "content": content},
                "parent_tool_use_id": None,
                "session_id": self.state.session or "default",
            }
        )

    def stop_turn(self) -> None:
        self._control({"subtype": "interrupt"})

    def _control(self, request: dict[str, Any]) -> None:
        id = f"stoker-{self.number()}"
        self.state.requests[id] = request["subtype"]
        self.send({"type": "control_request", "request_id": id, "request": request})

    def reply(self, pending: Any, option: Option, answer: Answer) -> None:
        if answer.allowed:
            response = {"behavior": "allow", "updatedInput": pending["input"]}
            if option.id == _ALWAYS.id:
                response["updatedPermissions"] = pending["suggestions"]
        else:
            message = answer.reason or "The user does not want this."
            response = {"behavior": "deny", "message": message}
        self._respond(pending["id"], {"subtype": "success", "response": response})

    def _respond(self, id: str, response: dict[str, Any]) -> None:
        self.send({"type": "control_response", "response": {**response, "request_id": id}})

    # What it says.

    def message(self, message: dict[str, Any]) -> None:
        match message.get("type"):
            case "system":
                self._system(message)
            case "stream_event":
                self._event(message["event"], message.get("parent_tool_use_id"))
            case "assistant":
                self._assistant(message["message"], message.get("parent_tool_use_id"))
            case "user":
                self._user(message)
            case "result":
                self._result(message)
            case "control_request":
                self._request(message["request_id"], message["request"])
            case "control_cancel_request":
                self.withdraw(message["request_id"])
            case "control_response":
                self._response(message["response"])

    def _system(self, message: dict[str, Any]) -> None:
        if message.get("subtype") == "init":
            self.begin_session(message["session_id"], model=message.get("model", ""))
            self.state.cut = message.get("turn_id") or ""
        elif message.get("subtype") == "compact_boundary":
            self.notice("the conversation was compacted")

    def _event(self, event: dict[str, Any], parent: str | None) -> None:
        """A piece of a message that is coming."""
        if parent is not None:
            return
        kind = event.get("type")
        if kind == "message_start":
            self.state.streaming.clear()
        elif kind == "content_block_start" and event["content_block"]["type"] in _TEXTS:
            block = event["content_block"]
            key = f"block:{self.state.count}"
            self.put(_TEXTS[block["type"]](text=block.get(block["type"]) or ""), key)
            self.state.streaming[str(event["index"])] = key
            self.state.blocks.append(key)
        elif kind == "content_block_delta":
            delta = event["delta"]
            streamed = self.state.streaming.get(str(event["index"]))
            if streamed is not None:
                self.extend(streamed, delta.get("text") or delta.get("thinking") or "")

    def _assistant(self, message: dict[str, Any], parent: str | None) -> None:
        if usage := message.get("usage"):
            if message.get("id") != self.state.message:
                self.state.message = message.get("id") or ""
                self.state.before = self.state.usage.tokens
            self.use(_sum(self.state.before, usage))
        content = message["content"]
        if isinstance(content, str):
            content = [{"type": "text", "text": content}]
        for block in content:
            kind = block["type"]
            if kind == "tool_use":
                self._tool(block["id"], block["name"], block.get("input") or {})
            elif kind in _TEXTS and parent is not None:
                self.extend(parent, block[kind] if kind == "text" else "")
            elif kind in _TEXTS and block.get(kind):
                self._whole(_TEXTS[kind](text=block[kind]))

    def _whole(self, content: AssistantMessage | Thinking) -> None:
        """A text as it is in the end; perhaps it has been streamed."""
        if isinstance(content, AssistantMessage):
            self.state.said = content.text
        for key in self.state.blocks:
            entry = self.state.open.get(key)
            if entry is not None and type(entry.content) is type(content):
                self.state.blocks.remove(key)
                self.put(content, key)
                self.close(key)
                return
        self.put(content)

    def _tool(self, id: str, name: str, given: dict[str, Any]) -> None:
        if name.lower() in TODO_TOOLS:
            self.put(Todos(items=todos_of(given)), "todos")
        else:
            self.put(entry_of(id, name, given, self.relative(path_of(given))), id)

    def _user(self, message: dict[str, Any]) -> None:
        content = message["message"]["content"]
        for block in content if isinstance(content, list) else ():
            if block.get("type") != "tool_result":
                continue
            key = block["tool_use_id"]
            if (entry := self.state.open.get(key)) is None:
                continue
            failed = bool(block.get("is_error"))
            status, changes = outcome(entry.content, _text(block.get("content")), failed)
            told = message.get("tool_use_result")
            if isinstance(entry.content, FileEdit) and not failed and isinstance(told, dict):
                changes |= _edited(entry.content, told)
            self.settle_tool(key, status, **changes)

    def _result(self, message: dict[str, Any]) -> None:
        reason, error = self._reason(message)
        if (
            self.assignment.session
            and reason == "failed"
            and not (self.state.session or self.state.lost)
        ):
            self.restart(error)  # it has not even begun
            return
        cost = message.get("total_cost_usd", self.state.usage.cost_usd)
        usage = message.get("usage")
        self.state.turn = _sum(self.state.turn, usage) if usage else self.state.usage.tokens
        self.use(self.state.turn, cost_usd=cost)
        text = message.get("result")
        if isinstance(text, str) and text and not message.get("is_error"):
            self.state.said = text
        self.state.blocks.clear()
        if message.get("turn_id") == self.state.cut != "" and not self.state.interrupting:
            self.state.said = ""
        else:
            self.finish(reason, error)

    def _reason(self, message: dict[str, Any]) -> tuple[Reason, str]:
        subtype = message.get("subtype", "success")
        if self.state.interrupting:
            return "interrupted", ""
        if subtype == "success" and not message.get("is_error"):
            return "completed", ""
        errors = message.get("errors")
        error = str(message.get("result") or "") or "; ".join(map(str, errors or ())) or subtype
        return ("limit" if subtype.startswith("error_max") else "failed"), error

    def _request(self, id: str, request: dict[str, Any]) -> None:
        if request["subtype"] != "can_use_tool":
            error = f"{request['subtype']} is not supported"
            self._respond(id, {"subtype": "error", "error": error})
            return
        name, given = request["tool_name"], request.get("input") or {}
        path = self.relative(path_of(given))
        command = given.get("command")
        kind = kind_of(name)
        suggestions = request.get("permission_suggestions") or []
        self.ask(
            id,
            {"id": id, "input": given, "suggestions": suggestions},
            kind=kind,
            title=f"{name}: {command or path}" if command or path else name,
            command=command if isinstance(command, str) else None,
            paths=(path,) if path else (),
            input=given,
            tool_call=request.get("tool_use_id"),
            options=(_ALLOW, _ALWAYS, _REJECT) if suggestions else (_ALLOW, _REJECT),
        )

    def _response(self, response: dict[str, Any]) -> None:
        asked = self.state.requests.pop(response["request_id"], None)
        if asked is not None and response["subtype"] == "error":
            self.fail(f"{asked}: {response.get('error')}")


def _sum(before: Tokens, usage: dict[str, Any]) -> Tokens:
    """What was used before, and what a message tells."""
    cached = usage.get("cache_read_input_tokens") or 0
    made = usage.get("cache_creation_input_tokens") or 0
    return Tokens(
        input=before.input + (usage.get("input_tokens") or 0) + cached + made,
        cached=before.cached + cached,
        output=before.output + (usage.get("output_tokens") or 0),
    )


def _image(path: str) -> dict[str, Any]:
    media, data = image(path)
    return {"type": "image", "source": {"type": "base64", "media_type": media, "data": data}}


def _text(content: Any) -> str:
    if isinstance(content, list):
        return "\n".join(
            str(block.get("text", "")) if block.get("type") == "text" else f"[{block.get('type')}]"
            for block in content
        )
    return "" if content is None else str(content)


def _edited(entry: FileEdit, told: dict[str, Any]) -> dict[str, Any]:
    """The edit as the agent has carried it out, where it tells."""
    (change,) = entry.changes
    if told.get("type") == "create":
        return {}
    hunks = told.get("structuredPatch")
    if not isinstance(hunks, list):
        return {}
    return {"changes": (Change(path=change.path, diff=patch(hunks)),)}
