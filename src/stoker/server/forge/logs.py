"""Streams of what processes write, what agents say and do, and what has changed in files."""

from __future__ import annotations

import asyncio
import codecs
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Final

from litestar import websocket
from litestar.params import FromQuery

from stoker.agents.store import Store, place
from stoker.process.tail import Chunk
from stoker.server.forge import find, process_view, views
from stoker.server.forge.entries import Log, command
from stoker.server.forge.files import Files
from stoker.server.forge.find import Process
from stoker.server.forge.live import FINISHED, Mirror, Op, changes, escaped, frame
from stoker.server.params import App, Name, Socket
from stoker.server.resources.logs import chunks
from stoker.server.resources.logs import find as find_log
from stoker.server.service import Service
from stoker.server.streams import send
from stoker.tasks.errors import Unknown
from stoker.tasks.following import batches
from stoker.tasks.model import Attempt
from stoker.wire.runs import Output
from stoker.workspace.errors import WorkspaceError, printable

_ONE: Final = "/api/execution-processes/{process_id:str}"
_NAMES: Final[dict[Output, str]] = {"stdout": "STDOUT", "stderr": "STDERR"}
_PAUSE_SEC: Final = 0.25
"""Between two looks at what has changed in files."""


@websocket(f"{_ONE}/raw-logs/ws")
async def raw_socket(socket: Socket, service: App, process_id: Name) -> None:
    process = await find.process(service, process_id)
    if process.row.stdout_path is None:
        raise Unknown("log", process_id)
    await send(socket, _raw(service, process), service, deaf=True)


@websocket(f"{_ONE}/normalized-logs/ws")
async def normalized_socket(socket: Socket, service: App, process_id: Name) -> None:
    process = await find.process(service, process_id)
    await send(socket, _normalized(service, process), service, deaf=True)


@websocket("/api/task-attempts/{attempt_id:str}/diff/ws")
async def diff_socket(
    socket: Socket, service: App, attempt_id: Name, stats_only: FromQuery[bool] = False
) -> None:
    attempt = await find.attempt(service, attempt_id)
    await send(socket, _diff(service, attempt, contents=not stats_only), service, deaf=True)


async def _raw(service: Service, process: Process) -> AsyncIterator[Sequence[str]]:
    """Both outputs, as they come; of a process that is over, one after the other, for nothing
    tells how they were woven."""
    number = 0
    both: list[Output] = ["stdout", "stderr"]
    if process.row.finished_at is not None:
        sources = [_texts(service, process, output) for output in both]
    else:
        sources = [_woven(service, process, both)]
    for source in sources:
        async with aclosing(source) as texts:  # type: ignore[type-var]
            async for output, text in texts:
                value = {"type": _NAMES[output], "content": text}
                yield [frame([{"op": "add", "path": f"/entries/{number}", "value": value}])]
                number += 1
    yield [FINISHED]


async def _woven(
    service: Service, process: Process, outputs: Sequence[Output]
) -> AsyncIterator[tuple[Output, str]]:
    """Several outputs at once; waits for a reader that is slow."""
    queue: asyncio.Queue[tuple[Output, str] | None] = asyncio.Queue(maxsize=1)

    async def one(output: Output) -> None:
        async with aclosing(_texts(service, process, output)) as texts:  # type: ignore[type-var]
            async for told in texts:
                await queue.put(told)
        await queue.put(None)

    reading = [asyncio.create_task(one(output)) for output in outputs]
    ended = 0
    try:
        while ended < len(reading):
            told = await queue.get()
            if told is None:
                ended += 1
            else:
                yield told
    finally:
        for task in reading:
            task.cancel()
        await asyncio.wait(reading)


async def _texts(
    service: Service, process: Process, output: Output
) -> AsyncIterator[tuple[Output, str]]:
    row = process.row
    path, attempt, sequence = await find_log(service, row.run_id, row.step_id, row.attempt, output)
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    found: AsyncIterator[Chunk] = chunks(service, attempt, sequence, path, 0)
    async with aclosing(found) as some:  # type: ignore[type-var]
        async for chunk in some:
            if text := decoder.decode(chunk.data):
                yield output, text
    if rest := decoder.decode(b"", final=True):
        yield output, rest


