"""Snapshots of a repository, and the way back to one."""

from __future__ import annotations

import shutil
from contextlib import suppress
from pathlib import Path
from typing import Final

from stoker.engine.kinds import Result, StepFailed
from stoker.steps.git import Git
from stoker.steps.repository import IDENTITY, Repository

_NAMESPACE: Final = "refs/backup/"
_TRAILER: Final = "Snapshot-Of"
"""In the message of a commit that holds a working tree: the commit it was edited from."""


async def snapshot(repository: Repository, definition: Git) -> Result:
    """Back up HEAD, with `working_tree` also what is in no commit."""
    name = str(definition.name)
    ref = _NAMESPACE + name
    head = await repository.commit("HEAD")
    dirty = bool(await repository.git("status", "--porcelain"))
    commit = head
    if definition.working_tree and dirty:
        commit = await _commit_working_tree(repository, head, name)
    if commit is None:
        raise StepFailed(f"{repository.directory}: nothing to back up, there is no commit yet")
    await _keep(repository, ref, commit)
    outputs = {"ref": ref, "commit": commit, "head": head, "dirty": dirty}
    if definition.bundle is not None:
        bundle = Path(repository.attempt.cwd, definition.bundle)
        bundle.parent.mkdir(parents=True, exist_ok=True)
        await repository.git("bundle", "create", "--quiet", str(bundle), ref)
        outputs["bundle"] = str(bundle)
    return Result(outputs=outputs)


async def restore(repository: Repository, definition: Git) -> Result:
    """Bring branch and working tree back to a backup."""
    ref, commit = await _find(repository, definition)
    trailer = f"--format=%(trailers:key={_TRAILER},valueonly)"
    edited_from = await repository.git("log", "-1", trailer, commit)
    head = edited_from or commit
    saved = None
    if definition.discard:
        saved = f"{_NAMESPACE}{ref.rpartition('/')[2]}-replaced"
        current = await repository.commit("HEAD")
        await _keep(repository, saved, await _commit_working_tree(repository, current, saved))
        await repository.git("reset", "--hard", "--quiet")  # also ends a merge under way
    else:
        await _refuse_loss(repository, commit if edited_from else None)
    branch = definition.branch
    if branch is not None and branch != await repository.branch():
        force = ("--force",) if definition.discard else ()
        await repository.git("checkout", "--quiet", *force, "-B", branch, head)
    else:
        how = "--hard" if definition.discard else "--keep"
        await repository.git("reset", "--quiet", how, head)
    if edited_from:
        top = await repository.git("rev-parse", "--show-toplevel")
        if definition.discard:  # all of it is in the snapshot made above
            await repository.git("clean", "-fdq", cwd=top)
        await repository.git("restore", f"--source={commit}", "--worktree", "--", ":/", cwd=top)
    return Result(outputs={"ref": ref, "commit": commit, "head": head, "saved": saved})


async def _keep(repository: Repository, ref: str, commit: str) -> None:
    await repository.git("update-ref", "--create-reflog", "-m", "stoker snapshot", ref, commit)


async def _commit_working_tree(repository: Repository, head: str | None, name: str) -> str:
    """A commit of all files that are not ignored, made with an index of its own."""
    index = repository.scratch("index")
    top = await repository.git("rev-parse", "--show-toplevel")
    current = Path(top, await repository.git("rev-parse", "--git-path", "index", cwd=top))
    env = {"GIT_INDEX_FILE": str(index)}
    try:
        # What the index in use knows of unchanged files saves reading them.
        with suppress(FileNotFoundError):
            shutil.copyfile(current, index)
        await repository.git("add", "--all", cwd=top, env=env)
        tree = await repository.git("write-tree", cwd=top, env=env)
    finally:
        index.unlink(missing_ok=True)
    parent = ("-p", head) if head else ()
    message = ("-m", f"Snapshot {name}", "-m", f"{_TRAILER}: {head}")
    return await repository.git("commit-tree", tree, *parent, *message, config=IDENTITY)


async def _find(repository: Repository, definition: Git) -> tuple[str, str]:
    """Ref and commit of the backup."""
    ref = definition.ref if definition.name is None else _NAMESPACE + definition.name
    if definition.bundle is None:
        return str(ref), await repository.known(str(ref))
    bundle = str(Path(repository.attempt.cwd, definition.bundle))
    lines = (await repository.git("bundle", "list-heads", bundle)).splitlines()
    heads = {name: commit for commit, _, name in (line.partition(" ") for line in lines)}
    if ref is None and len(heads) == 1:
        ref = next(iter(heads))
    if ref not in heads:
        raise StepFailed(f"{bundle} holds {', '.join(heads)}; expected {ref or 'a name of these'}")
    await repository.git("fetch", "--quiet", "--no-tags", bundle, ref)
    return ref, heads[ref]


async def _refuse_loss(repository: Repository, files_of: str | None) -> None:
    """Raises `StepFailed` if edits that are in no commit would be lost.

    `files_of`: the commit whose files are about to be written over untracked ones, which git
    by itself does not refuse.
    """
    lost = await repository.edited()
    if files_of is not None:
        top = await repository.git("rev-parse", "--show-toplevel")
        listed = await repository.paths("ls-tree", "-r", "-z", files_of, cwd=top)
        kept = {path: facts.split()[2] for facts, _, path in (x.partition("\t") for x in listed)}
        untracked = await repository.paths(
            "ls-files", "--others", "--exclude-standard", "-z", cwd=top
        )
        risky = [path for path in untracked if path in kept]
        for start in range(0, len(risky), 200):
            paths = risky[start : start + 200]
            hashes = (await repository.git("hash-object", "--", *paths, cwd=top)).split()
            lost += [path for path, found in zip(paths, hashes, strict=True) if kept[path] != found]
    if lost:
        raise StepFailed(
            f"{repository.directory} has edits that are in no commit: {', '.join(lost[:10])}"
            f"{' and more' if len(lost) > 10 else ''}; say 'discard: true' to give them up "
            "(a snapshot of them is made first)"
        )
