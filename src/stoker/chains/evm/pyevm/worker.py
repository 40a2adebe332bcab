"""`python -m stoker.chains.evm.pyevm.worker`: the process that workers are forked from, with all
they need imported. It speaks over its standard input, a socket; they all end with that. A worker
does one job after the other, over a socket of its own, until the pool closes it."""

from __future__ import annotations

import gc
import os
import resource
import signal
import socket
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec

from stoker.chains.errors import LimitReached, ScriptRefused
from stoker.chains.evm.job import CaptureJob, Limits, ReplayJob
from stoker.chains.evm.pyevm import wire
from stoker.chains.evm.pyevm.capture import capture
from stoker.chains.evm.pyevm.replay import replay
from stoker.chains.evm.pyevm.source import Channel, Clock, Source

_RECURSION = 30_000
"""Python's calls for the 1,024 of the EVM."""
_JOBS: dict[bytes, tuple[Any, Callable[[Any, Source], Any]]] = {
    wire.CAPTURE: (CaptureJob, capture),
    wire.REPLAY: (ReplayJob, replay),
}


def serve(connection: socket.socket) -> None:
    sys.setrecursionlimit(_RECURSION)
    channel = Channel(connection)
    clock = Clock()
    source = Source(channel, clock)
    gc.disable()  # jobs are short: what they leave is looked for between them
    while True:
        tag, payload = channel.receive()
        kind, run = _JOBS[tag]
        channel.send(*_done(kind, run, payload, source, clock))
        gc.collect(1)


def _done(
    kind: Any, run: Callable[[Any, Source], Any], payload: bytes, source: Source, clock: Clock
) -> tuple[bytes, bytes]:
    try:
        job = msgspec.json.decode(payload, type=kind)
        limits: Limits = job.limits
        with _memory(limits.memory), clock.running(limits.seconds):
            return wire.DONE, msgspec.json.encode(run(job, source))
    except ScriptRefused as error:
        return wire.REFUSED, str(error).encode()
    except LimitReached as error:
        return wire.LIMITED, str(error).encode()
    except MemoryError:
        why = f"it took more than {limits.memory >> 20} MiB of memory"
        return wire.LIMITED, why.encode()
    except RecursionError:
        return wire.LIMITED, b"its calls are nested too deeply"
    except Exception as error:
        import traceback

        where = traceback.extract_tb(error.__traceback__)[-1]
        told = f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"
        return wire.BROKEN, told.encode()


class _memory:  # noqa: N801
    """So much of address space beyond what there is, while the block lasts."""

    def __init__(self, size: int) -> None:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
        self._limit = pages * resource.getpagesize() + size

    def __enter__(self) -> None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (self._limit, hard))

    def __exit__(self, *_: object) -> None:
        hard = resource.getrlimit(resource.RLIMIT_AS)[1]
        resource.setrlimit(resource.RLIMIT_AS, (hard, hard))


def main() -> None:
    control = socket.socket(fileno=os.dup(0))
    null = os.open(os.devnull, os.O_RDWR)
    os.dup2(null, 0)
    os.close(null)
    gc.collect()
    gc.freeze()  # what is imported stays as it is: forked pages stay shared
    workers: set[int] = set()
    while True:
        try:
            message, descriptors, _, _ = socket.recv_fds(control, wire.COMMAND.size, 1)
        except OSError:
            break
        if len(message) < wire.COMMAND.size:
            break
        command, pid = wire.COMMAND.unpack(message)
        if command == wire.KILL:
            if pid in workers:  # not waited for yet, so that the id is nobody else's
                _end(pid)
                workers.discard(pid)
            continue
        pid = os.fork()
        if not pid:
            control.close()
            _work(descriptors[0])
        for descriptor in descriptors:
            os.close(descriptor)
        workers.add(pid)
        with suppress(OSError):
            control.sendall(wire.COMMAND.pack(command, pid))
    for pid in workers:
        _end(pid)


def _end(pid: int) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)


def _work(descriptor: int) -> None:
    """Never returns."""
    status = 1
    try:
        serve(socket.socket(fileno=descriptor))
    except SystemExit:
        status = 0
    finally:
        os._exit(status)


if __name__ == "__main__":
    main()
