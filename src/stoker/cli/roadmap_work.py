"""`stoker roadmap review`, `suggest`, `steer` and `memory`: what was done, looked at, and led."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from stoker.cli import exit_codes, roadmap_memory
from stoker.cli.context import Context, UsageError
from stoker.cli.output import one_line, printable
from stoker.cli.roadmap_decide import decide
from stoker.cli.roadmap_runs import add_run, emit, find, standing_of, unit_of

if TYPE_CHECKING:
    from argparse import _SubParsersAction

    from stoker.roadmaps.standing import Standing

_FAULTS: Final = 5
_DIFF: Final = 40
"""Lines of a diff that are shown without being asked for."""


def register(actions: _SubParsersAction[ArgumentParser], common: ArgumentParser) -> None:
    """Their arguments."""
    review = actions.add_parser("review", help="what was done, with its evidence", parents=[common])
    add_run(review)
    review.add_argument("--task", metavar="ID", help="of one task, with its diff")
    review.add_argument(
        "--accept", action="append", default=[], metavar="ID", help="take it for done, and tick it"
    )
    review.add_argument(
        "--reject", action="append", default=[], metavar="ID", help="revert it, and open its box"
    )
    review.add_argument("--comment", default="", metavar="TEXT", help="why")
    review.add_argument("--json", action="store_true", help="as JSON")

    suggest = actions.add_parser(
        "suggest", help="what may help tasks that failed", parents=[common]
    )
    add_run(suggest)
    suggest.add_argument("--json", action="store_true", help="as JSON")

    steer = actions.add_parser(
        "steer", help="tell the agent at work on a task, and later ones", parents=[common]
    )
    steer.add_argument("run", metavar="RUN", help="id or its beginning; `last`: the newest")
    steer.add_argument("task", metavar="TASK", help="which; of a workspace: PROJECT:ID")
    steer.add_argument("text", metavar="TEXT", nargs="?", default="", help="what to say")
    steer.add_argument(
        "--interrupt", action="store_true", help="now, not when what it is at has ended"
    )

    roadmap_memory.register(
        actions.add_parser("memory", help="what is remembered of roadmaps", parents=[common])
    )


async def review(args: Namespace, context: Context) -> int:
    """Print how a run's tasks stand; decide of what nothing could verify."""
    from stoker.cli.standing import hints
    from stoker.engine.view import read_run, view
    from stoker.roadmaps.integration import patch
    from stoker.roadmaps.standing import standing
    from stoker.workspace.repository import Repository

    run, job, stand = await standing_of(args, context)
    if args.accept or args.reject:
        return await decide(args, context, stand, args.accept, args.reject)
    if args.task is not None:
        stand = [unit_of(stand, args.task)]
    else:
        stand = [one for one in stand if one[0] == run.run_id or one[1].to_review]
    repository = await Repository.open(job.root)
    told = []
    async with context.journal() as journal:
        earlier = {  # with their tries
            name: (await standing(journal, name, context.directory / "runs")).units
            for name in {name for name, _ in stand} - {run.run_id}
        }
        for name, brief in stand:
            units = earlier.get(name, [brief])
            one = next(unit for unit in units if unit.unit.id == brief.unit.id)
            span = _span(one) if args.task is not None or one.to_review else None
            diff = await patch(repository, *span) if span else ""
            told.append(_view(one, name, diff))
            if not args.json:
                _print(one, args, context, diff.splitlines())
        there = await read_run(journal, run.run_id)
    if args.json:
        emit(args, context, {"run_id": run.run_id, "branch": job.branch, "tasks": told})
        return exit_codes.SUCCEEDED
    for hint in hints(there, view(there), context):
        context.output.line(hint)
    return exit_codes.SUCCEEDED


def _span(one: Standing) -> tuple[str, str] | None:
    """The commits between which its work is: of what is merged, or waits for a person's look."""
    if one.commit:
        return f"{one.commit}~1", one.commit
    last = one.tries[-1] if one.status == "in_progress" and one.tries else None
    return (last.base, last.commit) if last and last.commit else None


def _view(one: Standing, run_id: str, diff: str) -> dict[str, Any]:
    last = one.last
    return {
        "run_id": run_id,
        "tasks": one.unit.ids,
        "title": one.unit.title,
        "status": one.status,
        "to_review": one.to_review,
        "reason": one.reason,
        "commit": one.commit or None,
        "unmarked": one.unmarked,
        "tries": len(one.tries),
        "tokens": sum(t.tokens for t in one.tries),
        "cost_usd": sum(t.cost_usd for t in one.tries),
        "parts": one.parts,
        "evidence": last.evidence if last else None,
        **({"diff": diff} if diff else {}),
    }


