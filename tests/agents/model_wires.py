"""The four wires a model server speaks, each from and to the words of `model_script`.

A wire reads a request (`read`), writes an answer as one document (`whole`) or as the events
of a stream (`events`, each the bytes of one), and an error (`error`).
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from typing import Any, Protocol

from model_script import Call, Message, Say, Usage
from msgspec import Struct

_ids = itertools.count(1)


class Asked(Struct, frozen=True):
    """What a wire found in a request."""

    model: str
    messages: tuple[Message, ...]
    tools: tuple[str, ...]
    stream: bool
    schema: dict[str, Any] | None = None
    """The answer is to be an instance of it."""


class Wire(Protocol):
    name: str

    def read(self, body: dict[str, Any], path: str) -> Asked: ...
    def whole(self, say: Say, usage: Usage, model: str) -> dict[str, Any]: ...
    def events(self, say: Say, usage: Usage, model: str) -> Iterator[bytes]: ...
    def error(self, status: int, message: str) -> dict[str, Any]: ...
    def overflow(self, limit: int) -> dict[str, Any]: ...


def identified(say: Say) -> Say:
    """`say` with an id on each of its calls."""
    calls = tuple(
        call if call.id else Call(call.name, call.arguments, f"call_{next(_ids)}")
        for call in say.calls
    )
    return Say(say.text, say.thinking, calls, say.usage, say.cut, say.piece)


def instance(schema: dict[str, Any]) -> Any:
    """The least value that a simple schema allows."""
    if "enum" in schema:
        return schema["enum"][0]
    kind = schema.get("type", "object")
    kind = (kind[0] if isinstance(kind, list) else kind).lower()
    if kind == "object":
        properties = schema.get("properties", {})
        return {name: instance(properties[name]) for name in schema.get("required", properties)}
    if kind == "array":
        return [instance(schema.get("items", {}))] * schema.get("minItems", 0)
    return {"string": "text", "integer": 0, "number": 0, "boolean": False}.get(kind)


def pieces(text: str, size: int) -> list[str]:
    return [text[at : at + size] for at in range(0, len(text), size)]


def raw(call: Call) -> str:
    return call.arguments if isinstance(call.arguments, str) else json.dumps(call.arguments)


def _parsed(arguments: str) -> dict[str, Any] | str:
    try:
        value = json.loads(arguments)
    except ValueError:
        return arguments
    return value if isinstance(value, dict) else arguments


def _text(content: Any) -> str:
    """The text of a content that is a text or a list of parts."""
    if isinstance(content, str):
        return content
    return "".join(part.get("text", "") for part in content or () if isinstance(part, dict))


def _sse(data: dict[str, Any], event: str = "") -> bytes:
    head = f"event: {event}\n" if event else ""
    return f"{head}data: {json.dumps(data)}\n\n".encode()


class Chat:
    """OpenAI Chat Completions."""

    name = "chat"

    def read(self, body: dict[str, Any], path: str) -> Asked:
        messages = []
        for message in body["messages"]:
            role = "system" if message["role"] == "developer" else message["role"]
            calls = tuple(
                Call(c["function"]["name"], _parsed(c["function"]["arguments"]), c["id"])
                for c in message.get("tool_calls") or ()
            )
            messages.append(
                Message(role, _text(message.get("content")), calls, message.get("tool_call_id", ""))
            )
        wanted = (body.get("response_format") or {}).get("json_schema", {}).get("schema")
        names = tuple(tool["function"]["name"] for tool in body.get("tools") or ())
        return Asked(body["model"], tuple(messages), names, body.get("stream", False), wanted)

    def whole(self, say: Say, usage: Usage, model: str) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": say.text or None}
        if say.thinking:
            message["reasoning_content"] = say.thinking
        if say.calls:
            message["tool_calls"] = [
                {
                    "id": call.id,
                    "type": "function",
                    "function": {"name": call.name, "arguments": raw(call)},
                }
                for call in say.calls
            ]
        choice = {"index": 0, "message": message, "finish_reason": self._reason(say)}
        return {**self._frame(model, "chat.completion", [choice]), "usage": self._usage(usage)}

    def events(self, say: Say, usage: Usage, model: str) -> Iterator[bytes]:
        def chunk(delta: dict[str, Any], reason: str | None = None) -> bytes:
            choice = {"index": 0, "delta": delta, "finish_reason": reason}
            return _sse(self._frame(model, "chat.completion.chunk", [choice]))

        yield chunk({"role": "assistant", "content": ""})
        for piece in pieces(say.thinking, say.piece):
            yield chunk({"reasoning_content": piece})
        for piece in pieces(say.text, say.piece):
            yield chunk({"content": piece})
        for index, call in enumerate(say.calls):
            head = {"name": call.name, "arguments": ""}
            first = {"index": index, "id": call.id, "type": "function", "function": head}
            yield chunk({"tool_calls": [first]})
            for piece in pieces(raw(call), say.piece):
                yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        yield chunk({}, self._reason(say))
        last = self._frame(model, "chat.completion.chunk", [])
        yield _sse({**last, "usage": self._usage(usage)})
        yield b"data: [DONE]\n\n"

    def error(self, status: int, message: str) -> dict[str, Any]:
        kind = "rate_limit_error" if status == 429 else "server_error"
        return {"error": {"message": message, "type": kind, "param": None, "code": None}}

    def overflow(self, limit: int) -> dict[str, Any]:
        text = f"This model's maximum context length is {limit} tokens."
        error = {"message": text, "type": "invalid_request_error", "param": "messages"}
        return {"error": {**error, "code": "context_length_exceeded"}}

    def _frame(self, model: str, kind: str, choices: list[Any]) -> dict[str, Any]:
        head = {"id": "chatcmpl-1", "object": kind, "created": 1_700_000_000, "model": model}
        return {**head, "choices": choices}

    def _reason(self, say: Say) -> str:
        return "length" if say.cut else "tool_calls" if say.calls else "stop"

    def _usage(self, usage: Usage) -> dict[str, Any]:
        return {
            "prompt_tokens": usage.input,
            "completion_tokens": usage.output,
            "total_tokens": usage.input + usage.output,
            "prompt_tokens_details": {"cached_tokens": usage.cached},
        }


class Responses:
    """OpenAI Responses."""

    name = "responses"

    def read(self, body: dict[str, Any], path: str) -> Asked:
        messages = []
        if body.get("instructions"):
            messages.append(Message("system", body["instructions"]))
        given = body["input"]
        for item in [{"role": "user", "content": given}] if isinstance(given, str) else given:
            kind = item.get("type", "message")
            if kind == "message":
                role = "system" if item["role"] == "developer" else item["role"]
                messages.append(Message(role, _text(item["content"])))
            elif kind in {"function_call", "custom_tool_call"}:
                arguments = item.get("arguments", item.get("input", ""))
                call = Call(item["name"], _parsed(arguments), item["call_id"])
                messages.append(Message("assistant", "", (call,)))
            elif kind in {"function_call_output", "custom_tool_call_output"}:
                messages.append(Message("tool", _text(item["output"]), (), item["call_id"]))
        form = (body.get("text") or {}).get("format") or {}
        names = tuple(tool.get("name", tool["type"]) for tool in body.get("tools") or ())
        stream = body.get("stream", False)
        return Asked(body["model"], _merged(messages), names, stream, form.get("schema"))

    def whole(self, say: Say, usage: Usage, model: str) -> dict[str, Any]:
        return {
            "id": f"resp_{next(_ids)}",
            "object": "response",
            "created_at": 1_700_000_000,
            "status": "incomplete" if say.cut else "completed",
            "error": None,
            "incomplete_details": {"reason": "max_output_tokens"} if say.cut else None,
            "model": model,
            "output": self._items(say),
            "usage": {
                "input_tokens": usage.input,
                "input_tokens_details": {"cached_tokens": usage.cached},
                "output_tokens": usage.output,
                "output_tokens_details": {"reasoning_tokens": 0},
                "total_tokens": usage.input + usage.output,
            },
        }

    def events(self, say: Say, usage: Usage, model: str) -> Iterator[bytes]:
        numbers = itertools.count()

        def event(kind: str, **data: Any) -> bytes:
            return _sse({"type": kind, "sequence_number": next(numbers), **data}, kind)

        whole = self.whole(say, usage, model)
        started = {**whole, "status": "in_progress", "output": [], "usage": None}
        yield event("response.created", response=started)
        for index, item in enumerate(whole["output"]):
            place = {"output_index": index, "item_id": item["id"]}
            yield event("response.output_item.added", output_index=index, item=_empty(item))
            if item["type"] == "message":
                for piece in pieces(say.text, say.piece):
                    yield event("response.output_text.delta", **place, content_index=0, delta=piece)
            elif item["type"] == "reasoning":
                for piece in pieces(say.thinking, say.piece):
                    yield event(
                        "response.reasoning_summary_text.delta",
                        **place,
                        summary_index=0,
                        delta=piece,
                    )
            else:
                for piece in pieces(item["arguments"], say.piece):
                    yield event("response.function_call_arguments.delta", **place, delta=piece)
            yield event("response.output_item.done", output_index=index, item=item)
        yield event("response.incomplete" if say.cut else "response.completed", response=whole)

    def error(self, status: int, message: str) -> dict[str, Any]:
        return Chat().error(status, message)

    def overflow(self, limit: int) -> dict[str, Any]:
        text = f"Your input exceeds the context window of this model ({limit} tokens)."
        error = {"message": text, "type": "invalid_request_error", "param": "input"}
        return {"error": {**error, "code": "context_length_exceeded"}}

    def _items(self, say: Say) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = []
        if say.thinking:
            summary = [{"type": "summary_text", "text": say.thinking}]
            items.append({"id": f"rs_{next(_ids)}", "type": "reasoning", "summary": summary})
        if say.text or not say.calls:
            content = [{"type": "output_text", "text": say.text, "annotations": []}]
            head = {"id": f"msg_{next(_ids)}", "type": "message", "status": "completed"}
            items.append({**head, "role": "assistant", "content": content})
        for call in say.calls:
            head = {"id": f"fc_{next(_ids)}", "type": "function_call", "status": "completed"}
            items.append({**head, "call_id": call.id, "name": call.name, "arguments": raw(call)})
        return items


def _empty(item: dict[str, Any]) -> dict[str, Any]:
    hollow = {"content": [], "summary": [], "arguments": "", "status": "in_progress"}
    return {name: hollow.get(name, value) for name, value in item.items()}


def _merged(messages: list[Message]) -> tuple[Message, ...]:
    """One message for each answer of the model, which Responses spreads over several items."""
    found: list[Message] = []
    for message in messages:
        if message.role == "assistant" and found and found[-1].role == "assistant":
            last = found.pop()
            joined = Message("assistant", last.text + message.text, last.calls + message.calls)
            found.append(joined)
        else:
            found.append(message)
    return tuple(found)


class Anthropic:
    """Anthropic Messages."""

    name = "anthropic"

    def read(self, body: dict[str, Any], path: str) -> Asked:
        messages = [Message("system", _text(body["system"]))] if body.get("system") else []
        for message in body["messages"]:
            content = message["content"]
            blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
            text = "".join(block["text"] for block in blocks if block["type"] == "text")
            calls = tuple(
                Call(block["name"], block["input"], block["id"])
                for block in blocks
                if block["type"] == "tool_use"
            )
            messages += [
                Message(
                    "tool",
                    _text(block.get("content")),
                    call_id=block["tool_use_id"],
                    is_error=bool(block.get("is_error")),
                )
                for block in blocks
                if block["type"] == "tool_result"
            ]
            if text or calls or message["role"] == "assistant":
                messages.append(Message(message["role"], text, calls))
        names = tuple(tool["name"] for tool in body.get("tools") or ())
        return Asked(body["model"], tuple(messages), names, body.get("stream", False))

    def whole(self, say: Say, usage: Usage, model: str) -> dict[str, Any]:
        return {
            **self._frame(model),
            "content": self._blocks(say),
            "stop_reason": self._reason(say),
            "usage": self._usage(usage),
        }

    def events(self, say: Say, usage: Usage, model: str) -> Iterator[bytes]:
        def event(kind: str, **data: Any) -> bytes:
            return _sse({"type": kind, **data}, kind)

        started = {**self._usage(usage), "output_tokens": 1}
        yield event("message_start", message={**self._frame(model), "usage": started})
        for index, block in enumerate(self._blocks(say)):
            yield event("content_block_start", index=index, content_block=_hollow(block))
            for delta in self._deltas(block, say):
                yield event("content_block_delta", index=index, delta=delta)
            yield event("content_block_stop", index=index)
        reason = {"stop_reason": self._reason(say), "stop_sequence": None}
        yield event("message_delta", delta=reason, usage={"output_tokens": usage.output})
        yield event("message_stop")

    def error(self, status: int, message: str) -> dict[str, Any]:
        kind = {429: "rate_limit_error", 529: "overloaded_error"}.get(status, "api_error")
        return {"type": "error", "error": {"type": kind, "message": message}}

    def overflow(self, limit: int) -> dict[str, Any]:
        text = f"prompt is too long: {limit + 1} tokens > {limit} maximum"
        return {"type": "error", "error": {"type": "invalid_request_error", "message": text}}

    def _frame(self, model: str) -> dict[str, Any]:
        return {
            "id": f"msg_{next(_ids)}",
            "type": "message",
            "role": "assistant",
            "model": model,
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
        }

    def _blocks(self, say: Say) -> list[dict[str, Any]]:
        blocks: list[dict[str, Any]] = []
        if say.thinking:
            blocks.append({"type": "thinking", "thinking": say.thinking, "signature": "signed"})
        if say.text:
            blocks.append({"type": "text", "text": say.text})
        for call in say.calls:
            head = {"type": "tool_use", "id": call.id, "name": call.name}
            blocks.append({**head, "input": call.arguments})
        return blocks

    def _deltas(self, block: dict[str, Any], say: Say) -> Iterator[dict[str, Any]]:
        kind = block["type"]
        if kind == "tool_use":
            given = block["input"]
            arguments = given if isinstance(given, str) else json.dumps(given)
            for piece in pieces(arguments, say.piece):
                yield {"type": "input_json_delta", "partial_json": piece}
            return
        for piece in pieces(block[kind], say.piece):
            yield {"type": f"{kind}_delta", kind: piece}
        if kind == "thinking":
            yield {"type": "signature_delta", "signature": block["signature"]}

    def _reason(self, say: Say) -> str:
        return "max_tokens" if say.cut else "tool_use" if say.calls else "end_turn"

    def _usage(self, usage: Usage) -> dict[str, Any]:
        return {
            "input_tokens": usage.input - usage.cached,
            "cache_creation_input_tokens": 0,
            "cache_read_input_tokens": usage.cached,
            "output_tokens": usage.output,
        }


def _hollow(block: dict[str, Any]) -> dict[str, Any]:
    empty = {"text": "", "thinking": "", "signature": "", "input": {}}
    return {name: empty.get(name, value) for name, value in block.items()}


class Gemini:
    """Gemini generateContent and streamGenerateContent."""

    name = "gemini"

    def read(self, body: dict[str, Any], path: str) -> Asked:
        system = body.get("systemInstruction") or {}
        messages = [Message("system", _text(system.get("parts")))] if system else []
        for content in body["contents"]:
            parts = content["parts"]
            spoken = [part for part in parts if not part.get("thought")]
            calls = tuple(
                Call(
                    part["functionCall"]["name"],
                    part["functionCall"].get("args", {}),
                    part["functionCall"].get("id", ""),
                )
                for part in parts
                if "functionCall" in part
            )
            for part in parts:
                if "functionResponse" in part:
                    found = part["functionResponse"]
                    text = json.dumps(found.get("response"))
                    messages.append(
                        Message("tool", text, (), found.get("id", ""), found.get("name", ""))
                    )
            if _text(spoken) or calls:
                role = "assistant" if content.get("role") == "model" else "user"
                messages.append(Message(role, _text(spoken), calls))
        tools = body.get("tools") or ()
        names = tuple(
            function["name"] for tool in tools for function in tool.get("functionDeclarations", ())
        )
        settings = body.get("generationConfig") or {}
        schema = settings.get("responseJsonSchema") or settings.get("responseSchema")
        model = path.rpartition("/")[2].partition(":")[0]
        return Asked(model, _merged(messages), names, "streamGenerate" in path, schema)

    def whole(self, say: Say, usage: Usage, model: str) -> dict[str, Any]:
        parts: list[dict[str, Any]] = []
        if say.thinking:
            parts.append({"text": say.thinking, "thought": True})
        if say.text or not say.calls:
            parts.append({"text": say.text})
        parts += [self._call(call) for call in say.calls]
        return self._frame(model, parts, "MAX_TOKENS" if say.cut else "STOP", usage)

    def events(self, say: Say, usage: Usage, model: str) -> Iterator[bytes]:
        for piece in pieces(say.thinking, say.piece):
            yield _sse(self._frame(model, [{"text": piece, "thought": True}]))
        for piece in pieces(say.text, say.piece):
            yield _sse(self._frame(model, [{"text": piece}]))
        for call in say.calls:
            yield _sse(self._frame(model, [self._call(call)]))
        reason = "MAX_TOKENS" if say.cut else "STOP"
        yield _sse(self._frame(model, [{"text": ""}], reason, usage))

    def error(self, status: int, message: str) -> dict[str, Any]:
        word = "RESOURCE_EXHAUSTED" if status == 429 else "INTERNAL"
        return {"error": {"code": status, "message": message, "status": word}}

    def overflow(self, limit: int) -> dict[str, Any]:
        text = f"The input token count exceeds the maximum number of tokens allowed ({limit})."
        return {"error": {"code": 400, "message": text, "status": "INVALID_ARGUMENT"}}

    def _call(self, call: Call) -> dict[str, Any]:
        if isinstance(call.arguments, str):
            raise TypeError("the arguments of a call are never text on Gemini's wire")
        return {"functionCall": {"id": call.id, "name": call.name, "args": call.arguments}}

    def _frame(
        self,
        model: str,
        parts: list[dict[str, Any]],
        reason: str | None = None,
        usage: Usage | None = None,
    ) -> dict[str, Any]:
        candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": parts}}
        if reason:
            candidate["finishReason"] = reason
        frame = {"candidates": [candidate], "modelVersion": model, "responseId": "resp-1"}
        if usage:
            counts = {
                "promptTokenCount": usage.input,
                "candidatesTokenCount": usage.output,
                "cachedContentTokenCount": usage.cached,
                "totalTokenCount": usage.input + usage.output,
            }
            return {**frame, "usageMetadata": counts}
        return frame
