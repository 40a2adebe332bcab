"""What a model is asked, whichever way it goes to the provider."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct

from stoker.agents.builtin.entries import Message
from stoker.agents.builtin.tools.tool import Offer


class Request(Struct, frozen=True):
    """What the model is asked."""

    system: str
    messages: Sequence[Message]
    tools: Sequence[Offer] = ()
    extra: Mapping[str, Any] = {}
    """Goes into the body as it is, after what the settings add."""
