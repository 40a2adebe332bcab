"""The sandbox that bubblewrap makes: namespaces of its own."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from stoker.agents import guarded
from stoker.agents.view import (
    COMMITTED,
    HIDDEN,
    RESOLVER,
    SYSTEM,
    View,
    beneath,
    checkout,
    home_of,
    linked,
)
from stoker.workspace.repository import INTENTS

_ISOLATED: Final = (
    *("--die-with-parent", "--unshare-user-try", "--unshare-ipc", "--unshare-pid"),
    # With its capabilities, what root starts could mount all anew.
    *("--unshare-uts", "--unshare-cgroup-try", "--cap-drop", "ALL"),
)
_ALONE: Final = "--unshare-net"
_TRY_SEC: Final = 10
_FOLDERS: Final = ("hooks", "info", "modules", "worktrees", INTENTS)
"""In a repository's metadata: what somebody outside would act on. They are made if they are
missing, or the agent could make them."""
_LIVE: Final = "/run/stoker.git"
"""In the sandbox: what worktrees share, to be read."""
_PACKED: Final = "packed-refs"
_FOLLOWED: Final = 5
_COMMON: Final = "commondir"
_FILES: Final = ("config", "config.worktree", _COMMON, "gitdir")
_UNSET: Final = f"no-{_COMMON}"


def words(
    bwrap: str,
    argv: Sequence[str],
    view: View,
    *,
    own: str,
    state: str,
    scratch: str,
    env: Mapping[str, str],
    alone: bool,
) -> list[str]:
    """The command line to run instead of `argv`, in the directory where it is started, which is
    `own`, the worktree, or in it; `state`: the directory of the engine's state, not to be seen;
    `scratch`: a directory for files that only the agent is to have; `alone`: without the machine's
    network."""
    made = [bwrap, *_ISOLATED]
    if alone:
        made.append(_ALONE)
    for place in SYSTEM:
        made += _as_is(place)
    for place in HIDDEN:
        if Path(place).is_dir():
            made += ("--tmpfs", place)
        elif Path(place).exists():
            made += ("--ro-bind", os.devnull, place)
    made += ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run")  # noqa: S108
    made += ("--tmpfs", "/var/tmp", "--ro-bind-try", RESOLVER, RESOLVER)  # noqa: S108
    made += ("--tmpfs", home_of(env))
    binds = [("--ro-bind-try", path) for path in view.readable]
    binds += [("--bind-try", path) for path in view.writable]
    binds.append(("--bind", own))
    within = [bind for bind in binds if beneath(bind[1], state) is not None]
    for how, path in (bind for bind in binds if bind not in within):
        made += (how, path, path)
    made += guarded.words(view, scratch)
    for path in (*SYSTEM, *(path for _, path in binds)):
        if rest := beneath(state, path):
            made += ("--tmpfs", str(Path(path, rest)))
    for how, path in within:
        made += (how, path, path)
    return [*made, *_git(own), "--", *argv]


@cache
def trouble(bwrap: str, alone: bool) -> str | None:
    """Why bubblewrap does not work here; None: it does."""
    import subprocess

    made = [bwrap, *_ISOLATED, *([_ALONE] if alone else [])]
    made += ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    try:
        done = subprocess.run(made, capture_output=True, text=True, timeout=_TRY_SEC, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"bubblewrap cannot be run: {error}"
    if done.returncode:
        return f"bubblewrap does not work here: {done.stderr.strip()}"
    return None


def _as_is(place: str) -> tuple[str, ...]:
    """A place of the system: the same directory, or the same link."""
    if Path(place).is_symlink():
        return ("--symlink", os.readlink(place), place)  # noqa: PTH115
    return ("--ro-bind-try", place, place)


def _git(cwd: str) -> Iterator[str]:
    """Git's metadata of the worktree: what commits need may be written; hooks, configuration
    and other worktrees may not, for somebody outside would act on them."""
    entry = checkout(cwd)
    if entry is not None:
        yield from _bind(entry)  # where something is mounted nothing can be renamed
        for name in _FOLDERS:
            if not os.path.lexists(entry / name):
                (entry / name).mkdir()
        yield from _kept(entry, (*_FOLDERS, *_FILES))
    elif (found := linked(cwd)) is not None:
        own, shared = found
        yield from _shared(shared)
        if not os.path.lexists(own / "config.worktree"):
            (own / "config.worktree").touch()  # git reads it only if configured to
        yield from _bind(own)
        yield from _kept(own, _FILES)
        yield from _bind(Path(cwd, ".git"), "--ro-bind")


def note(own: str, scratch: str) -> None:
    """Before an agent begins: remember in `scratch` what `undo` is to look for."""
    entry = checkout(own)
    if entry is not None and not os.path.lexists(entry / _COMMON):
        Path(scratch).mkdir(mode=0o700, parents=True, exist_ok=True)
        Path(scratch, _UNSET).touch()


def undo(own: str, scratch: str) -> Path | None:
    """After it: take away, and return, what has git look for its configuration elsewhere. It
    could not be kept from making that in a checkout, for git takes no stand-in of it."""
    entry = checkout(own)
    if entry is None or not Path(scratch, _UNSET).exists():
        return None
    made = entry / _COMMON
    if not os.path.lexists(made):
        return None
    if made.is_dir() and not made.is_symlink():
        shutil.rmtree(made)
    else:
        made.unlink()
    return made


def _shared(shared: Path) -> Iterator[str]:
    """What worktrees share of a repository, each in its place, in a directory that is not it:
    git makes a lock there to delete any ref, and nobody outside is to see what else is made."""
    for name in COMMITTED:
        (shared / name).mkdir(exist_ok=True)
    yield from ("--tmpfs", str(shared), "--ro-bind", str(shared), _LIVE)
    for one in sorted(shared.iterdir()):
        if one.name != _PACKED and not one.is_symlink():
            writable = one.name in (*COMMITTED, "reftable")
            yield from _bind(one, "--bind" if writable else "--ro-bind-try")
    # The file is replaced when others pack refs, so it must be a link. Git looks for the end of
    # five of them, and locks what it finds then; what it would write then it must not, for it
    # would be gone with the sandbox: it cannot where a directory is.
    links = [str(shared / _PACKED), *(f"{shared / _PACKED}.{n}" for n in range(1, 7))]
    for link, target in zip(links, (*links[1:], f"{_LIVE}/{_PACKED}"), strict=True):
        yield from ("--symlink", target, link)
    yield from ("--dir", f"{links[_FOLLOWED]}.new")


def _kept(metadata: Path, names: Sequence[str]) -> Iterator[str]:
    for name in names:
        if not (metadata / name).is_symlink():  # it could lead to what is not to be seen
            yield from _bind(metadata / name, "--ro-bind-try")


def _bind(path: Path, how: str = "--bind") -> tuple[str, str, str]:
    return how, str(path), str(path)
