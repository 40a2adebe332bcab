"""Templates where a step is held back: files, locks and approvals see values, not text."""

from pathlib import Path

import pytest

import stoker


def build(**more):
    return {
        "id": "build",
        "run": "cat in.txt > out.txt; echo size=3 > $STOKER_OUTPUT; echo built >> log.txt",
        "inputs_files": ["${{ inputs.source }}"],
        "outputs_files": ["out.txt"],
        "provides": ["size"],
        **more,
    }


USE = {"id": "use", "command": "echo", "args": ["${{ consumes.size }}"], "consumes": ["size"]}


@pytest.fixture
def built(tmp_path):
    """`built(given=None, **changes of the step)`: how often it has run, and the result."""
    (tmp_path / "in.txt").write_text("one")

    def run(given=None, **more):
        inputs = {"source": "in.txt", "flavour": "plain"}
        plan = stoker.build("p", steps=[build(**more), USE], inputs=inputs)
        result = stoker.run(plan, given, db=tmp_path / "state/journal.db", cwd=tmp_path)
        assert result.status == "succeeded", result.reason
        return len((tmp_path / "log.txt").read_text().splitlines()), result

    return run


def test_files_named_by_templates_are_compared_and_outputs_stay(tmp_path, built):
    assert built()[0] == 1
    again, result = built()
    assert (again, result.steps["build"].reason) == (1, "up to date")
    assert result.outputs == {"size": "3"}
    (log,) = (tmp_path / "state").glob(f"runs/{result.run_id}/logs/use.1.out")
    assert Path(log).read_text() == "3\n"
    (tmp_path / "in.txt").write_text("two")
    assert built()[0] == 2
    assert (tmp_path / "out.txt").read_text() == "two"


def test_a_step_given_another_value_is_not_up_to_date(built):
    env = {"FLAVOUR": "${{ inputs.flavour }}"}
    assert built(env=env)[0] == 1
    assert built(env=env)[0] == 1
    assert built(env=env, given={"flavour": "sweet"})[0] == 2


def test_files_are_those_of_the_steps_own_directory(tmp_path, built):
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub/in.txt").write_text("sub")
    run = "cat in.txt > out.txt; echo size=3 > $STOKER_OUTPUT; echo built >> ../log.txt"
    assert built(cwd="sub", run=run)[0] == 1
    assert built(cwd="sub", run=run)[0] == 1
    (tmp_path / "sub/in.txt").write_text("other")
    assert built(cwd="sub", run=run)[0] == 2


def test_what_changes_while_the_step_runs_is_not_done(tmp_path, built):
    run = build()["run"] + "; echo later > in.txt"
    assert built(run=run)[0] == 1
    assert built(run=run)[0] == 2


def test_an_approval_with_templates_is_asked_for(execute):
    steps = [
        {"id": "count", "run": "echo n=3 > $STOKER_OUTPUT"},
        {
            "id": "ask",
            "step_def": {
                "type": "approval",
                "prompt": "Delete ${{ prev.count.outputs.n }} files?",
                "timeout_sec": "${{ inputs.patience }}",
            },
            "depends_on": ["count"],
        },
        {"id": "delete", "command": "true", "depends_on": ["ask"]},
    ]
    run = execute(steps, inputs={"patience": None})
    assert run.outcome.status == "waiting"
    (asked,) = [event for event in run.events if event.type == "approval.requested"]
    assert asked.data["prompt"] == "Delete 3 files?"
    assert run.statuses["delete"] == "pending"
    run = execute(steps, inputs={"patience": 0.01}, park=False)
    assert run.outcome.status == "failed"
    assert "nobody answered in time" in run.reasons["ask"]
    run = execute(steps, inputs={"patience": "soon"})
    assert run.outcome.status == "failed"
    assert "timeout_sec" in run.reasons["ask"]


def test_the_prompt_of_a_steps_approval_is_filled_in(execute):
    step = {"id": "s", "command": "true", "approval": {"prompt": "Go to ${{ inputs.where }}?"}}
    run = execute([step], inputs={"where": "prod"})
    (asked,) = [event for event in run.events if event.type == "approval.requested"]
    assert asked.data["prompt"] == "Go to prod?"


def test_locks_are_what_their_templates_say(execute):
    def most_at_once(where):
        steps = [
            {"id": "a", "command": "true", "locks": ["deploy:${{ inputs.where }}"]},
            {"id": "b", "command": "true", "locks": ["deploy:prod"]},
        ]
        run = execute(steps, inputs={"where": where}, globals={"max_concurrency": 2})
        assert run.outcome.status == "succeeded"
        changes = [event.type for event in run.events if event.type.startswith("attempt.s")]
        return 1 if changes[1] == "attempt.settled" else 2

    assert most_at_once("prod") == 1
    assert most_at_once("test") == 2


def test_a_lock_whose_name_has_no_value_fails_its_step(execute):
    run = execute([{"id": "a", "command": "true", "locks": ["${{ inputs.x.y }}"]}], inputs={"x": 1})
    assert run.outcome.status == "failed"
    assert run.reasons["a"].startswith("locks: cannot look up 'y'")


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path, built):
    (tmp_path / "in[1].txt").write_text("one")
    given = {"source": "in[1].txt"}
    assert built(given)[0] == 1
    assert built(given)[0] == 1
    (tmp_path / "in[1].txt").write_text("two")
    assert built(given)[0] == 2
