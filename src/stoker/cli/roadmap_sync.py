"""`stoker roadmap sync`: changing what a plan file says."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Final, get_args

from stoker.cli import exit_codes
from stoker.cli.context import Context, UsageError
from stoker.cli.output import Output, one_line
from stoker.cli.roadmap_decide import Decided, carry
from stoker.cli.roadmap_file import add_file, read_file, reading, told
from stoker.roadmaps.document import Status

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from stoker.roadmaps.document import Roadmap, Task
    from stoker.roadmaps.format import Edit, Source


def register(actions: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Its arguments."""
    sync = actions.add_parser("sync", help="write tasks' status into a plan file", parents=[common])
    sync.epilog = (
        "Only the bytes that say the status change; all of them or none. Without tasks: what\n"
        "runs have done and could not, or were not to, write.\n\n"
        "examples:\n  stoker roadmap sync specs/001-login/tasks.md T012 T013\n"
        "  stoker roadmap sync .taskmaster 5.2 --status in_progress --dry-run"
    )
    add_file(sync)
    sync.add_argument("task", metavar="TASK", nargs="*", help="ids, as `parse` tells them")
    statuses = get_args(Status)
    sync.add_argument(
        "--status", choices=statuses, default="done", help="what to write (default: done)"
    )
    sync.add_argument("--dry-run", action="store_true", help="show the change; write nothing")
    sync.add_argument(
        "--into-source",
        action="store_true",
        help="of a file that a model read: write the kept statuses into the file itself, too",
    )


async def _sync(args: Namespace, context: Context) -> int:
    if not args.task and not args.into_source:
        return await _settle(args, context)
    with told():
        source, roadmap = read_file(args, context)
        edits, unchanged = _edits(args, source, roadmap)
        if args.dry_run:
            if args.into_source and not edits:
                edits = [*_into_source(args, source)]
            _show(source, edits, context.output)
            return exit_codes.SUCCEEDED
        from stoker.roadmaps import writing

        written = list(writing.apply(source.root, edits))
        if args.into_source:
            written += writing.apply(source.root, _into_source(args, source))
    for name in dict.fromkeys(written):
        context.output.line(f"{one_line(name)}: written")
    for task in unchanged:
        context.output.line(f"{one_line(task.id)}: {task.status} already")
    return exit_codes.SUCCEEDED


async def _settle(args: Namespace, context: Context) -> int:
    """Write what runs owe the file, as the journal then says."""
    from stoker.roadmaps.differing import differing

    with told():
        roadmap = read_file(args, context)[1]
    async with context.journal_if_any() as journal:
        if journal is None:
            raise UsageError("no run has done any of its tasks yet; name those to give a status")
        owed = (await differing(journal, roadmap)).owed
    decided: Decided = {}
    for one in {id(one.standing): one for one in owed.values()}.values():
        decided.setdefault((one.run_id, "mark"), []).extend(one.standing.unit.ids)
    if not decided:
        context.output.line(f"{one_line(roadmap.source)} says what the runs have done")
    if args.dry_run:
        for (run_id, _), tasks in decided.items():
            context.output.line(one_line(f"{', '.join(tasks)}: of run {run_id}"))
        return exit_codes.SUCCEEDED
    return await carry(args, context, decided)


def _into_source(args: Namespace, source: Source) -> Sequence[Edit]:
    """Raises `UsageError` if the file says its statuses itself."""
    from stoker.roadmaps.detect import find
    from stoker.roadmaps.formats.normalised import FORMAT, back

    if find(source, args.format) is not FORMAT:
        raise UsageError(f"{args.file}: --into-source is for files that a model read")
    return back(source, FORMAT.read(source, reading(args)))


def _edits(args: Namespace, source: Source, roadmap: Roadmap) -> tuple[list[Edit], list[Task]]:
    """What to change, and the tasks that say so already. Raises `UsageError`."""
    from stoker.roadmaps.detect import find

    format = find(source, roadmap.format)
    edits: dict[tuple[str, int], Edit] = {}
    unchanged = []
    for name in args.task:
        task = _find(name, roadmap)
        if task.status == args.status:
            unchanged.append(task)
            continue
        found = format.edits(source, roadmap, task, args.status)
        if not found:
            raise UsageError(
                f"{roadmap.source}:{task.line}: {format.name} files have no way to say that "
                f"{task.id} is {args.status}"
            )
        edits.update({(edit.path, edit.start): edit for edit in found})
    return list(edits.values()), unchanged


def _find(name: str, roadmap: Roadmap) -> Task:
    """The task of an id; case counts only where it must. Raises `UsageError`."""
    tasks = {task.id: task for task in roadmap.walk()}
    if name in tasks:
        return tasks[name]
    folded = [task for id, task in tasks.items() if id.casefold() == name.casefold()]
    if len(folded) == 1:
        return folded[0]
    from stoker.plan.suggest import did_you_mean

    raise UsageError(f"{roadmap.source} has no task {name!r}{did_you_mean(name, tasks)}")


def _show(source: Source, edits: Iterable[Edit], output: Output) -> None:
    from difflib import unified_diff

    from stoker.roadmaps.writing import edited

    by_path: dict[str, list[Edit]] = {}
    for edit in edits:
        by_path.setdefault(edit.path, []).append(edit)
    for path, of_file in by_path.items():
        data = source.read(source.root / path)
        before, after = (
            text.decode(errors="replace").splitlines()
            for text in (data, edited(data, path, of_file))
        )
        for line in unified_diff(before, after, f"a/{path}", f"b/{path}", lineterm="", n=1):
            colour = {"+": ("green",), "-": ("red",)}.get(line[:1], ())
            output.line(output.style(one_line(line), *colour))


ACTIONS: Final[dict[str, Callable[[Namespace, Context], Awaitable[int]]]] = {"sync": _sync}
