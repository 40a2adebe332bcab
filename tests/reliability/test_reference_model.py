"""The engine's decisions against the reference model: random plans, random orders, crashes."""

from __future__ import annotations

from random import Random

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st
from semantics import Reference
from simulation import World, draw_case

from stoker.engine.state import StepState
from stoker.plan.model import Step

reliability = settings(settings.get_profile("reliability"))
randoms = st.randoms(use_true_random=False)


def carry_out(random: Random, **case) -> World:
    world = World(draw_case(random, **case), random)
    world.run()
    return world


def verify(world: World) -> None:
    """Hold what happened against what had to."""
    case, watcher = world.case, world.watcher
    reference = Reference(case.plan if world.extension else case.whole, case.script)
    statuses = {step.step.id: step.status for step in world.machine.state.steps}
    if world.canceled and watcher.ending is not None and not watcher.ending.data.get("abort"):
        assert watcher.run_status == "canceled"
        ends = ended_early(watcher, reference, left="canceled")
    elif reference.aborts():
        assert watcher.run_status == ("canceled" if world.canceled else "failed")
        assert watcher.ending is not None
        ends = ended_early(watcher, reference, left="skipped", canceled=world.canceled)
    else:
        assert watcher.ending is None
        assert watcher.run_status == reference.run_status()
        ends = {step: reference.end(step).status for step in reference.steps}
        for step in watcher.steps.keys() - reference.steps.keys():
            parent = reference.steps[step.partition("[")[0]]
            ends[step] = reference.executed(parent, step).status
        for step, past in watcher.past.items():
            parent = reference.steps[step.partition("[")[0]]
            tried = [how for how in past if how != "lost"]
            assert len(tried) == reference.executed(parent, step).attempts
    assert statuses == ends
    for step, values in world.consumed.items():
        assert values == reference.consumed(step), f"what {step} was given"
    replays_to_the_same(world)


def ended_early(watcher, reference, *, left, canceled=False) -> dict[str, str]:
    """The ends of a run that was aborted or canceled: what had settled by then is as it is
    always, what ran is canceled, and what was left is `left`."""
    settled, running = watcher.standing_at_end
    ends = {}
    for step in watcher.steps:
        if step in settled:
            parent = reference.steps[step.partition("[")[0]]
            end = reference.end(step) if step == parent.id else reference.executed(parent, step)
            assert settled[step] == end.status, step
            ends[step] = settled[step]
        elif step not in running:
            ends[step] = left
        else:
            # One that was being ended for its timeout by then has failed.
            timed_out = watcher.past[step][-1] == "timed_out"
            ends[step] = "failed" if timed_out else "canceled"
    return ends


def replays_to_the_same(world: World) -> None:
    live, replayed = world.machine.state, world.replayed()
    assert (live.status, live.sequence, live.unsettled, live.released) == (
        replayed.status,
        replayed.sequence,
        replayed.unsettled,
        replayed.released,
    )
    for ours, theirs in zip(live.steps, replayed.steps, strict=True):
        for field in StepState.__slots__:
            assert getattr(ours, field) == getattr(theirs, field), (ours.step.id, field)


@reliability
@given(randoms)
def test_a_run_ends_as_the_reference_says(random):
    verify(carry_out(random))


@reliability
@given(randoms)
def test_a_run_that_crashes_again_and_again_ends_as_if_it_had_not(random):
    verify(carry_out(random, crashes=6))


@reliability
@given(randoms)
def test_a_run_that_is_paused_or_canceled_and_crashes_ends_in_order(random):
    verify(carry_out(random, crashes=3, mischief=True))


@reliability
@given(randoms)
def test_the_longest_remaining_path_goes_first(random):
    """Of the steps that could start, none that starts has less behind it than one that waits."""
    case = draw_case(random)
    steps = tuple(
        Step(id=step.id, command="true", depends_on=step.depends_on) for step in case.plan.steps
    )
    plan = msgspec.structs.replace(case.plan, steps=steps)
    outcomes = {step.id: (0,) for step in steps}
    world = World(
        msgspec.structs.replace(case, plan=plan, extension=(), outcomes=outcomes, manual=False),
        random,
    )
    world.run()
    behind = dict.fromkeys(outcomes, 1)
    for step in reversed(steps):
        for before in step.depends_on:
            behind[before] = max(behind[before], 1 + behind[step.id])
    dependencies = {step.id: set(step.depends_on) for step in steps}
    done: set[str] = set()
    begun: set[str] = set()
    for event in (event for batch in world.log for event in batch):
        if event.type == "attempt.starting":
            begun.add(event.step)
            waiting = {name for name in outcomes if dependencies[name] <= done} - begun
            assert all(behind[name] <= behind[event.step] for name in waiting)
        elif event.type == "step.settled":
            done.add(event.step)
