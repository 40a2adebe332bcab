"""An answer as it comes, piece by piece, and how a provider fails to give one."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, Literal

import msgspec

from stoker.agents.builtin.entries import Answer, Call, Thinking, Usage

Kind = Literal["text", "thinking", "call", "other"]
_SHOWN: Final = 200
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

    def feed(self, data: bytes) -> None:
        """Take the data of one event. Raises `Unavailable`, `ModelError`."""
        if data == b"[DONE]":
            self.complete = True
            return
        try:
            self.event(msgspec.json.decode(data))
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            shown = data[:_SHOWN].decode(errors="replace")
            why = f"{type(error).__name__}: {error}"
            raise Unavailable(f"the provider sent what is no event: {why}: {shown}") from error

    @abstractmethod
    def event(self, event: dict[str, Any]) -> None:
        """Take one event. May raise `KeyError`, `TypeError`, `ValueError`, `AttributeError` for
        one that is not as it should be."""

    def part(self, place: int, kind: Kind) -> Part:
        """The one there, which may be new."""
        if not isinstance(place, int):
            raise TypeError("expected a number")
        if place not in self.parts:
            self.parts[place] = Part(kind)
        return self.parts[place]

    def grow(self, part: Part, text: str) -> None:
        """More of it."""
        if not isinstance(text, str):
            raise TypeError("expected text")
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
