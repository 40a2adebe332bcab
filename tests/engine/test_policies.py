"""What a failure means for the rest, by real runs."""

import os

import pytest

from stoker.engine.policy import delay
from stoker.plan.model import Globals, Plan, Retry, Step


def test_steps_run_after_what_they_depend_on(execute):
    run = execute(
        [
            {"id": "c", "run": "cat b.txt", "depends_on": ["b"]},
            {"id": "b", "run": "cat a.txt > b.txt", "depends_on": ["a"]},
            {"id": "a", "run": "echo made > a.txt"},
        ]
    )
    assert run.outcome.status == "succeeded"
    assert run.stdout("c") == "made\n"


def test_a_step_waits_for_nothing_but_its_dependencies(execute, tmp_path):
    os.mkfifo(tmp_path / "gate")
    run = execute(
        [
            {"id": "long", "run": "cat gate"},
            {"id": "a", "command": "true"},
            {"id": "b", "command": "true", "depends_on": ["a"]},
            {"id": "c", "run": "echo go > gate", "depends_on": ["b"]},
        ],
        globals={"max_concurrency": 2, "max_run_duration_sec": 30},
    )
    assert run.outcome.status == "succeeded"
    assert run.stdout("long") == "go\n"


def test_abort_cancels_what_runs_and_skips_the_rest(execute, tmp_path, alive):
    os.mkfifo(tmp_path / "up")
    run = execute(
        [
            {"id": "long", "run": "(setsid sleep 300 & echo $! | tee pid > up); sleep 300"},
            {"id": "bad", "run": "cat up; exit 3"},
            {"id": "after", "command": "true", "depends_on": ["long"]},
        ],
        globals={"max_concurrency": 2},
    )
    assert run.outcome.status == "failed"
    assert run.outcome.reason == "step 'bad' failed: exit code 3"
    assert run.statuses == {"long": "canceled", "bad": "failed", "after": "skipped"}
    assert not alive(int((tmp_path / "pid").read_text()))


def test_skip_dependents_names_the_cause_and_the_rest_goes_on(execute):
    run = execute(
        [
            {"id": "bad", "command": "false", "on_failure": "skip_dependents"},
            {"id": "child", "command": "true", "depends_on": ["bad"]},
            {"id": "grandchild", "command": "true", "depends_on": ["child"]},
            {"id": "other", "command": "true"},
        ]
    )
    assert run.outcome.status == "failed"
    assert run.statuses["other"] == "succeeded"
    assert run.reasons["child"] == "'bad' failed"
    assert run.reasons["grandchild"] == "'child' was skipped"


def test_continue_runs_dependents_and_a_critical_failure_still_counts(execute):
    steps = [
        {"id": "bad", "command": "false", "on_failure": "continue"},
        {"id": "child", "command": "true", "depends_on": ["bad"]},
    ]
    run = execute(steps)
    assert (run.outcome.status, run.statuses["child"]) == ("failed", "succeeded")
    steps[0]["critical"] = False
    run = execute(steps)
    assert (run.outcome.status, run.statuses["child"]) == ("succeeded", "succeeded")


def test_a_fallback_that_succeeds_settles_the_failure(execute):
    run = execute(
        [
            {
                "id": "bad",
                "command": "false",
                "on_failure": "fallback_step",
                "fallback_step": "plan-b",
                "provides": ["thing"],
            },
            {"id": "plan-b", "run": "echo thing=from-b > $STOKER_OUTPUT", "provides": ["thing"]},
            {"id": "user", "run": "echo $STOKER_INPUT_THING", "consumes": ["thing"]},
        ]
    )
    assert run.outcome.status == "succeeded"
    assert run.stdout("user") == "from-b\n"


def test_a_fallback_nobody_needs_is_skipped(execute):
    run = execute(
        [
            {
                "id": "good",
                "command": "true",
                "on_failure": "fallback_step",
                "fallback_step": "b",
            },
            {"id": "b", "command": "false"},
        ]
    )
    assert run.outcome.status == "succeeded"
    assert run.reasons["b"] == "the fallback was not needed"


def test_a_fallback_that_fails_leaves_the_failure(execute):
    run = execute(
        [
            {
                "id": "bad",
                "command": "false",
                "on_failure": "fallback_step",
                "fallback_step": "b",
            },
            {"id": "b", "command": "false", "on_failure": "skip_dependents"},
            {"id": "child", "command": "true", "depends_on": ["bad"]},
        ]
    )
    assert run.outcome.status == "failed"
    assert run.statuses["child"] == "skipped"


