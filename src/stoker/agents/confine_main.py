"""The last step before a sandboxed agent: makes ready what only its own process can.

    python -I -S confine_main.py ORDERS COMMAND...

ORDERS is JSON: `ports`, to listen on with a proxy beside them (see `egress_main`), and
`landlock`, what may be read and written. Standard library only.
"""

# ruff: noqa: PTH103, PTH112
from __future__ import annotations

import json
import os
import socket
import sys
from functools import cache

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Final

HANDOVER: Final = 3
_LOOPBACK: Final = "127.0.0.1"
_RULESET, _RULE, _RESTRICT = 444, 445, 446  # the same on all machines
_NO_NEW_PRIVS = 38
_READ: Final = 0b1101
"""Execute files, read files and directories."""
_OF_FILES: Final = 0b1100_0000_0000_0111
_NEWEST: Final = 6
"""The ABI whose rights we know."""
FILES: Final = 3
"""The first ABI with which nothing outside can be changed."""
NETWORK: Final = 4
"""And the first that knows of TCP."""
_CONNECT: Final = 0b10
_SCOPED: Final = 0b11
"""Abstract sockets and signals."""
_SECCOMP, _FILTER = 22, 2
_LOAD, _EQUAL, _NOT_LESS, _AND, _RETURN = 0x20, 0x15, 0x35, 0x54, 0x06
_NUMBER, _MACHINE, _FIRST, _SECOND = 0, 4, 16, 24
"""Offsets in what the filter sees of a call: which it is, of what machine, its arguments."""
_ALLOW, _DENY = 0x7FFF0000, 0x00050000 | 13
_CALLS: Final = {
    "x86_64": (0xC000003E, 41, 53),
    "aarch64": (0xC00000B7, 198, 199),
    "riscv64": (0xC00000F3, 198, 199),
}
"""By machine: its number, and those of `socket` and `socketpair` there."""
_RING = 425
"""`io_uring_setup`: rings make sockets past the filter."""
_OTHER_NUMBERS = 0x40000000
"""Of the same calls, for programs with short pointers."""


@cache
def abi() -> int:
    """Of the kernel's landlock; 0 if there is none."""
    return max(_call(_RULESET, None, 0, 1), 0)


def main(orders: dict[str, Any], command: list[str]) -> int:
    """Become the command. Returns an exit code if that cannot be."""
    env = dict(os.environ)
    landlock = orders.get("landlock")
    try:
        ports = orders.get("ports")
        if ports is not None:
            proxy = listen([] if landlock else ports)
            env.update(_proxied(proxy))
            ports = [proxy, *ports]
        if landlock:
            os.makedirs(landlock["scratch"], mode=0o700, exist_ok=True)
            env["TMPDIR"] = landlock["scratch"]
            os.get_exec_path(env)  # imports what `execvpe` does, which may not be readable then
            restrict(landlock["read"], landlock["write"], landlock["network"] and (ports or []))
        os.execvpe(command[0], command, env)  # noqa: S606
    except OSError as error:
        sys.stderr.write(f"cannot start {command[0]} in its sandbox: {error}\n")
        return 127 if isinstance(error, FileNotFoundError) else 126


def listen(ports: list[int]) -> int:
    """Hand sockets over that listen in here; returns the port of the first, for the proxy."""
    listening = [socket.create_server((_LOOPBACK, port)) for port in (0, *ports)]
    with socket.socket(fileno=HANDOVER) as given:
        socket.send_fds(given, [b"\n"], [one.fileno() for one in listening])
    port = int(listening[0].getsockname()[1])
    for one in listening:
        one.close()
    return port


def _proxied(port: int) -> dict[str, str]:
    url = f"http://{_LOOPBACK}:{port}"
    direct = f"localhost,{_LOOPBACK},::1"
    found = {"NODE_USE_ENV_PROXY": "1"}
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        found[name] = found[name.lower()] = url
    found["NO_PROXY"] = found["no_proxy"] = direct
    return found


