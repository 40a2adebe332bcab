"""Fetching from and pushing to other repositories."""

from __future__ import annotations

from stoker.engine.kinds import Result, StepFailed
from stoker.steps.git import Git
from stoker.steps.repository import Repository


async def fetch(repository: Repository, definition: Git) -> Result:
    """Fetch; `commit` is what came first, where anything was named."""
    prune = ("--prune",) if definition.prune else ()
    await repository.git("fetch", "--quiet", *prune, definition.remote, *definition.refspecs)
    return Result(outputs={"commit": await repository.commit("FETCH_HEAD")})


async def push(repository: Repository, definition: Git) -> Result:
    """Push all or nothing; exit code 1 says that the remote refused, as it does to git's users."""
    lease = definition.force_with_lease
    if isinstance(lease, bool):
        options = ["--force-with-lease"] if lease else []
    else:
        options = [
            f"--force-with-lease={x}" for x in ([lease] if isinstance(lease, str) else lease)
        ]
    code, output, said = await repository.run(
        "push", "--porcelain", "--atomic", *options, definition.remote, *definition.refspecs
    )
    updates = [line.split("\t") for line in output.decode(errors="replace").splitlines()]
    refused = [
        f"{update[1].partition(':')[2]} {update[2]}"
        for update in updates
        if len(update) == 3 and update[0] == "!"
    ]
    if refused:
        return Result(
            exit_code=code,
            error=f"push refused: {', '.join(refused)}",
            outputs={"refused": refused},
        )
    if code != 0:
        raise StepFailed(f"git push failed: {said or f'exit code {code}'}", exit_code=code)
    pushed = [update[1].partition(":")[2] for update in updates if len(update) == 3]
    return Result(exit_code=0, outputs={"pushed": pushed})
