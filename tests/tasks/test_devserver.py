"""Dev servers: beside the agent, and beyond the engine."""

import asyncio
import os
from pathlib import Path

import pytest
from helping import WAIT, ends, project, release, started, worked

from stoker.engine.attempt import realm
from stoker.process.survivors import Scan
from stoker.tasks.catalog import ProjectChange
from stoker.tasks.devserver import run_id
from stoker.tasks.errors import Conflict, Unknown

SERVE = (
    "exec python3 -u -c \"import http.server as h; s = h.ThreadingHTTPServer(('127.0.0.1', 0), "
    'h.SimpleHTTPRequestHandler); print(s.server_port); s.serve_forever()"'
)


async def fetched(tasks, world, attempt, step, path):
    """A file, from the server whose port is the first line of its log."""
    rows = await tasks.engine.journal.attempts(run_id(attempt), step)
    log = Path(rows[-1].stdout_path)
    while not log.exists() or not log.read_bytes().endswith(b"\n"):
        await asyncio.sleep(0.01)
    port = int(log.read_text().split()[0])
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /{path} HTTP/1.0\r\n\r\n".encode())
    answer = await reader.read()
    writer.close()
    return answer.partition(b"\r\n\r\n")[2].decode()


def serving(world, attempt):
    prefix = f"{realm(world.state)}/{run_id(attempt)}/"
    return [one.pid for one in Scan() if one.marker.startswith(prefix)]


def test_a_dev_server_runs_beside_the_agent_and_keeps_nobody_waiting(world, scripted):
    async def scenario(tasks):
        await project(tasks, world, dev_script=SERVE)
        attempt = (
            await started(tasks, world, scripted(WAIT, {"edit": "b", "content": "x"}))
        ).attempt
        key = attempt.attempt_id
        step = await tasks.turns.start_dev_server(key)
        assert await fetched(tasks, world, attempt, step, "a.txt") == "one\n"
        release(attempt)
        await tasks.turns.settled(key)
        assert not tasks.turns.busy(key)
        assert await fetched(tasks, world, attempt, step, "b") == "x"
        await tasks.work.merge(key)
        assert list(ends(await tasks.progress.state(attempt))) == ["agent-1", "checkpoint-1"]

        again = await tasks.turns.start_dev_server(key)  # in the place of the first
        assert (step, again) == ("devserver-1", "devserver-2")
        state = await tasks.turns.devservers.state(attempt)
        assert ends(state) == {"devserver-1": "canceled", "devserver-2": "running"}
        await tasks.turns.stop_step(key, again)
        assert serving(world, attempt) == []
        with pytest.raises(Conflict, match="does not run"):
            await tasks.turns.stop_step(key, again)
        with pytest.raises(Unknown):
            await tasks.turns.stop_step(key, "devserver-9")
        with pytest.raises(Conflict, match="does not run"):
            await tasks.turns.stop_step(key, "agent-1")

    world.run(scenario)


def test_a_dev_server_outlives_the_engine_and_ends_with_the_worktree(world, scripted):
    async def first(tasks):
        await project(tasks, world, dev_script=SERVE)
        attempt = await worked(tasks, world, scripted({"say": "x"}))
        step = await tasks.turns.start_dev_server(attempt.attempt_id)
        assert await fetched(tasks, world, attempt, step, "a.txt") == "one\n"
        return attempt

    attempt = world.run(first)
    assert serving(world, attempt)

    async def second(tasks):
        assert await fetched(tasks, world, attempt, "devserver-1", "a.txt") == "one\n"
        state = await tasks.turns.devservers.state(attempt)
        assert (state["devserver-1"].status, state["devserver-1"].number) == ("running", 1)
        await tasks.work.remove_worktree(attempt.attempt_id)
        assert serving(world, attempt) == []
        assert not os.path.exists(attempt.worktree)
        await tasks.turns.start_dev_server(attempt.attempt_id)  # and the worktree comes back
        assert await fetched(tasks, world, attempt, "devserver-2", "a.txt") == "one\n"
        await tasks.removal.remove_attempt(attempt.attempt_id)
        assert serving(world, attempt) == []
        assert await tasks.turns.devservers.state(attempt) is None

    world.run(second)


def test_a_project_without_a_script_serves_nothing(world, scripted):
    async def scenario(tasks):
        attempt = await worked(tasks, world, scripted({"say": "x"}))
        with pytest.raises(Conflict, match="dev_script"):
            await tasks.turns.start_dev_server(attempt.attempt_id)
        (made,) = await tasks.catalog.projects()
        await tasks.catalog.change_project(made.project_id, ProjectChange(dev_script="exit 3"))
        step = await tasks.turns.start_dev_server(attempt.attempt_id)
        handle = tasks.engine.handle(run_id(attempt))
        if handle:
            await handle.wait()
        state = await tasks.turns.devservers.state(attempt)
        assert (state[step].status, state[step].exit_code) == ("failed", 3)

    world.run(scenario)
