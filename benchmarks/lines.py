"""From a child's line to a subscriber in the engine's process, by one monotonic clock."""

from __future__ import annotations

import asyncio
import os
import statistics
import sys
import time
from pathlib import Path

import stoker
from benchmarks.measure import Bench
from benchmarks.table import Row, at_most
from stoker.process.tail import Lines, tail

_CHILD = (
    "import sys, time\n"
    "for _ in range(int(sys.argv[1])):\n"
    "    sys.stdout.write(f'{time.monotonic_ns()}\\n')\n"
    "    sys.stdout.flush()\n"
    "    time.sleep(0.002)\n"
)


async def _pipe(count: int) -> list[float]:
    """The floor: the child's pipe, read by asyncio; milliseconds."""
    read, write = os.pipe()
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", _CHILD, str(count), stdout=write
    )
    os.close(write)
    loop = asyncio.get_running_loop()
    found: list[float] = []
    over = loop.create_future()

    def ready() -> None:
        data = os.read(read, 65536)
        now = time.monotonic_ns()
        found.extend((now - int(line)) / 1e6 for line in data.split())
        if not data:
            loop.remove_reader(read)
            over.set_result(None)

    loop.add_reader(read, ready)
    await over
    os.close(read)
    await process.wait()
    return found


async def _stoker(count: int, folder: Path) -> list[float]:
    """A step's log, followed as `stoker logs -f` does; milliseconds."""
    step = stoker.Step(id="talk", command=sys.executable, args=("-c", _CHILD, str(count)))
    found: list[float] = []
    over: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def subscribe(path: str) -> None:
        lines = Lines()
        async for chunk in tail(path, finished=over):
            now = time.monotonic_ns()
            found.extend((now - int(line)) / 1e6 for line in lines.feed(chunk.data))

    async with stoker.open_engine(folder / "journal.db") as engine, asyncio.TaskGroup() as tasks:
        handle = await engine.start(stoker.build("lines", steps=[step]))
        async for event in handle.events():
            if event.type == "attempt.starting":
                tasks.create_task(subscribe(event.data["stdout_path"]))
        over.set_result(None)
    return found


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """Medians and 99th percentiles."""
    count = 50 if quick else 500
    bare: list[float] = []
    found: list[float] = []
    for _ in range(bench.rounds):
        bare += asyncio.run(_pipe(count))
        found += asyncio.run(_stoker(count, bench.fresh()))
    rows = []
    for name, place in (("median", 49), ("p99", 98)):
        floor, ours = (statistics.quantiles(times, n=100)[place] for times in (bare, found))
        goal = at_most("", ours, 1, " ms") if place == 98 else ("", None)
        label = f"child's line to subscriber, {name}"
        rows.append(Row(measure=label, who="bare pipe", value=floor, unit="ms"))
        rows.append(
            Row(measure=label, value=ours, unit="ms", floor=ours / floor, goal=goal[0], met=goal[1])
        )
    return rows
