"""The stream of an agent's attempt as spans: its model calls and its tools, by the semantic
conventions for generative AI. What was said, arguments and results stay here."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from msgspec.structs import replace

from stoker.agents.stream import (
    Command,
    FileEdit,
    Put,
    Record,
    Session,
    ToolCall,
    Usage,
    UserMessage,
)
from stoker.telemetry.spans import Attributes, Span

_PROVIDERS: Final = {"CLAUDE_CODE": "anthropic", "CODEX": "openai", "GEMINI": "gcp.gemini"}
_COUNTED: Final = {
    "gen_ai.usage.input_tokens": "input",
    "gen_ai.usage.cache_read.input_tokens": "cached",
    "gen_ai.usage.output_tokens": "output",
    "gen_ai.usage.reasoning.output_tokens": "reasoning",
}
_AT_WORK: Final = frozenset({"pending", "running"})
_BAD: Final = frozenset({"failed", "denied"})


def agent_spans(attempt: Span, executor: str, records: Iterable[Record]) -> list[Span]:
    """The span of an attempt, with what all of it used, and those within it.

    A model call lasts from what it had to wait for, a message or a tool's result, until the
    agent has told what it used; agents that tell it once have one.
    """
    common: Attributes = {
        "stoker.run.id": attempt.attributes["stoker.run.id"],
        "gen_ai.agent.name": executor,
        "gen_ai.provider.name": _PROVIDERS.get(executor, executor.lower()),
    }
    asked = attempt.start
    before = used = Usage()
    over: set[int] = set()
    found: list[Span] = []

    def add(operation: str, name: str, start: float, end: float, more: Attributes) -> None:
        found.append(
            Span(
                key=f"{attempt.key}\0{len(found)}",
                parent=attempt.key,
                name=f"{operation} {name}".rstrip(),
                start=start,
                end=end,
                attributes={**common, "gen_ai.operation.name": operation, **more},
                error=status if (status := str(more.get("stoker.status"))) in _BAD else None,
                remote=operation == "chat",
            )
        )

    for record in records:
        if not isinstance(record, Put):
            continue
        content, when = record.content, record.changed or record.time
        match content:
            case UserMessage():
                asked = max(asked, when)
            case Session():
                common["gen_ai.conversation.id"] = content.id
                if content.model:
                    common["gen_ai.request.model"] = content.model
            case Usage() if content != used:
                if found and found[-1].remote and asked == found[-1].end:  # told in parts
                    asked = found.pop().start
                else:
                    before = used
                more = _spent(content, before)
                add("chat", str(common.get("gen_ai.request.model", "")), asked, when, more)
                used = content
                asked = when
            case ToolCall() | Command() | FileEdit():
                if content.status in _AT_WORK or record.index in over:
                    continue
                over.add(record.index)
                name = _tool(content)
                more = {
                    "gen_ai.tool.name": name,
                    "gen_ai.tool.call.id": content.id,
                    "stoker.status": content.status,
                }
                add("execute_tool", name, record.time, when, more)
                asked = when
    whole = {**common, "gen_ai.operation.name": "invoke_agent", **_spent(used, Usage())}
    name = f"invoke_agent {executor}"
    return [*found, replace(attempt, name=name, attributes={**attempt.attributes, **whole})]


def _tool(content: ToolCall | Command | FileEdit) -> str:
    if isinstance(content, ToolCall):
        return content.name
    return "execute" if isinstance(content, Command) else "edit"


def _spent(now: Usage, before: Usage) -> Attributes:
    def more(name: str) -> int:
        return int(getattr(now.tokens, name)) - int(getattr(before.tokens, name))

    found: Attributes = {key: count for key, name in _COUNTED.items() if (count := more(name)) > 0}
    cost = (now.cost_usd or 0.0) - (before.cost_usd or 0.0)
    return {**found, "stoker.cost_usd": cost} if cost > 0 else found
