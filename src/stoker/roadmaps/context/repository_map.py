"""A map of the repository as one task sees it: the files that matter to it most, with the lines
that define what matters in them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from stoker.roadmaps.context.index import Index
from stoker.roadmaps.context.languages import language, prior
from stoker.roadmaps.context.model import tokens
from stoker.roadmaps.context.outline import quick_outline
from stoker.roadmaps.context.ranking import rank
from stoker.roadmaps.context.symbols import Symbol

_FILES: Final = 24
_OUTLINED: Final = 16
"""The others are told by name."""
_SYMBOLS: Final = 8
_NAMING: Final = 24
"""So many files, the first that are reached, lead on by names, too."""
_MENTIONED: Final = 5.0
_EXACT: Final = 60_000
"""Characters that are parsed for one context at most."""

Outline = Callable[[str], tuple[Symbol, ...]]
"""The definitions in a file of the index."""


def outlines(index: Index) -> Outline:
    """Exact outlines of the files that are asked for first, rough ones of the others: so that
    no context takes long, and the same is told whether or not it was asked for before."""
    left = _EXACT

    def outline(path: str) -> tuple[Symbol, ...]:
        nonlocal left
        text = index.text(path) or ""
        if len(text) > left:
            return quick_outline(language(path), text)
        left -= len(text)
        return index.outline(path, text)

    return outline


def ranked(index: Index, seeds: Mapping[str, float]) -> list[tuple[str, float]]:
    """Files by what they matter to the seeds (files, with weights), the most important first."""
    graph = index.graph
    known = {path: weight for path, weight in sorted(seeds.items()) if path in graph.files}
    looked = 0

    def edges(path: str) -> Mapping[str, float]:
        nonlocal looked
        looked += 1
        return graph.related(path, index.words(path) if looked <= _NAMING else frozenset())

    shares = rank(edges, known)
    scored = (
        (path, share * (1.0 if path in known else prior(path))) for path, share in shares.items()
    )
    return sorted(scored, key=lambda item: (-item[1], item[0]))


def repository_map(
    index: Index,
    files: Sequence[tuple[str, float]],
    terms: Mapping[str, float],
    outline: Outline,
    budget: int,
) -> tuple[str, tuple[str, ...]]:
    """The map, in at most `budget` tokens, and the files in it."""
    importance: defaultdict[str, float] = defaultdict(float)
    for path, share in files[:_OUTLINED]:
        for word in index.words(path):
            importance[word] += share
    blocks: list[str] = []
    shown: list[str] = []
    left = budget
    for number, (path, _) in enumerate(files[:_FILES]):
        lines = _lines(outline(path), importance, terms) if number < _OUTLINED else []
        block = "\n".join((f"{path}:", *lines)) if lines else path
        if (cost := tokens(block) + 1) > left:
            block = path
            if (cost := tokens(block) + 1) > left:
                break
        left -= cost
        blocks.append(block)
        shown.append(path)
    return "\n".join(blocks), tuple(shown)


def _lines(
    symbols: tuple[Symbol, ...], importance: Mapping[str, float], terms: Mapping[str, float]
) -> list[str]:
    def weight(symbol: Symbol) -> float:
        value = importance.get(symbol.name, 0.0) + _MENTIONED * terms.get(symbol.name.lower(), 0.0)
        return value * (0.3 if symbol.name.startswith("_") else 1.0) / (1 + symbol.depth)

    best = sorted(symbols, key=lambda symbol: (-weight(symbol), symbol.line))[:_SYMBOLS]
    return [f"{one.line:>5}: {one.text}" for one in sorted(best, key=lambda one: one.line)]
