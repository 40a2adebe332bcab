"""Chat Completions, as OpenAI and everybody who is compatible speak it."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from stoker.agents.builtin.assembler import Assembler, OnDelta, fail
from stoker.agents.builtin.entries import Answer, Asked, Message, Noted, Usage
from stoker.agents.builtin.settings import Settings
from stoker.agents.builtin.wire import Request

_STOPS: Final = {"tool_calls": "calls", "length": "length", "content_filter": "refused"}
_TEXT, _THINKING = -2, -1
"""Their places, before those of calls."""


class OpenAI:
    """See `wire.Wire`."""

    base_url = "https://api.openai.com/v1"
    base_env = "OPENAI_BASE_URL"
    key_env = "OPENAI_API_KEY"
    path = "/chat/completions"

    def headers(self, key: str) -> dict[str, str]:
        """See `wire.Wire`."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, settings: Settings, request: Request) -> dict[str, Any]:
        """See `wire.Wire`."""
        messages = [{"role": "system", "content": request.system}]
        body: dict[str, Any] = {
            "model": settings.model,
            "messages": messages + [_message(one) for one in request.messages],
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        if settings.max_output is not None:
            body["max_tokens"] = settings.max_output
        if request.tools:
            body["tools"] = [
                {
                    "type": "function",
                    "function": {
                        "name": tool.name,
                        "description": tool.description,
                        "parameters": tool.schema,
                    },
                }
                for tool in request.tools
            ]
        return body

    def assembler(self, on_delta: OnDelta) -> _Assembler:
        """See `wire.Wire`."""
        return _Assembler(on_delta)

    def overflowed(self, status: int, body: str) -> bool:
        """See `wire.Wire`."""
        # Those who are compatible agree on no code; llama.cpp says "exceeds the available
        # context size", vLLM as OpenAI does.
        text = body.lower()
        return status in {400, 413, 422} and (
            "context_length_exceeded" in text
            or "maximum context length" in text
            or ("context" in text and "exceed" in text)
        )


def _message(message: Message) -> dict[str, Any]:
    if isinstance(message, Asked) and message.images:
        parts: list[dict[str, Any]] = [{"type": "text", "text": message.text}] * bool(message.text)
        for image in message.images:
            url = f"data:{image.media};base64,{image.data}"
            parts.append({"type": "image_url", "image_url": {"url": url}})
        return {"role": "user", "content": parts}
    if isinstance(message, Asked | Noted):
        return {"role": "user", "content": message.text}
    if not isinstance(message, Answer):
        return {"role": "tool", "tool_call_id": message.call, "content": message.text}
    # An answer without content and calls is refused by some.
    found: dict[str, Any] = {"role": "assistant", "content": message.text or None}
    if message.calls:
        found["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {
                    "name": call.name,
                    "arguments": msgspec.json.encode(call.given() or {}).decode(),
                },
            }
            for call in message.calls
        ]
    elif not message.text:
        found["content"] = "(nothing)"
    return found


class _Function(Struct):
    name: str | None = None
    arguments: str | None = None


class _ToolCall(Struct):
    index: int = 0
    id: str | None = None
    function: _Function = msgspec.field(default_factory=_Function)


class _Delta(Struct):
    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[_ToolCall] | None = None


class _Choice(Struct):
    delta: _Delta = msgspec.field(default_factory=_Delta)
    finish_reason: str | None = None


class _Details(Struct):
    cached_tokens: int | None = None


class _Usage(Struct):
    prompt_tokens: int = 0
    completion_tokens: int = 0
    prompt_tokens_details: _Details | None = None


class _Chunk(Struct):
    choices: list[_Choice] = []
    usage: _Usage | None = None
    error: Any = None


_DECODER: Final = msgspec.json.Decoder(_Chunk)


class _Assembler(Assembler):
    def feed(self, data: bytes) -> None:
        if data == b"[DONE]":
            self.complete = True
            return
        chunk = _DECODER.decode(data)
        if chunk.error is not None:
            fail(chunk.error)
        if chunk.usage is not None:
            self._count(chunk.usage)
        for choice in chunk.choices[:1]:
            self._take(choice.delta)
            if choice.finish_reason is not None:
                self.complete = True
                self.stop = _STOPS.get(choice.finish_reason, "end")

    def _take(self, delta: _Delta) -> None:
        if text := delta.content or delta.refusal:
            self.grow(self.part(_TEXT, "text"), text)
        if text := delta.reasoning_content or delta.reasoning:
            self.grow(self.part(_THINKING, "thinking"), text)
        for call in delta.tool_calls or ():
            part = self.part(call.index, "call")
            part.id = part.id or call.id or ""
            part.name += call.function.name or ""
            self.grow(part, call.function.arguments or "")

    def _count(self, usage: _Usage) -> None:
        details = usage.prompt_tokens_details
        cached = (details.cached_tokens or 0) if details else 0
        self.usage = Usage(
            input=max(usage.prompt_tokens - cached, 0),
            cache_read=cached,
            output=usage.completion_tokens,
        )
