"""What models cost: a small table, which settings override."""

from __future__ import annotations

from stoker.agents.builtin.entries import Usage
from stoker.agents.builtin.settings import Price, Settings


def _price(given: float, taken: float, read: float, write: float | None = None) -> Price:
    return Price(input=given, output=taken, cache_read=read, cache_write=write)


# By the beginning of a model's name; the longest that fits counts.
_PRICES = {
    "claude-opus-4": _price(15, 75, 1.5, 18.75),
    "claude-opus-4-5": _price(5, 25, 0.5, 6.25),
    "claude-sonnet-4": _price(3, 15, 0.3, 3.75),
    "claude-haiku-4-5": _price(1, 5, 0.1, 1.25),
    "gpt-5": _price(1.25, 10, 0.125),
    "gpt-5-mini": _price(0.25, 2, 0.025),
    "gpt-5-nano": _price(0.05, 0.4, 0.005),
    "gpt-4.1": _price(2, 8, 0.5),
    "gpt-4.1-mini": _price(0.4, 1.6, 0.1),
    "deepseek-chat": _price(0.28, 0.42, 0.028),
}


def price_of(settings: Settings) -> Price | None:
    """The price of the model; None if it is not known."""
    if settings.model in settings.prices:
        return settings.prices[settings.model]
    name = settings.model.rpartition("/")[2]
    fitting = [known for known in _PRICES if name == known or name.startswith(f"{known}-")]
    return _PRICES[max(fitting, key=len)] if fitting else None


def cost(usage: Usage, price: Price | None) -> float:
    """US dollars; 0 if the price is not known."""
    if price is None:
        return 0.0
    read = price.input if price.cache_read is None else price.cache_read
    write = price.input if price.cache_write is None else price.cache_write
    micro = usage.input * price.input + usage.output * price.output
    return (micro + usage.cache_read * read + usage.cache_write * write) / 1_000_000
