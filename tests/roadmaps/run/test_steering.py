"""What a person says of a task reaches the agent at work on it, and every later try."""

from __future__ import annotations

import asyncio
import sys
from threading import Event

import pytest
from model_server import Say
from roadmap_world import World

from stoker.engine.handle import RunHandle
from stoker.journal.events import STEP_SETTLED

PLAN = """# Shop

## Phase 1: Prices

### 1.1 Sums

- [ ] **Price**: write `price.py`
"""
WORD = "Round ${{ up }}, never down"


@pytest.mark.parametrize("interrupt", [False, True])
def test_a_running_agent_is_told(world: World, interrupt: bool) -> None:
    world.write("ROADMAP.md", PLAN)
    world.commit()
    begun, told = Event(), Event()
    heard: list[str] = []
    answer = world.server.policy

    def policy(talk):  # the model's side: it thinks until the person has spoken
        if WORD in talk.asked and "What you are told by a person" not in talk.asked:
            heard.append(talk.asked)
            told.set()
            return Say("as you wish")
        return answer(talk)

    world.server.policy = policy

    def on_request(task: str, number: int) -> None:
        if number == 1:
            begun.set()
            assert told.wait(60)

    world.on_request = on_request
    world.script = {"1.1.1": [{"price.py": "up = 0\n"}, {"price.py": "up = 1\n"}]}

    async def act(handle: RunHandle) -> None:
        assert await asyncio.to_thread(begun.wait, 60)
        words = ["--interrupt"] if interrupt else []
        argv = ["-m", "stoker", "roadmap", "steer", "r", "1.1.1", WORD, *words]
        command = [*argv, "--db", str(world.state / "journal.db")]
        asking = await asyncio.create_subprocess_exec(sys.executable, *command, cwd=world.root)
        await until_said(handle)
        assert await asking.wait() == 0
        if not interrupt:  # else the agent gives its question up, whenever it hears of it
            told.set()

    run = world.run(command="! grep -q 0 price.py", act=act, retries=1, context=0)
    assert run.status == "succeeded"
    assert [one.status for one in run.units] == ["done"]
    assert len(heard) > 0
    again = next(text for _, number, text in world.prompts if number == 2)
    assert f"- {WORD}" in again


async def until_said(handle: RunHandle) -> None:
    async for event in handle.events():
        if event.type == STEP_SETTLED and (event.step or "").startswith("steer-"):
            assert event.data["outputs"] == {"heard": True}
            return
