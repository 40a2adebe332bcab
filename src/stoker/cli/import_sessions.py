"""`stoker import-sessions`: what automagik-genie wrote down of agents' sessions, as tasks."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import TYPE_CHECKING

from stoker.cli.context import Context, UsageError
from stoker.cli.exit_codes import SUCCEEDED
from stoker.cli.output import one_line, plural, printable

if TYPE_CHECKING:
    from stoker.tasks.sessions import Session

_EPILOG = """\
A session becomes a task of the repository's project; another attempt at it by the same executor
goes on in its conversation. Importing twice is importing once. The file stays as it is.

examples:
  stoker import-sessions .genie/state/agents/sessions.json --dry-run
"""


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker import-sessions`."""
    parser.add_argument("file", metavar="FILE", help="sessions.json, of any version")
    parser.add_argument("--dry-run", action="store_true", help="only tell what would be done")
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.epilog = _EPILOG


async def run(args: Namespace, context: Context) -> int:
    """Import. Raises `UsageError` with all that is wrong with the file."""
    from stoker.tasks.catalog import Catalog
    from stoker.tasks.model import Project
    from stoker.tasks.sessions import Imported, keep, task_of
    from stoker.workspace.errors import WorkspaceError

    sessions = _read(Path(args.file))
    output = context.output
    if args.dry_run and context.is_fresh():
        made = Project(project_id="", name="", repository="", created_at=0.0, updated_at=0.0)
        done = [Imported(session=one, task=task_of(made, one), new=True) for one in sessions]
    else:
        async with context.journal(create=True) as journal:
            try:
                project = await Catalog(journal).project_of(str(context.cwd))
            except WorkspaceError as error:
                raise UsageError(str(error)) from error
            done = await keep(journal, project, sessions, dry_run=args.dry_run)
    tasks = [one.task for one in done]
    new = [one.task for one in done if one.new]
    if args.json:
        output.json({"imported": new, "known": len(tasks) - len(new), "dry_run": args.dry_run})
        return SUCCEEDED
    for task in new:
        output.line(f"{task.status:10} {task.task_id[:8]}  {printable(one_line(task.title))}")
    what = "to import" if args.dry_run else "imported"
    output.note(f"{plural(len(new), 'session')} {what}, {len(tasks) - len(new)} known already")
    return SUCCEEDED


def _read(file: Path) -> list[Session]:
    from msgspec.structs import replace

    from stoker.tasks.errors import Invalid
    from stoker.tasks.sessions import parse

    try:
        return [replace(one, file=str(file.resolve())) for one in parse(file.read_bytes())]
    except Invalid as error:
        told = "\n".join(f"{file}: {line}" for line in str(error).splitlines())
        raise UsageError(told) from error
