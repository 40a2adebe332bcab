"""The kinds of steps that come with Stoker."""

from __future__ import annotations

from functools import cache
from typing import Final

from stoker.engine.registry import Registry

BUILT_IN: Final = {
    "command": "stoker.steps.command:KIND",
    "shell": "stoker.steps.shell:KIND",
    "powershell": "stoker.steps.powershell:KIND",
    "python": "stoker.steps.python:KIND",
    "http": "stoker.steps.http:KIND",
    "file": "stoker.steps.file:KIND",
    "git": "stoker.steps.git:KIND",
    "approval": "stoker.steps.approval:KIND",
    "plan": "stoker.steps.plan:KIND",
    "checkpoint": "stoker.tasks.checkpoint:KIND",
    "agent": "stoker.agents.kind:KIND",
    "task": "stoker.tasks.kind:KIND",
    "chain": "stoker.chains.kind:KIND",
    "chain-broadcast": "stoker.chains.broadcast.kind:KIND",
    "roadmap-steer": "stoker.roadmaps.steer_kind:KIND",
    "roadmap-task": "stoker.roadmaps.task_kind:KIND",
    "roadmap-split": "stoker.roadmaps.split_kind:KIND",
    "roadmap-verify": "stoker.roadmaps.verify_kind:KIND",
    "roadmap-review": "stoker.roadmaps.review_kind:KIND",
    "roadmap-accept": "stoker.roadmaps.accept_kind:KIND",
    "roadmap-project": "stoker.roadmaps.project_kind:KIND",
    "roadmap-checkpoint": "stoker.roadmaps.checkpoint_kind:KIND",
    "roadmap-merge": "stoker.roadmaps.merge_kind:KIND",
}
"""`step_def.type` -> `module:ATTRIBUTE`; a module is imported when a plan first uses it."""


@cache
def kinds() -> Registry:
    """Every kind of step: the built-in ones and those of installed packages."""
    return Registry(BUILT_IN)