def restrict(read: list[str], write: list[str], ports: list[int] | bool) -> None:
    """Let this process, and what it starts, read and write there only, and, unless `ports`
    is False, connect by TCP to those only, on any host. Raises `OSError`."""
    import ctypes
    import struct

    version = min(abi(), _NEWEST)
    handled = (1 << (16 if version >= 5 else 15)) - 1
    network = _CONNECT if ports is not False and version >= NETWORK else 0
    words = (handled, network, _SCOPED)[: 3 if version >= 6 else 2 if version >= NETWORK else 1]
    attributes = struct.pack(f"={len(words)}Q", *words)
    ruleset = _checked(_call(_RULESET, attributes, len(attributes), 0))
    for paths, rights in ((read, _READ), (write, handled)):
        for path in paths:
            try:
                place = os.open(path, os.O_PATH | os.O_CLOEXEC)
            except OSError:
                continue  # what is not there cannot be reached
            mine = rights if os.path.isdir(path) else rights & _OF_FILES
            rule = struct.pack("=Qi", mine & handled, place)
            _checked(_call(_RULE, ruleset, 1, rule, 0))
            os.close(place)
    if network and isinstance(ports, list):
        for port in ports:
            _checked(_call(_RULE, ruleset, 2, struct.pack("=QQ", _CONNECT, port), 0))
    libc = ctypes.CDLL(None, use_errno=True)
    _checked(libc.prctl(_NO_NEW_PRIVS, 1, 0, 0, 0))
    if filters_sockets():
        _filter_sockets(libc)
    _checked(_call(_RESTRICT, ruleset, 0))
    os.close(ruleset)


def filters_sockets() -> bool:
    """Whether sockets that are files can be kept from an agent, which landlock does not do."""
    return os.uname().machine in _CALLS


def _filter_sockets(libc: Any) -> None:
    """No sockets for this machine's programs from now on, but for connected pairs: who listens
    on a socket that is a file (docker, D-Bus) may do anything for who asks. Programs for other
    machines do not run any more."""
    import ctypes
    import struct

    machine, plain, pair = _CALLS[os.uname().machine]
    steps = (
        (_LOAD, 0, 0, _MACHINE),
        (_EQUAL, 0, 11, machine),
        (_LOAD, 0, 0, _NUMBER),
        (_NOT_LESS, 9, 0, _OTHER_NUMBERS),
        (_EQUAL, 8, 0, _RING),
        (_EQUAL, 0, 2, plain),
        (_LOAD, 0, 0, _FIRST),
        (_EQUAL, 5, 4, int(socket.AF_UNIX)),
        (_EQUAL, 0, 3, pair),
        (_LOAD, 0, 0, _SECOND),
        (_AND, 0, 0, 0xF),
        (_EQUAL, 1, 0, int(socket.SOCK_DGRAM)),  # it can be sent anywhere
        (_RETURN, 0, 0, _ALLOW),
        (_RETURN, 0, 0, _DENY),
    )
    code = b"".join(struct.pack("=HBBI", *step) for step in steps)
    kept = ctypes.create_string_buffer(code)
    program = struct.pack("@HP", len(steps), ctypes.addressof(kept))
    _checked(libc.prctl(_SECCOMP, _FILTER, program, 0, 0))


def _call(number: int, *words: bytes | int | None) -> int:
    import ctypes

    libc = ctypes.CDLL(None, use_errno=True)
    given = [
        ctypes.c_char_p(one) if one is None or isinstance(one, bytes) else ctypes.c_long(one)
        for one in words
    ]
    return int(libc.syscall(ctypes.c_long(number), *given))


def _checked(result: int) -> int:
    import ctypes

    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    return result


if __name__ == "__main__":
    sys.exit(main(json.loads(sys.argv[1]), sys.argv[2:]))
