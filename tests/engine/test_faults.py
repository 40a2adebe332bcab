"""What a step says that failed by an exception its kind let pass."""

import pytest

from stoker.engine.fault import words
from stoker.engine.kinds import ProcessWork, Result, StepFailed
from stoker.plan.errors import PlanError, Problem
from stoker.steps.kind import BaseKind, Definition


class Breaking(Definition, frozen=True):
    where: str


class BreakingKind(BaseKind[Breaking]):
    """Lets `error` pass at one of the moments a kind has."""

    name = "breaking"
    definition = Breaking

    def __init__(self, error: Exception) -> None:
        self.error = error

    def start(self, step, definition, attempt):
        if definition.where == "start":
            raise self.error
        if definition.where == "task":
            return self.fail()
        return ProcessWork(spec=attempt.process(["true"]), result=self.read)

    async def fail(self):
        raise self.error

    def read(self, end):
        raise self.error


CASES = [
    (ValueError("no luck"), "kind 'breaking' broke: ValueError: no luck"),
    (FileNotFoundError(2, "No such file or directory", "/x"), "No such file or directory: /x"),
    (PlanError([Problem(message="wrong", pointer="")]), "wrong"),
    (StepFailed("as it said"), "as it said"),
]


@pytest.mark.parametrize("where", ["start", "task", "result"])
@pytest.mark.parametrize(("error", "said"), CASES, ids=["foreign", "system", "plan", "step"])
def test_a_foreign_exception_is_its_kinds_fault_and_others_are_plain(execute, where, error, said):
    step = {"id": "a", "step_def": {"type": "breaking", "where": where}}
    run = execute([step], engine={"more_kinds": [BreakingKind(error)]})
    assert run.reasons["a"].endswith(said)
    assert run.reasons["a"].count("Error") == said.count("Error")


def test_an_error_without_words_is_told_by_its_name():
    assert words(TimeoutError()) == "timeout"
    assert words(KeyError("a")) == "'a'"
    assert words(OSError(28, "No space left on device")) == "No space left on device"


def test_a_foreach_over_something_else_says_what_it_is(execute):
    made = {"id": "a", "run": "echo n=3 > $STOKER_OUTPUT"}
    run = execute([made, {"id": "b", "foreach": "prev.a.outputs.n", "run": "true"}])
    assert run.reasons["b"] == ("foreach: expected a list, but prev.a.outputs.n is '3' (a string)")


class Half(BaseKind[Breaking]):
    """Fails, and has something to show for it."""

    name = "half"
    definition = Breaking

    def start(self, step, definition, attempt):
        return self.fail()

    async def fail(self):
        return Result(error="half done", outputs={"half": "x" * 70_000, "first": 1})


def test_what_a_failed_step_puts_out_is_kept(execute):
    steps = [
        {"id": "a", "step_def": {"type": "half", "where": ""}, "on_failure": "continue"},
        {
            "id": "b",
            "command": "true",
            "depends_on": ["a"],
            "condition": "prev.a.outputs.first == 1",
        },
    ]
    run = execute(steps, engine={"more_kinds": [Half()]})
    assert run.reasons["a"] == "half done"
    assert run.statuses == {"a": "failed", "b": "succeeded"}
    outputs = run.outputs["a"]
    assert outputs["first"] == 1
    assert outputs["half"]["bytes"] == 70_000
