"""What a person who wrote a wrong name is told: did you mean ...?"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache

_MAX_CANDIDATES = 1_000  # difflib costs some 10 µs a candidate
_MAX_LENGTH = 100


def closest(word: str, candidates: Iterable[str]) -> str | None:
    """The candidate most like `word`, or None if none is like it."""
    return _closest(word, tuple(candidates))


def did_you_mean(word: str, candidates: Iterable[str]) -> str:
    """` (did you mean 'build'?)`, or an empty string."""
    best = closest(word, candidates)
    return f" (did you mean {best!r}?)" if best is not None else ""


def known(names: Iterable[str]) -> str:
    """What there is instead: `known: build, test`."""
    return f"known: {', '.join(sorted(names))}"


@lru_cache(maxsize=256)
def _closest(word: str, candidates: tuple[str, ...]) -> str | None:
    if len(word) > _MAX_LENGTH:
        return None
    from difflib import get_close_matches

    names = dict.fromkeys(c for c in candidates[:_MAX_CANDIDATES] if c != word)
    folded = word.casefold().replace("-", "_")
    for name in names:
        if name.casefold().replace("-", "_") == folded:
            return name
    matches = get_close_matches(word, [n for n in names if len(n) <= _MAX_LENGTH], n=1)
    return matches[0] if matches else None
