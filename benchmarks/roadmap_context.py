"""The context of a roadmap's task: indexing a repository, following an edit, assembling.

python benchmarks/roadmap_context.py REPOSITORY DIRECTORY EDITS   (what is measured)
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from benchmarks.measure import Bench
    from benchmarks.table import Row

_FILES = 4000
_FOLDER = 50
_BYTES = 10_000
_WORDS = [
    "account",
    "balance",
    "batch",
    "buffer",
    "cache",
    "channel",
    "client",
    "cluster",
    "codec",
    "column",
    "commit",
    "config",
    "cursor",
    "decoder",
    "delta",
    "digest",
    "driver",
    "encoder",
    "event",
    "fetch",
    "filter",
    "format",
    "frame",
    "graph",
    "handler",
    "header",
    "index",
    "invoice",
    "journal",
    "kernel",
    "layer",
    "ledger",
    "lock",
    "merge",
    "metric",
    "module",
    "node",
    "order",
    "packet",
    "page",
    "parser",
    "patch",
    "payload",
    "policy",
    "pool",
    "price",
    "query",
    "queue",
    "record",
    "region",
    "render",
    "replica",
    "report",
    "request",
    "response",
    "route",
    "schema",
    "scope",
    "server",
    "session",
    "shard",
    "signal",
    "socket",
    "source",
    "state",
    "stock",
    "stream",
    "table",
    "target",
    "tenant",
    "token",
    "trace",
    "tree",
    "update",
    "vector",
    "version",
    "view",
    "warehouse",
    "window",
    "worker",
    "writer",
]


def measure(bench: Bench, *, quick: bool) -> list[Row]:
    """Medians of the rounds; each indexes anew, edits, and asks for the contexts of tasks."""
    import stoker
    from benchmarks.measure import note, run
    from benchmarks.table import Row, at_most

    count = 100 if quick else _FILES
    folder = bench.fresh()
    repository = folder / "repository"
    generate(repository, count)
    size = sum(file.stat().st_size for file in repository.rglob("*.py")) / 1e6
    reading, listing, rounds, peaks = [], [], [], []
    source = str(Path(stoker.__file__).parents[1])
    for number in range(bench.rounds):
        reading.append(_timed(lambda: _read(repository)))
        listing.append(_timed(lambda: _git(repository, "ls-tree", "-r", "HEAD")))
        work = folder / f"round{number}"
        work.mkdir()
        argv = [sys.executable, __file__, repository, work, "3" if quick else "10", source]
        peaks.append(run(argv, work).peak / 1e6)
        rounds.append(json.loads((work / "found.json").read_text()))
        note(f"roadmap-context: {rounds[-1]}")
    found = {name: statistics.median(one[name] for one in rounds) for name in rounds[0]}
    peak = max(*peaks, 1.0)
    named = f"{count:,} files, {size:.0f} MB"
    first = at_most("", found["first"], 5, " s")
    edit = at_most("", found["edit"], 50, " ms")
    context = at_most("", found["context"], 50, " ms")
    memory = at_most("peak", peak, 100, " MB")
    disk = at_most("", found["database"], 100, " MB")
    rows = (
        Row(measure=f"first index, {named}", who="read and hash", value=statistics.median(reading),
            unit="s"),
        Row(measure=f"first index, {named}", value=found["first"], unit="s",
            floor=found["first"] / statistics.median(reading), goal=first[0], met=first[1]),
        Row(measure=f"memory of it, {named}", value=peak, unit="MB", goal=memory[0], met=memory[1]),
        Row(measure=f"database of it, {named}", value=found["database"], unit="MB", goal=disk[0],
            met=disk[1]),
        Row(measure="index after a commit", who="git ls-tree -r",
            value=statistics.median(listing) * 1e3, unit="ms"),
        Row(measure="index after a commit", value=found["edit"], unit="ms",
            floor=found["edit"] / (statistics.median(listing) * 1e3), goal=edit[0], met=edit[1]),
        Row(measure="index taken to another worktree", value=found["moved"], unit="ms"),
        Row(measure="context of a task", value=found["context"], unit="ms", goal=context[0],
            met=context[1]),
        Row(measure="context of a task, asked for again", value=found["again"], unit="ms"),
    )  # fmt: skip
    return list(rows)


def generate(root: Path, count: int) -> None:
    """A git repository of so many Python files that import each other; always the same."""
    chance = random.Random(7)
    modules = [f"package{n // _FOLDER}.{_name(n)}" for n in range(count)]
    for number, module in enumerate(modules):
        file = root / "src" / f"{module.replace('.', '/')}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        (file.parent / "__init__.py").touch()
        near = range(number - number % _FOLDER, number)
        imported = {modules[chance.choice(near)] for _ in range(4) if near}
        imported |= {modules[chance.randrange(count)] for _ in range(2)}
        file.write_text(_module(number, sorted(imported - {module}), chance))
    root.joinpath(".gitignore").write_text("build/\n")
    _git(root, "init", "--quiet")
    _git(root, "add", "--all")
    _git(root, "-c", "user.name=B", "-c", "user.email=b@example.com", "commit", "-qm", "all")


def _name(number: int) -> str:
    return f"{_WORDS[number % len(_WORDS)]}_{_WORDS[number // 7 % len(_WORDS)]}_{number}"


def _module(number: int, imported: list[str], chance: random.Random) -> str:
    lines = [f'"""The {_name(number)} of the system."""', "", "import os", "import logging"]
    lines += [f"from {one} import {one.rpartition('.')[2].title()}" for one in imported]
    words = lambda count: [chance.choice(_WORDS) for _ in range(count)]  # noqa: E731
    size = 0
    target = chance.expovariate(1 / _BYTES)
    lines += ["", "", f"class {_name(number).title()}:"]
    while size < target:
        name, (a, b, c, d) = "_".join(words(3)), words(4)
        block = (
            f"    def {name}(self, {a}: int, {b}: str = '') -> bool:\n"
            f'        """{" ".join(words(9)).capitalize()}."""\n'
            f"        if {a} > {chance.randrange(99)} and self.{c}_{d}:\n"
            f"            logging.debug('{c} %s {d}', {b})\n"
            f"            return self.{'_'.join(words(2))}({a}, {b}.strip())\n"
            f"        self.{d}_{a} = [{c}_item for {c}_item in range({a})]\n"
            f"        return bool({b})\n"
        )
        size += len(block)
        lines.append(block)
    return "\n".join([*lines, "    pass", ""])


def _git(root: Path, *args: str) -> None:
    subprocess.run(["git", *args], cwd=root, check=True, capture_output=True)


def _saved(root: Path) -> str:
    """What is there, as a tree."""
    _git(root, "add", "--all")
    return subprocess.check_output(["git", "write-tree"], cwd=root, text=True).strip()


def _read(root: Path) -> None:
    for file in root.rglob("*.py"):
        hashlib.blake2b(file.read_bytes()).digest()


def _timed(work: Callable[[], None]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


async def _measured(root: Path, folder: Path, count: int) -> dict[str, float]:
    """What one process takes, which begins without an index."""
    from stoker.roadmaps.context.assembly import assemble, context
    from stoker.roadmaps.context.index import Index
    from stoker.roadmaps.context.model import Request
    from stoker.roadmaps.document import Roadmap, Task
    from stoker.workspace.repository import Repository

    began = time.perf_counter()
    git = (await Repository.open(root)).git
    index = Index.open(folder / "index.db")
    await index.update(git, _saved(root))
    first = time.perf_counter() - began
    chance = random.Random(3)
    paths = [path for path in index.paths if not path.endswith("__init__.py")]
    chosen = chance.sample(paths[1:], count + 1)
    tasks = [
        Task(
            id=str(number),
            title=f"Make the {' '.join(chance.choices(_WORDS, k=3))} faster",
            line=number,
            column=1,
            files=(path,) if number % 2 else (),
            context=f"`{path}` must keep its {' and '.join(chance.choices(_WORDS, k=4))}.",
        )
        for number, path in enumerate(chosen)
    ]
    roadmap = Roadmap(source="R.md", root=str(root), format="roadmap", sha256="", tasks=(*tasks,))
    edits, contexts, again = [], [], []
    context(index, Request(roadmap=roadmap, tasks=(tasks.pop(),)))  # imports the parsers
    for task in tasks:
        file = root / chance.choice(paths)
        with file.open("a") as out:
            out.write(f"\n\ndef added_{time.time_ns()}(): ...\n")
        tree = _saved(root)
        began = time.perf_counter()
        await index.update(git, tree)
        edits.append(time.perf_counter() - began)
        request = Request(roadmap=roadmap, tasks=(task,))
        began = time.perf_counter()
        context(index, request)
        contexts.append(time.perf_counter() - began)
        began = time.perf_counter()
        await assemble(index, git, tree, request)
        again.append(time.perf_counter() - began)
    other = folder / "other"
    _git(root, "worktree", "add", "--quiet", "--detach", str(other))
    began = time.perf_counter()
    await index.update((await Repository.open(other)).git, tree)
    moved = time.perf_counter() - began
    index.close()
    _git(root, "worktree", "remove", "--force", str(other))
    _git(root, "reset", "--quiet", "--hard")
    return {
        "moved": moved * 1e3,
        "first": first,
        "edit": statistics.median(edits) * 1e3,
        "context": statistics.median(contexts) * 1e3,
        "again": statistics.median(again) * 1e3,
        "database": (folder / "index.db").stat().st_size / 1e6,
    }


if __name__ == "__main__":
    sys.path.insert(0, sys.argv[4])
    place = Path(sys.argv[2])
    measured = asyncio.run(_measured(Path(sys.argv[1]), place, int(sys.argv[3])))
    (place / "found.json").write_text(json.dumps(measured))
