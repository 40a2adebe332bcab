"""What a provider's format has to be able to do, and how a provider fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct

from stoker.agents.builtin.entries import Answer, Message
from stoker.agents.builtin.settings import Settings

OnDelta = Callable[[Literal["text", "thinking"], str], None]


class Offer(Struct, frozen=True):
    """A tool, as the model is told of it."""

    name: str
    description: str
    schema: Mapping[str, Any]


class Request(Struct, frozen=True):
    """What the model is asked."""

    system: str
    messages: Sequence[Message]
    offers: Sequence[Offer] = ()


class ModelError(Exception):
    """The provider did not answer, and asking again would not help or has not helped."""


class ContextOverflow(ModelError):
    """The conversation does not fit the model's context."""


class Unavailable(Exception):
    """No answer this time. `after`: seconds to wait, if the provider said so."""

    def __init__(self, why: str, after: float | None = None) -> None:
        super().__init__(why)
        self.after = after


class Assembler(Protocol):
    """Puts one answer together from the events of its stream."""

    complete: bool
    """The end was seen: whatever is missing, nothing more will come."""

    def feed(self, data: bytes) -> None:
        """Take the data of one event. Raises `Unavailable`, `ModelError`,
        `msgspec.DecodeError`."""

    def answer(self) -> Answer:
        """Everything so far; without its cost."""


class Wire(Protocol):
    """A provider's format."""

    base_url: str
    """Where its own provider is."""
    base_env: str
    """Variable that names another."""
    key_env: str
    path: str

    def headers(self, key: str) -> dict[str, str]:
        """Those that carry the key, if there is one, and the version."""

    def body(self, settings: Settings, request: Request) -> dict[str, Any]:
        """The request's document."""

    def assembler(self, on_delta: OnDelta) -> Assembler:
        """For one answer."""

    def overflowed(self, status: int, body: str) -> bool:
        """Whether an error says that the context is too small."""


class Model(Protocol):
    """Whoever answers; see `client.Client`."""

    async def ask(self, request: Request, on_delta: OnDelta) -> Answer:
        """Raises `ModelError`, `ContextOverflow`."""
