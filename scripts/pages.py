"""The examples in the documentation: read them, execute them, hold them against what is written.

A fenced block of a page is an example if its first line says so:

* ```` ```yaml title=plan.yaml ```` (any language): a file of that name.
* ```` ```console ````: a session. Each line that begins with `$ ` is executed by bash (`> `
  continues it), the lines below it are what it prints. `[exit status 1]` as the last of them
  says how it exits, if not with 0. A line `...` stands for any lines.

All examples of a page are executed from its top to its end in one empty directory. Times,
durations, ids of runs and digests may differ, and so may the order of lines, as steps run
side by side.

    python scripts/pages.py            check every page
    python scripts/pages.py --write    put into the pages what the commands printed
"""

from __future__ import annotations

import os
import pwd
import re
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parents[1]
STAND_IN = "/home/you/project"
"""Stands in the pages for the directory the examples are executed in."""

_FENCE = re.compile(r"^```(\w+)(?: +title=(\S+))?[^\n]*\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_EXIT = re.compile(r"^\[exit status (\d+)\]$")
_TIMEOUT_SEC = 30
_OF_THE_MACHINE = "verification: bubblewrap "
"""Said where no sandbox can be had: examples do the same there, less safely."""
_VARYING = (
    (re.compile(r"\b\d{8}-\d{6}-[0-9a-f]{6}\b"), "RUN"),
    (re.compile(r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d(\.\d+)?Z?"), "TIME"),
    (re.compile(r"\b\d\d:\d\d:\d\d(\.\d+)?\b"), "TIME"),
    (re.compile(r"\b\d{10}\.\d+\b"), "TIME"),
    (re.compile(r"\b\d+(\.\d+)? (s|ms|min|kB|KiB|MiB|GiB|B)\b"), "AMOUNT"),
    (re.compile(r"\b[0-9a-f]{40,64}\b"), "DIGEST"),
    (re.compile(r'engine="[0-9a-f]{16}"'), "engine=ENGINE"),
    (re.compile(r"\s+"), " "),
)


class Block(NamedTuple):
    """A fenced block."""

    language: str
    title: str | None
    text: str
    line: int
    """Of the page, where the block's text begins."""


class Command(NamedTuple):
    """One command of a session, and what the page says it does."""

    line: str
    shown: list[str]
    status: int


def pages() -> list[Path]:
    """Every page of the documentation."""
    return [
        *(ROOT / name for name in ("README.md", "CONTRIBUTING.md")),
        *sorted((ROOT / "docs").rglob("*.md")),
    ]


def blocks(text: str) -> Iterator[Block]:
    """The fenced blocks of a page."""
    for match in _FENCE.finditer(text):
        line = text.count("\n", 0, match.start(3)) + 1
        yield Block(match[1], match[2], match[3], line)


def session(text: str) -> list[Command]:
    """The commands of a console block."""
    commands: list[Command] = []
    lines, shown = [], []
    for line in [*text.splitlines(), "$ "]:
        if line.startswith("$ "):
            if lines:
                status = _EXIT.match(shown[-1]) if shown else None
                if status:
                    shown.pop()
                commands.append(Command("\n".join(lines), shown, int(status[1]) if status else 0))
            lines, shown = [line[2:]], []
        elif line.startswith("> ") and not shown:
            lines.append(line[2:])
        else:
            shown.append(line)
    return commands


def execute(page: Path, directory: Path) -> tuple[str, list[str]]:
    """Execute a page's examples in an empty directory.

    Returns the page with what its commands printed, and a complaint for every command that
    did something else than the page says.
    """
    text = page.read_text()
    (directory / ".stoker").mkdir()
    complaints: list[str] = []
    written = text
    for block in blocks(text):
        if block.title is not None:
            file = directory / block.title
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(block.text)
        elif block.language == "console":
            printed = []
            for command in session(block.text):
                found, status = _run(command.line, directory)
                prompt = "\n> ".join(f"$ {command.line}".splitlines())
                exited = [f"[exit status {status}]"] if status else []
                if status == command.status and same(command.shown, found):
                    printed += [prompt, *command.shown, *exited]
                    continue
                printed += [prompt, *found, *exited]
                told = "\n".join([*command.shown, f"[exit status {command.status}]"])
                did = "\n".join([*found, f"[exit status {status}]"])
                complaints.append(
                    f"{page.relative_to(ROOT)}, block at line {block.line}: $ {command.line}\n"
                    f"the page says:\n{told}\nbut it printed:\n{did}"
                )
            written = written.replace(block.text, "\n".join([*printed, ""]), 1)
    return written, complaints


def same(shown: list[str], found: list[str]) -> bool:
    """Whether what a command printed is what the page shows."""
    expected = Counter(map(_steady, shown))
    actual = Counter(map(_steady, found))
    return expected <= actual if expected.pop("...", 0) else expected == actual


def _steady(line: str) -> str:
    """The line without what differs from run to run."""
    for pattern, word in _VARYING:
        line = pattern.sub(word, line)
    return line.strip()


def _run(line: str, directory: Path) -> tuple[list[str], int]:
    environment = {name: value for name, value in os.environ.items() if "STOKER" not in name}
    tools = Path(sys.executable).parent
    process = subprocess.Popen(
        ["bash", "-c", line],
        cwd=directory,
        env={
            **environment,
            "PATH": f"{tools}:{environment['PATH']}",
            "HOME": str(directory),
            "COLUMNS": "100",
            "NO_COLOR": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            **{f"GIT_{who}_NAME": "you" for who in ("AUTHOR", "COMMITTER")},
            **{f"GIT_{who}_EMAIL": "you@example.org" for who in ("AUTHOR", "COMMITTER")},
        },
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output, _ = process.communicate(timeout=_TIMEOUT_SEC)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        output = f"{process.communicate()[0]}(not over after {_TIMEOUT_SEC} s)\n"
    status = process.returncode if process.returncode >= 0 else 128 - process.returncode
    output = output.replace(str(directory.resolve()), STAND_IN)
    output = output.replace(f" by {pwd.getpwuid(os.getuid()).pw_name}", " by you")
    lines = [line.rstrip() for line in output.splitlines()]
    return [line for line in lines if not line.startswith(_OF_THE_MACHINE)], status


def main(write: bool, chosen: list[str]) -> int:
    """Check the pages, or bring them up to date; returns the number of wrong commands."""
    count = 0
    for page in [Path(name).resolve() for name in chosen] or pages():
        with tempfile.TemporaryDirectory() as directory:
            text, complaints = execute(page, Path(directory))
        if write and complaints:
            page.write_text(text)
        for complaint in complaints:
            sys.stdout.write(f"{complaint}\n\n")
        count += len(complaints)
    return count


if __name__ == "__main__":
    words = sys.argv[1:]
    sys.exit(main("--write" in words, [word for word in words if word != "--write"]) > 0)