def test_conditions_skip_and_satisfy(execute):
    run = execute(
        [
            {"id": "a", "run": "echo n=3 > $STOKER_OUTPUT", "provides": ["n"]},
            {"id": "b", "command": "true", "depends_on": ["a"], "condition": "inputs.go"},
            {"id": "c", "command": "true", "depends_on": ["b"]},
            {
                "id": "d",
                "command": "true",
                "depends_on": ["a"],
                "skip_if": ["prev.a.outputs.n == '3'"],
            },
            {"id": "e", "run": "echo ran", "condition": "prev.b.status == 'skipped'"},
        ],
        inputs={"go": False},
    )
    assert run.outcome.status == "succeeded"
    assert run.reasons["b"] == "condition is false: inputs.go"
    assert run.statuses == {
        "a": "succeeded",
        "b": "skipped",
        "c": "succeeded",
        "d": "skipped",
        "e": "succeeded",
    }


def test_a_condition_waits_for_the_step_it_looks_at_whatever_its_result(execute):
    run = execute(
        [
            {"id": "bad", "run": "exit 7", "on_failure": "skip_dependents", "critical": False},
            {"id": "report", "run": "echo seven", "condition": "prev.bad.exit_code == 7"},
        ]
    )
    assert run.outcome.status == "succeeded"
    assert run.stdout("report") == "seven\n"


def test_a_type_error_in_a_condition_fails_the_step_with_the_values(execute):
    run = execute([{"id": "a", "command": "true", "condition": "inputs.n > 'x'"}], inputs={"n": 3})
    assert run.outcome.status == "failed"
    assert "inputs.n > 'x'" in run.reasons["a"]
    assert "3" in run.reasons["a"]


def test_retries_are_attempts_with_logs_of_their_own(execute, tmp_path):
    run = execute(
        [
            {
                "id": "flaky",
                "run": f"echo try >> {tmp_path}/n; echo $(wc -l < {tmp_path}/n); "
                f"test $(wc -l < {tmp_path}/n) -ge 3",
                "retries": 3,
                "retry": {"delay_sec": 0.01},
            }
        ]
    )
    assert run.outcome.status == "succeeded"
    assert [(row.attempt, row.status) for row in run.attempts] == [
        (1, "failed"),
        (2, "failed"),
        (3, "succeeded"),
    ]
    assert run.stdout("flaky") == "3\n"


def test_the_pause_before_a_retry_blocks_nobody(execute, until):
    async def end(handle):
        waiting = await until(handle, "step.waiting", "flaky")
        assert (waiting.data["for"], waiting.data["delay_sec"]) == ("backoff", 1800)
        await until(handle, "step.settled", "other")
        await handle.cancel("seen enough")

    run = execute(
        [
            {
                "id": "flaky",
                "command": "false",
                "retries": 1,
                "retry": {"delay_sec": 3600, "max_delay_sec": 1800, "jitter": 0},
            },
            {"id": "other", "command": "true"},
        ],
        end,
        globals={"max_concurrency": 1},
    )
    assert run.statuses == {"flaky": "canceled", "other": "succeeded"}


@pytest.mark.parametrize(
    ("retry", "draw", "pauses"),
    [
        (Retry(delay_sec=2, jitter=0), 0.9, [2, 4, 8, 16]),
        (Retry(delay_sec=2, backoff=1, jitter=0), 0.9, [2, 2, 2, 2]),
        (Retry(delay_sec=2, backoff=10, max_delay_sec=30, jitter=0), 0.9, [2, 20, 30, 30]),
        (Retry(delay_sec=2, jitter=0.5), 0.0, [1, 2, 4, 8]),
        (Retry(delay_sec=2, jitter=0.5), 0.5, [2, 4, 8, 16]),
        (Retry(delay_sec=2, jitter=1), 0.75, [3, 6, 12, 24]),
        (Retry(), 0.9, [0, 0, 0, 0]),
    ],
)
def test_pauses_grow_up_to_a_cap_and_are_moved_by_jitter(retry, draw, pauses):
    assert [delay(retry, failures, draw) for failures in range(1, 5)] == pauses
    grows = retry.delay_sec > 0 and retry.backoff > 1
    assert delay(retry, 10_000, 0.5) == (retry.max_delay_sec if grows else pauses[0])


def test_what_took_longest_before_goes_first(drive, options):
    steps = tuple(Step(id=f"s{n}", run=f"sleep 0.{n}") for n in range(4))
    plan = Plan(plan_id="p", globals=Globals(max_concurrency=1), steps=steps)

    async def scenario(engine, journal):
        orders = []
        for _ in range(2):
            run = await engine.start(plan, options=options)
            assert (await run.wait()).status == "succeeded"
            events = await journal.events(run.run_id)
            orders.append([event.step for event in events if event.type == "attempt.starting"])
        return orders

    assert drive(scenario) == [["s0", "s1", "s2", "s3"], ["s3", "s2", "s1", "s0"]]


