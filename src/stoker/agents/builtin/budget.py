"""Limits of a turn, and what of them is left."""

from __future__ import annotations

from msgspec import Struct

from stoker.agents.builtin.history import Totals
from stoker.agents.builtin.settings import Limits


class Exceeded(Struct, frozen=True):
    """A limit that is reached."""

    reason: str
    """As in `Ended`."""
    text: str


def exceeded(limits: Limits, spent: Totals) -> Exceeded | None:
    """The limit that forbids to ask the model once more, if any."""
    if limits.turns is not None and spent.turns >= limits.turns:
        return Exceeded("max_turns", f"the limit of {limits.turns} turns is reached")
    if limits.tokens is not None and spent.usage.total >= limits.tokens:
        used = f"{spent.usage.total} of {limits.tokens}"
        return Exceeded("max_tokens", f"the limit of tokens is reached: {used} are used")
    if limits.cost_usd is not None and spent.cost >= limits.cost_usd:
        used = f"${spent.cost:.4f} of ${limits.cost_usd:.4f}"
        return Exceeded("max_cost", f"the limit of cost is reached: {used} are spent")
    return None


def left(limits: Limits, spent: Totals, turns: int) -> Limits:
    """What a sub-agent may use: what is left, in so many turns at most."""
    tokens = None if limits.tokens is None else max(limits.tokens - spent.usage.total, 0)
    money = None if limits.cost_usd is None else max(limits.cost_usd - spent.cost, 0.0)
    return Limits(turns=turns, tokens=tokens, cost_usd=money)
