"""A large repository's checkouts serve one task after the other."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from roadmap_world import World

from stoker.workspace import spares


def test_checkouts_that_are_used_again_are_as_new(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    renewed: list[object] = []
    renew = spares._renew

    async def counted(*args: Any) -> None:
        await renew(*args)
        renewed.append(args)

    monkeypatch.setattr(spares, "_WORTHWHILE", 1)
    monkeypatch.setattr(spares, "_renew", counted)
    tasks = "".join(f"- [ ] **Write {n}**\n" for n in "abcd")
    world.write("ROADMAP.md", f"# Files\n\n## Phase 1: All\n\n### 1.1 All\n\n{tasks}")
    world.write(".gitignore", "*.log\n")
    world.commit()
    world.script = {
        f"1.1.{n}": [{f"{n}.rb": f"{n}\n", "left.log": "by an agent\n"}] for n in range(1, 5)
    }
    seen: list[Path] = []
    world.on_request = lambda *_: seen.extend(world.state.glob("worktrees/roadmap-*/left.log"))
    # The base is looked at once, in the same directory as the first task.
    command = "echo run >> run.log && test $(wc -l < run.log) -le 2"
    found = world.run(command=command, infer=False)

    assert [(one.status, one.reason) for one in found.units] == [("done", f"{command} passed")] * 4
    assert len(renewed) >= 4
    assert not seen
    assert not list(world.state.glob("worktrees/*"))
    for number in range(1, 5):
        assert world.show("roadmap/files", f"{number}.rb") == str(number)