async def _normalized(service: Service, process: Process) -> AsyncIterator[Sequence[str]]:
    """What was said and done. Before the end two frames for a client that knows only them: what
    the agent said, and how it ended."""
    source = _turn if process.role == "agent" else _script
    async with aclosing(source(service, process)) as batches:  # type: ignore[type-var]
        async for ops in batches:
            if ops:
                yield [frame(ops)]
    shown = await process_view.process_with_output(service, await find.process(service, process.id))
    status = "failed" if shown["status"] in ("failed", "killed") else "completed"
    yield [
        frame([], type="log", content=shown["output"]),
        frame([], type="status", status=status),
        FINISHED,
    ]


async def _turn(service: Service, process: Process) -> AsyncIterator[list[Op]]:
    log = Log(process.id)
    key = process.attempt.attempt_id
    found = await batches(service.tasks, key, process.turn, watch=service.watch)
    async with aclosing(found) as some:  # type: ignore[type-var]
        async for puts in some:
            yield log.take(puts)


async def _script(service: Service, process: Process) -> AsyncIterator[list[Op]]:
    """A script is one command."""
    script = process_view.process(process)["executor_action"]["typ"]["script"]
    op = "add"
    if process.row.finished_at is None:
        yield [_command(op, script, None)]
        await service.ended(process.row)
        process, op = await find.process(service, process.id), "replace"
    ended = await process_view.process_with_output(service, process)
    yield [_command(op, script, ended)]


def _command(op: str, script: str, ended: Any) -> Op:
    status = "created"
    if ended is not None:
        status = "success" if ended["status"] == "completed" else "failed"
    content = {
        "timestamp": None if ended is None else ended["started_at"],
        "entry_type": {
            "type": "tool_use",
            "tool_name": "Bash",
            "action_type": command(
                script,
                "" if ended is None else ended["output"],
                None if ended is None else ended["exit_code"],
                over=ended is not None,
            ),
            "status": {"status": status},
        },
        "content": script,
        "metadata": None,
    }
    value = {"type": "NORMALIZED_ENTRY", "content": content}
    return {"op": op, "path": "/entries/0", "value": value}


async def _diff(
    service: Service, attempt: Attempt, *, contents: bool
) -> AsyncIterator[Sequence[str]]:
    """A frame for each file; of an attempt whose work is merged, what it was, and the end."""
    mirror = Mirror()
    poked = asyncio.Event()
    mine = {("runs", attempt.run_id), ("attempts", attempt.attempt_id)}
    listened: list[tuple[int, Any]] = []
    files = Files(service.watch, poked.set)
    try:
        async with aclosing(changes(service, poked)) as stream:  # type: ignore[type-var]
            async for touched in stream:
                if touched and mine.isdisjoint(touched) and all(s != "merges" for s, _ in touched):
                    continue
                await _listen(service, attempt, poked, listened)
                merged = await service.tasks.work.merges(attempt)
                try:
                    await files.arm(await service.tasks.catalog.worktree(attempt))
                    found = await service.tasks.work.changes(attempt, contents=contents)
                except WorkspaceError:
                    found = []
                frames = []
                present = set()
                for one in found:
                    path = f"/entries/{escaped(printable(one.path))}"
                    present.add(path)
                    value = {"type": "DIFF", "content": views.diff(one)}
                    frames += [frame([op]) for op in _as_add(mirror.tell(path, value))]
                frames += [frame([op]) for op in mirror.rest("/entries/", present)]
                if frames:
                    yield frames
                if merged:
                    yield [FINISHED]
                    return
                await asyncio.sleep(_PAUSE_SEC)
    finally:
        files.close()
        for number, callback in listened:
            service.watch.forget(number, callback)


def _as_add(ops: list[Op]) -> list[Op]:
    """A changed file is told as an added one, which takes the place of what was there."""
    return [{**op, "op": "add"} for op in ops]


async def _listen(
    service: Service, attempt: Attempt, poked: asyncio.Event, listened: list[tuple[int, Any]]
) -> None:
    """Have `poked` set with the next thing that an agent at work says."""
    for number, callback in listened:
        service.watch.forget(number, callback)
    listened.clear()
    process = next((p for p in reversed(await find.processes(service, attempt))), None)
    if process is None or process.row.finished_at is not None or process.role != "agent":
        return
    run = service.tasks.progress.directory(attempt)
    store = Store(place(run, process.row.step_id, process.row.attempt))
    store.create()  # as its driver is about to
    listened.append((service.watch.once(str(store.stream), poked.set), poked.set))
