"""What a server leaves when it ends or is killed, and what the next one does with it."""

from __future__ import annotations

import asyncio
import errno
import json
import signal

import pytest
from serving import Server, begin, events, outcome, problem, wait_for

from stoker.engine.engine import Engine
from stoker.engine.options import RunOptions
from stoker.journal.base import JournalError, JournalTooNew
from stoker.journal.open import open_journal
from stoker.plan import loader
from stoker.server import service
from stoker.server.settings import Settings
from stoker.server.tokens import Tokens
from stoker.steps.registry import kinds
from stoker.tasks.service import opened

HOLD = (
    "echo started >> {0}.starts; touch {0}.ready; "
    "until test -e {0}.go; do sleep 0.02; done; echo done"
)


def until(client, run_id, found):
    """Read the run's events until one is as `found` says."""
    with client.stream(
        "GET", f"/v1/runs/{run_id}/events", headers={"Accept": "text/event-stream"}
    ) as answer:
        for line in answer.iter_lines():
            if line.startswith("data: ") and found(event := json.loads(line[6:])):
                return event
    raise AssertionError("it never happened")


def resumed(event):
    return event["type"] == "run.started" and event["data"]["resumed"]


def test_a_killed_server_goes_on_with_its_runs_and_their_processes(serve, tmp_path):
    server = serve()
    with server.client() as client:
        adopted = begin(
            client,
            {"id": "a", "run": HOLD.format("adopt"), "on_interrupt": "adopt"},
            {"id": "b", "run": "echo b", "depends_on": ["a"]},
        )
        again = begin(client, {"id": "a", "run": HOLD.format("again"), "on_interrupt": "rerun"})
        asking = begin(client, {"id": "ask", "step_def": {"type": "approval", "prompt": "go?"}})
        lost = begin(client, {"id": "a", "run": HOLD.format("lost"), "on_interrupt": "quarantine"})
        for name in ("adopt", "again", "lost"):
            wait_for(tmp_path / f"{name}.ready")
        events(client, asking, until="approval.requested")
        before = {run: client.get(f"/v1/runs/{run}/events").json()["events"] for run in (adopted,)}
    server.kill()
    (tmp_path / "again.ready").unlink()
    server.start()
    with server.client() as client:
        for run_id in (adopted, again, asking, lost):
            until(client, run_id, resumed)
        wait_for(tmp_path / "again.ready")
        for name in ("adopt", "again"):
            (tmp_path / f"{name}.go").touch()
        assert outcome(client, adopted) == outcome(client, again) == "succeeded"
        history = client.get(f"/v1/runs/{adopted}/events").json()["events"]
        assert history[: len(before[adopted])] == before[adopted]
        assert [event["sequence"] for event in history] == list(range(1, len(history) + 1))
        assert (tmp_path / "adopt.starts").read_text() == "started\n"
        assert (tmp_path / "again.starts").read_text() == "started\n" * 2
        log = client.get(f"/v1/runs/{adopted}/steps/a/attempts/1/logs/stdout")
        assert log.text == "done\n"
        path = f"/v1/runs/{asking}/steps/ask/approve"
        assert client.post(path).json()["status"] == "done"
        assert outcome(client, asking) == "succeeded"
        until(client, lost, lambda event: event["type"] == "run.settled")
        assert client.get(f"/v1/runs/{lost}").json()["status"] == "quarantined"
        path = f"/v1/runs/{lost}/steps/a/resolve"
        assert client.post(path, json={"outcome": "succeeded"}).json()["status"] == "done"
        assert outcome(client, lost) == "succeeded"


def test_a_request_with_a_key_may_be_sent_again_after_a_kill(serve, tmp_path):
    server = serve()
    body = {"plan": {"plan_id": "p", "steps": [{"id": "a", "run": "echo x >> once"}]}}
    headers = {"Idempotency-Key": "k"}
    with server.client() as client:
        first = client.post("/v1/runs", json=body, headers=headers)
    server.kill()
    server.start()
    with server.client() as client:
        second = client.post("/v1/runs", json=body, headers=headers)
        assert (first.status_code, second.status_code) == (201, 200)
        run_id = second.json()["run_id"]
        assert run_id == first.json()["run_id"]
        assert outcome(client, run_id) == "succeeded"
        assert len(client.get("/v1/runs").json()["runs"]) == 1


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_server_that_is_stopped_suspends_its_runs_and_keeps_keepers(serve, tmp_path, number):
    server = serve()
    with server.client() as client:
        run_id = begin(client, {"id": "a", "run": HOLD.format("stop"), "on_interrupt": "adopt"})
        wait_for(tmp_path / "stop.ready")
        server.process.send_signal(number)
        assert server.process.wait(20) == 0
    shown = json.loads(server.stoker("show", run_id, "--json").stdout)
    assert (shown["status"], shown["activity"]) == ("running", "interrupted")
    (tmp_path / "stop.go").touch()
    server.start()
    with server.client() as client:
        assert outcome(client, run_id) == "succeeded"
    assert (tmp_path / "stop.starts").read_text() == "started\n"


