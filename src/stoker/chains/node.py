"""One group's elementary operations, on what it owns and what plans share."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from stoker.chains.address import checksummed, parsed
from stoker.chains.config import GroupArtifacts, GroupConfig, chain_ids, own
from stoker.chains.errors import ChainError, ModelFailed
from stoker.chains.evm.job import Capture, CaptureJob, Chains, Replay, ReplayJob
from stoker.chains.group import Contract, OperationGroup
from stoker.chains.log import log
from stoker.chains.scripting.formats import ExtractedContractInfo, ScriptBlock, Talk
from stoker.chains.solidity.compilation import Compilation, Diagnostic
from stoker.chains.sources.contract_source import ContractSource
from stoker.chains.state.commits import Committed, Conflict
from stoker.chains.state.sight import Sight
from stoker.together import both

if TYPE_CHECKING:
    from stoker.chains.backend import ExecutionBackend
    from stoker.chains.broadcast.describe import Outgoing
    from stoker.chains.report.verdict import Verdict
    from stoker.chains.scripting.model import ScriptModel
    from stoker.chains.tools import Tools


class GroupNode:
    """A group while it is carried out, by its path or by the script agent. What it changes is its
    own; what it shares with others it only asks."""

    def __init__(
        self,
        index: int,
        group: OperationGroup,
        tools: Tools,
        backend: ExecutionBackend,
        after: Collection[int],
    ) -> None:
        """`after`: the groups whose effects it is to see. Raises `ChainError`."""
        self.index = index
        self.config = GroupConfig.of(group, tools.settings)
        self.artifacts = GroupArtifacts()
        self.after = frozenset(after)
        self.group = group
        self._tools = tools
        self._backend = backend
        self._last: Compilation | None = None
        self._view: Chains | None = None
        self._viewed: frozenset[int] = frozenset()
        self._read: Verdict | None = None

    # Sources and script.

    async def fetch_sources(self) -> tuple[ContractSource, ...]:
        """Of the contracts the group names. Raises `SourcesMissing`."""
        wait = self._tools.settings.sources.wait
        late = asyncio.get_running_loop().call_later(
            wait / 2, partial(log.warning, "sources are late", group=self.index, limit=wait)
        )
        try:
            found = await self._tools.sources.get(self.group.contracts, wait)
        finally:
            late.cancel()
        found = self.artifacts.sources = tuple(map(own, found))
        log.debug("sources", group=self.index, contracts=len(found))
        return found

    async def fetch_contract(self, chain_id: int, address: str) -> ContractSource:
        """Any other. Raises `SourcesMissing`."""
        contract = Contract(chain_id, checksummed(parsed(address)), "contract")
        (found,) = await self._tools.sources.get([contract], self._tools.settings.sources.wait)
        found = own(found)
        self.artifacts.sources = (*self.artifacts.sources, found)
        return found

    async def extract(self) -> tuple[ExtractedContractInfo, ...]:
        """What matters in the sources. Raises `ModelFailed`, `SourcesMissing`."""
        sources = self.artifacts.sources or await self.fetch_sources()
        infos = await self._author.extract(self.group, sources)
        log.debug("extraction", group=self.index, contracts=[one.interface_name for one in infos])
        return infos

    async def generate_script(self, infos: Sequence[ExtractedContractInfo]) -> ScriptBlock:
        """Raises `ModelFailed`."""
        block = await self._author.generate(self.group, infos)
        log.debug("generation", group=self.index, lines=len(block.codelines))
        return block

    @property
    def _author(self) -> ScriptModel:
        if self._tools.author is None:
            raise ModelFailed(
                "the group brings no script, and the settings name no model to write one"
            )
        return self._tools.author

    def assemble(self, block: ScriptBlock) -> str:
        """The whole script."""
        from stoker.chains.scripting.assembler import assemble

        return assemble(
            block,
            sender=checksummed(self.config.sender),
            home=self.config.home,
            funds=self.group.funds,
            aliases=self.config.aliases,
        )

    def review_script(self, text: str) -> tuple[Diagnostic, ...]:
        """What is wrong with it that needs no compiler: refused cheatcodes, bad addresses."""
        from stoker.chains.solidity.review import review

        self._try(text)
        foreign = self._tools.settings.capture == "forge"
        return review(text, aliases=self.config.aliases, foreign=foreign)

    def edit_script(self, text: str, old: str, new: str) -> str:
        """`text` with its one `old` replaced. Raises `ChainError` if there is none or several."""
        from stoker.chains.solidity.review import edit

        return edit(text, old, new)

    async def compile_script(self, text: str) -> Compilation:
        """Raises `CompileFailed`."""
        self._try(text)
        compiled = own(await self._tools.compile(text, self.config.compiler))
        self.artifacts.compilations[compiled.name] = compiled
        for warning in compiled.warnings:
            log.debug("compiler", group=self.index, said=str(warning))
        return compiled

    def _try(self, text: str) -> None:
        """What another script came to is not this one's."""
        made = self.artifacts
        if made.script != text:
            made.script, made.captured, made.replayed = text, None, None

    # Execution.

    async def deploy_script(self, compiled: Compilation) -> CaptureJob:
        """Put it on what the group sees, ready to be run."""
        job = CaptureJob(
            script=compiled,
            chains=await self.view(),
            sender=self.config.sender,
            limits=self.config.limits,
        )
        self._last = compiled
        self.artifacts.deployments[f"{compiled.file}:{compiled.name}"] = job
        return job

    async def execute_script(self, compiled: Compilation) -> Capture:
        """Run it with cheatcodes on what the group sees."""
        job = await self.deploy_script(compiled)
        if not self.artifacts.sources:  # the script needed none, but what it does is read by them
            there = self._tools.sources.at_hand(self.group.contracts)
            self.artifacts.sources = tuple(map(own, there))
        captured, _ = await both(self._tools.capturing.capture(job), self._tools.ready())
        self.artifacts.captured, self.artifacts.replayed = captured, None
        return captured

    async def build_transactions(self) -> Replay:
        """Replay what it broadcast."""
        transactions = self.executed.transactions
        job = ReplayJob(
            transactions=transactions, chains=await self.view(), limits=self.config.limits
        )
        replayed = await self._tools.replaying.replay(job)
        self.artifacts.replayed = replayed
        return replayed

    @property
    def executed(self) -> Capture:
        """What the last script did. Raises `ChainError` where none has run."""
        if self.artifacts.captured is None:
            raise ChainError("nothing has run yet")
        return self.artifacts.captured

    def audit_results(self) -> tuple[str, ...]:
        """What the outcome has that the group did not mean, or that is not as captured; empty:
        nothing."""
        return self._verdict().problems()

    def explain(self) -> str:
        """Decoded traces, errors, console output and balance changes, for people and models."""
        return self._verdict().text()

    def keep(self, talk: Talk) -> None:
        """What was said while the script was mended, also if that came to nothing."""
        self.artifacts.talk = talk

    def failure(self) -> str | None:
        """Why a script failed, with the errors of the contracts that are known; None: it ran."""
        return None if self.executed.error is None else self._verdict().error()

    async def without_code(self) -> tuple[str, ...]:
        """What is said of the group's contracts that are none."""
        sight = self._sight(self._seen)
        told = [
            f"there is no contract at {one.address} ({one.name}) on chain {one.chain_id}"
            for one in self.group.contracts
            if not await sight.code(one.chain_id, one.address)
        ]
        return tuple(told)

    def report(self) -> dict[str, Any]:
        """Traces, logs, gas, what changed hands, what is stored otherwise, evidence."""
        return {**self._verdict().document(), "evidence": self.artifacts.evidence}

    def outgoing(self, committed: Committed) -> Outgoing:
        """What is to be sent, if somebody wants that."""
        from stoker.chains.broadcast.describe import outgoing

        replayed, compiled = self.artifacts.replayed, self._last
        assert replayed is not None  # noqa: S101 - it is committed
        assert compiled is not None  # noqa: S101
        return outgoing(
            f"{self.index}-{compiled.name}.s.sol",
            committed.transactions,
            replayed.transactions,
            self._verdict().registry,
            timestamp=time.time_ns() // 1_000_000,
            capture=self.executed,
            compiled=compiled,
        )

    async def across(self, replayed: Replay) -> Replay:
        """Have bridges bring what was locked to their other sides, and see whether what the group
        asserts holds then; the replay with what came of that. Raises `AuditFailed`."""
        from stoker.chains.report.across import across

        came, evidence = await across(
            self.group,
            self._verdict().registry,
            self.executed,
            replayed,
            self._seen,
            self._sight,
            self._tools.replaying,
            self.config.limits,
        )
        self.artifacts.evidence = evidence
        return came

    def _verdict(self) -> Verdict:
        from stoker.chains.report.verdict import Verdict

        if self._read is None or not self._read.of(self.artifacts):
            self._read = Verdict(self.group, self.config.sender, self.artifacts, self._seen)
        return self._read

    async def commit(self, replayed: Replay, file: str) -> Committed | Conflict:
        """Make its effects the plan's."""
        return await self._backend.commit(
            self.index,
            after=self._viewed,
            view=await self.view(),
            transactions=self.executed.transactions,
            replay=replayed,
            file=file,
        )

    # What the group sees.

    async def view(self) -> Chains:
        """Taken when it is first asked for, and again when there is more to follow, or a script
        names another chain."""
        named = {self.config.home, *chain_ids(self.group)}
        script = self.artifacts.script
        named |= {one for alias, one in self.config.aliases.items() if f'"{alias}"' in script}
        view = self._view
        if view is None or self._viewed != self.after or not named <= view.pins.keys():
            after = self.after
            view = await self._backend.view(home=self.config.home, chains=named, after=after)
            self._view, self._viewed = view, after
        return view

    async def sight(self) -> Sight:
        """Single facts of what the group sees."""
        return self._sight(await self.view())

    def _sight(self, view: Chains) -> Sight:
        tools, config = self._tools, self.config
        return Sight(view, tools.remote, tools.replaying, config.sender, config.limits)

    @property
    def _seen(self) -> Chains:
        """What the last script ran on."""
        if self._view is None:
            raise ChainError("nothing has run yet")
        return self._view
