"""From a plan file to a validated plan, or to everything that is wrong with it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from msgspec import Struct
from msgspec.structs import replace

from stoker.plan.decode import decode, decode_as
from stoker.plan.errors import PlanError, Problem, path_of
from stoker.plan.graph import Graph
from stoker.plan.model import Plan, Step
from stoker.plan.source import MAX_BYTES, Format, Source, parse
from stoker.plan.validate import Kinds, validate, validate_extension
from stoker.plan.variables import substitute


class LoadedPlan(Struct, frozen=True):
    """A plan that can run. Relative paths in it start from the directory the run is started
    in (`RunOptions.cwd`), those of a nested plan from the directory of its step."""

    plan: Plan
    graph: Graph
    warnings: tuple[Problem, ...]
    path: str | None
    """The file, absolute; None if the plan came as text."""


def load(
    path: str | os.PathLike[str], *, kinds: Kinds, variables: Mapping[str, str] | None = None
) -> LoadedPlan:
    """Load a plan file. Raises `PlanError` with all problems, each with its place, also when
    the file cannot be read."""
    file = Path(path)
    return _loaded(_read(file), str(file), None, kinds, variables, str(file.absolute()))


def loads(
    text: str | bytes,
    *,
    kinds: Kinds,
    name: str = "<plan>",
    variables: Mapping[str, str] | None = None,
    format: Format | None = None,
) -> LoadedPlan:
    """Load a plan from text; `name` is what problems call it. Raises `PlanError`."""
    return _loaded(text, name, format, kinds, variables, None)


def load_steps(
    text: str | bytes,
    *,
    plan: Plan,
    kinds: Kinds,
    name: str = "<steps>",
    variables: Mapping[str, str] | None = None,
    format: Format | None = None,
) -> tuple[Step, ...]:
    """Steps to add to a plan: a list of them, or a map `{steps: [...]}`. They are validated
    as an extension of `plan`. Raises `PlanError`."""
    problems: list[Problem] = []
    source = parse(text, name=name, format=format, faults=problems)
    bare = isinstance(source.value, list)
    above = "/steps" if bare else ""
    unread = {above + fault.pointer for fault in problems}
    raw, more = substitute(source, variables or {})
    problems += more
    decoded = decode_as({"steps": raw} if bare else raw, _Extension, map(path_of, unread))
    problems += (fault for fault in decoded.problems if fault.pointer not in unread)
    steps = () if decoded.plan is None else decoded.plan.steps
    if decoded.plan is not None:
        problems += decoded.independent(validate_extension(plan, steps, kinds))
    if bare:
        problems = [replace(p, pointer=p.pointer.removeprefix("/steps")) for p in problems]
    _raise_errors(source, problems)
    return steps


class _Extension(Struct, forbid_unknown_fields=True):
    steps: tuple[Step, ...]


def _loaded(
    text: str | bytes,
    name: str,
    format: Format | None,
    kinds: Kinds,
    variables: Mapping[str, str] | None,
    path: str | None,
) -> LoadedPlan:
    with _uncollected():
        problems: list[Problem] = []
        source = parse(text, name=name, format=format, faults=problems)
        unread = {fault.pointer for fault in problems}
        raw, more = substitute(source, variables or {})
        decoded = decode(raw, map(path_of, unread))
        problems += more
        problems += (fault for fault in decoded.problems if fault.pointer not in unread)
        if decoded.plan is None:
            raise PlanError(source.place(problems))
        graph = Graph.build(decoded.plan.steps)
        problems += decoded.independent(validate(decoded.plan, kinds, graph=graph))
        warnings = tuple(_raise_errors(source, problems))
        return LoadedPlan(decoded.plan, graph, warnings, path)


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


def _raise_errors(source: Source, problems: Iterable[Problem]) -> list[Problem]:
    """The problems with their places. Raises `PlanError` if one is an error."""
    placed = source.place(problems)
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