def _print(one: Standing, args: Namespace, context: Context, diff: Sequence[str]) -> None:
    lines, last, whole = list[str](), one.last, args.task is not None
    commit = f"  {one.commit[:10]}" if one.commit else ""
    tried = f"  ({len(one.tries)} tries)" if len(one.tries) > 1 else ""
    ids = ", ".join(one.unit.ids)
    context.output.line(one_line(f"{one.status:16}{ids}: {one.unit.title}{commit}{tried}"))
    if one.reason:
        lines.append(one.reason)
    lines += [f"{name} is not marked in the file: {why}" for name, why in one.unmarked.items()]
    lines += [f"{'x' if done else '-'} {part}" for part, done in one.parts]
    if last is not None and (evidence := last.evidence) is not None:
        if evidence.files:
            lines.append(f"changed {', '.join(evidence.files)}")
        for command in evidence.commands:
            ended = "no end in time" if command.exit_code is None else f"exit {command.exit_code}"
            lines.append(f"{command.argv[-1]}: {ended} in {command.seconds:.1f} s")
        if not one.status.startswith("done"):
            for fault in evidence.faults[:_FAULTS]:
                where = f" in {fault.place}" if fault.path else ""
                lines.append(f"{fault.category}{where}: {fault.message.partition(chr(10))[0]}")
        lines += [f"note: {note}" for note in evidence.notes]
    words = ("roadmap", "review", *filter(None, (args.run_id,)))
    lines += diff if whole else diff[:_DIFF]
    if len(diff) > _DIFF and not whole:
        more = context.hint(*words, "--task", one.unit.ids[0])
        lines.append(f"... {len(diff) - _DIFF} lines more: {more}")
    if one.to_review:
        lines.append(f"if it is good: {context.hint(*words, '--accept', one.unit.ids[0])}")
        lines.append(f"if it is not: {context.hint(*words, '--reject', one.unit.ids[0])}")
    for line in lines:
        context.output.line(f"    {printable(line)}".rstrip())


async def suggest(args: Namespace, context: Context) -> int:
    """Print what was suggested after the last try of each task that is not done."""
    run, _, _ = await standing_of(args, context)
    open_ = [one for one in run.units if one.last and not one.status.startswith("done")]
    found = [(one.unit.id, each) for one in open_ if one.last for each in one.last.suggestions]
    if args.json:
        told = [{"task": task, "suggestion": one} for task, one in found]
        emit(args, context, {"run_id": run.run_id, "suggestions": told})
        return exit_codes.SUCCEEDED
    for task, one in found:
        about = " ".join(filter(None, (one.task, one.path, one.value)))
        context.output.line(one_line(f"{task}: {one.kind} {about} ({one.rating:.0%})"))
        context.output.line(f"    {one_line(one.reason)}")
    if not found:
        context.output.line("nothing is suggested")
    return exit_codes.SUCCEEDED


async def steer(args: Namespace, context: Context) -> int:
    """Say something of a task to the agent at work on it, and to those that come after."""
    from secrets import token_hex

    from stoker.cli.ask import PAST, person
    from stoker.engine.ask import ask
    from stoker.engine.lifecycle import RUN_OVER
    from stoker.roadmaps.plan import steering
    from stoker.roadmaps.standing import standing
    from stoker.roadmaps.workspace import parts

    if not (args.text.strip() or args.interrupt):
        raise UsageError("nothing is said: expected a text, --interrupt or both")
    async with context.journal() as journal:
        row = await find(args.run, context, journal)
        project, _, task = args.task.rpartition(":")
        if project:
            row = await journal.run((await parts(journal, row.run_id)).get(project, row.run_id))
        if row.status in RUN_OVER:
            raise UsageError(f"run {row.run_id} is over: it {PAST[row.status]}")
        run = await standing(journal, row.run_id)
        _, one = unit_of([(run.run_id, unit) for unit in run.units], task)
        text = steering(
            one.unit.id, args.text, interrupt=args.interrupt, by=person(), token=token_hex(4)
        )
        asked = await ask(journal, row, "extend", {"steps": text}, by=person())
    if asked.events is None:
        context.output.note(f"nobody drives run {row.run_id}: it is said when it is gone on with")
    return exit_codes.SUCCEEDED


ACTIONS: Final[dict[str, Callable[[Namespace, Context], Awaitable[int]]]] = {
    "review": review,
    "suggest": suggest,
    "steer": steer,
    "memory": roadmap_memory.run,
}
