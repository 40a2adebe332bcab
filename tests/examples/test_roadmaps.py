"""`make demo-roadmap`, the example `examples/roadmaps`."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(500)  # some twenty programs, on a machine that may be busy
def test_a_small_plan_is_completed(tmp_path: Path) -> None:
    recipe = (ROOT / "Makefile").read_text().partition("\ndemo-roadmap:")[2].splitlines()[1].split()
    assert recipe == ["$(BIN)/python", "examples/roadmaps/demo.py"]
    project = tmp_path / "demo" / "tea-shop"
    done = subprocess.run(
        [sys.executable, "-B", ROOT / recipe[1], "--keep", tmp_path / "demo"],
        capture_output=True,
        text=True,
        check=False,
        timeout=480,
        env={name: value for name, value in os.environ.items() if not name.startswith("STOKER_")},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    told = [line.partition(" ")[2] for line in done.stdout.splitlines() if re.match(r"\d\d:", line)]
    assert told[1] == "1.1.1 Discounts begun"
    wrong = "import error: shop/receipts.py:3: no module named 'shop.catalog'; tries again"
    assert f"1.1.2 try 1 failed: {wrong}" in told
    assert any(
        re.match(r"2\.1\.1 Prices on the page done in .* \(2 tries, ", line) for line in told
    )
    plan = (project / "ROADMAP.md").read_text()
    first = (ROOT / "examples" / "roadmaps" / "project" / "ROADMAP.md").read_text()
    assert plan == first.replace("[ ]", "[x]")
    assert "git merge roadmap/tea-shop" in done.stderr
    # The work is right: its tests pass where it is merged, as the last line says to do.
    git = ("git", "-C", project, "-c", "user.name=A", "-c", "user.email=a@example.com")
    subprocess.run([*git, "merge", "-q", "roadmap/tea-shop"], check=True)
    tests = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    assert subprocess.run(tests, cwd=project, check=False).returncode == 0
