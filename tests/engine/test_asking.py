"""What an attempt asks a person, and attempts that wait for other steps of their run."""

from __future__ import annotations

import asyncio
import json
from functools import partial

import pytest

from stoker.engine.commands import CommandRefused
from stoker.engine.kinds import Result, StepFailed
from stoker.engine.options import RunOptions
from stoker.plan.loader import loads
from stoker.steps.kind import BaseKind, Definition
from stoker.steps.registry import kinds


class Asks(Definition, frozen=True, kw_only=True):
    keys: tuple[str, ...] = ("a",)
    patience: float | None = None
    after: str | None = None


class AskingKind(BaseKind[Asks]):
    """Asks one thing after the other; or waits for another step."""

    name = "asks"
    definition = Asks
    on_interrupt = "adopt"

    def check(self, step, definition):
        return []

    def tool(self, step, definition):
        return self.name

    def start(self, step, definition, attempt):
        return _work(definition, attempt)


async def _work(definition, attempt):
    if definition.after:
        await attempt.others(definition.after)
        return Result(exit_code=0)
    said = []
    for key in definition.keys:
        try:
            async with asyncio.timeout(definition.patience):
                answer = await attempt.ask(key, f"may I {key}?")
        except TimeoutError:
            continue
        said.append([key, answer.allowed, answer.comment, answer.by])
    return Result(exit_code=0, outputs={"said": said})


def plan(*steps, **more):
    document = json.dumps({"plan_id": "p", "steps": list(steps), **more})
    return loads(
        document, kinds={**kinds(), "asks": AskingKind(), "nests": Nests(), "late": Late()}
    ).plan


def asks(id="s", **definition):
    return {"id": id, "step_def": {"type": "asks", **definition}}


@pytest.fixture
def carried(drive):
    return partial(drive, more_kinds=(AskingKind(), Nests(), Late()))


def begin(engine, tmp_path, plan, **more):
    return engine.start(plan, run_id="r", options=RunOptions(cwd=str(tmp_path)), **more)


def test_it_parks_and_is_answered_by_the_engine_that_goes_on(tmp_path, carried):
    async def first(engine, journal):
        return await (await begin(engine, tmp_path, plan(asks()))).wait()

    async def look(engine, journal):
        return await (await engine.resume("r")).wait()

    async def answer(engine, journal):
        handle = await engine.resume("r")
        await handle.reject("s", "no", by="anna")
        return await handle.wait(), handle.state["s"].outputs, await journal.events("r")

    outcome = carried(first)
    assert (outcome.status, outcome.reason) == ("waiting", "s (for approval)")
    assert carried(look).status == "waiting"
    outcome, outputs, events = carried(answer)
    assert outcome.status == "succeeded"
    assert outputs["said"] == [["a", False, "no", "anna"]]
    types = [event.type for event in events]
    assert types.count("approval.requested") == 1  # whatever engine goes on
    assert types.count("attempt.starting") == 1


def test_its_time_limit_does_not_run_while_it_waits(tmp_path, carried):
    """Else the run would wait for the limit, and not leave the waiting to the journal."""
    limited = plan({**asks(), "timeout_sec": 9})

    async def first(engine, journal):
        return await (await begin(engine, tmp_path, limited)).wait()

    async def answer(engine, journal):
        handle = await engine.resume("r")
        await handle.approve("s")
        return await handle.wait()

    assert carried(first).status == "waiting"
    assert carried(answer).status == "succeeded"


def test_one_question_after_the_other(tmp_path, carried):
    async def scenario(engine, journal):
        handle = await begin(engine, tmp_path, plan(asks(keys=["a", "b"])), park=False)
        async for event in handle.events():
            if event.type == "approval.requested":
                assert event.data["prompt"] == f"may I {event.data['key']}?"
                await handle.approve("s", by=event.data["key"])
        with pytest.raises(CommandRefused):
            await handle.approve("s")
        return handle.state["s"].outputs

    assert carried(scenario)["said"] == [["a", True, "", "a"], ["b", True, "", "b"]]


def test_a_question_is_taken_back(tmp_path, carried):
    async def scenario(engine, journal):
        handle = await begin(engine, tmp_path, plan(asks(patience=0.01)), park=False)
        outcome = await handle.wait()
        return outcome, await journal.events("r"), handle.state["s"].outputs

    outcome, events, outputs = carried(scenario)
    assert outcome.status == "succeeded"
    assert outputs["said"] == []
    (decided,) = (event for event in events if event.type == "approval.decided")
    assert decided.data["decision"] == "withdraw"


@pytest.mark.parametrize("width", ["run", "engine"])
def test_who_waits_for_a_step_leaves_its_place_to_it(tmp_path, carried, width):
    """With room for one, the other could never begin."""
    steps = (asks("first", after="second"), {"id": "second", "command": "true"})
    bound = {"globals": {"max_concurrency": 1}} if width == "run" else {}
    options = {"max_concurrency": 1} if width == "engine" else {}

    async def scenario(engine, journal):
        handle = await begin(engine, tmp_path, plan(*steps, **bound))
        return await handle.wait(), [
            e.step for e in await journal.events("r") if e.type == "step.settled"
        ]

    outcome, ended = carried(scenario, **options)
    assert outcome.status == "succeeded"
    assert ended == ["second", "first"]


class Nests(AskingKind):
    """Takes a slot of its own, and its plan's step another."""

    name = "nests"

    def start(self, step, definition, attempt):
        return _nest(attempt)


async def _nest(attempt):
    inner = plan({"id": "inner", "command": "true"})
    try:
        await attempt.run_plan(inner, {})
    except StepFailed as error:
        return Result(error=str(error))
    return Result(exit_code=0)


def test_a_nested_run_has_the_slot_of_the_step_that_it_is_nested_in(tmp_path, carried):
    whole = plan({"id": "s", "step_def": {"type": "nests"}})

    async def scenario(engine, journal):
        return await (await begin(engine, tmp_path, whole)).wait()

    outcome = carried(scenario, max_concurrency=1)
    assert outcome.status == "succeeded"


class Late(AskingKind):
    """Looks around before it goes on with the run that is nested in it."""

    name = "late"

    def start(self, step, definition, attempt):
        return _late(attempt)


async def _late(attempt):
    if attempt.resumed:
        await asyncio.Event().wait()
    await attempt.run_plan(plan({"id": "inner", "step_def": {"type": "approval"}}), {})


def test_a_nested_run_is_canceled_whose_step_has_not_come_to_it_again(tmp_path, carried):
    whole = plan({"id": "s", "step_def": {"type": "late"}})

    async def scenario(engine, journal):
        assert (await (await begin(engine, tmp_path, whole)).wait()).status == "waiting"
        handle = await engine.resume("r", park=False)
        await handle.cancel("enough")
        return (await handle.wait()).status, (await journal.run("r.s.1")).status

    assert carried(scenario) == ("canceled", "canceled")
