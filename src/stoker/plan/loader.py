"""From a plan file to a validated plan, or to everything that is wrong with it."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from stoker.plan.decode import decode
from stoker.plan.errors import PlanError, Problem
from stoker.plan.graph import Graph
from stoker.plan.model import Plan, Step
from stoker.plan.source import MAX_BYTES, Format, Source, parse
from stoker.plan.validate import Kinds, validate, validate_extension
from stoker.plan.variables import substitute


class LoadedPlan(Struct, frozen=True):
    """A plan that can run."""

    plan: Plan
    graph: Graph
    warnings: tuple[Problem, ...]
    base_dir: str
    """Absolute; what relative paths in the plan are relative to."""
    path: str | None
    """The file, absolute; None if the plan came as text."""


def load(
    path: str | os.PathLike[str], *, kinds: Kinds, variables: Mapping[str, str] | None = None
) -> LoadedPlan:
    """Load a plan file. Raises `PlanError` with all problems, each with its place, also when
    the file cannot be read."""
    file = Path(path)
    full = file.absolute()
    with _uncollected():
        source = parse(_read(file), name=str(file))
        return _loaded(source, kinds, variables or {}, full, full.parent)


def loads(
    text: str | bytes,
    *,
    kinds: Kinds,
    name: str = "<plan>",
    variables: Mapping[str, str] | None = None,
    base_dir: str | os.PathLike[str] = ".",
    format: Format | None = None,
) -> LoadedPlan:
    """Load a plan from text; `name` is what problems call it. Raises `PlanError`."""
    directory = Path(base_dir).absolute()
    with _uncollected():
        source = parse(text, name=name, format=format)
        return _loaded(source, kinds, variables or {}, None, directory)


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
    source = parse(text, name=name, format=format)
    raw, problems = substitute(source, variables or {})
    bare = isinstance(raw, list)
    document = {"steps": raw} if bare else raw
    steps: tuple[Step, ...] = ()
    try:
        steps = msgspec.convert(document, _Extension).steps
    except msgspec.ValidationError:
        from stoker.plan.explain import explain

        problems += explain(document, _Extension)
    else:
        problems += validate_extension(plan, steps, kinds)
    if bare:
        problems = [replace(p, pointer=p.pointer.removeprefix("/steps")) for p in problems]
    _raise_errors(source, problems)
    return steps


class _Extension(Struct, forbid_unknown_fields=True):
    steps: tuple[Step, ...]


def _loaded(
    source: Source,
    kinds: Kinds,
    variables: Mapping[str, str],
    file: Path | None,
    base_dir: Path,
) -> LoadedPlan:
    raw, problems = substitute(source, variables)
    decoded = decode(raw)
    problems += decoded.problems
    if decoded.plan is None:
        raise PlanError(source.place(problems))
    graph = Graph.build(decoded.plan.steps)
    found = validate(decoded.plan, kinds, graph=graph)
    problems += (fault for fault in found if decoded.is_sound(fault.pointer))
    warnings = tuple(_raise_errors(source, problems))
    path = None if file is None else str(file)
    return LoadedPlan(decoded.plan, graph, warnings, str(base_dir), path)


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
