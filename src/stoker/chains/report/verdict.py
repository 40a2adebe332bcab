"""What an execution came to, read with all ABIs at hand."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from stoker.chains.config import GroupArtifacts
from stoker.chains.errors import ChainError
from stoker.chains.evm.job import Chains
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
    """Of a group's last execution, as its artifacts have it; `chains`: what that ran on."""

    def __init__(
        self, group: OperationGroup, sender: bytes, made: GroupArtifacts, chains: Chains
    ) -> None:
        if made.captured is None:
            raise ChainError("nothing has run yet")
        self._group = group
        self._sender = sender
        self._chains = chains
        self._captured = made.captured
        self._replayed = made.replayed
        self._sources = made.sources
        self.registry = Registry(made.sources, made.compilations.values())
        registry_learned(self.registry, made.captured, made.replayed)
        for job in made.deployments.values():
            self.registry.learn_script(job.script, made.captured.frame.to)

    def of(self, made: GroupArtifacts) -> bool:
        """Whether it would be made of just these."""
        same = self._captured is made.captured and self._replayed is made.replayed
        return same and self._sources is made.sources

    def error(self) -> str:
        """Why the script failed."""
        return capture_error(self._captured, self.registry)

    def problems(self) -> tuple[str, ...]:
        """Why it is not to be sent."""
        told = [one.message for one in self._differences if one.fatal]
        if self._group.script is None and not self._captured.transactions:
            told.append("the script broadcasts nothing")
        return (*told, *(self._audit.problems if self._audit else ()))

    def text(self) -> str:
        """For people and models."""
        return explanation(self._captured, self._replayed, self.registry, self._differences)

    def document(self) -> dict[str, Any]:
        """For the journal and its clients."""
        if self._replayed is None:
            return {}
        told = [one.message for one in self._differences if not one.fatal]
        return {
            **report(self._captured, self._replayed, self._chains, self.registry),
            "notes": (*told, *(self._audit.notes if self._audit else ())),
        }

    @cached_property
    def _audit(self) -> Audit | None:
        if self._replayed is None:
            return None
        return audit(self._group, self._sender, self._captured, self._replayed, self.registry)

    @cached_property
    def _differences(self) -> tuple[Difference, ...]:
        if self._replayed is None:
            return ()
        return differences(self._captured, self._replayed, self._chains, self.registry)
