"""What is wrong with the ids of a tree of documents as it stands."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from doc_ids import front_matter
from doc_ids.git import Git

Kind = Literal["missing", "duplicate", "bare", "unreadable"]


@dataclass(frozen=True)
class Problem:
    """One document whose id is not as it should be."""

    path: str
    """Relative to the repository."""
    kind: Kind
    """`bare`: has no front matter, which is a problem only if it once had an id."""
    digest: str
    """SHA-256 of the document."""
    id: str | None = None
    """The id that other documents have too."""
    reason: str = ""


@dataclass(frozen=True)
class Scan:
    documents: int
    held: dict[str, str]
    """Ids that exactly one document has, with its path."""
    problems: list[Problem]

    @property
    def faults(self) -> list[Problem]:
        """Problems that are one without a look at the history."""
        return [problem for problem in self.problems if problem.kind != "bare"]


def scan(git: Git, root: str) -> Scan:
    """Look at all documents below `root`."""
    problems: list[Problem] = []
    holders: dict[str, list[tuple[str, str]]] = defaultdict(list)
    paths = git.documents(root)
    for path in paths:
        content = Path(git.top, path).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        try:
            front = front_matter.read(content)
        except front_matter.NoPlace as error:
            problems.append(Problem(path, "unreadable", digest, reason=str(error)))
            continue
        if front is None:
            problems.append(Problem(path, "bare", digest))
        elif front.id is None:
            problems.append(Problem(path, "missing", digest))
        else:
            holders[front.id].append((path, digest))
    held = {name: found[0][0] for name, found in holders.items() if len(found) == 1}
    for name, found in holders.items():
        if len(found) > 1:
            problems += [Problem(path, "duplicate", digest, name) for path, digest in found]
    return Scan(len(paths), held, problems)
