"""Which process is at the other end of a connection from this machine, and whether it is an agent.

An agent starts from a process outside its sandbox whose environment says so (`AGENT`), and which
it can neither see nor change; where it has a pid namespace of its own, none of its processes can
leave the line that begins there. Without such a namespace one that gives up both its environment
and its parents is known by a flag only that landlock's confinement needs and nobody takes off.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from functools import cache, cached_property
from pathlib import Path
from typing import Any, Final

from stoker.agents.kind import AGENT

_SOCK_DIAG: Final = 4
_BY_FAMILY, _REQUEST, _ERROR = 20, 1, 2
_ANY_STATE: Final = 0xFFFFFFFF
_NO_COOKIE: Final = b"\xff" * 8
_OWNERS: Final = 8
_recent: Final[deque[int]] = deque(maxlen=_OWNERS)
"""Processes that asked lately: one that connects again is found at once."""


class Peer:
    """Who made one connection to this process."""

    def __init__(self, there: Sequence[Any] | None, here: Sequence[Any] | None) -> None:
        """The connection's addresses, the peer's and ours, each host, port and what else there
        is; None: it was over at once."""
        self._ends = there, here

    @cached_property
    def agent(self) -> bool:
        """Whether it belongs to an agent, or may, because it cannot be found while there are
        agents. Looked for once; 0.4 ms for a process that was found before, else as long as
        reading what descriptors processes have, some milliseconds."""
        there, here = self._ends
        if there is None or here is None:
            return True
        inode, uid = _owner((there[0], there[1]), (here[0], here[1]))
        own = os.getuid()
        if inode and own not in (0, uid):
            return False  # agents are this user's
        link = f"socket:[{inode}]"
        for pid in _candidates() if inode else ():
            if link in _descriptors(pid):
                if _agents(pid) or _confined(pid):
                    return True
                if pid not in _recent:
                    _recent.append(pid)
                return False
        # It has closed its end, hides it, or is outside of what can be seen from here.
        return inode == 0 or any(map(_agents, _pids()))


def _owner(there: tuple[str, int], here: tuple[str, int]) -> tuple[int, int]:
    """Inode and user of the peer's end; inode 0: nobody has it any more."""
    family = socket.AF_INET6 if ":" in there[0] else socket.AF_INET
    ends = [(socket.inet_pton(family, host), port) for host, port in (there, here)]
    place = struct.pack(
        "!HH16s16s", ends[0][1], ends[1][1], *(address.ljust(16, b"\0") for address, _ in ends)
    )
    request = struct.pack("=BBBBI", family, socket.IPPROTO_TCP, 0, 0, _ANY_STATE)
    request += place + bytes(4) + _NO_COOKIE
    head = struct.pack("=IHHII", 16 + len(request), _BY_FAMILY, _REQUEST, 1, 0)
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, _SOCK_DIAG) as kernel:
            kernel.send(head + request)
            answer = kernel.recv(4096)
        if struct.unpack_from("=IH", answer)[1] != _ERROR:
            uid, inode = struct.unpack_from("=II", answer, 80)
            return inode, uid
    except OSError:
        pass  # a kernel, or a container, without it
    return next(_listed(ends), (0, 0))


def _listed(ends: list[tuple[bytes, int]]) -> Iterator[tuple[int, int]]:
    """The same from the tables for people, which take milliseconds to read."""
    words = [[address, b"\0" * 10 + b"\xff\xff" + address[:4]] for address, _ in ends]
    for table, version in (("tcp", 0), ("tcp6", 0), ("tcp6", 1)):
        wanted = [
            f"{_hexadecimal(both[version])}:{port:04X}"
            for both, (_, port) in zip(words, ends, strict=True)
        ]
        for line in _text(f"/proc/net/{table}").splitlines()[1:]:
            fields = line.split()
            if fields[1:3] == wanted:
                yield int(fields[9]), int(fields[7])


def _hexadecimal(address: bytes) -> str:
    words = (address[at : at + 4] for at in range(0, len(address), 4))
    return "".join(f"{int.from_bytes(word, sys.byteorder):08X}" for word in words)


def _candidates() -> Iterator[int]:
    yield from tuple(_recent)
    yield from _pids()


def _pids() -> list[int]:
    """Newest first, as far as numbers tell."""
    names = os.listdir("/proc")  # noqa: PTH208
    return sorted((int(name) for name in names if name.isdecimal()), reverse=True)


def _descriptors(pid: int) -> Iterator[str]:
    place = f"/proc/{pid}/fd"
    try:
        for name in os.listdir(place):  # noqa: PTH208
            try:
                yield os.readlink(f"{place}/{name}")  # noqa: PTH115
            except FileNotFoundError:
                continue
    except OSError:
        return  # it is gone, or not to be looked into


def _agents(pid: int) -> bool:
    """Whether it, or one it descends from, was started as an agent; not if this process
    belongs to the same."""
    while pid > 1 and pid != os.getpid():
        if _agent_of(pid) not in ("", os.environ.get(AGENT, "")):
            return True
        fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        pid = int(fields[1]) if fields else 0
    return False


def _agent_of(pid: int) -> str:
    variables = _text(f"/proc/{pid}/environ").split("\0")
    return next((one[len(AGENT) + 1 :] for one in variables if one.startswith(f"{AGENT}=")), "")


def _confined(pid: int) -> bool:
    """Whether it can get no privileges, beside us, who could."""
    return _namespace(pid) == _namespace("self") and _flag(pid) and not _flag_of_ours()


def _namespace(pid: int | str) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115
    except OSError:
        return ""


def _flag(pid: int | str) -> bool:
    return "\nNoNewPrivs:\t1\n" in _text(f"/proc/{pid}/status")


@cache
def _flag_of_ours() -> bool:
    return _flag("self")


def _text(path: str) -> str:
    """Empty if there is no such process, or it is not ours to read."""
    try:
        return Path(path).read_bytes().decode(errors="replace")
    except OSError:
        return ""
