"""Foreach, locks, resources, approvals, manual advance, extension, circuits, nesting."""

import asyncio
import json
import os
from pathlib import Path

import msgspec
import pytest

from stoker.engine.commands import CommandRefused
from stoker.plan.errors import PlanError
from stoker.plan.model import Plan


def overlaps(run, steps):
    """The most steps of `steps` that were running at once, by the journal."""
    busy, most = set(), 0
    for event in run.events:
        if event.step in steps:
            if event.type == "attempt.starting":
                busy.add(event.step)
            elif event.type == "attempt.settled":
                busy.discard(event.step)
        most = max(most, len(busy))
    return most


def test_foreach_over_a_list_and_its_outputs(execute):
    run = execute(
        [
            {
                "id": "each",
                "run": "echo n=${{ item }} > $STOKER_OUTPUT",
                "foreach": ["a", "b", "c"],
                "provides": ["n"],
            },
            {"id": "all", "run": "echo $STOKER_INPUT_N", "consumes": ["n"]},
        ]
    )
    assert run.outcome.status == "succeeded"
    assert run.statuses["each[b]"] == "succeeded"
    assert json.loads(run.stdout("all")) == ["a", "b", "c"]


def test_foreach_over_what_another_step_found(execute):
    run = execute(
        [
            {
                "id": "find",
                "run": """echo '{"files": ["x", "y"]}' > $STOKER_OUTPUT""",
                "provides": ["files"],
            },
            {
                "id": "each",
                "run": "echo ${{ item }}",
                "foreach": "prev.find.outputs.files",
                "depends_on": ["find"],
            },
            {"id": "end", "command": "true", "depends_on": ["each"]},
        ]
    )
    assert run.outcome.status == "succeeded"
    assert run.stdout("each[y]") == "y\n"


def test_matrix_and_a_failing_child(execute):
    run = execute(
        [
            {
                "id": "t",
                "run": "test ${{ matrix.os }}${{ matrix.v }} != b2",
                "matrix": {"os": ["a", "b"], "v": [1, 2]},
                "on_failure": "skip_dependents",
            },
            {"id": "end", "command": "true", "depends_on": ["t"]},
        ]
    )
    assert run.outcome.status == "failed"
    assert run.statuses["t[os=b,v=2]"] == "failed"
    assert run.statuses["t[os=a,v=2]"] == "succeeded"
    assert run.reasons["t"] == "1 of 4 failed: t[os=b,v=2]"
    assert run.statuses["end"] == "skipped"


def test_a_foreach_calls_its_fallback_once(execute):
    run = execute(
        [
            {
                "id": "each",
                "command": "false",
                "foreach": [1, 2],
                "on_failure": "fallback_step",
                "fallback_step": "b",
            },
            {"id": "b", "command": "true"},
            {"id": "end", "command": "true", "depends_on": ["each"]},
        ]
    )
    assert run.outcome.status == "succeeded"
    assert run.statuses["end"] == "succeeded"
    assert run.types("b").count("attempt.starting") == 1


def test_a_foreach_that_failed_hands_on_what_its_children_made(execute):
    run = execute(
        [
            {
                "id": "each",
                "foreach": ["a", "b", "c"],
                "run": 'echo "made=${{ item }}" > "$STOKER_OUTPUT"; test ${{ item }} != b',
                "provides": ["made"],
                "on_failure": "continue",
                "critical": False,
            },
            {"id": "use", "run": 'printf %s "$STOKER_INPUT_MADE"', "consumes": ["made"]},
        ]
    )
    assert run.outcome.status == "succeeded"
    assert run.reasons["each"] == "1 of 3 failed: each[b]"
    assert run.outputs["each"] == {"made": ["a", None, "c"]}
    assert run.stdout("use") == '["a",null,"c"]'


def test_an_empty_foreach_succeeds(execute):
    run = execute([{"id": "each", "command": "false", "foreach": []}])
    assert run.outcome.status == "succeeded"


