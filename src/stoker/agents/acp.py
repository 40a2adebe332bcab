"""Agents that speak the Agent Client Protocol, such as gemini, qwen and opencode.

Types of our own rather than those of its Python library: an adapter must be without I/O
and hold nothing but plain state, and of the protocol it needs little.
"""

from __future__ import annotations

from io import StringIO
from typing import Any, Final

from msgspec import field

from stoker.agents.acp_calls import entry_of, kind_of, paths_of, status_of
from stoker.agents.inbox import Say
from stoker.agents.jsonrpc import NOT_FOUND, JsonRpcAdapter, image
from stoker.agents.scribe import State
from stoker.agents.stream import (
    Answer,
    AssistantMessage,
    Command,
    Option,
    Reason,
    Thinking,
    Todo,
    Todos,
    Tokens,
)
from stoker.agents.worktree import ToolError

_REASONS: Final[dict[str, Reason]] = {
    "end_turn": "completed",
    "max_tokens": "limit",
    "max_turn_requests": "limit",
    "refusal": "refused",
    "cancelled": "interrupted",
}
_SPEECH: Final = "speech"


class AcpState(State, kw_only=True):
    """Beside what all have."""

    calls: dict[str, dict[str, Any]] = field(default_factory=dict)
    """Tool calls under way, as the agent has told them so far."""
    replaying: bool = False
    """What comes was said in the session before."""
    replayed: bool = False
    """Something has come."""
    agent: str = ""
    loads: bool = False
    """It says that it can load sessions."""


