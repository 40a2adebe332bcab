"""One try at a task: what came of it, from git and the verification, and what its agent said."""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from stoker.roadmaps.evidence import Fault, Verdict

_DECISION: Final = 300
_DECISIONS: Final = 8
_DECIDED: Final = re.compile(
    r"\b(decided|decision|chose|choosing|opted|instead of|rather than|trade-?off|convention"
    r"|because|so that|deliberately|on purpose|assum(?:e|ed|ing|ption))\b",
    re.IGNORECASE,
)
_SENTENCE: Final = re.compile(r"(?<=[.!?])\s+(?=[A-Z`*\"])|\n+")
_BULLET: Final = re.compile(r"^\s*(?:[-*+]|\d+[.)]|#+)\s+")


class Outcome(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One try at a task, or at a group of them."""

    task: str
    """Id of the first of its tasks."""
    title: str
    attempt: int
    """From 1."""
    verdict: Verdict
    files: tuple[str, ...] = ()
    """That changed, as git says."""
    commit: str = ""
    summary: str = ""
    decisions: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()
    tokens: int = 0
    """Read and written by the models."""
    at: float = 0.0
    """When it ended; seconds since the Unix epoch."""


def shortened(text: str, limit: int) -> str:
    """`text` without surrounding space; at most `limit` characters, cut in the middle of
    nothing smaller than a word if there is one."""
    text = text.strip()
    if len(text) <= limit:
        return text
    kept = text[: limit - 4]
    head, space, _ = kept.rpartition(" ")
    return f"{head if space and len(head) > limit // 2 else kept} ..."


def decisions(message: str) -> tuple[str, ...]:
    """The sentences in which an agent gives a reason or a choice; the last ones count, as what
    was chosen early is often given up."""
    found: dict[str, None] = {}
    fenced = False
    for sentence in _SENTENCE.split(message):
        if sentence.lstrip().startswith("```"):
            fenced = not fenced
        elif not fenced and _DECIDED.search(sentence):
            text = shortened(_BULLET.sub("", sentence), _DECISION)
            found.pop(text, None)
            found[text] = None
    return tuple(found)[-_DECISIONS:]
