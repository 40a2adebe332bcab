"""A run in one process, asked and watched from others."""

from __future__ import annotations

import json
import os

from stoker.process.tree import marked


def test_a_live_run_is_asked_and_followed(stoker):
    approval = {"type": "approval", "prompt": "ship it?"}
    stoker.plan(
        stoker.gate("build"),
        {"id": "ship", "step_def": approval, "depends_on": ["build"]},
        {"id": "tell", "run": "echo told; echo aside >&2", "depends_on": ["ship"]},
    )
    running = stoker.start("run", "plan.json", "--run-id", "live", "--wait")
    held = stoker.knock("build")
    events = stoker.start("events", "live", "-f", "--jsonl")
    logs = stoker.start("logs", "live", "-f")
    tail = stoker.start("logs", "live", "build", "-f", "--stdout")
    document = stoker.show("live")
    assert (document["status"], document["activity"]) == ("running", "live")
    assert document["engine"] == {"pid": running.pid, "alive": True}

    assert "is paused" in stoker("pause", "live").stderr
    assert "is paused" in stoker("pause", "live", "--reason", "twice").stderr  # changes nothing
    assert "paused" in stoker("list", "--status", "paused").stdout
    assert "goes on" in stoker("unpause", "live").stderr

    (stoker.path / "bad.yaml").write_text("- id: more\n  run: 'true'\n  depends_on: [bild]\n")
    refused = stoker("extend", "live", "bad.yaml", status=2).stderr
    assert "bad.yaml:3:16" in refused
    assert "build" in refused
    more = "- id: more\n  run: echo more\n  depends_on: [build]\n"
    assert "added 1 step" in stoker("extend", "live", "-", stdin=more).stderr
    assert "not waiting" in stoker("approve", "live", "ship", status=2).stderr

    stoker.open_gate("build", "built")
    os.close(held)
    seen = []
    while not seen or seen[-1]["type"] != "approval.requested":
        seen.append(json.loads(events.stdout.readline()))
    assert "waiting are ship" in stoker("approve", "live", "tell", status=2).stderr
    assert "did you mean 'ship'" in stoker("approve", "live", "shipp", status=2).stderr
    assert "approved 'ship'" in stoker("approve", "live", "ship", "--comment", "yes").stderr

    out, error = running.communicate(timeout=60)
    assert running.returncode == 0, error
    seen += map(json.loads, events.communicate(timeout=60)[0].splitlines())
    assert [event["sequence"] for event in seen] == list(range(1, len(seen) + 1))
    assert seen[-1]["type"] == "run.settled"
    decided = next(event for event in seen if event["type"] == "approval.decided")
    assert decided["data"]["comment"] == "yes"
    later = stoker("events", "live", "--jsonl", "--after", "5").stdout.splitlines()
    assert [json.loads(line) for line in later] == seen[5:]
    out, error = logs.communicate(timeout=60)
    assert {"build | built", "tell | told", "more | more"} <= set(out.splitlines())
    assert "tell | aside" in error
    assert tail.communicate(timeout=60)[0] == "built\n"
    assert stoker.show("live")["activity"] == "over"
    assert "is over: it succeeded" in stoker("cancel", "live", status=2).stderr


def test_a_live_run_is_canceled(stoker):
    stoker.plan(stoker.gate("build"), {"id": "after", "run": "true", "depends_on": ["build"]})
    running = stoker.start("run", "plan.json", "--run-id", "live")
    held = stoker.knock("build")
    follower = stoker.start("logs", "live", "build", "-f")
    assert "being canceled" in stoker("cancel", "live", "--reason", "wrong branch").stderr
    running.communicate(timeout=60)
    assert running.returncode == 130
    follower.communicate(timeout=60)
    assert follower.returncode == 0
    document = stoker.show("live")
    assert (document["status"], document["reason"]) == ("canceled", "wrong branch")
    assert stoker.statuses("live") == {"build": "canceled", "after": "canceled"}
    os.close(held)


def test_a_follower_sees_all_attempts_of_a_step(stoker):
    flag = stoker.path / "again"
    stoker.plan(
        stoker.gate("first"),
        {
            "id": "flaky",
            "run": f"echo try; test -e {flag} || {{ touch {flag}; exit 1; }}",
            "retries": 1,
            "depends_on": ["first"],
        },
    )
    running = stoker.start("run", "plan.json", "--run-id", "live")
    held = stoker.knock("first")
    follower = stoker.start("logs", "live", "flaky", "-f")
    assert "not started (pending)" in stoker("logs", "live", "flaky").stderr
    stoker.open_gate("first", "go")
    os.close(held)
    assert running.wait(60) == 0
    assert follower.communicate(timeout=60)[0] == "try\ntry\n"
    assert stoker("logs", "live", "flaky", "--attempt", "1").stdout == "try\n"
    assert "has 2 attempts" in stoker("logs", "live", "flaky", "--attempt", "3").stderr


def test_a_run_whose_engine_was_killed(stoker):
    plan = stoker.plan(
        stoker.gate("build"),
        {"id": "after", "run": "true", "depends_on": ["build"]},
        inputs={"token": {"secret": True, "required": True}},
    )
    running = stoker.start("run", plan, "--run-id", "dead", STOKER_INPUT_TOKEN="s3cr3t")
    held = stoker.knock("build")
    stoker.kill(running)
    assert "stoker resume dead" in stoker("list").stdout
    assert stoker.show("dead")["activity"] == "interrupted"
    shown = stoker("show", "dead").stdout
    assert "run dead interrupted" in shown
    assert "stoker resume dead" in shown
    assert "will pause when it is resumed" in stoker("pause", "dead").stderr
    more = '[{"id": "more", "run": "true"}]'
    assert "1 step will be added" in stoker("extend", "dead", "-", stdin=more).stderr
    assert list(marked("dead/"))
    assert stoker("cancel", "dead").stdout.startswith("run dead canceled")
    assert not list(marked("dead/"))
    assert set(stoker.statuses("dead").values()) == {"canceled"}
    os.close(held)
