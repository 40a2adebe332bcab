"""From a plan file to a validated plan, or to everything that is wrong with it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from stoker.plan.decode import Decoded, decode_as
from stoker.plan.errors import PlanError, Problem, path_of
from stoker.plan.graph import Graph
from stoker.plan.model import Plan, Step
from stoker.plan.nesting import Examined, Link, Nesting
from stoker.plan.source import MAX_BYTES, Source, parse
from stoker.plan.validate import Kinds, validate, validate_extension
from stoker.plan.variables import substitute

T = TypeVar("T")


class LoadedPlan(Struct, frozen=True):
    """A plan that can run. Relative paths in it start from the directory the run is started
    in (`RunOptions.cwd`), those of a nested plan from the directory of its step."""

    plan: Plan
    graph: Graph
    warnings: tuple[Problem, ...]
    path: str | None
    """The file, absolute; None if the plan came as text."""

    @property
    def directory(self) -> str | None:
        """The file's directory, absolute and without links."""
        return None if self.path is None else os.path.realpath(os.path.dirname(self.path))  # noqa: PTH120


def load(
    path: str | os.PathLike[str],
    *,
    kinds: Kinds,
    variables: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] = "",
) -> LoadedPlan:
    """Load a plan file. Raises `PlanError` with all problems, each with its place, also when
    the file cannot be read, and also those of the plan files its steps run, which are looked
    for from `cwd` (default: the current directory)."""
    file = Path(path)
    return _loaded(_read(file), str(file), kinds, variables, str(file.absolute()), cwd)


def loads(
    text: str | bytes,
    *,
    kinds: Kinds,
    name: str = "<plan>",
    variables: Mapping[str, str] | None = None,
    cwd: str | os.PathLike[str] = "",
) -> LoadedPlan:
    """Load a plan from text; `name` is what problems call it, and its suffix tells the format.
    Raises `PlanError`."""
    return _loaded(text, name, kinds, variables, None, cwd)


def load_steps(
    text: str | bytes,
    *,
    plan: Plan,
    kinds: Kinds,
    name: str = "<steps>",
    cwd: str | os.PathLike[str] = "",
) -> tuple[Step, ...]:
    """Steps to add to a plan: a list of them, or a map `{steps: [...]}`. They are validated
    as an extension of `plan`, which runs in `cwd`. Raises `PlanError`."""
    problems: list[Problem] = []
    source = parse(text, name=name, faults=problems)
    bare = isinstance(source.value, list)
    above = "/steps" if bare else ""
    decoded = _decoded(source, _Extension, {}, problems, above)
    steps = () if decoded.plan is None else decoded.plan.steps
    inside: list[Problem] = []
    if decoded.plan is not None:
        nesting = _outermost(kinds, name, None, cwd)
        here, inside = nesting.check(steps, plan.globals, decoded)
        problems += decoded.independent([*validate_extension(plan, steps, kinds), *here])
    if bare:
        problems = [replace(p, pointer=p.pointer.removeprefix("/steps")) for p in problems]
    _without_errors([*source.place(problems), *dict.fromkeys(inside)])
    return steps


class _Extension(Struct, forbid_unknown_fields=True):
    steps: tuple[Step, ...]


def _loaded(
    text: str | bytes,
    name: str,
    kinds: Kinds,
    variables: Mapping[str, str] | None,
    path: str | None,
    cwd: str | os.PathLike[str],
) -> LoadedPlan:
    with _uncollected():
        nesting = _outermost(kinds, name, path, cwd)
        read = _examined(text, name, variables or {}, nesting)
        if (plan := read.decoded.plan) is None:
            raise PlanError(read.problems)
        return LoadedPlan(plan, read.graph, tuple(_without_errors(read.problems)), path)


def _outermost(kinds: Kinds, name: str, path: str | None, cwd: str | os.PathLike[str]) -> Nesting:
    link = Link(os.path.realpath(path) if path else "", name)
    return Nesting(kinds, _examined, Path(cwd), (link,))


def _examined(
    text: str | bytes, name: str, variables: Mapping[str, str], nesting: Nesting
) -> Examined:
    """See `stoker.plan.nesting.Examine`."""
    problems: list[Problem] = []
    source = parse(text, name=name, faults=problems)
    decoded = _decoded(source, Plan, variables, problems)
    inside: list[Problem] = []
    graph = Graph()
    if (plan := decoded.plan) is not None:
        graph.extend(plan.steps)
        found = validate(plan, nesting.kinds, graph=graph)
        here, inside = nesting.check(plan.steps, plan.globals, decoded)
        problems += decoded.independent([*found, *here])
    return Examined(decoded, graph, [*source.place(problems), *dict.fromkeys(inside)])


def _decoded(
    source: Source,
    model: type[T],
    variables: Mapping[str, str],
    problems: list[Problem],
    above: str = "",
) -> Decoded[T]:
    """The document as `model`, after its variables; `problems` has what is known to be wrong with
    it, and gets what is found. `above`: the field that a bare list stands for."""
    unread = {above + fault.pointer for fault in problems}
    raw, missing = substitute(source, variables)
    decoded = decode_as({"steps": raw} if above else raw, model, map(path_of, unread))
    problems += missing
    problems += (fault for fault in decoded.problems if fault.pointer not in unread)
    return decoded


@contextmanager
def _uncollected() -> Iterator[None]:
    """Without the cyclic garbage collector. Loading makes hundreds of thousands of objects
    that all stay and no cycles; the collector would walk them again and again, for more than
    half of the time."""
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _without_errors(placed: Sequence[Problem]) -> Sequence[Problem]:
    """The problems. Raises `PlanError` if one is an error."""
    if any(fault.severity == "error" for fault in placed):
        raise PlanError(placed)
    return placed


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES + 1)
    except OSError as error:
        message = f"cannot be read: {error.strerror or error}"
        raise PlanError([Problem(message=message, file=str(path))]) from None
