"""What may help is found, told, shown, and done where that is safe."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from roadmap_world import World

PLAN = "# Shop\n\n## Phase 1: Prices\n\n### 1.1 Sums\n\n- [ ] **Price**: `total()`\n"


@pytest.mark.parametrize("mode", ["no_adapt", "suggest", "auto_fix"])
def test_what_a_failed_try_lacks(world: World, mode: str) -> None:
    world.write("ROADMAP.md", PLAN)
    world.commit()
    test = "from pkg.price import total\n\n\ndef test_total():\n    assert total() == 2\n"
    code = "def total():\n    return math.floor(2.5)\n"
    wrong = {"pkg/__init__.py": "", "pkg/price.py": code, "test_price.py": test}
    task = "1.1.1"
    world.script = {task: [wrong, {"notes.txt": "nothing mended\n"}]}
    run = world.run(adapt=mode, retries=1, context=0)

    (one,) = run.units
    told = next(text for _, number, text in world.prompts if number == 2)
    assert ("add import pkg/price.py import math" in told) == (mode != "no_adapt")
    assert ("this is done already" in told) == (mode == "auto_fix")
    # The agent did nothing for it: the import alone is what it lacked.
    assert one.status == ("done" if mode == "auto_fix" else "failed")
    suggested = [s.kind for s in one.tries[0].suggestions]
    assert suggested == ([] if mode == "no_adapt" else ["add_import"])
    if mode == "suggest":
        argv = [sys.executable, "-m", "stoker", "roadmap", "suggest", "r"]
        argv += ["--json", "--db", str(world.state / "journal.db")]
        done = subprocess.run(argv, cwd=world.root, capture_output=True, check=True)
        (found,) = json.loads(done.stdout)["suggestions"]
        assert (found["task"], found["suggestion"]["kind"]) == (one.unit.id, "add_import")
