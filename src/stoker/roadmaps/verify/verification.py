"""Verification of one commit.

Three trees may be looked at: the base (from the cache, if it has been before), the work with
the tests and their configuration as at the base, and, if the task changed those, the work
as it is. What passed must pass, what was there must be there, in both. A fourth, the base with
the task's tests, tells whether these test anything, if nothing else speaks for the work.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from stoker.roadmaps.evidence import Command, Evidence, Fault, Level, Tests
from stoker.roadmaps.verify import (
    baseline,
    commands,
    compare,
    ecosystems,
    owed,
    promises,
    protected,
    reports,
    source,
    tampering,
    verdict,
)
from stoker.roadmaps.verify.checkout import Checkout, Tree
from stoker.roadmaps.verify.project import Check, declared
from stoker.roadmaps.verify.run import Done, run
from stoker.roadmaps.verify.runner import Runner
from stoker.roadmaps.verify.work import NO_RUNNERS, Settings, Work
from stoker.workspace.model import FileDiff
from stoker.workspace.repository import Repository

_MOST_FILES: Final = 2_000
_ORDER: Final = ("build", "types", "tests")


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
    base, tree, changed = await checkout.both(work.base, work.commit)
    this = _Verification(work, settings, runner, checkout, cache, base, tree)
    return await this.evidence(changed, there=there)


async def checks_of(checkout: Checkout, tree: Tree, settings: Settings) -> list[list[Check]]:
    """Commands of a project, as `tree` says; of each list the first that works."""
    texts = await checkout.read(tree, commands.interesting(tree.entries))
    found = commands.detect(tree.entries, texts)
    if settings.command:
        found = [some for some in found if some[0].level != "tests"]
        found.append([declared(settings.command, "tests", "settings")])
    if settings.mode not in NO_RUNNERS:
        found = [[one for one in some if one.runner == settings.mode] for some in found]
    return sorted(filter(None, found), key=lambda some: _ORDER.index(some[0].level))


class _Verification:
    def __init__(
        self,
        work: Work,
        settings: Settings,
        runner: Runner,
        checkout: Checkout,
        cache: Path,
        base: Tree,
        tree: Tree,
    ) -> None:
        self.work, self.settings, self.runner = work, settings, runner
        self.checkout, self.cache = checkout, cache
        self.base, self.tree = base, tree
        self.paths: list[str] = []
        """That were changed."""
        self.moved: dict[str, str] = {}
        self.touched: tuple[str, ...] = ()
        """What is protected of them."""
        self.faults: list[Fault] = []
        self.notes: list[str] = []
        self.levels: list[Level] = ["files"]
        self.commands: list[Command] = []
        self.tests = Tests()
        self.proof: list[str] = []
        """What speaks for it."""
        self.unsure = ""
        """What leaves it open whether it is done, whatever speaks for it."""
        self.vouched = False
        """Its author's own command does."""
        self.gone: list[str] = []
        """Programs that are not there."""
        self._there = ""
        """The tree in the runner's directory, until something of the project's is run there."""
        self._ran = False

    async def evidence(self, changed: list[FileDiff], *, there: bool) -> Evidence:
        self._there = self.tree.oid if there else ""
        both = (path for one in changed for path in (one.old_path, one.new_path))
        self.paths = list(dict.fromkeys(filter(None, both)))
        self.moved = {
            one.old_path: one.new_path
            for one in changed
            if one.change == "renamed" and one.old_path and one.new_path
        }
        self.faults, self.notes = promises.check(self.work, self.base, self.tree, self.paths)
        if self.settings.mode != "skip" and (self.paths or self.work.gate):
            await self._look(changed)
        return self._said()

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

    async def _look(self, changed: list[FileDiff]) -> None:
        guarded, self.touched = await protected.restored(
            self.checkout, self.base, self.tree, changed, self.work
        )
        if self.paths:
            await self._source()
        await self._tampering()
        # Tests of what cannot even be read say nothing that would not be said already.
        broken = any(one.category in ("syntax_error", "import_error") for one in self.faults)
        if self.settings.mode != "agent" and not broken:
            await self._run(guarded)

    async def _source(self) -> None:
        self.levels += ["syntax", "imports"]
        await self._write(self.tree)
        faults, notes = await source.check(self.checkout, self.tree, self.paths, self.runner)
        if faults:
            await self._write(self.base)
            before, _ = await source.check(self.checkout, self.base, self.paths, self.runner)
            known = {(one.category, one.path, one.message) for one in before}
            faults = [one for one in faults if (one.category, one.path, one.message) not in known]
        self.faults += faults[:50]
        self.notes += notes

    async def _tampering(self) -> None:
        before = await self.checkout.read(self.base, self.touched)
        names = [self.moved.get(path, path) for path in self.touched]
        now = await self.checkout.read(self.tree, names)
        faults: list[Fault] = []
        for path, name in zip(self.touched, names, strict=True):
            text = now[name].decode(errors="replace") if name in now else None
            if protected.has_section(path):
                continue  # told by what is run
            if path in before:
                faults += tampering.weakened(path, before[path].decode(errors="replace"), text)
            elif path not in self.base.entries:
                faults += tampering.planted(path, text or "")
        self.faults += compare.few(faults)
        if self.touched:
            shown = ", ".join(self.touched[:10]) + (", ..." if len(self.touched) > 10 else "")
            self.notes.append(f"tests or their configuration were changed: {shown}")

    # Commands

    async def _run(self, guarded: Tree) -> None:
        checks = await checks_of(self.checkout, guarded, self.settings)
        before = await self._before(checks)
        # What ran tests at the base is what runs them now.
        now = await self._all(guarded, list(map(_settled, checks, before)))
        own = await self._own(guarded)
        whole = now
        if guarded.oid != self.tree.oid:
            checks = await checks_of(self.checkout, self.tree, self.settings)
            whole = await self._all(self.tree, checks)
        elif not any(one.command.exit_code != 0 for one in own):
            baseline.save(self.cache, baseline.key(self.tree.oid, checks), now)
        self.commands += (one.command for one in (*now, *own, *(whole if whole is not now else ())))
        self.levels += dict.fromkeys(one.level for one in self.commands)
        known = {one.place: one for one in before}
        self.gone += dict.fromkeys(one.missing for one in (*now, *whole) if one.missing)
        for one in now:
            # A gate changes nothing: what failed before is what it is there for.
            faults, notes = compare.ended(one, None if self.work.gate else known.get(one.place))
            self.faults += faults
            self.notes += notes
        self._compare(before, now, whole)
        self._prove(own, whole)
        if not (self.faults or self.vouched or self.tests.fixed):
            made = [one for one in _silent(whole) if not _passed(known.get(one.place))]
            settled = list(map(_settled, checks, whole))
            self.unsure = await self._idle(before, settled, [one.place for one in made])
        await self._owed(guarded, [*now, *own])

    def _compare(self, before: list[Done], now: list[Done], whole: list[Done]) -> None:
        was, guarded, full = map(compare.merged, (before, now, whole))
        ran = [one for one in (*now, *whole) if one.command.level == "tests"]
        failing = (one.command.output for one in ran if "failed" in one.results.values())
        self.faults += compare.regressions(
            was,
            guarded,
            full,
            changed=self.touched,
            free=self.work.tests_free,
            moved=self.moved,
            # One that ended before its time is told of, and not each test it did not come to.
            complete=all(one.results or one.passed for one in ran),
            output=next(failing, ""),
        )
        if self.work.gate:
            red = sorted(name for name, how in guarded.items() if how == "failed")
            texts = (f"{name} fails, and all must pass here" for name in red)
            self.faults += (Fault(category="test_failure", message=text) for text in texts)
        ended = {**guarded, **full, **{name: how for name, how in guarded.items() if name in was}}
        self.tests = compare.tests_of(was, ended)

    def _prove(self, own: list[Done], whole: list[Done]) -> None:
        for one in own:
            faults, notes = compare.ended(one, None)
            if one.missing:
                faults, notes = [Fault(category="tool_failure", message=notes[0])], []
            self.faults += faults
            self.notes += notes
            if one.passed and not one.none:
                self.proof.append(f"{one.command.argv[-1]} passed")
                self.vouched = True
        if passed := len(self.tests.passed):
            before = len(self.tests.failed_before)
            more = f", {before:,} fail as before" if before else ""
            self.proof.append(f"{passed:,} tests passed{more}")
        for one in _silent(whole):
            self.proof.append(f"{one.command.argv[-1]} passed")
            self.notes.append(f"{one.command.argv[-1]} does not say which tests it ran")

    async def _idle(self, before: list[Done], checks: list[list[Check]], made: list[object]) -> str:
        """Why what is new of what speaks for the work says nothing of it; empty: it does. `made`:
        commands that the task has made, and that say no more than that they passed."""
        was = compare.merged(before)
        there = {
            name for name in self.tests.added if compare.moved_from(name, self.moved) & was.keys()
        }
        added = {*self.tests.added} & {*self.tests.passed} - there
        if not added and not made:
            return ""
        judges = {*filter(protected.judges, self.paths), *commands.interesting(self.paths)}
        if verdict.only_text([path for path in self.paths if path not in judges]):
            texts = await self.checkout.read(self.tree, judges)
            if any(
                tampering.asserts(p, text.decode(errors="replace")) for p, text in texts.items()
            ):
                return ""
            return "what it added asserts nothing"
        changes = {path: self.tree.entries.get(path) for path in judges}
        without = await self.checkout.edited(self.base, changes)
        if without.oid != self.base.oid:
            files = sorted(filter(protected.is_test, judges & self.tree.entries.keys()))
            checks = [[_only(one, files) for one in some] for some in checks]
            before = await self._all(without, checks)
        results = compare.merged(before)
        passed = {one.place for one in before if one.passed}
        if any(results.get(name) != "passed" for name in added) or not passed.issuperset(made):
            return ""
        return "the tests it added pass without the rest of its work, too"

    async def _owed(self, guarded: Tree, ran: list[Done]) -> None:
        work, failing = self.work, self.tests.failed_before
        if not failing or not work.names:
            return
        texts = await self.checkout.read(guarded, {reports.file_of(name) for name in failing})
        paths = (*work.files, *self.paths)
        found = list(owed.owed(failing, texts, paths, work.names, work.others))
        said = [f"{test} fails as before the task, which names {names}" for test, names in found]
        if work.last and said:
            self.unsure = said[0]
            self.notes += said[1:]
        elif said:
            output = next(one.command.output for one in ran if found[0][0] in one.results)
            said[0] += f"\n\n{output[-3_000:]}"
            self.faults += [Fault(category="incomplete", message=one) for one in said[:20]]

    async def _own(self, tree: Tree) -> list[Done]:
        if self.work.verify:
            await self._write(tree)
        return [await self._do(declared(text, "command", "task")) for text in self.work.verify]

    async def _before(self, checks: list[list[Check]]) -> list[Done]:
        """What the same says of the base."""
        name = baseline.key(self.base.oid, checks)
        known = baseline.load(self.cache, name)
        if known is None:
            known = await self._all(self.base, checks)
            baseline.save(self.cache, name, known)
        return known

    async def _all(self, tree: Tree, checks: list[list[Check]]) -> list[Done]:
        await self._write(tree)
        return [await self._first(some) for some in checks]

    async def _first(self, checks: list[Check]) -> Done:
        """The first of them that could be run, or else what came nearest to it."""
        tried: list[Done] = []
        for check in checks:
            tried.append(done := await self._do(check))
            if done.results or done.trouble or (done.passed and not done.none):
                return done
        return max(tried, key=lambda done: (done.none, not done.missing))

    # What follows

    def _said(self) -> Evidence:
        mode, paths = self.settings.mode, self.paths
        proof = self.proof
        silent = self.unsure or verdict.silence(mode, paths, self.commands, self.gone)
        if not self.work.gate and (beside := verdict.beside(paths, self.work.files)):
            # Tests that were there before and pass as before say nothing of it.
            new = {*self.tests.fixed, *self.tests.added} & set(self.tests.passed)
            if not new and not self.vouched:
                proof, silent = [], beside
        faults = tuple(replace(one, message=self.runner.redact(one.message)) for one in self.faults)
        decided, reason = verdict.decide(faults, [] if self.unsure else proof, silent)
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


def _settled(checks: list[Check], done: Done) -> list[Check]:
    text = done.command.argv[-1]
    return [one for one in checks if one.text == text] if done.results else checks


def _silent(ran: Sequence[Done]) -> list[Done]:
    """Tests of which only that they passed is known."""
    tests = (one for one in ran if one.command.level == "tests")
    return [one for one in tests if one.passed and not one.results and not one.none]


def _passed(done: Done | None) -> bool:
    return done is not None and done.passed


def _only(check: Check, files: list[str]) -> Check:
    """`check` for these of a project's tests, if its command is known to take them."""
    return check.on(files) if check.text in (ecosystems.PYTEST, ecosystems.NODE) else check
