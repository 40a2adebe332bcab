"""What starting a process and hearing of its end costs: the Spawner beside its floor.

    python benchmarks/spawn.py [--count 1000] [--rounds 5]

Milliseconds per `/bin/true`, medians of interleaved rounds, and ratios to the floor: bare
posix_spawn, a pidfd and epoll, without logs, sessions or an event loop. The floor with
two logs shows what of the rest is the file system's.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import select
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from stoker.process.logs import LogBounds, LogWatch
from stoker.process.redact import Redactor
from stoker.process.spawner import Spawner
from stoker.process.spec import Exit, ProcessSpec

ENV = {**os.environ, **{f"VARIABLE_{number}": "value" * 4 for number in range(20)}}
LOG_FLAGS = os.O_WRONLY | os.O_APPEND | os.O_CREAT


def floor(count: int, width: int, folder: Path, *, logs: bool = False) -> None:
    """posix_spawn + pidfd + epoll."""
    poll = select.epoll()
    started = running = 0
    while started < count or running:
        while started < count and running < width:
            actions = [
                (os.POSIX_SPAWN_OPEN, fd, f"{folder}/{started}.{fd}", LOG_FLAGS, 0o600)
                for fd in (1, 2)
                if logs
            ]
            pid = os.posix_spawn("/bin/true", ["true"], ENV, file_actions=actions)
            poll.register(os.pidfd_open(pid), select.EPOLLIN)
            started += 1
            running += 1
        for pidfd, _ in poll.poll():
            os.waitid(os.P_PIDFD, pidfd, os.WEXITED)
            poll.unregister(pidfd)
            os.close(pidfd)
            running -= 1
    poll.close()


def floor_logs(count: int, width: int, folder: Path) -> None:
    """The same with two logs opened in the child."""
    floor(count, width, folder, logs=True)


def spawner(count: int, width: int, folder: Path, **options: str | bool) -> None:
    """`Spawner.spawn`, two logs each."""
    cwd = str(options.get("cwd") or Path.cwd())
    redactor = Redactor(["a secret"] if options.get("redacted") else [])

    async def main() -> None:
        loop = asyncio.get_running_loop()
        watch = LogWatch(loop)
        bounds = LogBounds(watch, loop, limit=64 << 20) if options.get("bounded") else None
        spawner = Spawner(loop, bounds=bounds)
        done = loop.create_future()
        started = ended = 0

        def start() -> None:
            nonlocal started
            spec = ProcessSpec(
                argv=("true",),
                env=ENV,
                cwd=cwd,
                stdout_path=f"{folder}/{started}.1",
                stderr_path=f"{folder}/{started}.2",
                marker=f"run/{started}/1",
            )
            started += 1
            spawner.spawn(spec, on_exit, redactor)

        def on_exit(end: Exit) -> None:
            nonlocal ended
            ended += 1
            if started < count:
                start()
            elif ended == count:
                done.set_result(None)

        for _ in range(min(width, count)):
            start()
        await done
        if bounds is not None:
            bounds.close()
        watch.close()

    asyncio.run(main())


def spawner_bounded(count: int, width: int, folder: Path) -> None:
    """`Spawner.spawn` with log bounds."""
    spawner(count, width, folder, bounded=True)


def spawner_elsewhere(count: int, width: int, folder: Path) -> None:
    """`Spawner.spawn` in another directory."""
    spawner(count, width, folder, cwd=str(folder))


def spawner_redacted(count: int, width: int, folder: Path) -> None:
    """`Spawner.spawn` with secrets: output through pipes."""
    spawner(count, width, folder, redacted=True)


def asyncio_exec(count: int, width: int, folder: Path) -> None:
    """asyncio.create_subprocess_exec, no logs."""

    async def main() -> None:
        left = iter(range(count))

        async def worker() -> None:
            for _ in left:
                process = await asyncio.create_subprocess_exec("/bin/true", env=ENV)
                await process.wait()

        async with asyncio.TaskGroup() as group:
            for _ in range(width):
                group.create_task(worker())

    asyncio.run(main())


CASES: list[Callable[[int, int, Path], None]] = [
    floor,
    floor_logs,
    spawner,
    spawner_bounded,
    spawner_elsewhere,
    spawner_redacted,
    asyncio_exec,
]


def main() -> None:
    """Measure and print one table per width."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    for width in (2, 8):
        # Removed at the end: ext4 pays for deletions when files are made soon after.
        root = Path(tempfile.mkdtemp(prefix="stoker-spawn-"))
        times: dict[str, list[float]] = {case.__name__: [] for case in CASES}
        for _ in range(options.rounds):
            for case in CASES:
                folder = Path(tempfile.mkdtemp(dir=root))
                began = time.perf_counter()
                case(options.count, width, folder)
                times[case.__name__].append((time.perf_counter() - began) / options.count * 1e3)
        shutil.rmtree(root)
        base = statistics.median(times["floor"])
        print(f"width {width}, {options.count} processes, {options.rounds} rounds")
        for case in CASES:
            median = statistics.median(times[case.__name__])
            print(f"  {case.__name__:18} {median:6.3f} ms  {median / base:5.2f}x  {case.__doc__}")


if __name__ == "__main__":
    main()
