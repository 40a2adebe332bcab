"""Commands that are one request to the server's API each: how the rows of
`stoker.cli.verb_table` become arguments, requests and lines. What they take is what the client's
operations do: a field that must be given in its place, others as options.

What an operation takes in its path is found as a person names it: attempts and tasks by the
beginning of their ids, projects, tags and templates also by their names.
"""

from __future__ import annotations

import json
import sys
from argparse import SUPPRESS, ArgumentParser, BooleanOptionalAction, Namespace
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from stoker.cli import door, exit_codes
from stoker.cli.context import Context, UsageError
from stoker.cli.given import at_least
from stoker.cli.output import one_line, printable
from stoker.cli.task_find import attempt_of, find, standing_project, told
from stoker.cli.verb_table import GROUPS, TABLE, Verb

if TYPE_CHECKING:
    from msgspec.inspect import Type
    from msgspec.structs import FieldInfo

    from stoker.client import Client
    from stoker.client.operation import Operation

_NAMED = {
    "attempt_id": "its id or the beginning of it; of a task: its last attempt",
    "task_id": "its id or the beginning of it, or of an attempt's at it",
    "project_id": "its id or name (default: the one of this directory's repository)",
    "tag_id": "its id or name",
    "template_id": "its id or name",
    "image_id": "its id",
    "executor": "of the profiles, such as CODEX",
}


def common() -> ArgumentParser:
    """What every action takes, before or behind its name."""
    parser = ArgumentParser(add_help=False, argument_default=SUPPRESS)
    parser.add_argument("--json", action="store_true", help="as JSON")
    parser.add_argument("--server", metavar="URL", help="a server of Stoker's")
    parser.add_argument("--db", metavar="PATH|URL", help="the journal")
    return parser


def register(parser: ArgumentParser) -> None:
    """The arguments of `stoker project`, `stoker server`."""
    door.add_server(parser)
    parser.set_defaults(json=False)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)
    add(parser.prog.rpartition(" ")[2], actions, common())


def add(command: str, actions: Any, shared: ArgumentParser) -> None:
    """The actions that the table has for a command."""
    groups: dict[str, Any] = {}
    for name, verb in TABLE[command].items():
        group, _, action = name.rpartition(" ")
        if group and group not in groups:
            text = GROUPS[group]
            made = actions.add_parser(group, help=text, description=text[0].upper() + text[1:])
            groups[group] = made.add_subparsers(dest="what", metavar="ACTION", required=True)
        parser = (groups[group] if group else actions).add_parser(
            action, help=verb.help, description=f"{verb.help[0].upper()}{verb.help[1:]}.",
            parents=[shared],
        )  # fmt: skip
        parser.set_defaults(verb=verb)
        asked = _asked(verb)
        for place in asked.places:
            if place == "turn":
                parser.add_argument(
                    "--turn", type=at_least(1), metavar="N", help="of the agent (default: the last)"
                )
                continue
            if place == "project_id":
                parser.add_argument("--project", dest=place, metavar="NAME", help=_NAMED[place])
                continue
            choices = ("follow_up", "retry") if place == "kind" else None
            parser.add_argument(
                place,
                metavar=None if choices else place.removesuffix("_id").upper(),
                choices=choices,
                help=_NAMED.get(place),
            )
        for field, kind, none in _fields(asked):
            _argument(parser, field, kind, none, verb.takes[field.name])
        if verb.begins:
            parser.add_argument(
                "--detach", action="store_true", help="do not watch it; needs a server that does"
            )
        if asked.answer is bytes:
            parser.add_argument("-o", "--output", metavar="FILE", help="write it there")


def _asked(verb: Verb) -> Operation[..., Any]:
    """What the client says of a request."""
    from stoker.client import api, work

    group, _, name = verb.operation.partition(".")
    groups = {**vars(api), **vars(work)}
    found: Operation[..., Any] = vars(groups[group.capitalize()])[name]
    return found


def _fields(asked: Operation[..., Any]) -> list[tuple[FieldInfo, Type, bool]]:
    """The fields of a request, of which types, and whether they may be none."""
    from msgspec import inspect
    from msgspec.structs import fields

    from stoker.client.operation import nothing

    found = []
    for field in () if asked.takes is nothing else fields(asked.takes):  # type: ignore[arg-type]
        type_ = inspect.type_info(field.type)
        members = type_.types if isinstance(type_, inspect.UnionType) else (type_,)
        (kind,) = (one for one in members if not isinstance(one, inspect.NoneType))
        found.append((field, kind, len(members) > 1))
    return found


def _argument(parser: ArgumentParser, field: FieldInfo, kind: Type, none: bool, help: str) -> None:
    """The argument for a field: in its place, if the request must have it."""
    from msgspec import inspect

    more: dict[str, Any] = {"help": help}
    in_place = field.required and field.name != "name"  # which else is as what it is the name of
    match kind:
        case inspect.BoolType():
            more["action"] = BooleanOptionalAction
        case inspect.LiteralType():
            more["choices"] = kind.values
        case inspect.IntType():
            more |= {"type": _whole_or_none if none else at_least(0), "metavar": "N"}
        case inspect.BytesType() | inspect.DictType():
            more["metavar"] = "FILE"
        case _:
            more["metavar"] = field.name.upper() if in_place else "TEXT"
    if isinstance(kind, inspect.VarTupleType):
        more["action"] = "append"
    if field.name == "repository":
        more["nargs"] = "?"
    if in_place:
        parser.add_argument(field.name, **more)
    else:
        parser.add_argument(f"--{field.name.replace('_', '-')}", dest=field.name, **more)


