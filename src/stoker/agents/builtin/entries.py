"""What a transcript consists of. Entries are also what the wires send: one form for all."""

from __future__ import annotations

from typing import Any

import msgspec
from msgspec import Struct


class Call(Struct, frozen=True):
    """The model wants a tool to be run."""

    id: str
    name: str
    arguments: str
    """JSON as the model wrote it, which may be none."""

    def given(self) -> dict[str, Any] | None:
        """The arguments; None if they are no object."""
        try:
            found = msgspec.json.decode(self.arguments)
        except (msgspec.DecodeError, UnicodeError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


class Thinking(Struct, frozen=True):
    """A block of reasoning, as the provider wants it back."""

    text: str
    signature: str = ""
    data: str = ""
    """Of a block that only the provider can read."""


class Usage(Struct, frozen=True, kw_only=True):
    """Tokens."""

    input: int = 0
    """Neither read from the provider's cache nor written to it."""
    cache_read: int = 0
    cache_write: int = 0
    output: int = 0

    @property
    def total(self) -> int:
        """All of them: how large the conversation is, the answer included."""
        return self.input + self.cache_read + self.cache_write + self.output

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input=self.input + other.input,
            cache_read=self.cache_read + other.cache_read,
            cache_write=self.cache_write + other.cache_write,
            output=self.output + other.output,
        )


class Began(Struct, frozen=True, tag="session"):
    """The first entry."""

    id: str
    model: str
    cwd: str
    system: str
    """The system prompt: the same for as long as the session lasts."""


class Image(Struct, frozen=True):
    """A picture."""

    media: str
    """Type, such as `image/png`."""
    data: str
    """Base64."""


class Asked(Struct, frozen=True, tag="asked"):
    """The user said something: a turn to come."""

    id: str
    text: str
    images: tuple[Image, ...] = ()


class Turn(Struct, frozen=True, tag="turn"):
    """The turn that `Asked` of this id asks for begins."""

    id: str


class Answer(Struct, frozen=True, tag="answer", kw_only=True):
    """What the model said."""

    text: str = ""
    thinking: tuple[Thinking, ...] = ()
    calls: tuple[Call, ...] = ()
    stop: str = "end"
    """`end`, `calls`, `length` (cut at its limit of output tokens) or `refused`."""
    usage: Usage = Usage()
    cost: float = 0.0
    """US dollars."""


class Decided(Struct, frozen=True, tag="decided"):
    """Somebody answered whether a call may run."""

    call: str
    allowed: bool
    message: str = ""
    arguments: str | None = None
    """JSON, if they were changed."""
    always: tuple[str, str] | None = None
    """Kind and subject of calls that need not be asked for from now on; of any subject if that
    is empty."""


class Acting(Struct, frozen=True, tag="acting"):
    """A call that must not run twice is about to run."""

    call: str


class Result(Struct, frozen=True, tag="result", kw_only=True):
    """What a call came to; the model reads it."""

    call: str
    text: str
    is_error: bool = False
    usage: Usage = Usage()
    """What a sub-agent used."""
    cost: float = 0.0


class Noted(Struct, frozen=True, tag="noted"):
    """The harness tells the model something."""

    text: str


class Dropped(Struct, frozen=True, tag="dropped"):
    """The outputs of tools in the first `messages` messages are no longer sent."""

    messages: int


class Compacted(Struct, frozen=True, tag="compacted", kw_only=True):
    """The first `messages` messages are no longer sent; `summary` is, in their place."""

    messages: int
    summary: str
    usage: Usage = Usage()
    cost: float = 0.0


class Ended(Struct, frozen=True, tag="ended", kw_only=True):
    """The turn is over."""

    reason: str
    """`done`, `interrupted`, `max_turns`, `max_tokens`, `max_cost`, `max_seconds`, `loop`,
    `refused` or `error`."""
    text: str = ""
    """The model's last words if it is done, otherwise why it ended."""


Entry = (
    Began | Asked | Turn | Answer | Decided | Acting | Result | Noted | Dropped | Compacted | Ended
)
Message = Asked | Noted | Answer | Result
"""What a model is sent: `Asked` and `Noted` in the user's role."""
