"""What may follow what, as the journal is applied: the specification's state machines."""

import pytest

from stoker.engine.lifecycle import IllegalTransition
from stoker.engine.state import RunState
from stoker.journal.events import Event
from stoker.plan.model import Plan, Step

# What an event's name and first detail stand for.
EVENTS = {
    "start": ("run.started", None, {"engine": "e", "resumed": False}),
    "pause": ("run.paused", None, {}),
    "unpause": ("run.unpaused", None, {}),
    "reopen run": ("run.reopened", None, {"by": "me"}),
    **{f"run {end}": ("run.settled", None, {"status": end})
       for end in ("succeeded", "failed", "canceled", "quarantined")},
    "wait": ("step.waiting", "a", {"for": "locks"}),
    "try": ("attempt.starting", "a", {}),
    "runs": ("attempt.running", "a", {"pid": 1}),
    **{f"attempt {end}": ("attempt.settled", "a", {"status": end})
       for end in ("succeeded", "failed", "timed_out", "canceled", "lost")},
    **{end: ("step.settled", "a", {"status": end})
       for end in ("succeeded", "failed", "skipped", "canceled", "quarantined")},
    "reopen": ("step.reopened", "a", {"reason": "again"}),
}  # fmt: skip


def applied(words: str) -> RunState:
    state = RunState("r", Plan(plan_id="p", steps=(Step(id="a", run="x"),)))
    for word in words.split(", "):
        apply(state, word)
    return state


def apply(state: RunState, word: str) -> None:
    type_, step, data = EVENTS[word]
    attempt = state["a"].number + (word == "try") if type_.startswith("attempt") else None
    state.apply(Event("r", state.sequence + 1, type_, 1.0, step, attempt, data))


TRIED = "start, try, runs"


@pytest.mark.parametrize(
    ("before", "allowed"),
    [
        ("start", {"pause", "wait", "try"}),
        ("start, wait", {"wait", "try"}),
        ("start, pause", {"unpause", "wait", "try"}),
        ("start, try", {"runs"}),
        (TRIED, {"pause"}),
        (f"{TRIED}, attempt failed", {"wait", "try"}),
        (f"{TRIED}, attempt timed_out, wait", {"try"}),
        (f"{TRIED}, attempt lost, quarantined", {"reopen", "canceled", "run quarantined"}),
        (f"{TRIED}, attempt lost, quarantined, run quarantined", {"start", "run canceled"}),
        (f"{TRIED}, attempt succeeded, succeeded, run succeeded", {"reopen run"}),
    ],
)
def test_what_may_follow(before, allowed):
    for word in allowed:
        apply(applied(before), word)


OVER = "run succeeded, run failed, run canceled, run quarantined"


@pytest.mark.parametrize(
    ("before", "refused"),
    [
        ("start", "reopen run, reopen, runs, attempt succeeded"),
        ("start, try", "try"),
        (f"{TRIED}, attempt failed", "runs, attempt succeeded, attempt failed, attempt lost"),
        (f"{TRIED}, attempt lost, quarantined", "try, runs, wait, quarantined"),
        *(
            (f"{TRIED}, attempt {end}, {end}, run {end}", f"{OVER}, start, pause, unpause")
            for end in ("succeeded", "failed", "canceled")
        ),
        *(
            (f"start, {end}", "wait, try, runs, succeeded, failed, skipped, canceled, quarantined")
            for end in ("succeeded", "failed", "skipped", "canceled")
        ),
        ("start, skipped", "reopen, attempt succeeded"),
    ],
)
def test_what_may_not_follow_is_refused(before, refused):
    for word in refused.split(", "):
        state = applied(before)
        stood = (state.status, state.sequence)
        with pytest.raises(IllegalTransition):
            apply(state, word)
        assert (state.status, state.sequence) == stood
