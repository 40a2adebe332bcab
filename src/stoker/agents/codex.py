"""Codex, by its app-server: a thread is a session, turns have items."""

from __future__ import annotations

from typing import Any, Final

from stoker.agents.bounds import clip
from stoker.agents.inbox import Say
from stoker.agents.jsonrpc import NOT_FOUND, JsonRpcAdapter
from stoker.agents.scribe import State
from stoker.agents.stream import (
    Answer,
    AnyContent,
    AssistantMessage,
    Change,
    Command,
    FileEdit,
    Option,
    Status,
    Thinking,
    Todo,
    Todos,
    Tokens,
    ToolCall,
)

_OPTIONS: Final = (
    Option(id="accept", name="Allow", kind="allow_once"),
    Option(id="acceptForSession", name="Allow for this session", kind="allow_always"),
    Option(id="decline", name="Deny", kind="reject_once"),
)
_STATUS: Final[dict[str, Status]] = {
    "inProgress": "running",
    "completed": "succeeded",
    "failed": "failed",
    "declined": "denied",
}
_APPROVALS: Final = {"unless-trusted": "untrusted", "on-failure": "on-request"}
_CHANGES: Final = {"add": "added", "delete": "deleted", "update": "modified"}
_COMMAND: Final = "item/commandExecution/requestApproval"
_EDIT: Final = "item/fileChange/requestApproval"
_WARNINGS: Final = ("warning", "guardianWarning", "configWarning", "deprecationNotice")


class CodexState(State, kw_only=True):
    """Beside what all have."""

    turn: str = ""
    """Id of the turn under way."""


