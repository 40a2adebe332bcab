"""Finding the kind a step is of, by the name in `step_def.type`.

The table of built-in kinds is handed in by whoever puts an engine together
(`stoker.steps.registry`), so that the engine itself knows no kind by name. Kinds of
other packages come from the entry point group `stoker.kinds`; reading the metadata of
everything installed costs 20 ms and more, so it happens only when a name is asked for
that the table does not hold, or when all kinds are listed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

from msgspec import Struct

from stoker.engine.kinds import Attempt, Kind, StepFailed, Work
from stoker.plan.model import InterruptPolicy, Step
from stoker.plan.template import as_text

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

GROUP: Final = "stoker.kinds"
"""The entry point group in which other packages declare their kinds."""

_MEMBERS: Final = ("name", "definition", "on_interrupt", "check", "tool", "start")


class _Anything(Struct, frozen=True):
    """Takes any fields: what is wrong with the kind is more than what is wrong with them."""


class BrokenKind:
    """Stands for a kind that an installed package declares but that cannot be used, so that
    the plans which use it are told at their steps, and all others are not troubled."""

    definition = _Anything
    on_interrupt: InterruptPolicy = "quarantine"
    takes_slot = True

    def __init__(self, name: str, packages: tuple[str, ...], reason: str) -> None:
        self.name = name
        self.problem = f"step type {name!r} of package {' and '.join(packages)}: {reason}"

    def check(self, step: Step, definition: _Anything) -> list[str]:
        """Why it cannot be used, with the package's name."""
        return [self.problem]

    def tool(self, step: Step, definition: _Anything) -> str:
        """Its name."""
        return self.name

    def start(self, step: Step, definition: _Anything, attempt: Attempt) -> Work:
        """Raises `StepFailed`: the package may have broken after the plan was validated."""
        raise StepFailed(self.problem)


class Registry(Mapping[str, Kind[Any]]):
    """Every kind there is, by name; each is imported when it is first asked for.

    Built-in names win over those of other packages. A package's kind that cannot be used is
    there as a `BrokenKind`.
    """

    def __init__(self, built_in: Mapping[str, str]) -> None:
        """`built_in`: name -> `module:ATTRIBUTE` of a `Kind`."""
        self._built_in = built_in
        self._loaded: dict[str, Kind[Any]] = {}

    def __getitem__(self, name: str) -> Kind[Any]:
        """Raises `KeyError` for a name nobody declares."""
        kind = self._loaded.get(name)
        if kind is None:
            target = self._built_in.get(name)
            if target is None:
                kind = _load(name, self._entry_points[name])
            else:
                module, _, attribute = target.partition(":")
                kind = getattr(import_module(module), attribute)
            self._loaded[name] = kind
        return kind

    def __contains__(self, name: object) -> bool:
        return name in self._built_in or name in self._entry_points

    def __iter__(self) -> Iterator[str]:
        yield from self._built_in
        yield from (name for name in self._entry_points if name not in self._built_in)

    def __len__(self) -> int:
        return len(self._built_in.keys() | self._entry_points.keys())

    @cached_property
    def _entry_points(self) -> dict[str, tuple[EntryPoint, ...]]:
        from importlib.metadata import entry_points

        found: dict[str, tuple[EntryPoint, ...]] = {}
        for point in entry_points(group=GROUP):
            others = found.get(point.name, ())
            # A package found twice on the path declares the same thing twice.
            if point.value not in [other.value for other in others]:
                found[point.name] = (*others, point)
        return found


def _load(name: str, points: tuple[EntryPoint, ...]) -> Kind[Any]:
    packages = tuple(point.dist.name if point.dist else point.value for point in points)
    if len(points) > 1:
        return BrokenKind(name, packages, "declared more than once; uninstall all but one")
    (point,) = points
    try:
        kind: Kind[Any] = point.load()
    except Exception as error:  # foreign code: whatever it raises, it cannot be used
        reason = f"loading {point.value} failed: {type(error).__name__}: {error}"
        return BrokenKind(name, packages, reason)
    missing = [member for member in _MEMBERS if not hasattr(kind, member)]
    if missing:
        reason = f"{point.value} is not a Kind: it lacks {', '.join(missing)}"
        return BrokenKind(name, packages, reason)
    if kind.name != name:
        return BrokenKind(name, packages, f"{point.value} calls itself {kind.name!r}")
    return kind


def kind_of(step: Step) -> tuple[str, dict[str, Any]]:
    """Name of the step's kind, and the fields of its definition, not yet rendered.

    `command` and `run` are short for a `step_def` of type `command` and `shell`. With
    `shell: true` the words of `command` and `args` are joined by blanks, unquoted, and
    given to the shell, as the older orchestrator did: plans rely on `*` and `&&` there.
    The step must be valid: it has exactly one of `command`, `run` and `step_def`.
    """
    if step.step_def is not None:
        definition = dict(step.step_def)
        return definition.pop("type"), definition
    if step.run is not None:
        return "shell", {"run": step.run}
    if step.shell:
        return "shell", {"run": " ".join((step.command or "", *map(as_text, step.args)))}
    return "command", {"command": step.command, "args": step.args}
