"""What is remembered of tries, as people are told it and as the next run is."""

from __future__ import annotations

import json

from roadmap_world import World
from shell_world import Shell, plan


def test_what_a_run_remembers(shell: Shell) -> None:
    shell.begin(ROADMAP__md=plan("one"))
    shell.script = {"1.1.1/1": {"one.rb": "BROKEN"}, "1.1.1/2": {"one.rb": "whole"}}
    shell.roadmap("run", "ROADMAP.md")
    first, second = json.loads(shell.roadmap("memory", "show", "--run", "last", "--json"))
    assert (first["task"], first["attempt"], first["verdict"]) == ("1.1.1", 1, "failed")
    assert first["faults"]
    assert (second["verdict"], second["files"]) == ("verified", ["one.rb"])
    assert "try 2 verified" in shell.roadmap("memory", "show", "--run", "last")


def test_what_an_agent_decided_and_used_is_remembered(world: World) -> None:
    rule = "Money is always in cents because floats drift."
    world.farewell = f"Done.\n\n- {rule}\n"
    world.write("ROADMAP.md", "# P\n\n## Phase 1: One\n\n### 1.1 All\n\n- [ ] **One**\n")
    world.commit()
    world.script = {"1.1.1": [{"one.rb": "1\n"}]}
    world.run(command="true")
    memory = json.loads((world.root / ".executor" / "project-memory.json").read_text())
    assert memory["conventions"] == [rule]
    (pattern,) = memory["patterns"]
    assert pattern["tokens"] > 0
