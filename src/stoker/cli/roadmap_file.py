"""`stoker roadmap parse` and `status`: what a plan file says."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, get_args

from stoker.cli import exit_codes
from stoker.cli.context import Context, UsageError
from stoker.cli.output import Output, one_line
from stoker.cli.roadmap_runs import emit, tell
from stoker.roadmaps.document import Status

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from stoker.journal.base import Journal
    from stoker.roadmaps.differing import Differing
    from stoker.roadmaps.document import Roadmap, Task
    from stoker.roadmaps.format import Reading, Source

_STATUSES: Final[tuple[Status, ...]] = get_args(Status)
_SIGNS: Final[dict[Status, str]] = {
    "pending": "[ ]",
    "in_progress": "[~]",
    "review": "[?]",
    "done": "[x]",
    "blocked": "[!]",
    "deferred": "[>]",
    "skipped": "[-]",
}
_STYLES: Final = {"error": ("red",), "warning": ("yellow",), "note": ("dim",)}


def register(actions: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Their arguments."""
    parse = actions.add_parser("parse", help="what a plan file says, in the normal form")
    parse.epilog = (
        "Exit status: 2 if something in the file keeps it from being run.\n\n"
        "examples:\n  stoker roadmap parse ROADMAP.md --json\n"
        "  stoker roadmap parse .taskmaster --tag feature-login\n"
        "  stoker roadmap parse NOTES.md --normalize-with-llm --model gpt-5-mini"
    )
    status = actions.add_parser(
        "status", help="how far a plan file is, and what its runs say otherwise", parents=[common]
    )
    for action in (parse, status):
        add_file(action)
        action.add_argument("--json", action="store_true", help="as JSON")
    add_model(parse)
    parse.add_argument("--model", metavar="NAME", help="which model ($STOKER_NORMALIZE_MODEL)")
    parse.add_argument(
        "--base-url", metavar="URL", help="of an OpenAI-compatible endpoint ($OPENAI_BASE_URL)"
    )


def add_file(parser: ArgumentParser) -> None:
    """Which plan file, and how it is read."""
    parser.add_argument("file", metavar="FILE", type=Path, help="plan file, or a directory of them")
    add_reading(parser)


def add_reading(parser: ArgumentParser) -> None:
    """How a plan file is read."""
    parser.add_argument("--format", metavar="NAME", help="its format (default: recognised)")
    parser.add_argument("--tag", help="the tag of a Task Master file (default: its current)")
    parser.add_argument(
        "--include-fenced", action="store_true", help="boxes in fenced code are tasks, too"
    )


def add_model(parser: ArgumentParser) -> None:
    """That a model is to read it."""
    parser.add_argument(
        "--normalize-with-llm",
        action="store_true",
        help="have a model read what no format fits ($STOKER_NORMALIZE_MODEL, else --model); "
        "kept in .executor/ for this content",
    )


async def _parse(args: Namespace, context: Context) -> int:
    with told():
        if args.normalize_with_llm:
            model = args.model or context.environment.get("STOKER_NORMALIZE_MODEL")
            roadmap = await normalised(args.file, context, model, args.base_url)
        else:
            roadmap = read_file(args, context)[1]
    output = context.output
    if args.json:
        emit(args, context, _plain(roadmap))
        return _status(roadmap)
    output.line(_headline(roadmap))
    names = {phase.id: phase.name for phase in roadmap.phases}
    last: str | None = None
    for task, depth in _deep(roadmap.tasks):
        if depth == 0 and task.phase != last:
            last = task.phase
            output.line()
            output.line(output.style(one_line(names.get(last or "", "")), "bold"))
        hints = [f"after {', '.join(task.depends_on)}"] if task.depends_on else []
        hints += [name for name in ("parallel", "optional", "gate") if getattr(task, name)]
        if count := len(task.acceptance):
            hints.append("1 criterion" if count == 1 else f"{count} criteria")
        hint = output.style(f"  ({'; '.join(map(one_line, hints))})", "dim") if hints else ""
        title = "" if task.title == task.id else f" {one_line(task.title)}"
        output.line(f"{'  ' * depth}{_SIGNS[task.status]} {one_line(task.id)}{title}{hint}")
    for gate in roadmap.gates:
        done = sum(item.done for item in gate.items)
        output.line(f"gate {one_line(gate.name)}: {done} of {len(gate.items)} ({gate.path})")
    _tell(roadmap, output)
    return _status(roadmap)


