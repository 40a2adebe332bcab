"""What must hold for a step by itself, beyond its types."""

from __future__ import annotations

import math
import re
from collections.abc import Generator, Iterator, Mapping
from typing import Any, Protocol

import msgspec

from stoker.plan.errors import Problem, problem, show, warning
from stoker.plan.model import Approval, Globals, Retry, Step
from stoker.plan.quantity import QuantityError, quantity
from stoker.plan.references import Path
from stoker.plan.suggest import did_you_mean, known

MAX_ID = 200
_ID = re.compile(rf"[^\x00-\x1f\x7f-\x9f/]{{1,{MAX_ID}}}")
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_MAX_EXIT_CODE = 255


class KindLike(Protocol):
    """What validation needs of a kind of step; see `stoker.engine.kinds.Kind`."""

    name: str
    definition: type[Any]

    def check(self, step: Step, definition: Any) -> list[str]:
        """Problems the types of `definition` cannot express."""


Kinds = Mapping[str, KindLike]


def check_step(
    step: Step, path: Path, kinds: Kinds, common: Globals, capacities: Mapping[str, float]
) -> Generator[Problem, None, int]:
    """Everything that is wrong with one step, whatever the other steps are. Returns how many
    steps it is known to be expanded to."""
    if not _ID.fullmatch(step.id) or step.id in (".", ".."):
        yield problem(
            (*path, "id"),
            f"expected 1 to {MAX_ID} characters without '/' and control characters, "
            f"found {show(step.id)}",
        )
    # What most steps leave at its default is passed over: a plan may have 100,000 of them.
    if step.command is None or step.run is not None or step.step_def is not None:
        yield from _action(step, path, kinds)
    elif not step.command.strip():
        yield problem((*path, "command"), "there is nothing to execute: the text is empty")
    if step.on_failure != "abort" or not step.critical or step.fallback_step is not None:
        yield from _on_failure(step, path)
    if not (step.retries is None and step.retry is None and step.retry_delay_sec is None):
        yield from _retries(step, path, common)
    if step.effects == "once" and step.on_interrupt == "rerun":
        yield problem(
            (*path, "on_interrupt"), "effects: once never runs again by itself; expected quarantine"
        )
    if step.timeout_sec is not None and not 0 < step.timeout_sec < math.inf:
        yield from positive(step.timeout_sec, (*path, "timeout_sec"))
    if isinstance(step.approval, Approval) and step.approval.timeout_sec is not None:
        yield from positive(step.approval.timeout_sec, (*path, "approval", "timeout_sec"))
    if step.env:
        yield from check_env(step.env, (*path, "env"))
    if step.resources:
        yield from _demands(step, path, common, capacities)
    if step.provides or step.consumes:
        yield from _resource_names(step, path)
    if not all(step.locks):
        yield problem((*path, "locks"), "the name of a lock is empty")
    if step.tool == "":
        yield problem((*path, "tool"), "the name of the tool is empty")
    if step.foreach is not None or step.matrix is not None:
        return (yield from _expansion(step, path))
    return 0


def _action(step: Step, path: Path, kinds: Kinds) -> Iterator[Problem]:
    chosen = [f for f in ("command", "run", "step_def") if getattr(step, f) is not None]
    if len(chosen) != 1:
        found = f"found {' and '.join(chosen)}" if chosen else "found none of them"
        yield problem(path, f"expected exactly one of command, run and step_def, {found}")
    if step.command is None and (step.args or step.shell):
        field = "args" if step.args else "shell"
        yield problem((*path, field), f"{field} belongs to command, and there is none")
    if step.run is not None and not step.run.strip():
        yield problem((*path, "run"), "there is nothing to execute: the text is empty")
    if step.step_def is not None:
        yield from _definition(step, step.step_def, (*path, "step_def"), kinds)


def _definition(step: Step, fields: dict[str, Any], path: Path, kinds: Kinds) -> Iterator[Problem]:
    if "type" not in fields:
        yield problem(path, f"the required field 'type' is missing; {known(kinds)}")
        return
    name = fields["type"]
    kind = kinds.get(name) if isinstance(name, str) else None
    if kind is None:
        hint = did_you_mean(name, kinds) if isinstance(name, str) else ""
        shown = show(name)
        yield problem((*path, "type"), f"unknown kind of step {shown}{hint}; {known(kinds)}")
        return
    own = {key: value for key, value in fields.items() if key != "type"}
    try:
        definition = msgspec.convert(own, kind.definition)
    except msgspec.ValidationError:
        from stoker.plan.explain import explain

        # Empty if templates stand for values of other types: checked when they are rendered.
        yield from explain(own, kind.definition, path, templates=True)
        return
    try:
        messages = kind.check(step, definition)
    except Exception as error:  # foreign code: whatever it raises
        messages = [f"the check of kind {show(name)} broke: {type(error).__name__}: {error}"]
    for message in messages:
        yield problem(path, message)


