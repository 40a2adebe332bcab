"""The sandbox that landlock makes, where bubblewrap cannot: the kernel refuses what is not
listed. It knows no empty home: what is not to be seen is there and cannot be opened. Hooks
and configuration are kept from an agent in linked worktrees only, where they are not beneath
what it may write."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from stoker.agents.view import COMMITTED, HIDDEN, RESOLVER, SYSTEM, View, linked

_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")


def orders(view: View, *, cwd: str, scratch: str, network: bool) -> dict[str, Any]:
    """For `confine_main`. `scratch`: a directory in place of the one for temporary files;
    `network`: connections are to be restricted."""
    git = linked(cwd)
    shared = [str(git[1])] if git else []
    return {
        "read": [*_system(), "/proc", RESOLVER, *view.readable, *shared],
        "write": [
            *(f"/dev/{name}" for name in _DEVICES),
            *view.writable,
            cwd,
            scratch,
            *([str(git[0]), *(str(git[1] / name) for name in COMMITTED)] if git else ()),
        ],
        "scratch": scratch,
        "network": network,
    }


def _system() -> Iterator[str]:
    """A rule holds for all beneath: where something is hidden, each of the others is named."""
    around = {str(Path(place).parent) for place in HIDDEN}
    for place in SYSTEM:
        yield from _open(place, around) if place in around else (place,)


def _open(place: str, around: set[str]) -> Iterator[str]:
    with os.scandir(place) as found:
        for one in found:
            if one.path in around:
                yield from _open(one.path, around)
            elif one.path not in HIDDEN:
                yield one.path
