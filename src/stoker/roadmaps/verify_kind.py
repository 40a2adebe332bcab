"""Kind `roadmap-verify`: what a try has left is committed and verified, whatever its agent says."""

from __future__ import annotations

from hashlib import sha256

import msgspec
from msgspec import Struct

from stoker.engine.kinds import Attempt, Result, StepFailed, Work
from stoker.plan.model import InterruptPolicy, Step
from stoker.roadmaps import integration
from stoker.roadmaps.bench import opened
from stoker.roadmaps.checking import check
from stoker.roadmaps.unit import Job, Unit
from stoker.workspace.errors import WorkspaceError
from stoker.workspace.worktree import Worktree


class Verify(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is verified, in the step's directory: a try's worktree."""

    job: Job
    unit: Unit
    base: str
    """The commit the worktree was cut from."""
    run: str
    """The roadmap's."""
    last: bool = False
    """There is no other try."""


class VerifyKind:
    """Outputs: `verdict`, `evidence`, `commit` (of the work, on no branch of the user's) and
    `digest` (of what it changes). A verdict of `failed` is no failure of the step."""

    name = "roadmap-verify"
    definition = Verify
    on_interrupt: InterruptPolicy = "rerun"
    takes_slot = True

    def check(self, step: Step, definition: Verify) -> list[str]:
        """Nothing that the types do not say."""
        return []

    def tool(self, step: Step, definition: Verify) -> str:
        """Its name."""
        return self.name

    def start(self, step: Step, definition: Verify, attempt: Attempt) -> Work:
        """A commit, and its verification."""
        return _work(definition, attempt)


async def _work(definition: Verify, attempt: Attempt) -> Result:
    job, unit, base = definition.job, definition.unit, definition.base
    bench = await attempt.shared(opened)
    try:
        repository = await bench.repository(job.root)
        commit, digest = base, ""
        if not unit.gate:
            worktree = Worktree.open(repository, attempt.cwd)
            commit = await integration.collect(worktree, base, job.plan_files, unit.title)
            changed = await integration.patch(repository, base, commit)
            digest = sha256(changed.encode()).hexdigest()[:16]
        evidence = await check(
            attempt,
            bench,
            job,
            unit,
            definition.run,
            base=base,
            commit=commit,
            last=definition.last,
        )
    except (WorkspaceError, OSError) as error:
        raise StepFailed(str(error)) from error
    attempt.write(f"{evidence.verdict}: {evidence.reason}\n")
    for fault in evidence.faults:
        attempt.write(f"{fault.category}: {fault.path}: {fault.message}\n", error=True)
    return Result(
        exit_code=0,
        outputs={
            "verdict": evidence.verdict,
            "evidence": msgspec.to_builtins(evidence),
            "commit": commit,
            "digest": digest,
        },
    )


KIND = VerifyKind()
