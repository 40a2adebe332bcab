"""Killed while attempts are being started: each is there whole afterwards, or not at all."""

import random
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stoker.tasks.store import ATTEMPTS


@pytest.mark.parametrize("seed", range(4))
def test_killed_while_starting(world, scripted, seed):
    prompt = scripted(
        {"edit": "b", "content": "x"}, {"run": "sleep 0.2"}, {"edit": "c", "content": "y"}
    )
    chance = random.Random(seed)
    for _ in range(2):
        starter = subprocess.Popen(
            [
                sys.executable,
                Path(__file__).with_name("starter.py"),
                world.state,
                world.repository,
                prompt,
            ],
            stdout=subprocess.PIPE,
        )
        assert starter.stdout.readline() == b"ready\n"
        time.sleep(chance.random() * 0.6)  # the moment is the test's input, not waited for
        starter.kill()
        starter.communicate()

    async def recovered(tasks):
        async with tasks.feed._journal.transaction() as session:
            attempts = await ATTEMPTS.find(session)
        for attempt in attempts:
            assert attempt.state == "ready"
            await tasks.turns.settled(attempt.attempt_id)
            state = await tasks.progress.state(attempt)
            assert {step.step.id: step.status for step in state.steps} == {
                "agent-1": "succeeded",
                "checkpoint-1": "succeeded",
            }
            changes = await tasks.work.changes(attempt)
            assert {change.path for change in changes} == {"b", "c"}
        return attempts

    attempts = world.run(recovered)
    assert sorted(world.branches()) == sorted([*(one.branch for one in attempts), "main"])
    assert world.worktrees() == sorted(Path(one.worktree) for one in attempts)
    world.wait_until_empty()
