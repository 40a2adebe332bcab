"""`stoker run --watch`: run, wait for files to change, run again."""

from __future__ import annotations

import asyncio
import os
from argparse import Namespace
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final

from stoker.cli import exit_codes, given
from stoker.cli.context import Context, UsageError
from stoker.plan.expression import EvaluationError
from stoker.project import STATE

if TYPE_CHECKING:
    from asyncinotify import Inotify

    from stoker.plan.loader import LoadedPlan
    from stoker.plan.model import Plan, Step

IGNORED: Final = frozenset((STATE, ".git"))
_QUIET_SEC: Final = 0.1
"""Changes that follow each other faster than this are one."""


async def watch(args: Namespace, context: Context) -> int:
    """Run the plan now and after each change, until Ctrl-C.

    Where the plan's steps name `inputs_files`, a change of one of those or of the plan file
    counts, also during a run. Else every file under the plan's directory counts, but not
    while the plan runs: what its own steps write there must not start it again. Raises
    `UsageError`.
    """
    from asyncinotify import Inotify

    from stoker.cli.run import load, run_once
    from stoker.plan.errors import PlanError

    if args.plan == "-":
        raise UsageError("--watch needs a plan file, not stdin")
    if args.run_id is not None:
        raise UsageError("--watch begins many runs, --run-id names one")
    file = context.cwd / args.plan
    wanted, told = Wanted(file), set[str]()
    with Inotify() as inotify:
        tree = Tree(inotify, file.parent)
        while True:
            try:
                loaded = load(args, context)
                inputs = given.inputs(args, loaded.plan, context)
                wanted = _wanted(file, loaded, inputs, context)
                for text in wanted.unknown:
                    if text not in told:
                        context.output.note(f"not watched, as it is known only in a run: {text}")
                told.update(wanted.unknown)
                tree.cover(wanted.roots)
                status = await run_once(args, context, loaded, inputs)
                if status in (exit_codes.CANCELED, exit_codes.SUSPENDED):
                    return status
            except PlanError as error:
                context.output.error(str(error))
            if not wanted.patterns:
                await _until_quiet(tree)
            context.output.note("waiting for files to change; Ctrl-C ends")
            context.output.flush()
            while not wanted.any(await tree.changed()):
                continue
            await _until_quiet(tree)


async def _until_quiet(tree: Tree) -> None:
    with suppress(TimeoutError):
        while True:
            await asyncio.wait_for(tree.changed(), _QUIET_SEC)


def _wanted(file: Path, loaded: LoadedPlan, inputs: Mapping[str, Any], context: Context) -> Wanted:
    """What matters to a plan that is given these inputs. Raises `PlanError`."""
    from stoker.plan.inputs import resolve

    directory = loaded.directory or str(context.cwd)
    names = {"inputs": resolve(loaded.plan, inputs).values, "run": {"plan_dir": directory}}
    return Wanted(file, context.cwd, loaded.plan, {**names, "env": context.environment})


