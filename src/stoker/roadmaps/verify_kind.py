"""Kind `roadmap-verify`: what a try has left is committed and verified, whatever its agent says."""

from __future__ import annotations

import msgspec

from stoker.engine.kinds import Attempt, Result, StepFailed
from stoker.plan.model import Step
from stoker.roadmaps import integration
from stoker.roadmaps.bench import opened
from stoker.roadmaps.checking import check
from stoker.roadmaps.suggest import Suggestion, suggest
from stoker.roadmaps.try_plan import Frame
from stoker.steps.kind import BaseKind
from stoker.together import both
from stoker.workspace.errors import WorkspaceError
from stoker.workspace.worktree import Worktree

_MOST = 8
"""Suggestions of one try."""


class Verify(Frame, frozen=True):
    """What is verified, in the step's directory: a try's worktree."""

    goes_on: bool = False
    """Another agent works in the worktree after this."""


class VerifyKind(BaseKind[Verify]):
    """Outputs: `verdict`, `evidence`, `commit` (of the work, on no branch of the user's),
    `digest` (of what it changes) and `suggestions`. A verdict of `failed` is no failure of the
    step."""

    name = "roadmap-verify"
    definition = Verify

    async def start(self, step: Step, definition: Verify, attempt: Attempt) -> Result:
        """A commit, and its verification."""
        job, unit, base = definition.job, definition.unit, definition.base
        bench = await attempt.shared(opened)
        try:
            repository = await bench.repository(job.root)
            commit, digest = base, ""
            if not unit.gate:
                worktree = Worktree.open(repository, attempt.cwd)
                commit, digest = await integration.collect(
                    worktree, base, job.plan_files, unit.title, bench.spares
                )
                if definition.goes_on:  # what is done is no change any more
                    await worktree.git.run("read-tree", commit)
            checked = check(attempt, bench, definition, base, commit)
            if commit == base:
                evidence = await checked
            else:
                evidence, _ = await both(checked, integration.keep(worktree, commit))
            suggestions: tuple[Suggestion, ...] = ()
            if definition.pending is not None and evidence.faults:
                tree = await repository.git.records("ls-tree", "-r", "-z", "--name-only", commit)
                suggestions = suggest(
                    evidence.faults,
                    files=set(tree),
                    promised=unit.files,
                    changed=evidence.files,
                    pending=definition.pending,
                )[:_MOST]
        except (WorkspaceError, OSError) as error:
            raise StepFailed(str(error)) from error
        attempt.write(f"{evidence.verdict}: {evidence.reason}\n")
        for fault in evidence.faults:
            attempt.write(f"{fault.category}: {fault.path}: {fault.message}\n", error=True)
        for one in suggestions:
            attempt.write(f"suggested ({one.rating:.0%}): {one.kind}: {one.reason}\n")
        return Result(
            exit_code=0,
            outputs={
                "verdict": evidence.verdict,
                "evidence": msgspec.to_builtins(evidence),
                "commit": commit,
                "digest": digest,
                "suggestions": msgspec.to_builtins(suggestions),
            },
        )


KIND = VerifyKind()