def test_concurrency_locks_and_resources_hold(execute):
    ids = [f"s{i}" for i in range(6)]
    plain = [{"id": name, "run": "sleep 0.02"} for name in ids]
    run = execute(plain, globals={"max_concurrency": 3})
    assert overlaps(run, ids) == 3
    run = execute([{**step, "locks": ["one"]} for step in plain], globals={"max_concurrency": 6})
    assert run.outcome.status == "succeeded"
    assert overlaps(run, ids) == 1
    run = execute(
        [{**step, "resources": {"gpu": 1}} for step in plain],
        globals={"max_concurrency": 6, "resources": {"gpu": 2}},
    )
    assert overlaps(run, ids) == 2


def test_a_small_demand_does_not_pass_a_large_one_that_came_before(execute, until, tmp_path):
    async def let_go(handle):
        await until(handle, "step.waiting", "small")
        await asyncio.to_thread((tmp_path / "gate").write_text, "go")

    os.mkfifo(tmp_path / "gate")
    run = execute(
        [
            {"id": "first", "run": "cat gate", "resources": {"gpu": 1}},
            {"id": "large", "command": "true", "resources": {"gpu": 2}},
            {"id": "small", "command": "true", "resources": {"gpu": 1}},
        ],
        let_go,
        globals={"max_concurrency": 3, "resources": {"gpu": 2}},
    )
    starts = [event.step for event in run.events if event.type == "attempt.starting"]
    assert starts == ["first", "large", "small"]


def test_an_engines_slots_are_shared_by_its_runs(execute):
    run = execute(
        [{"id": f"s{i}", "run": "sleep 0.02"} for i in range(4)], engine={"max_concurrency": 1}
    )
    assert overlaps(run, {f"s{i}" for i in range(4)}) == 1


def test_approval_by_a_person(execute, until):
    async def approve(handle):
        await until(handle, "approval.requested", "gate")
        with pytest.raises(CommandRefused, match="no step 'gat'"):
            await handle.approve("gat")
        await handle.approve("gate", "looks good", by="ada")

    run = execute(
        [
            {"id": "gate", "step_def": {"type": "approval", "prompt": "Ship it?"}},
            {"id": "ship", "command": "true", "depends_on": ["gate"]},
        ],
        approve,
        park=False,
    )
    assert run.outcome.status == "succeeded"
    (decided,) = [event for event in run.events if event.type == "approval.decided"]
    assert decided.data == {"decision": "approve", "comment": "looks good", "by": "ada"}


def test_rejection_fails_the_step_and_a_timeout_takes_the_default(execute, until):
    async def reject(handle):
        await until(handle, "approval.requested", "a")
        await handle.reject("a", "not today", by="ada")

    run = execute([{"id": "a", "command": "true", "approval": True}], reject, park=False)
    assert run.outcome.reason == "step 'a' failed: rejected by ada: not today"
    run = execute(
        [{"id": "a", "command": "true", "approval": {"timeout_sec": 0.05, "default": "approve"}}]
    )
    assert run.outcome.status == "succeeded"
    run = execute([{"id": "a", "command": "true", "approval": {"timeout_sec": 0.05}}])
    assert run.outcome.status == "failed"


def test_a_run_parks_when_only_a_person_can_help(execute):
    run = execute(
        [
            {"id": "a", "command": "true", "approval": True},
            {"id": "b", "command": "true"},
        ]
    )
    assert run.outcome.status == "waiting"
    assert run.outcome.reason == "a (approval)"
    assert run.statuses["b"] == "succeeded"


def test_manual_advance_runs_a_batch_at_a_time(execute, until, tmp_path):
    receipts = []
    os.mkfifo(tmp_path / "gate")

    async def advance(handle):
        receipts.append([r.step_id for r in await handle.next()])
        receipts.append(await handle.next())
        (tmp_path / "gate").write_text("go")
        await until(handle, "step.settled", "b")
        await until(handle, "step.settled", "a")
        receipts.append([r.execution_id for r in await handle.next()])

    run = execute(
        [
            {"id": "a", "run": "cat gate"},
            {"id": "b", "command": "true"},
            {"id": "c", "command": "true", "depends_on": ["a", "b"]},
        ],
        advance,
        options={"manual": True},
        park=False,
    )
    assert run.outcome.status == "succeeded"
    assert receipts[0] == ["a", "b"]
    assert receipts[1] == []
    assert receipts[2][0].endswith("/c/1")


