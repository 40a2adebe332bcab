"""Kind `roadmap-task`: one unit of a roadmap, tried until it is verified and on the branch.

An attempt of the step is one try: a nested run in a worktree that is cut when it begins. What
it is told follows from the journal, so that one that was killed goes on as it would have.
"""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

from stoker.engine.creation import nested_run_id, stored_plan
from stoker.engine.kinds import Attempt, Result, StepFailed
from stoker.journal.base import UnknownRun
from stoker.plan.model import Plan, Step
from stoker.roadmaps import integration, knowledge, needs, tries
from stoker.roadmaps.begun import Begun, Planned
from stoker.roadmaps.bench import Bench, opened
from stoker.roadmaps.budget import overspent, spent_on
from stoker.roadmaps.differing import differing
from stoker.roadmaps.identity import slug
from stoker.roadmaps.plan import AGAIN
from stoker.roadmaps.prompt import prompt
from stoker.roadmaps.standing import said_of
from stoker.roadmaps.suggest import Suggestion, apply
from stoker.roadmaps.tries import Next, Reviewed, Try
from stoker.roadmaps.try_plan import Frame, try_plan
from stoker.roadmaps.unit import Unit
from stoker.roadmaps.writeback import decided_by_hand, take_up, write_back
from stoker.steps.kind import BaseKind
from stoker.together import both
from stoker.workspace.errors import WorkspaceError
from stoker.workspace.repository import Repository


class RoadmapTaskKind(BaseKind[Planned]):
    """Outputs: `status` (`done`, or `done-unverified` with the `reason`), `commit`, `files`,
    `tries`, `tokens`, `cost_usd`, `unmarked` (why tasks are not ticked)."""

    name = "roadmap-task"
    definition = Planned
    on_interrupt = "adopt"

    def check(self, step: Step, definition: Planned) -> list[str]:
        """It has tasks."""
        return [] if definition.tasks else ["tasks: expected a task, found none"]

    async def start(self, step: Step, definition: Planned, attempt: Attempt) -> Result:
        """One try."""
        bench = await attempt.shared(opened)
        try:
            began = await bench.begun(attempt.run_id)
            repository = await bench.repository(began.job.root)
            this = _Try(began, began.unit(definition), attempt, bench, repository)
            return await this.carry_out()
        except (WorkspaceError, OSError) as error:
            raise StepFailed(str(error)) from error


