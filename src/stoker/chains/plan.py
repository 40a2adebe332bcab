"""Groups as a plan of the engine's: a step each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from stoker.chains.group import OperationGroup, counted
from stoker.chains.reading import one
from stoker.engine.creation import new_run_id
from stoker.plan.literally import literally, written
from stoker.plan.model import Step

if TYPE_CHECKING:
    from stoker.engine.state import RunState

PREFIX: Final = "chain-"
"""What ids of plans of groups begin with."""
WIDTH: Final = 16
"""Groups at once: most of them wait for a model, an explorer or a node."""


def new_plan_id() -> str:
    """`chain-20261121-151200-3f9ac2`."""
    return PREFIX + new_run_id()


def document(plan_id: str, groups: Sequence[OperationGroup], settings: Path) -> bytes:
    """The plan of these groups, which use the settings in a file."""
    return msgspec.json.encode(
        {
            "plan_id": plan_id,
            "description": f"chain plan of {counted(len(groups))}",
            "globals": {"max_concurrency": WIDTH},
            "steps": _steps(groups, 0, settings),
        }
    )


def more(groups: Sequence[OperationGroup], first: int, settings: Path) -> str:
    """The steps of groups that a plan is to have as well, from the index `first` on."""
    return msgspec.json.encode(_steps(groups, first, settings)).decode()


def step_id(index: int) -> str:
    """Of a group."""
    return f"group-{index}"


def group_of(step: Step) -> OperationGroup:
    """The group that a step of kind `chain` is, as it is journaled. Raises `BadGroups`."""
    from stoker.plan.template import render_value

    return one(render_value((step.step_def or {}).get("group"), {}))


def settings_of(state: RunState) -> Path:
    """The file that a plan's groups use."""
    from stoker.plan.template import render_value

    return Path(render_value((state.steps[0].step.step_def or {})["settings"], {}))


def _steps(groups: Sequence[OperationGroup], first: int, settings: Path) -> list[dict[str, Any]]:
    return [
        {
            "id": step_id(index),
            "name": literally(group.description[:200]),
            "depends_on": [step_id(other) for other in group.dependencies],
            "on_failure": "skip_dependents",
            "step_def": written(
                {
                    "type": "chain",
                    "group": msgspec.to_builtins(group),
                    "settings": str(settings),
                }
            ),
        }
        for index, group in enumerate(groups, first)
    ]
