"""What a scripted model says: the words between a test and the model server.

A policy is a function from the conversation so far to a reply. It is called in a thread of
its own for each connection and may block, on an event of the test for instance; what the
model says then is said when the test wants it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Literal

from msgspec import Struct

Role = Literal["system", "user", "assistant", "tool"]


class Call(Struct, frozen=True):
    """One call of a tool."""

    name: str
    arguments: Mapping[str, Any] | str
    """A text is sent as it is: malformed arguments, on the wires that carry text. Anthropic
    carries text only when it streams, Gemini never does."""
    id: str = ""
    """Given by the server if empty: unique within it."""


class Usage(Struct, frozen=True):
    """Tokens. `cached` are among those of the input."""

    input: int
    output: int
    cached: int = 0


class Say(Struct, frozen=True):
    """What the model answers."""

    text: str = ""
    thinking: str = ""
    calls: tuple[Call, ...] = ()
    usage: Usage | None = None
    """By default a quarter of the bytes of the request, and of what is said."""
    cut: bool = False
    """It ends because its limit of output tokens is reached."""
    piece: int = 40
    """Characters in each event of a stream."""


class Refuse(Struct, frozen=True):
    """An HTTP error in the words of the wire's provider."""

    status: int
    retry_after: float | None = None
    """Seconds. A fraction goes into `retry-after-ms`, as the providers send it."""
    message: str = "scripted"


class Overflow(Struct, frozen=True):
    """The request does not fit the model's context."""

    limit: int = 1000


class Hang(Struct, frozen=True):
    """Silence: after the headers and some events of a stream, or, with 0, before any byte.
    It lasts until the client goes or the server is closed."""

    events: int = 0
    say: Say = Say(text="half of what I wanted to")


class Truncate(Struct, frozen=True):
    """The connection breaks after some events of a stream, or, unless it streams, within
    the body."""

    events: int = 1
    say: Say = Say(text="half of what I wanted to say, and no more")


class Garbage(Struct, frozen=True):
    """A response with status 200 that no provider would send."""

    body: bytes = b"<html>a proxy's login page</html>"


Reply = Say | Refuse | Overflow | Hang | Truncate | Garbage


class Message(Struct, frozen=True):
    """A message of any wire, in one form."""

    role: Role
    text: str = ""
    calls: tuple[Call, ...] = ()
    """Of an assistant."""
    call_id: str = ""
    """Of a tool: which call it answers; empty on Gemini, which goes by name."""
    name: str = ""
    is_error: bool = False


class Conversation(Struct, frozen=True):
    """What a request told the model."""

    wire: Literal["chat", "responses", "anthropic", "gemini"]
    model: str
    messages: tuple[Message, ...]
    tools: tuple[str, ...]
    """Names of the tools offered."""
    stream: bool
    number: int
    """This is the server's nth request for an answer, from 0."""

    @property
    def turns(self) -> int:
        """How many answers of the model there are already."""
        return sum(message.role == "assistant" for message in self.messages)

    @property
    def asked(self) -> str:
        """The last message of the user."""
        return next((m.text for m in reversed(self.messages) if m.role == "user"), "")

    @property
    def results(self) -> tuple[Message, ...]:
        """Results of tools, all of the conversation."""
        return tuple(message for message in self.messages if message.role == "tool")

    @property
    def latest(self) -> tuple[Message, ...]:
        """Results of tools since the model's last answer."""
        found: list[Message] = []
        for message in reversed(self.messages):
            if message.role != "tool":
                break
            found.append(message)
        return tuple(reversed(found))


Policy = Callable[[Conversation], Reply]


def in_order(*replies: Reply) -> Policy:
    """The nth request gets the nth reply, whatever it says; the last one again and again."""
    return lambda talk: replies[min(talk.number, len(replies) - 1)]


def by_turn(*replies: Reply) -> Policy:
    """By how many answers are in the conversation: the same request gets the same reply, as
    often as it is sent. Requests without tools (titles, summaries) get a word."""

    def policy(talk: Conversation) -> Reply:
        if not talk.tools:
            return Say(text="a title")
        return replies[min(talk.turns, len(replies) - 1)]

    return policy


def with_faults(policy: Policy, faults: Mapping[int, Reply]) -> Policy:
    """`policy`, but for the requests of these numbers."""
    return lambda talk: faults[talk.number] if talk.number in faults else policy(talk)
