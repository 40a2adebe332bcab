"""The sandbox of an agent: what its command line is wrapped into.

It sees the system (read-only), its own program, the worktree with its git metadata
(writable, but for hooks and configuration, which others would run) and what its profile
names. Home, other people's files, the engine's state and the network, but for what the
profile lists of it, are not there.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct

from stoker.agents import bubblewrap, confine_main, landlock
from stoker.agents.hosts import Hosts
from stoker.agents.profiles import Profile
from stoker.agents.view import beneath, checkout, view

_PYTHON: Final = (sys.executable, "-I", "-S", "-X", "utf8")
_CONFINE: Final = str(Path(__file__).with_name("confine_main.py"))
_EGRESS: Final = str(Path(__file__).with_name("egress_main.py"))


class NoSandbox(Exception):
    """The profile demands a sandbox, and there can be none."""


class Sandbox(Struct, frozen=True):
    """What a profile gets on this machine."""

    bwrap: str | None = None
    """Path of bubblewrap."""
    landlock: bool = False
    """In its place."""
    warning: str | None = None
    """Why it is not what the profile says."""

    @property
    def confines(self) -> bool:
        """Whether it is one at all."""
        return self.landlock or self.bwrap is not None

    def wrap(
        self,
        argv: Sequence[str],
        *,
        profile: Profile,
        cwd: str,
        env: Mapping[str, str],
        scratch: str,
        state: str,
        worktree: str | None = None,
    ) -> list[str]:
        """The command line to run instead. `cwd` is the worktree, or a directory in `worktree`;
        `env` is the agent's; `scratch` is a directory that may be made for temporary files,
        `state` the engine's directory."""
        if not self.confines:
            return list(argv)
        alone = profile.network != "on"
        own = worktree or cwd
        orders: dict[str, Any] = {}
        if isinstance(profile.network, tuple):
            orders["ports"] = list(Hosts(profile.network).local)
        seen = view([argv[0], *_PYTHON[: len(orders)]], profile, env)
        if self.landlock:
            found = landlock.orders(seen, cwd=own, scratch=scratch, network=alone)
            orders["landlock"] = found
        words = [*_PYTHON, _CONFINE, json.dumps(orders), *argv] if orders else list(argv)
        if self.bwrap is not None:
            bubblewrap.note(own, scratch)
            words = bubblewrap.words(
                self.bwrap,
                words,
                seen,
                own=own,
                state=state,
                scratch=scratch,
                env=env,
                alone=alone,
            )
        if isinstance(profile.network, tuple):
            words = [*_PYTHON, _EGRESS, json.dumps(profile.network), *words]
        return words

    def undo(self, own: str, scratch: str) -> str | None:
        """When the agent has ended: take away what it may not leave behind; says what."""
        made = bubblewrap.undo(own, scratch) if self.bwrap is not None else None
        if made is None:
            return None
        return f"removed {made}, by which git would be led to another configuration"


async def sandbox_of(profile: Profile, *, own: str, state: str) -> Sandbox:
    """The sandbox for a profile, in the worktree `own`. Raises `NoSandbox` if it must have one
    and there is none: landlock, which leaves much of the network, is not enough."""
    if profile.confine == "never":
        return Sandbox()
    alone = profile.network != "on"
    bwrap = shutil.which("bwrap")
    reason = "bubblewrap is not installed" if bwrap is None else None
    if bwrap is not None:
        reason = await asyncio.to_thread(bubblewrap.trouble, bwrap, alone)
    if reason is None:
        return Sandbox(bwrap)
    if profile.confine == "always":
        name = f"{profile.executor}:{profile.variant}"
        raise NoSandbox(f"profile {name} needs a sandbox: {reason}")
    version = confine_main.abi()
    if version < confine_main.FILES:
        without = ", also the network, which its profile denies it" if alone else ""
        reach = f"the agent can reach all that this user can{without}"
        return Sandbox(warning=f"no sandbox: {reason}; {reach}")
    but = "".join(f"; {one}" for one in _left(profile, version, own, state, alone=alone))
    warning = f"{reason}; landlock confines the agent in its place{but}"
    return Sandbox(landlock=True, warning=warning)


def _left(profile: Profile, version: int, own: str, state: str, *, alone: bool) -> Iterator[str]:
    """What landlock leaves."""
    if not confine_main.filters_sockets():
        yield "it can connect to sockets of this machine that are files"
    if alone:
        what = "TCP, by port" if version >= confine_main.NETWORK else "no TCP"
        yield f"of the network it restricts {what}, and not UDP"
    if profile.settings.guarded or profile.settings.private:
        yield "it can change its program's own settings and hooks"
    if checkout(own) is not None:
        yield "it can change the configuration and hooks of its repository"
    if beneath(state, own) is not None:
        yield f"it can read and change the engine's state in {state}"
