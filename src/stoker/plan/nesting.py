"""Plans within plans: the files that the steps of a plan run are checked together with it.

They are read as a run would find them, from the directories of their steps. What only a run
can tell is left to it: a path with a template, a file that another step makes.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import replace

from stoker.plan.decode import Decoded
from stoker.plan.errors import PlanError, Problem, pointer, problem, show, warning
from stoker.plan.graph import Graph
from stoker.plan.inputs import resolve
from stoker.plan.model import Globals, Plan, Step
from stoker.plan.references import has_template, references
from stoker.plan.source import MAX_BYTES
from stoker.plan.step_rules import Kinds

MAX_DEPTH: Final = 16
"""Plans within plans."""


class Nested(Struct, frozen=True):
    """The plan file that a step runs, as the step's fields have it: of any type, and not
    rendered. A kind whose steps run plan files has a method `nested(fields) -> Nested`."""

    path: Any
    inputs: Any
    variables: Any


class Link(Struct, frozen=True):
    """A file on the way to a plan, itself included."""

    path: str
    """Without symbolic links; empty for text that is in no file."""
    name: str
    certain: bool = True
    """The step that runs it does so whenever its own plan runs."""


class Examined(Struct, frozen=True):
    """What came of reading a plan."""

    decoded: Decoded[Plan]
    graph: Graph
    problems: Sequence[Problem]
    """With their places; also those of the plans nested in it."""


Examine = Callable[[bytes, str, Mapping[str, str], "Nesting"], Examined]
"""Reads a plan: its text, its name, the variables and where it stands. Raises `PlanError`."""


class Nesting(Struct, frozen=True):
    """Where a plan stands among others."""

    kinds: Kinds
    examine: Examine
    directory: Path
    """Its relative paths start here."""
    chain: tuple[Link, ...]
    """From the outermost plan to this one."""
    later: bool = False
    """Steps of the plans around it run before, and may make files."""
    known: dict[tuple[Any, ...], Decoded[Plan] | None] = {}
    """The plans that were read already, of all that are nested in the outermost one."""

    def check(
        self, steps: Sequence[Step], common: Globals, decoded: Decoded[Any]
    ) -> tuple[list[Problem], list[Problem]]:
        """What is wrong with how `steps` run other plans, and what is wrong in those plans.
        Of `decoded` it is asked what is as it was written."""
        here: list[Problem] = []
        inside: list[Problem] = []
        found = [
            (number, step, nested)
            for number, step in enumerate(steps)
            if step.step_def is not None and (nested := self._nested(step.step_def)) is not None
        ]
        if not found:
            return here, inside
        stand_ins = {step.fallback_step for step in steps}
        made = {
            self._directory(common, step) / file for step in steps for file in step.outputs_files
        }
        for number, step, nested in found:
            places = ("globals", "cwd"), ("steps", number, "cwd"), ("steps", number, "step_def")
            directory = self._directory(common, step)
            file = directory / nested.path
            if (
                "${{" not in str(file)
                and file not in made
                and all(decoded.is_sound(pointer(place)) for place in places)
            ):
                later = self.later or step.id in stand_ins or _waits(step)
                within = Nesting(
                    kinds=self.kinds,
                    examine=self.examine,
                    directory=directory,
                    chain=(*self.chain, _link(file, _is_certain(step))),
                    later=later,
                    known=self.known,
                )
                for fault in within._plan(nested, inside):
                    here.append(replace(fault, pointer=pointer(places[-1]) + fault.pointer))
        return here, inside

    def _nested(self, fields: Mapping[str, Any]) -> Nested | None:
        name = fields.get("type")
        find = getattr(self.kinds.get(name) if isinstance(name, str) else None, "nested", None)
        nested: Nested | None = None if find is None else find(fields)
        return nested if nested and nested.path and isinstance(nested.path, str) else None

    def _directory(self, common: Globals, step: Step) -> Path:
        return self.directory / (common.cwd or "") / (step.cwd or "")

    def _plan(self, nested: Nested, inside: list[Problem]) -> Iterator[Problem]:
        """What is wrong with how a step runs the plan that stands here, by the field of its
        `step_def`; what is wrong in the plan is added to `inside`."""
        *above, link = self.chain
        for index, other in enumerate(above):
            if other.path == link.path:
                if all(between.certain for between in self.chain[index + 1 :]):
                    names = " -> ".join(between.name for between in self.chain[index:])
                    yield problem(("path",), f"cycle: {names}")
                return
        if len(above) > MAX_DEPTH:
            yield problem(("path",), f"plans are nested more than {MAX_DEPTH} deep")
            return
        variables = nested.variables if _is_literal(nested.variables) else None
        given = None if variables is None else frozenset(variables.items())
        key = (link.path, self.directory, given)
        if key not in self.known:
            self.known[key] = None
            try:
                text = _read(link.name)
            except OSError as error:
                del self.known[key]
                yield self._unread(error)
                return
            if text is not None and variables is not None:
                try:
                    examined = self.examine(text, link.name, variables, self)
                except PlanError as error:
                    inside += error.problems
                    return
                self.known[key] = examined.decoded
                inside += examined.problems
        decoded = self.known[key]
        if decoded is not None and decoded.plan is not None and decoded.is_sound("/inputs"):
            yield from _inputs(decoded.plan, nested.inputs)

    def _unread(self, error: OSError) -> Problem:
        file = show(self.chain[-1].name)
        message = f"{file} cannot be read: {error.strerror or error}"
        if not self.directory.is_absolute():
            message += f" (from the directory {Path.cwd()})"
        if self.later and isinstance(error, FileNotFoundError | NotADirectoryError):
            return warning(("path",), f"{message}; the step fails if no step before it makes it")
        return problem(("path",), message)


def _link(file: Path, certain: bool) -> Link:
    return Link(os.path.realpath(file), str(file), certain)


def _is_certain(step: Step) -> bool:
    return step.condition is None is step.foreach and not step.skip_if and step.matrix is None


def _waits(step: Step) -> bool:
    """Whether other steps may come before this one."""
    refers = any(reference[0] == "prev" for reference in references(step))
    return bool(step.depends_on or step.consumes) or refers


def _is_literal(variables: Any) -> bool:
    return (
        isinstance(variables, dict)
        and all(isinstance(value, str) for value in variables.values())
        and not has_template(variables)
    )


def _read(file: str) -> bytes | None:
    """The text of a file; None if reading it could take it away or take for ever, as from a
    pipe. Raises `OSError`."""
    path = Path(file)
    if path.exists() and not path.is_file() and not path.is_dir():
        return None
    with path.open("rb") as opened:
        return opened.read(MAX_BYTES + 1)


def _inputs(plan: Plan, given: Any) -> Iterator[Problem]:
    if not isinstance(given, dict):  # a template
        return
    literal = {name: None if has_template(value) else value for name, value in given.items()}
    try:
        resolve(plan, literal)
    except PlanError as error:
        for fault in error.problems:
            yield replace(fault, on_key=True)