async def _how_far(args: Namespace, context: Context) -> int:
    from stoker.roadmaps.differing import differing, stands

    with told():
        roadmap = read_file(args, context)[1]
    async with context.journal_if_any() as journal:
        found = await differing(journal, roadmap) if journal else None
        parts = await _parts(journal, found) if journal and found else {}
    if found is not None:
        roadmap = stands(roadmap, found)
    output = context.output
    total = Counter(task.status for task in roadmap.walk())
    names = {phase.id: phase.name for phase in roadmap.phases}
    counts: dict[str, Counter[Status]] = {}
    for task, _ in _deep(roadmap.tasks):
        counts.setdefault(task.phase or "", Counter())[task.status] += 1
    if args.json:
        emit(
            args,
            context,
            {
                "source": roadmap.source,
                "format": roadmap.format,
                "title": roadmap.title,
                "tasks": total.total(),
                "counts": total,
                "phases": [
                    {"id": id, "name": names.get(id, ""), "tasks": of.total(), "counts": of}
                    for id, of in counts.items()
                ],
                "runs": [] if found is None else list(_of_runs(found)),
                "parts": parts,
                "problems": [_plain(problem) for problem in roadmap.problems],
            },
        )
        return _status(roadmap)
    output.line(_headline(roadmap))
    if len(counts) > 1 or "" not in counts:
        for id, of in counts.items():
            output.line(f"  {_summary(of)}  {one_line(names.get(id, '') or '(no phase)')}")
    _tell(roadmap, output)
    tell(context, args.file, found)
    for name, its in parts.items():
        done = sum(over for _, over in its)
        following = "" if done == len(its) else f", then {its[done][0]}"
        output.line(one_line(f"{name}: {done} of {len(its)} parts are done{following}"))
    return _status(roadmap)


async def _parts(journal: Journal, found: Differing) -> dict[str, list[tuple[str, bool]]]:
    """Of tasks that are not done, by their ids: what they were divided into."""
    from stoker.roadmaps.standing import Standings

    standings = Standings(journal)
    open_ = [(name, one) for name, one in found.known.items() if not one.standing.done]
    units = {run: (await standings.of(run)).units for run in {one.run_id for _, one in open_}}
    parts = {}
    for name, one in open_:
        its = (u.parts for u in units[one.run_id] if u.unit.id == one.standing.unit.id)
        parts[name] = next(its, [])
    return {name: of for name, of in parts.items() if of}


def _of_runs(found: Differing) -> Iterator[dict[str, Any]]:
    for name, one in found.known.items():
        yield {
            "id": name,
            "run_id": one.run_id,
            "status": one.standing.status,
            "reason": one.standing.reason,
            "to_review": name in found.review,
            "ticked_without_evidence": name in found.ticked,
            "not_written": one.standing.unmarked if name in found.owed else {},
        }


ACTIONS: Final[dict[str, Callable[[Namespace, Context], Awaitable[int]]]] = {
    "parse": _parse,
    "status": _how_far,
}


@contextmanager
def told() -> Iterator[None]:
    """Errors of plan files as errors for their user."""
    from stoker.roadmaps.format import NotReadable
    from stoker.roadmaps.writing import Changed

    try:
        yield
    except (NotReadable, Changed) as error:
        raise UsageError(str(error)) from error


def read_file(args: Namespace, context: Context) -> tuple[Source, Roadmap]:
    from stoker.roadmaps.detect import find, source_of

    source = source_of(context.cwd / args.file)
    return source, find(source, args.format).read(source, reading(args))


async def normalised(
    file: Path, context: Context, model: str | None, base_url: str | None = None
) -> Roadmap:
    """What `model` reads in a plan file. Raises `UsageError`."""
    from stoker.roadmaps.detect import source_of
    from stoker.roadmaps.normalise import normalise, openai

    if not model:
        raise UsageError("--normalize-with-llm needs --model or STOKER_NORMALIZE_MODEL")
    with told():
        return await normalise(source_of(context.cwd / file), openai(model, base_url), model)


def reading(args: Namespace) -> Reading:
    from stoker.roadmaps.format import Reading

    return Reading(include_fenced=args.include_fenced, tag=args.tag)


def _deep(tasks: Iterable[Task], depth: int = 0) -> Iterator[tuple[Task, int]]:
    for task in tasks:
        yield task, depth
        yield from _deep(task.subtasks, depth + 1)


def _headline(roadmap: Roadmap) -> str:
    counts = Counter(task.status for task in roadmap.walk())
    title = f"{roadmap.title}: " if roadmap.title else ""
    return one_line(f"{title}{_summary(counts)} ({roadmap.source}, {roadmap.format})")


def _summary(counts: Counter[Status]) -> str:
    rest = [
        f"{counts[name]} {name.replace('_', ' ')}"
        for name in _STATUSES
        if counts[name] and name not in ("pending", "done")
    ]
    return ", ".join([f"{counts['done']} of {counts.total()} done", *rest])


def _tell(roadmap: Roadmap, output: Output) -> None:
    for one in roadmap.problems:
        severity = output.err.style(one.severity, *_STYLES[one.severity])
        place = f"{one.path}:{one.line}:{one.column}"
        output.note(f"{one_line(place)}: {severity}: {one_line(one.message)} [{one.code}]")


def _status(roadmap: Roadmap) -> int:
    wrong = any(problem.severity == "error" for problem in roadmap.problems)
    return exit_codes.BAD_INPUT if wrong else exit_codes.SUCCEEDED


def _plain(value: Any) -> Any:
    """A document with all of its fields, also those that say nothing."""
    from msgspec import Struct

    if isinstance(value, Struct):
        return {name: _plain(getattr(value, name)) for name in value.__struct_fields__}
    return [_plain(one) for one in value] if isinstance(value, tuple) else value