class AcpAdapter(JsonRpcAdapter):
    """Drives any agent of the protocol. Files are not offered to it, and served all the same,
    within the worktree: some agents ask without an offer, and others fail with one."""

    state_type = AcpState
    state: AcpState

    def begin(self) -> None:
        files = {"readTextFile": False, "writeTextFile": False}
        self.request(
            "initialize",
            {
                "protocolVersion": 1,
                "clientCapabilities": {"fs": files, "terminal": False},
                "clientInfo": {"name": "stoker", "title": "Stoker", "version": "1"},
            },
        )

    def prompt(self, say: Say) -> None:
        blocks = [{"type": "text", "text": say.text}, *map(_image, say.images)]
        self.request("session/prompt", {"sessionId": self.state.session, "prompt": blocks})

    def stop_turn(self) -> None:
        self.notify("session/cancel", {"sessionId": self.state.session})
        for approval, pending in list(self.state.pending.items()):
            self.withdraw(approval)
            self.result(pending, {"outcome": {"outcome": "cancelled"}})

    def reply(self, pending: Any, option: Option, answer: Answer) -> None:
        self.result(pending, {"outcome": {"outcome": "selected", "optionId": option.id}})

    # Our requests.

    def answered(self, method: str, result: dict[str, Any]) -> None:
        if method == "initialize":
            info = result.get("agentInfo") or {}
            self.state.agent = f"{info.get('name', '')} {info.get('version', '')}".strip()
            self._open_session(result.get("agentCapabilities") or {})
        elif method == "session/new":
            self._opened(result["sessionId"], result)
        elif method in ("session/load", "session/resume"):
            if self.state.replaying and not self.state.replayed:
                self.lose_session("there is nothing in it")  # some load whatever they are told
            self.state.replaying = False
            self._opened(self.assignment.session or "", result)
        elif method == "session/prompt":
            self._ended(result)

    def refused(self, method: str, error: str) -> None:
        if method == "session/resume" and self.state.loads:
            self._load_session()  # some say that they can do both
        elif method in ("session/load", "session/resume"):
            self.state.replaying = False
            self.lose_session(error)
            self._new_session()
        elif method == "session/prompt" and self.state.interrupting:
            self.finish("interrupted")
        else:
            self.finish("failed", f"{method}: {error}")

    def _open_session(self, able: dict[str, Any]) -> None:
        self.state.loads = bool(able.get("loadSession"))
        if self.assignment.session is None:
            self._new_session()
        elif "resume" in (able.get("sessionCapabilities") or {}):
            self.request("session/resume", self._known_session())
        elif self.state.loads:
            self._load_session()
        else:
            self.lose_session("the agent cannot load sessions")
            self._new_session()

    def _load_session(self) -> None:
        self.state.replaying = True
        self.request("session/load", self._known_session())

    def _known_session(self) -> dict[str, Any]:
        place = {"cwd": self.assignment.cwd, "mcpServers": []}
        return {"sessionId": self.assignment.session, **place}

    def _new_session(self) -> None:
        self.request("session/new", {"cwd": self.assignment.cwd, "mcpServers": []})

    def _opened(self, session: str, result: dict[str, Any]) -> None:
        model = (result.get("models") or {}).get("currentModelId") or ""
        self.begin_session(session, model=model, agent=self.state.agent)
        self.first_prompt()

    def _ended(self, result: dict[str, Any]) -> None:
        self._hush()
        usage = result.get("usage") or (result.get("_meta") or {}).get("quota", {}).get(
            "token_count"
        )
        if isinstance(usage, dict):
            self._used(usage)
        self.state.calls.clear()
        stopped = result["stopReason"]
        # Some end the command that runs and go on to an end of their own.
        reason = "interrupted" if self.state.interrupting else _REASONS.get(stopped, "failed")
        self.finish(reason, "" if reason in ("completed", "interrupted") else stopped)

    def _used(self, usage: dict[str, Any]) -> None:
        def amount(*names: str) -> int:
            return next((int(usage[name]) for name in names if usage.get(name)), 0)

        before = self.state.usage.tokens
        cached = amount("cachedReadTokens", "cached_read_tokens")
        self.use(
            Tokens(
                input=before.input + amount("inputTokens", "input_tokens"),
                cached=before.cached + cached,
                output=before.output + amount("outputTokens", "output_tokens"),
                reasoning=before.reasoning + amount("thoughtTokens", "thought_tokens"),
            )
        )

    # Its requests.

    def requested(self, id: Any, method: str, params: dict[str, Any]) -> None:
        if method == "session/request_permission":
            self._permission(id, params)
        elif method in ("fs/read_text_file", "fs/write_text_file"):
            try:
                self.result(id, self._file(method, params))
            except ToolError as error:
                self.error(id, str(error))
        else:
            self.error(id, f"{method} is not supported", NOT_FOUND)

    def _file(self, method: str, params: dict[str, Any]) -> dict[str, Any]:
        if self.files is None:
            raise ToolError("there are no files here")
        path = params["path"]
        if method == "fs/write_text_file":
            self.files.write(path, params["content"].encode())
            return {}
        self.files.writable(path)  # git's own are not for it
        text = self.files.read(path).decode(errors="replace")
        first, limit = params.get("line"), params.get("limit")
        if first is not None or limit is not None:
            start = max((first or 1) - 1, 0)
            lines = list(StringIO(text))
            text = "".join(lines[start : None if limit is None else start + limit])
        return {"content": text}

    def _permission(self, id: Any, params: dict[str, Any]) -> None:
        told = params["toolCall"]
        call = self._merged(told)
        known = told["toolCallId"] in self.state.calls
        content = entry_of(told["toolCallId"], call, self.relative)
        paths = paths_of(content) or tuple(
            self.relative(place["path"]) for place in call.get("locations") or ()
        )
        if not known:
            self._call(told)
        self.ask(
            str(id),
            id,
            kind=kind_of(call),
            title=call.get("title") or "",
            command=content.command if isinstance(content, Command) else None,
            paths=paths,
            input=call.get("rawInput"),
            tool_call=told["toolCallId"],
            options=tuple(
                Option(id=option["optionId"], name=option["name"], kind=option["kind"])
                for option in params["options"]
            ),
        )

    # What it tells.

    def notified(self, method: str, params: dict[str, Any]) -> None:
        if method != "session/update":
            return
        if self.state.replaying:
            self.state.replayed |= params["update"]["sessionUpdate"].endswith("message_chunk")
            return
        update = params["update"]
        if isinstance(used := (update.get("_meta") or {}).get("usage"), dict):
            self._used(used)  # of qwen
        match update["sessionUpdate"]:
            case "agent_message_chunk":
                self._speak(AssistantMessage(text=""), update["content"])
            case "agent_thought_chunk":
                self._speak(Thinking(text=""), update["content"])
            case "tool_call" | "tool_call_update":
                self._call(update)
            case "plan":
                items = [
                    Todo(text=one["content"], status=one["status"]) for one in update["entries"]
                ]
                self.put(Todos(items=tuple(items)), "todos")
            case "usage_update":
                cost = update.get("cost") or {}
                changes: dict[str, Any] = {"context": update.get("used")}
                changes["context_limit"] = update.get("size")
                if cost.get("currency") == "USD":
                    changes["cost_usd"] = float(cost["amount"])
                self.use(**changes)

    def _speak(self, empty: AssistantMessage | Thinking, content: dict[str, Any]) -> None:
        text = content.get("text") if content["type"] == "text" else f"[{content['type']}]"
        if not text:
            return
        open_ = self.state.open.get(_SPEECH)
        if open_ is not None and type(open_.content) is not type(empty):
            self._hush()
            open_ = None
        if open_ is None:
            self.put(empty, _SPEECH)
        self.extend(_SPEECH, text)

    def _hush(self) -> None:
        """It has said something whole."""
        open_ = self.state.open.get(_SPEECH)
        if open_ is not None:
            if isinstance(open_.content, AssistantMessage):
                self.state.said = open_.content.text
            self.close(_SPEECH)

    def _call(self, told: dict[str, Any]) -> None:
        id = told["toolCallId"]
        if told.get("sessionUpdate") == "tool_call_update" and id not in self.state.calls:
            return  # it is over already
        self._hush()
        call = self.state.calls[id] = self._merged(told)
        self.put(entry_of(id, call, self.relative), id)
        status = status_of(call)
        if status in ("succeeded", "failed"):
            del self.state.calls[id]
            self.settle_tool(id, status)

    def _merged(self, told: dict[str, Any]) -> dict[str, Any]:
        before = self.state.calls.get(told["toolCallId"], {})
        new = {name: value for name, value in told.items() if value is not None}
        new.pop("sessionUpdate", None)
        return {**before, **new}


def _image(path: str) -> dict[str, Any]:
    media, data = image(path)
    return {"type": "image", "mimeType": media, "data": data}
