"""Runs that nobody drives: answers go on with them."""

from __future__ import annotations

import json

APPROVAL = {"type": "approval", "prompt": "ship \u001b[31mit?"}


def parked(stoker, run_id, **fields):
    """A run that waits for the approval of `ship`."""
    plan = stoker.plan(
        {"id": "build", "run": "echo built"},
        {"id": "ship", "step_def": APPROVAL, "depends_on": ["build"]},
        {"id": "tell", "run": "echo $SECRET", "depends_on": ["ship"]},
        **fields,
    )
    stoker("run", plan, "--run-id", run_id, status=3)


def test_an_approval_goes_on_with_the_run(stoker):
    run_id = stoker.run_id
    parked(stoker, run_id)
    shown = stoker("show", run_id[:-3]).stdout
    assert f"run {run_id} waiting" in shown
    assert (
        f"ship it?: stoker approve {run_id} ship" in shown
    )  # and nothing that commands a terminal
    (ship,) = [step for step in stoker.show()["steps"] if step["approval"]]
    assert (ship["id"], ship["reason"]) == ("ship", "approval")
    assert (
        "not waiting for approval (it is succeeded)"
        in stoker("approve", "last", "build", status=2).stderr
    )
    left = stoker("approve", "last", "ship", "--comment", "fine", "--no-resume").stderr
    assert "waits for its next resume" in left
    assert stoker.statuses()["ship"] == "waiting"
    assert f"{run_id} succeeded" in stoker("resume", "last").stdout
    assert set(stoker.statuses().values()) == {"succeeded"}

    parked(stoker, f"2-{run_id}")
    done = stoker("approve", "2-", "ship", "--comment", "fine", "--json")
    events = list(map(json.loads, done.stdout.splitlines()))
    assert events[-1]["data"]["status"] == "succeeded"
    decided = next(event for event in events if event["type"] == "approval.decided")
    assert decided["data"]["comment"] == "fine"
    assert decided["data"]["by"]


def test_a_rejection_fails_the_run(stoker):
    parked(stoker, stoker.run_id)
    assert (
        "not the day" in stoker("reject", "-", "ship", "--comment", "not the day", status=1).stdout
    )
    assert stoker.statuses() == {"build": "succeeded", "ship": "failed", "tell": "skipped"}


def test_secret_inputs_are_asked_for_before_the_answer_counts(stoker):
    fields = {
        "inputs": {"key": {"secret": True, "required": True}},
        "globals": {"env": {"SECRET": "${{ inputs.key }}"}},
    }
    plan = stoker.plan(
        {"id": "ship", "step_def": APPROVAL},
        {"id": "tell", "run": "echo $SECRET", "depends_on": ["ship"]},
        **fields,
    )
    stoker("run", plan, status=3, STOKER_INPUT_KEY="hunter22")
    assert (
        "secret inputs are not kept; give $STOKER_INPUT_KEY"
        in stoker("approve", "last", "ship", status=2).stderr
    )
    assert stoker.statuses()["ship"] == "waiting"
    stoker("approve", "last", "ship", STOKER_INPUT_KEY="hunter22")
    assert "hunter22" not in stoker("logs", "last", "tell").stdout


def test_a_paused_run_goes_on_when_told(stoker):
    run_id = stoker.run_id
    stoker.plan(stoker.gate("build"), {"id": "after", "run": "true", "depends_on": ["build"]})
    running = stoker.start("run", "plan.json", "--run-id", run_id)
    stoker.knock("build")
    stoker("pause", run_id, "--reason", "lunch")
    stoker.open_gate("build", "go")
    assert running.wait(60) == 3
    assert stoker.show()["status"] == "paused"
    assert f"{run_id} succeeded" in stoker("unpause", run_id).stdout


def test_a_person_settles_a_quarantined_step(stoker):
    run_id = stoker.run_id
    stoker.plan(
        {**stoker.gate("pay"), "effects": "once"},
        {"id": "after", "run": "true", "depends_on": ["pay"]},
    )
    running = stoker.start("run", "plan.json", "--run-id", run_id)
    stoker.knock("pay")
    stoker.kill(running)
    assert (
        "not quarantined (it is running)"
        in stoker("resolve", run_id, "pay", "succeeded", status=2).stderr
    )
    assert f"stoker resolve {run_id} pay" in stoker("resume", run_id, status=3).stdout
    assert f"stoker resolve {run_id} pay rerun" in stoker("show", run_id).stdout
    stoker("resolve", run_id, "pay", "succeeded", "--comment", "the money is there")
    assert stoker.statuses() == {"pay": "succeeded", "after": "succeeded"}


def test_what_there_is_of_a_resource_is_remembered(stoker):
    run_id = stoker.run_id
    stoker.plan(
        {"id": "ask", "run": "true", "approval": {"prompt": "Now?"}},
        {"id": "ask-again", "run": "true", "approval": {}, "depends_on": ["ask"]},
        {"id": "train", "run": "false", "resources": {"gpu": 2}, "depends_on": ["ask-again"]},
    )
    stoker("run", "plan.json", "--run-id", run_id, "--resource", "gpu=2", status=3)
    stoker("approve", run_id, "ask", status=3)
    stoker("approve", run_id, "ask-again", "--no-resume")
    resumed = stoker("resume", run_id, status=1).stdout
    assert "train failed" in resumed
    assert "exit code 1" in resumed
    again = stoker("rerun", run_id, "--failed", "--resource", "gpu=1", status=1).stdout
    assert "needs 2 of resource 'gpu', but there is only 1" in again
    again = stoker("rerun", run_id, "--failed", "--run-id", f"{run_id}-2", status=1).stdout
    assert "exit code 1" in again


def test_a_manual_run_advances_batch_by_batch(stoker):
    run_id = stoker.run_id
    stoker.plan(
        {"id": "a", "name": "the first", "run": "true"},
        {"id": "b", "run": "true"},
        {"id": "c", "run": "true", "depends_on": ["a", "b"]},
    )
    stoker("run", "plan.json", "--manual", "--run-id", run_id, status=3)
    lines = [
        json.loads(line) for line in stoker("next", run_id, "--json", status=3).stdout.splitlines()
    ]
    receipts = [line for line in lines if "execution_id" in line]
    assert receipts == [
        {"step_id": "a", "execution_id": f"{run_id}/a/1", "name": "the first"},
        {"step_id": "b", "execution_id": f"{run_id}/b/1", "name": "b"},
    ]
    first_end = next(n for n, line in enumerate(lines) if line.get("type") == "attempt.settled")
    assert lines.index(receipts[-1]) < first_end
    assert stoker.statuses() == {"a": "succeeded", "b": "succeeded", "c": "pending"}
    assert f"released c as {run_id}/c/1" in stoker("next", run_id).stdout
    stoker("run", stoker.plan({"id": "a", "step_def": APPROVAL}), status=3)
    assert "--manual" in stoker("next", "last", status=2).stderr
