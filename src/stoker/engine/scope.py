"""What expressions and templates of a step can see."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from stoker.engine.state import RunState


class Steps(Mapping[str, Any]):
    """`prev`: the steps of a run by id, built only when looked at."""

    def __init__(self, state: RunState) -> None:
        self._state = state

    def __getitem__(self, step_id: str) -> dict[str, Any]:
        step = self._state.steps[self._state.graph.index[step_id]]
        return {
            # The plan format's word, which plans of the older orchestrator use too.
            "status": "success" if step.status == "succeeded" else step.status,
            "exit_code": step.exit_code,
            "outputs": step.outputs,
        }

    def __iter__(self) -> Iterator[str]:
        return iter(self._state.graph.index)

    def __len__(self) -> int:
        return len(self._state.steps)


def consumed(state: RunState, index: int) -> dict[str, Any]:
    """Values of the resources a step consumes; a name that carries none is absent.

    A foreach step provides the list of what its children put out under the name.
    """
    values: dict[str, Any] = {}
    for name in state.steps[index].step.consumes:
        outputs = state.steps[state.graph.providers[name]].outputs
        if name in outputs:
            values[name] = outputs[name]
    return values


def scope(
    state: RunState, index: int, *, inputs: Mapping[str, Any], env: Mapping[str, str]
) -> dict[str, Any]:
    """The roots of a step's expressions: prev, inputs, env, run, consumes."""
    return {
        "prev": Steps(state),
        "inputs": inputs,
        "env": env,
        "run": of_run(state),
        "consumes": consumed(state, index),
    }


def of_run(state: RunState) -> dict[str, str]:
    """`run`: what is known before any step."""
    return {"id": state.run_id, "plan_dir": state.plan_dir}
