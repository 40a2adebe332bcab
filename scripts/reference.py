"""The parts of the documentation that are written from the code itself.

A part stands in a page between `<!-- WHAT NAME -->` and `<!-- end -->`, and what is between
is replaced. WHAT is `kind` (fields of a kind of step), `command` (arguments of a command),
`verbs` (commands that are one request each), `table` (columns of a table of the journal) or
`api` (resources of the HTTP API, by tag). Beside them there is the picture in the README.

    python scripts/reference.py            tell which files are out of date
    python scripts/reference.py --write    bring them up to date
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pages

from stoker.cli.main import parser
from stoker.cli.verb_table import TABLE
from stoker.plan.loader import loads
from stoker.plan.render_svg import render
from stoker.plan.schema import schema
from stoker.steps.registry import kinds

_PART = re.compile(
    r"(<!-- (kind|command|verbs|table|api) ([\w.-]+) -->\n).*?(<!-- end -->)", re.DOTALL
)
_TABLES = pages.ROOT / "src/stoker/journal/migrations/sqlite/0001_first.sql"
_TABLE = re.compile(r"CREATE TABLE (\w+) \((.*?)\n\)", re.DOTALL)
_COLUMN = re.compile(r"^ {4}([a-z_]+) +([A-Z]+)[^\n]*?(?:-- ([^\n]*))?$", re.MULTILINE)
_TYPES = {"string": "text", "integer": "whole number", "boolean": "true or false", "object": "map"}


def current() -> dict[Path, str]:
    """What every file with a part from the code should hold."""
    files = {page: page.read_text() for page in pages.pages()}
    found = {page: _PART.sub(_part, text) for page, text in files.items()}
    readme = files[pages.ROOT / "README.md"]
    plan = next(block.text for block in pages.blocks(readme) if block.title == "release.yaml")
    loaded = loads(plan, kinds=kinds())
    found[pages.ROOT / "docs/release.svg"] = render(loaded.plan, loaded.graph)
    return found


def outdated() -> dict[Path, str]:
    """The files that hold something else, with what they should hold."""
    return {
        file: text
        for file, text in current().items()
        if not file.exists() or file.read_text() != text
    }


def _part(match: re.Match[str]) -> str:
    parts = {"kind": _kind, "command": _command, "verbs": _verbs, "table": _table, "api": _api}
    rows = parts[match[2]](match[3])
    return match[1] + "".join(f"| {' | '.join(row)} |\n" for row in rows) + match[4]


def _kind(name: str) -> Iterator[tuple[str, ...]]:
    definition = schema(kinds())["$defs"][f"step_def.{name}"]
    yield "field", "type", "default", "meaning"
    yield ("---",) * 4
    for field, part in definition["properties"].items():
        if field == "type" and "const" in part:
            continue
        default = "required" if field in definition.get("required", ()) else _default(part)
        yield f"`{field}`", _type(part), default, _cell(part.get("description", ""))


def _default(part: dict[str, Any]) -> str:
    default = part.get("default")
    if default in (None, "", (), [], {}):
        return ""
    return f"`{str(default).lower() if isinstance(default, bool) else default}`"


def _type(part: dict[str, Any]) -> str:
    if "enum" in part:
        return ", ".join(f"`{value}`" for value in part["enum"])
    if "anyOf" in part:
        # Templates may stand anywhere, and null is what is not given.
        types = [_type(other) for other in part["anyOf"] if "pattern" not in other]
        needless = {"null", "whole number"} if "number" in types else {"null"}
        return " or ".join(dict.fromkeys(name for name in types if name not in needless))
    if part.get("type") == "array":
        items = part.get("items")
        return f"list of {_type(items)}" if items else "list"
    if "$ref" in part:
        return "map"
    return _TYPES.get(part.get("type", ""), part.get("type", "any"))


def _command(name: str) -> Iterator[tuple[str, ...]]:
    chosen = _chosen(name.split("."))
    yield "argument", "meaning"
    yield ("---",) * 2
    for action in chosen._actions:
        if action.help != argparse.SUPPRESS and not isinstance(
            action, argparse._HelpAction | argparse._SubParsersAction
        ):
            yield _cell(_usage(action)), _cell(action.help or "")


def _verbs(command: str) -> Iterator[tuple[str, ...]]:
    yield "command", "meaning", "options"
    yield ("---",) * 3
    for name, verb in TABLE[command].items():
        chosen = _chosen(f"{command} {name}".split())
        own = [one for one in chosen._actions if one.dest not in ("help", "json", "server", "db")]
        places = [one for one in own if not one.option_strings]
        words = [
            f"[{one.metavar}]" if one.nargs else one.metavar or f"{{{','.join(one.choices)}}}"
            for one in places
        ]
        options = (f"{_usage(one)}: {one.help}" for one in own if one.option_strings)
        yield f"`{' '.join([name, *words])}`", _cell(verb.help), _cell("; ".join(options))


def _chosen(words: list[str]) -> Any:
    chosen: Any = parser()
    for word in words:
        (choice,) = (a for a in chosen._actions if isinstance(a, argparse._SubParsersAction))
        chosen = choice.choices[word]
    return chosen


def _usage(action: argparse.Action) -> str:
    value = action.metavar or (
        f"{{{','.join(map(str, action.choices))}}}" if action.choices else action.dest.upper()
    )
    if not action.option_strings:
        return f"`{value}`" + {"+": " ...", "?": " (optional)"}.get(str(action.nargs), "")
    names = ", ".join(f"`{name}`" for name in action.option_strings)
    repeated = " ..." if action.nargs == "+" else ""
    return names if action.nargs == 0 else f"{names} `{value}`{repeated}"


def _table(name: str) -> Iterator[tuple[str, ...]]:
    (columns,) = (text for table, text in _TABLE.findall(_TABLES.read_text()) if table == name)
    yield "column", "type", "meaning"
    yield ("---",) * 3
    for column, type_, comment in _COLUMN.findall(columns):
        yield f"`{column}`", type_.lower(), _cell(comment)


def _api(tag: str) -> Iterator[tuple[str, ...]]:
    from stoker.server.app import openapi

    yield "request", "meaning"
    yield ("---",) * 2
    for path, operations in openapi()["paths"].items():
        for method, operation in operations.items():
            if tag in operation["tags"]:
                yield f"`{method.upper()} {path}`", _cell(operation["summary"])


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def main(write: bool) -> int:
    """Tell what is out of date, or mend it; returns the number of files told."""
    files = outdated()
    for file, text in files.items():
        sys.stdout.write(
            f"{file.relative_to(pages.ROOT)} {'written' if write else 'is outdated'}\n"
        )
        if write:
            file.write_text(text)
    return 0 if write else len(files)


if __name__ == "__main__":
    sys.exit(main("--write" in sys.argv[1:]) > 0)
