"""Parts of files that speak of what is looked for: where its words stand closest together."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from itertools import accumulate
from typing import Final

from msgspec import Struct

from stoker.roadmaps.context.index import Hit, Index
from stoker.roadmaps.context.repository_map import Outline

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
    index: Index,
    hits: Sequence[Hit],
    terms: Mapping[str, float],
    outline: Outline,
    *,
    limit: int = 8,
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
    found = (_best(index, hit, weights, outline) for hit in hits)
    return sorted(filter(None, found), key=lambda passage: (-passage.score, passage.path))


def _best(index: Index, hit: Hit, weights: Mapping[str, float], outline: Outline) -> Passage | None:
    text = (index.text(hit.path) or "")[:_TEXT]
    lines = text.split("\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    scores = [0.0] * len(lines)
    lowered = text.lower()
    if len(lowered) != len(text):  # of a few letters of other scripts the lower case is longer
        lowered = text
    for term, weight in sorted(weights.items()):
        last, at = -_WINDOW, -1
        while (at := lowered.find(term, at + 1)) >= 0:
            number = bisect_right(starts, at) - 1
            # The same word again in the same place says little more.
            scores[number] += weight * (1.0 if number - last >= _WINDOW else 0.15)
            last = number
            at = starts[number + 1] - 1  # once a line
    if not any(scores):
        return None
    sums = [0.0, *accumulate(scores)]
    size = min(_WINDOW, len(lines))
    start = max(range(len(lines) - size + 1), key=lambda at: (sums[at + size] - sums[at], -at))
    densest = max(range(start, start + size), key=lambda at: (scores[at], -at)) + 1
    first, last = start + 1, start + size
    around = [
        symbol
        for symbol in outline(hit.path)
        if symbol.line <= densest <= symbol.end and symbol.end - symbol.line < _LARGEST
    ]
    if around:
        whole = max(around, key=lambda symbol: symbol.end - symbol.line)
        first, last = whole.line, max(whole.end, min(last, whole.line + _WINDOW - 1))
    shown = "\n".join(line[:_LINE] for line in lines[first - 1 : last])
    score = hit.score * (1 + sums[min(last, len(lines))] - sums[first - 1])
    return Passage(path=hit.path, first=first, last=last, text=shown, score=score)