class CodexAdapter(JsonRpcAdapter):
    """Drives `codex app-server`."""

    state_type = CodexState
    state: CodexState
    versioned = False

    def begin(self) -> None:
        info = {"name": "stoker", "title": "Stoker", "version": "1"}
        self.request("initialize", {"clientInfo": info})

    def prompt(self, say: Say) -> None:
        text = {"type": "text", "text": say.text, "text_elements": []}
        images = [{"type": "localImage", "path": path} for path in say.images]
        params = {"threadId": self.state.session, "input": [text, *images]}
        settings = self.profile.settings
        if settings.model_reasoning_effort:
            params["effort"] = settings.model_reasoning_effort
        if settings.model_reasoning_summary:
            params["summary"] = settings.model_reasoning_summary
        self.state.turn = ""
        self.request("turn/start", params)

    def stop_turn(self) -> None:
        if self.state.turn:
            turn = {"threadId": self.state.session, "turnId": self.state.turn}
            self.request("turn/interrupt", turn)

    def reply(self, pending: Any, option: Option, answer: Answer) -> None:
        self.result(pending, {"decision": option.id})

    # Our requests.

    def answered(self, method: str, result: dict[str, Any]) -> None:
        if method == "initialize":
            self.notify("initialized")
            self._open_thread(resume=bool(self.assignment.session))
        elif method in ("thread/start", "thread/resume"):
            thread = result["thread"]
            agent = f"codex {thread.get('cliVersion', '')}".strip()
            self.begin_session(thread["id"], model=result.get("model") or "", agent=agent)
            self.first_prompt()
        elif method == "turn/start":
            self._begun(result["turn"]["id"])

    def refused(self, method: str, error: str) -> None:
        if method == "thread/resume":
            self.lose_session(error)
            self._open_thread(resume=False)
        elif method == "turn/interrupt":
            self.fail(f"{method}: {error}")
        else:
            self.finish("failed", f"{method}: {error}")

    def _open_thread(self, *, resume: bool) -> None:
        settings = self.profile.settings
        policy = self.profile.policy
        approval = settings.ask_for_approval or ("never" if policy.mode == "allow" else "untrusted")
        if policy.pause is not None:
            approval = "untrusted"
        sandbox = settings.sandbox or "auto"
        if sandbox == "auto":  # one within the other does not work
            sandbox = "danger-full-access" if self.assignment.confined else "workspace-write"
        params: dict[str, Any] = {
            "cwd": self.assignment.cwd,
            "approvalPolicy": _APPROVALS.get(approval, approval),
            "sandbox": sandbox,
        }
        for name, value in (
            ("model", settings.model),
            ("baseInstructions", settings.base_instructions),
            ("developerInstructions", settings.developer_instructions),
        ):
            if value:
                params[name] = value
        if resume:
            self.request("thread/resume", {"threadId": self.assignment.session, **params})
        else:
            self.request("thread/start", params)

    def _begun(self, turn: str) -> None:
        if not self.state.turn and self.state.working:
            self.state.turn = turn
            if self.state.interrupting:  # asked for before it could be told which
                self.stop_turn()

    # Its requests.

    def requested(self, id: Any, method: str, params: dict[str, Any]) -> None:
        if method == _COMMAND:
            command = params.get("command")
            title = command or params.get("reason") or "access to the network"
            self.ask(
                str(id),
                id,
                kind="execute",
                title=title,
                command=command,
                options=_OPTIONS,
                tool_call=params["itemId"],
                input={"reason": params.get("reason"), "cwd": params.get("cwd")},
            )
        elif method == _EDIT:
            entry = self.state.open.get(params["itemId"])
            edit = entry.content if entry else None
            paths = (
                tuple(change.path for change in edit.changes) if isinstance(edit, FileEdit) else ()
            )
            self.ask(
                str(id),
                id,
                kind="edit",
                title=", ".join(paths) or params.get("reason") or "an edit",
                paths=paths,
                options=_OPTIONS,
                tool_call=params["itemId"],
                input={"reason": params.get("reason"), "root": params.get("grantRoot")},
            )
        else:
            self.error(id, f"{method} is not supported", NOT_FOUND)

    # What it tells.

    def notified(self, method: str, params: dict[str, Any]) -> None:
        if params.get("threadId") not in (None, self.state.session):
            return  # of a sub-agent
        match method:
            case "turn/started":
                self._begun(params["turn"]["id"])
            case "turn/completed":
                self._ended(params["turn"])
            case "item/started":
                self._item(params["item"], over=False)
            case "item/completed":
                self._item(params["item"], over=True)
            case "item/agentMessage/delta" | "item/commandExecution/outputDelta":
                self.extend(params["itemId"], params["delta"])
            case "item/reasoning/summaryTextDelta" | "item/reasoning/textDelta":
                if params["itemId"] not in self.state.open:
                    self.put(Thinking(text=""), params["itemId"])
                self.extend(params["itemId"], params["delta"])
            case "turn/plan/updated":
                steps = [(step["step"], step["status"]) for step in params["plan"]]
                self.put(Todos(items=tuple(_todo(*step) for step in steps)), "todos")
            case "thread/tokenUsage/updated":
                self._used(params["tokenUsage"])
            case "serverRequest/resolved":
                self.withdraw(str(params["requestId"]))
            case "error":
                error = params["error"]
                self.fail(error["message"], error.get("additionalDetails") or "")
            case "thread/compacted":
                self.notice("the conversation was compacted")
            case _ if method in _WARNINGS:
                self.notice(str(params.get("message") or params.get("summary") or ""))

    def _ended(self, turn: dict[str, Any]) -> None:
        status = turn["status"]
        if not self.state.working or status == "inProgress":
            return
        if status == "failed":
            self.finish("failed", (turn.get("error") or {}).get("message", ""))
        else:
            self.finish("interrupted" if status == "interrupted" else "completed")

    def _used(self, usage: dict[str, Any]) -> None:
        total = usage["total"]
        self.use(
            Tokens(
                input=total["inputTokens"],
                cached=total["cachedInputTokens"],
                output=total["outputTokens"],
                reasoning=total["reasoningOutputTokens"],
            ),
            context=usage["last"]["totalTokens"],
            context_limit=usage.get("modelContextWindow"),
        )

    def _item(self, item: dict[str, Any], *, over: bool) -> None:
        id = item["id"]
        content = self._content(id, item)
        if content is None:
            return
        if isinstance(content, AssistantMessage | Thinking) and not content.text:
            if over:
                self.close(id)
            elif isinstance(content, AssistantMessage):
                self.put(content, id)
            return
        if over and isinstance(content, AssistantMessage):
            self.state.said = content.text
        self.put(content, id)
        if over:
            self.close(id)

    def _content(self, id: str, item: dict[str, Any]) -> AnyContent | None:
        status = _STATUS.get(item.get("status", ""), "succeeded")
        match item["type"]:
            case "agentMessage" | "plan":
                return AssistantMessage(text=item["text"])
            case "reasoning":
                return Thinking(text="\n\n".join(item["summary"] or item["content"]))
            case "commandExecution":
                return Command(
                    id=id,
                    command=item["command"],
                    cwd=item["cwd"],
                    status=status,
                    output=clip(item.get("aggregatedOutput") or ""),
                    exit_code=item.get("exitCode"),
                )
            case "fileChange":
                changes = tuple(map(self._change, item["changes"]))
                return FileEdit(id=id, changes=changes, status=status)
            case "mcpToolCall":
                error = (item.get("error") or {}).get("message")
                parts = (item.get("result") or {}).get("content") or ()
                texts = [str(part.get("text", "")) for part in parts if isinstance(part, dict)]
                return ToolCall(
                    id=id,
                    name=f"{item['server']}.{item['tool']}",
                    status=status,
                    input=item.get("arguments"),
                    result=clip(error or "\n".join(texts)),
                )
            case "webSearch":
                query = str(item.get("query") or "")
                return ToolCall(id=id, name="web_search", kind="search", title=query)
            case "imageView":
                return ToolCall(
                    id=id, name="view_image", kind="read", title=item["path"], status="succeeded"
                )
        return None

    def _change(self, change: dict[str, Any]) -> Change:
        kind = change["kind"]
        path = self.relative(change["path"])
        if (target := kind.get("move_path")) is not None:
            target = self.relative(target)
            return Change(path=target, old_path=path, change="renamed", diff=clip(change["diff"]))
        return Change(path=path, change=_CHANGES[kind["type"]], diff=clip(change["diff"]))  # type: ignore[arg-type]


def _todo(text: str, status: str) -> Todo:
    if status == "completed":
        return Todo(text=text, status="completed")
    return Todo(text=text, status="in_progress" if status == "inProgress" else "pending")
