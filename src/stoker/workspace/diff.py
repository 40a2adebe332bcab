"""What a worktree changes: everything since its branch left the target, uncommitted and untracked
files included."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from stoker.workspace import snapshot
from stoker.workspace.git import Git, decode
from stoker.workspace.model import Change, FileDiff
from stoker.workspace.repository import Repository
from stoker.workspace.worktree import Worktree

CONTENT_LIMIT = 1 << 20
"""Bytes of a file above which contents are left out."""
TOTAL_LIMIT = 32 << 20
"""Bytes of all contents of one diff; those of the files that come after are left out."""
_BINARY_PROBE = 8000  # bytes in which git looks for a NUL
_SUBMODULE = "160000"
_CHANGES: dict[str, Change] = {
    "A": "added",
    "D": "deleted",
    "M": "modified",
    "T": "modified",
    "R": "renamed",
    "C": "copied",
}
_TREES = ("diff-tree", "-r", "--find-renames", "--no-ext-diff", "--no-textconv")


async def changes(
    worktree: Worktree,
    target: str,
    *,
    contents: bool = True,
) -> list[FileDiff]:
    """What a worktree has that the branch (or commit) `target` had where they parted.

    `contents=False`: only the numbers. Raises `UnknownBranch`.
    """
    base, tree = await _sides(worktree, target)
    return await between(worktree.repository, base, tree, contents=contents)


async def patch(worktree: Worktree, target: str) -> bytes:
    """The same as text that `git apply` takes."""
    base, tree = await _sides(worktree, target)
    output = await worktree.git.run(*_TREES, "--patch", "--binary", "--full-index", base, tree)
    return output.stdout


async def between(
    repository: Repository, old: str, new: str, *, contents: bool = True
) -> list[FileDiff]:
    """What two commits or trees (object ids) differ in."""
    git = repository.git
    args = (*_TREES, "-z", "--raw", "--numstat", "--no-abbrev", old, new)
    found = list(parse((await git.run(*args)).stdout))
    return await _with_contents(git, found) if contents else found


def parse(output: bytes) -> Iterator[FileDiff]:
    """Read what `git diff-tree -z --raw --numstat --no-abbrev` writes."""
    words = iter(decode(output).split("\0"))
    files: list[tuple[list[str], str | None, str | None]] = []
    word = next(words)
    while word.startswith(":"):
        facts = word[1:].split(" ")
        first = next(words)
        letter = facts[4][0]
        if letter in "RC":
            files.append((facts, first, next(words)))
        else:
            files.append(
                (facts, None if letter == "A" else first, None if letter == "D" else first)
            )
        word = next(words)
    for facts, old_path, new_path in files:
        added, deleted, path = word.split("\t", 2)
        if not path:  # two follow
            next(words)
            next(words)
        word = next(words)
        yield _file(facts, old_path, new_path, added, deleted)


def _file(
    facts: list[str], old_path: str | None, new_path: str | None, added: str, deleted: str
) -> FileDiff:
    old_mode, new_mode, old_oid, new_oid, letter = facts
    change = _CHANGES[letter[0]]
    if change == "modified" and old_oid == new_oid:
        change = "permission_change"
    return FileDiff(
        change=change,
        old_path=old_path,
        new_path=new_path,
        old_mode=old_mode if old_path is not None else None,
        new_mode=new_mode if new_path is not None else None,
        old_oid=old_oid if old_path is not None else None,
        new_oid=new_oid if new_path is not None else None,
        additions=None if added == "-" else int(added),
        deletions=None if deleted == "-" else int(deleted),
        content_omitted=True,
    )


async def _sides(worktree: Worktree, target: str) -> tuple[str, str]:
    repository = worktree.repository
    goal = await repository.base(target)
    head = await worktree.head()
    base = await repository.merge_base(goal, head) if head is not None else None
    if base is None:
        base = await worktree.git.text("hash-object", "-t", "tree", "--stdin", stdin=b"")
    return base, await snapshot.take(worktree)


async def _with_contents(git: Git, files: list[FileDiff]) -> list[FileDiff]:
    known = await sizes(git, {oid for file in files for oid in _blobs(file)})
    wanted: list[FileDiff] = []
    total = 0
    for file in files:
        of_file = [known.get(oid, 0) for oid in _blobs(file)]
        if max(of_file, default=0) <= CONTENT_LIMIT and total + sum(of_file) <= TOTAL_LIMIT:
            total += sum(of_file)
            wanted.append(file)
    blobs = await blobs_of(git, {oid for file in wanted for oid in _blobs(file)})
    chosen = {id(file) for file in wanted}
    return [_filled(file, blobs) if id(file) in chosen else file for file in files]


def _filled(file: FileDiff, blobs: dict[str, bytes]) -> FileDiff:
    texts: list[str | None] = []
    for oid, mode in ((file.old_oid, file.old_mode), (file.new_oid, file.new_mode)):
        if oid is None:
            texts.append(None)
        elif mode == _SUBMODULE:
            texts.append(f"Subproject commit {oid}\n")
        elif oid not in blobs or b"\0" in blobs[oid][:_BINARY_PROBE]:
            return file
        else:
            texts.append(blobs[oid].decode(errors="replace"))
    return msgspec.structs.replace(
        file, old_content=texts[0], new_content=texts[1], content_omitted=False
    )


def _blobs(file: FileDiff) -> Iterator[str]:
    for oid, mode in ((file.old_oid, file.old_mode), (file.new_oid, file.new_mode)):
        if oid is not None and mode != _SUBMODULE:
            yield oid


async def sizes(git: Git, oids: Iterable[str]) -> dict[str, int]:
    """Bytes of objects, by their ids."""
    asked = sorted(oids)
    if not asked:
        return {}
    args = ("cat-file", "--batch-check=%(objectname) %(objectsize)", "--buffer")
    output = await git.text(*args, stdin="".join(f"{oid}\n" for oid in asked).encode())
    facts = (line.partition(" ") for line in output.splitlines())
    return {oid: int(size) for oid, _, size in facts if size.isdigit()}


async def blobs_of(git: Git, oids: Iterable[str]) -> dict[str, bytes]:
    """The contents of blobs, by their ids."""
    asked = sorted(oids)
    if not asked:
        return {}
    args = ("cat-file", "--batch=%(objectname) %(objectsize)", "--buffer")
    data = (await git.run(*args, stdin="".join(f"{oid}\n" for oid in asked).encode())).stdout
    found: dict[str, bytes] = {}
    at = 0
    while at < len(data):
        end = data.index(b"\n", at)
        oid, _, size = data[at:end].decode().partition(" ")
        at = end + 1
        if size.isdigit():
            found[oid] = data[at : at + int(size)]
            at += int(size) + 1
    return found
