"""Anthropic's Messages."""

from __future__ import annotations

from typing import Any, Final

from msgspec.structs import replace

from stoker.agents.builtin.assembler import Assembler, Kind, OnDelta, Unavailable, fail
from stoker.agents.builtin.entries import (
    Answer,
    Asked,
    Message,
    Noted,
    Result,
)
from stoker.agents.builtin.settings import Settings
from stoker.agents.builtin.wire import Request

_STOPS: Final = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "calls",
    "max_tokens": "length",
    "refusal": "refused",
}
_KINDS: Final[dict[str, Kind]] = {
    "text": "text",
    "thinking": "thinking",
    "redacted_thinking": "thinking",
    "tool_use": "call",
}
_USAGE: Final = {
    "input": "input_tokens",
    "cache_read": "cache_read_input_tokens",
    "cache_write": "cache_creation_input_tokens",
    "output": "output_tokens",
}
_MAX_OUTPUT: Final = 16_000
_CACHED: Final = {"cache_control": {"type": "ephemeral"}}


class Anthropic:
    """How Messages are asked for."""

    base_url = "https://api.anthropic.com"
    """Where its own provider is."""
    base_env = "ANTHROPIC_BASE_URL"
    """Variable that names another."""
    key_env = "ANTHROPIC_API_KEY"
    path = "/v1/messages"

    def headers(self, key: str) -> dict[str, str]:
        """Those that carry the key, if there is one, and the version."""
        version = {"anthropic-version": "2023-06-01"}
        return {**version, "x-api-key": key} if key else version

    def body(self, settings: Settings, request: Request) -> dict[str, Any]:
        """The request's document."""
        messages: list[dict[str, Any]] = []
        for message in request.messages:
            role = "assistant" if isinstance(message, Answer) else "user"
            blocks = _blocks(message)
            # Roles alternate: results and whatever is said after them make one message.
            if messages and messages[-1]["role"] == role:
                messages[-1]["content"] += blocks
            else:
                messages.append({"role": role, "content": blocks})
        if messages:
            # What was sent before is read from the cache, up to here.
            messages[-1]["content"][-1].update(_CACHED)
        body: dict[str, Any] = {
            "model": settings.model,
            "max_tokens": settings.max_output or _MAX_OUTPUT,
            "system": [{"type": "text", "text": request.system, **_CACHED}],
            "messages": messages,
            "stream": True,
        }
        if request.tools:
            body["tools"] = [
                {
                    "name": tool.name,
                    "description": tool.description,
                    "input_schema": tool.schema,
                }
                for tool in request.tools
            ]
        return body

    def assembler(self, on_delta: OnDelta) -> Assembler:
        """Puts one answer together."""
        return _Assembler(on_delta)

    def overflowed(self, status: int, body: str) -> bool:
        """Whether an error says that the context is too small."""
        return status in {400, 413} and ("prompt is too long" in body or "context limit" in body)


def _blocks(message: Message) -> list[dict[str, Any]]:
    if isinstance(message, Asked | Noted):
        images = message.images if isinstance(message, Asked) else ()
        sources = [
            {"type": "base64", "media_type": image.media, "data": image.data} for image in images
        ]
        return [
            *({"type": "image", "source": source} for source in sources),
            {"type": "text", "text": message.text or "(nothing)"},
        ]
    if isinstance(message, Result):
        block = {"type": "tool_result", "tool_use_id": message.call, "content": message.text}
        return [{**block, "is_error": True} if message.is_error else block]
    blocks: list[dict[str, Any]] = []
    for one in message.thinking:
        if one.data:
            blocks.append({"type": "redacted_thinking", "data": one.data})
        elif one.signature:
            block = {"type": "thinking", "thinking": one.text, "signature": one.signature}
            blocks.append(block)
    # A text of blanks alone is refused.
    if message.text.strip():
        blocks.append({"type": "text", "text": message.text})
    for call in message.calls:
        use = {"type": "tool_use", "id": call.id, "name": call.name, "input": call.given() or {}}
        blocks.append(use)
    return blocks or [{"type": "text", "text": "(nothing)"}]


class _Assembler(Assembler):
    def event(self, event: dict[str, Any]) -> None:
        match event["type"]:
            case "error":
                fail(event.get("error"))
            case "message_start":
                self._count(event["message"].get("usage") or {})
            case "content_block_start":
                self._begin(event["index"], event["content_block"])
            case "content_block_delta":
                self._go_on(event["index"], event["delta"])
            case "message_delta":
                self._count(event.get("usage") or {})
                if (reason := (event.get("delta") or {}).get("stop_reason")) is not None:
                    self.stop = _STOPS.get(reason, "end")
            case "message_stop":
                self.complete = True

    def _begin(self, index: int, block: dict[str, Any]) -> None:
        part = self.part(index, _KINDS.get(block["type"], "other"))
        part.id, part.name = block.get("id", ""), block.get("name", "")
        part.signature, part.data = block.get("signature", ""), block.get("data", "")
        part.text.append(block.get("text") or block.get("thinking") or "")

    def _go_on(self, index: int, delta: dict[str, Any]) -> None:
        if index not in self.parts:
            raise Unavailable(f"the provider continues block {index}, which it has not begun")
        part = self.parts[index]
        part.signature += delta.get("signature", "")
        if text := delta.get("text") or delta.get("thinking") or delta.get("partial_json"):
            self.grow(part, text)

    def _count(self, usage: dict[str, Any]) -> None:
        """Later figures are of the whole, and take the place of earlier ones."""
        told = {
            name: usage[theirs] for name, theirs in _USAGE.items() if usage.get(theirs) is not None
        }
        self.usage = replace(self.usage, **told)
