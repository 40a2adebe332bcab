"""Plans within plans: a nested plan is a run of its own, under an attempt of its parent's.

Its id follows from the attempt, so that a parent that goes on after a crash finds the run
it had begun. Where only a person can make it go on, its parent is told, and can park too.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from stoker.engine.attempt import LiveAttempt
from stoker.engine.commands import CommandRefused
from stoker.engine.creation import nested_run_id, stand_ins, stored_plan
from stoker.engine.handle import RunHandle
from stoker.engine.kinds import StepFailed
from stoker.engine.lifecycle import RUN_OVER
from stoker.engine.options import RunOptions
from stoker.engine.run import Run
from stoker.engine.state import RunState
from stoker.journal.base import Command, Journal, JournalError, RunBusy, RunOver, UnknownRun
from stoker.plan.model import Plan

if TYPE_CHECKING:
    from stoker.engine.engine import Engine


_STOPPED = "the run it is nested in stopped it"
_ABANDONED = "its engine stopped, and the step it is nested in does not go on with it"


async def run_nested(
    engine: Engine,
    attempt: LiveAttempt,
    plan: Plan,
    inputs: Mapping[str, Any],
    plan_dir: str | None,
) -> Mapping[str, Any]:
    """See `Attempt.run_plan`."""
    run_id = nested_run_id(attempt.run_id, attempt.step_id, attempt.number)
    attempt.write(f"nested run {run_id}\n")
    parent = engine.handle(attempt.run_id)
    assert parent is not None  # noqa: S101 - the attempt is its
    parent.run.lend(attempt.step_id, lent=True)
    try:
        state = await _carry_out(
            _begin(engine, attempt, parent.run, run_id, plan, inputs, plan_dir),
            parent.run,
            attempt.step_id,
        )
    except RunOver:
        state = await replayed(engine.journal, run_id)
    finally:
        parent.run.lend(attempt.step_id, lent=False)
    if state.status != "succeeded":
        raise StepFailed(f"nested run {run_id} {state.status}: {state.reason}")
    return {
        name: step.outputs[name]
        for step in state.steps
        for name in step.step.provides
        if name in step.outputs
    }


async def end_abandoned(
    engine: Engine, state: RunState, adopted: Callable[[int], bool], secrets: Sequence[str]
) -> None:
    """Cancel, with all their processes, the runs nested in attempts that a dead engine began
    and that nobody goes on with, whether a new attempt follows or a person decides.

    Raises `RunBusy` if another engine drives one (it is told to cancel it), `JournalError`.
    """
    ids = [
        nested_run_id(state.run_id, step.step.id, step.number)
        for index, step in enumerate(state.steps)
        if step.status == "running" and step.number and not adopted(index)
    ]
    ends = (end_nested(engine, run_id, secrets) for run_id in ids)
    for error in await asyncio.gather(*ends, return_exceptions=True):
        if error is not None:
            raise error


async def end_nested(engine: Engine, run_id: str, secrets: Sequence[str]) -> None:
    """Cancel such a run, if there is one. Raises as `end_abandoned`."""
    journal = engine.journal
    with suppress(UnknownRun, RunOver):  # most steps have no nested run
        row = await journal.run(run_id)
        if row.status in RUN_OVER:
            return
        await journal.send(Command(run_id=run_id, kind="cancel", payload={"reason": _ABANDONED}))
        inputs = stand_ins(await stored_plan(journal, run_id), row)
        handle = await engine.resume(run_id, inputs=inputs, park=False, secrets=secrets)
        if (await handle.wait()).status == "suspended":
            raise JournalError(f"run {run_id} could not be canceled: it was suspended")


async def _begin(
    engine: Engine,
    attempt: LiveAttempt,
    parent: Run,
    run_id: str,
    plan: Plan,
    inputs: Mapping[str, Any],
    plan_dir: str | None,
) -> RunHandle:
    if attempt.resumed:
        if parent.ending:  # the first thing it hears of, before it starts anything again
            cancel = Command(run_id=run_id, kind="cancel", payload={"reason": _STOPPED})
            with suppress(UnknownRun):
                await engine.journal.send(cancel)
        resume = partial(engine.resume, run_id, inputs=inputs, park=False, secrets=attempt.secrets)
        with suppress(UnknownRun):  # the crash came before it was stored
            try:
                return await resume()
            except RunBusy as busy:
                if busy.lease_sec is None:
                    raise
                # Its lease was taken later than its parent's, and may end a little later.
                await asyncio.sleep(busy.lease_sec)
                return await resume()
    return await engine.start(
        plan,
        inputs=inputs,
        options=RunOptions(cwd=attempt.cwd, plan_dir=plan_dir),
        run_id=run_id,
        park=False,
        parent=(attempt.run_id, attempt.step_id),
        secrets=attempt.secrets,
    )


async def _carry_out(begin: Coroutine[Any, Any, RunHandle], parent: Run, step_id: str) -> RunState:
    # Stopping waits until it has begun: a run that goes on after a crash may have processes.
    beginning = asyncio.ensure_future(begin)
    try:
        handle = await asyncio.shield(beginning)
        handle.run.on_parked = lambda parked: parent.nested_parked(step_id, handle.run_id, parked)
        handle.run.wake()  # it may be parked already, when there was nobody to tell
        await handle.wait()
    except asyncio.CancelledError:
        handle = await beginning
        if parent.suspended:  # both go on later
            handle.run.suspend()
        else:
            with suppress(CommandRefused):
                await handle.cancel(_STOPPED)
        await handle.wait()
        raise
    return handle.state


async def replayed(journal: Journal, run_id: str) -> RunState:
    """The state of a run as its journal has it. Raises `UnknownRun`."""
    plan = await stored_plan(journal, run_id)
    return RunState(run_id, plan, await journal.events(run_id))
