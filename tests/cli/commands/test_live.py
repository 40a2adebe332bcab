"""A run in one process, asked and watched from others."""

from __future__ import annotations

import json

import pytest

from stoker.engine.attempt import realm
from stoker.process.tree import marked


def test_a_live_run_is_asked_and_followed(stoker):
    run_id = stoker.run_id
    approval = {"type": "approval", "prompt": "ship it?"}
    stoker.plan(
        stoker.gate("build"),
        {"id": "ship", "step_def": approval, "depends_on": ["build"]},
        {"id": "tell", "run": "echo told; echo aside >&2", "depends_on": ["ship"]},
    )
    running = stoker.start("run", "plan.json", "--run-id", run_id, "--wait")
    stoker.knock("build")
    events = stoker.start("events", run_id, "-f", "--jsonl")
    logs = stoker.start("logs", run_id, "-f")
    tail = stoker.start("logs", run_id, "build", "-f", "--stdout")
    document = stoker.show(run_id)
    assert (document["status"], document["activity"]) == ("running", "live")
    assert document["engine"] == {"pid": running.pid, "alive": True}
    assert f"run {run_id} running for " in stoker("show", run_id).stdout

    assert "is paused" in stoker("pause", run_id).stderr
    assert "is paused" in stoker("pause", run_id, "--reason", "twice").stderr  # changes nothing
    assert "paused" in stoker("list", "--status", "paused").stdout
    assert "goes on" in stoker("unpause", run_id).stderr

    (stoker.path / "bad.yaml").write_text("- id: more\n  run: 'true'\n  depends_on: [bild]\n")
    refused = stoker("extend", run_id, "bad.yaml", status=2).stderr
    assert "bad.yaml:3:16" in refused
    assert "build" in refused
    more = "- id: more\n  run: echo more\n  depends_on: [build]\n"
    assert "added 1 step" in stoker("extend", run_id, "-", stdin=more).stderr
    assert "not waiting" in stoker("approve", run_id, "ship", status=2).stderr

    stoker.open_gate("build", "built")
    seen = []
    while not seen or seen[-1]["type"] != "approval.requested":
        seen.append(json.loads(events.stdout.readline()))
    assert "waiting are ship" in stoker("approve", run_id, "tell", status=2).stderr
    assert "did you mean 'ship'" in stoker("approve", run_id, "shipp", status=2).stderr
    assert "approved 'ship'" in stoker("approve", run_id, "ship", "--comment", "yes").stderr

    out, error = running.communicate(timeout=60)
    assert running.returncode == 0, error
    seen += map(json.loads, events.stdout)
    assert [event["sequence"] for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["type"] == "run.settled"
    decided = next(event for event in seen if event["type"] == "approval.decided")
    assert decided["data"]["comment"] == "yes"
    later = stoker("events", run_id, "--jsonl", "--after", "5").stdout.splitlines()
    assert [json.loads(line) for line in later] == seen[5:]
    out, error = logs.communicate(timeout=60)
    assert {"build | built", "tell | told", "more | more"} <= set(out.splitlines())
    assert "tell | aside" in error
    assert tail.communicate(timeout=60)[0] == "built\n"
    assert stoker.show(run_id)["activity"] == "over"
    assert "is over: it succeeded" in stoker("cancel", run_id, status=2).stderr


@pytest.mark.parametrize("database", ["sqlite", "postgres"])
def test_a_live_run_is_canceled(stoker, database, request):
    if database == "postgres":
        stoker.environment["STOKER_DB"] = request.getfixturevalue("postgres_url")
    run_id = stoker.run_id
    stoker.plan(stoker.gate("build"), {"id": "after", "run": "true", "depends_on": ["build"]})
    running = stoker.start("run", "plan.json", "--run-id", run_id)
    stoker.knock("build")
    follower = stoker.start("logs", run_id, "build", "-f")
    assert "being canceled" in stoker("cancel", run_id, "--reason", "wrong branch").stderr
    running.communicate(timeout=60)
    assert running.returncode == 130
    follower.communicate(timeout=60)
    assert follower.returncode == 0
    document = stoker.show(run_id)
    assert (document["status"], document["reason"]) == ("canceled", "wrong branch")
    assert stoker.statuses(run_id) == {"build": "canceled", "after": "canceled"}


def test_a_follower_sees_all_attempts_of_a_step(stoker):
    run_id = stoker.run_id
    flaky = stoker.gate("flaky")
    flaky["run"] = f"echo try; {flaky['run']}; test $word = pass"
    stoker.plan(
        stoker.gate("first"),
        {**flaky, "retries": 1, "depends_on": ["first"]},
    )
    running = stoker.start("run", "plan.json", "--run-id", run_id)
    stoker.knock("first")
    assert "not started (pending)" in stoker("logs", run_id, "flaky").stderr
    follower = stoker.start("logs", run_id, "flaky", "-f")
    stoker.open_gate("first", "go")
    stoker.knock("flaky")
    assert follower.stdout.readline() == "try\n"
    stoker.open_gate("flaky", "fail\npass")
    assert running.wait(60) == 0
    assert follower.stdout.read() == "fail\ntry\npass\n"
    assert stoker("logs", run_id, "flaky", "--attempt", "1").stdout == "try\nfail\n"
    assert "has 2 attempts" in stoker("logs", run_id, "flaky", "--attempt", "3", status=2).stderr
    assert "no step of" in stoker("logs", run_id, "--attempt", "3", status=2).stderr


def test_a_run_whose_engine_was_killed(stoker):
    run_id = stoker.run_id
    plan = stoker.plan(
        stoker.gate("build"),
        {"id": "after", "run": "true", "depends_on": ["build"]},
        inputs={"token": {"secret": True, "required": True}},
    )
    running = stoker.start("run", plan, "--run-id", run_id, STOKER_INPUT_TOKEN="s3cr3t")
    stoker.knock("build")
    stoker.kill(running)
    assert f"stoker resume {run_id}" in stoker("list").stdout
    assert stoker.show(run_id)["activity"] == "interrupted"
    shown = stoker("show", run_id).stdout
    assert f"run {run_id} interrupted" in shown
    assert f"stoker resume {run_id}" in shown
    assert "will pause when it is resumed" in stoker("pause", run_id).stderr
    more = '[{"id": "more", "run": "true"}]'
    assert "1 step will be added" in stoker("extend", run_id, "-", stdin=more).stderr
    assert list(marked(f"{realm(stoker.path / '.stoker')}/{run_id}/"))
    assert stoker("cancel", run_id).stdout.startswith(f"run {run_id} canceled")
    assert not list(marked(f"{realm(stoker.path / '.stoker')}/{run_id}/"))
    assert set(stoker.statuses(run_id).values()) == {"canceled"}


def test_a_reader_that_has_seen_enough_is_no_error(stoker):
    wait = stoker.gate("talk")["run"]
    stoker.plan({"id": "talk", "run": f"yes | head -c 1000000; {wait}"})
    running = stoker.start("run", "plan.json", "--run-id", stoker.run_id, "-q")
    stoker.knock("talk")
    for words in (("logs", stoker.run_id, "-f"), ("logs", stoker.run_id, "talk")):
        process = stoker.start(*words)
        process.stdout.readline()
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait(60) == 141
    stoker.open_gate("talk", "enough")
    assert running.wait(60) == 0
