"""`python -m stoker.chains.evm.worker_main`: the process that workers are forked from, with all
they need imported. It speaks over its standard input, a socket; they all end with that."""

from __future__ import annotations

import gc
import os
import signal
import socket
from contextlib import suppress

from stoker.chains.evm.pyevm import wire
from stoker.chains.evm.pyevm.worker import serve


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
