"""Chat Completions, as OpenAI and everybody who is compatible speak it."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from stoker.agents.builtin.assembler import Assembler, OnDelta, fail
from stoker.agents.builtin.entries import Answer, Asked, Message, Noted, Usage
from stoker.agents.builtin.settings import Settings
from stoker.agents.builtin.wire import Request

_STOPS: Final = {"tool_calls": "calls", "length": "length", "content_filter": "refused"}
_TEXT, _THINKING = -2, -1
"""Their places, before those of calls."""


class OpenAI:
    """How Chat Completions are asked for."""

    base_url = "https://api.openai.com/v1"
    """Where its own provider is."""
    base_env = "OPENAI_BASE_URL"
    """Variable that names another."""
    key_env = "OPENAI_API_KEY"
    path = "/chat/completions"

    def headers(self, key: str) -> dict[str, str]:
        """Those that carry the key, if there is one, and the version."""
        return {"authorization": f"Bearer {key}"} if key else {}

    def body(self, settings: Settings, request: Request) -> dict[str, Any]:
        """The request's document."""
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

    def assembler(self, on_delta: OnDelta) -> Assembler:
        """Puts one answer together."""
        return _Assembler(on_delta)

    def overflowed(self, status: int, body: str) -> bool:
        """Whether an error says that the context is too small."""
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


class _Assembler(Assembler):
    def event(self, event: dict[str, Any]) -> None:
        if (error := event.get("error")) is not None:
            fail(error)
        if (usage := event.get("usage")) is not None:
            self._count(usage)
        for choice in (event.get("choices") or ())[:1]:
            self._take(choice.get("delta") or {})
            if (reason := choice.get("finish_reason")) is not None:
                self.complete = True
                self.stop = _STOPS.get(reason, "end")

    def _take(self, delta: dict[str, Any]) -> None:
        if text := delta.get("content") or delta.get("refusal"):
            self.grow(self.part(_TEXT, "text"), text)
        if text := delta.get("reasoning_content") or delta.get("reasoning"):
            self.grow(self.part(_THINKING, "thinking"), text)
        for call in delta.get("tool_calls") or ():
            part = self.part(call.get("index", 0), "call")
            function = call.get("function") or {}
            part.id = part.id or call.get("id") or ""
            part.name += function.get("name") or ""
            self.grow(part, function.get("arguments") or "")

    def _count(self, usage: dict[str, Any]) -> None:
        cached = (usage.get("prompt_tokens_details") or {}).get("cached_tokens") or 0
        self.usage = Usage(
            input=max(usage.get("prompt_tokens", 0) - cached, 0),
            cache_read=cached,
            output=usage.get("completion_tokens", 0),
        )
