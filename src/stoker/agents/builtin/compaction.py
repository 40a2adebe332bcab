"""Making a conversation smaller, when the model's context is nearly full."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from stoker.agents.bounds import clip
from stoker.agents.builtin.entries import Answer, Asked, Message, Noted, Result
from stoker.agents.builtin.history import DROPPED, History
from stoker.agents.builtin.wire import Request

KEPT_SHARE: Final = 0.25
"""Of the context: what stays verbatim."""
_CHARACTERS: Final = 4
"""In a token, about."""
_PICTURE: Final = 1_600
"""Tokens of an image, about."""
_SYSTEM: Final = (
    "You write the memory of a coding agent whose conversation has become too long. From what "
    "follows, write down what it needs to go on without the original: what the user wants, in "
    "detail; what was decided and why; which files were read and changed, and how; commands "
    "and their outcomes; errors and how they were dealt with; what is done and what is next. "
    "Write nothing else."
)
_HEAD: Final = "[The conversation up to here was summarised:]\n"
_BARE: Final = (
    "[The conversation up to here was dropped for want of space. Look at the files, and at "
    "what git says, to see what is done.]"
)
_LAST: Final = "\n\n[The user's last request, verbatim:]\n"
_MAX_RESULT: Final = 2_000
_MAX_ASKED: Final = 40_000


def estimate(history: History, overhead: int) -> int:
    """Tokens of the next request. `overhead`: characters of system prompt and tools."""
    if history.context:
        return history.context + _tokens(history.messages[history.context_messages :])
    return overhead // _CHARACTERS + _tokens(history.messages)


def cut(messages: Sequence[Message], keep: int) -> int:
    """How many messages to take away so that what is left has at most `keep` tokens; but the
    last answer, with its results, always stays. Results are never cut off from their call."""
    left, at = 0, len(messages)
    for index in range(len(messages) - 1, -1, -1):
        left += _tokens(messages[index : index + 1])
        whole = not isinstance(messages[index], Result)
        if left > keep and at < len(messages):
            break
        if whole:
            at = index
    return at


def droppable(messages: Sequence[Message]) -> bool:
    """Whether any output of a tool among them would become smaller."""
    return any(isinstance(one, Result) and len(one.text) > len(DROPPED) for one in messages)


def question(messages: Sequence[Message], limit: int) -> Request:
    """Asks for a summary of `messages`. `limit`: tokens of the model's context."""
    text = "\n\n".join(map(_shown, messages))
    return Request(_SYSTEM, [Noted(clip(text, limit // 2 * _CHARACTERS))])


def summary(messages: Sequence[Message], text: str) -> str:
    """What takes the place of `messages`. `text` is the model's, or empty if it gave none."""
    asked = next((one for one in reversed(messages) if isinstance(one, Asked)), None)
    last = "" if asked is None else _LAST + clip(asked.text, _MAX_ASKED)
    if not last:
        # An earlier summary holds it, and stays.
        old = next((one.text for one in messages if isinstance(one, Noted)), "")
        if _LAST in old:
            last = _LAST + old.partition(_LAST)[2]
    return (f"{_HEAD}{text}" if text else _BARE) + last


def _tokens(messages: Sequence[Message]) -> int:
    pictures = sum(len(one.images) for one in messages if isinstance(one, Asked))
    text = sum(len(_shown(one, None)) for one in messages)
    return text // _CHARACTERS + pictures * _PICTURE


def _shown(message: Message, limit: int | None = _MAX_RESULT) -> str:
    if isinstance(message, Asked | Noted):
        return f"USER: {message.text}"
    if isinstance(message, Result):
        text = message.text if limit is None else clip(message.text, limit)
        return f"OUTPUT: {text}"
    return _answered(message, limit)


def _answered(answer: Answer, limit: int | None) -> str:
    calls = "".join(
        f"\nCALL {call.name} {call.arguments if limit is None else clip(call.arguments, limit)}"
        for call in answer.calls
    )
    return f"AGENT: {answer.text}{calls}"
