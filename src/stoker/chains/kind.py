"""Kind `chain`: one group of operations on EVM chains."""

from __future__ import annotations

import time
from collections.abc import Collection
from pathlib import Path
from typing import Any

import msgspec

from stoker import whole_file
from stoker.chains import results
from stoker.chains.errors import BadGroups, ChainError
from stoker.chains.group import OperationGroup
from stoker.chains.log import log
from stoker.chains.metrics import Metrics
from stoker.chains.node import GroupNode
from stoker.chains.path import Outcome, carry_out
from stoker.chains.reading import one
from stoker.chains.workshop import Site, opened
from stoker.engine.attempt import file_name
from stoker.engine.kinds import Attempt, Result, Work
from stoker.engine.state import RunState
from stoker.plan.model import Step
from stoker.steps.kind import BaseKind, Definition
from stoker.toml_file import BadFile


class Chain(Definition, frozen=True, kw_only=True):
    """What is to be done. Other groups whose effects it sees are those that the step depends on,
    directly or not."""

    group: dict[str, Any]
    """As in a document of groups."""
    settings: str | None = None
    """File of the settings, absolute; default: `chains.toml` of the state directory."""


class ChainKind(BaseKind[Chain]):
    """Outputs: `result`, also of a group that failed. Of one that is done `committed` (what it
    takes to have its effects again, with its transactions), `reruns`, `mended`, and files: `report`
    (traces, logs, gas, what changed hands) and `outgoing` (what a broadcast sends). Of one whose
    script was mended, or was to be, the file `talk` (what was said with the model)."""

    name = "chain"
    definition = Chain

    def check(self, step: Step, definition: Chain) -> list[str]:
        """All that can be said of a group by itself."""
        try:
            one(definition.group, ("group",))
        except BadGroups as error:
            return list(error.told)
        return []

    def tool(self, step: Step, definition: Chain) -> str:
        """Its name."""
        return self.name

    def start(self, step: Step, definition: Chain, attempt: Attempt) -> Work:
        """One pass along the path of a group."""
        return _work(definition, attempt)


async def _work(definition: Chain, attempt: Attempt) -> Result:
    workshop = await attempt.shared(opened)
    state = await workshop.state(attempt.run_id)
    index = state.graph.index[attempt.step_id]
    group = one(definition.group)
    began = time.monotonic()
    log.info("group started", plan=attempt.run_id, group=index, description=group.description)
    with workshop.metrics.group():
        settings = Path(definition.settings) if definition.settings else None
        try:
            site = await workshop.site(attempt.run_id, settings)
        except (BadFile, ChainError) as error:
            came = _nothing(index, group, str(error))
        else:
            came = await _Pass(index, group, attempt, state, site, workshop.metrics).carry_out()
    seconds = round(time.monotonic() - began, 3)
    told = {"plan": attempt.run_id, "group": index, "seconds": seconds}
    if came.error is None:
        log.info("group completed", **told)
    else:
        log.info("group failed", error=came.error, **told)
    return came


def _nothing(index: int, group: OperationGroup, error: str) -> Result:
    return Result(error=error, outputs={"result": _plain(results.failed(index, group, error))})


class _Pass:
    """One, along the path of a group."""

    def __init__(
        self,
        index: int,
        group: OperationGroup,
        attempt: Attempt,
        state: RunState,
        site: Site,
        metrics: Metrics,
    ) -> None:
        self._index = index
        self._group = group
        self._attempt = attempt
        self._state = state
        self._site = site
        self._metrics = metrics
        self._folder = Path(attempt.directory, "chains")

    async def carry_out(self) -> Result:
        tools, index, group = self._site.tools, self._index, self._group
        try:
            node = GroupNode(index, group, tools, self._site.backend, before(self._state, index))
        except ChainError as error:
            return _nothing(index, group, str(error))
        try:
            outcome = await carry_out(
                node, file=self._file("state"), mending=tools.mending, settled=self._settled
            )
        except ChainError as error:
            return self._failed(node, tools.redact(str(error)))
        finally:
            if node.artifacts.captured is not None:
                for line in node.artifacts.captured.console:
                    self._attempt.write(f"{line}\n")
        return self._done(node, outcome)

    def _done(self, node: GroupNode, outcome: Outcome) -> Result:
        self._metrics.contention(outcome.reruns, outcome.lost)
        committed = outcome.committed
        sent = results.transaction_data(committed.transactions, self._site.tools.urls)
        done = results.done(self._index, self._group, sent, node.artifacts.script)
        report = self._file("report")
        document = {**node.report(), "text": node.explain()}
        whole_file.replace(Path(report), msgspec.json.encode(document))
        outgoing = self._file("outgoing")
        whole_file.replace(Path(outgoing), msgspec.json.encode(node.outgoing(committed)))
        return Result(
            outputs={
                "result": _plain(done),
                "committed": _plain(committed),
                "report": report,
                "outgoing": outgoing,
                "reruns": outcome.reruns,
                "mended": outcome.mended,
                **self._talk(node),
            }
        )

    def _failed(self, node: GroupNode, error: str) -> Result:
        made = node.artifacts
        if made.captured is not None:
            self._attempt.write(node.explain(), error=True)
        captured = made.captured.transactions if made.captured is not None else ()
        if self._group.atomic:  # all, or none
            captured = ()
        sent = results.transaction_data(captured, self._site.tools.urls)
        failed = results.failed(self._index, self._group, error, sent, made.script)
        return Result(error=error, outputs={"result": _plain(failed), **self._talk(node)})

    def _talk(self, node: GroupNode) -> dict[str, str]:
        if node.artifacts.talk is None:
            return {}
        talk = self._file("talk")
        whole_file.replace(Path(talk), msgspec.json.encode(node.artifacts.talk))
        return {"talk": talk}

    async def _settled(self, groups: Collection[int]) -> frozenset[int]:
        """Once the steps of others are over: those whose effects stand."""
        for other in groups:
            step = self._state.steps[other]
            await self._attempt.others(step.step.id)
            if step.status != "succeeded":  # stopped between its effects and its end
                self._site.backend.withdraw(other)
        return frozenset(one for one in groups if self._state.steps[one].status == "succeeded")

    def _file(self, what: str) -> str:
        return str(self._folder / f"{file_name(self._attempt.step_id)}.{what}")


def before(state: RunState, index: int) -> frozenset[int]:
    """The groups that a step follows, whatever lies between."""
    seen: set[int] = set()
    waiting = [index]
    while waiting:
        for other in state.graph.dependencies[waiting.pop()]:
            if other not in seen:
                seen.add(other)
                waiting.append(other)
    return frozenset(one for one in seen if "committed" in state.steps[one].outputs)


def _plain(value: Any) -> Any:
    return msgspec.to_builtins(value, str_keys=True)


KIND = ChainKind()
