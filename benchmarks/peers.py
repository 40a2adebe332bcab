"""How each program is told to run a graph: a table of writers and command lines."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from msgspec import Struct

from benchmarks.environment import BIN
from benchmarks.measure import Case
from benchmarks.shapes import Shape

Argv = Sequence[str | Path]
PYTHON = sys.executable
STOKER = Path(PYTHON).with_name("stoker")


class Peer(Struct, frozen=True):
    """A program that runs graphs of commands."""

    name: str
    prepare: Callable[[Shape, int, Path], Argv]
    """Shape, width and an empty directory to a command line."""
    largest: int = 10_000
    """Steps it is asked to run at most: it would take minutes for more."""
    rounds: int | None = None

    def case(self, shape: Shape, width: int) -> Case:
        def prepare(folder: Path) -> Argv:
            return self.prepare(shape, width, folder)

        return Case(self.name, prepare, self.rounds)


def stoker_plan(shape: Shape, folder: Path, **step: str) -> Path:
    """The graph as a plan file; `step` are the fields that say what to do."""
    steps = [{"id": name, **(step or {"command": "/bin/true"})} for name, _ in shape.steps]
    for fields, (_, waits) in zip(steps, shape.steps, strict=True):
        if waits:
            fields["depends_on"] = waits  # type: ignore[assignment]
    path = folder / "plan.json"
    path.write_text(json.dumps({"plan_id": "bench", "steps": steps}))
    return path


def stoker_argv(plan: Path, width: int, *options: str) -> Argv:
    return [STOKER, "run", plan.name, "--quiet", f"--max-concurrency={width}", *options]


def _stoker(shape: Shape, width: int, folder: Path) -> Argv:
    return stoker_argv(stoker_plan(shape, folder), width)


def _stoker_power(shape: Shape, width: int, folder: Path) -> Argv:
    return stoker_argv(stoker_plan(shape, folder), width, "--durability=power")


def _stoker_shell(shape: Shape, width: int, folder: Path) -> Argv:
    return stoker_argv(stoker_plan(shape, folder, run="/bin/true"), width)


def _ninja(shape: Shape, width: int, folder: Path) -> Argv:
    lines = ["rule true", "  command = /bin/true"]
    lines += [f"build {name}: true {' '.join(waits)}" for name, waits in shape.steps]
    (folder / "build.ninja").write_text("\n".join(lines) + "\n")
    return [BIN / "ninja", "--quiet", f"-j{width}"]


def _make(shape: Shape, width: int, folder: Path) -> Argv:
    names = " ".join(name for name, _ in shape.steps)
    lines = [f"all: {names}", f".PHONY: all {names}"]
    lines += [f"{name}: {' '.join(waits)}\n\t@/bin/true" for name, waits in shape.steps]
    (folder / "Makefile").write_text("\n".join(lines) + "\n")
    return ["make", "--silent", f"-j{width}"]


def _task(shape: Shape, width: int, folder: Path) -> Argv:
    tasks = {
        name: {"cmds": ["/bin/true"], "deps": waits, "run": "once"} for name, waits in shape.steps
    }
    tasks["all"] = {"deps": list(tasks)}
    (folder / "Taskfile.yml").write_text(json.dumps({"version": "3", "tasks": tasks}))
    return [BIN / "task", "--silent", f"--concurrency={width}", "all"]


def _doit(shape: Shape, width: int, folder: Path) -> Argv:
    (folder / "dodo.py").write_text(
        f"STEPS = {shape.steps!r}\n"
        "def task_step():\n"
        "    for name, waits in STEPS:\n"
        "        deps = [f'step:{wait}' for wait in waits]\n"
        "        yield {'name': name, 'actions': [['/bin/true']], 'task_dep': deps}\n"
    )
    return [BIN / "doit", "-v0", "-n", str(width), "-P", "thread", "--reporter=error-only"]


def _snakemake(shape: Shape, width: int, folder: Path) -> Argv:
    (folder / "Snakefile").write_text(
        f"WAITS = {dict(shape.steps)!r}\n"
        "rule all:\n    input: list(WAITS)\n"
        "rule step:\n"
        "    input: lambda wildcards: WAITS[wildcards.name]\n"
        "    output: touch('{name,s[0-9]+}')\n"
        "    shell: '/bin/true'\n"
    )
    return [BIN / "snakemake", "--quiet", "all", f"-j{width}", "--nolock", "--nocolor"]


def _luigi(shape: Shape, width: int, folder: Path) -> Argv:
    (folder / "steps.py").write_text(
        "import pathlib, subprocess, luigi\n"
        f"WAITS = {dict(shape.steps)!r}\n"
        "class Step(luigi.Task):\n"
        "    name = luigi.Parameter()\n"
        "    def requires(self): return [Step(name) for name in WAITS[self.name]]\n"
        "    def output(self): return luigi.LocalTarget(self.name)\n"
        "    def run(self):\n"
        "        subprocess.run(['/bin/true'], check=True)\n"
        "        pathlib.Path(self.name).touch()\n"
        "class All(luigi.WrapperTask):\n"
        "    def requires(self): return [Step(name) for name in WAITS]\n"
    )
    command = [BIN / "python", "-m", "luigi", "--module=steps", "All", "--local-scheduler"]
    return [*command, f"--workers={width}", "--log-level=ERROR"]


def _dbos(shape: Shape, width: int, folder: Path) -> Argv:
    (folder / "flow.py").write_text(
        "import asyncio\n"
        "from dbos import DBOS\n"
        f"STEPS = {shape.steps!r}\n"
        "DBOS(config={'name': 'bench', 'system_database_url': 'sqlite:///bench.db',\n"
        "    'run_admin_server': False, 'log_level': 'ERROR'})\n"
        "@DBOS.step()\n"
        "async def true(name):\n"
        "    process = await asyncio.create_subprocess_exec('/bin/true')\n"
        "    return await process.wait()\n"
        "@DBOS.workflow()\n"
        "async def flow():\n"
        f"    slots = asyncio.Semaphore({width})\n"
        "    tasks = {}\n"
        "    async def step(name, waits):\n"
        "        for wait in waits:\n"
        "            await tasks[wait]\n"
        "        async with slots:\n"
        "            await true(name)\n"
        "    for name, waits in STEPS:\n"
        "        tasks[name] = asyncio.ensure_future(step(name, waits))\n"
        "    await asyncio.gather(*tasks.values())\n"
        "async def main():\n"
        "    await flow()\n"
        "DBOS.launch()\n"
        "asyncio.run(main())\n"
        "DBOS.destroy()\n"
    )
    return [BIN / "python", "flow.py"]


def _floor(shape: Shape, width: int, folder: Path) -> Argv:
    """posix_spawn, a pidfd and epoll: no logs, no journal, no order."""
    code = (
        "from pathlib import Path; from benchmarks.spawn import floor; "
        f"floor({len(shape)}, {width}, Path('.'))"
    )
    root = Path(__file__).resolve().parent.parent
    return ["env", f"PYTHONPATH={root}", PYTHON, "-c", code]


NINJA = Peer("ninja", _ninja, 100_000)
MAKE = Peer("make", _make, 100_000)
STOKERS = (
    Peer("stoker", _stoker, 100_000),
    Peer("stoker, power", _stoker_power),
    Peer("stoker, sh -c", _stoker_shell),
)
FLOOR = Peer("bare spawn", _floor, 100_000)
OTHERS = (
    Peer("go-task", _task, 10_000, rounds=1),
    Peer("doit", _doit, 2_000),
    Peer("DBOS", _dbos, 1_000, rounds=1),
    Peer("luigi", _luigi, 1_000, rounds=1),
    Peer("snakemake", _snakemake, 1_000, rounds=1),
)
