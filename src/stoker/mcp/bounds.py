"""What a model is given of what may be long: some of it, and how much was left out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final

from msgspec import Struct

from stoker.agents import stream
from stoker.agents.stream import Put

LONGEST: Final = 30_000
"""Characters."""


class Bounded(Struct, frozen=True, kw_only=True):
    """A text, or a part of it."""

    text: str
    left_out: int = 0
    """Characters before the text, or behind it, that are not shown."""


def head(text: str, most: int = LONGEST) -> Bounded:
    """The beginning of a text."""
    return Bounded(text=text[:most], left_out=max(0, len(text) - most))


def tail(text: str, most: int = LONGEST) -> Bounded:
    """The end of a text."""
    return Bounded(text=text[-most:], left_out=max(0, len(text) - most))


def told(entries: Iterable[Put]) -> str:
    """What an agent said and did, as text."""
    return "\n".join(line for entry in entries for line in _lines(entry.content))


def _lines(content: Any) -> list[str]:
    match content:
        case stream.UserMessage():
            return [f"USER: {content.text}"]
        case stream.AssistantMessage() if content.text.strip():
            return [f"AGENT: {content.text}"]
        case stream.Command():
            return [f"COMMAND: {content.command}", content.output[-2000:].rstrip()]
        case stream.FileEdit():
            return [f"FILE {change.change}: {change.path}" for change in content.changes]
        case stream.ToolCall():
            return [f"TOOL {content.name}: {content.title}"]
        case stream.Failure():
            return [f"ERROR: {content.message}"]
        case stream.Approval():
            answer = "asks" if content.answer is None else f"allowed: {content.answer.allowed}"
            return [f"APPROVAL {content.id}: {content.title} ({answer})"]
        case stream.Notice():
            return [f"NOTICE: {content.text}"]
        case stream.TurnEnded():
            return [f"ENDED: {content.reason} {content.error}".rstrip()]
    return []
