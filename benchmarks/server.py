"""What `stoker serve` takes, seen from a client: its start, agents' lines and entries on their way
to WebSockets, the memory of idle attempts, finished attempts listed and opened, a long log.

Agents are programs that speak stream-json and do nothing but talk, by the one monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
from websockets.asyncio.client import connect

from benchmarks.attempts import repository
from benchmarks.measure import Bench, note
from benchmarks.table import Row, at_most

_TICK = 1 / os.sysconf("SC_CLK_TCK")
_BUSY, _PAUSE_SEC = 20, 0.05
_TALKER = """
import json, sys, time
count, pause, rest = int(sys.argv[1]), float(sys.argv[2]), float(sys.argv[3])
def say(**message):
    print(json.dumps(message), flush=True)
say(type="system", subtype="init", session_id="s")
for line in sys.stdin:
    if json.loads(line)["type"] == "user":
        break
for _ in range(count):
    text = f"now={time.monotonic_ns()}"
    say(type="assistant", message={"content": [{"type": "text", "text": text}]})
    time.sleep(pause)
time.sleep(rest)
say(type="result", subtype="success", is_error=False, result="", session_id="s")
"""
_SAID = re.compile(rb"now=(\d+)")


class Server:
    """A server in a directory of its own, and a project in it."""

    def __init__(self, process: subprocess.Popen[str], url: str, client: httpx.AsyncClient) -> None:
        self.process = process
        self.url = url
        self.client = client
        self.project = ""

    async def ask(self, method: str, path: str, **options: Any) -> Any:
        """The answer's document."""
        answer = await self.client.request(method, self.url + path, **options)
        answer.raise_for_status()
        return answer.json() if answer.content else None

    async def start(self, executor: str) -> str:
        """Begin an attempt; its id."""
        body = {"project_id": self.project, "title": "go", "executor": executor}
        begun = await self.ask("POST", "/v1/attempts", json=body)
        return str(begun["attempt"]["attempt_id"])

    async def frames(self, path: str) -> AsyncIterator[str | bytes]:
        """Of a WebSocket, until it ends."""
        async with connect(self.url.replace("http", "ws") + path, compression=None) as socket:
            async for frame in socket:
                yield frame

    async def listen(self, path: str) -> list[tuple[int, int]]:
        """All times that a WebSocket tells: said, heard."""
        found = []
        async for frame in self.frames(path):
            now = time.monotonic_ns()
            data = frame if isinstance(frame, bytes) else frame.encode()
            found += [(int(said), now) for said in _SAID.findall(data)]
        return found

    def cpu(self) -> float:
        """Seconds of processor it has taken so far."""
        words = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(words[11]) + int(words[12])) * _TICK

    def memory(self, what: str = "VmRSS") -> float:
        """MB; `VmHWM`: at most so far."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.partition(f"{what}:")[2].split()[0]) / 1024


def _spawn(folder: Path) -> tuple[subprocess.Popen[str], str]:
    """A server, and its URL once it answers."""
    folder.mkdir(exist_ok=True)
    environment = dict(os.environ)
    environment["STOKER_PROFILES"] = str(folder.parent / "profiles.json")
    with (folder / "serve.log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "stoker", "serve", "--port", "0", "--rate", "0"],
            cwd=folder,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    assert process.stdout is not None
    url = process.stdout.readline().split()[-1]
    httpx.get(f"{url}/v1/projects").raise_for_status()
    return process, url


def _stop(process: subprocess.Popen[str]) -> None:
    process.send_signal(signal.SIGTERM)
    process.wait()


@asynccontextmanager
async def _serving(folder: Path) -> AsyncIterator[Server]:
    process, url = _spawn(folder / "served")
    try:
        async with httpx.AsyncClient(timeout=None) as client:
            server = Server(process, url, client)
            body = {"name": "bench", "repository": str(folder / "served" / "repository")}
            server.project = (await server.ask("POST", "/v1/projects", json=body))["project_id"]
            yield server
    finally:
        _stop(process)


def _profiles(folder: Path, lines: int) -> None:
    """`BUSY` says so many lines, `DONE` one, `IDLE` none until it is stopped."""
    talks = {"BUSY": (lines, _PAUSE_SEC, 0), "DONE": (1, 0, 0), "IDLE": (0, 0, 600)}
    executors = {
        name: {
            "DEFAULT": {
                "driver": "stream-json",
                "command": [sys.executable, "-S", "-c", _TALKER, *map(str, words)],
            }
        }
        for name, words in talks.items()
    }
    (folder / "profiles.json").write_text(json.dumps({"executors": executors}))


def _starts(folder: Path, count: int) -> tuple[float, float]:
    """Seconds from exec to the first answer, and of the floor, in turn; medians."""
    found: list[tuple[float, float]] = []
    for _ in range(count):
        began = time.perf_counter()
        subprocess.run([sys.executable, "-c", "import litestar, uvicorn"], check=True)
        middle = time.perf_counter()
        process, _ = _spawn(folder / "starts")
        found.append((time.perf_counter() - middle, middle - began))
        _stop(process)
    return tuple(statistics.median(times) for times in zip(*found, strict=True))  # type: ignore[return-value]


async def _several(count: int, at_once: int, act: Callable[[], Awaitable[Any]]) -> list[Any]:
    places = asyncio.Semaphore(at_once)

    async def one() -> Any:
        async with places:
            return await act()

    return await asyncio.gather(*(one() for _ in range(count)))


async def _lines(server: Server) -> tuple[list[float], list[float], float]:
    """Of busy agents: milliseconds from a line to a client that reads the raw log, to one that
    reads entries, and milliseconds of the server's processor for each line."""
    before = server.cpu()
    attempts = await asyncio.gather(*(server.start("BUSY") for _ in range(_BUSY)))
    raw, entries = [], []
    async with asyncio.TaskGroup() as group:
        for one in attempts:
            log = f"/v1/runs/task-{one}/steps/agent-1/attempts/1/logs/stdout/ws"
            raw.append(group.create_task(server.listen(log)))
            turn = f"/v1/attempts/{one}/turns/1/stream/ws"
            entries.append(group.create_task(server.listen(turn)))
    cost = server.cpu() - before
    # While all are at work, and we have heard all of them for a second.
    begin = max(task.result()[0][1] for task in (*raw, *entries)) + 1e9
    end = min(task.result()[-1][0] for task in raw)
    listened = [
        [
            (heard - said) / 1e6
            for task in tasks
            for said, heard in task.result()
            if begin <= said < end
        ]
        for tasks in (raw, entries)
    ]
    return listened[0], listened[1], cost * 1000 / sum(len(task.result()) for task in raw)


