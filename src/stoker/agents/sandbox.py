"""The sandbox of an agent: bubblewrap around its command line.

It sees the system (read-only), its own program, the worktree with its git metadata
(writable, but for hooks and configuration, which others would run) and what its profile
names. Home, other people's files, the engine's state and, if the profile says so, the
network are not there.
"""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Final

from msgspec import Struct

from stoker.agents.profiles import Profile

_SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/etc", "/opt", "/nix")
_EMPTY: Final = ("/etc/ssh", "/etc/ssl/private", "/etc/sudoers.d")
_BLANK: Final = ("/etc/shadow", "/etc/shadow-", "/etc/gshadow", "/etc/gshadow-", "/etc/sudoers")
_READABLE: Final = ("~/.gitconfig", "~/.config/git/config", "~/.config/git/ignore")
_STOKER: Final = str(Path(__file__).parents[1])
"""For agents that are part of it."""
_RESOLVER: Final = "/run/systemd/resolve"
_ISOLATED: Final = (
    *("--die-with-parent", "--unshare-user-try", "--unshare-ipc", "--unshare-pid"),
    *("--unshare-uts", "--unshare-cgroup-try"),
)
_TRY_SEC: Final = 10
_LINKS: Final = 8


class NoSandbox(Exception):
    """The profile demands a sandbox, and there can be none."""


class Sandbox(Struct, frozen=True):
    """What a profile gets on this machine."""

    bwrap: str | None
    """Path of bubblewrap; None: the agent runs unconfined."""
    warning: str | None = None
    """Why, if that is not what the profile says."""

    def wrap(
        self, argv: Sequence[str], *, profile: Profile, cwd: str, env: Mapping[str, str]
    ) -> list[str]:
        """The command line to run instead. `cwd` is the worktree, `env` the agent's."""
        if self.bwrap is None:
            return list(argv)
        home = env.get("HOME") or "/root"
        settings = profile.settings
        words = [self.bwrap, *_ISOLATED]
        if profile.network == "off":
            words.append("--unshare-net")
        for place in _SYSTEM:
            words += _as_is(place)
        for place in _EMPTY:
            if Path(place).is_dir():
                words += ("--tmpfs", place)
        for place in _BLANK:
            if Path(place).exists():
                words += ("--ro-bind", os.devnull, place)
        words += ("--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp", "--tmpfs", "/run")  # noqa: S108
        words += ("--tmpfs", "/var/tmp", "--ro-bind-try", _RESOLVER, _RESOLVER)  # noqa: S108
        words += ("--tmpfs", home)
        files = [word for word in profile.command[1:] if Path(word).is_absolute()]
        own = (*_program(argv[0], env), *files, _STOKER)
        for place in (*_READABLE, *(settings.readable or ()), *own):
            path = _expanded(place, home)
            words += ("--ro-bind-try", path, path)
        for place in settings.writable or ():
            path = _expanded(place, home)
            if path.endswith("/"):
                Path(path).mkdir(mode=0o700, parents=True, exist_ok=True)
            words += ("--bind-try", path, path)
        words += ("--bind", cwd, cwd, *_git(cwd))
        return [*words, "--chdir", cwd, "--", *argv]


async def sandbox_of(profile: Profile) -> Sandbox:
    """The sandbox for a profile. Raises `NoSandbox` if it must have one and there is none."""
    if profile.confine == "never":
        return Sandbox(None)
    bwrap = shutil.which("bwrap")
    reason = "bubblewrap is not installed" if bwrap is None else None
    if bwrap is not None:
        reason = await asyncio.to_thread(_trouble, bwrap, profile.network == "off")
    if reason is None:
        return Sandbox(bwrap)
    if profile.confine == "always":
        raise NoSandbox(f"profile {profile.executor}:{profile.variant} needs a sandbox: {reason}")
    without = ", also the network, which its profile denies it" if profile.network == "off" else ""
    return Sandbox(
        None, f"no sandbox: {reason}; the agent can reach all that this user can{without}"
    )


@cache
def _trouble(bwrap: str, alone: bool) -> str | None:
    """Why bubblewrap does not work here; None: it does."""
    import subprocess

    words = [bwrap, *_ISOLATED, *(["--unshare-net"] if alone else [])]
    words += ["--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "true"]
    try:
        done = subprocess.run(words, capture_output=True, text=True, timeout=_TRY_SEC, check=False)
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


def _expanded(place: str, home: str) -> str:
    return home + place[1:] if place == "~" or place.startswith("~/") else place


def _program(name: str, env: Mapping[str, str]) -> Iterator[str]:
    """What must be there for a program to run: its file, those it is a link to, its package
    and its interpreter."""
    found = shutil.which(name, path=env.get("PATH"))
    for _ in range(_LINKS):
        if found is None:
            return
        yield _package(found)
        if Path(found).is_symlink():
            found = os.path.join(os.path.dirname(found), os.readlink(found))  # noqa: PTH115, PTH118, PTH120
            continue
        yield _package(os.path.realpath(found))
        found = _interpreter(found, env)


def _package(program: str) -> str:
    """The directory to show for a program, or only its file: never a home or its `.local`."""
    program = os.path.normpath(program)
    before, modules, _ = program.partition("/node_modules/")
    if modules:
        return f"{before}/node_modules"
    folder = Path(program).parent
    prefix = folder.parent
    if folder.name == "bin" and prefix.name != ".local" and len(prefix.parts) > 2:
        return str(prefix)
    return program


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


def _git(cwd: str) -> Iterator[str]:
    """Git's metadata of the worktree: what commits need may be written; hooks, configuration
    and other worktrees may not, for somebody outside would act on them."""
    entry = Path(cwd, ".git")
    try:
        mode = entry.lstat().st_mode
    except OSError:
        return
    if stat.S_ISDIR(mode):
        yield from _guarded(entry)
    elif stat.S_ISREG(mode):
        own = Path(cwd, entry.read_text().removeprefix("gitdir:").strip()).resolve()
        shared = own.parent.parent
        # The worktree was made by us or by git, but its `.git` may since be an agent's work:
        # it counts only if the repository says the same.
        try:
            back = Path(own, "gitdir").read_text().strip()
        except OSError:
            return
        if own.parent.name != "worktrees" or Path(back).resolve() != entry.resolve():
            return
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
