"""Parts of files that speak of what is looked for: where its words stand closest together."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

from msgspec import Struct

from stoker.roadmaps.context.index import Hit, Index

_WINDOW: Final = 24
_LARGEST: Final = 60
"""Lines: a definition that is longer is not shown whole."""
_TEXT: Final = 200_000
_LINE: Final = 240


class Passage(Struct, frozen=True, kw_only=True):
    """Some lines of a file; they count from 1, both ends included."""

    path: str
    first: int
    last: int
    text: str
    score: float


def passages(
    index: Index, hits: Sequence[Hit], terms: Mapping[str, float], *, limit: int = 8
) -> list[Passage]:
    """The best passage of each of the best files, the best first."""
    hits = [hit for hit in hits if hit.score > 0][:limit]
    if not hits:
        return []
    counts = index.frequencies(terms)
    total = max(2, len(index.graph.files))
    weights = {
        term: weight * math.log(1 + total / (1 + counts.get(term, 0)))
        for term, weight in terms.items()
    }
    longest_first = sorted(weights, key=lambda term: (-len(term), term))
    pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE)
    found = (_best(index, hit, pattern, weights) for hit in hits)
    return sorted(filter(None, found), key=lambda passage: (-passage.score, passage.path))


def _best(
    index: Index, hit: Hit, pattern: re.Pattern[str], weights: Mapping[str, float]
) -> Passage | None:
    text = (index.text(hit.path) or "")[:_TEXT]
    lines = text.splitlines()
    scores = [0.0] * len(lines)
    first_seen: set[tuple[str, int]] = set()
    for number, line in enumerate(lines):
        for word in pattern.findall(line):
            term = word.lower()
            key = (term, number // _WINDOW)
            # The same word again in the same place says little more.
            scores[number] += weights[term] * (0.15 if key in first_seen else 1.0)
            first_seen.add(key)
    if not any(scores):
        return None
    sums = [0.0, *accumulate(scores)]
    size = min(_WINDOW, len(lines))
    start = max(range(len(lines) - size + 1), key=lambda at: (sums[at + size] - sums[at], -at))
    densest = max(range(start, start + size), key=lambda at: (scores[at], -at)) + 1
    first, last = start + 1, start + size
    around = [
        symbol
        for symbol in index.outline(hit.path)
        if symbol.line <= densest <= symbol.end and symbol.end - symbol.line < _LARGEST
    ]
    if around:
        whole = max(around, key=lambda symbol: symbol.end - symbol.line)
        first, last = whole.line, max(whole.end, min(last, whole.line + _WINDOW - 1))
    shown = "\n".join(line[:_LINE] for line in lines[first - 1 : last])
    score = hit.score * (1 + sums[min(last, len(lines))] - sums[first - 1])
    return Passage(path=hit.path, first=first, last=last, text=shown, score=score)