def test_cancel_ends_a_tree_that_will_not_go(execute, tmp_path, alive):
    async def cancel(handle):
        async for event in handle.events():
            if event.type == "attempt.running":
                break
        pids.append(int(await asyncio.to_thread((tmp_path / "up").read_text)))
        await handle.cancel("enough")

    pids = []
    os.mkfifo(tmp_path / "up")
    run = execute(
        [
            {
                "id": "a",
                "command": "python3",
                "args": [
                    "-c",
                    "import os, signal, time\n"
                    "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
                    "if os.fork(): time.sleep(300)\n"
                    "os.setsid()\n"
                    "if os.fork(): os._exit(0)\n"
                    f"open('{tmp_path}/up', 'w').write(str(os.getpid()))\n"
                    "time.sleep(300)",
                ],
            },
            {"id": "b", "command": "true", "depends_on": ["a"]},
        ],
        cancel,
    )
    assert run.outcome.status == "canceled"
    assert run.statuses == {"a": "canceled", "b": "canceled"}
    assert not alive(pids[0])


def test_pause_starts_nothing_more(execute, until):
    async def pause(handle):
        await until(handle, "attempt.starting", "a")
        await handle.pause()
        await until(handle, "step.settled", "a")
        assert handle.state["b"].status == "pending"
        await handle.unpause()

    run = execute(
        [
            {"id": "a", "run": "sleep 0.1"},
            {"id": "b", "command": "true", "depends_on": ["a"]},
        ],
        pause,
        park=False,
    )
    assert run.outcome.status == "succeeded"
    assert run.types().index("run.unpaused") < run.types().index("attempt.starting", 5)


def test_a_step_extends_the_run(execute):
    new = [{"id": "late", "run": "echo late", "depends_on": ["a"]}]
    run = execute(
        [{"id": "a", "run": f"echo '{json.dumps(new)}' > $STOKER_EXTEND"}],
    )
    assert run.outcome.status == "succeeded"
    assert run.stdout("late") == "late\n"


def test_a_bad_extension_fails_the_step_that_wrote_it(execute):
    new = [{"id": "late", "command": "true", "depends_on": ["nobody"]}]
    run = execute([{"id": "a", "run": f"echo '{json.dumps(new)}' > $STOKER_EXTEND"}])
    assert run.outcome.status == "failed"
    assert run.reasons["a"].startswith("$STOKER_EXTEND:1:")
    assert "unknown step 'nobody'" in run.reasons["a"]


def test_extension_from_outside(execute, until):
    async def extend(handle):
        await until(handle, "attempt.starting", "a")
        with pytest.raises(PlanError, match="a"):
            await handle.extend('[{"id": "a", "command": "true"}]')
        await handle.extend('[{"id": "b", "command": "true", "depends_on": ["a"]}]')

    run = execute([{"id": "a", "run": "sleep 0.3"}], extend)
    assert run.statuses == {"a": "succeeded", "b": "succeeded"}


def test_a_circuit_opens_and_lets_a_probe_through(execute):
    steps = [
        {
            "id": f"s{i}",
            "command": "false",
            "tool": "flaky",
            "on_failure": "continue",
            "critical": False,
            **({"depends_on": [f"s{i - 1}"]} if i else {}),
        }
        for i in range(4)
    ]
    breaker = {"failure_threshold": 2, "reset_timeout_sec": 60, "on_open": "fail"}
    run = execute(steps, globals={"circuit_breaker": breaker})
    assert [row.step_id for row in run.attempts] == ["s0", "s1"]
    assert run.reasons["s3"] == "the circuit of 'flaky' is open after 2 failures"
    steps[2]["command"] = "true"
    breaker = {"failure_threshold": 2, "reset_timeout_sec": 0.05}
    run = execute(steps, globals={"circuit_breaker": breaker})
    assert run.statuses["s2"] == "succeeded"
    assert "step.waiting" in run.types("s2")


