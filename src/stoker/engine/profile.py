"""What holds for one step once the plan's globals and the step's kind have had their say."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.engine.capacity import Demand
from stoker.engine.kinds import Kind
from stoker.engine.registry import kind_of
from stoker.plan.model import Approval, InterruptPolicy, Plan, Retry, Step
from stoker.plan.quantity import quantity
from stoker.plan.references import has_template, may_hold_templates


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
    """Of one attempt; None: no limit."""
    step_limit_sec: float | None
    """Of the step over all its attempts and the pauses between; None: no limit."""
    retries: int
    """Attempts after the first."""
    retry: Retry
    strict_outputs: bool
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
    common = plan.globals
    environment = (step.env, common.env, step.cwd, common.cwd, step.stdin)
    name, raw = kind_of(step)
    kind = kinds[name]
    anything = may_hold_templates((raw, environment))
    plain = not (anything and has_template(raw))
    definition = msgspec.convert(raw, kind.definition, strict=False) if plain else None
    approval = step.approval if isinstance(step.approval, Approval) else None
    if step.approval is True:
        approval = Approval()
    retry = step.retry or _DEFAULT_RETRY
    if step.retry_delay_sec is not None:
        retry = replace(retry, delay_sec=step.retry_delay_sec)
    gate = getattr(kind, "gate", None)
    if gate is not None and definition is not None:
        approval, gate = gate(definition), None
    return Profile(
        kind=kind,
        raw=raw,
        definition=definition,
        plain=not (anything and has_template(environment)),
        tool=step.tool or (kind.tool(step, definition) if definition is not None else name),
        timeout_sec=common.default_timeout_sec if step.timeout_sec is None else step.timeout_sec,
        step_limit_sec=common.max_step_duration_sec,
        retries=common.default_retries if step.retries is None else step.retries,
        retry=retry,
        strict_outputs=plan.strict_outputs if step.strict_outputs is None else step.strict_outputs,
        approval=approval,
        gate=gate,
        demand=demand(step.resources),
        on_interrupt=step.on_interrupt or kind.on_interrupt,
        takes_slot=getattr(kind, "takes_slot", True),
    )


_DEFAULT_RETRY = Retry()


def demand(resources: Mapping[str, float | str]) -> Demand:
    """Amounts of named resources as sorted pairs; `8GiB` is in bytes, `500m` in units."""
    if not resources:
        return ()
    return tuple(sorted((name, quantity(amount)) for name, amount in resources.items()))
