"""Who a task is: the id its author gave it, or what it says and under what it stands."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from functools import lru_cache
from hashlib import blake2b

from msgspec import Struct

_BOXES = re.compile(r"\[[ \txX~/\-]\]")
_MARKUP = "*_`~"


class Naming(Struct, frozen=True, gc=False):
    """What is known of a task when it is named."""

    title: str
    ancestry: tuple[str, ...] = ()
    """The headings and tasks above it, outermost first."""
    detail: str = ""
    """What else is written with it: tells tasks of one title apart."""
    explicit: str = ""
    """The id its author gave it."""


def fingerprint(title: str, ancestry: Iterable[str] = (), detail: str = "") -> str:
    """Ten hex digits that stay the same when the task is moved, ticked, or set in bold: of its
    words, and of the headings and tasks above it."""
    words = _words(title) + _above(tuple(ancestry))
    digest = blake2b(words.encode(), digest_size=5)
    if detail:
        digest.update(_BOXES.sub("[ ]", detail).encode())
    return digest.hexdigest()


def _words(text: str) -> str:
    for sign in _MARKUP:  # four times as fast as to translate
        text = text.replace(sign, "")
    return " ".join(text.split()).casefold()


@lru_cache(maxsize=1024)  # many tasks stand under one heading
def _above(ancestry: tuple[str, ...]) -> str:
    return "".join(f"\n{_words(_BOXES.sub('[ ]', text))}" for text in ancestry)


def name(tasks: Sequence[Naming]) -> tuple[list[str], list[int]]:
    """An id for each task, unique; and the indices of those whose written id is another's, which
    are told apart by their content, as all tasks of one title are. Of tasks that are the same
    word for word, all but the first have a number."""
    ids = [task.explicit or fingerprint(task.title, task.ancestry) for task in tasks]
    groups: dict[str, list[int]] = {}
    for index, found in enumerate(ids):
        groups.setdefault(found, []).append(index)
    if len(groups) == len(ids):
        return ids, []
    taken = set(groups)
    twins: list[int] = []
    for found, group in groups.items():
        if len(group) == 1:
            continue
        written = [index for index in group if tasks[index].explicit]
        keep = written[0] if written else None  # the first of a written id has it
        twins += written[1:]
        for index in group:
            if index == keep:
                continue
            task = tasks[index]
            own = fingerprint(task.title, task.ancestry, task.detail or " ")
            candidate = base = f"{found}-{own[:4]}"
            number = 2
            while candidate in taken:
                candidate = f"{base}-{number}"
                number += 1
            taken.add(candidate)
            ids[index] = candidate
    return ids, twins
