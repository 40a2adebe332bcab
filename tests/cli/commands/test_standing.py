"""A run's standing: the same word in `list` and `show`, with the command to go on with."""

from __future__ import annotations

import json
import signal

import pytest

APPROVAL = {"type": "approval", "prompt": "ship\n it\u202e?"}


def told(stoker, word: str, hint: str, run_id: str) -> None:
    """`list` and `show` say so."""
    (row,) = [line for line in stoker("list").stdout.splitlines() if line.startswith(run_id)]
    assert row.split()[1] == word
    assert row.endswith(hint)
    shown = stoker("show", run_id.strip()).stdout
    assert shown.startswith(f"run {run_id.strip()} {word}")
    assert hint in shown


def test_one_that_waits_for_approval(stoker) -> None:
    run_id = stoker.run_id
    stoker("run", stoker.plan({"id": "a", "step_def": APPROVAL}), "--run-id", run_id, status=3)
    told(stoker, "waiting", f"ship\\n it\\u202e?: stoker approve {run_id} a", run_id)


def test_one_whose_nested_run_waits_for_approval(stoker) -> None:
    run_id = stoker.run_id
    inner = {"plan_id": "inner", "steps": [{"id": "ship", "step_def": APPROVAL}]}
    (stoker.path / "inner.json").write_text(json.dumps(inner))
    middle = {"id": "in", "step_def": {"type": "plan", "path": "inner.json"}}
    (stoker.path / "middle.json").write_text(json.dumps({"plan_id": "middle", "steps": [middle]}))
    plan = stoker.plan({"id": "sub", "step_def": {"type": "plan", "path": "middle.json"}})
    outer, nested = f"{run_id}.sub.1", f"{run_id}.sub.1.in.1"
    approve = f"stoker approve {run_id} sub"
    done = stoker("run", plan, "--run-id", run_id, status=3).stdout
    assert approve in done
    assert "release" not in done
    for one, hint in ((run_id, approve), (outer, f"stoker approve {outer} in")):
        (row,) = [li for li in stoker("list").stdout.splitlines() if li.split()[0] == one]
        assert row.split()[1] == "waiting"
        assert hint in row
    shown = stoker("show", run_id).stdout
    assert shown.startswith(f"run {run_id} waiting\n")
    assert f"reason: approval of ship in run {nested}\n" in shown
    assert f"run {outer} waits for approval of ship in run {nested}\n" in shown
    assert shown.endswith(f"{approve}\n")
    assert stoker.show(run_id)["activity"] == "parked"
    said = stoker("approve", nested, "ship").stderr
    assert f"go on with the run it is part of: stoker resume {outer}" in said
    told(stoker, "suspended", f"stoker resume {run_id}", f"{run_id} ")
    assert f"{run_id} succeeded" in stoker("resume", run_id).stdout


def test_what_a_step_asks_is_answered_by_the_step_it_is_nested_in(stoker) -> None:
    run_id = stoker.run_id
    steps = [{"id": "ship", "step_def": APPROVAL}, {"id": "sell", "step_def": APPROVAL}]
    (stoker.path / "inner.json").write_text(json.dumps({"plan_id": "inner", "steps": steps}))
    plan = stoker.plan({"id": "sub", "step_def": {"type": "plan", "path": "inner.json"}})
    stoker("run", plan, "--run-id", run_id, status=3)
    refused = stoker("approve", run_id, "sub", status=2).stderr
    assert f"waiting are ship in run {run_id}.sub.1, sell in run {run_id}.sub.1" in refused
    stoker("approve", f"{run_id}.sub.1", "sell", status=3)
    assert f"run {run_id} succeeded" in stoker("approve", run_id, "sub").stdout


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