def test_a_circuit_that_closes_lets_all_that_wait_go_at_once(drive, options, until):
    def plan(name: str, reset: float, steps: list[dict]) -> Plan:
        breaker = {"failure_threshold": 1, "reset_timeout_sec": reset}
        common = {"circuit_breaker": breaker}
        return msgspec.convert({"plan_id": name, "globals": common, "steps": steps}, Plan)

    fails = {"id": "fails", "command": "false", "critical": False, "on_failure": "continue"}
    steps = [{**fails, "tool": "t"}, {"id": "cures", "run": "cat gate", "tool": "t"}]
    steps[1]["depends_on"] = ["fails"]
    patient = [{"id": name, "command": "true", "tool": "t"} for name in ("one", "two")]

    async def scenario(engine, journal):
        first = await engine.start(plan("first", 0.01, steps), options=options)
        await until(first, "attempt.starting", "cures")
        other = await engine.start(plan("other", 3600, patient), options=options)
        for name in ("one", "two"):
            await until(other, "step.waiting", name)
        await asyncio.to_thread((Path(options.cwd) / "gate").write_text, "go")
        assert (await first.wait()).status == "succeeded"
        assert (await other.wait()).status == "succeeded"

    os.mkfifo(Path(options.cwd) / "gate")
    drive(scenario)


def test_up_to_date_steps_are_skipped_by_content(tmp_path, execute):
    (tmp_path / "in.txt").write_text("one")
    steps = [
        {
            "id": "build",
            "run": "cat in.txt > out.txt; echo built >> log.txt",
            "inputs_files": ["in.txt"],
            "outputs_files": ["out.txt"],
        }
    ]
    from stoker.engine.uptodate import Fingerprints
    from stoker.plan.model import Step

    run = execute(steps)
    assert run.statuses["build"] == "succeeded"
    step = Step(
        id="build", run=steps[0]["run"], inputs_files=("in.txt",), outputs_files=("out.txt",)
    )
    remembered = Fingerprints(run.directory / "fingerprints", "p")
    assert remembered.fresh(step, str(tmp_path))
    (tmp_path / "in.txt").write_text("two")
    assert not remembered.fresh(step, str(tmp_path))
    (tmp_path / "in.txt").write_text("one")
    (tmp_path / "out.txt").unlink()
    assert not remembered.fresh(step, str(tmp_path))


def test_nested_plans(execute, tmp_path):
    (tmp_path / "inner.json").write_text(
        json.dumps(
            {
                "plan_id": "inner",
                "inputs": {"x": {"required": True}},
                "steps": [
                    {
                        "id": "i",
                        "run": "echo y=${{ inputs.x }}! > $STOKER_OUTPUT",
                        "provides": ["y"],
                    }
                ],
            }
        )
    )
    run = execute(
        [
            {
                "id": "outer",
                "step_def": {"type": "plan", "path": "inner.json", "inputs": {"x": "hey"}},
                "provides": ["y"],
            },
            {"id": "use", "run": "echo $STOKER_INPUT_Y", "consumes": ["y"]},
        ],
        globals={"max_concurrency": 1},
        engine={"max_concurrency": 1},
    )
    assert run.outcome.status == "succeeded", run.reasons
    assert run.stdout("use") == "hey!\n"


def test_secrets_are_redacted_from_logs_events_and_errors(execute):
    run = execute(
        [
            {
                "id": "a",
                "run": "echo has $TOKEN; echo t=$TOKEN > $STOKER_OUTPUT; exit 0",
                "env": {"TOKEN": "${{ inputs.token }}"},
                "provides": ["t"],
            },
            {
                "id": "b",
                "command": "/no/${{ inputs.token }}",
                "depends_on": ["a"],
                "on_failure": "continue",
            },
        ],
        inputs={"token": {"secret": True, "required": True}},
        given={"token": "s3cr3t-value"},
    )
    assert run.stdout("a") == "has ***\n"
    journal = run.directory / "journal.db"
    everything = b"".join(p.read_bytes() for p in journal.parent.glob("journal.db*"))
    assert b"s3cr3t-value" not in everything
    files = [path.read_bytes() for path in run.directory.rglob("*") if path.is_file()]
    assert not any(b"s3cr3t-value" in content for content in files)
    assert any(b"t=***" in content for content in files)
    assert "***" in run.reasons["b"]
