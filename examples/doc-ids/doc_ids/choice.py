"""Which id each document gets back."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from doc_ids import front_matter
from doc_ids.history import Held
from doc_ids.scan import Problem, Scan


@dataclass(frozen=True)
class Restore:
    """One document to rewrite."""

    path: str
    id: str
    line: bytes
    was: str
    """What it has instead, for people."""
    commit: str
    """Where the line is from."""
    before: str
    """SHA-256 of the document as it was looked at."""
    after: str
    """SHA-256 of it with the line."""


@dataclass(frozen=True)
class Unresolved:
    """A document the history has no answer for."""

    path: str
    reason: str


@dataclass(frozen=True)
class Choice:
    restores: list[Restore]
    unresolved: list[Unresolved]


def choose(top: Path, scan: Scan, past: Mapping[str, list[Held]]) -> Choice:
    """An id that several documents have stays with the one that had it first; any other
    document gets the latest id of its own past that nobody else has."""
    restores: list[Restore] = []
    unresolved: list[Unresolved] = []
    owners = _owners(scan, past)
    taken = scan.held.keys() | owners.keys()
    wanted: dict[str, Held] = {}
    needy = [p for p in scan.problems if owners.get(p.id or "") != p.path]
    for problem in needy:
        free = [held for held in past.get(problem.path, ()) if held.id not in taken]
        free = [held for held in free if held.id != problem.id]
        if free and problem.kind in ("missing", "duplicate"):
            wanted[problem.path] = free[0]
        elif problem.kind != "bare" or past.get(problem.path):
            unresolved.append(Unresolved(problem.path, _why(problem, past, scan.held | owners)))
    claims = Counter(held.id for held in wanted.values())
    for problem in needy:
        held = wanted.get(problem.path)
        if held is None:
            continue
        if claims[held.id] > 1:
            unresolved.append(Unresolved(problem.path, f"had {held.id!r}, as another one had"))
        else:
            restores.append(_restore(top, problem, held))
    return Choice(restores, unresolved)


def _owners(scan: Scan, past: Mapping[str, list[Held]]) -> dict[str, str]:
    """Of each id that is there twice, the document that had it first, if one did."""
    claims: dict[str, list[tuple[int, str]]] = defaultdict(list)
    for problem in scan.problems:
        if problem.kind == "duplicate" and problem.id is not None:
            since = [held.since for held in past[problem.path] if held.id == problem.id]
            claims[problem.id].append((since[0] if since else -1, problem.path))
    owners = {}
    for name, found in claims.items():
        first, second = sorted(found, reverse=True)[:2]
        if first[0] > second[0]:
            owners[name] = first[1]
    return owners


def _why(problem: Problem, past: Mapping[str, list[Held]], holders: Mapping[str, str]) -> str:
    if problem.kind == "unreadable":
        return problem.reason
    ids = [held.id for held in past.get(problem.path, ()) if held.id != problem.id]
    if problem.kind == "bare":
        return f"had the id {ids[0]!r}, but has no front matter any more to hold it"
    begun = (
        "has no id" if problem.kind == "missing" else f"has the id {problem.id!r} of another one"
    )
    if not ids:
        return f"{begun}, and never had one of its own"
    return f"{begun}; the {ids[0]!r} it had belongs to {holders.get(ids[0], 'another one')} now"


def _restore(top: Path, problem: Problem, held: Held) -> Restore:
    content = Path(top, problem.path).read_bytes()
    before = hashlib.sha256(content).hexdigest()
    after = hashlib.sha256(front_matter.with_line(content, held.line)).hexdigest()
    was = "no id" if problem.id is None else f"the id {problem.id}"
    return Restore(problem.path, held.id, held.line, was, held.commit, before, after)
