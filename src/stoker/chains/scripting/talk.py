"""What was said between the script agent and its model."""

from __future__ import annotations

from msgspec import Struct

from stoker.agents.builtin.entries import Message, Usage


class Talk(Struct, frozen=True, kw_only=True):
    """All of it, in its order, and what it took."""

    messages: tuple[Message, ...]
    rounds: int
    """Answers of the model."""
    restarted: bool
    """Whether it began once more from scratch."""
    usage: Usage
