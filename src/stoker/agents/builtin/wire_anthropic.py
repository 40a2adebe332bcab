"""Anthropic's Messages."""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import Struct

from stoker.agents.builtin.entries import (
    Answer,
    Asked,
    Call,
    Message,
    Noted,
    Result,
    Thinking,
    Usage,
)
from stoker.agents.builtin.settings import Settings
from stoker.agents.builtin.wire import OnDelta, Request, Unavailable
from stoker.agents.builtin.wire_openai import arguments, fail

_STOPS: Final = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "calls",
    "max_tokens": "length",
    "refusal": "refused",
}
_MAX_OUTPUT: Final = 16_000
_CACHED: Final = {"cache_control": {"type": "ephemeral"}}


class Anthropic:
    """See `wire.Wire`."""

    base_url = "https://api.anthropic.com"
    base_env = "ANTHROPIC_BASE_URL"
    key_env = "ANTHROPIC_API_KEY"
    path = "/v1/messages"

    def headers(self, key: str) -> dict[str, str]:
        """See `wire.Wire`."""
        version = {"anthropic-version": "2023-06-01"}
        return {**version, "x-api-key": key} if key else version

    def body(self, settings: Settings, request: Request) -> dict[str, Any]:
        """See `wire.Wire`."""
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
        if request.offers:
            body["tools"] = [
                {
                    "name": offer.name,
                    "description": offer.description,
                    "input_schema": offer.schema,
                }
                for offer in request.offers
            ]
        return body

    def assembler(self, on_delta: OnDelta) -> _Assembler:
        """See `wire.Wire`."""
        return _Assembler(on_delta)

    def overflowed(self, status: int, body: str) -> bool:
        """See `wire.Wire`."""
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
        use = {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments(call)}
        blocks.append(use)
    return blocks or [{"type": "text", "text": "(nothing)"}]


class _Block(Struct):
    type: str = ""
    text: str = ""
    thinking: str = ""
    signature: str = ""
    data: str = ""
    id: str = ""
    name: str = ""
    partial_json: str = ""
    stop_reason: str | None = None


class _Usage(Struct):
    input_tokens: int | None = None
    output_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None


class _Start(Struct):
    usage: _Usage | None = None


class _Event(Struct):
    type: str = ""
    index: int = 0
    message: _Start | None = None
    content_block: _Block | None = None
    delta: _Block | None = None
    usage: _Usage | None = None
    error: Any = None


_DECODER: Final = msgspec.json.Decoder(_Event)


class _Growing:
    """A block as it comes."""

    def __init__(self, start: _Block) -> None:
        self.start = start
        self.text = [start.text or start.thinking]
        self.json: list[str] = []
        self.signature = [start.signature]


class _Assembler:
    def __init__(self, on_delta: OnDelta) -> None:
        self.complete = False
        self._on_delta = on_delta
        self._blocks: dict[int, _Growing] = {}
        self._stop = "end"
        self._usage = Usage()

    def feed(self, data: bytes) -> None:
        event = _DECODER.decode(data)
        if event.type == "error":
            fail(event.error)
        elif event.type == "message_start" and event.message is not None:
            self._count(event.message.usage)
        elif event.type == "content_block_start" and event.content_block is not None:
            self._blocks[event.index] = _Growing(event.content_block)
        elif event.type == "content_block_delta" and event.delta is not None:
            self._grow(event.index, event.delta)
        elif event.type == "message_delta":
            self._count(event.usage)
            if event.delta is not None and event.delta.stop_reason is not None:
                self._stop = _STOPS.get(event.delta.stop_reason, "end")
        elif event.type == "message_stop":
            self.complete = True

    def answer(self) -> Answer:
        text: list[str] = []
        thinking: list[Thinking] = []
        calls: list[Call] = []
        for _, block in sorted(self._blocks.items()):
            start = block.start
            if start.type == "text":
                text += block.text
            elif start.type == "thinking":
                thinking.append(Thinking("".join(block.text), "".join(block.signature)))
            elif start.type == "redacted_thinking":
                thinking.append(Thinking("", "", start.data))
            elif start.type == "tool_use":
                calls.append(Call(start.id, start.name, "".join(block.json) or "{}"))
        return Answer(
            text="".join(text),
            thinking=tuple(thinking),
            calls=tuple(calls),
            stop=self._stop,
            usage=self._usage,
        )

    def _grow(self, index: int, delta: _Block) -> None:
        block = self._blocks.get(index)
        if block is None:
            raise Unavailable(f"the provider continues block {index}, which it has not begun")
        if delta.type == "text_delta":
            block.text.append(delta.text)
            self._on_delta("text", delta.text)
        elif delta.type == "thinking_delta":
            block.text.append(delta.thinking)
            self._on_delta("thinking", delta.thinking)
        elif delta.type == "signature_delta":
            block.signature.append(delta.signature)
        elif delta.type == "input_json_delta":
            block.json.append(delta.partial_json)

    def _count(self, usage: _Usage | None) -> None:
        """Later figures are of the whole, and take the place of earlier ones."""
        if usage is None:
            return
        old = self._usage
        self._usage = Usage(
            input=_or(usage.input_tokens, old.input),
            output=_or(usage.output_tokens, old.output),
            cache_read=_or(usage.cache_read_input_tokens, old.cache_read),
            cache_write=_or(usage.cache_creation_input_tokens, old.cache_write),
        )


def _or(new: int | None, old: int) -> int:
    return old if new is None else new