def _on_failure(step: Step, path: Path) -> Iterator[Problem]:
    if step.on_failure == "fallback_step" and step.fallback_step is None:
        yield problem(
            (*path, "on_failure"), "on_failure is 'fallback_step', but fallback_step names none"
        )
    if step.fallback_step is not None and step.on_failure != "fallback_step":
        yield problem(
            (*path, "fallback_step"),
            "a fallback_step runs only with on_failure: fallback_step; "
            f"on_failure is {step.on_failure!r}: set both or neither",
        )
    if not step.critical and step.on_failure == "abort":
        yield warning(
            (*path, "critical"),
            "critical: false has no effect with on_failure: abort, which fails the run; "
            "on_failure: continue or skip_dependents was likely meant",
        )


def _retries(step: Step, path: Path, common: Globals) -> Iterator[Problem]:
    retries = common.default_retries if step.retries is None else step.retries
    if retries < 0 and step.retries is not None:
        yield problem((*path, "retries"), f"expected 0 or more, found {step.retries}")
    if step.retry_delay_sec is not None:
        yield from not_negative(step.retry_delay_sec, (*path, "retry_delay_sec"))
        if step.retry is not None and step.retry.delay_sec not in (0, step.retry_delay_sec):
            yield problem(
                (*path, "retry_delay_sec"), "differs from retry.delay_sec; expected one of the two"
            )
    if step.retry is not None:
        yield from _retry(step.retry, (*path, "retry"))
    if retries == 0 and (step.retry is not None or step.retry_delay_sec is not None):
        field = "retry" if step.retry is not None else "retry_delay_sec"
        yield warning((*path, field), "has no effect: the step has no retries")


def _retry(retry: Retry, path: Path) -> Iterator[Problem]:
    yield from not_negative(retry.delay_sec, (*path, "delay_sec"))
    yield from positive(retry.max_delay_sec, (*path, "max_delay_sec"))
    if not 1 <= retry.backoff < math.inf:
        yield problem((*path, "backoff"), f"expected 1 or more, found {retry.backoff}")
    if not 0 <= retry.jitter <= 1:
        yield problem((*path, "jitter"), f"expected 0 to 1, found {retry.jitter}")
    if retry.on_exit_codes is not None:
        if not retry.on_exit_codes:
            yield problem((*path, "on_exit_codes"), "an empty list; expected at least one code")
        for index, code in enumerate(retry.on_exit_codes):
            if not 0 < code <= _MAX_EXIT_CODE:
                yield problem(
                    (*path, "on_exit_codes", index),
                    f"expected a failure's exit code, 1 to {_MAX_EXIT_CODE}, found {code}",
                )


def _demands(
    step: Step, path: Path, common: Globals, capacities: Mapping[str, float]
) -> Iterator[Problem]:
    for name, amount in step.resources.items():
        place = (*path, "resources", name)
        try:
            demand = quantity(amount)
        except QuantityError as error:
            yield problem(place, str(error))
            continue
        if demand == 0:
            yield problem(place, "expected more than 0")
        capacity = capacities.get(name)
        if capacity is not None and demand > capacity:
            yield problem(
                place,
                f"{amount} is more than the {common.resources[name]} of globals.resources, "
                "so the step could never start",
            )


def _resource_names(step: Step, path: Path) -> Iterator[Problem]:
    for field in ("provides", "consumes"):
        for index, name in enumerate(getattr(step, field)):
            if not _NAME.fullmatch(name):
                yield problem(
                    (*path, field, index),
                    "expected a name of letters, digits, '_', '.' and '-' that begins with "
                    f"a letter or '_', found {show(name)}",
                )


def _expansion(step: Step, path: Path) -> Generator[Problem, None, int]:
    from stoker.plan.expand import ExpansionError, child_ids, literal_items

    if step.foreach is not None and step.matrix is not None:
        yield problem(path, "expected one of foreach and matrix, found both")
        return 0
    place = (*path, "foreach" if step.matrix is None else "matrix")
    try:
        items = literal_items(step)
        if items is None:
            return 0
        if not items:
            yield warning(place, "it is empty: the step does nothing")
        return len(child_ids(step, items))
    except ExpansionError as error:
        yield problem(place, str(error))
    return 0


def check_env(env: Mapping[str, Any], path: Path) -> Iterator[Problem]:
    """Names an environment can hold."""
    for name in env:
        if not name or "=" in name or "\0" in name:
            yield problem((*path, name), "no name of an environment variable", on_key=True)


def positive(value: float, path: Path) -> Iterator[Problem]:
    """A problem unless `value` is more than 0 and finite."""
    if not 0 < value < math.inf:
        yield problem(path, f"expected more than 0, found {value:g}")


def not_negative(value: float, path: Path) -> Iterator[Problem]:
    """A problem unless `value` is 0 or more and finite."""
    if not 0 <= value < math.inf:
        yield problem(path, f"expected 0 or more, found {value:g}")
