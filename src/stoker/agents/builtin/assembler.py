"""An answer as it comes, piece by piece, and how a provider fails to give one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal

import msgspec

from stoker.agents.builtin.entries import Answer, Call, Thinking, Usage

Kind = Literal["text", "thinking", "call", "other"]
OnDelta = Callable[[Literal["text", "thinking"], str], None]


class ModelError(Exception):
    """The provider did not answer, and asking again would not help or has not helped."""


class ContextOverflow(ModelError):
    """The conversation does not fit the model's context."""


class Unavailable(Exception):
    """No answer this time. `after`: seconds to wait, if the provider said so."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


def fail(error: Any) -> None:
    """An error in the midst of a stream: most are the provider's own trouble."""
    text = msgspec.json.encode(error).decode()
    if isinstance(error, dict) and error.get("type") == "invalid_request_error":
        raise ModelError(text)
    raise Unavailable(text)


class Part:
    """Of an answer: a text, some reasoning, or a call with its arguments."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.text: list[str] = []
        self.id = self.name = self.signature = self.data = ""


class Assembler(ABC):
    """Puts one answer together from the events of its stream."""

    def __init__(self, on_delta: OnDelta) -> None:
        self.complete = False
        """The end was seen: whatever is missing, nothing more will come."""
        self.stop = "end"
        self.usage = Usage()
        self.parts: dict[int, Part] = {}
        """In their order."""
        self._on_delta = on_delta

    @abstractmethod
    def feed(self, data: bytes) -> None:
        """Take the data of one event. Raises `Unavailable`, `ModelError`,
        `msgspec.DecodeError`."""

    def part(self, place: int, kind: Kind) -> Part:
        """The one there, which may be new."""
        if place not in self.parts:
            self.parts[place] = Part(kind)
        return self.parts[place]

    def grow(self, part: Part, text: str) -> None:
        """More of it."""
        part.text.append(text)
        if part.kind in ("text", "thinking"):
            self._on_delta(part.kind, text)

    def answer(self) -> Answer:
        """Everything so far; without its cost."""
        parts = [part for _, part in sorted(self.parts.items())]
        return Answer(
            text="".join(text for part in parts if part.kind == "text" for text in part.text),
            thinking=tuple(
                Thinking("".join(part.text), part.signature, part.data)
                for part in parts
                if part.kind == "thinking"
            ),
            calls=tuple(
                Call(part.id, part.name, "".join(part.text) or "{}")
                for part in parts
                if part.kind == "call"
            ),
            stop=self.stop,
            usage=self.usage,
        )