def test_a_run_that_needs_its_secret_again_waits_for_it(serve, tmp_path):
    server = serve()
    plan = {"inputs": {"token": {"secret": True, "required": True}}}
    step = {"id": "ask", "step_def": {"type": "approval", "prompt": "go?"}}
    last = {
        "id": "b",
        "run": 'test "$T" = hunter2',
        "env": {"T": "${{ inputs.token }}"},
        "depends_on": ["ask"],
    }
    with server.client() as client:
        run_id = begin(client, step, last, plan=plan, inputs={"token": "hunter2"})
        events(client, run_id, until="approval.requested")
    server.kill()
    server.start()
    with server.client() as client:
        path = f"/v1/runs/{run_id}"
        problem(client.post(f"{path}/resume"), 422, "invalid-plan")
        told = problem(client.post(f"{path}/steps/ask/approve"), 422, "invalid-plan")
        assert told["errors"][0]["pointer"] == "/inputs/token"
        again = {"inputs": {"token": "hunter2"}}
        assert client.post(f"{path}/steps/ask/approve", json=again).json()["status"] == "done"
        assert outcome(client, run_id) == "succeeded"


def test_two_servers_on_one_journal_leave_each_other_their_runs(serve, tmp_path):
    first = serve()
    with first.client() as one:
        run_id = begin(one, {"id": "ask", "step_def": {"type": "approval", "prompt": "go?"}})
        events(one, run_id, until="approval.requested")
        second = serve()
        with second.client() as two:
            # It has looked at what to take up before it answered to this.
            engine = two.get(f"/v1/runs/{run_id}").json()["engine"]
            assert engine == {"pid": first.process.pid, "alive": True}
            problem(two.post(f"/v1/runs/{run_id}/resume"), 409, "run-busy")
            answer = two.post(f"/v1/runs/{run_id}/steps/ask/approve")
            assert answer.json()["status"] == "done"
            assert outcome(two, run_id) == "succeeded"
            assert events(one, run_id) == events(two, run_id)


def test_a_run_that_the_command_line_drives_is_not_taken_up(serve, tmp_path):
    (tmp_path / "p.yaml").write_text(
        "plan_id: p\nsteps:\n- id: ask\n  step_def: {type: approval, prompt: go?}\n"
    )
    Server(tmp_path).stoker("run", "p.yaml", "--run-id", "parked", "-q")
    server = serve()
    with server.client() as client:
        assert client.get("/v1/runs/parked").json()["activity"] == "parked"
        assert client.get("/v1/stats").json()["driven"] == 0
        assert client.post("/v1/runs/parked/resume").status_code == 200
        assert client.get("/v1/stats").json()["driven"] == 1


def test_on_postgresql_a_killed_server_goes_on_seen_by_another(serve, tmp_path, postgres_url):
    server = serve("--db", postgres_url)
    step = {"id": "a", "run": HOLD.format("pg"), "on_interrupt": "adopt"}
    with server.client() as client:
        run_id = begin(client, step)
        wait_for(tmp_path / "pg.ready")
    server.kill()
    server.start()
    other = serve("--db", postgres_url)
    with server.client() as one, other.client() as two:
        until(one, run_id, resumed)
        assert two.get("/v1/stats").json()["driven"] == 0
        (tmp_path / "pg.go").touch()
        assert events(two, run_id) == events(one, run_id)
        assert outcome(two, run_id) == "succeeded"
        assert two.get("/v1/runs", params={"limit": 1}).json()["next_cursor"] is None
        assert "hunter2" not in one.get("/v1/runs/nope").text + server.log


FULL = OSError(errno.ENOSPC, "No space left on device")


@pytest.mark.parametrize(
    ("failing", "errors", "taken_up"),
    [
        ("runs", [JournalError("gone"), JournalError("gone")], True),
        ("acquire", [JournalError("gone"), FULL], True),
        ("acquire", [JournalTooNew("of a newer one")], False),
    ],
)
def test_a_server_whose_journal_fails_for_a_moment_takes_up_its_runs_later(
    failing, errors, taken_up, tmp_path, monkeypatch
):
    monkeypatch.setattr(service, "_AGAIN_SEC", 0.0)
    plan = loader.loads(
        json.dumps({"plan_id": "p", "steps": [{"id": "a", "step_def": {"type": "approval"}}]}),
        kinds=kinds(),
        name="",
    ).plan

    async def scenario():
        journal = await open_journal(tmp_path / "journal.db")
        settings = Settings(directory=tmp_path, roots=(tmp_path,))
        async with Engine(journal, tmp_path, kinds()) as engine:
            options = RunOptions(cwd=str(tmp_path), served=str(tmp_path))
            run_id = (await engine.start(plan, options=options, park=False)).run_id
        works = getattr(journal, failing)

        async def fails(*args, **options):
            if errors:
                raise errors.pop(0)
            return await works(*args, **options)

        async with Engine(journal, tmp_path, kinds()) as engine, opened(engine) as tasks:
            mine = service.Service(settings, journal, engine, Tokens(tmp_path), tasks)
            monkeypatch.setattr(journal, failing, fails)
            await asyncio.wait_for(mine.take_up(), 30)
            assert not errors
            assert (engine.handle(run_id) is not None) == taken_up
        await journal.close()

    asyncio.run(scenario())
