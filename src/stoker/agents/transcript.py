"""What was said and done in turns that are over, for an agent that does not remember them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from stoker.agents import stream
from stoker.agents.store import STREAM, tried
from stoker.agents.stream import AnyContent

_LIMIT: Final = 48_000
"""Bytes, so that it may also be an argument of a command."""
_MESSAGE: Final = 8_000
"""Characters of one entry."""
_BEGIN: Final = (
    "What follows within <earlier> was said and done before, in a session that is no longer "
    "there; the work is in the files. Go on from it with what comes after.\n\n<earlier>\n"
)
_END: Final = "\n</earlier>"
_CUT: Final = "[What came before this is left out.]\n"


def transcript(run_directory: str, steps: Sequence[str]) -> str | None:
    """The conversations of steps of a run, all their attempts, the last part if they are long;
    None if there are none."""
    parts: list[str] = []
    for step in steps:
        for attempt in tried(run_directory, step):
            parts += filter(None, map(_told, stream.load(attempt / STREAM)))
    if not parts:
        return None
    kept: list[str] = []
    left = _LIMIT
    for part in reversed(parts):
        left -= len(part.encode()) + 2
        if left < 0:
            kept.append(_CUT)
            break
        kept.append(part)
    return _BEGIN + "\n\n".join(reversed(kept)) + _END


def used(run_directory: str | Path, step: str) -> tuple[int, float]:
    """Tokens read and written and dollars spent by all attempts of a step, also those that a crash
    has cut short, as their agents tell it. Raises `OSError`."""
    tokens, cost = 0, 0.0
    for attempt in tried(run_directory, step):
        with (attempt / STREAM).open("rb") as lines:
            whole = (line for line in lines if b'"type":"usage"' in line and line.endswith(b"\n"))
            told = [stream.decode(line) for line in whole]
        found = [one.content for one in told if isinstance(one, stream.Put)]
        if usage := [one for one in found if isinstance(one, stream.Usage)]:
            tokens += usage[-1].tokens.input + usage[-1].tokens.output
            cost += usage[-1].cost_usd or 0.0
    return tokens, cost


def _told(content: AnyContent) -> str:
    match content:
        case stream.UserMessage(text=text):
            return f"User: {_short(text)}"
        case stream.AssistantMessage(text=text) if text.strip():
            return f"You: {_short(text)}"
        case stream.Command(command=command, status=status):
            return f"You ran ({status}): {_short(command)}"
        case stream.FileEdit(changes=changes, status=status):
            paths = ", ".join(change.path for change in changes)
            return f"You edited ({status}): {_short(paths)}"
        case stream.TurnEnded(reason=reason) if reason != "completed":
            return f"(That turn ended: {reason}.)"
    return ""


def _short(text: str) -> str:
    return text if len(text) <= _MESSAGE else f"{text[:_MESSAGE]} [...]"