def _whole_or_none(text: str) -> int | str:
    return at_least(0)(text) if text else ""


async def run(args: Namespace, context: Context) -> int:
    """Send the request that a row of the table says. Raises `UsageError`."""
    from stoker.client.local import IN_PROCESS

    verb: Verb = args.verb
    asked = _asked(verb)
    fields = dict(_given(args, asked))
    if verb.operation == "images.add":
        fields = {"name": Path(args.data).name, **fields}
    looks = asked.method == "GET" or asked.name == "open_editor"
    async with (
        door.reported(context),
        door.opened(context, args.server, create=verb.creates, looks=looks) as client,
    ):
        if verb.served and client.url == IN_PROCESS:
            raise UsageError("this needs a server that goes on with it: `stoker serve`")
        places = [await _place(one, args, context, client) for one in asked.places]
        if verb.operation == "projects.create":
            fields = await _repository(fields, context)
        answer = await client.call(asked.request(*places, **fields))
        if verb.begins:
            from stoker.cli.task import watched

            return await watched(args, context, client, await attempt_of(args, client))
        return _tell(args, context, verb, answer)


def _given(args: Namespace, asked: Operation[..., Any]) -> Iterator[tuple[str, Any]]:
    """What is given, by the names of the request's fields. Raises `UsageError`."""
    from msgspec import inspect

    for field, kind, none in _fields(asked):
        value = getattr(args, field.name)
        match kind:
            case _ if value is None:
                continue
            case _ if none and value == "":
                yield field.name, None
            case inspect.VarTupleType():
                yield field.name, tuple(filter(None, value))  # one that is empty: none
            case inspect.BytesType():
                yield field.name, _read(value)
            case inspect.DictType():
                try:
                    yield field.name, json.loads(_read(value))
                except ValueError as error:
                    raise UsageError(f"{value}: expected JSON: {error}") from error
            case _:
                yield field.name, value


def _read(name: str) -> bytes:
    try:
        return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"{name}: {error.strerror}") from error


async def _repository(fields: dict[str, Any], context: Context) -> dict[str, Any]:
    """What makes a project: of the directory's repository, if none is named."""
    if "repository" not in fields:
        from stoker.workspace.repository import Repository

        fields["repository"] = str((await Repository.open(context.cwd, discover=True)).path)
    return {"name": Path(fields["repository"]).name, **fields}


async def _place(name: str, args: Namespace, context: Context, client: Client) -> Any:
    """What stands in the path. Raises `UsageError`."""
    given = getattr(args, name, None)
    match name:
        case "attempt_id":
            args.attempt = given
            return (await attempt_of(args, client)).attempt_id
        case "task_id":
            _, task, _ = await find(given or "", client)
            return task.task_id
        case "project_id" if given is None:
            return (await standing_project(context, client)).project_id
        case "project_id":
            known = [(p.project_id, p.name) for p in (await client.projects.list()).projects]
        case "tag_id":
            known = [(one.tag_id, one.tag_name) for one in (await client.tags.list()).tags]
        case "template_id":
            listed = (await client.templates.list()).templates
            known = [(one.template_id, one.template_name) for one in listed]
        case "turn":
            from stoker.cli.task_turns import last_turn

            attempt = await attempt_of(args, client)
            return given or last_turn(await client.attempts.show(attempt.attempt_id))
        case _:
            return given
    what = name.removesuffix("_id")
    found = [key for key, called in known if given and (called == given or key.startswith(given))]
    if len(found) != 1:
        raise UsageError(f"{len(found) or 'no'} {what}s are called or begin with {given!r}")
    return found[0]


def _tell(args: Namespace, context: Context, verb: Verb, answer: Any) -> int:
    """The answer: as JSON, as it comes, or in lines."""
    if isinstance(answer, bytes):
        if args.output:
            Path(args.output).write_bytes(answer)
        else:
            context.output.out.write(answer.decode(errors="replace"))
        return exit_codes.SUCCEEDED
    if args.json or answer is None:
        return told(args, context, answer, verb.says)
    from msgspec import to_builtins

    plain = to_builtins(answer)
    lines = [
        f"{name:16} {_cell(plain, name)}"
        for name, value in plain.items()
        if value not in (None, "", [], {}) and not verb.row
    ]
    if verb.row:
        (items,) = (value for value in plain.values() if isinstance(value, list))
        for item in items:
            cells = (_cell(item, path) for path in verb.row.split())
            lines.append("  ".join(filter(None, cells)))
    for line in lines:
        context.output.line(line)
    if cursor := plain.get("next_cursor"):
        context.output.note(f"there are more: --cursor {cursor}")
    if not lines and verb.says:
        context.output.note(verb.says)
    return exit_codes.SUCCEEDED


def _cell(item: Any, path: str) -> str:
    for part in path.split("."):
        item = (item or {}).get(part)
    if item is None:
        return ""
    text = item if isinstance(item, str) else json.dumps(item, ensure_ascii=False)
    return printable(one_line(text))
