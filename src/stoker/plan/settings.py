"""What holds for one step once the plan's `globals` are taken into account."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct
from msgspec.structs import replace

from stoker.plan.model import Approval, CircuitBreaker, Plan, Retry, Step
from stoker.plan.quantity import quantity
from stoker.plan.template import as_text


class StepSettings(Struct, frozen=True, kw_only=True):
    """A step's policies, resolved. Strings are not rendered yet."""

    timeout_sec: float | None
    """Of one attempt; None: no limit."""
    max_duration_sec: float | None
    """Of the step over all its attempts and the pauses between; None: no limit."""
    retries: int
    """Attempts after the first."""
    retry: Retry
    cwd: tuple[str, ...]
    """Directories to join one after the other, the first to the plan's own; render first:
    a template may give an absolute path."""
    env: Mapping[str, str | None]
    """The plan's and the step's own variables; None takes a variable away."""
    skip_if: tuple[str, ...]
    approval: Approval | None
    strict_outputs: bool
    resources: Mapping[str, float]
    circuit_breaker: CircuitBreaker | None


def settings(plan: Plan, step: Step) -> StepSettings:
    """The settings of a step of a plan that was validated. Raises nothing."""
    common = plan.globals
    retry = step.retry or _DEFAULT_RETRY
    if step.retry_delay_sec is not None:
        retry = replace(retry, delay_sec=step.retry_delay_sec)
    skip_if = step.skip_if or ()
    return StepSettings(
        timeout_sec=common.default_timeout_sec if step.timeout_sec is None else step.timeout_sec,
        max_duration_sec=common.max_step_duration_sec,
        retries=common.default_retries if step.retries is None else step.retries,
        retry=retry,
        cwd=tuple(part for part in (common.cwd, step.cwd) if part),
        env={
            name: None if value is None else as_text(value)
            for name, value in (common.env | step.env).items()
        },
        skip_if=(skip_if,) if isinstance(skip_if, str) else skip_if,
        approval=_approval(step.approval),
        strict_outputs=plan.strict_outputs if step.strict_outputs is None else step.strict_outputs,
        resources={name: quantity(amount) for name, amount in step.resources.items()},
        circuit_breaker=common.circuit_breaker,
    )


_DEFAULT_RETRY = Retry()


def _approval(value: Approval | bool | None) -> Approval | None:
    if isinstance(value, Approval):
        return value
    return Approval() if value else None
