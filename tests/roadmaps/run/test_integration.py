"""What a try leaves, taken up and merged, whatever its agent did with git."""

from __future__ import annotations

import asyncio
from pathlib import Path

from roadmap_world import World, git

from stoker.roadmaps import integration
from stoker.workspace.repository import Repository


def test_what_is_merged_is_what_was_verified_whatever_became_of_the_history(
    world: World, tmp_path: Path
) -> None:
    world.write("kept.py", "A = 1\n")
    world.commit()
    world.write("later.py", "B = 1\n")
    world.commit()
    base = git(world.root, "rev-parse", "HEAD")

    async def scenario() -> tuple[str, str]:
        repository = await Repository.open(world.root)
        worktree = await integration.room(repository, tmp_path / "try", "roadmap-try/x", base)
        git(tmp_path / "try", "reset", "-q", "--hard", "HEAD~1")  # the agent
        (tmp_path / "try" / "new.py").write_text("C = 1\n")
        work = await integration.collect(worktree, base, (), "t")
        made, conflicts = await integration.candidate(repository, base, work, "m", ())
        assert not conflicts
        assert await integration.collect(worktree, base, (), "t")  # once more, after a crash
        return work, made

    work, made = asyncio.run(scenario())
    assert git(world.root, "rev-parse", f"{made}^{{tree}}") == git(
        world.root, "rev-parse", f"{work}^{{tree}}"
    )
    assert git(world.root, "ls-tree", "--name-only", made).split() == ["kept.py", "new.py"]
    assert git(world.root, "rev-parse", f"{work}^") == base
