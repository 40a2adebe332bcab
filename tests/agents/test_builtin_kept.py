"""The built-in agent under a keeper, as the engine runs it: stdin a FIFO, stdout a file."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from pathlib import Path
from typing import Any

from agent_process import FREE, KEY
from model_server import Call, ModelServer, Say, by_turn

from stoker.process.logs import LogWatch
from stoker.process.spawner import Spawner
from stoker.process.spec import Exit, ProcessSpec

POLICY = by_turn(
    Say("may I?", calls=(Call("execute", {"command": "echo yes > made"}),)), Say("done")
)


async def line_of(path: Path, kind: str, watch: LogWatch) -> dict[str, Any]:
    """The first line of that type, when it is there."""
    while True:
        written = asyncio.Event()
        watch.once(str(path), written.set)
        for line in path.read_bytes().splitlines(keepends=True):
            if line.endswith(b"\n") and (found := json.loads(line))["type"] == kind:
                watch.close()
                return found  # type: ignore[no-any-return]
        async with asyncio.timeout(30):
            await written.wait()


async def kept(server: ModelServer, folder: Path) -> tuple[dict[str, Any], Exit]:
    loop = asyncio.get_running_loop()
    (folder / "work").mkdir()
    out, keeper = folder / "out", folder / "keeper"
    settings = {"model": "m", "base_url": f"{server.url}/v1"}
    settings["permissions"] = {**FREE, "execute": "ask"}  # type: ignore[assignment]
    spec = ProcessSpec(
        argv=(
            *(sys.executable, "-m", "stoker.agents.builtin"),
            *("--settings", json.dumps(settings), "--state", str(folder / "state")),
        ),
        env={**os.environ, "OPENAI_API_KEY": KEY},
        cwd=str(folder / "work"),
        stdout_path=str(out),
        stderr_path=str(folder / "err"),
        marker=f"test/kept/{os.getpid()}",
        keeper_dir=str(keeper),
        stdin_file=True,
    )
    out.touch()

    def say(message: dict[str, Any]) -> None:
        with (keeper / "stdin").open("ab", buffering=0) as file:
            file.write(json.dumps(message).encode() + b"\n")

    spawner = Spawner(loop)
    first: asyncio.Future[Exit] = loop.create_future()
    spawner.spawn(spec, first.set_result)
    await line_of(out, "system", LogWatch(loop))
    say({"type": "user", "uuid": "u1", "message": {"role": "user", "content": "do it"}})
    question = await line_of(out, "control_request", LogWatch(loop))
    # Who started it goes; another one finds it waiting, and answers.
    spawner.close()
    spawner = Spawner(loop)
    ended: asyncio.Future[Exit] = loop.create_future()
    child = spawner.adopt(str(keeper), ended.set_result)
    assert child is not None
    assert not isinstance(child, Exit)
    answer = {"request_id": question["request_id"], "response": {"behavior": "allow"}}
    say({"type": "control_response", "response": answer})
    result = await line_of(out, "result", LogWatch(loop))
    child.stop()
    return result, await ended


def test_an_agent_under_a_keeper(tmp_path: Path) -> None:
    with ModelServer(POLICY) as server:
        result, end = asyncio.run(kept(server, tmp_path))
    assert (result["result"], result["turn_id"]) == ("done", "u1")
    assert (tmp_path / "work/made").read_text() == "yes\n"
    assert (end.code, end.cause) == (143, "stopped")
    assert (tmp_path / "err").read_text() == ""
    for path in tmp_path.rglob("*"):
        assert not path.is_file() or KEY.encode() not in path.read_bytes()
