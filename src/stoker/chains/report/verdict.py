"""What an execution came to, read with all ABIs at hand."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

from stoker.chains.config import GroupArtifacts
from stoker.chains.evm.job import Capture, Chains, Replay
from stoker.chains.group import OperationGroup
from stoker.chains.report.audit import Audit, audit
from stoker.chains.report.compare import Difference, differences
from stoker.chains.report.registry import Registry
from stoker.chains.report.summary import (
    capture_error,
    explanation,
    registry_learned,
    report,
)


class Verdict:
    """Of one group's."""

    def __init__(
        self,
        group: OperationGroup,
        sender: bytes,
        made: GroupArtifacts,
        captured: Capture,
        replayed: Replay | None,
    ) -> None:
        self._group = group
        self._sender = sender
        self._captured = captured
        self._replayed = replayed
        self._sources = made.sources
        self._compared: tuple[Chains, Sequence[Difference]] | None = None
        self.registry = Registry(made.sources, made.compilations.values())
        registry_learned(self.registry, captured, replayed)
        for job in made.deployments.values():
            self.registry.learn_script(job.script, captured.frame.to)

    def of(self, made: GroupArtifacts, captured: Capture, replayed: Replay | None) -> bool:
        """Whether it would be made of just these."""
        same = self._captured is captured and self._replayed is replayed
        return same and self._sources is made.sources

    def error(self) -> str | None:
        """Why the script failed; None: it did not."""
        if self._captured.error is None:
            return None
        return capture_error(self._captured, self.registry)

    def problems(self, chains: Chains) -> tuple[str, ...]:
        """Why it is not to be sent."""
        told = [one.message for one in self._differences(chains) if one.fatal]
        if self._group.script is None and not self._captured.transactions:
            told.append("the script broadcasts nothing")
        return (*told, *(self._audit.problems if self._audit else ()))

    def notes(self, chains: Chains) -> tuple[str, ...]:
        """What somebody should know."""
        told = [one.message for one in self._differences(chains) if not one.fatal]
        return (*told, *(self._audit.notes if self._audit else ()))

    def text(self, chains: Chains) -> str:
        """For people and models."""
        found = tuple(self._differences(chains))
        return explanation(self._captured, self._replayed, self.registry, found)

    def document(self, chains: Chains) -> dict[str, Any]:
        """For the journal and its clients."""
        if self._replayed is None:
            return {}
        return {
            **report(self._captured, self._replayed, chains, self.registry),
            "notes": self.notes(chains),
        }

    @cached_property
    def _audit(self) -> Audit | None:
        if self._replayed is None:
            return None
        return audit(self._group, self._sender, self._captured, self._replayed, self.registry)

    def _differences(self, chains: Chains) -> Sequence[Difference]:
        if self._replayed is None:
            return ()
        if self._compared is None or self._compared[0] is not chains:
            found = differences(self._captured, self._replayed, chains, self.registry)
            self._compared = chains, found
        return self._compared[1]
