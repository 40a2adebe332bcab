"""Streams of records: the tasks of a project, the processes of an attempt, drafts, everything."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any

from litestar import websocket
from litestar.params import FromQuery

from stoker.server.forge import drafts, find, process_view, views
from stoker.server.forge.envelope import get
from stoker.server.forge.live import Mirror, Op, Touched, changes, frame
from stoker.server.params import App, Name, Socket
from stoker.server.service import Service
from stoker.server.streams import Stream, each, send, sse
from stoker.tasks import devserver
from stoker.tasks.errors import Unknown
from stoker.tasks.model import Attempt


@websocket("/api/tasks/stream/ws")
async def tasks_socket(socket: Socket, service: App, project_id: FromQuery[str]) -> None:
    await send(socket, _tasks(service, project_id), service, deaf=True)


@websocket("/api/projects/{project_id:str}/tasks/stream/ws")
async def project_tasks_socket(socket: Socket, service: App, project_id: Name) -> None:
    await tasks_socket.fn(socket, service, project_id)


@websocket("/api/execution-processes/stream/ws")
async def processes_socket(
    socket: Socket,
    service: App,
    task_attempt_id: FromQuery[str],
    show_soft_deleted: FromQuery[bool] = False,
) -> None:
    attempt = await find.attempt(service, task_attempt_id)
    await send(socket, _processes(service, attempt, show_soft_deleted), service, deaf=True)


@websocket("/api/drafts/stream/ws")
async def drafts_socket(socket: Socket, service: App, project_id: FromQuery[str]) -> None:
    await send(socket, _drafts(service, project_id), service, deaf=True)


@get("/api/events")
async def events(service: App) -> Stream:
    return sse(each(_everything(service), lambda ops: [("", "json_patch", ops)]), service)


async def _tasks(service: Service, project_id: str) -> AsyncIterator[Sequence[str]]:
    mirror = Mirror()
    async with aclosing(changes(service)) as stream:  # type: ignore[type-var]
        async for touched in stream:
            keys = await _touched_tasks(service, touched)
            if keys is None:
                found = await views.tasks(service, project_id)
                ops = mirror.whole("/tasks", {one["id"]: one for one in found})
            else:
                ops = []
                for key in sorted(keys):
                    ops += mirror.tell(f"/tasks/{key}", await _listed(service, key, project_id))
            if ops:
                yield [frame(ops)]


async def _touched_tasks(service: Service, touched: Touched | None) -> set[str] | None:
    """The tasks of what was touched; None: any may be."""
    if touched is None:
        return None
    keys = set()
    for subject, key in touched:
        if subject == "tasks":
            keys.add(key)
        elif subject == "attempts" or (subject == "runs" and find.of_run(key)):
            try:
                attempt = await service.tasks.catalog.attempt(find.of_run(key) or key)
            except Unknown:
                return None
            keys.add(attempt.task_id)
        elif subject in ("merges", "pull_requests"):
            return None
    return keys


async def _listed(service: Service, task_id: str, project_id: str) -> Any:
    """The task as lists have it; None if they have it not."""
    try:
        record = await service.tasks.catalog.task(task_id)
    except Unknown:
        return None
    if record.project_id != project_id or views.AGENT in record.labels:
        return None
    return await views.task_with_status(service, record)


async def _processes(
    service: Service, attempt: Attempt, dropped: bool
) -> AsyncIterator[Sequence[str]]:
    mirror = Mirror()
    runs = (attempt.run_id, devserver.run_id(attempt))
    mine = {("attempts", attempt.attempt_id), *(("runs", run_id) for run_id in runs)}
    async with aclosing(changes(service)) as stream:  # type: ignore[type-var]
        async for touched in stream:
            if touched is not None and mine.isdisjoint(touched):
                continue
            shown = [process_view.process(one) for one in await find.processes(service, attempt)]
            found = {one["id"]: one for one in shown if dropped or not one["dropped"]}
            if ops := mirror.whole("/execution_processes", found):
                yield [frame(ops)]


async def _drafts(service: Service, project_id: str) -> AsyncIterator[Sequence[str]]:
    """An attempt is there as soon as one of its drafts is, and then has both."""
    mirror = Mirror()
    first = True
    async with aclosing(changes(service)) as stream:  # type: ignore[type-var]
        async for touched in stream:
            if touched is None:
                tasks = {one.task_id for one in await service.tasks.catalog.tasks(project_id)}
                every = await service.tasks.catalog.attempts()
                keys = {one.attempt_id for one in every if one.task_id in tasks}
            else:
                keys = {key.partition("/")[0] for subject, key in touched if subject == "drafts"}
                keys = {key for key in keys if await _of(service, key, project_id)}
            if not keys and not first:
                continue
            found = {key: value for key in keys if (value := await drafts.rows(service, key))}
            if first:
                first = False
                for key, value in found.items():
                    mirror.learn(f"/drafts/{key}", True)
                    for kind, draft in value.items():
                        mirror.learn(f"/drafts/{key}/{kind}", draft)
                yield [frame([{"op": "replace", "path": "/drafts", "value": found}])]
                continue
            if ops := _draft_ops(mirror, keys, found):
                yield [frame(ops)]


def _draft_ops(mirror: Mirror, keys: set[str], found: dict[str, Any]) -> list[Op]:
    ops: list[Op] = []
    for key in sorted(keys):
        value = found.get(key) or {"follow_up": drafts.nothing(key), "retry": None}
        for op in mirror.tell(f"/drafts/{key}", True) if key in found else ():
            ops.append({**op, "value": {"follow_up": drafts.nothing(key), "retry": None}})
            mirror.learn(f"/drafts/{key}/follow_up", drafts.nothing(key))
        for kind, draft in value.items():
            path = f"/drafts/{key}/{kind}"
            told = mirror.tell(path, draft)
            ops += [{"op": "replace", "path": path, "value": draft} for _ in told]
    return ops


async def _of(service: Service, attempt_id: str, project_id: str) -> bool:
    try:
        project, _ = await service.tasks.catalog.origin(
            await service.tasks.catalog.attempt(attempt_id)
        )
    except Unknown:
        return False
    return project.project_id == project_id


async def _everything(service: Service) -> AsyncIterator[list[Op]]:
    """All records there are, then what becomes of them."""
    mirror = Mirror()
    async with aclosing(changes(service)) as stream:  # type: ignore[type-var]
        async for touched in stream:
            if touched is None:
                wanted = await _all(service)
            else:
                wanted = [(subject, key) for subject, key in sorted(touched)]
            for subject, key in wanted:
                if ops := await _record(service, mirror, subject, key):
                    yield ops


async def _all(service: Service) -> list[tuple[str, str]]:
    found: list[tuple[str, str]] = []
    catalog = service.tasks.catalog
    for project in await catalog.projects():
        found += [("tasks", one.task_id) for one in await catalog.tasks(project.project_id)]
    for attempt in await catalog.attempts():
        found.append(("attempts", attempt.attempt_id))
        found.append(("runs", attempt.run_id))
        found.append(("drafts", attempt.attempt_id))
    return found


async def _record(service: Service, mirror: Mirror, subject: str, key: str) -> list[Op]:
    ops: list[Op] = []
    if subject == "tasks":
        try:
            task = await service.tasks.catalog.task(key)
        except Unknown:
            return mirror.tell(f"/tasks/{key}", None)
        return mirror.tell(f"/tasks/{key}", await views.task_with_status(service, task))
    attempt_id = find.of_run(key) if subject == "runs" else key.partition("/")[0]
    if attempt_id is None or subject not in ("attempts", "runs", "drafts"):
        return []
    path = f"/task_attempts/{attempt_id}"
    try:
        attempt = await service.tasks.catalog.attempt(attempt_id)
    except Unknown:
        return mirror.tell(path, None) + mirror.rest(f"/drafts/{attempt_id}/", set())
    if subject == "drafts":
        rows = await drafts.rows(service, attempt_id) or {}
        for kind in ("follow_up", "retry"):
            ops += mirror.tell(f"/drafts/{attempt_id}/{kind}", rows.get(kind))
        return ops
    ops += mirror.tell(path, await views.attempt_light(service, attempt))
    if subject == "runs":
        for one in await find.processes(service, attempt):
            shown = process_view.process(one)
            value = None if shown["dropped"] else shown
            ops += mirror.tell(f"/execution_processes/{one.id}", value)
        task = await service.tasks.catalog.task(attempt.task_id)
        path = f"/tasks/{task.task_id}"
        ops += mirror.tell(path, await views.task_with_status(service, task))
    return ops
