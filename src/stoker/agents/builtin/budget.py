"""Limits of a turn, and what of them is left."""

from __future__ import annotations

from stoker.agents.builtin.entries import Ended
from stoker.agents.builtin.history import Totals
from stoker.agents.builtin.settings import Limits


def exceeded(limits: Limits, spent: Totals) -> Ended | None:
    """The end of a turn whose limits forbid to ask the model once more."""
    if limits.turns is not None and spent.turns >= limits.turns:
        return Ended(reason="max_turns", text=f"the limit of {limits.turns} turns is reached")
    if limits.tokens is not None and spent.usage.total >= limits.tokens:
        used = f"{spent.usage.total} of {limits.tokens}"
        return Ended(reason="max_tokens", text=f"the limit of tokens is reached: {used} are used")
    if limits.cost_usd is not None and spent.cost >= limits.cost_usd:
        used = f"${spent.cost:.4f} of ${limits.cost_usd:.4f}"
        return Ended(reason="max_cost", text=f"the limit of cost is reached: {used} are spent")
    return None


def left(limits: Limits, spent: Totals, turns: int) -> Limits:
    """What a sub-agent may use: what is left, in so many turns at most."""
    tokens = None if limits.tokens is None else max(limits.tokens - spent.usage.total, 0)
    money = None if limits.cost_usd is None else max(limits.cost_usd - spent.cost, 0.0)
    return Limits(turns=turns, tokens=tokens, cost_usd=money)