def test_only_the_named_exit_codes_are_retried(execute):
    run = execute([{"id": "a", "run": "exit 4", "retries": 3, "retry": {"on_exit_codes": [5, 6]}}])
    assert len(run.attempts) == 1


def test_a_timeout_ends_the_whole_tree_and_may_be_retried(execute, tmp_path, alive):
    run = execute(
        [
            {
                "id": "slow",
                "run": f"(setsid sleep 300 & echo $! > {tmp_path}/pid); sleep 300",
                "timeout_sec": 0.3,
                "retries": 1,
            }
        ]
    )
    assert [row.status for row in run.attempts] == ["timed_out", "timed_out"]
    assert run.outcome.reason == "step 'slow' failed: timed out after 0.3 s"
    assert not alive(int((tmp_path / "pid").read_text()))


def test_hard_limits_of_step_and_run(execute):
    run = execute(
        [{"id": "a", "run": "sleep 60", "retries": 5}], globals={"max_step_duration_sec": 0.2}
    )
    assert "max_step_duration_sec" in run.outcome.reason
    assert len(run.attempts) == 1
    run = execute([{"id": "a", "run": "sleep 60"}], globals={"max_run_duration_sec": 0.2})
    assert "max_run_duration_sec" in run.outcome.reason
    assert run.statuses["a"] == "canceled"


def test_a_step_that_cannot_start_fails_with_the_reason(execute):
    run = execute([{"id": "a", "command": "no-such-program-anywhere"}])
    assert run.outcome.status == "failed"
    assert "no-such-program-anywhere" in run.reasons["a"]
    assert run.attempts[0].exit_code == 127


def test_strict_outputs(execute):
    steps = [{"id": "a", "command": "true", "provides": ["x"]}]
    assert execute(steps).outcome.status == "succeeded"
    run = execute(steps, strict_outputs=True)
    assert run.outcome.reason == "step 'a' failed: did not provide x (strict_outputs)"
    steps[0]["strict_outputs"] = False
    assert execute(steps, strict_outputs=True).outcome.status == "succeeded"
    steps[0]["strict_outputs"] = True
    assert execute(steps).outcome.reason == run.outcome.reason


def test_large_output_does_not_deadlock(execute):
    run = execute([{"id": "a", "run": "head -c 1000000 /dev/zero; head -c 1000000 /dev/zero >&2"}])
    assert run.outcome.status == "succeeded"
    assert len(run.stdout("a")) == 1_000_000


def test_a_plans_env_adds_to_the_environment(execute, monkeypatch):
    monkeypatch.setenv("KEPT", "kept")
    monkeypatch.setenv("DROPPED", "dropped")
    run = execute(
        [{"id": "a", "run": 'echo "$KEPT $ADDED ${DROPPED-gone} $PATH"', "env": {"DROPPED": None}}],
        globals={"env": {"ADDED": "${{ inputs.x }}"}},
        inputs={"x": "added"},
    )
    assert run.stdout("a").startswith("kept added gone /")


def test_templates_reach_args_stdin_and_cwd(execute, tmp_path):
    (tmp_path / "sub").mkdir()
    run = execute(
        [
            {"id": "a", "run": 'echo \'{"d": "sub"}\' > $STOKER_OUTPUT', "provides": ["d"]},
            {
                "id": "b",
                "command": "sh",
                "args": ["-c", "echo $0; basename $PWD; cat", "${{ inputs.x }}"],
                "stdin": "in ${{ consumes.d }}",
                "cwd": "${{ prev.a.outputs.d }}",
                "consumes": ["d"],
            },
        ],
        inputs={"x": "p"},
    )
    assert run.stdout("b") == "p\nsub\nin sub"


def test_large_values_travel_as_files(execute):
    run = execute(
        [
            {
                "id": "a",
                "run": "printf 'big=' > $STOKER_OUTPUT; head -c 200000 /dev/zero | tr '\\0' x "
                ">> $STOKER_OUTPUT",
                "provides": ["big"],
            },
            {"id": "b", "run": "wc -c < $STOKER_INPUT_BIG_FILE", "consumes": ["big"]},
        ]
    )
    assert run.outputs["a"]["big"]["bytes"] == 200_000
    assert run.stdout("b").strip() == "200000"
