"""Kind `plan`: another plan file, run as a run of its own under this step."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from msgspec import field
from msgspec.structs import replace

from stoker.engine.kinds import Attempt, Result, StepFailed, Work
from stoker.plan.model import InterruptPolicy, Step
from stoker.plan.nesting import MAX_DEPTH, Nested
from stoker.steps.kind import BaseKind, Definition

DEPTH: Final = "STOKER_DEPTH"
"""Environment variable that counts how many plans a step is nested in."""

_NESTED: Final = "nested run "


class NestedPlan(Definition, frozen=True):
    """A plan file and what it is given."""

    path: str
    """The plan file, relative to the step's directory."""
    inputs: dict[str, Any] = field(default_factory=dict)
    """Values of the plan's inputs."""
    variables: dict[str, str] = field(default_factory=dict)
    """Values of `${NAME}` in the plan's text; one that holds a secret fails the step."""


class PlanKind(BaseKind[NestedPlan]):
    """Runs a nested plan; its outputs become the step's."""

    name = "plan"
    definition = NestedPlan
    on_interrupt: InterruptPolicy = "adopt"
    takes_slot = False

    def check(self, step: Step, definition: NestedPlan) -> list[str]:
        """A path."""
        return [] if definition.path else ["path: expected a plan file, found nothing"]

    def nested(self, fields: Mapping[str, Any]) -> Nested:
        """What validation reads together with the step's plan."""
        return Nested(fields.get("path"), fields.get("inputs", {}), fields.get("variables", {}))

    def start(self, step: Step, definition: NestedPlan, attempt: Attempt) -> Work:
        """Load the plan, then run it. Raises `StepFailed` beyond `MAX_DEPTH`."""
        depth = int(attempt.env.get(DEPTH, "0")) + 1
        if depth > MAX_DEPTH:
            raise StepFailed(
                f"{definition.path}: plans are nested more than {MAX_DEPTH} deep; "
                "does a plan include itself?"
            )
        return _run(definition, attempt, depth)


async def _run(definition: NestedPlan, attempt: Attempt, depth: int) -> Result:
    from stoker.plan.errors import PlanError
    from stoker.plan.loader import load
    from stoker.steps.registry import kinds

    # What the journal would keep of them: the nested plan's text, and where it runs.
    texts = {"cwd": attempt.cwd}
    texts |= {f"variables.{name}": value for name, value in definition.variables.items()}
    for place, text in texts.items():
        if attempt.redact(text) != text:
            raise StepFailed(
                f"step {attempt.step_id!r}: {place} holds a secret, and would become part of "
                "what is stored of the nested plan; declare an input with `secret: true` in that "
                "plan, and hand it on by `inputs`"
            )
    path = Path(attempt.cwd) / definition.path
    try:
        loaded = load(path, kinds=kinds(), variables=definition.variables, cwd=attempt.cwd)
    except PlanError as error:
        raise StepFailed(f"the nested plan is not valid:\n{error}") from error
    for warning in loaded.warnings:
        attempt.write(f"{warning}\n", error=True)
    shared = loaded.plan.globals
    plan = replace(loaded.plan, globals=replace(shared, env={**shared.env, DEPTH: str(depth)}))
    try:
        outputs = await attempt.run_plan(plan, definition.inputs, plan_dir=loaded.directory)
    except PlanError as error:
        raise StepFailed(f"{definition.path}: {error}") from error
    except StepFailed as error:
        # Of plans nested in each other, the innermost one says it all, its id where it is.
        text = str(error)
        raise StepFailed(text[max(text.rfind(_NESTED), 0) :]) from error
    return Result(outputs=dict(outputs))


KIND = PlanKind()
