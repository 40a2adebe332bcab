"""Verification of one commit.

Three trees may be looked at: the base (from the cache, if it has been before), the work with
the tests and their configuration as at the base, and, if the task changed those, the work
as it is. What passed must pass, what was there must be there, in both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from stoker.roadmaps.evidence import Command, Evidence, Fault, Level, Tests
from stoker.roadmaps.verify import (
    baseline,
    commands,
    compare,
    owed,
    promises,
    protected,
    source,
    tampering,
    verdict,
)
from stoker.roadmaps.verify.checkout import Checkout, Tree
from stoker.roadmaps.verify.project import Check, declared
from stoker.roadmaps.verify.reports import Results
from stoker.roadmaps.verify.run import Done, run
from stoker.roadmaps.verify.runner import Runner
from stoker.roadmaps.verify.work import MODES, Settings, Work
from stoker.workspace.model import FileDiff
from stoker.workspace.repository import Repository

_MOST_FILES: Final = 2_000


async def verify(
    repository: Repository,
    work: Work,
    settings: Settings,
    runner: Runner,
    *,
    cache: Path,
    index: Path,
    there: bool = False,
) -> Evidence:
    """What is to be said of `work`. `cache`: a directory, of this project alone, where results
    are kept from one verification to the next; made if it is missing. `index`: of git's, of what
    is in the runner's directory; none if that is empty. Both are out of reach of `runner`. `there`:
    the commit's files are in that directory. Raises `GitFailed`, OSError."""
    checkout = Checkout(repository, runner.directory, index)
    return await _Verification(work, settings, runner, checkout, cache).evidence(there=there)