async def _finished(server: Server, count: int) -> tuple[float, float]:
    """Milliseconds to list, and to open one of, so many finished attempts."""
    found = await _several(count, 8, lambda: server.start("DONE"))
    for one in found:  # until they are over
        await server.listen(f"/v1/attempts/{one}/turns/1/stream/ws")
    before = time.perf_counter()
    await server.ask("GET", f"/v1/projects/{server.project}/tasks")
    listed = time.perf_counter() - before
    times = []
    for one in found[:: max(1, count // 20)]:
        before = time.perf_counter()
        await server.ask("GET", f"/v1/attempts/{one}")
        await server.listen(f"/v1/attempts/{one}/turns/1/stream/ws")
        times.append(time.perf_counter() - before)
    return listed * 1000, max(times) * 1000


async def _idle(server: Server, count: int) -> float:
    """MB that the server has with so many attempts whose agents are there and say nothing."""
    found = await _several(count, 8, lambda: server.start("IDLE"))
    memory = server.memory()
    note(f"server: {memory:.0f} MB with {count} idle attempts")
    stops = iter(found)
    await _several(count, 8, lambda: server.ask("POST", f"/v1/attempts/{next(stops)}/stop"))
    return memory


async def _replay(server: Server, megabytes: int) -> tuple[float, float]:
    """MB a second of a finished log over a WebSocket, and MB by which the server grew."""
    command = f"head -c {megabytes << 20} /dev/zero"
    body = {"plan": {"plan_id": "log", "steps": [{"id": "write", "run": command}]}, "run_id": "log"}
    await server.ask("POST", "/v1/runs", json=body)
    async for _ in server.frames("/v1/runs/log/events/ws"):
        pass  # until it is over
    before, began, size = server.memory("VmHWM"), time.perf_counter(), 0
    async for frame in server.frames("/v1/runs/log/steps/write/attempts/1/logs/stdout/ws"):
        size += len(frame) if isinstance(frame, bytes) else 0
    took = time.perf_counter() - began
    assert size == megabytes << 20, size
    return megabytes / took, server.memory("VmHWM") - before


async def _all(folder: Path, quick: bool) -> list[Row]:
    # What a log of an attempt is bounded to is 64 MiB.
    finished, idle, megabytes = (6, 6, 8) if quick else (1000, 500, 60)
    async with _serving(folder) as server:
        speed, grown = await _replay(server, megabytes)
        note(f"server: replay {speed:.0f} MB/s")
        raw, entries, cost = await _lines(server)
        note(f"server: {len(raw)} lines of busy agents heard")
        listed, opened = await _finished(server, finished)
        note(f"server: {finished} finished attempts listed in {listed:.0f} ms")
        memory = await _idle(server, idle)
    rows = []
    for what, times in (("log", raw), ("entries", entries)):
        p99 = statistics.quantiles(times, n=100)[98]
        goal, met = at_most("p99", p99, 10, " ms")
        title = f"line to WebSocket client ({what}), {_BUSY} busy agents"
        rows.append(Row(measure=f"{title}, median", value=statistics.median(times), unit="ms"))
        rows.append(Row(measure=f"{title}, p99", value=p99, unit="ms", goal=goal, met=met))
    rows.append(Row(measure="the same, server's CPU for a line to both", value=cost, unit="ms"))
    goal, met = at_most("", listed, 100, " ms")
    title = f"{finished:,} finished attempts"
    rows.append(Row(measure=f"{title}, listed", value=listed, unit="ms", goal=goal, met=met))
    goal, met = at_most("", opened, 100, " ms")
    title = f"{title}, one opened with all it said, slowest"
    rows.append(Row(measure=title, value=opened, unit="ms", goal=goal, met=met))
    goal, met = at_most("", memory, 200, " MB")
    title = f"server with {idle} idle agents"
    rows.append(Row(measure=title, value=memory, unit="MB", goal=goal, met=met))
    title = f"replay of {megabytes} MB of log, MB a second"
    rows.append(Row(measure=title, value=speed, unit="MB", goal=">= 50 MB", met=speed >= 50))
    rows.append(Row(measure="the server's growth by it", value=grown, unit="MB"))
    return rows


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """One server for all but its start."""
    folder = bench.fresh()
    _profiles(folder, 100 if quick else 200)
    start, bare = _starts(folder, 1 if quick else 5)
    goal, met = at_most("", start, 1, " s")
    title = "stoker serve, exec to first answer"
    rows = [
        Row(measure=title, who="python, import litestar, uvicorn", value=bare, unit="s"),
        Row(measure=title, value=start, unit="s", floor=start / bare, goal=goal, met=met),
    ]
    (folder / "served").mkdir()
    repository(folder / "served" / "repository", 20)
    return rows + asyncio.run(_all(folder, quick))