class _Try:
    """The one that an attempt is."""

    def __init__(
        self, began: Begun, unit: Unit, attempt: Attempt, bench: Bench, repository: Repository
    ) -> None:
        self.job, self.unit, self.budget = began.job, unit, began.budget
        self.attempt, self.bench, self.repository = attempt, bench, repository
        self.run = nested_run_id(attempt.run_id, attempt.step_id, attempt.number)

    def place(self, number: int) -> tuple[Path, str]:
        """Worktree and branch of a try of this unit."""
        run = nested_run_id(self.attempt.run_id, self.attempt.step_id, number)
        return integration.place(self.bench.directory, self.unit.id, run)

    async def carry_out(self) -> Result:
        await self.bench.follow(self.attempt.run_id, self.job, self.attempt.write)
        run, step, number = self.attempt.run_id, self.attempt.step_id, self.attempt.number
        past = await self.bench.tries(run, step, number)
        plan = await self._begun() or await self._begin(past)
        if isinstance(plan, Result):
            return plan
        try:
            await self.attempt.run_plan(plan, {})
        except StepFailed as error:
            self.attempt.write(f"{error}\n", error=True)
        all_ = await self.bench.tries(run, step, number + 1)
        return await (self._finish if all_[-1].outcome == "merged" else self._failed)(all_)

    async def _begun(self) -> Plan | None:
        """The plan of this very try, if a crash cut it short after it had begun."""
        if not self.attempt.resumed:
            return None
        try:
            return await stored_plan(self.bench.journal, self.run)
        except UnknownRun:
            return None

    async def _begin(self, past: tuple[Try, ...]) -> Plan | Result:
        job, unit = self.job, self.unit
        path, branch = self.place(self.attempt.number)
        if self.attempt.resumed:  # half made before a crash
            await integration.leave(self.repository, path, branch)
        reason = await overspent(self.bench, self.attempt.run_id, self.budget)
        if (reason := reason or spent_on(past, unit.options)) is not None:
            return Result(exit_code=1, error=f"deferred: {reason}")
        if (early := await needs.done_before(self.bench, self.attempt, unit)) is not None:
            return Result(exit_code=0, outputs=early)
        by_hand = None
        if not needs.is_own(self.attempt.step_id, unit):
            by_hand = await decided_by_hand(self.bench, self.attempt.run_id, unit)
        if by_hand == "ticked" and not past:  # else its agent may have done that
            return Result(exit_code=0, outputs=await self._ticked())
        if by_hand in ("skipped", "removed"):
            why = f"{by_hand} in the file, by hand"
            return Result(exit_code=0, outputs={"status": "skipped", "reason": why})
        next_ = tries.decide(past, unit.options)
        met = await needs.meet(self.bench, self.attempt, unit, past)
        await self._wait(next_)
        told, rest, base = "", "", ""
        if (done := next_.reviewed) is not None:
            base = done.base
            await integration.room(self.repository, path, branch, done.commit, self.bench.spares)
        elif unit.gate:
            base = await integration.tip(self.repository, job.branch)
        else:
            told, rest, base = await self._told(past, next_, path, branch, met)
        frame = Frame(
            job=job,
            unit=unit,
            base=base,
            run=self.attempt.run_id,
            step=self.attempt.step_id,
            token=self.run,
            last=tries.is_last(past, unit.options),
            pending=await self._pending(),
        )
        cwd = job.root if unit.gate else str(path)
        return try_plan(frame, next_, cwd=cwd, prompt=told, rest=rest, kinds=self.bench.kinds)

    async def _ticked(self) -> dict[str, str]:
        """What it comes to that a box is ticked which this run has not ticked."""
        began = await self.bench.begun(self.attempt.run_id)
        others = await differing(
            self.bench.journal, began.document, began.job.plan_id, without=self.attempt.run_id
        )
        known = [others.known.get(name) for name in self.unit.ids]
        runs = {one.run_id for one in known if one is not None and one.standing.done}
        if runs and all(one is not None and one.standing.done for one in known):
            return {"status": "done", "reason": f"done by run {', '.join(sorted(runs))}"}
        why = "ticked by hand, or by an agent, during the run: nothing shows that it is done"
        return {"status": "done-unverified", "reason": why}

    async def _told(
        self,
        past: tuple[Try, ...],
        next_: Next,
        path: Path,
        branch: str,
        applied: list[Suggestion],
    ) -> tuple[str, str, str]:
        """Make the worktree of this try; what its agent is told, what those of parts that follow,
        and the commit it begins from. `applied`: what was done already of what was suggested."""
        last = next((one for one in reversed(past) if one.commit), None)
        spares = self.bench.spares
        worktree = await integration.room(self.repository, path, branch, self.job.branch, spares)
        tree = base = await worktree.head() or ""
        conflicts: tuple[str, ...] = ()
        if last is not None and next_.carry:
            tree, conflicts = await integration.carry(worktree, last.commit)
        budget = self.unit.options.context // (3 if next_.trim else 1)
        known = await knowledge.context(
            self.bench,
            self.job,
            self.unit,
            self.attempt.run_id,
            worktree,
            tree,
            past,
            budget=budget,
            conflicts=conflicts,
        )
        if last is not None and self.unit.options.adapt == "auto_fix":
            applied = applied + await asyncio.to_thread(apply, last.suggestions, path)
        diff = await integration.patch(self.repository, last.base, last.commit) if last else ""
        said = said_of(await self.bench.state(self.attempt.run_id), self.attempt.step_id)
        told = prompt(
            self.job,
            self.unit,
            past,
            context=known,
            diff=diff,
            conflicts=conflicts,
            carried=next_.carry,
            other_way=next_.other_way,
            applied=applied,
            said=said,
        )
        rest = prompt(self.job, self.unit, (), context=known, said=said)
        return told, rest, base

    async def _pending(self) -> dict[str, tuple[str, ...]] | None:
        """Files that other tasks are still to make; None: nothing is to be suggested."""
        if self.unit.options.adapt == "no_adapt":
            return None
        run = await self.bench.standing(self.attempt.run_id)
        left = [one.unit for one in run.units if one.status in ("pending", "in_progress")]
        return {one.id: one.files for one in left if one.files and one.id != self.unit.id}

    def _who(self, reviewed: Reviewed | None) -> str:
        """The profile that a try begins with."""
        said = self.unit.options
        return said.reviewer or said.agent if reviewed else said.agent

    async def _wait(self, next_: Next) -> None:
        agent = self._who(next_.reviewed)
        until = max(next_.not_before, self.bench.paused(agent))
        while (left := until - time.time()) > 0:
            self.attempt.write(f"{agent} will listen again in {left:.0f} s\n")
            await asyncio.sleep(left)
            until = max(until, self.bench.paused(agent))

    async def _finish(self, all_: tuple[Try, ...]) -> Result:
        """Its checkpoint is on the branch, and the journal says so."""
        done = all_[-1]
        verdict = done.evidence.verdict if done.evidence else "unverified"
        waived = self.unit.options.verify == "skip"
        status = "done" if verdict == "verified" else "done-unverified"
        mark = status == "done" or waived
        unmarked, _ = await both(self._write(mark=mark), self._leave(all_))
        return Result(
            exit_code=0,
            outputs={
                "status": status,
                "reason": done.evidence.reason if done.evidence else "",
                "commit": done.commit,
                "files": list(done.evidence.files) if done.evidence else [],
                "tries": len(all_),
                "tokens": sum(one.tokens for one in all_),
                "cost_usd": sum(one.cost_usd for one in all_),
                "unmarked": unmarked,
            },
        )

    async def _failed(self, all_: tuple[Try, ...]) -> Result:
        last = all_[-1]
        next_ = tries.decide(all_, self.unit.options)
        kind = (last.category or last.outcome).replace("_", " ")
        path, branch = self.place(self.attempt.number)
        spares = self.bench.spares if last.commit else None
        await integration.leave(self.repository, path, branch, keep=True, spares=spares)
        if next_.again:
            if last.category == "rate_limit":
                self.bench.pause(self._who(last.reviewed), next_.not_before)
            why = last.error or last.outcome
            return Result(exit_code=AGAIN, error=f"{kind}: {why}" if last.category else why)
        error = f"{kind}: {next_.reason}"
        if self.unit.options.strategy == "branch_and_merge" and last.commit:
            kept = f"{self.job.branch}-{slug(self.unit.id)}"
            await self.repository.git.run("branch", "--force", "--", kept, last.commit)
            error += f" (its work is on the branch {kept})"
        await both(self._write(mark=False), self._leave(all_))
        if self.unit.options.strategy == "rollback_all":
            run = await self.bench.standing(self.attempt.run_id)
            self.bench.given_up.add(run.run_id)
            begun = (one for one in run.units if one.commit or one.status == "in_progress")
            names = [name for one in begun for name in one.unit.ids]
            await self.bench.take_back(run.run_id, self.job.root, names)
            error += " (all that the run had done is taken back)"
        return Result(exit_code=1, error=error)

    async def _write(self, *, mark: bool) -> dict[str, str]:
        """Tick the boxes, and see what was added beside them. Returns what could not be."""
        run, say = self.attempt.run_id, self.attempt.write
        unmarked = await write_back(self.bench, run, self.unit, say) if mark else {}
        await take_up(self.bench, run, say)
        return unmarked

    async def _leave(self, all_: tuple[Try, ...]) -> None:
        for one in all_:
            spares = self.bench.spares if one.commit else None
            await integration.leave(self.repository, *self.place(one.number), spares=spares)


KIND = RoadmapTaskKind()
