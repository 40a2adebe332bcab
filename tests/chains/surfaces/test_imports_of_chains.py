"""py-evm stays in processes of its own: it raises the limit of recursion to 100,000, with which a
document that is nested deeply enough ends the process that reads it."""

from __future__ import annotations

import json
import subprocess
import sys

PROGRAM = """
import asyncio, json, sys
import stoker
from stoker.chains.orchestrator import ForgeOrchestrator

before = sys.getrecursionlimit()

async def main():
    async with stoker.open_engine() as engine:
        forge = ForgeOrchestrator(engine)
        plan = await forge.create_plan(json.loads(sys.argv[1]))
        (result,) = (await forge.next_groups(plan, wait=True)).results
        assert result.inner.done, result
        await forge.dry_run(plan, engine.directory)

asyncio.run(main())
assert "stoker.chains.evm.pyevm.pool" in sys.modules
found = sorted({"eth", "py_ecc"} & sys.modules.keys())
print(json.dumps([found, before == sys.getrecursionlimit()]))
"""


def test_the_process_of_the_engine_never_imports_py_evm(project, wrap):
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, json.dumps([wrap(1)])],
        cwd=project,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [[], True]
