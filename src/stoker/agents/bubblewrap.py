"""The sandbox that bubblewrap makes: namespaces of its own."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from stoker.agents.view import HIDDEN, RESOLVER, SYSTEM, View, home_of, linked

_ISOLATED: Final = (
    *("--die-with-parent", "--unshare-user-try", "--unshare-ipc", "--unshare-pid"),
    *("--unshare-uts", "--unshare-cgroup-try"),
)
_ALONE: Final = "--unshare-net"
_TRY_SEC: Final = 10


def words(
    bwrap: str, argv: Sequence[str], view: View, *, own: str, env: Mapping[str, str], alone: bool
) -> list[str]:
    """The command line to run instead of `argv`, in the directory where it is started, which is
    `own`, the worktree, or in it; `alone`: without the machine's network."""
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
    for path in view.readable:
        made += ("--ro-bind-try", path, path)
    for path in view.writable:
        made += ("--bind-try", path, path)
    made += ("--bind", own, own, *_git(own))
    return [*made, "--", *argv]


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
    entry = Path(cwd, ".git")
    if entry.is_dir() and not entry.is_symlink():
        yield from _guarded(entry)
    elif (found := linked(cwd)) is not None:
        own, shared = found
        yield from ("--bind", str(shared), str(shared))
        yield from _guarded(shared)
        others = str(own.parent)
        yield from ("--ro-bind", others, others, "--bind", str(own), str(own))
        yield from ("--ro-bind", str(entry), str(entry))


def _guarded(metadata: Path) -> Iterator[str]:
    hooks = metadata / "hooks"
    hooks.mkdir(exist_ok=True)  # or the agent could make one
    for name in ("hooks", "config", "config.worktree", "info/attributes"):
        yield from ("--ro-bind-try", str(metadata / name), str(metadata / name))
