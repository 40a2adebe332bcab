"""What `stoker run` of a small plan may import: start-up is mostly imports."""

from __future__ import annotations

import subprocess
import sys

EXPENSIVE = {"asyncinotify", "ctypes", "difflib", "httpx", "importlib.metadata", "rich", "yaml"}


def test_a_small_json_plan_imports_nothing_it_does_not_need(project) -> None:
    plan = project.plan({"id": "a", "command": "true"})
    code = (
        "import sys; from stoker.cli.main import main; status = main(sys.argv[1:]); "
        "sys.stderr.write(' '.join(sys.modules)); sys.exit(status)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "run", plan],
        cwd=project.directory,
        capture_output=True,
        text=True,
        env=project.environment,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert EXPENSIVE & set(done.stderr.split()) == set()
