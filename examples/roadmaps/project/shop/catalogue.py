"""What there is, and what it costs, in cents."""

PRICES = {"oolong": 450, "sencha": 380, "cup": 1200}


def price(item: str) -> int:
    """Raises `KeyError` if there is no such thing."""
    return PRICES[item]
