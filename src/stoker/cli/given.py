"""What a person gives: a plan, and its values by `--input`, `--inputs-file`, `--var` and the
environment."""

from __future__ import annotations

import os
import sys
from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from stoker.cli.context import Context, UsageError
from stoker.process.redact import SHORTEST

if TYPE_CHECKING:
    from stoker.journal.base import RunRow
    from stoker.plan.loader import LoadedPlan
    from stoker.plan.model import Plan

ENV_PREFIX: Final = "STOKER_INPUT_"


def add_inputs(parser: ArgumentParser) -> None:
    """The options that give inputs."""
    parser.add_argument(
        "--input",
        "-i",
        action="append",
        default=[],
        metavar="NAME=TEXT",
        help="value of an input; NAME:=JSON for numbers, lists, ...; a secret one is better "
        "given by $STOKER_INPUT_<NAME>",
    )
    parser.add_argument("--inputs-file", metavar="FILE", help="inputs as a JSON or YAML map")


def add_resources(parser: ArgumentParser) -> None:
    """The option that says how much there is."""
    parser.add_argument(
        "--resource",
        action="append",
        default=[],
        metavar="NAME=AMOUNT",
        help="capacity of a resource, such as gpu=2 or memory=8GiB",
    )


def add_engine(parser: ArgumentParser) -> None:
    """The options of what drives runs: how much there is, and how durable its journal is."""
    add_resources(parser)
    parser.add_argument(
        "--durability",
        choices=("process", "power"),
        default="process",
        help="what the journal survives: this process (default), or also a power cut",
    )


def add_variables(parser: ArgumentParser) -> None:
    """The option that gives `${NAME}` variables."""
    parser.add_argument(
        "--var",
        action="append",
        default=[],
        metavar="NAME=VALUE",
        help="replace ${NAME} everywhere in the plan",
    )


def variables(args: Namespace) -> dict[str, str]:
    """What `--var` gave. Raises `UsageError`."""
    return dict(_pair(text, "--var", "NAME=VALUE", secret=False) for text in args.var)


def inputs(args: Namespace, plan: Plan, context: Context) -> dict[str, Any]:
    """The inputs given: by `--input`, else by the inputs file, else, secret ones, by the
    environment. Secret variables are taken out of this process's environment, so that steps
    do not inherit them. Raises `UsageError`, `PlanError`."""
    from stoker.plan.inputs import declared

    secret = [name for name, declaration in declared(plan).items() if declaration.secret]
    values: dict[str, Any] = {}
    for name in secret:
        key = variable(name)
        if key in context.environment:
            values[name] = context.environment[key]
            os.environ.pop(key, None)
    if args.inputs_file is not None:
        values |= _file(args.inputs_file)
    on_command_line = dict(map(_input, args.input))
    for name in on_command_line.keys() & set(secret):
        context.output.note(
            f"warning: the secret input {name!r} is on the command line, where other users of "
            f"this machine can read it; give it by ${variable(name)} or --inputs-file"
        )
    values |= on_command_line
    for name in secret:
        if _too_short(values.get(name)):
            context.output.note(
                f"warning: the secret input {name!r} has fewer than {SHORTEST} characters and "
                "is not masked"
            )
    return values


def _too_short(value: Any) -> bool:
    return isinstance(value, str) and value != "" and len(value.strip()) < SHORTEST


def inputs_again(args: Namespace, plan: Plan, context: Context, row: RunRow) -> dict[str, Any]:
    """The inputs given to a run that goes on, which has all but the secret ones. Raises
    `UsageError`, also if one of those is missing, and `PlanError`."""
    from stoker.plan.inputs import declared

    values = inputs(args, plan, context)
    had = row.options.get("secrets", ())
    missing = [
        f"${variable(name)}"
        for name, declaration in declared(plan).items()
        if declaration.secret and (declaration.required or name in had) and name not in values
    ]
    if missing:
        names = ", ".join(missing)
        raise UsageError(f"secret inputs are not kept; give {names} or --inputs-file")
    return values


def at_least(least: int) -> Callable[[str], int]:
    """The type of an option that takes a whole number."""

    def read(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = least - 1
        if value < least:
            raise ArgumentTypeError(f"expected {least} or more, found {text}")
        return value

    return read


def plan_file(text: str) -> str:
    """The type of an argument that names a plan file."""
    if not text:
        raise ArgumentTypeError("expected a plan file, found ''")
    return text


def plan(name: str, variables: Mapping[str, str]) -> LoadedPlan:
    """The plan in a file, or on stdin (`-`). Raises `PlanError`."""
    from stoker.plan.loader import load, loads
    from stoker.steps.registry import kinds

    if name == "-":
        text = sys.stdin.buffer.read()
        return loads(text, kinds=kinds(), name="<stdin>", variables=variables)
    return load(name, kinds=kinds(), variables=variables)


def variable(name: str) -> str:
    """The environment variable that may hold a secret input."""
    return ENV_PREFIX + "".join(c if c.isalnum() else "_" for c in name).upper()


def amounts(texts: Iterable[str]) -> dict[str, float | str]:
    """Capacities given by `--resource`. Raises `UsageError`."""
    from stoker.plan.quantity import quantity

    found: dict[str, float | str] = {}
    for text in texts:
        name, amount = _pair(text, "--resource", "NAME=AMOUNT", secret=False)
        try:
            found[name] = quantity(amount)
        except ValueError as error:
            raise UsageError(f"--resource {text}: {error}") from error
    return found


def _input(text: str) -> tuple[str, Any]:
    name, value = _pair(text, "--input", "NAME=TEXT or NAME:=JSON")
    if not name.endswith(":"):
        return name, value
    import json

    try:
        return name[:-1], json.loads(value)
    except ValueError as error:
        raise UsageError(f"--input {name}=...: the value is not JSON: {error}") from error


def _pair(text: str, option: str, form: str, *, secret: bool = True) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name.rstrip(":"):
        if secret and not equals:
            raise UsageError(f"{option}: expected {form}, found text without '='")
        raise UsageError(f"{option}: expected {form}, found {(name if secret else text)!r}")
    return name, value


def _file(name: str) -> dict[str, Any]:
    from stoker.plan.source import parse
    from stoker.plan.values import type_name

    try:
        data = Path(name).read_bytes()
    except OSError as error:
        raise UsageError(f"--inputs-file {name!r}: {error.strerror}") from error
    value = parse(data, name=name).value
    if not isinstance(value, dict):
        raise UsageError(f"--inputs-file {name}: expected a map, found a {type_name(value)}")
    return value
