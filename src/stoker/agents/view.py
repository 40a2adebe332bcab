"""What an agent in a sandbox is to see, whatever the sandbox is made of."""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec import Struct

from stoker.agents.profiles import Profile

SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix")
HIDDEN: Final = (
    *("/etc/ssh", "/etc/ssl/private", "/etc/sudoers.d", "/etc/sudoers"),
    *("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-"),
)
"""But for these."""
RESOLVER: Final = "/run/systemd/resolve"
COMMITTED: Final = ("objects", "refs", "logs")
"""Of a repository's metadata: what commits in its worktrees write."""
_READABLE: Final = ("~/.gitconfig", "~/.config/git/config", "~/.config/git/ignore")
_STOKER: Final = str(Path(__file__).parents[1])
"""For agents that are part of it."""
_LINKS: Final = 8
_SHARED: Final = (".local", ".cargo")
"""In a home: programs are in their `bin`, and what is not for agents beside it."""


class View(Struct, frozen=True):
    """Beside the system and the worktree."""

    readable: tuple[str, ...]
    """Absolute paths, which need not exist; programs are among them."""
    writable: tuple[str, ...]
    guarded: tuple[str, ...] = ()
    """See `Settings.guarded`."""
    private: tuple[str, ...] = ()


def view(programs: Sequence[str], profile: Profile, env: Mapping[str, str]) -> View:
    """What the profile names and programs need. Makes directories that it names as such and
    that are missing."""
    home = home_of(env)
    settings = profile.settings
    files = [word for word in profile.command[1:] if Path(word).is_absolute()]
    own = (*(place for one in programs for place in _program(one, env)), *files, _STOKER)
    writable = [_expanded(place, home) for place in settings.writable or ()]
    for path in writable:
        if path.endswith("/"):
            Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
    readable = (*_READABLE, *(settings.readable or ()), *own)
    return View(
        tuple(_expanded(place, home) for place in readable),
        tuple(writable),
        settings.guarded or (),
        settings.private or (),
    )


def home_of(env: Mapping[str, str]) -> str:
    """The home directory, which is not to be seen."""
    return env.get("HOME") or "/root"


def beneath(path: str, above: str) -> str | None:
    """The way from `above` to `path`, empty if they are the same; None: it is not beneath it."""
    # Asked dozens of times for each command: without a Path each, a quarter of the time.
    real, top = os.path.realpath(path), os.path.realpath(above)
    if real == top:
        return ""
    within = f"{top.rstrip('/')}/"
    return real.removeprefix(within) if real.startswith(within) else None


def linked(cwd: str) -> tuple[Path, Path] | None:
    """Git's metadata of a linked worktree: its own, and what it shares with the repository.
    None if `cwd` is none."""
    entry = Path(cwd, ".git")
    try:
        if not stat.S_ISREG(entry.lstat().st_mode):
            return None
        own = Path(cwd, entry.read_text().removeprefix("gitdir:").strip()).resolve()
        # The worktree was made by us or by git, but its `.git` may since be an agent's work:
        # it counts only if the repository says the same.
        back = Path(own, "gitdir").read_text().strip()
    except OSError:
        return None
    if own.parent.name != "worktrees" or Path(back).resolve() != entry.resolve():
        return None
    return own, own.parent.parent


def checkout(cwd: str) -> Path | None:
    """Git's metadata of a directory that is a repository of its own."""
    entry = Path(cwd, ".git")
    return entry if entry.is_dir() and not entry.is_symlink() else None


def _expanded(place: str, home: str) -> str:
    return home + place[1:] if place == "~" or place.startswith("~/") else place


def _program(name: str, env: Mapping[str, str]) -> Iterator[str]:
    """What must be there for a program to run: its file, those it is a link to, its package
    and its interpreter."""
    found = shutil.which(name, path=env.get("PATH"))
    for _ in range(_LINKS):
        if found is None:
            return
        yield _package(found, home_of(env))
        if Path(found).is_symlink():
            found = os.path.join(os.path.dirname(found), os.readlink(found))  # noqa: PTH115, PTH118, PTH120
            continue
        yield _package(os.path.realpath(found), home_of(env))
        found = _interpreter(found, env)


def _package(program: str, home: str) -> str:
    """The directory to show for a program, or only its file: never a home, what is above it, or
    what else lies where programs in a home are kept."""
    program = os.path.normpath(program)
    before, modules, _ = program.partition("/node_modules/")
    if modules:
        return f"{before}/node_modules"
    folder = Path(program).parent
    prefix = folder.parent
    # Those of pyenv, asdf and the like are stand-ins of what lies beside them.
    if folder.name not in ("bin", "shims") or prefix.name in _SHARED or len(prefix.parts) <= 2:
        return program
    homes = {Path(home), Path.home(), Path(home).resolve(), Path.home().resolve()}
    if str(prefix.parent) == "/home" or any(one.is_relative_to(prefix) for one in homes):
        return program
    return str(prefix)


def _interpreter(program: str, env: Mapping[str, str]) -> str | None:
    try:
        with Path(program).open("rb") as file:
            line = file.readline(256)
    except OSError:
        return None
    if not line.startswith(b"#!"):
        return None
    words = [word for word in line[2:].decode(errors="replace").split() if word != "-S"]
    if words and words[0].endswith("/env"):
        words = words[1:]
    return shutil.which(words[0], path=env.get("PATH")) if words else None
