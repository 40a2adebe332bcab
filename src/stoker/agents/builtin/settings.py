"""What the agent is told before it begins; a JSON document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from msgspec import Struct

Decision = Literal["allow", "ask", "deny"]
Kind = Literal["read", "edit", "execute", "own"]
"""Of tools; `own`: within the agent itself."""


class Price(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """US dollars for a million tokens."""

    input: float
    output: float
    cache_read: float | None = None
    """By default as `input`."""
    cache_write: float | None = None


class Limits(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where a turn ends at the latest. A request under way is let finish, except by
    `seconds`."""

    turns: int | None = None
    """Answers of the model."""
    tokens: int | None = None
    """Of input and output, cached ones included, sub-agents' included. Sub-agents that work
    at the same time may each use what is left when they begin."""
    cost_usd: float | None = None
    seconds: float | None = None
    """While the agent is alive."""


class Permissions(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What needs the consent of whoever watches, which may know more of it (`agents.policy`)."""

    edit: Decision = "ask"
    execute: Decision = "ask"

    def decide(self, kind: Kind) -> Decision:
        """Whether a tool of that kind may be used."""
        if kind == "edit":
            return self.edit
        return self.execute if kind == "execute" else "allow"


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Everything but keys, which come from the environment."""

    model: str
    wire: Literal["openai", "anthropic"] | None = None
    """By default by the model's name: Anthropic's for `claude`, else OpenAI's."""
    base_url: str | None = None
    """Up to and without `/chat/completions` or `/v1/messages`; by default what
    OPENAI_BASE_URL or ANTHROPIC_BASE_URL says, or the provider's."""
    key_env: str | None = None
    """Variable that holds the key; by default OPENAI_API_KEY or ANTHROPIC_API_KEY. No key is
    sent if it is not set."""
    extra: Mapping[str, Any] = {}
    """Goes into each request's body as it is; null takes a field out."""
    max_output: int | None = None
    """Tokens in one answer, as `max_tokens`; models that call it otherwise need `extra`. On
    Anthropic's wire, which wants it, 16,000 by default."""
    context_limit: int = 128_000
    """Tokens that the model takes, its answer included."""
    compact_at: float = 0.8
    """Share of `context_limit` from which on the conversation is compacted."""
    retries: int = 6
    retry_sec: float = 0.5
    """Before the first retry, doubled for each that follows, up to 20 s; unless the provider
    says when."""
    idle_sec: float = 180.0
    """Silence of the provider that counts as a failure."""
    instructions: str = ""
    """Added to the system prompt."""
    limits: Limits = Limits()
    permissions: Permissions = Permissions()
    prices: Mapping[str, Price] = {}
    """By model; before those that are built in."""
    command_sec: float = 120.0
    """Time for one command, unless the model asks for another."""
    command_max_sec: float = 1800.0
    max_repeats: int = 3
    """So many times the same calls with the same results, and the model is told; twice as
    many, and the turn ends."""
    subagent_turns: int = 50
