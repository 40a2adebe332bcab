"""`stoker roadmap memory`: what is remembered of a project's roadmaps, and of one run."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from stoker.cli.context import Context, UsageError
from stoker.cli.exit_codes import SUCCEEDED
from stoker.cli.output import Output, one_line, plural
from stoker.cli.roadmap_runs import find

if TYPE_CHECKING:
    from stoker.roadmaps.memory.outcome import Outcome
    from stoker.roadmaps.memory.project import ProjectMemory

_HISTORY = 10


def register(parser: argparse.ArgumentParser) -> None:
    """The arguments of `stoker roadmap memory`."""
    parser.add_argument(
        "what",
        nargs="?",
        choices=("show", "clear"),
        default="show",
        help="show it, or forget what the project remembers (show)",
    )
    parser.add_argument("--run", metavar="RUN", help="what a run remembers, not the project")
    parser.add_argument("--json", action="store_true", help="everything as JSON")
    parser.epilog = (
        "examples:\n  stoker roadmap memory\n  stoker roadmap memory show --run last\n"
        "  stoker roadmap memory clear\n"
    )


async def run(args: argparse.Namespace, context: Context) -> int:
    """Print what is remembered, or forget it."""
    from stoker.roadmaps.memory import project

    output = context.output
    if args.run is not None:
        if args.what == "clear":
            raise UsageError("a run's memory is its journal, which is kept; leave --run out")
        found = await _outcomes(args.run, context)
        if args.json:
            output.json(found)
        else:
            _print_run(found, output)
        return SUCCEEDED
    root = _root(context.cwd)
    if args.what == "clear":
        try:
            there = project.clear(root)
        except OSError as error:
            raise UsageError(str(error)) from error
        if args.json:
            output.json({"cleared": there})
        else:
            output.line(f"forgot {root / project.FILE}" if there else "nothing was remembered")
        return SUCCEEDED
    try:
        memory = project.read(root)
    except project.Unreadable as error:
        raise UsageError(f"{error} (`stoker roadmap memory clear` forgets it)") from error
    if args.json:
        output.json(memory)
    else:
        _print_project(memory, output)
    return SUCCEEDED


async def _outcomes(name: str, context: Context) -> list[Outcome]:
    from stoker.roadmaps.knowledge import outcomes
    from stoker.roadmaps.standing import standing
    from stoker.roadmaps.workspace import parts

    async with context.journal() as journal:
        row = await find(name, context, journal)
        runs = (await parts(journal, row.run_id)).values() or (row.run_id,)
        stand = [await standing(journal, run, context.directory / "runs") for run in runs]
    return [one for run in stand for one in outcomes(run)]


def _root(cwd: Path) -> Path:
    """Of the project: where its memory is, or its repository."""
    from stoker.roadmaps.memory.project import FILE

    places = (cwd, *cwd.parents)
    for mark in (FILE, ".git"):
        for place in places:
            if (place / mark).exists():
                return place
    return cwd


def _print_run(found: list[Outcome], output: Output) -> None:
    if not found:
        output.line("no task of this run was tried yet")
    for one in found:
        told = f"{plural(len(one.files), 'file')}, {plural(one.tokens, 'token')}"
        output.line(
            f"{one_line(one.task)} try {one.attempt} {one.verdict}: {one_line(one.title)} ({told})"
        )
        _listed("", [one.summary, *(f"decided: {text}" for text in one.decisions)], output)
        _listed("", [f"{fault.category}: {fault.message}" for fault in one.faults], output)


def _print_project(memory: ProjectMemory, output: Output) -> None:
    if not memory.history and not memory.conventions:
        output.line("nothing is remembered of this project")
        return
    files = [f"{file.path} (by {plural(file.tasks, 'task')})" for file in memory.key_files]
    _listed("key files:", files[:_HISTORY], output)
    _listed("conventions:", memory.conventions, output)
    lessons = [
        f"{lesson.signature} (seen {lesson.seen}, resolved {lesson.resolved}) {lesson.resolution}"
        for lesson in memory.lessons
    ]
    _listed("lessons:", lessons, output)
    patterns = [f"{one.kind}: {one.verified} of {one.tries} held" for one in memory.patterns]
    _listed("patterns:", patterns, output)
    history = [f"{one.task} {one.status}: {one.title}" for one in memory.history]
    _listed(f"history (of {len(history)}):", history[-_HISTORY:], output)


def _listed(title: str, lines: list[str] | tuple[str, ...], output: Output) -> None:
    if title and lines:
        output.line(title)
    for line in filter(None, lines):
        output.line(f"  {one_line(line)}".rstrip())
