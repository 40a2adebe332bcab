"""Plans whose engine is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import msgspec

from stoker.chains.settings import Settings


def killed(directory: Path, settings: Settings, groups: Any, results: int) -> str:
    """A plan of these groups whose engine was killed after so many results; its id."""
    document = directory / "groups.json"
    document.write_text(json.dumps(groups))
    path = directory / "settings.json"
    path.write_bytes(msgspec.json.encode(settings))
    path.chmod(0o600)
    program = Path(__file__).with_name("plan_child.py")
    argv = (sys.executable, program, directory, path, document)
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as child:
        assert child.stdout is not None
        plan = child.stdout.readline().strip()
        for _ in range(results):
            assert child.stdout.readline().strip().isdecimal()
        os.kill(child.pid, signal.SIGKILL)
    return plan
