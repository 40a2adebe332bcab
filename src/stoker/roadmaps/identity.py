"""Who a task is: the id its author gave it, or what it says and under what it stands."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b

_BOXES = re.compile(r"\[[ \txX~/\-]\]")

Said = tuple[str, tuple[str, ...]]
"""What tells a task without an id from others: its title; the tasks and headings above it,
innermost first."""


class Names:
    """Names that are given out once."""

    def __init__(self, taken: Iterable[str] = ()) -> None:
        self._taken = set(taken)
        self._numbers: dict[str, int] = {}

    def __contains__(self, name: str) -> bool:
        return name in self._taken

    def take(self, wanted: str) -> str:
        """A name that nobody has: the one that is wanted, or the next one with a number."""
        found, number = wanted, self._numbers.get(wanted, 2)
        while found in self._taken:
            found, number = f"{wanted}-{number}", number + 1
        self._numbers[wanted] = number
        self._taken.add(found)
        return found


def slug(text: str, default: str = "part") -> str:
    """A short id, or a part of a branch's name, out of a heading; `default` if it has neither
    letters nor digits."""
    return re.sub(r"[\W_]+", "-", text.casefold()).strip("-")[:40].rstrip("-") or default


def fingerprint(title: str, ancestry: Iterable[str] = (), detail: str = "") -> str:
    """Ten hex digits that stay the same when the task is moved, ticked, or set in bold: of its
    words, and of the headings and tasks above it."""
    words = _words(title) + _above(tuple(ancestry))
    digest = blake2b(words.encode(), digest_size=5)
    if detail:
        digest.update(_BOXES.sub("[ ]", detail).encode())
    return digest.hexdigest()


def _words(text: str) -> str:
    # Four times as fast as to translate.
    text = text.replace("*", "").replace("_", "").replace("`", "").replace("~", "")
    return " ".join(text.split()).casefold()


@lru_cache(maxsize=1024)  # many tasks stand under one heading
def _above(ancestry: tuple[str, ...]) -> str:
    return "".join(f"\n{_words(_BOXES.sub('[ ]', text))}" for text in ancestry)


def name(
    written: Sequence[str], said: Callable[[int], Said], detail: Callable[[int], str]
) -> tuple[list[str], list[int]]:
    """An id for each task, unique; and the indices of those whose written id is another's, which
    are told apart by their content, as all tasks of one title are. Of tasks that are the same
    word for word, all but the first have a number. `written`: the ids that authors gave, or ""."""
    ids = [one or fingerprint(*said(index)) for index, one in enumerate(written)]
    if len(set(ids)) == len(ids):
        return ids, []
    groups: dict[str, list[int]] = {}
    for index, found in enumerate(ids):
        groups.setdefault(found, []).append(index)
    names = Names(groups)
    twins: list[int] = []
    for found, group in groups.items():
        if len(group) == 1:
            continue
        own = [index for index in group if written[index]]
        twins += own[1:]
        keep = own[0] if own else -1  # the first of a written id has it
        for index in group:
            if index != keep:
                mark = fingerprint(*said(index), detail(index) or " ")[:4]
                ids[index] = names.take(f"{found}-{mark}")
    return ids, twins
