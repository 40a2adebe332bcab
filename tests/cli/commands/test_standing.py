"""A run's standing: the same word in `list` and `show`, with the command to go on with."""

from __future__ import annotations

import signal

import pytest

APPROVAL = {"type": "approval", "prompt": "ship\n it\u202e?"}


def told(stoker, word: str, hint: str, run_id: str) -> None:
    """`list` and `show` say so."""
    (row,) = [line for line in stoker("list").stdout.splitlines() if line.startswith(run_id)]
    assert row.split()[1] == word
    assert row.endswith(hint)
    shown = stoker("show", run_id).stdout
    assert shown.startswith(f"run {run_id} {word}")
    assert hint in shown


def test_one_that_waits_for_approval(stoker) -> None:
    run_id = stoker.run_id
    stoker("run", stoker.plan({"id": "a", "step_def": APPROVAL}), "--run-id", run_id, status=3)
    told(stoker, "waiting", f"ship\\n it\\u202e?: stoker approve {run_id} a", run_id)


def test_a_manual_one(stoker) -> None:
    run_id = stoker.run_id
    plan = stoker.plan({"id": "a", "run": "true"})
    stoker("run", plan, "--manual", "--run-id", run_id, status=3)
    told(stoker, "waiting", f"stoker next {run_id}", run_id)


@pytest.mark.parametrize(
    ("number", "word"), [(signal.SIGTERM, "suspended"), (signal.SIGKILL, "interrupted")]
)
def test_one_whose_engine_was_stopped(stoker, number: int, word: str) -> None:
    run_id = stoker.run_id
    stoker.plan(stoker.gate("a"))
    running = stoker.start("run", "plan.json", "--run-id", run_id)
    stoker.knock("a")
    running.send_signal(number)
    running.wait(60)
    told(stoker, word, f"stoker resume {run_id}", run_id)
    stoker("cancel", run_id)


@pytest.mark.parametrize(("kill", "word"), [(False, "paused"), (True, "interrupted")])
def test_a_paused_one_goes_on_when_it_is_unpaused(stoker, kill: bool, word: str) -> None:
    run_id = stoker.run_id
    stoker.plan(
        {**stoker.gate("a"), "on_interrupt": "adopt"},
        {"id": "b", "run": "true", "depends_on": ["a"]},
    )
    running = stoker.start("run", "plan.json", "--run-id", run_id)
    stoker.knock("a")
    stoker("pause", run_id)
    assert f"stoker unpause {run_id}" in stoker("show", run_id).stdout
    if kill:
        stoker.kill(running)
        stoker.open_gate("a", "go")
    else:
        stoker.open_gate("a", "go")
        assert running.wait(60) == 3
    told(stoker, word, f"stoker unpause {run_id}", run_id)
    assert f"stoker unpause {run_id}" in stoker("resume", run_id, status=3).stdout
    told(stoker, "paused", f"stoker unpause {run_id}", run_id)
    assert "next resume" in stoker("unpause", run_id, "--no-resume").stderr
    assert f"{run_id} succeeded" in stoker("resume", run_id).stdout


def test_one_that_was_being_canceled(stoker) -> None:
    run_id = stoker.run_id
    gate = stoker.gate("a")
    stoker.plan({**gate, "run": f"trap '' TERM; {gate['run']}; sleep 60"})
    running = stoker.start("run", "plan.json", "--run-id", run_id)
    stoker.knock("a")
    following = stoker.start("events", run_id, "--follow", "--jsonl")
    running.send_signal(signal.SIGINT)
    assert any("run.canceling" in line for line in following.stdout)
    running.send_signal(signal.SIGINT)
    assert running.wait(60) == 130
    told(stoker, "interrupted", f"being canceled; this finishes it: stoker cancel {run_id}", run_id)
    stoker("cancel", run_id)
    following.communicate(timeout=60)
    assert stoker.show(run_id)["status"] == "canceled"
