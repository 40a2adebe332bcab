"""What a provider's format has to be able to do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from msgspec import Struct

from stoker.agents.builtin.assembler import Assembler, OnDelta
from stoker.agents.builtin.entries import Message
from stoker.agents.builtin.settings import Settings
from stoker.agents.builtin.tools.tool import Offer


class Request(Struct, frozen=True):
    """What the model is asked."""

    system: str
    messages: Sequence[Message]
    tools: Sequence[Offer] = ()
    extra: Mapping[str, Any] = {}
    """Goes into the body as it is, after what the settings add."""


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
        """Puts one answer together."""

    def overflowed(self, status: int, body: str) -> bool:
        """Whether an error says that the context is too small."""
