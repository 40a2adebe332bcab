"""What holds for one step once the plan's globals and the step's kind have had their say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from stoker.engine.capacity import Demand
from stoker.engine.kinds import Kind
from stoker.engine.registry import kind_of
from stoker.plan.model import Approval, InterruptPolicy, Plan, Retry, Step
from stoker.plan.quantity import quantity
from stoker.plan.settings import settings
from stoker.plan.template import has_template, may_have_template


class Profile(Struct, frozen=True, kw_only=True):
    kind: Kind[Any]
    raw: dict[str, Any]
    """Fields of the definition, unrendered."""
    definition: Struct | None
    """The definition, where nothing in it needs rendering."""
    plain: bool
    """No template in `env`, `cwd` and `stdin` either."""
    tool: str
    timeout_sec: float | None
    step_limit_sec: float | None
    retries: int
    retry: Retry
    strict_outputs: bool
    skip_if: tuple[str, ...]
    approval: Approval | None
    """Its prompt is not rendered."""
    gate: Callable[[Any], Approval] | None
    """The kind's way from a definition with templates to the approval, where that is one."""
    demand: Demand
    on_interrupt: InterruptPolicy
    takes_slot: bool

    def describe(self, step: Step, retries_attempted: int) -> dict[str, Any]:
        """What the journal keeps of an attempt's circumstances (`attempt.starting`)."""
        data: dict[str, Any] = {"kind": self.kind.name, "tool": self.tool}
        if self.timeout_sec is not None:
            data["timeout_sec"] = self.timeout_sec
        if retries_attempted:
            data["retries_attempted"] = retries_attempted
        if step.on_failure != "abort":
            data["on_failure"] = step.on_failure
        if step.provides:
            data["provides"] = step.provides
        if step.consumes:
            data["consumes"] = step.consumes
        return data


def profile(plan: Plan, step: Step, kinds: Mapping[str, Kind[Any]]) -> Profile:
    """Resolve a step of a validated plan."""
    set_ = settings(plan, step)
    environment = (step.env, plan.globals.env, step.cwd, plan.globals.cwd, step.stdin)
    name, raw = kind_of(step)
    kind = kinds[name]
    anything = may_have_template((raw, environment))
    plain = not (anything and has_template(raw))
    definition = msgspec.convert(raw, kind.definition, strict=False) if plain else None
    approval = set_.approval
    gate = getattr(kind, "gate", None)
    if gate is not None and definition is not None:
        approval, gate = gate(definition), None
    return Profile(
        kind=kind,
        raw=raw,
        definition=definition,
        plain=not (anything and has_template(environment)),
        tool=step.tool or (kind.tool(step, definition) if definition is not None else name),
        timeout_sec=set_.timeout_sec,
        step_limit_sec=set_.max_duration_sec,
        retries=set_.retries,
        retry=set_.retry,
        strict_outputs=set_.strict_outputs,
        skip_if=set_.skip_if,
        approval=approval,
        gate=gate,
        demand=tuple(sorted(set_.resources.items())),
        on_interrupt=step.on_interrupt or kind.on_interrupt,
        takes_slot=getattr(kind, "takes_slot", True),
    )


def demand(resources: Mapping[str, float | str]) -> Demand:
    """Amounts of named resources as sorted pairs; `8GiB` is in bytes, `500m` in units."""
    return tuple(sorted((name, quantity(amount)) for name, amount in resources.items()))