class _Verification:
    def __init__(
        self,
        work: Work,
        settings: Settings,
        runner: Runner,
        checkout: Checkout,
        cache: Path,
    ) -> None:
        self.work = work
        self.settings = settings
        self.runner = runner
        self.checkout = checkout
        self.cache = cache
        self.faults: list[Fault] = []
        self.notes: list[str] = []
        self.levels: list[Level] = []
        self.commands: list[Command] = []
        self.tests = Tests()
        self.proof: list[str] = []
        """What speaks for it."""
        self.unsure = ""
        """What leaves it open whether it is done, whatever speaks for it."""
        self.vouched = False
        """Its author's own command does."""
        self._there = ""
        """The tree in the runner's directory, until something of the project's is run there."""
        self._ran = False

    async def evidence(self, *, there: bool) -> Evidence:
        work, mode = self.work, self.settings.mode
        base, tree, changed = await self.checkout.both(work.base, work.commit)
        self._there = tree.oid if there else ""
        paths = list(dict.fromkeys(p for one in changed for p in (one.old_path, one.new_path) if p))
        self.levels.append("files")
        self.faults, self.notes = promises.check(work, base, tree, paths)
        if mode != "skip" and (paths or work.gate):
            await self._look(base, tree, changed, paths)
        return self._said(paths)

    def _fault(self, category: str, message: str, path: str = "") -> None:
        self.faults.append(Fault(category=category, message=message, path=path))  # type: ignore[arg-type]

    async def _write(self, tree: Tree) -> None:
        if self._there != tree.oid:
            await self.checkout.write(tree)
            if self._ran:
                await self.checkout.clean()
            self._there, self._ran = tree.oid, False

    async def _do(self, check: Check) -> Done:
        self._there, self._ran = "", True
        return await run(check, self.runner, seconds=self.settings.seconds)

    # What is in them

    async def _look(
        self, base: Tree, tree: Tree, changed: list[FileDiff], paths: list[str]
    ) -> None:
        guarded, touched = await protected.restored(
            self.checkout, base, tree, changed, self.work.may_change_tests
        )
        wanted: list[Level] = [one for one in ("syntax", "imports") if one in self.settings.levels]
        if wanted and paths:
            await self._source(base, tree, paths, wanted)
        moved = {
            one.old_path: one.new_path
            for one in changed
            if one.change == "renamed" and one.old_path and one.new_path
        }
        await self._tampering(base, tree, touched, moved)
        # Tests of what cannot even be read say nothing that would not be said already.
        broken = any(one.category in ("syntax_error", "import_error") for one in self.faults)
        if self.settings.mode == "agent" or broken:
            return
        await self._run(base, tree, guarded, moved, touched, paths)

    async def _source(self, base: Tree, tree: Tree, paths: list[str], levels: list[Level]) -> None:
        self.levels += levels
        await self._write(tree)
        faults, notes = await source.check(self.checkout, tree, paths, levels, self.runner)
        if self.work.tests_first:
            faults = [
                one
                for one in faults
                if one.category != "import_error" or not protected.is_test(one.path)
            ]
        if faults:
            await self._write(base)
            before, _ = await source.check(self.checkout, base, paths, levels, self.runner)
            known = {(one.category, one.path, one.message) for one in before}
            faults = [one for one in faults if (one.category, one.path, one.message) not in known]
        self.faults += faults[:50]
        self.notes += notes

    async def _tampering(
        self, base: Tree, tree: Tree, touched: Sequence[str], moved: Mapping[str, str]
    ) -> None:
        before = await self.checkout.read(base, touched)
        now = await self.checkout.read(tree, (moved.get(path, path) for path in touched))
        for path in touched:
            text = now.get(moved.get(path, path))
            current = None if text is None else text.decode(errors="replace")
            if protected.has_section(path):
                continue  # told by what is run
            if path in before:
                was = before[path].decode(errors="replace")
                self.faults += tampering.weakened(path, was, current)
            elif path not in base.entries:
                self.faults += tampering.planted(path, current or "")
        if touched:
            shown = ", ".join(touched[:10]) + (", ..." if len(touched) > 10 else "")
            self.notes.append(f"tests or their configuration were changed: {shown}")

    # Commands

    async def _run(
        self,
        base: Tree,
        tree: Tree,
        guarded: Tree,
        moved: Mapping[str, str],
        touched: Sequence[str],
        paths: Sequence[str],
    ) -> None:
        seen = len(self.levels)
        checks = await self._checks(guarded)
        before = await self._before(base, checks)
        # What ran tests at the base is what runs them now.
        settled = [_settled(some, done) for some, done in zip(checks, before, strict=True)]
        now = await self._all(guarded, settled)
        own = await self._own(guarded)
        whole = now
        if guarded.oid != tree.oid:
            whole = await self._all(tree, await self._checks(tree))
        elif not any(one.command.exit_code != 0 for one in own):
            baseline.save(self.cache, baseline.key(tree.oid, checks), now)
        ran = [*now, *own, *(whole if whole is not now else ())]
        self.commands += (one.command for one in ran)
        self.levels[seen:] = dict.fromkeys(one.command.level for one in ran)
        known = {
            (one.command.level, one.command.argv, one.command.directory): one for one in before
        }
        for one in now:
            key = (one.command.level, one.command.argv, one.command.directory)
            # A gate changes nothing: what failed before is what it is there for.
            faults, notes = compare.ended(one, None if self.work.gate else known.get(key))
            self.faults += faults
            self.notes += notes
        self._compare(compare.merged(before), now, whole, moved, touched)
        self._prove(now, whole, own)
        await self._owed(guarded, paths, [*now, *own])

    def _compare(
        self,
        before: Results,
        now: list[Done],
        whole: list[Done],
        moved: Mapping[str, str],
        touched: Sequence[str],
    ) -> None:
        guarded, full = compare.merged(now), compare.merged(whole)
        ran = [one for one in (*now, *whole) if one.command.level == "tests"]
        output = next(
            (o.command.output for o in (*now, *whole) if "failed" in o.results.values()), ""
        )
        self.faults += compare.regressions(
            before,
            guarded,
            full,
            changed=touched,
            waived=self.work.may_change_tests,
            moved=moved,
            tests_first=self.work.tests_first,
            # One that ended before its time is told of, and not each test it did not come to.
            complete=all(one.results or one.passed for one in ran),
            output=output,
        )
        if self.work.gate:
            for name in sorted(name for name, how in guarded.items() if how == "failed"):
                self._fault("test_failure", f"{name} fails, and all must pass here")
        self.tests = compare.tests_of(
            before, {**guarded, **full, **{n: h for n, h in guarded.items() if n in before}}
        )

    async def _owed(self, guarded: Tree, paths: Sequence[str], ran: list[Done]) -> None:
        work, failing = self.work, self.tests.failed_before
        if work.tests_first or not failing or not work.names:
            return
        texts = await self.checkout.read(guarded, {owed.file_of(name) for name in failing})
        found = list(owed.owed(failing, texts, (*work.files, *paths), work.names, work.others))
        said = [f"{test} fails as before the task, which names {names}" for test, names in found]
        if work.last and said:
            self.unsure = said[0]
            self.notes += said[1:]
        elif said:
            output = next(one.command.output for one in ran if found[0][0] in one.results)
            self._fault("incomplete", f"{said[0]}\n\n{output[-3_000:]}")
            self.faults += [Fault(category="incomplete", message=one) for one in said[1:20]]

    def _prove(self, now: list[Done], whole: list[Done], own: list[Done]) -> None:
        for one in own:
            faults, notes = compare.ended(one, None)
            if one.missing:
                self._fault("tool_failure", notes[0])
            self.faults += faults
            self.notes += notes if not one.missing else []
            if one.passed and not one.none:
                self.proof.append(f"{one.command.argv[-1]} passed")
                self.vouched = True
        tests = self.tests
        if tests.passed:
            text = f"{len(tests.passed):,} tests passed"
            if tests.failed_before:
                text += f", {len(tests.failed_before):,} fail as before"
            self.proof.append(text)
        elif self.work.tests_first and tests.added:
            self.proof.append(f"{len(tests.added):,} tests were added, which fail as they should")
        for one in whole:
            if one.command.level == "tests" and one.passed and not one.results and not one.none:
                self.proof.append(f"{one.command.argv[-1]} passed")
                self.notes.append(f"{one.command.argv[-1]} does not say which tests it ran")

    async def _checks(self, tree: Tree) -> list[list[Check]]:
        """Commands of the project, as `tree` says; of each list the first that works."""
        wanted = self.settings.levels
        entries = tree.entries
        texts = await self.checkout.read(tree, commands.interesting(entries))
        found = commands.detect(entries, texts)
        given = [declared(text, "tests", "settings") for text in self.settings.commands]
        if given:
            found = [some for some in found if some[0].level != "tests"] + [[one] for one in given]
        if self.settings.mode not in MODES:
            found = [[o for o in some if o.runner == self.settings.mode] for some in found]
        found = [some for some in found if some and some[0].level in wanted]
        return sorted(found, key=lambda some: ("build", "types", "tests").index(some[0].level))

    async def _own(self, tree: Tree) -> list[Done]:
        said = self.work.verify or ()
        if not said or "command" not in self.settings.levels:
            return []
        await self._write(tree)
        checks = [
            declared(t, "command", "task") for t in ([said] if isinstance(said, str) else said)
        ]
        return [await self._do(one) for one in checks]

    async def _before(self, base: Tree, checks: list[list[Check]]) -> list[Done]:
        """What the same says of the base."""
        name = baseline.key(base.oid, checks)
        known = baseline.load(self.cache, name)
        if known is None:
            known = await self._all(base, checks)
            baseline.save(self.cache, name, known)
        return known

    async def _all(self, tree: Tree, checks: list[list[Check]]) -> list[Done]:
        await self._write(tree)
        return [await self._first(some) for some in checks]

    async def _first(self, checks: list[Check]) -> Done:
        """The first of them that could be run, or else what came nearest to it."""
        best: Done | None = None
        for check in checks:
            done = await self._do(check)
            if done.results or done.trouble or (done.passed and not done.none):
                return done
            if best is None or (best.missing and not done.missing) or (done.none and not best.none):
                best = done
        if best is None:
            raise AssertionError("there is no list without a check")
        return best

    # What follows

    def _said(self, paths: list[str]) -> Evidence:
        faults = tuple(replace(one, message=self.runner.redact(one.message)) for one in self.faults)
        silent = verdict.silence(self.settings.mode, paths, ran=bool(self.commands))
        proof = self.proof
        if not self.work.gate and (beside := verdict.beside(paths, self.work.files)):
            # Tests that were there before and pass as before say nothing of it.
            new = {*self.tests.fixed, *self.tests.added} & set(self.tests.passed)
            if not new and not self.vouched:
                proof, silent = [], beside
        if self.unsure:
            proof, silent = [], self.unsure
        decided, reason = verdict.decide(faults, proof, silent)
        return Evidence(
            verdict=decided,
            reason=reason,
            base=self.work.base,
            commit=self.work.commit,
            files=tuple(paths)[:_MOST_FILES],
            levels=tuple(self.levels),
            commands=tuple(self.commands),
            tests=verdict.bounded(self.tests),
            faults=faults,
            notes=tuple(dict.fromkeys(self.notes)),
        )


def _settled(checks: list[Check], before: Done) -> list[Check]:
    text = before.command.argv[-1]
    return [one for one in checks if one.text == text] if before.results else checks