class Wanted:
    """Which files matter: the plan file at `file`, and what `plan` says, its paths starting
    from `cwd` and its templates filled in with `names`."""

    def __init__(
        self,
        file: Path,
        cwd: Path = Path(),
        plan: Plan | None = None,
        names: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        self._file = file
        unknown: list[str] = []
        read, written = set[str](), set[str]()
        base = plan.globals.cwd or "" if plan is not None else ""
        for step in plan.steps if plan is not None else ():
            for one in _expanded(step, names):
                directories = (base, one.cwd or "")
                read |= _paths(cwd, directories, one.inputs_files, names, unknown)
                written |= _paths(cwd, directories, one.outputs_files, names, [])
        self.unknown = tuple(dict.fromkeys(unknown))
        """Inputs that need a step's result or the run's id, and so are left out."""
        self.patterns = tuple(sorted(read - written))
        self.roots = tuple(_fixed_part(pattern) for pattern in self.patterns)

    def any(self, paths: Iterable[Path]) -> bool:
        """Whether one of these paths matters."""
        return any(map(self._matters, paths))

    def _matters(self, path: Path) -> bool:
        if path == self._file or not self.patterns:
            return True
        return any(_matches(path, pattern) for pattern in self.patterns)


def _paths(
    cwd: Path,
    directories: Iterable[str],
    patterns: Iterable[str],
    names: Mapping[str, Any],
    unknown: list[str],
) -> set[str]:
    """The patterns filled in, absolute; those that cannot be go to `unknown`."""
    found = set[str]()
    for pattern in patterns:
        try:
            base = cwd.joinpath(*(path for text in directories for path in _filled(text, names)))
            found.update(os.path.normpath(base / path) for path in _filled(pattern, names))
        except EvaluationError:
            unknown.append(pattern)
    return found


def _expanded(step: Step, names: Mapping[str, Any]) -> Sequence[Step]:
    """The steps a foreach step stands for, if that is known already; else the step."""
    from stoker.engine.foreach import children, is_foreach
    from stoker.plan.expand import ExpansionError

    try:
        return children(step, names, ()) if is_foreach(step) else [step]
    except (EvaluationError, ExpansionError):
        return [step]


def _filled(text: str, names: Mapping[str, Any]) -> list[str]:
    """The text with its templates filled in; an expression that gives a list gives many.
    Raises `EvaluationError`."""
    from stoker.plan.template import as_text, compile_template

    if "${{" not in text:
        return [text]
    template = compile_template(text)
    if ("run", "id") in template.references:
        raise EvaluationError("a run's id is known when it runs")
    value = template.render(names)
    return [as_text(item) for item in (value if isinstance(value, list | tuple) else (value,))]


def _matches(path: Path, pattern: str) -> bool:
    """A path, a directory with all below it, or a glob in which `*` also crosses `/`: one
    run too many does no harm."""
    from fnmatch import fnmatchcase

    text = str(path)
    return text == pattern or text.startswith(f"{pattern}/") or fnmatchcase(text, pattern)


def _fixed_part(pattern: str) -> Path:
    """The directory below which everything a pattern names lies."""
    fixed: list[str] = []
    for part in Path(pattern).parts:
        if any(c in part for c in "*?["):
            break
        fixed.append(part)
    path = Path(*fixed)
    return path if path.is_dir() else path.parent


class Tree:
    """Directories under watch, with all below them but `IGNORED`."""

    def __init__(self, inotify: Inotify, root: Path) -> None:
        self._inotify = inotify
        self._watched: set[Path] = set()
        self.cover([root])

    def cover(self, roots: Iterable[Path]) -> None:
        """Watch these too."""
        from asyncinotify import Mask

        mask = (
            Mask.CLOSE_WRITE
            | Mask.CREATE
            | Mask.DELETE
            | Mask.MOVED_FROM
            | Mask.MOVED_TO
            | Mask.ONLYDIR
        )
        for root in roots:
            for directory in _directories(root):
                if directory not in self._watched:
                    with suppress(FileNotFoundError, NotADirectoryError):
                        self._inotify.add_watch(directory, mask)
                        self._watched.add(directory)

    async def changed(self) -> list[Path]:
        """The next path that changed; a new directory stands for all that is in it by now."""
        from asyncinotify import Mask

        while True:
            event = await self._inotify.get()
            path = event.path
            if path is None:
                continue
            if Mask.IGNORED in event.mask:
                self._watched.discard(path)
                continue
            if path.name in IGNORED:
                continue
            if Mask.ISDIR not in event.mask:
                return [path]
            if event.mask & (Mask.CREATE | Mask.MOVED_TO):
                self.cover([path])
                return [path, *(Path(at, name) for at, _, names in os.walk(path) for name in names)]


def _directories(root: Path) -> Iterator[Path]:
    for at, names, _ in os.walk(root):
        names[:] = [name for name in names if name not in IGNORED]
        yield Path(at)
